"""Pass, review, fail: which wins over which, and the words."""

import math

import pytest

from defaceqa.verdict import EXIT_CODES, Verdict, decide, judge_brain

GONE = {
    "residual_left_eye": 0.0,
    "residual_right_eye": 0.02,
    "residual_nose": 0.0,
    "residual_mouth": 0.01,
    "residual_cheeks_jaw": 0.3,
    "head_removed_fraction": 0.12,
    "head_altered_fraction": 0.12,
    "brain_removed_ml": 0.1,
    "brain_largest_piece_ml": 0.016,
    "brain_depth_mm": 1.0,
}
LEFT = GONE | {"residual_nose": 0.82, "residual_mouth": 0.12, "head_removed_fraction": 0.01, "fsim_frontal": 0.97}


def judge(features: dict[str, float], probability: float, **more: object) -> Verdict:
    return decide(features, probability, criterion="lenient", thresholds=(0.1, 0.8), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, "pass"), (0.1, "pass"), (0.11, "review"), (0.79, "review"), (0.8, "fail"), (1.0, "fail")],
)
def test_the_thresholds_themselves_belong_to_pass_and_fail(probability: float, expected: str) -> None:
    assert judge(GONE, probability).face.verdict == expected


def test_exit_codes_are_those_of_the_contract() -> None:
    assert EXIT_CODES == {"pass": 0, "fail": 1, "review": 3}
    assert judge(GONE, 0.01).exit_code == 0
    assert judge(LEFT, 0.95).exit_code == 1
    assert judge(GONE, 0.5).exit_code == 3


def test_a_pass_says_what_is_gone() -> None:
    assert judge(GONE, 0.01).reasons[0] == "both eyes, nose and mouth are gone"


def test_a_fail_says_what_is_left_strongest_first_then_single_features() -> None:
    contributions = {"residual_nose": 2.0, "fsim_frontal": 1.5, "head_removed_fraction": 0.8, "fsim_mean": 0.5}
    assert judge(LEFT | {"fsim_mean": 0.98}, 0.97, contributions=contributions).reasons[:4] == (
        "nose 82 % still there",
        "a trace of the mouth is left (12 %)",
        "the frontal view hardly changed (FSIM 0.97)",
        "only 1 % of the head was removed",
    )


def test_eyes_are_named_apart_when_they_differ() -> None:
    one_eye = GONE | {"residual_left_eye": 0.6}
    assert "left eye 60 % still there" in judge(one_eye, 0.95).reasons
    both = one_eye | {"residual_right_eye": 0.5}
    assert "both eyes 60 % still there" in judge(both, 0.95).reasons


def test_identical_images_fail_and_say_so_whatever_the_probability() -> None:
    same = LEFT | {"head_removed_fraction": 0.0, "head_altered_fraction": 0.0}
    for flags in ((), ("could not locate brain and face",)):
        verdict = judge(same, 0.0, flags=flags)
        assert verdict.verdict == "fail"
        assert verdict.reasons[0] == "the defaced scan is identical to the original"


def test_an_original_without_a_face_is_never_passed_or_failed() -> None:
    same = GONE | {"head_removed_fraction": 0.0, "head_altered_fraction": 0.0}
    for features in (GONE, same):
        for probability in (0.0, 1.0):
            verdict = judge(features, probability, flags=("the original has no face",))
            assert verdict.verdict == "review"
            assert verdict.reasons[0] == "the original has no face"


def test_a_face_that_could_not_be_located_is_reviewed_even_when_the_number_says_fail() -> None:
    assert judge(LEFT, 0.99, flags=("could not locate brain and face",)).face.verdict == "review"


@pytest.mark.parametrize("doubt", ["the contrast is unknown", "any remark that is not known here"])
def test_a_doubt_withholds_a_pass_and_never_softens_a_fail(doubt: str) -> None:
    doubted = judge(GONE, 0.01, flags=(doubt,))
    assert (doubted.face.verdict, doubted.reasons[0]) == ("review", doubt)
    failed = judge(LEFT, 0.99, flags=(doubt,))
    assert failed.face.verdict == "fail"
    assert doubt in failed.reasons


def test_a_value_outside_the_training_range_withholds_a_pass() -> None:
    verdict = judge(GONE, 0.01, out_of_range=["a", "b", "c", "d"])
    assert verdict.face.verdict == "review"
    assert verdict.reasons[0] == "outside the range the model was trained on: a, b, c and 1 more"


def test_a_note_changes_nothing_but_is_told() -> None:
    verdict = judge(GONE, 0.01, flags=("the defaced image is rescaled as a whole (by 2)",))
    assert verdict.verdict == "pass"
    assert "the defaced image is rescaled as a whole (by 2)" in verdict.reasons


def test_a_pass_is_withheld_while_a_feature_is_plainly_there() -> None:
    verdict = judge(LEFT, 0.01)
    assert verdict.face.verdict == "review"
    assert verdict.reasons[0] == "nose 82 % still there"


def test_no_probability_and_no_region_are_reviewed() -> None:
    assert judge(GONE, math.nan).face.verdict == "review"
    nothing = GONE | {name: math.nan for name in GONE if name.startswith("residual")}
    assert judge(nothing, 0.01).face.verdict == "review"


def test_a_brain_that_was_not_found_makes_the_overall_verdict_at_best_review() -> None:
    features = {name: value for name, value in GONE.items() if not name.startswith("brain")}
    verdict = judge(features, 0.01)
    assert (verdict.face.verdict, verdict.verdict, verdict.brain.judged) == ("pass", "review", False)
    assert verdict.reasons[0] == "the brain was not found: brain not judged"
    assert judge(features, 0.99).verdict == "fail"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.0, 0.0, 0.0), "pass"),
        ((8.0, 0.016, 2.0), "pass"),  # much, but in crumbs along the uncertain rim
        ((0.024, 0.024, 2.0), "review"),
        ((8.0, 7.0, 2.9), "review"),
        ((0.3, 0.2, 2.0), "review"),
        ((1.0, 0.6, 5.0), "review"),
        ((20.0, 1.0, 2.0), "review"),
        ((2.5, 2.0, 3.0), "fail"),
        ((60.0, 55.0, 25.0), "fail"),
        ((5.0, math.nan, math.nan), "fail"),  # unknown counts as the worst
        ((0.1, math.nan, math.nan), "review"),
    ],
)
def test_brain_damage_is_judged_by_a_piece_and_its_depth(numbers: tuple[float, float, float], expected: str) -> None:
    assert judge_brain(*numbers).verdict == expected


def test_a_cut_brain_comes_first_in_the_reasons_when_the_face_is_gone() -> None:
    cut = GONE | {"brain_removed_ml": 30.0, "brain_largest_piece_ml": 28.0, "brain_depth_mm": 14.0}
    verdict = judge(cut, 0.01)
    assert verdict.verdict == "fail"
    assert verdict.reasons[0] == (
        "the brain was cut: 30.0 mL removed, the largest piece 28.0 mL, down to 14 mm under its surface"
    )


def test_a_small_loss_is_told_in_more_digits() -> None:
    assert "0.02 mL removed, the largest piece 0.02 mL" in judge_brain(0.024, 0.024, 2.0).reason


def test_more_removed_brain_never_gives_a_milder_verdict() -> None:
    order = {"pass": 0, "review": 1, "fail": 2}
    grades = [order[judge_brain(ml, ml, 10.0).verdict] for ml in (0, 0.2, 0.5, 1, 2, 5, 50)]
    assert grades == sorted(grades)


def test_altered_brain_is_told_but_removed_brain_is_not_counted_as_altered() -> None:
    altered = GONE | {"brain_altered_fraction": 0.4, "brain_removed_fraction": 0.0}
    assert "values changed in 40 % of the brain" in judge(altered, 0.01).reasons
    removed = GONE | {"brain_altered_fraction": 0.4, "brain_removed_fraction": 0.38}
    assert not any("values changed" in reason for reason in judge(removed, 0.01).reasons)


def test_the_order_of_the_features_changes_no_word() -> None:
    contributions = {"fsim_frontal": 0.5, "ssim_frontal": 0.5, "head_removed_fraction": 0.5}
    features = LEFT | {"ssim_frontal": 0.99}
    turned = dict(reversed(features.items()))
    first = judge(features, 0.9, contributions=contributions)
    assert first == judge(turned, 0.9, contributions=dict(reversed(contributions.items())))
