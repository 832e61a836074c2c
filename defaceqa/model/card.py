"""What a model says about itself: `card.json` as typed records, checked when read."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from defaceqa.errors import ModelError

SCHEMA_VERSION = 1
"""Raised whenever a key of `card.json` changes its meaning or a new key becomes necessary for loading."""

RANGE_MARGIN = 0.05
"""A value counts as outside the training range when it lies this share of the range beyond its ends."""

CRITERIA = ("lenient", "strict")
KINDS = ("xgb", "lr")
"""Kinds of artefact that can ship: XGBoost's own JSON, and logistic regression as plain coefficients."""


@dataclass(frozen=True)
class Column:
    """One feature the model uses, with the range it was trained on.

    Attributes
    ----------
    name, unit : str
    minimum, p01, median, p99, maximum : float
        Over the defined values of the training table, in `unit`.
    constraint : int
        +1 when a higher value may never lower the probability of "insufficient", -1 when it may never raise it, 0 free.
    """

    name: str
    unit: str
    minimum: float
    p01: float
    median: float
    p99: float
    maximum: float
    constraint: int = 0

    def outside(self, value: float) -> bool:
        """Whether a value lies beyond the training range by more than `RANGE_MARGIN`; NaN does not."""
        margin = RANGE_MARGIN * (self.maximum - self.minimum)
        return value < self.minimum - margin or value > self.maximum + margin


@dataclass(frozen=True)
class Calibration:
    """Platt's sigmoid: calibrated log-odds = slope * raw log-odds + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """Cuts on the calibrated probability, and what they cost on people the model had not seen.

    Attributes
    ----------
    low, high : float
        At or below `low` the face passes, at or above `high` it fails, between a person looks.
    max_miss_rate, max_false_fail_rate : float
        What was asked for: share of insufficient pairs that may pass, share of sufficient pairs that may fail.
    miss_rate, false_fail_rate, review_share : float
        What the out-of-fold probabilities gave with these cuts.
    miss_rate_upper : float
        Upper end of the 95 % interval of `miss_rate`, people resampled.
    """

    low: float
    high: float
    max_miss_rate: float
    max_false_fail_rate: float
    miss_rate: float
    miss_rate_upper: float
    false_fail_rate: float
    review_share: float


@dataclass(frozen=True)
class Card:
    """Everything `card.json` holds; see the model folder's README for the meaning of each key."""

    schema_version: int
    name: str
    version: str
    criterion: str
    kind: str
    artefact: str
    artefact_sha256: str
    settings_hash: str
    columns: tuple[Column, ...]
    calibration: Calibration
    thresholds: Thresholds
    training: Mapping[str, Any]
    scores: tuple[Mapping[str, Any], ...]
    packages: Mapping[str, str]
    intended_use: str
    limits: tuple[str, ...]
    licence: str

    def to_json(self) -> str:
        """Return the text of `card.json`: sorted, indented, null for what is not finite."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_card(text: str, where: str) -> Card:
    """Turn the text of a `card.json` into a `Card`.

    Parameters
    ----------
    text : str
    where : str
        Name of the file, for the error message.

    Raises
    ------
    ModelError
        Not JSON, written by a newer DefaceQA, a key missing, or a value of the wrong kind.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(f"{where} is not valid JSON ({error.msg}); copy the model folder again.") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{where} holds a {type(raw).__name__}; expected a JSON object. Copy the model folder again.")
    _check_schema(raw, where)
    try:
        return _card(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{where} does not fit the card of schema {SCHEMA_VERSION} ({error}); train again.") from error


def _check_schema(raw: Mapping[str, Any], where: str) -> None:
    found = raw.get("schema_version")
    if not isinstance(found, int) or found < 1:
        raise ModelError(f"{where} gives schema_version {found!r}; expected {SCHEMA_VERSION}. Train the model again.")
    if found > SCHEMA_VERSION:
        raise ModelError(
            f"{where} has schema version {found}, this DefaceQA reads up to {SCHEMA_VERSION}; update DefaceQA."
        )


def _card(raw: dict[str, Any]) -> Card:
    missing = sorted(f.name for f in dataclasses.fields(Card) if f.name not in raw)
    if missing:
        raise KeyError("missing: " + ", ".join(missing))
    known = {f.name: raw[f.name] for f in dataclasses.fields(Card)}
    if known["kind"] not in KINDS:
        raise ValueError(f"kind {known['kind']!r} is not one of {', '.join(KINDS)}")
    return Card(
        **known
        | {
            "columns": tuple(Column(**_nan(column)) for column in raw["columns"]),
            "calibration": _calibration(raw["calibration"]),
            "thresholds": _thresholds(raw["thresholds"]),
            "scores": tuple(raw["scores"]),
            "limits": tuple(raw["limits"]),
        }
    )


def _calibration(raw: Mapping[str, float]) -> Calibration:
    calibration = Calibration(**raw)
    if not (calibration.slope > 0 and math.isfinite(calibration.intercept)):
        raise ValueError(f"calibration slope {calibration.slope}, intercept {calibration.intercept}")
    return calibration


def _thresholds(raw: Mapping[str, Any]) -> Thresholds:
    thresholds = Thresholds(**_nan(raw))
    # A damaged card must not turn into a gate that lets everything pass.
    if not 0 <= thresholds.low <= thresholds.high <= 1:
        raise ValueError(f"thresholds {thresholds.low} and {thresholds.high}, expected 0 <= low <= high <= 1")
    return thresholds


def _nan(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in raw.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
