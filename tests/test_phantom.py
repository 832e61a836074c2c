"""The synthetic head: what is said to be exact is exact, and it looks like a head to the rest of the program."""

import numpy as np
import pytest

from defaceqa.anatomy.patches import LANDMARKS, REGIONS, region_of
from defaceqa.head import head_mask, head_threshold, to_working_grid, working_origin_mm
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.surfaces import clear_original, outer_skin, skin_surface


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(2.0)


def test_the_synthetic_head_has_the_size_of_an_adult(head: SyntheticHead) -> None:
    inside = head_mask(head.volume.data, head_threshold(head.volume.data))
    middle = np.argwhere(inside[:, :, inside.shape[2] * 3 // 4])
    width_mm, length_mm = (np.ptp(middle, axis=0) + 1) * 2.0
    assert 140 <= width_mm <= 160
    assert 180 <= length_mm <= 205
    assert 1250 <= head.brain.sum() * 8 / 1000 <= 1450


def test_every_landmark_lies_on_the_skin(head: SyntheticHead) -> None:
    threshold = head_threshold(head.volume.data)
    data = to_working_grid(head.volume.data, head.volume.spacing_mm)
    origin_mm = working_origin_mm(head.volume.shape, head.volume.spacing_mm)
    surface = skin_surface(clear_original(data, head_mask(data, threshold)), threshold, origin_mm)
    assert set(head.landmarks_mm) == set(LANDMARKS)
    for name, point in head.landmarks_mm.items():
        off_mm = np.linalg.norm(surface.vertices_mm - point, axis=1).min()
        assert off_mm < 2.0, name


def test_every_face_region_has_skin(head: SyntheticHead) -> None:
    threshold = head_threshold(head.volume.data)
    data = to_working_grid(head.volume.data, head.volume.spacing_mm)
    inside = head_mask(data, threshold)
    origin_mm = working_origin_mm(head.volume.shape, head.volume.spacing_mm)
    surface = skin_surface(clear_original(data, inside), threshold, origin_mm)
    skin = outer_skin(surface, inside, origin_mm)
    areas = np.bincount(
        region_of(surface.vertices_mm, head.landmarks_mm)[skin], surface.vertex_areas_mm2[skin], len(REGIONS) + 1
    )
    assert (areas[1:] > 400).all()


def test_the_nose_stands_out_of_the_face_and_the_eyes_lie_behind_the_brow(head: SyntheticHead) -> None:
    front = {name: point[1] for name, point in head.landmarks_mm.items()}
    assert 15 <= front["pronasale"] - front["subnasale"] <= 25
    assert front["left_brow"] - front["left_eye"] > 4
    assert front["nasion"] > front["left_eye"]


def test_landmarks_are_mirrored_left_to_right(head: SyntheticHead) -> None:
    middle = head.landmarks_mm["pronasale"][0]
    for name in ("eye", "brow", "tragus"):
        left, right = head.landmarks_mm[f"left_{name}"], head.landmarks_mm[f"right_{name}"]
        assert left[0] < middle < right[0]
        assert middle - left[0] == pytest.approx(right[0] - middle)


def test_the_same_head_is_made_at_every_voxel_size(head: SyntheticHead) -> None:
    coarse = synthetic_head(3.0)
    world = {name: point + head.volume.affine[:3, 3] for name, point in head.landmarks_mm.items()}
    for name, point in coarse.landmarks_mm.items():
        assert point + coarse.volume.affine[:3, 3] == pytest.approx(world[name])
    assert coarse.brain.sum() * 27 == pytest.approx(head.brain.sum() * 8, rel=0.01)


def test_the_seed_decides_the_noise(head: SyntheticHead) -> None:
    assert np.array_equal(synthetic_head(4.0, seed=1).volume.data, synthetic_head(4.0, seed=1).volume.data)
    assert not np.array_equal(synthetic_head(4.0, seed=1).volume.data, synthetic_head(4.0, seed=2).volume.data)
    quiet = synthetic_head(4.0, noise=0).volume.data
    assert quiet[:3].max() == 0


@pytest.mark.parametrize(("contrast", "fluid_is_bright"), [("T1w", False), ("T2w", True), ("FLAIR", False)])
def test_each_contrast_shows_fluid_as_that_contrast_does(contrast: str, fluid_is_bright: bool) -> None:
    made = synthetic_head(4.0, contrast=contrast, noise=0)  # type: ignore[arg-type]
    eye = made.landmarks_mm["left_eye"] - [0, 14, 0]
    fluid = made.volume.data[tuple(np.rint(eye / 4).astype(int))]
    brain = np.median(made.volume.data[made.brain])
    assert (fluid > brain) == fluid_is_bright
