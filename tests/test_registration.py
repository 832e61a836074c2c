"""Where the face is: on the synthetic head exactly, on real heads against landmarks checked by eye."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import rotate, shift

from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.anatomy.template import load_template
from defaceqa.features import extract
from defaceqa.simulation.originals import read_originals
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import Pair, Volume, load_volume

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
    anatomy = locate(found.volume, with_brain=False)
    assert anatomy.located
    assert np.median(errors_mm(anatomy, found.landmarks_mm)) < 8


def test_the_same_head_gives_the_same_matrix_twice(head):
    assert np.array_equal(locate(head.volume, with_brain=False).matrix, locate(head.volume, with_brain=False).matrix)


@pytest.mark.parametrize("axes", [(0, 2)])
def test_a_turned_and_shifted_head_is_found_as_well(head, axes):
    moved_data = shift(rotate(head.volume.data, 20, axes, reshape=False, order=1), (5, -5, 5), order=1)
    anatomy = locate(Volume(moved_data, head.volume.affine), with_brain=False)
    upright = locate(head.volume, with_brain=False)
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
        anatomy = locate(volume, with_brain=False)
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


# --- the same face, seen otherwise ------------------------------------------------------------------------------------


def half_defaced(data: np.ndarray, landmarks_mm: dict[str, np.ndarray]) -> np.ndarray:
    """Nose and mouth cut off, the eyes left in: residuals of every size."""
    defaced = data.copy()
    marks = {name: point / 2.0 for name, point in landmarks_mm.items()}
    below = round(float(marks["nasion"][2] - 6))
    front = round(float(marks["subnasale"][1] - 14))
    defaced[:, front:, :below] = 0
    return defaced


def turned(axes: tuple[int, int], angle_deg: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda data: rotate(np.pad(data, 12), angle_deg, axes, reshape=False, order=1)


def shaded(data: np.ndarray) -> np.ndarray:
    return data * np.linspace(0.7, 1.3, data.shape[2], dtype=np.float32)


def noisy(data: np.ndarray) -> np.ndarray:
    level = 0.1 * np.percentile(data, 90)
    return np.abs(data + np.random.default_rng(8).normal(0, level, data.shape)).astype(np.float32)


PERTURBATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"turned {angle:+d} deg about axis {3 - sum(axes)}": turned(axes, angle)
       for axes in ((0, 1), (0, 2), (1, 2)) for angle in (-20, 20)},
    "shifted 30 mm": lambda data: np.pad(data, ((30, 0), (15, 15), (0, 30))),
    "noise of 10 %": noisy,
    "shading of 30 %": shaded,
    "neck cropped": lambda data: data[:, :, 16:],
}  # fmt: skip


def residuals(original: np.ndarray, defaced: np.ndarray) -> dict[str, float]:
    volume = Volume(np.ascontiguousarray(original), np.diag([2.0, 2.0, 2.0, 1.0]))
    pair = Pair(volume, Volume(np.ascontiguousarray(defaced), volume.affine))
    values = extract(pair, anatomy=locate(volume, with_brain=False)).values
    return {name: values[name] for name in ("residual_eyes", "residual_nose", "residual_mouth")}


@pytest.fixture
def unseen(monkeypatch):
    """Leave out the rendering, which residuals do not need."""
    blank = np.full((5, 64, 64), 255, np.uint8)
    blank[:, 20:40, 20:40] = 100
    monkeypatch.setattr("defaceqa.renders.render_views", lambda surfaces, focus_mm: [blank for _ in surfaces])


@pytest.mark.slow
@pytest.mark.usefixtures("unseen")
def test_residuals_stay_when_a_real_head_is_turned_shifted_noisy_shaded_or_cropped(shared_heads):
    original = next(one for one in read_originals(shared_heads / "heads.tsv", LANDMARKS) if one.head_id == "ixi015")
    assert original.head_id not in load_card_heads()
    volume = load_volume(original.path)
    defaced = half_defaced(volume.data, original.landmarks_on(volume))
    before = residuals(volume.data, defaced)
    assert before["residual_eyes"] > 0.5
    assert before["residual_mouth"] < 0.2
    change = {}
    for name, perturb in PERTURBATIONS.items():
        after = residuals(perturb(volume.data), perturb(defaced))
        change[name] = max(abs(after[key] - before[key]) for key in before)
    assert all(value < 0.1 for value in change.values()), change
