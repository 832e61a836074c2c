"""The files of a model folder: artefact, card, tables; each written whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.model.card import Column
from defaceqa.model.linear import Linear
from defaceqa.whole_file import replacing

Floats = NDArray[np.float64]

ARTEFACT = "model.json"
PACKAGES = ("numpy", "scikit-learn", "xgboost-cpu", "xgboost")


def artefact_text(kind: str, estimator: Any, columns: Sequence[str]) -> str:
    """Text of the artefact of a fitted candidate: XGBoost's own JSON, or the coefficients of logistic regression."""
    if kind == "xgb":
        booster = estimator.get_booster()
        booster.feature_names = list(columns)
        return bytes(booster.save_raw("json")).decode("utf-8")
    return _linear(estimator, columns).to_json()


def column_cards(
    columns: Sequence[str], values: Floats, units: Mapping[str, str], constraints: Sequence[int]
) -> tuple[Column, ...]:
    """Unit, training range and monotone direction of each column.

    Parameters
    ----------
    columns : sequence of str
    values : ndarray, shape (rows, columns)
        NaN undefined; a column never defined has no range.
    units : mapping
    constraints : sequence of int
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, first, middle, last, high = np.nanpercentile(values, [0, 1, 50, 99, 100], axis=0).tolist()
    return tuple(
        Column(name, units[name], low[i], first[i], middle[i], last[i], high[i], constraints[i])
        for i, name in enumerate(columns)
    )


def package_versions() -> dict[str, str]:
    """Versions of the libraries that decide what training gives."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as tab-separated text with the union of their keys as header; NaN and absent cells are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(names), *("\t".join(_cell(row.get(name)) for name in names) for row in rows)]
    return "\n".join(lines) + "\n"


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files, then move them into place in the order given.

    The card goes last: a run cut short between two moves leaves a card whose sha256 does not fit, which loading
    refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:  # which leaves last what it entered first
        for name, text in reversed(list(files.items())):
            stack.enter_context(replacing(folder / name)).write_text(text, encoding="utf-8", newline="\n")


def _linear(estimator: Any, columns: Sequence[str]) -> Linear:
    imputer, scaler, regression = (step for _, step in estimator.steps)
    return Linear(
        columns=tuple(columns),
        bias=float(regression.intercept_[0]),
        coefficient=tuple(regression.coef_[0].tolist()),
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        median=tuple(np.nan_to_num(imputer.statistics_).tolist()),
    )


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
