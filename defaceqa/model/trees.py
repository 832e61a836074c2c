"""Boosted trees read from XGBoost's JSON and evaluated with numpy, exact contributions included.

Importing xgboost costs about 0.7 s, which a gate would pay for every scan; the file it writes is simple. Each leaf is a
box in feature space (an interval per feature on its path), so a prediction is "which boxes hold this row", and a
Shapley value is a sum over boxes. The tests hold both against xgboost itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import ModelError

Floats = NDArray[np.float64]


class _Interval(NamedTuple):
    """The values of one feature that reach a leaf: low <= x < high, and whether a missing value does.

    `share` is the share of training weight that goes the leaf's way where this feature is asked: what TreeSHAP uses
    for a feature that is not known.
    """

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True
    share: float = 1.0


@dataclass(frozen=True)
class Trees:
    """Sum of the leaves a row falls into.

    Attributes
    ----------
    columns : tuple of str
    bias : float
        Log-odds before any feature is known: the mean of the training rows, as XGBoost defines it.
    """

    columns: tuple[str, ...]
    bias: float
    _start: float
    _values: Floats
    _feature: NDArray[np.intp]
    _low: NDArray[np.float32]
    _high: NDArray[np.float32]
    _missing: NDArray[np.bool_]
    _share: Floats

    def log_odds(self, values: Floats) -> float:
        """Raw log-odds of one row of values in the order of `columns`; NaN is missing."""
        return self._start + float(self._values[self._inside(values).all(axis=1)].sum())

    def contributions(self, values: Floats) -> Floats:
        """Shapley values in log-odds (path-dependent TreeSHAP, Lundberg et al. 2020); plus `bias` they are `log_odds`.

        Parameters
        ----------
        values : ndarray, shape (n_columns,)

        Returns
        -------
        ndarray, shape (n_columns,)
            Positive pushes towards "insufficient".
        """
        known = self._inside(values).astype(np.float64)
        total = np.zeros(len(self.columns))
        for player in range(known.shape[1]):
            gain = self._values * (known[:, player] - self._share[:, player]) * self._weight(known, player)
            np.add.at(total, self._feature[:, player], gain)
        return total

    def _inside(self, values: Floats) -> NDArray[np.bool_]:
        # XGBoost compares in single precision; a double would fall on the other side of some splits.
        asked = values.astype(np.float32)[self._feature]
        between: NDArray[np.bool_] = (asked >= self._low) & (asked < self._high)
        return np.where(np.isnan(asked), self._missing, between)

    def _weight(self, known: Floats, player: int) -> Floats:
        """Mean of what the other features let through, over all orders in which features become known."""
        size = known.shape[1]
        by_count = np.zeros((size, len(known)))  # by_count[k]: sum over sets of k known others
        by_count[0] = 1.0
        for other in range(size):
            if other != player:
                by_count[1:] = by_count[1:] * self._share[:, other] + by_count[:-1] * known[:, other]
                by_count[0] *= self._share[:, other]
        factorial = [math.factorial(k) for k in range(size + 1)]
        orders = np.array([factorial[k] * factorial[size - k - 1] / factorial[size] for k in range(size)])
        weight: Floats = orders @ by_count
        return weight


def read_trees(text: str, where: str) -> Trees:
    """Read a model saved by XGBoost as JSON (binary logistic, plain numeric splits).

    Parameters
    ----------
    text : str
    where : str
        Name of the file, for the error message.

    Raises
    ------
    ModelError
        Not such a model.
    """
    try:
        learner = json.loads(text)["learner"]
        _check_supported(learner)
        start = _logit(float(learner["learner_model_param"]["base_score"].strip("[]")))
        trees = learner["gradient_booster"]["model"]["trees"]
        leaves = [leaf for tree in trees for leaf in _leaves(tree)]
        return _pack(tuple(learner["feature_names"]), start, leaves)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ModelError(f"{where} is not an XGBoost model that DefaceQA can read ({error}); train again.") from error


def _check_supported(learner: Mapping[str, Any]) -> None:
    objective = learner["objective"]["name"]
    booster = learner["gradient_booster"]["name"]
    if (objective, booster) != ("binary:logistic", "gbtree"):
        raise ValueError(f"objective {objective}, booster {booster}")
    if any(any(tree["split_type"]) for tree in learner["gradient_booster"]["model"]["trees"]):
        raise ValueError("categorical splits")


def _leaves(tree: Mapping[str, Any]) -> list[tuple[float, dict[int, _Interval]]]:
    """Value and box of every leaf of one tree."""
    leaves: list[tuple[float, dict[int, _Interval]]] = []
    open_nodes: list[tuple[int, dict[int, _Interval]]] = [(0, {})]
    while open_nodes:
        node, box = open_nodes.pop()
        if tree["left_children"][node] == -1:
            leaves.append((tree["split_conditions"][node], box))
        else:
            open_nodes += [(child, _narrow(tree, node, child, box)) for child in _children(tree, node)]
    return leaves


def _children(tree: Mapping[str, Any], node: int) -> tuple[int, int]:
    return tree["left_children"][node], tree["right_children"][node]


def _narrow(tree: Mapping[str, Any], node: int, child: int, box: dict[int, _Interval]) -> dict[int, _Interval]:
    left = child == tree["left_children"][node]
    cut = tree["split_conditions"][node]
    feature = tree["split_indices"][node]
    old = box.get(feature, _Interval())
    new = _Interval(
        low=old.low if left else max(old.low, cut),
        high=min(old.high, cut) if left else old.high,
        missing=old.missing and bool(tree["default_left"][node]) == left,
        share=old.share * tree["sum_hessian"][child] / tree["sum_hessian"][node],
    )
    return box | {feature: new}


def _pack(columns: tuple[str, ...], start: float, leaves: Sequence[tuple[float, dict[int, _Interval]]]) -> Trees:
    depth = max([1, *(len(box) for _, box in leaves)])
    # Short paths are filled up with intervals that let everything through: they change no Shapley value.
    filled = [[*box.items(), *[(0, _Interval())] * (depth - len(box))] for _, box in leaves]
    values = np.array([value for value, _ in leaves], dtype=np.float64)
    feature, low, high, missing, share = np.moveaxis(
        np.array([[(name, *interval) for name, interval in row] for row in filled]).reshape(-1, depth, 5), -1, 0
    )
    return Trees(
        columns=columns,
        bias=start + float((values * share.prod(axis=1)).sum()),
        _start=start,
        _values=values,
        _feature=feature.astype(np.intp),
        _low=low.astype(np.float32),
        _high=high.astype(np.float32),
        _missing=missing.astype(np.bool_),
        _share=share,
    )


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
