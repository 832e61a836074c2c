"""Platt's sigmoid: from raw log-odds to probabilities that mean what they say.

A sigmoid rather than isotonic regression: it keeps the ranking (isotonic makes ties, and certainties of exactly 0 and 1
at the ends, where a gate works), and its two numbers turn contributions in log-odds into calibrated ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defaceqa.model.card import Calibration

Floats = NDArray[np.float64]

SMALLEST_SLOPE = 0.01
"""A model worse than chance out of fold would get a negative slope and turn its own monotone constraints round."""


def fit_sigmoid(log_odds: Floats, labels: NDArray[np.int_], weights: Floats) -> Calibration:
    """Fit the sigmoid on out-of-fold log-odds.

    Parameters
    ----------
    log_odds, weights : ndarray, shape (n,)
    labels : ndarray of int, shape (n,)

    Returns
    -------
    Calibration

    Notes
    -----
    Targets are those of Platt (1999), (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), so that classes which separate completely
    still give a finite slope.
    """
    from sklearn.linear_model import LogisticRegression

    positive, negative = weights[labels == 1].sum(), weights[labels == 0].sum()
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # A soft target is the same as one row of each label, sharing the row's weight.
    doubled = np.concatenate([log_odds, log_odds]).reshape(-1, 1)
    classes = np.repeat([1, 0], len(labels))
    shares = np.concatenate([weights * target, weights * (1 - target)])
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(doubled, classes, sample_weight=shares)
    slope = float(fitted.coef_[0, 0])
    if slope >= SMALLEST_SLOPE:
        return Calibration(slope, float(fitted.intercept_[0]))
    prior = float(np.average(target, weights=weights))
    return Calibration(SMALLEST_SLOPE, float(np.log(prior / (1 - prior))))


def calibrate(log_odds: Floats, calibration: Calibration) -> Floats:
    """Calibrated probabilities of raw log-odds."""
    probabilities: Floats = 0.5 * (1 + np.tanh(0.5 * (calibration.slope * log_odds + calibration.intercept)))
    return probabilities
