"""A model folder on disk: loading it, verifying all of it, and asking it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import ModelError
from defaceqa.model.card import CRITERIA, Card, Thresholds, read_card
from defaceqa.model.linear import read_linear
from defaceqa.model.trees import read_trees
from defaceqa.shipped import shipped_folder

Floats = NDArray[np.float64]

CARD = "card.json"


class Artefact(Protocol):
    """What both kinds of artefact can do with one row of values."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values, in order."""
        ...

    @property
    def bias(self) -> float:
        """Raw log-odds before any value is known."""
        ...

    def log_odds(self, values: Floats) -> float:
        """Raw log-odds of one row."""
        ...

    def contributions(self, values: Floats) -> Floats:
        """Share of each value in the raw log-odds."""
        ...


_READERS: Mapping[str, Callable[[str, str], Artefact]] = {"xgb": read_trees, "lr": read_linear}


@dataclass(frozen=True)
class Model:
    """A verified model; rows are mappings from feature name to value, NaN where undefined.

    Attributes
    ----------
    card : Card
    folder : Path
    """

    card: Card
    folder: Path
    _artefact: Artefact

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features the model reads, in its order."""
        return self._artefact.columns

    @property
    def thresholds(self) -> Thresholds:
        """Cuts on the probability."""
        return self.card.thresholds

    @property
    def bias(self) -> float:
        """Calibrated log-odds before any feature is known; with all `contributions` it sums to the log-odds."""
        return self.card.calibration.slope * self._artefact.bias + self.card.calibration.intercept

    def log_odds(self, row: Mapping[str, float]) -> float:
        """Calibrated log-odds of "insufficiently defaced"."""
        raw = self._artefact.log_odds(self._values(row))
        return self.card.calibration.slope * raw + self.card.calibration.intercept

    def probability(self, row: Mapping[str, float]) -> float:
        """Calibrated probability of "insufficiently defaced", 0 to 1.

        Parameters
        ----------
        row : mapping
            Every name of `columns` must be there; NaN means undefined and is allowed. Other names are ignored.

        Raises
        ------
        ModelError
            A column is absent from the row.
        """
        return 0.5 * (1.0 + math.tanh(0.5 * self.log_odds(row)))

    def contributions(self, row: Mapping[str, float]) -> dict[str, float]:
        """Each feature's share of the calibrated log-odds; positive speaks for "insufficient".

        TreeSHAP for trees, coefficient * (x - mean) for logistic regression. `bias` plus all shares is `log_odds`.
        """
        shares = self.card.calibration.slope * self._artefact.contributions(self._values(row))
        return {name: float(share) for name, share in zip(self.columns, shares, strict=True)}

    def missing(self, row: Mapping[str, float]) -> list[str]:
        """Columns that are undefined (NaN) in the row."""
        return [name for name, value in zip(self.columns, self._values(row), strict=True) if math.isnan(value)]

    def out_of_range(self, row: Mapping[str, float]) -> list[str]:
        """Columns whose value lies outside anything in training; a column never defined in training is not asked."""
        values = dict(zip(self.columns, self._values(row), strict=True))
        return [column.name for column in self.card.columns if column.outside(values[column.name])]

    def check_settings(self, settings_hash: str) -> None:
        """Refuse rows whose renders were made with other settings than the model's.

        Raises
        ------
        ModelError
        """
        if settings_hash != self.card.settings_hash:
            raise ModelError(
                f"Model {self.card.name} was trained on renders with settings {self.card.settings_hash[:12]}, "
                f"these features come from settings {settings_hash[:12]}; extract them again or train a new model."
            )

    def _values(self, row: Mapping[str, float]) -> Floats:
        absent = [name for name in self.columns if name not in row]
        if absent:
            raise ModelError(
                f"The features lack {_some(absent)}, which model {self.card.name} needs; extract them again."
            )
        return np.array([row[name] for name in self.columns], dtype=np.float64)


def load_model(
    criterion_or_path: str | Path, *, features: Collection[str] | None = None, settings_hash: str | None = None
) -> Model:
    """Load a model folder and verify all of it.

    Parameters
    ----------
    criterion_or_path : str or Path
        "lenient" or "strict" for the models that ship with DefaceQA, else a folder.
    features : collection of str, optional
        Names this version can compute; by default those of the `FEATURES` table.
    settings_hash : str, optional
        Hash of the render settings in use; compared with the model's when given.

    Raises
    ------
    ModelError
        A file is missing, changed, of a newer schema, or asks for features or renders this version does not make.
    """
    folder = model_folder(criterion_or_path)
    card = read_card(_read(folder, CARD).decode("utf-8", errors="replace"), f"{folder.name}/{CARD}")
    content = _read(folder, card.artefact)
    where = f"{folder.name}/{card.artefact}"
    _check_sha256(content, card, where)
    model = Model(card, folder, _READERS[card.kind](content.decode("utf-8", errors="replace"), where))
    _check_columns(model, _feature_names() if features is None else features)
    if settings_hash is not None:
        model.check_settings(settings_hash)
    return model


def model_folder(criterion_or_path: str | Path) -> Path:
    """Folder of a criterion's shipped model (in the wheel, or in a checkout beside the package), or the path itself.

    Raises
    ------
    ModelError
        No such folder.
    """
    if criterion_or_path in CRITERIA:
        return shipped_folder(str(criterion_or_path))
    folder = Path(criterion_or_path)
    if not folder.is_dir():
        raise ModelError(
            f"{folder} is not a model folder; expected {' or '.join(CRITERIA)}, or a folder that holds {CARD}."
        )
    return folder


def _read(folder: Path, name: str) -> bytes:
    # A card must not be able to point outside its folder, so only the bare name is used.
    file = folder / Path(name).name
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder.name}/{file.name} cannot be read ({error.strerror}); copy the whole model folder."
        ) from error


def _check_sha256(content: bytes, card: Card, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != card.artefact_sha256:
        raise ModelError(
            f"{where} has sha256 {found[:12]}, its card says {card.artefact_sha256[:12]}; copy the folder again."
        )


def _check_columns(model: Model, features: Collection[str]) -> None:
    listed = tuple(column.name for column in model.card.columns)
    if listed != model.columns:
        raise ModelError(
            f"Model {model.card.name} reads {len(model.columns)} columns but its card lists {len(listed)} "
            "or another order; train it again."
        )
    unknown = [name for name in listed if name not in features]
    if unknown:
        raise ModelError(
            f"Model {model.card.name} needs {_some(unknown)}, which this DefaceQA does not compute; "
            "train it again or install the version it was made with."
        )


def _feature_names() -> Collection[str]:
    from defaceqa.features.table import FEATURES

    return FEATURES.keys()


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
