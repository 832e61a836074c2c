"""Logistic regression on standardised features, kept as plain coefficients in JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """Log-odds = bias + sum of coefficient * (x - mean) / scale.

    Attributes
    ----------
    columns : tuple of str
    bias : float
        Log-odds of the mean training row.
    coefficient, mean, scale, median : tuple of float
        One per column; `median` stands in for a missing value.
    """

    columns: tuple[str, ...]
    bias: float
    coefficient: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    median: tuple[float, ...]

    def log_odds(self, values: Floats) -> float:
        """Raw log-odds of one row of values in the order of `columns`; NaN is missing."""
        return self.bias + float(self.contributions(values).sum())

    def contributions(self, values: Floats) -> Floats:
        """Each column's share of the log-odds; positive pushes towards "insufficient"."""
        filled = np.where(np.isnan(values), self.median, values)
        shares: Floats = np.array(self.coefficient) * (filled - np.array(self.mean)) / np.array(self.scale)
        return shares

    def to_json(self) -> str:
        """Return the text of the artefact."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_linear(text: str, where: str) -> Linear:
    """Read an artefact written by `Linear.to_json`.

    Raises
    ------
    ModelError
        Not such an artefact, or columns and coefficients differ in number.
    """
    try:
        raw: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}
        model = Linear(**raw)
        lengths = {len(x) for x in (model.columns, model.coefficient, model.mean, model.scale, model.median)}
        if len(lengths) != 1:
            raise ValueError("columns and coefficients differ in number")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{where} is not a logistic regression DefaceQA can read ({error}); train again.") from error
    return model
