"""Scores, intervals over people, thresholds, and rules of one feature."""

import math

import numpy as np
import pytest

from defaceqa import evaluation
from defaceqa.errors import LabelError

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
PROBABILITIES = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.6, 0.7, 0.8])


def noisy(seed: int = 0, rows: int = 400, people: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.4).astype(int)
    probabilities = 1 / (1 + np.exp(-(3.0 * labels - 1.5 + generator.normal(size=rows))))
    groups = np.array([f"s{n:02d}" for n in generator.integers(people, size=rows)])
    return labels, probabilities, groups


def test_scores_of_a_worked_example() -> None:
    found = evaluation.scores(LABELS, PROBABILITIES)
    assert found["accuracy"] == pytest.approx(6 / 8)
    assert found["sensitivity"] == pytest.approx(3 / 4)
    assert found["specificity"] == pytest.approx(3 / 4)
    assert found["precision"] == pytest.approx(3 / 4)
    assert found["auroc"] == pytest.approx(12 / 16)
    assert found["brier"] == pytest.approx(np.mean((PROBABILITIES - LABELS) ** 2))
    assert tuple(found) == evaluation.FOLD_SCORES


def test_scores_of_one_class_are_undefined_not_zero() -> None:
    found = evaluation.scores(np.zeros(3, dtype=int), np.array([0.1, 0.2, 0.3]))
    assert math.isnan(found["auroc"])
    assert math.isnan(found["sensitivity"])
    assert math.isnan(found["precision"])
    assert found["specificity"] == 1.0


def test_fold_scores_are_mean_and_sample_deviation_over_folds() -> None:
    folds = np.array([1, 1, 2, 2, 1, 1, 2, 2])
    mean, spread = evaluation.fold_scores(LABELS, PROBABILITIES, folds)["accuracy"]
    per_fold = [3 / 4, 3 / 4]
    assert mean == pytest.approx(np.mean(per_fold))
    assert spread == pytest.approx(np.std(per_fold, ddof=1))


def test_the_interval_holds_the_auroc_and_shrinks_with_more_people() -> None:
    few, many = noisy(people=8), noisy(rows=4000, people=400)
    widths = []
    for labels, probabilities, groups in (few, many):
        low, high = evaluation.bootstrap_auroc(labels, probabilities, groups, resamples=200)
        assert low < evaluation.scores(labels, probabilities)["auroc"] < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_a_resample_has_the_auroc_that_scikit_learn_gives_it() -> None:
    from sklearn.metrics import roc_auc_score

    labels, probabilities, groups = noisy(rows=120, people=12)
    probabilities = probabilities.round(1)  # ties count half
    index, counts = evaluation._resampled_people(groups, 20, seed=0)
    found = evaluation._resampled_auroc(labels, probabilities, index, counts)
    expected = [roc_auc_score(labels, probabilities, sample_weight=drawn[index]) for drawn in counts]
    assert np.allclose(found, expected)


def test_pairs_of_one_person_count_as_one_person() -> None:
    labels, probabilities, groups = noisy(rows=60, people=20)
    once = evaluation.bootstrap_auroc(labels, probabilities, groups, resamples=300)
    copies = [np.tile(array, 10) for array in (labels, probabilities, groups)]
    tenfold = evaluation.bootstrap_auroc(*copies, resamples=300)
    assert tenfold == pytest.approx(once)


def test_the_interval_does_not_depend_on_the_order_of_the_rows() -> None:
    labels, probabilities, groups = noisy()
    order = np.random.default_rng(1).permutation(len(labels))
    first = evaluation.bootstrap_auroc(labels, probabilities, groups, resamples=100)
    assert evaluation.bootstrap_auroc(labels[order], probabilities[order], groups[order], resamples=100) == first


def test_a_better_model_has_a_difference_above_zero_and_itself_none() -> None:
    labels, probabilities, groups = noisy()
    chance = np.random.default_rng(2).random(len(labels))
    low, _ = evaluation.bootstrap_auroc_difference(labels, probabilities, chance, groups, resamples=100)
    assert low > 0
    same = evaluation.bootstrap_auroc_difference(labels, chance, chance, groups, resamples=20)
    assert same == (0.0, 0.0)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.2])
def test_thresholds_keep_both_promises(rate: float) -> None:
    labels, probabilities, groups = noisy()
    found = evaluation.choose_thresholds(
        labels, probabilities, groups, max_miss_rate=rate, max_false_fail_rate=rate, seed=0
    )
    assert found.low <= 0.5 <= found.high
    assert ((probabilities <= found.low) & (labels == 1)).sum() <= rate * (labels == 1).sum()
    assert ((probabilities >= found.high) & (labels == 0)).sum() <= rate * (labels == 0).sum()
    assert found.miss_rate == pytest.approx(((probabilities <= found.low) & (labels == 1)).sum() / (labels == 1).sum())
    assert found.miss_rate <= found.miss_rate_upper
    between = (probabilities > found.low) & (probabilities < found.high)
    assert found.review_share == pytest.approx(between.mean())


def test_allowing_more_misses_never_means_more_reviews() -> None:
    labels, probabilities, groups = noisy()
    shares = [
        evaluation.choose_thresholds(labels, probabilities, groups, max_miss_rate=rate).review_share
        for rate in (0.0, 0.01, 0.05)
    ]
    assert shares == sorted(shares, reverse=True)


def test_where_the_classes_separate_the_gap_is_for_people() -> None:
    labels = np.array([0] * 50 + [1] * 50)
    probabilities = np.r_[np.linspace(0.01, 0.1, 50), np.linspace(0.9, 0.99, 50)]
    groups = np.array([f"s{n}" for n in range(100)])
    found = evaluation.choose_thresholds(labels, probabilities, groups)
    assert (found.low, found.high) == pytest.approx((0.1, 0.9))
    assert (found.miss_rate, found.false_fail_rate, found.review_share) == (0.0, 0.0, 0.0)
    assert found.miss_rate_upper == pytest.approx(3 / 50)


def test_thresholds_never_go_beyond_one_half() -> None:
    labels, probabilities, groups = noisy()
    found = evaluation.choose_thresholds(labels, probabilities, groups, max_miss_rate=1, max_false_fail_rate=1)
    assert found.low == probabilities[probabilities <= 0.5].max()
    assert found.high == probabilities[probabilities >= 0.5].min()


def test_nobody_passes_when_the_lowest_probability_is_a_failure() -> None:
    labels = np.array([1, 0, 0, 1])
    found = evaluation.choose_thresholds(labels, np.array([0.1, 0.2, 0.3, 0.9]), np.array(["a", "b", "c", "d"]))
    assert (found.low, found.high) == (0.0, 0.9)


def test_thresholds_on_chance_send_nearly_everything_to_review() -> None:
    labels, _, groups = noisy()
    chance = np.random.default_rng(3).random(len(labels))
    assert evaluation.choose_thresholds(labels, chance, groups).review_share > 0.9


def test_thresholds_need_both_labels() -> None:
    with pytest.raises(LabelError, match="both labels"):
        evaluation.choose_thresholds(np.ones(3, dtype=int), np.ones(3), np.array(["a", "b", "c"]))


def test_thresholds_from_other_folds_cost_about_the_same_on_easy_data() -> None:
    labels, probabilities, groups = noisy(rows=2000, people=200)
    folds = np.array([int(name[1:]) % 5 for name in groups])
    found = evaluation.crossed_threshold_cost(labels, probabilities, groups, folds, max_miss_rate=0.05)
    chosen = evaluation.choose_thresholds(labels, probabilities, groups, max_miss_rate=0.05)
    assert found["miss_rate"] == pytest.approx(0.05, abs=0.03)
    assert found["review_share"] == pytest.approx(chosen.review_share, abs=0.05)


def test_a_rule_of_one_feature_is_fitted_on_the_other_folds_only() -> None:
    labels, probabilities, _ = noisy()
    folds = np.arange(len(labels)) % 4
    values = np.where(np.arange(len(labels)) % 17 == 0, np.nan, probabilities)
    found = evaluation.baseline_probabilities(values, labels, folds)
    assert np.isfinite(found).all()
    assert evaluation.scores(labels, found)["auroc"] > 0.9
    swapped = np.where(folds == 0, 1 - labels, labels)
    again = evaluation.baseline_probabilities(values, swapped, folds)
    assert np.array_equal(again[folds == 0], found[folds == 0])
    assert not np.array_equal(again[folds == 1], found[folds == 1])


def test_a_breakdown_counts_each_kind_apart() -> None:
    keys = ["T1w", "T1w", "T2w", "T2w", "T1w", "T1w", "T2w", "T2w"]
    first, second = evaluation.breakdown(LABELS, PROBABILITIES, (0.25, 0.75), keys)
    assert (first["kind"], first["pairs"], first["insufficient"], first["auroc"]) == ("T1w", 4, 2, 1.0)
    assert second["false_fail_rate"] == pytest.approx(1 / 2)
    assert first["review_share"] == pytest.approx(2 / 4)
