"""The tables that say how good a training was: scores, out-of-fold probabilities, and scores by kind of pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa import evaluation
from defaceqa.anatomy.patches import FACIAL_REGIONS
from defaceqa.model.card import KINDS, Thresholds
from defaceqa.training.artefact import column_cards
from defaceqa.training.table import IDENTITY, TrainingTable

Floats = NDArray[np.float64]
Predictions = Mapping[tuple[str, str], Floats]
"""Calibrated out-of-fold probabilities by (feature set, kind of model)."""

KINDS_OF_PAIRS = ("case", "modality", "voxels", "original", "head_kind", "source", "method", "outcome")
"""By what the scores are broken down: columns of the training table where present, and the three below."""

CLEAR_BELOW, CLEAR_ABOVE = 0.05, 0.40
"""A pair whose every region has a true residual below the first or above the second is clear, else borderline."""

STRICT_CHEEKS_DOUBT = (0.40, 0.60)
"""Under the strict criterion a pair with this share of cheeks and jaw left is borderline as well."""

FINE_VOXELS_MM, COARSE_VOXELS_MM = 1.25, 1.75


def shipped_kind(table: TrainingTable, predicted: Predictions, features: str, kinds: Sequence[str], seed: int) -> str:
    """Kind of model to ship: boosted trees, unless logistic regression has the better AUROC beyond chance.

    Trees come first because they can be held to monotone directions: more face left never lowers their probability.
    """
    if "lr" not in kinds or "xgb" not in kinds:
        return next(kind for kind in KINDS if kind in kinds)
    low, _ = evaluation.bootstrap_auroc_difference(
        table.labels, predicted[features, "lr"], predicted[features, "xgb"], table.groups, seed=seed
    )
    return "lr" if low > 0 else "xgb"


def score_rows(
    table: TrainingTable,
    predicted: Predictions,
    numbers: NDArray[np.int_],
    shipped: tuple[str, str],
    seed: int,
) -> list[dict[str, Any]]:
    """One row of scores per feature set and kind of model, then one per rule of a single feature.

    Parameters
    ----------
    table : TrainingTable
    predicted : mapping
        Out-of-fold probabilities by (feature set, kind).
    numbers : ndarray of int, shape (rows,)
        Outer fold of each row.
    shipped : (str, str)
        Feature set and kind of the model that ships.
    seed : int
        Of the resampling of people.
    """
    rows = [
        {"features": name, "model": kind, "shipped": "yes" if (name, kind) == shipped else "no"}
        | _score_row(table, probabilities, numbers, seed)
        for (name, kind), probabilities in predicted.items()
    ]
    for name, column in evaluation.BASELINES.items():
        if column in table.columns:
            values = table.select([column])[:, 0]
            probabilities = evaluation.baseline_probabilities(values, table.labels, numbers)
            scores = _score_row(table, probabilities, numbers, seed)
            rows.append({"features": name, "model": "rule", "shipped": "no"} | scores)
    return rows


def _score_row(table: TrainingTable, probabilities: Floats, numbers: NDArray[np.int_], seed: int) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, (mean, spread) in evaluation.fold_scores(table.labels, probabilities, numbers).items():
        row |= {f"{name}_mean": mean, f"{name}_sd": spread}
    row["auroc_pooled"] = evaluation.scores(table.labels, probabilities)["auroc"]
    intervals = evaluation.bootstrap_scores(table.labels, probabilities, table.groups, seed=seed)
    for name, (low, high) in intervals.items():
        row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def out_of_fold_rows(table: TrainingTable, predicted: Predictions, numbers: NDArray[np.int_]) -> list[dict[str, Any]]:
    """Each row of the table with its fold, its label and every out-of-fold probability."""
    return [
        {name: row[name] for name in IDENTITY}
        | {"fold": int(numbers[i]), "label": int(table.labels[i])}
        | {f"{name}:{kind}": float(values[i]) for (name, kind), values in predicted.items()}
        for i, row in enumerate(table.identity)
    ]


def breakdown_rows(
    table: TrainingTable, probabilities: Floats, thresholds: Thresholds, criterion: str
) -> list[dict[str, Any]]:
    """Scores for each kind of pair apart: clear or borderline, modality, voxels, kind of head, source, method, outcome.

    Parameters
    ----------
    criterion : str
        "lenient" or "strict"; decides which pairs are clear.
    """
    keys = kinds_of_pairs(table, criterion)
    rows: list[dict[str, Any]] = []
    for column in KINDS_OF_PAIRS:
        if column in keys:
            cuts = (thresholds.low, thresholds.high)
            found = evaluation.breakdown(table.labels, probabilities, cuts, keys[column])
            rows += [{"by": column, **row} for row in found]
    return rows


def kinds_of_pairs(table: TrainingTable, criterion: str) -> dict[str, list[str]]:
    """Kind of each pair, for every way of telling kinds apart that the table allows."""
    present = table.identity[0]
    keys = {name: [row[name] for row in table.identity] for name in KINDS_OF_PAIRS if name in present}
    if "voxel_mm" in present:
        keys["voxels"] = [_voxels(row["voxel_mm"]) for row in table.identity]
    if {"voxel_mm", "modality", "head_kind"} <= present.keys():
        keys["original"] = [
            f"{row['head_kind']} {row['modality']}, {voxels}"
            for row, voxels in zip(table.identity, keys["voxels"], strict=True)
        ]
    if all(f"truth_residual_{region}" in present for region in FACIAL_REGIONS):
        keys["case"] = [_case(row, criterion) for row in table.identity]
    return keys


def _voxels(text: str) -> str:
    size = float(text)
    if size < FINE_VOXELS_MM:
        return f"below {FINE_VOXELS_MM} mm"
    return f"{FINE_VOXELS_MM} to {COARSE_VOXELS_MM} mm" if size < COARSE_VOXELS_MM else f"{COARSE_VOXELS_MM} mm or more"


def _case(row: Mapping[str, str], criterion: str) -> str:
    """Whether geometry leaves no doubt about a pair."""
    shares = [_share(row[f"truth_residual_{region}"]) for region in FACIAL_REGIONS]
    clear = all(share < CLEAR_BELOW or share > CLEAR_ABOVE for share in shares)
    if criterion == "strict":
        low, high = STRICT_CHEEKS_DOUBT
        clear &= not low <= _share(row.get("truth_residual_cheeks_jaw", "")) <= high
    return "clear" if clear else "borderline"


def _share(text: str) -> float:
    """What was never in view counts as gone."""
    return 0.0 if text.strip().lower() in ("", "n/a", "nan") else float(text)


def out_of_range_share(table: TrainingTable, columns: Sequence[str], numbers: NDArray[np.int_]) -> float:
    """Share of pairs with a value outside the range of the other folds: these are reviewed whatever their probability.

    Parameters
    ----------
    table : TrainingTable
    columns : sequence of str
    numbers : ndarray of int, shape (rows,)
        Outer fold of each row.
    """
    values = table.select(columns)
    outside = np.zeros(len(numbers), dtype=np.bool_)
    for fold in np.unique(numbers):
        known = column_cards(columns, values[numbers != fold], dict.fromkeys(columns, "1"), [0] * len(columns))
        for row in np.flatnonzero(numbers == fold):
            outside[row] = any(column.outside(value) for column, value in zip(known, values[row], strict=True))
    return float(outside.mean())
