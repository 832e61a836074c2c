"""The training table: one labelled pair per row, features included, no images."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import LabelError
from defaceqa.labels import parse_label
from defaceqa.model.card import CRITERIA
from defaceqa.training.columns import METHOD
from defaceqa.verdict import is_void

IDENTITY = ("subject", "head_id", "outcome", "method")
"""Columns that say what a row is; they also sort the rows, so that the order of the file changes nothing."""

SETTINGS = "settings_hash"
FLAGS = "flags"
"""Optional column: what measuring remarked; rows whose measures mean nothing are left out, as a verdict leaves them."""

WEIGHT = "weight"
"""Optional column: how much a row counts (human labels weigh more); 1 where the column is absent or empty."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingTable:
    """Rows with a label under one criterion, sorted.

    Attributes
    ----------
    columns : tuple of str
    values : ndarray, shape (rows, columns)
        Features; NaN undefined.
    labels : ndarray of int, shape (rows,)
    groups : ndarray of str, shape (rows,)
        The person; what no fold may split.
    identity : tuple of mappings
        ``subject, head_id, outcome, method`` and any further text column of the file, per row.
    weights : ndarray, shape (rows,)
    settings_hash : str
    sha256 : str
        Of the file.
    """

    columns: tuple[str, ...]
    values: Floats
    labels: NDArray[np.int_]
    groups: NDArray[np.str_]
    identity: tuple[Mapping[str, str], ...]
    weights: Floats
    settings_hash: str
    sha256: str

    def with_methods(self) -> TrainingTable:
        """The same table with a column of 0 and 1 for every method under which both labels occur.

        A method that always fails, as doing nothing does, would give its answer away and gets no column.
        """
        used = np.array([row["method"] for row in self.identity])
        names = [m for m in np.unique(used) if len(np.unique(self.labels[used == m])) == 2]
        known = np.column_stack([self.values, *((used == name).astype(np.float64) for name in names)])
        return replace(self, columns=(*self.columns, *(f"{METHOD}{name}" for name in names)), values=known)

    @property
    def method_columns(self) -> tuple[str, ...]:
        """Columns that :meth:`with_methods` has added."""
        return tuple(name for name in self.columns if name.startswith(METHOD))

    def select(self, columns: Sequence[str]) -> Floats:
        """Values of some columns, in the order asked for."""
        return self.values[:, [self.columns.index(name) for name in columns]]


def read_table(path: str | Path, criterion: str, columns: Sequence[str]) -> TrainingTable:
    """Read and check a training table.

    Parameters
    ----------
    path : str or Path
        Tab-separated; columns subject, head_id, outcome, method, settings_hash, label_<criterion> and the features.
    criterion : str
        "lenient" or "strict"; rows without that label are left out.
    columns : sequence of str
        Features to read.

    Raises
    ------
    LabelError
        Unreadable, a column missing, an unknown label, a value that is no number, one head under two people, or rows
        rendered with different settings.
    """
    if criterion not in CRITERIA:
        raise LabelError(f"Unknown criterion {criterion!r}; expected {' or '.join(CRITERIA)}.")
    file = Path(path)
    _, rows, content = _rows(file)
    label = f"label_{criterion}"
    _check_header(rows, (*IDENTITY, SETTINGS, label, *columns), file.name)
    numbered = [(row, f"{file.name} line {line}") for line, row in enumerate(rows, start=2)]
    labelled = [
        (row, where)
        for row, where in numbered
        if parse_label(row[label], where) is not None and not is_void(row.get(FLAGS) or "")
    ]
    # Several rows may share an identity; the features settle their order.
    labelled.sort(key=lambda item: [item[0][name] or "" for name in (*IDENTITY, *columns)])
    return _table(labelled, label, tuple(columns), hashlib.sha256(content).hexdigest(), file.name)


def header(path: str | Path) -> tuple[str, ...]:
    """Column names of a training table.

    Raises
    ------
    LabelError
        Unreadable.
    """
    return tuple(_rows(Path(path))[0])


def _rows(file: Path) -> tuple[list[str], list[dict[str, str]], bytes]:
    try:
        content = file.read_bytes()
        reader = csv.DictReader(io.StringIO(content.decode("utf-8")), delimiter="\t")
        return list(reader.fieldnames or ()), list(reader), content
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"The training table {file.name} cannot be read ({type(error).__name__}).") from error


def _check_header(rows: Sequence[Mapping[str, str]], needed: Iterable[str], name: str) -> None:
    if not rows:
        raise LabelError(f"The training table {name} has no rows.")
    missing = [column for column in needed if column not in rows[0]]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LabelError(f"{name} lacks the column {missing[0]!r}{more}; build the training table again.")


def _table(
    labelled: Sequence[tuple[dict[str, str], str]], label: str, columns: tuple[str, ...], sha256: str, name: str
) -> TrainingTable:
    if not labelled:
        raise LabelError(f"{name} has no row with a {label}; expected 0 or 1 in that column.")
    features = set(columns)
    rows = [row for row, _ in labelled]
    _check_people(labelled)
    return TrainingTable(
        columns=columns,
        values=np.array([[_number(row[c], where, c) for c in columns] for row, where in labelled], dtype=np.float64),
        labels=np.array([int(row[label]) for row in rows]),
        groups=np.array([row["subject"] for row in rows]),
        identity=tuple({k: v for k, v in row.items() if k and k not in features} for row in rows),
        weights=np.array([_weight(row.get(WEIGHT), where) for row, where in labelled]),
        settings_hash=_settings(rows, name),
        sha256=sha256,
    )


def _check_people(labelled: Sequence[tuple[Mapping[str, str], str]]) -> None:
    owner: dict[str, str] = {}
    for row, where in labelled:
        if not row["subject"]:
            raise LabelError(f"{where}: subject is empty; without it people cannot be kept apart.")
        if owner.setdefault(row["head_id"], row["subject"]) != row["subject"]:
            raise LabelError(
                f"{where}: head {row['head_id']} belongs to {row['subject']} and to {owner[row['head_id']]}; "
                "one head is one person, or training would leak into the test."
            )


def _settings(rows: Sequence[Mapping[str, str]], name: str) -> str:
    found = sorted({row[SETTINGS] for row in rows})
    if len(found) != 1:
        raise LabelError(
            f"{name} mixes {len(found)} render settings ({', '.join(h[:12] for h in found)}); extract all rows alike."
        )
    return found[0]


def _number(text: str | None, where: str, column: str) -> float:
    cell = (text or "").strip()
    if cell.lower() in ("", "n/a", "nan"):
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        raise LabelError(f"{where}: {column} is {cell!r}; expected a number or nothing.") from None
    if not np.isfinite(value):
        raise LabelError(f"{where}: {column} is {cell}; expected a finite number or nothing.")
    return value


def _weight(text: str | None, where: str) -> float:
    if not (text or "").strip():
        return 1.0
    value = _number(text, where, WEIGHT)
    if not value > 0:
        raise LabelError(f"{where}: weight is {text}; expected a number above 0.")
    return value
