"""How good are predicted probabilities: scores, intervals over people, thresholds, and simple rules to beat.

Insufficiently defaced (label 1) is the positive class everywhere. Intervals resample whole people, because pairs of one
person resemble each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import LabelError
from defaceqa.model.card import Thresholds

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]
Groups = NDArray[np.str_]

FOLD_SCORES = ("accuracy", "sensitivity", "specificity", "precision", "auroc", "pr_auc", "brier")
"""The scores of `scores`, in the order of the tables."""

BASELINES: Mapping[str, str] = {
    "FSIM alone": "fsim_mean",
    "head loss alone": "head_removed_fraction",
    "brain loss alone": "brain_removed_fraction",
    "region residual alone": "residual_worst",
}
"""Rules of one feature that a model has to beat."""

RESAMPLES = 1000
NEVER_BEYOND = 0.5
"""A calibrated probability of one half is the furthest a pass or a fail may reach, however well the folds separate."""


def scores(labels: Labels, probabilities: Floats, cut: float = 0.5) -> dict[str, float]:
    """Scores of one set of predictions.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        0 sufficient, 1 insufficient.
    probabilities : ndarray, shape (n,)
        Of label 1.
    cut : float
        At or above counts as insufficient, for accuracy, sensitivity, specificity and precision.

    Returns
    -------
    dict
        Names of `FOLD_SCORES`; NaN where a score is undefined (one class only, nothing called insufficient).
    """
    from sklearn import metrics

    called = (probabilities >= cut).astype(int)
    both = len(np.unique(labels)) == 2
    nan = math.nan
    return {
        "accuracy": float(metrics.accuracy_score(labels, called)),
        "sensitivity": float(metrics.recall_score(labels, called, zero_division=nan)),
        "specificity": float(metrics.recall_score(labels, called, pos_label=0, zero_division=nan)),
        "precision": float(metrics.precision_score(labels, called, zero_division=nan)),
        "auroc": float(metrics.roc_auc_score(labels, probabilities)) if both else nan,
        "pr_auc": float(metrics.average_precision_score(labels, probabilities)) if both else nan,
        "brier": float(metrics.brier_score_loss(labels, probabilities)),
    }


def fold_scores(labels: Labels, probabilities: Floats, folds: NDArray[np.int_]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1) of every score over the outer folds.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
    folds : ndarray of int, shape (n,)
        Outer fold in which each row was tested.
    """
    per_fold = [scores(labels[folds == fold], probabilities[folds == fold]) for fold in np.unique(folds)]
    return {name: _mean_sd(np.array([fold[name] for fold in per_fold])) for name in FOLD_SCORES}


def bootstrap_auroc(
    labels: Labels, probabilities: Floats, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the AUROC, people resampled with replacement (percentiles).

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
    groups : ndarray of str, shape (n,)
        The person of each row.

    Returns
    -------
    low, high : float
        NaN when no resample holds both labels; of no width when there is only one person.
    """
    index, counts = _resampled_people(groups, resamples, seed)
    return _interval(_resampled_auroc(labels, probabilities, index, counts))


def bootstrap_auroc_difference(
    labels: Labels, first: Floats, second: Floats, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of AUROC(first) - AUROC(second) on the same rows, the same resampled people for both."""
    index, counts = _resampled_people(groups, resamples, seed)
    return _interval(_resampled_auroc(labels, first, index, counts) - _resampled_auroc(labels, second, index, counts))


def bootstrap_scores(
    labels: Labels, probabilities: Floats, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of AUROC, area under the precision-recall curve and Brier score, people resampled.

    Returns
    -------
    dict
        ``auroc``, ``pr_auc``, ``brier``: low and high; NaN where no resample defines the score.
    """
    index, counts = _resampled_people(groups, resamples, seed)
    weights = counts[:, index]
    with np.errstate(invalid="ignore"):
        brier = (weights @ (probabilities - labels) ** 2) / weights.sum(axis=1)
    return {
        "auroc": _interval(_resampled_auroc(labels, probabilities, index, counts)),
        "pr_auc": _interval(_weighted_pr_auc(labels, probabilities, weights)),
        "brier": _interval(brier),
    }


def bootstrap_brier_difference(
    labels: Labels, first: Floats, second: Floats, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of Brier(first) - Brier(second) on the same rows and the same resampled people."""
    index, counts = _resampled_people(groups, resamples, seed)
    weights = counts[:, index]
    with np.errstate(invalid="ignore"):
        difference = (weights @ ((first - labels) ** 2 - (second - labels) ** 2)) / weights.sum(axis=1)
    return _interval(difference)


def calibration_curve(
    labels: Labels, probabilities: Floats, groups: Groups, *, bins: int = 10, seed: int = 0
) -> list[dict[str, float]]:
    """What was predicted against what was found, in bins of equal numbers of pairs.

    Returns
    -------
    list of dict
        ``predicted`` mean probability, ``found`` share of insufficient pairs, ``found_low``, ``found_high`` its 95 %
        interval with people resampled, ``pairs``.
    """
    order = np.argsort(probabilities, kind="stable")
    index, counts = _resampled_people(groups, RESAMPLES, seed)
    weights = counts[:, index]
    curve = []
    for members in np.array_split(order, min(bins, len(order))):
        with np.errstate(invalid="ignore"):
            shares = (weights[:, members] @ labels[members]) / weights[:, members].sum(axis=1)
        low, high = _interval(shares)
        curve.append(
            {
                "predicted": float(probabilities[members].mean()), "found": float(labels[members].mean()),
                "found_low": low, "found_high": high, "pairs": float(len(members)),
            }
        )  # fmt: skip
    return curve


def choose_thresholds(
    labels: Labels,
    probabilities: Floats,
    groups: Groups,
    *,
    max_miss_rate: float = 0.01,
    max_false_fail_rate: float = 0.01,
    seed: int = 0,
) -> Thresholds:
    """Choose the two cuts from out-of-fold probabilities.

    `low` is the highest probability seen, up to one half, at which at most `max_miss_rate` of the insufficient pairs
    pass; `high` the lowest one, down to one half, at which at most `max_false_fail_rate` of the sufficient ones fail.
    Cuts lie on probabilities that were seen: a gap between the classes, into which nobody fell, is for people to judge.

    Parameters
    ----------
    labels, probabilities, groups : ndarray, shape (n,)
        Out-of-fold, calibrated.
    max_miss_rate, max_false_fail_rate : float
        0 to 1.

    Raises
    ------
    LabelError
        One of the two labels does not occur.
    """
    if len(np.unique(labels)) != 2:
        raise LabelError("Thresholds need pairs of both labels; found only one.")
    low = _low_cut(probabilities, labels == 1, max_miss_rate)
    high = -_low_cut(-probabilities, labels == 0, max_false_fail_rate, furthest=-NEVER_BEYOND, nowhere=-1.0)
    cost = threshold_cost(labels, probabilities, low, high)
    return Thresholds(
        low=low,
        high=high,
        max_miss_rate=max_miss_rate,
        max_false_fail_rate=max_false_fail_rate,
        miss_rate_upper=_miss_rate_upper(labels, probabilities, groups, low, seed),
        **cost,
    )


def threshold_cost(labels: Labels, probabilities: Floats, low: float, high: float) -> dict[str, float]:
    """What two cuts do.

    Returns
    -------
    dict
        ``miss_rate`` share of insufficient pairs that pass, ``false_fail_rate`` share of sufficient pairs that fail,
        ``review_share`` share of all pairs in between; NaN where there are no such pairs.
    """
    failing = probabilities >= high
    passing = (probabilities <= low) & ~failing
    return {
        "miss_rate": _share(passing[labels == 1]),
        "false_fail_rate": _share(failing[labels == 0]),
        "review_share": _share(~(passing | failing)),
    }


def crossed_threshold_cost(
    labels: Labels,
    probabilities: Floats,
    groups: Groups,
    folds: NDArray[np.int_],
    *,
    max_miss_rate: float = 0.01,
    max_false_fail_rate: float = 0.01,
) -> dict[str, float]:
    """Cost of the thresholds on people that did not help to choose them: each fold with cuts from the other folds.

    Thresholds judged on the rows they were chosen from look a little too good; this is the honest figure.

    Returns
    -------
    dict
        As `threshold_cost`, over all rows.
    """
    answers = np.zeros(len(labels))  # 0 pass, 0.5 review, 1 fail: itself a "probability" with cuts 0.25 and 0.75
    for fold in np.unique(folds):
        tested = folds == fold
        chosen = choose_thresholds(
            labels[~tested],
            probabilities[~tested],
            groups[~tested],
            max_miss_rate=max_miss_rate,
            max_false_fail_rate=max_false_fail_rate,
        )
        answers[tested] = np.select(
            [probabilities[tested] >= chosen.high, probabilities[tested] <= chosen.low], [1.0, 0.0], 0.5
        )
    return threshold_cost(labels, answers, 0.25, 0.75)


def baseline_probabilities(values: Floats, labels: Labels, folds: NDArray[np.int_]) -> Floats:
    """Out-of-fold probabilities of a rule of one feature: a logistic curve fitted on the other folds.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The feature; undefined values take the median of the other folds.
    labels, folds : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    probabilities = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        tested = folds == fold
        probabilities[tested] = _one_feature(values[~tested], labels[~tested], values[tested])
    return probabilities


def breakdown(
    labels: Labels, probabilities: Floats, thresholds: tuple[float, float], keys: Sequence[str]
) -> list[dict[str, str | float]]:
    """The same figures for each kind of pair apart, so that a gap between kinds shows.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
    thresholds : tuple of float
        Low and high.
    keys : sequence of str, length n
        Kind of each pair (outcome, method, modality, voxel size).

    Returns
    -------
    list of dict
        ``kind, pairs, insufficient, auroc, miss_rate, false_fail_rate, review_share``, sorted by kind.
    """
    names = np.array(keys)
    rows: list[dict[str, str | float]] = []
    for kind in np.unique(names):
        some = names == kind
        row: dict[str, str | float] = {
            "kind": str(kind),
            "pairs": int(some.sum()),
            "insufficient": int(labels[some].sum()),
            "auroc": scores(labels[some], probabilities[some])["auroc"],
        }
        row.update(threshold_cost(labels[some], probabilities[some], *thresholds))
        rows.append(row)
    return rows


def _low_cut(
    values: Floats, wrong: NDArray[np.bool_], rate: float, furthest: float = NEVER_BEYOND, nowhere: float = 0.0
) -> float:
    """Highest of `values` up to `furthest` with at most `rate` of the wrong ones at or below it, else `nowhere`."""
    allowed = math.floor(rate * int(wrong.sum()) + 1e-9)
    ranked = np.sort(values[wrong])
    first_kept = ranked[allowed] if allowed < len(ranked) else math.inf
    good = values[(values < first_kept) & (values <= furthest)]
    return float(good.max()) if good.size else nowhere


def _miss_rate_upper(labels: Labels, probabilities: Floats, groups: Groups, low: float, seed: int) -> float:
    missed = (probabilities <= low) & (labels == 1)
    if not missed.any():
        # Nobody was missed, so resampling would give 0 for sure; with n people seen, 3/n is the usual upper bound.
        return min(1.0, 3.0 / len(np.unique(groups[labels == 1])))
    index, counts = _resampled_people(groups, RESAMPLES, seed)
    with np.errstate(invalid="ignore"):
        rates = (counts @ np.bincount(index, missed)) / (counts @ np.bincount(index, labels))
    return _interval(rates)[1]


def _resampled_people(groups: Groups, resamples: int, seed: int) -> tuple[NDArray[np.intp], Floats]:
    """Number of the person of each row, and how often each person is drawn in each resample (resamples, people)."""
    # People in the order of their names, so that the order of the rows does not change the draws.
    people, index = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(people), size=(resamples, len(people)))
    counts = np.stack([np.bincount(one, minlength=len(people)) for one in drawn])
    return index, counts.astype(np.float64)


def _resampled_auroc(labels: Labels, probabilities: Floats, index: NDArray[np.intp], counts: Floats) -> Floats:
    """AUROC of every resample; NaN where a resample lacks a label.

    AUROC is the share of (insufficient, sufficient) pairs of rows in the right order, half for ties. Counting those
    pairs once for every two people makes each resample a quadratic form, some hundred times faster than counting anew.
    """
    people = counts.shape[1]
    positive, negative = labels == 1, labels == 0
    right = np.zeros((people, people))
    for person in range(people):
        mine = probabilities[positive & (index == person)][:, None]
        theirs = probabilities[negative][None, :]
        score = (mine > theirs).sum(axis=0) + 0.5 * (mine == theirs).sum(axis=0)
        right[person] = np.bincount(index[negative], score, minlength=people)
    pairs = (counts @ np.bincount(index, positive, people)) * (counts @ np.bincount(index, negative, people))
    with np.errstate(invalid="ignore"):
        resampled: Floats = ((counts @ right) * counts).sum(axis=1) / pairs
    return resampled


def _weighted_pr_auc(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Average precision of every resample, shape (resamples,); rows of one probability count as one step."""
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    called = np.cumsum(weights[:, order], axis=1)[:, ends]
    right = np.cumsum(weights[:, order] * labels[order], axis=1)[:, ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, right / called, 0.0)
        recall_steps = np.diff(right, axis=1, prepend=0.0) / right[:, -1:]
        area: Floats = (precision * recall_steps).sum(axis=1)
    return area


def _interval(values: Floats) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not defined.size:
        return math.nan, math.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _one_feature(values: Floats, labels: Labels, tested: Floats) -> Floats:
    from sklearn.linear_model import LogisticRegression

    known = values[~np.isnan(values)]
    middle = float(np.median(known)) if known.size else 0.0
    spread = float(np.std(known)) or 1.0 if known.size else 1.0

    def standard(raw: Floats) -> Floats:
        return ((np.where(np.isnan(raw), middle, raw) - middle) / spread).reshape(-1, 1)

    fitted = LogisticRegression().fit(standard(values), labels)
    probabilities: Floats = fitted.predict_proba(standard(tested))[:, 1]
    return probabilities


def _mean_sd(values: Floats) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not defined.size:
        return math.nan, math.nan
    return float(defined.mean()), float(defined.std(ddof=1)) if defined.size > 1 else math.nan


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else math.nan
