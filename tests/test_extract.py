"""All features of a pair: complete, in range, and the same however the scan is stored."""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray

from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.features import FEATURES, FeatureRow, extract
from defaceqa.features.extract import pair_surfaces, working_pair
from defaceqa.features.fsim import fsim
from defaceqa.head import to_working_grid
from defaceqa.renders import camera_focus_mm, render_views, settings_hash
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.volumes import Pair, Volume, load_pair, load_volume

Array = NDArray[Any]

OBLIQUE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.25, -0.15, 0.35))
SMALL_CHANGE = {"fsim": 0.005, "ssim": 0.005, "psnr": 0.3, "rmse": 0.6, "residual": 0.02, "masd": 0.1, "hd95": 0.3}
"""What storing a scan in 256 grey levels may move, by the first word of a feature's name."""

OTHER_VOXELS = {"fsim": 0.02, "ssim": 0.02, "psnr": 0.8, "rmse": 1.5, "residual": 0.04, "masd": 0.3, "hd95": 1.0}
"""What another size or position of the voxels may move.

Measured here: at most 0.011 in the FSIM of a view, 0.007 in its mean, 0.014 in a residual. A cut along the skin, whose
depth follows the voxels, moves FSIM by up to 0.03 and the residual of a half-erased eye by up to 0.08.
"""

CUT_ANEW = OTHER_VOXELS | {"fsim": 0.03, "residual": 0.08}
"""What cutting the same head anew at another voxel size may move: see above."""

HEAD_FRACTION = 0.005
"""What either may move of the share of the head that was removed or altered."""


def located(landmarks_mm: dict[str, Array]) -> Anatomy:
    return Anatomy(np.eye(4), 1.0, landmarks_mm, located=True)


def deface(volume: Volume, landmarks_mm: dict[str, Array]) -> Volume:
    """Cut off all that lies in front of and below the eyes, but leave the left one, in one piece with its lids."""
    left, right = landmarks_mm["left_eye"], landmarks_mm["right_eye"]
    x, y, z = np.ix_(*(np.arange(n) * step for n, step in zip(volume.shape, volume.spacing_mm, strict=True)))
    face = (y > min(left[1], right[1]) - 18) & (z < max(left[2], right[2]) + 8)
    kept = (x - left[0]) ** 2 + (y - left[1]) ** 2 + (z - left[2]) ** 2 < 16**2
    return replace(volume, data=np.where(face & ~kept, np.float32(0), volume.data))


def assert_close(found: FeatureRow, expected: FeatureRow, tolerance: dict[str, float]) -> None:
    for name, value in expected.values.items():
        if math.isnan(value):
            assert math.isnan(found.values[name]), name
            continue
        allowed = tolerance.get(name.split("_")[0], HEAD_FRACTION)
        if name.endswith("_ml"):
            allowed = max(2.0, 0.05 * value)
        assert found.values[name] == pytest.approx(value, abs=allowed), name


# --- one pair ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    made = synthetic_head(2.0)
    whole_numbers = replace(made.volume, data=np.rint(made.volume.data))
    return replace(made, volume=whole_numbers)


@pytest.fixture(scope="module")
def pair(head: SyntheticHead) -> Pair:
    return Pair(head.volume, deface(head.volume, head.landmarks_mm), head.brain)


@pytest.fixture(scope="module")
def row(pair: Pair, head: SyntheticHead) -> FeatureRow:
    return extract(pair, anatomy=located(head.landmarks_mm))


@pytest.fixture(scope="module")
def bare_row(head: SyntheticHead) -> FeatureRow:
    """An untouched copy, and nobody knows where brain and face are."""
    return extract(Pair(head.volume, head.volume))


def test_every_feature_of_the_table_is_measured_and_no_other(row: FeatureRow) -> None:
    assert list(row.values) == list(FEATURES)
    assert all(type(value) is float for value in row.values.values())
    assert row.undefined == {}
    assert row.flags == ()
    assert row.settings_hash == settings_hash()


@pytest.mark.parametrize("which", ["row", "bare_row"])
def test_every_value_lies_in_the_range_of_the_table(which: str, request: pytest.FixtureRequest) -> None:
    for name, value in request.getfixturevalue(which).values.items():
        assert math.isnan(value) or FEATURES[name].low <= value <= FEATURES[name].high, name


def test_what_is_left_and_what_is_gone_is_told_apart(row: FeatureRow) -> None:
    assert row.values["residual_left_eye"] > 0.8
    assert row.values["residual_eyes"] == row.values["residual_worst"] == row.values["residual_left_eye"]
    for region in ("right_eye", "nose", "mouth"):
        assert row.values[f"residual_{region}"] < 0.2
    for region in ("left_ear", "right_ear", "forehead"):
        assert row.values[f"residual_{region}"] > 0.98
    assert 150 < row.values["head_removed_ml"] < 300
    assert row.values["brain_removed_ml"] == 0
    assert 0.3 < row.values["brain_to_head_ratio"] < 0.4
    assert 0.6 < row.values["fsim_frontal"] < 0.95
    assert row.values["fsim_frontal"] < row.values["fsim_mean"]


def test_an_untouched_copy_is_the_worst_there_is(bare_row: FeatureRow) -> None:
    for view in ("frontal", "left_profile", "mean", "head_right_oblique", "head_mean"):
        assert bare_row.values[f"fsim_{view}"] == bare_row.values[f"ssim_{view}"] == 1
        assert bare_row.values[f"psnr_{view}"] == FEATURES[f"psnr_{view}"].high
        assert bare_row.values[f"rmse_{view}"] == 0
    assert bare_row.values["head_removed_ml"] == bare_row.values["head_altered_ml"] == 0


def test_a_feature_without_a_value_has_a_reason(bare_row: FeatureRow) -> None:
    missing = {name for name, value in bare_row.values.items() if math.isnan(value)}
    assert set(bare_row.undefined) == missing
    assert missing == {name for name in FEATURES if name.startswith(("brain_", "residual_", "masd_", "hd95_"))}
    assert bare_row.undefined["brain_removed_ml"] == "the brain was not found"
    assert bare_row.undefined["residual_nose"] == "the face was not located"


@pytest.mark.usefixtures("quick")
def test_the_brain_of_the_mean_head_is_used_unless_a_mask_is_given(pair: Pair, head: SyntheticHead) -> None:
    working = to_working_grid(head.brain, head.volume.spacing_mm) > 0.5
    found = replace(located(head.landmarks_mm), brain=working)
    given = extract(replace(pair, brain=head.brain), anatomy=found).values
    alone = extract(replace(pair, brain=None), anatomy=found).values
    nothing = extract(replace(pair, brain=None), anatomy=located(head.landmarks_mm)).values
    assert alone["brain_to_head_ratio"] == pytest.approx(given["brain_to_head_ratio"], rel=0.02)
    assert alone["brain_removed_ml"] == pytest.approx(given["brain_removed_ml"], abs=0.5)
    assert math.isnan(nothing["brain_removed_ml"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the rendering, for tests of everything else."""
    blank = np.full((5, 64, 64), 255, np.uint8)
    blank[:, 20:40, 20:40] = 100
    monkeypatch.setattr("defaceqa.renders.render_views", lambda surfaces, focus_mm: [blank for _ in surfaces])


@pytest.mark.usefixtures("quick")
def test_a_face_that_could_not_be_located_is_said(pair: Pair, head: SyntheticHead) -> None:
    lost = Anatomy(np.eye(4), 0.4, head.landmarks_mm, located=False, flags=("could not locate brain and face",))
    found = extract(pair, anatomy=lost)
    assert math.isnan(found.values["residual_nose"])
    assert found.undefined["residual_nose"] == "the face could not be located"
    assert found.flags == ("could not locate brain and face",)


@pytest.mark.usefixtures("quick")
def test_a_face_cut_off_by_the_field_of_view_is_undefined_there(pair: Pair, head: SyntheticHead) -> None:
    lowest = int(head.landmarks_mm["nasion"][2] / 2) - 2
    upper = [Volume(np.ascontiguousarray(v.data[:, :, lowest:]), v.affine) for v in (pair.original, pair.defaced)]
    landmarks = {name: point - [0, 0, 2.0 * lowest] for name, point in head.landmarks_mm.items()}
    found = extract(Pair(*upper), anatomy=located(landmarks))
    assert math.isnan(found.values["residual_mouth"])
    assert found.undefined["residual_mouth"] == "this part of the face is outside the field of view"
    assert found.values["residual_forehead"] > 0.9


@pytest.mark.usefixtures("quick")
def test_an_anatomy_that_is_still_being_found_is_waited_for(pair: Pair, head: SyntheticHead, row: FeatureRow) -> None:
    future: Future[Anatomy] = Future()
    future.set_result(located(head.landmarks_mm))
    steps: list[str] = []
    found = extract(pair, anatomy=future, progress=steps.append)
    assert found.values["residual_left_eye"] == row.values["residual_left_eye"]
    assert len(steps) >= 3
    assert all(steps)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("gain", [1000.0, 1 / 4095])
def test_a_change_of_units_is_taken_back_and_flagged(
    gain: float, pair: Pair, head: SyntheticHead, row: FeatureRow
) -> None:
    rescaled = replace(pair, defaced=replace(pair.defaced, data=pair.defaced.data * np.float32(gain)))
    found = extract(rescaled, anatomy=located(head.landmarks_mm))
    for name in ("residual_left_eye", "residual_nose", "head_removed_ml", "head_altered_fraction", "brain_altered_ml"):
        assert found.values[name] == pytest.approx(row.values[name], abs=1e-3), name
    assert found.flags == (f"the defaced image is rescaled as a whole (by {gain:.3g})",)


@pytest.mark.usefixtures("quick")
def test_the_flags_of_the_pair_are_passed_on(pair: Pair) -> None:
    assert extract(replace(pair, flags=("a note",))).flags == ("a note",)


# --- storage ----------------------------------------------------------------------------------------------------------


def store(
    volume: Volume, path: Path, *, codes: str, turn: Array | None = None, dtype: type = np.int16, levels: int = 0
) -> Path:
    """Write a scan with its axes in another order, obliquely, in other numbers, or in a few scaled grey levels."""
    affine = volume.affine if turn is None else turn @ volume.affine
    order = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(codes)))
    data, matrix = apply_orientation(volume.data, order), affine @ inv_ornt_aff(order, volume.shape)
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    step = float(volume.data.max()) / levels if levels else 1.0
    image = kind(np.rint(data / step).astype(dtype) if levels else data.astype(dtype), matrix)
    if levels:
        image.header.set_slope_inter(step, 0.0)
    nib.save(image, path)
    return path


STORAGES: dict[str, dict[str, Any]] = {
    "PSR, 8 bit scaled, packed.nii.gz": {"codes": "PSR", "dtype": np.uint8, "levels": 255},
    "LPS, oblique, 16 bit.mgz": {"codes": "LPS", "turn": OBLIQUE},
}


def load_stored(pair: Pair, folder: Path, name: str) -> Pair:
    storage, ending = STORAGES[name], name.split(", ")[-1]
    files = [
        store(volume, folder / f"{n}-{ending}", **storage) for n, volume in enumerate((pair.original, pair.defaced))
    ]
    return replace(load_pair(*files), brain=pair.brain)


def views_of(pair: Pair) -> NDArray[np.uint8]:
    working = working_pair(pair)
    surfaces = list(pair_surfaces(working))
    return np.concatenate(render_views(surfaces, camera_focus_mm(working.head, working.origin_mm)))


def assert_renders_alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    assert min(fsim(one, other) for one, other in zip(first, second, strict=True)) > 0.99


@pytest.mark.parametrize("name", STORAGES)
def test_storage_does_not_change_the_features_of_the_synthetic_head(
    name: str, pair: Pair, head: SyntheticHead, row: FeatureRow, tmp_path: Path
) -> None:
    stored = load_stored(pair, tmp_path, name)
    if "levels" not in STORAGES[name]:
        assert np.array_equal(stored.original.data, pair.original.data)
        assert np.array_equal(stored.defaced.data, pair.defaced.data)
    found = extract(stored, anatomy=located(head.landmarks_mm))
    assert_close(found, row, SMALL_CHANGE)


def test_storage_does_not_change_the_renders_of_the_synthetic_head(pair: Pair, tmp_path: Path) -> None:
    reference = views_of(pair)
    assert np.array_equal(views_of(load_stored(pair, tmp_path, "LPS, oblique, 16 bit.mgz")), reference)
    assert_renders_alike(views_of(load_stored(pair, tmp_path, "PSR, 8 bit scaled, packed.nii.gz")), reference)


@pytest.fixture(scope="module")
def real(shared_heads: Path) -> tuple[Pair, Anatomy]:
    """A real adult at 1 mm."""
    volume = load_volume(shared_heads / "native" / "uih1-t1.nii.gz")
    anatomy = locate(volume, with_brain=False)
    assert anatomy.located
    return Pair(volume, deface(volume, anatomy.landmarks_mm)), anatomy


@pytest.fixture(scope="module")
def real_row(real: tuple[Pair, Anatomy]) -> FeatureRow:
    return extract(real[0], anatomy=real[1])


def test_storage_does_not_change_a_real_head(real: tuple[Pair, Anatomy], real_row: FeatureRow, tmp_path: Path) -> None:
    pair, anatomy = real
    stored = load_stored(pair, tmp_path, "PSR, 8 bit scaled, packed.nii.gz")
    assert_close(extract(stored, anatomy=anatomy), real_row, SMALL_CHANGE)
    assert_renders_alike(views_of(stored), views_of(pair))


# --- voxels -----------------------------------------------------------------------------------------------------------


def halved(volume: Volume) -> Volume:
    """Block means: the scan at twice the voxel size."""
    x, y, z = (n // 2 for n in volume.shape)
    blocks = volume.data[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2)
    matrix = volume.affine @ nib.affines.from_matvec(2 * np.eye(3), [0.5, 0.5, 0.5])
    return Volume(blocks.mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32), matrix)


def moved(landmarks_mm: dict[str, Array], offset_mm: Array) -> dict[str, Array]:
    return {name: point - offset_mm for name, point in landmarks_mm.items()}


def test_a_pair_reduced_from_one_to_two_mm_has_the_same_features(
    real: tuple[Pair, Anatomy], real_row: FeatureRow
) -> None:
    pair, anatomy = real
    reduced = Pair(halved(pair.original), halved(pair.defaced))
    found = extract(reduced, anatomy=located(moved(anatomy.landmarks_mm, pair.original.spacing_mm / 2)))
    assert_close(found, real_row, SMALL_CHANGE)


def test_a_real_head_reduced_to_two_mm_and_then_defaced_has_nearly_the_same_features(
    real: tuple[Pair, Anatomy], real_row: FeatureRow
) -> None:
    pair, anatomy = real
    landmarks = moved(anatomy.landmarks_mm, pair.original.spacing_mm / 2)
    original = halved(pair.original)
    found = extract(Pair(original, deface(original, landmarks)), anatomy=located(landmarks))
    assert_close(found, real_row, CUT_ANEW)


@pytest.fixture(scope="module")
def fine() -> tuple[Pair, dict[str, Array], FeatureRow]:
    made = synthetic_head(1.0, seed=5)
    pair = Pair(made.volume, deface(made.volume, made.landmarks_mm), made.brain)
    return pair, made.landmarks_mm, extract(pair, anatomy=located(made.landmarks_mm))


def test_the_synthetic_head_made_at_one_mm_has_nearly_the_same_features(
    fine: tuple[Pair, dict[str, Array], FeatureRow], row: FeatureRow
) -> None:
    assert_close(fine[2], row, OTHER_VOXELS)


def test_where_the_voxels_lie_matters_little(fine: tuple[Pair, dict[str, Array], FeatureRow]) -> None:
    """One voxel cropped on each side moves the working grid by half of its own voxels: its worst case."""
    pair, landmarks, expected = fine
    shift = nib.affines.from_matvec(np.eye(3), [1, 1, 1])
    crop = [Volume(np.ascontiguousarray(v.data[1:, 1:, 1:]), v.affine @ shift) for v in (pair.original, pair.defaced)]
    assert pair.brain is not None
    found = extract(Pair(crop[0], crop[1], pair.brain[1:, 1:, 1:]), anatomy=located(moved(landmarks, np.ones(3))))
    assert_close(found, expected, OTHER_VOXELS)
