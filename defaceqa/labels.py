"""The label table: who judged which pair how; and how far raters agree.

One row per pair and rater, tab-separated, only ever appended to. A rater who changes their mind adds a later row.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from defaceqa.errors import LabelError
from defaceqa.whole_file import write_file

SUFFICIENT, INSUFFICIENT = 0, 1
"""The two labels: the face (or brain) is as it should be, or it is not."""

SOURCES = ("geometry", "rater", "consensus")
"""Where a label comes from: computed from known landmarks, given by a person, or settled by several."""

JUDGEMENTS = ("label_lenient", "label_strict", "label_brain")
COLUMNS = ("pair", "subject", "method", "rater", "source", *JUDGEMENTS, "excluded", "time")
"""Columns of a label table, in order.

pair: name of the pair, unique within the table. subject: the person; never split over folds. method: defacing tool or
empty. rater: who judged, or the name of the rule. source: one of `SOURCES`. label_*: 0 sufficient, 1 insufficient,
empty not judged (label_brain: 0 whole, 1 cut). excluded: reason why the pair cannot be judged, else empty. time: ISO
8601, UTC.
"""

UNDEFINED = ("", "n/a")


@dataclass(frozen=True)
class Label:
    """One row of the label table; a judgement that was not given is None."""

    pair: str
    subject: str
    method: str
    rater: str
    source: str
    label_lenient: int | None
    label_strict: int | None
    label_brain: int | None
    excluded: str = ""
    time: str = ""


def read_labels(path: str | Path) -> list[Label]:
    """Read and check a label table.

    Parameters
    ----------
    path : str or Path
        Tab-separated text with the columns of `COLUMNS`; further columns are ignored.

    Returns
    -------
    list of Label
        In the order of the file.

    Raises
    ------
    LabelError
        Not readable, a column missing, an unknown label or source, or a row that contradicts itself.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"The label table {file.name} cannot be read ({type(error).__name__}).") from error
    reader = csv.DictReader(io.StringIO(text), delimiter="\t")
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise LabelError(f"{file.name} lacks the column {missing[0]!r}; a label table has {', '.join(COLUMNS)}.")
    return [_label(row, f"{file.name} line {number}") for number, row in enumerate(reader, start=2)]


def write_labels(labels: Iterable[Label], path: str | Path) -> None:
    """Write a label table; a table of before stays as it was when that fails."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([["" if value is None else value for value in _values(label)] for label in labels])
    write_file(text.getvalue(), Path(path))


def latest(labels: Iterable[Label]) -> list[Label]:
    """Keep each rater's last word on each pair, in the order in which the pairs were first judged."""
    last: dict[tuple[str, str], Label] = {}
    for label in labels:
        last[label.pair, label.rater] = label
    return list(last.values())


def parse_label(text: str | None, where: str) -> int | None:
    """Turn the text of a label cell into 0, 1, or None for not judged.

    Raises
    ------
    LabelError
        Anything else.
    """
    cell = (text or "").strip()
    if cell in UNDEFINED:
        return None
    if cell not in ("0", "1"):
        raise LabelError(f"{where}: unknown label {cell!r}; expected 0 (sufficient), 1 (insufficient) or nothing.")
    return int(cell)


def percent_agreement(ratings: Sequence[Sequence[int]]) -> float:
    """Share of rater pairs that agree, averaged over items, 0 to 1.

    Parameters
    ----------
    ratings : sequence of items
        Each item holds one label per rater, at least two.

    Raises
    ------
    LabelError
        No items, or an item with fewer than two labels.
    """
    return _mean([_item_agreement(item) for item in _checked(ratings)])


def cohens_kappa(ratings: Sequence[Sequence[int]]) -> float:
    """Agreement of two raters beyond what their own label frequencies give by chance (Cohen 1960), at most 1.

    Parameters
    ----------
    ratings : sequence of (int, int)
        One pair of labels per item.

    Returns
    -------
    float
        NaN when both raters gave one and the same label throughout: chance agreement is then complete.

    Raises
    ------
    LabelError
        No items, or not two labels each.
    """
    items = _checked(ratings)
    if any(len(item) != 2 for item in items):
        raise LabelError("Cohen's kappa compares exactly two raters; use the free-marginal kappa for more.")
    first, second = (Counter(item[rater] for item in items) for rater in (0, 1))
    chance = sum(first[label] * second[label] for label in first) / len(items) ** 2
    return float("nan") if chance == 1 else (percent_agreement(items) - chance) / (1 - chance)


def free_marginal_kappa(ratings: Sequence[Sequence[int]], categories: int = 2) -> float:
    """Agreement of any number of raters beyond 1 / categories (Randolph 2005), at most 1.

    Raises
    ------
    LabelError
        No items, or an item with fewer than two labels.
    """
    return (percent_agreement(ratings) - 1 / categories) / (1 - 1 / categories)


def _label(row: dict[str, str], where: str) -> Label:
    judged = {name: parse_label(row[name], f"{where}, {name}") for name in JUDGEMENTS}
    plain = {name: (row[name] or "").strip() for name in COLUMNS if name not in JUDGEMENTS}
    label = Label(**plain, **judged)  # type: ignore[arg-type]
    _check_row(label, where)
    return label


def _check_row(label: Label, where: str) -> None:
    for name in ("pair", "subject", "rater"):
        if not getattr(label, name):
            raise LabelError(f"{where}: {name} is empty; every label needs one.")
    if label.source not in SOURCES:
        raise LabelError(f"{where}: unknown source {label.source!r}; expected {', '.join(SOURCES)}.")
    # What satisfies the strict criterion satisfies the lenient one too.
    if label.label_strict == SUFFICIENT and label.label_lenient == INSUFFICIENT:
        raise LabelError(f"{where}: sufficient by the strict criterion but not by the lenient one; one must be wrong.")
    if label.excluded and any(getattr(label, name) is not None for name in JUDGEMENTS):
        raise LabelError(f"{where}: excluded ({label.excluded}) and labelled at once; keep one of the two.")


def _values(label: Label) -> list[str | int | None]:
    return [getattr(label, name) for name in COLUMNS]


def _checked(ratings: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
    if not ratings or any(len(item) < 2 for item in ratings):
        raise LabelError("Agreement needs at least one pair that two raters have judged.")
    return ratings


def _item_agreement(item: Sequence[int]) -> float:
    pairs = list(combinations(item, 2))
    return sum(first == second for first, second in pairs) / len(pairs)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
