"""Face regions from landmarks, on an analytic face."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from defaceqa.anatomy.patches import LANDMARKS, REGION_LANDMARKS, REGIONS, head_frame, region_of

FACE = {
    "left_eye": (-31.0, 0.0, 0.0),
    "right_eye": (31.0, 0.0, 0.0),
    "left_brow": (-31.0, 5.0, 22.0),
    "right_brow": (31.0, 5.0, 22.0),
    "nasion": (0.0, 10.0, 4.0),
    "pronasale": (0.0, 30.0, -38.0),
    "subnasale": (0.0, 16.0, -48.0),
    "stomion": (0.0, 14.0, -70.0),
    "menton": (0.0, 10.0, -110.0),
    "left_tragus": (-72.0, -80.0, -18.0),
    "right_tragus": (72.0, -80.0, -18.0),
}
KNOWN = {
    "left_eye": (-31.0, 0.0, -9.0),
    "right_eye": (28.0, 1.0, 3.0),
    "nose": (0.0, 30.0, -38.0),
    "mouth": (20.0, 6.0, -75.0),
    "left_ear": (-85.0, -95.0, -5.0),
    "right_ear": (80.0, -90.0, -30.0),
    "forehead": (10.0, 5.0, 50.0),
    "cheeks_jaw": (-45.0, -8.0, -40.0),
}
NOWHERE = {
    "brow": (31.0, 5.0, 22.0),
    "upper orbital rim": (31.0, 3.0, 12.0),
    "glabella": (0.0, 12.0, 18.0),
    "back of the head": (0.0, -180.0, 20.0),
    "crown": (0.0, -80.0, 110.0),
    "middle of the brain": (0.0, -80.0, 40.0),
    "under the chin": (0.0, -10.0, -125.0),
    "in front of the ear": (-68.0, -65.0, -20.0),
}


def numbers(names: object) -> list[int]:
    return [REGIONS.index(str(name)) + 1 for name in names]  # type: ignore[attr-defined]


def cloud() -> NDArray[np.float64]:
    """Points around the whole head, kept off the exact borders of the patches."""
    return np.random.default_rng(3).uniform((-100, -190, -130), (100, 45, 120), (20000, 3))


def face() -> dict[str, NDArray[np.float64]]:
    return {name: np.array(position) for name, position in FACE.items()}


def test_each_region_is_found_at_a_point_that_plainly_belongs_to_it() -> None:
    assert region_of(list(KNOWN.values()), FACE).tolist() == numbers(KNOWN)


@pytest.mark.parametrize("place", NOWHERE)
def test_places_that_good_defacing_keeps_or_that_are_no_face_belong_to_no_region(place: str) -> None:
    assert region_of([NOWHERE[place]], FACE).tolist() == [0]


def test_where_patches_meet_eye_comes_before_nose_before_mouth_before_cheeks() -> None:
    close_eyes = FACE | {"left_eye": (-14.0, 0.0, 0.0), "right_eye": (14.0, 0.0, 0.0)}
    lip = FACE | {"stomion": (0.0, 14.0, -58.0)}
    assert region_of([(7.0, 5.0, -2.0)], close_eyes).tolist() == numbers(["right_eye"])
    assert region_of([(0.0, 16.0, -48.0)], lip).tolist() == numbers(["nose"])
    assert region_of([(24.0, 4.0, -70.0)], FACE).tolist() == numbers(["mouth"])


def test_a_rigid_motion_of_the_head_changes_no_region() -> None:
    points, marks = cloud(), face()
    turn = Rotation.from_euler("xyz", [25.0, -30.0, 20.0], degrees=True).as_matrix()
    shift = np.array([30.0, -200.0, 45.0])
    moved = {name: turn @ position + shift for name, position in marks.items()}
    same = region_of(points, marks) == region_of(points @ turn.T + shift, moved)
    assert same.mean() > 0.9999


def test_a_mirrored_head_has_its_left_and_right_regions_swapped() -> None:
    points, marks = cloud(), face()
    marks["left_eye"] = np.array([-29.0, 2.0, 1.5])
    flip = np.array([-1.0, 1.0, 1.0])
    names = {name: name.replace("left", "RIGHT").replace("right", "left").lower() for name in (*LANDMARKS, *REGIONS)}
    mirrored = {names[name]: position * flip for name, position in marks.items()}
    swap = np.array([0, *numbers(names[name] for name in REGIONS)])
    same = swap[region_of(points, marks)] == region_of(points * flip, mirrored)
    assert same.mean() > 0.9999


def test_a_small_face_has_the_same_regions_as_an_adult_face() -> None:
    points, marks = cloud(), face()
    small = {name: position * 0.8 for name, position in marks.items()}
    assert (region_of(points, marks) == region_of(points * 0.8, small)).mean() > 0.9999


@pytest.mark.parametrize("landmark", LANDMARKS)
def test_a_missing_landmark_empties_its_regions_and_no_other(landmark: str) -> None:
    missing = face() | {landmark: np.full(3, np.nan)}
    before, after = region_of(cloud(), FACE), region_of(cloud(), missing)
    empty = [name for name in REGIONS if not (after == REGIONS.index(name) + 1).any()]
    assert empty == [name for name in REGIONS if landmark in REGION_LANDMARKS[name]]
    assert all((before == number).any() for number in range(1, len(REGIONS) + 1))


def test_a_nose_whose_tip_was_cut_off_by_the_field_of_view_is_still_a_nose() -> None:
    tipless = {name: position for name, position in FACE.items() if name != "pronasale"}
    assert region_of([(8.0, 14.0, -30.0)], tipless).tolist() == numbers(["nose"])


def test_cheeks_are_found_when_the_chin_is_out_of_view_and_the_neck_is_no_jaw() -> None:
    chinless = {name: position for name, position in FACE.items() if name != "menton"}
    assert region_of([KNOWN["cheeks_jaw"], (0.0, -5.0, -140.0)], chinless).tolist() == [*numbers(["cheeks_jaw"]), 0]


def test_without_any_landmark_nothing_has_a_region() -> None:
    assert head_frame({}) is None
    assert not region_of(cloud(), {}).any()


def test_the_frame_is_right_handed_and_points_to_the_front() -> None:
    frame = head_frame(FACE)
    assert frame is not None
    assert np.linalg.det(frame.axes) == pytest.approx(1.0)
    assert frame.axes @ np.array([0.0, 1.0, 0.0]) == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)


def test_no_points_give_no_regions() -> None:
    assert region_of(np.empty((0, 3)), FACE).shape == (0,)
