"""Truth of controlled defacings, on a head whose truth is known exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from defaceqa.anatomy.patches import REGIONS
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.simulation.truth import Truth, Yardstick, truth, yardstick

FULL = dict.fromkeys(REGIONS, 0.0)


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(3.0)


@pytest.fixture(scope="module")
def original(head: SyntheticHead) -> Yardstick:
    return yardstick(head.volume, head.landmarks_mm, head.brain)


def judged(**residuals: float) -> Truth:
    return Truth(FULL | residuals, (), 0.0)


def grid_y(head: SyntheticHead) -> NDArray[np.float64]:
    return np.arange(head.volume.shape[1]) * head.volume.spacing_mm[1]


def test_an_untouched_head_is_all_there(head: SyntheticHead, original: Yardstick) -> None:
    found = truth(original, head.volume.data)
    assert all(value == 1.0 for value in found.residuals.values())
    assert (found.strict, found.lenient, found.brain_removed_ml) == (1, 1, 0.0)


def test_an_empty_image_has_nothing_left(head: SyntheticHead, original: Yardstick) -> None:
    found = truth(original, np.zeros_like(head.volume.data))
    assert all(value == 0.0 for value in found.residuals.values())
    assert (found.strict, found.lenient) == (0, 0)
    assert found.brain_removed_ml == pytest.approx(head.brain.sum() * 0.027, rel=0.06)  # dark CSF is not told from air


def test_removed_brain_is_counted_in_the_voxels_that_went(head: SyntheticHead, original: Yardstick) -> None:
    front = grid_y(head) > 150
    defaced = head.volume.data.copy()
    defaced[:, front] = 0
    known_ml = head.brain[:, front].sum() * 0.027
    assert known_ml > 50
    assert truth(original, defaced).brain_removed_ml == pytest.approx(known_ml, rel=0.06)


def test_a_face_pushed_back_by_a_few_millimetres_is_not_the_old_skin(head: SyntheticHead, original: Yardstick) -> None:
    pushed = np.roll(head.volume.data, -2, axis=1)  # 6 mm
    found = truth(original, pushed)
    assert max(found.share(name) for name in ("eyes", "nose", "mouth")) < 0.35


def test_values_changed_a_little_leave_the_face(head: SyntheticHead, original: Yardstick) -> None:
    found = truth(original, head.volume.data * np.float32(1.02))
    assert min(found.residuals.values()) > 0.98


def test_a_region_out_of_view_is_undefined_and_counts_as_gone(head: SyntheticHead) -> None:
    without = {name: point for name, point in head.landmarks_mm.items() if name != "stomion"}
    found = truth(yardstick(head.volume, without), head.volume.data)
    assert np.isnan(found.residuals["mouth"])
    assert found.state("mouth") == "gone"
    assert found.in_view == ("eyes", "nose")
    assert np.isnan(found.brain_removed_ml)


def test_a_feature_is_gone_below_5_per_cent_and_present_above_25() -> None:
    states = [judged(nose=share).state("nose") for share in (0.0, 0.049, 0.05, 0.25, 0.251, 1.0)]
    assert states == ["gone", "gone", "trace", "trace", "present", "present"]


def test_the_eyes_count_as_one_feature_by_the_worse() -> None:
    assert judged(left_eye=0.1, right_eye=0.6).share("eyes") == 0.6
    assert judged(left_eye=0.2, right_eye=0.2).lenient == 0


@pytest.mark.parametrize(
    ("residuals", "lenient", "strict"),
    [
        ({}, 0, 0),
        ({"left_eye": 0.2}, 0, 1),
        ({"left_eye": 0.2, "mouth": 0.1}, 1, 1),
        ({"nose": 0.3}, 1, 1),
        ({"cheeks_jaw": 0.49}, 0, 0),
        ({"cheeks_jaw": 0.50}, 0, 1),
        ({"left_ear": 1.0, "right_ear": 1.0, "forehead": 1.0}, 0, 0),
    ],
)
def test_labels_follow_the_two_criteria(residuals: dict[str, float], lenient: int, strict: int) -> None:
    found = judged(**residuals)
    assert (found.lenient, found.strict) == (lenient, strict)


def test_what_a_person_still_recognises_counts_as_present_whatever_the_distance() -> None:
    blurred = Truth(FULL, ("nose", "mouth"), 0.0)
    assert blurred.state("nose") == "present"
    assert (blurred.lenient, blurred.strict) == (1, 1)
