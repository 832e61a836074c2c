"""Which features a model needs: the paper's selection, run inside the inner loop only.

Two steps, repeated until nothing changes: features whose Spearman correlation says the same are clustered and the most
important of each cluster stays; then features whose permutation does no harm on held-out people go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.training.candidates import CANDIDATES, Rows, fit, log_odds
from defaceqa.training.folds import Fold, grouped_folds

Floats = NDArray[np.float64]

SAME_CORRELATION = 0.95
"""Two features with at least this mean Spearman correlation (either sign) tell the same."""

REPEATS = 3
MAX_ROUNDS = 5
IMPORTANCE_MODELS = (
    ("rf", {"min_samples_leaf": 5, "n_estimators": 50}),
    ("xgb", {"max_depth": 3, "n_estimators": 100}),
)
"""The tree models whose permutation importances are averaged, as published."""


@dataclass(frozen=True)
class Selection:
    """What was kept.

    Attributes
    ----------
    columns : tuple of str
        In the order given.
    importance : dict
        Column to permutation importance in the last round it was in: loss of AUROC on held-out people.
    """

    columns: tuple[str, ...]
    importance: dict[str, float]


def select(rows: Rows, columns: Sequence[str], constraints: Sequence[int], n_folds: int, seed: int) -> Selection:
    """Select features within the given rows; nothing outside them is looked at.

    Parameters
    ----------
    rows : Rows
        ``values`` has one column per name of ``columns``.
    columns : sequence of str
    constraints : sequence of int
        Monotone direction per column.
    n_folds, seed : int
        Grouped folds in which importance is measured.

    Returns
    -------
    Selection
        At least one column.
    """
    folds = grouped_folds(rows.labels, rows.groups, n_folds, seed, "inner fold")
    kept = list(range(len(columns)))
    importance: dict[str, float] = {}
    for _ in range(MAX_ROUNDS):
        found = permutation_importance(_columns(rows, kept), [constraints[i] for i in kept], folds, seed)
        importance |= {columns[i]: float(value) for i, value in zip(kept, found, strict=True)}
        strongest = [kept[i] for i in representatives(spearman(rows.values[:, kept]), found)]
        useful = [i for i in strongest if importance[columns[i]] > 0] or strongest[:1]
        if useful == kept:
            break
        kept = useful
    return Selection(tuple(columns[i] for i in kept), importance)


def spearman(values: Floats) -> Floats:
    """Spearman correlations of columns, shape (columns, columns); undefined values take their column's median."""
    from scipy.stats import rankdata

    middle = np.nanmedian(np.where(np.isnan(values).all(axis=0), 0.0, values), axis=0)
    ranks = rankdata(np.where(np.isnan(values), middle, values), axis=0)
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    length[length == 0] = 1.0
    correlation: Floats = (centred / length).T @ (centred / length)
    np.fill_diagonal(correlation, 1.0)
    return np.clip(correlation, -1, 1)


def tree_of_features(correlation: Floats) -> Floats:
    """Hierarchical clustering (average linkage) of features at distance 1 - abs(correlation), as SciPy's linkage."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.abs(correlation)
    np.fill_diagonal(distance, 0.0)
    tree: Floats = linkage(squareform((distance + distance.T) / 2, checks=False), "average")
    return tree


def representatives(correlation: Floats, importance: Floats) -> list[int]:
    """The most important column of each cluster of columns that tell the same, in column order."""
    from scipy.cluster.hierarchy import fcluster

    if len(importance) < 2:
        return list(range(len(importance)))
    clusters = fcluster(tree_of_features(correlation), 1 - SAME_CORRELATION, "distance")
    best = [max(np.flatnonzero(clusters == c), key=lambda i: (importance[i], -i)) for c in np.unique(clusters)]
    return sorted(int(i) for i in best)


def permutation_importance(rows: Rows, constraints: Sequence[int], folds: Sequence[Fold], seed: int) -> Floats:
    """Loss of AUROC on held-out people when one column is shuffled, averaged over tree models, folds and repeats."""
    from sklearn.metrics import roc_auc_score

    loss = np.zeros(rows.values.shape[1])
    for number, (train, test) in enumerate(folds):
        values, labels = rows.values[test], rows.labels[test]
        for kind, parameters in IMPORTANCE_MODELS:
            estimator: Any = fit(CANDIDATES[kind], parameters, rows.take(train), constraints, seed)
            whole = roc_auc_score(labels, log_odds(estimator, values))
            generator = np.random.default_rng([seed, number])
            for column in range(values.shape[1]):
                shuffled = np.concatenate([_shuffled(values, column, generator) for _ in range(REPEATS)])
                odds = log_odds(estimator, shuffled).reshape(REPEATS, -1)
                loss[column] += sum(whole - roc_auc_score(labels, one) for one in odds) / REPEATS
    return np.asarray(loss / (len(folds) * len(IMPORTANCE_MODELS)))


def _shuffled(values: Floats, column: int, generator: np.random.Generator) -> Floats:
    changed = values.copy()
    changed[:, column] = generator.permutation(changed[:, column])
    return changed


def _columns(rows: Rows, kept: Sequence[int]) -> Rows:
    return Rows(rows.values[:, list(kept)], rows.labels, rows.weights, rows.groups)
