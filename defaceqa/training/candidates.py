"""The kinds of model that compete: logistic regression, a small network, a random forest, boosted trees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]
Parameters = Mapping[str, Any]

FOREST_TREES = 150
FURTHEST_LOG_ODDS = 12.0
"""Forests and networks may claim certainty; their log-odds end here so that calibration sees finite numbers."""


@dataclass(frozen=True)
class Rows:
    """Rows to learn from: values (n, columns), labels (n,), weights (n,), groups (n,)."""

    values: Floats
    labels: Labels
    weights: Floats
    groups: NDArray[np.str_]

    def take(self, index: NDArray[np.intp]) -> Rows:
        """Some of the rows."""
        return Rows(self.values[index], self.labels[index], self.weights[index], self.groups[index])


@dataclass(frozen=True)
class Candidate:
    """One kind of model.

    Attributes
    ----------
    name : str
        Short name: lr, mlp, rf, xgb.
    build : callable
        (parameters, constraints, seed) -> an unfitted scikit-learn style classifier.
    grid : tuple of mappings
        Hyperparameters the inner loop chooses from, simplest first: at a tie the first wins.
    """

    name: str
    build: Callable[[Parameters, Sequence[int], int], Any]
    grid: tuple[Parameters, ...]


def fit(candidate: Candidate, parameters: Parameters, rows: Rows, constraints: Sequence[int], seed: int) -> Any:
    """Fit one candidate.

    Parameters
    ----------
    rows : Rows
        What to learn from.
    constraints : sequence of int
        Per column: +1 may never lower the probability of "insufficient", -1 never raise it, 0 free. Only boosted
        trees honour it.
    """
    estimator = candidate.build(parameters, constraints, seed)
    last = f"{estimator.steps[-1][0]}__sample_weight" if hasattr(estimator, "steps") else "sample_weight"
    with warnings.catch_warnings():
        # A network stopped at its last iteration is a candidate like any other: the inner loop judges it.
        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(rows.values, rows.labels, **{last: rows.weights})


def log_odds(estimator: Any, values: Floats) -> Floats:
    """Raw log-odds of "insufficient" for each row of values: exactly what the shipped artefact will give."""
    if hasattr(estimator, "get_booster"):
        return np.asarray(estimator.predict(values, output_margin=True), dtype=np.float64)
    if hasattr(estimator, "decision_function"):
        return np.asarray(estimator.decision_function(values), dtype=np.float64)
    probabilities = np.asarray(estimator.predict_proba(values)[:, 1], dtype=np.float64)
    edge = 1 / (1 + np.exp(FURTHEST_LOG_ODDS))
    inside = np.clip(probabilities, edge, 1 - edge)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


def _grid(**choices: Sequence[Any]) -> tuple[Parameters, ...]:
    return tuple(dict(zip(choices, values, strict=True)) for values in product(*choices.values()))


def _imputed(*steps: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    # Columns never defined in a fold are kept (as 0), so that columns and coefficients stay in step.
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)


def _logistic_regression(parameters: Parameters, constraints: Sequence[int], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    return _imputed(StandardScaler(), LogisticRegression(max_iter=5000, **parameters))


def _network(parameters: Parameters, constraints: Sequence[int], seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    return _imputed(StandardScaler(), MLPClassifier(solver="lbfgs", max_iter=200, random_state=seed, **parameters))


def _forest(parameters: Parameters, constraints: Sequence[int], seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    settings = {"n_estimators": FOREST_TREES, **parameters}
    return _imputed(RandomForestClassifier(random_state=seed, n_jobs=1, **settings))


def _boosted_trees(parameters: Parameters, constraints: Sequence[int], seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(
        tree_method="hist",
        n_jobs=1,  # one thread: sums in a fixed order, the same file every time
        random_state=seed,
        learning_rate=0.1,
        subsample=0.8,
        colsample_bytree=0.8,
        monotone_constraints=tuple(constraints),
        **parameters,
    )


CANDIDATES: Mapping[str, Candidate] = {
    "lr": Candidate("lr", _logistic_regression, _grid(C=(0.01, 0.1, 1.0, 10.0))),
    "mlp": Candidate("mlp", _network, _grid(hidden_layer_sizes=((8,), (32,)), alpha=(10.0, 1.0))),
    "rf": Candidate("rf", _forest, _grid(min_samples_leaf=(5, 1))),
    "xgb": Candidate("xgb", _boosted_trees, _grid(max_depth=(2, 3, 4), n_estimators=(100, 300))),
}
"""Every kind by its short name, in the order of the paper's tables."""
