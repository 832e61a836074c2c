"""Nested cross-validation: the inner loop chooses hyperparameters and calibrates, the outer loop only tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defaceqa.model.card import Calibration
from defaceqa.training.calibration import calibrate, fit_sigmoid
from defaceqa.training.candidates import Candidate, Parameters, Rows, fit, log_odds
from defaceqa.training.folds import Fold, grouped_folds

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """What the inner loop found: hyperparameters, and the sigmoid fitted on its own out-of-fold log-odds."""

    parameters: Parameters
    calibration: Calibration
    log_loss: float


def choose(candidate: Candidate, rows: Rows, constraints: Sequence[int], n_folds: int, seed: int) -> Chosen:
    """Choose hyperparameters by the log-loss of grouped cross-validation within the given rows.

    Parameters
    ----------
    candidate : Candidate
    rows : Rows
        Nothing outside them is looked at.
    constraints : sequence of int
        Monotone direction per column.
    n_folds, seed : int

    Raises
    ------
    LabelError
        An inner fold lacks a label.
    """
    folds = grouped_folds(rows.labels, rows.groups, n_folds, seed, "inner fold")
    found = [_try(candidate, parameters, rows, constraints, folds, seed) for parameters in candidate.grid]
    return min(found, key=lambda chosen: chosen.log_loss)


def tested_fold(
    candidate: Candidate, rows: Rows, constraints: Sequence[int], fold: Fold, n_inner: int, seed: int
) -> Floats:
    """Calibrated probabilities of one outer fold's test rows, everything learnt on its training rows."""
    train, test = fold
    known = rows.take(train)
    chosen = choose(candidate, known, constraints, n_inner, seed)
    estimator = fit(candidate, chosen.parameters, known, constraints, seed)
    return calibrate(log_odds(estimator, rows.values[test]), chosen.calibration)


def _try(
    candidate: Candidate,
    parameters: Parameters,
    rows: Rows,
    constraints: Sequence[int],
    folds: Sequence[Fold],
    seed: int,
) -> Chosen:
    odds = np.zeros(len(rows.labels))
    for train, test in folds:
        odds[test] = log_odds(fit(candidate, parameters, rows.take(train), constraints, seed), rows.values[test])
    calibration = fit_sigmoid(odds, rows.labels, rows.weights)
    return Chosen(parameters, calibration, _log_loss(calibrate(odds, calibration), rows))


def _log_loss(probabilities: Floats, rows: Rows) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(rows.labels, probabilities, sample_weight=rows.weights, labels=[0, 1]))
