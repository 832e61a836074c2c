"""Where the face is: on the synthetic head exactly, on real heads against landmarks checked by eye."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import rotate, shift

from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.anatomy.template import load_template
from defaceqa.simulation.originals import read_originals
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import Volume, load_volume

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"
FACIAL = ("left_eye", "right_eye", "nasion", "pronasale", "subnasale", "stomion", "menton")


def errors_mm(anatomy: Anatomy, truth: dict[str, np.ndarray]) -> list[float]:
    return [float(np.linalg.norm(anatomy.landmarks_mm[name] - truth[name])) for name in FACIAL if name in truth]


@pytest.fixture(scope="module")
def head():
    return synthetic_head(2.0)


def test_the_template_has_all_landmarks_and_a_brain_of_adult_size():
    template = load_template()
    assert len(template.landmarks_mm) == 11
    brain_ml = float((template.brain > 0.5).sum() * np.prod(template.spacing_mm) / 1000)
    assert 1200 < brain_ml < 2100


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "FLAIR"])
def test_the_synthetic_face_is_found_in_any_contrast(contrast):
    found = synthetic_head(2.0, contrast=contrast)
    anatomy = locate(found.volume)
    assert anatomy.located
    assert np.median(errors_mm(anatomy, found.landmarks_mm)) < 8


def test_the_same_head_gives_the_same_matrix_twice(head):
    assert np.array_equal(locate(head.volume).matrix, locate(head.volume).matrix)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_a_turned_and_shifted_head_is_found_as_well(head, axes):
    turned = shift(rotate(head.volume.data, 20, axes, reshape=False, order=1), (5, -5, 5), order=1)
    anatomy = locate(Volume(turned, head.volume.affine))
    upright = locate(head.volume)
    assert anatomy.located
    nose = [a.landmarks_mm["pronasale"] for a in (anatomy, upright)]
    centre = np.array(head.volume.shape) - 1.0  # grid mm of the middle at 2 mm
    moved = nose[1] - centre
    angle = np.deg2rad(20)
    first, second = axes
    expected = moved.copy()
    expected[first] = np.cos(angle) * moved[first] - np.sin(angle) * moved[second]
    expected[second] = np.sin(angle) * moved[first] + np.cos(angle) * moved[second]
    candidates = [expected + centre + np.array([10, -10, 10])]
    angle = -angle
    expected[first] = np.cos(angle) * moved[first] - np.sin(angle) * moved[second]
    expected[second] = np.sin(angle) * moved[first] + np.cos(angle) * moved[second]
    candidates.append(expected + centre + np.array([10, -10, 10]))
    assert min(np.linalg.norm(nose[0] - c) for c in candidates) < 8


def test_what_is_no_head_is_not_located():
    grid = np.stack(np.meshgrid(*[np.arange(-60, 61)] * 3, indexing="ij"))
    ball = (100 * (np.abs(grid) < np.array([20, 55, 12])[:, None, None, None]).all(axis=0)).astype(np.float32)
    anatomy = locate(Volume(ball, np.diag([2.0, 2.0, 2.0, 1.0])))
    assert not anatomy.located
    assert anatomy.flags == ("could not locate brain and face",)


def test_real_heads_outside_the_template_are_located_within_a_centimetre(shared_heads):
    originals = {o.head_id: o for o in read_originals(shared_heads / "heads.tsv", LANDMARKS)}
    template = set(load_card_heads())
    outside = [o for name, o in sorted(originals.items()) if name.startswith("ixi") and name not in template][:4]
    medians = []
    for original in outside:
        volume = load_volume(original.path)
        anatomy = locate(volume)
        assert anatomy.located
        medians.append(np.median(errors_mm(anatomy, original.landmarks_on(volume))))
    assert max(medians) < 10
    assert np.median(medians) < 6


def load_card_heads() -> list[str]:
    import json

    from defaceqa.shipped import shipped_folder

    return json.loads((shipped_folder("template") / "card.json").read_text())["heads"]


def test_the_landmark_table_names_every_landmark_of_every_head_once():
    with LANDMARKS.open(newline="") as stream:
        rows = [(row["head_id"], row["landmark"]) for row in csv.DictReader(stream, delimiter="\t")]
    assert len(rows) == len(set(rows))
    assert len(rows) % 11 == 0
    assert len({head for head, _ in rows}) >= 45
