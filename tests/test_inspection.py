"""One picture of where brain and face were found, that only its owner can read."""

from __future__ import annotations

import stat

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from defaceqa.anatomy.registration import Anatomy
from defaceqa.cli import commands
from defaceqa.errors import InputError
from defaceqa.head import to_working_grid
from defaceqa.inspection import BRAIN_COLOUR, COLOURS, inspect
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import save_volume


@pytest.fixture(scope="module")
def head():
    return synthetic_head(2.0)


@pytest.fixture
def original(head, tmp_path):
    save_volume(head.volume.data, tmp_path / "head.nii.gz", affine=head.volume.affine)
    return tmp_path / "head.nii.gz"


@pytest.fixture
def located(head, monkeypatch):
    """Anatomy as exact as the synthetic head's, without the time a registration takes."""
    brain = to_working_grid(head.brain, head.volume.spacing_mm) > 0.5
    anatomy = Anatomy(np.eye(4), 0.97, head.landmarks_mm, located=True, brain=brain)
    monkeypatch.setattr("defaceqa.inspection.locate", lambda volume: anatomy)
    return anatomy


def near(pixels, colour, tolerance=60):
    return int((np.abs(pixels.astype(int) - colour).max(axis=-1) < tolerance).sum())


def test_the_picture_shows_brain_and_regions_and_is_for_its_owner_alone(original, located, tmp_path):
    target = tmp_path / "picture.png"
    assert inspect(original, target) is located
    pixels = np.asarray(Image.open(target))
    assert pixels.shape == (2 * 512 + 2 * 56, 3 * 512, 3)
    faces, slices = pixels[56:568], pixels[568:1080]
    assert near(slices, BRAIN_COLOUR, 10) > 1000
    for region in ("nose", "mouth", "forehead", "cheeks_jaw"):
        hue = np.array(COLOURS[region]) / max(COLOURS[region])
        lit = faces.reshape(-1, 3)[faces.reshape(-1, 3).max(axis=1) > 60].astype(float)
        assert (np.abs(lit / lit.max(axis=1, keepdims=True) - hue).max(axis=1) < 0.03).sum() > 500, region
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.nii.gz", "picture.png"]


def test_a_head_that_was_not_located_is_drawn_and_said(original, located, monkeypatch, tmp_path):
    lost = Anatomy(np.eye(4), 0.4, located.landmarks_mm, False, ("could not locate brain and face",))
    monkeypatch.setattr("defaceqa.inspection.locate", lambda volume: lost)
    target = tmp_path / "lost.png"
    done = CliRunner().invoke(commands, ["inspect", str(original), "--out", str(target)], standalone_mode=False)
    assert done.return_value == 3
    assert "could not locate brain and face" in done.output
    assert target.is_file()


def test_a_file_that_is_no_image_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "no.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError):
        inspect(tmp_path / "no.nii.gz", tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
