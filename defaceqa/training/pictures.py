"""Pictures of a training: calibration, ROC, importance, and how features hang together. They need matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.training.selection import spearman, tree_of_features
from defaceqa.training.table import TrainingTable
from defaceqa.whole_file import replacing

Floats = NDArray[np.float64]
Predictions = Mapping[tuple[str, str], Floats]

NO_PICTURES = "no pictures were drawn: matplotlib is not installed (pip install 'defaceqa[train]')"
SHOWN_IMPORTANCE = 20
DPI = 110


def draw(
    folder: Path,
    table: TrainingTable,
    columns: Sequence[str],
    predicted: Predictions,
    shipped: tuple[str, str],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[str, ...]:
    """Write ``roc.png``, ``calibration.png``, ``importance.png`` and ``correlation.png`` into a model folder.

    Returns
    -------
    tuple of str
        A notice when matplotlib is missing and nothing was drawn.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return (NO_PICTURES,)
    makers: dict[str, Callable[[Any], None]] = {
        "roc.png": lambda axis: roc(axis, table, predicted, shipped[1]),
        "calibration.png": lambda axis: calibration(axis, tables["calibration"]),
        "importance.png": lambda axis: importance(axis, tables["selection"]),
    }
    for name, make in makers.items():
        figure, axis = _figure(6.0, 5.0)
        make(axis)
        _save(figure, folder / name)
    _save(correlation_figure(table.select(columns), columns), folder / "correlation.png")
    return ()


def roc(axis: Any, table: TrainingTable, predicted: Predictions, kind: str) -> None:
    """Out-of-fold ROC curve of every feature set with the shipped kind of model."""
    from sklearn.metrics import roc_auc_score, roc_curve

    for (name, model), probabilities in predicted.items():
        if model == kind:
            false, true, _ = roc_curve(table.labels, probabilities)
            axis.plot(false, true, label=f"{name} ({roc_auc_score(table.labels, probabilities):.3f})")
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axis.set(xlabel="1 - specificity", ylabel="sensitivity", title=f"Out-of-fold ROC, {kind.upper()} (AUROC)")
    axis.legend(fontsize=8)


def calibration(axis: Any, curve: Sequence[Mapping[str, Any]]) -> None:
    """Found against predicted share, with intervals over people."""
    predicted = np.array([row["predicted"] for row in curve])
    found = np.array([row["found"] for row in curve])
    low, high = (np.array([row[name] for row in curve]) for name in ("found_low", "found_high"))
    spread = [np.clip(found - low, 0, None), np.clip(high - found, 0, None)]
    axis.errorbar(predicted, found, yerr=spread, fmt="o-", capsize=3)
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axis.set(xlabel="predicted probability", ylabel="found insufficient", title="Calibration, out of fold")


def importance(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Permutation importance of the most important features."""
    shown = list(rows)[:SHOWN_IMPORTANCE][::-1]
    spread = np.nan_to_num([row["importance_sd"] for row in shown])
    axis.barh([row["feature"] for row in shown], [row["importance_mean"] for row in shown], xerr=spread)
    axis.tick_params(labelsize=7)
    axis.set(xlabel="loss of AUROC when shuffled", title="Permutation importance")


def correlation_figure(values: Floats, columns: Sequence[str]) -> Any:
    """Heat map of Spearman correlations, features in the order of the dendrogram above it.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
    columns : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from scipy.cluster.hierarchy import dendrogram

    correlation = spearman(values)
    side = max(5.0, 0.32 * len(columns) + 2)
    figure = Figure(figsize=(side, side * 1.25), layout="constrained")
    top, below = figure.subplots(2, 1, height_ratios=[1, 4])
    if len(columns) > 1:
        drawn = dendrogram(tree_of_features(correlation), ax=top, no_labels=True, color_threshold=0.05)
        order = drawn["leaves"]
    else:
        order = [0]
    top.set(ylabel="1 - |ρ|")
    image = below.imshow(correlation[np.ix_(order, order)], vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
    names = [columns[i] for i in order]
    below.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    below.set_yticks(range(len(names)), names, fontsize=6)
    figure.colorbar(image, ax=below, label="Spearman ρ", shrink=0.6)
    return figure


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, file: Path) -> None:
    """Write without the date and version that would change the bytes."""
    with replacing(file) as partial:
        figure.savefig(partial, dpi=DPI, format="png", metadata={"Software": None})
