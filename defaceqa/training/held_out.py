"""Harder tests than folds of people: a whole method never seen, one person at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa import evaluation
from defaceqa.model.card import Calibration, Thresholds
from defaceqa.training.calibration import calibrate
from defaceqa.training.candidates import Candidate, Parameters, Rows, fit, log_odds
from defaceqa.training.table import TrainingTable

Floats = NDArray[np.float64]
Progress = Callable[[str], None]


def leave_one_method_out(
    candidate: Candidate,
    parameters: Parameters,
    calibration: Calibration,
    rows: Rows,
    constraints: Sequence[int],
    table: TrainingTable,
    numbers: NDArray[np.int_],
    thresholds: Thresholds,
    seed: int,
    n_jobs: int,
) -> list[dict[str, Any]]:
    """Scores on each method, by models that saw neither the method nor the person.

    Hyperparameters and sigmoid are the shipped model's.

    Parameters
    ----------
    numbers : ndarray of int, shape (rows,)
        Outer fold of each row, which keeps people apart.

    Returns
    -------
    list of dict
        One row per method, then one for all rows.
    """
    methods = np.array([row["method"] for row in table.identity])
    tasks = [(method, fold) for method in np.unique(methods) for fold in np.unique(numbers)]
    parts = [(np.flatnonzero((methods != m) & (numbers != f)), np.flatnonzero((methods == m) & (numbers == f)))
             for m, f in tasks]  # fmt: skip
    usable = [(train, test) for train, test in parts if test.size and len(np.unique(rows.labels[train])) == 2]
    probabilities = _probabilities(usable, candidate, parameters, calibration, rows, constraints, seed, n_jobs)
    return _rows(rows, probabilities, thresholds, methods, "method")


def leave_one_subject_out(
    candidate: Candidate,
    parameters: Parameters,
    calibration: Calibration,
    rows: Rows,
    constraints: Sequence[int],
    thresholds: Thresholds,
    seed: int,
    n_jobs: int,
) -> list[dict[str, Any]]:
    """Scores over all people, each judged by a model that saw all the others; settings as the shipped model's."""
    folds = [(np.flatnonzero(rows.groups != p), np.flatnonzero(rows.groups == p)) for p in np.unique(rows.groups)]
    probabilities = _probabilities(folds, candidate, parameters, calibration, rows, constraints, seed, n_jobs)
    return _rows(rows, probabilities, thresholds, None, "subject")


def _probabilities(
    parts: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    candidate: Candidate,
    parameters: Parameters,
    calibration: Calibration,
    rows: Rows,
    constraints: Sequence[int],
    seed: int,
    n_jobs: int,
) -> Floats:
    """Probability of each row by the model of the part that tests it; NaN for rows that no part tests."""
    from joblib import Parallel, delayed

    found = Parallel(n_jobs=n_jobs)(
        delayed(_predict)(candidate, parameters, calibration, rows, constraints, train, test, seed)
        for train, test in parts
    )
    probabilities = np.full(len(rows.labels), np.nan)
    for (_, test), values in zip(parts, found, strict=True):
        probabilities[test] = values
    return probabilities


def _predict(
    candidate: Candidate,
    parameters: Parameters,
    calibration: Calibration,
    rows: Rows,
    constraints: Sequence[int],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    seed: int,
) -> Floats:
    estimator = fit(candidate, parameters, rows.take(train), constraints, seed)
    return calibrate(log_odds(estimator, rows.values[test]), calibration)


def _rows(
    rows: Rows, probabilities: Floats, thresholds: Thresholds, keys: NDArray[np.str_] | None, left_out: str
) -> list[dict[str, Any]]:
    known = ~np.isnan(probabilities)
    labels, values = rows.labels[known], probabilities[known]
    cuts = (thresholds.low, thresholds.high)
    found = [] if keys is None else evaluation.breakdown(labels, values, cuts, list(keys[known]))
    everything = evaluation.breakdown(labels, values, cuts, ["all"] * int(known.sum()))
    low, high = evaluation.bootstrap_auroc(labels, values, rows.groups[known])
    everything[0] |= {"auroc_low": low, "auroc_high": high}
    return [{"left_out": left_out, **row} for row in (*found, *everything)]
