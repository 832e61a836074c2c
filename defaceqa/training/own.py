"""A user's own pairs: merged with the shipped table, and the new model held against the shipped one on them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa import evaluation
from defaceqa.errors import LabelError
from defaceqa.features.table import FEATURES
from defaceqa.labels import JUDGEMENTS, Label, latest, read_labels
from defaceqa.model import Model
from defaceqa.training.calibration import calibrate
from defaceqa.training.candidates import CANDIDATES, Rows, fit, log_odds
from defaceqa.training.columns import monotone_directions
from defaceqa.training.folds import grouped_folds
from defaceqa.training.nested import choose
from defaceqa.training.table import FLAGS, IDENTITY, SETTINGS, WEIGHT, TrainingTable, read_table
from defaceqa.whole_file import write_file

Floats = NDArray[np.float64]
Row = dict[str, str]

HUMAN_WEIGHT = 3.0
"""A pair that a person has judged counts as so many judged by geometry."""

FEW_PAIRS = 100
"""Below this many own pairs a comparison says little, and a warning is given."""

SAME_SCAN_FEATURES = ("fsim_mean", "ssim_mean", "head_removed_ml", "masd_face_mm")
"""Two rows that agree in all of these to the last digit are the same pair."""


@dataclass(frozen=True)
class Comparison:
    """The new model against the shipped one, on own pairs of people neither had seen.

    Attributes
    ----------
    pairs, subjects : int
    auroc_new, auroc_shipped : float
        NaN when the own pairs have one label only.
    auroc_difference, brier_difference : (float, float)
        95 % interval of new - shipped, people resampled. Lower Brier scores are better.
    """

    pairs: int
    subjects: int
    auroc_new: float
    auroc_shipped: float
    auroc_difference: tuple[float, float]
    brier_difference: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Whether the new model is better, in one sentence with the interval."""
        if np.isnan(self.auroc_difference[0]):
            (low, high), what = (-self.brier_difference[1], -self.brier_difference[0]), "gain in Brier score"
        else:
            (low, high), what = self.auroc_difference, "gain in AUROC"
        if np.isnan(low):
            return f"On {self.pairs} own pairs of {self.subjects} people the two models cannot be compared."
        answer = "is better" if low > 0 else "is worse" if high < 0 else "is not shown to be better or worse"
        known = "" if np.isnan(self.auroc_new) else f"AUROC {self.auroc_new:.3f} against {self.auroc_shipped:.3f}, "
        return (
            f"On {self.pairs} own pairs of {self.subjects} people the new model {answer} than the shipped one "
            f"({known}{what} {low:+.3f} to {high:+.3f}, 95 % interval over people)."
        )


def merge(own: Path, shipped: Path, out: Path, labels: Path | None = None, weight: float = HUMAN_WEIGHT) -> list[str]:
    """Write one training table from the shipped one and a user's own pairs.

    Parameters
    ----------
    own : Path
        Features of own pairs, as ``defaceqa simulate`` writes them; with ``labels`` the label columns are not needed,
        but a column ``pair`` is.
    shipped : Path
    out : Path
        The merged table.
    labels : Path, optional
        Label table (:mod:`defaceqa.labels`); its labels win over those in ``own``, and weigh more.
    weight : float
        Of each pair that a person has judged.

    Returns
    -------
    list of str
        What a person should know.

    Raises
    ------
    LabelError
        Tables that do not fit, or the same scan under two people.
    """
    rows, notices = _own_rows(own, labels, weight)
    theirs = _read(shipped)
    columns = list(dict.fromkeys([*theirs[0], *rows[0], WEIGHT]))
    check_no_person_twice([*theirs, *rows])
    _check_new_people(theirs, rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter="\t", lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows([*theirs, *rows])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(text.getvalue(), out)
    if len(rows) < FEW_PAIRS:
        notices.append(
            f"warning: only {len(rows)} own pairs; with fewer than {FEW_PAIRS} neither the model nor the comparison "
            "tells much. Label more, or use the shipped model."
        )
    return notices


def compare(merged: Path, own: Path, shipped: Model, criterion: str, *, seed: int = 0, n_folds: int = 5) -> Comparison:
    """Hold a model trained on both against the shipped one, on own people that the new one has not seen.

    Each fold of own people is tested by a model trained on the shipped table and the other own people.

    Parameters
    ----------
    merged : Path
        From :func:`merge`.
    own : Path
        The own pairs' table, for their people.
    shipped : Model
    criterion : str
    seed, n_folds : int
        Fewer folds are made when there are fewer own people.

    Raises
    ------
    LabelError
        Fewer than two own people.
    """
    columns = list(shipped.card.training.get("selected_from", shipped.columns))
    table = read_table(merged, criterion, list(dict.fromkeys([*columns, *shipped.columns])))
    shipped.check_settings(table.settings_hash)
    people = {row["subject"] for row in _read(own)}
    mine = np.array([group in people for group in table.groups])
    count = len(np.unique(table.groups[mine]))
    if count < 2:
        raise LabelError(f"The own pairs show {count} person; a comparison needs at least two. Label more people.")
    rows = Rows(table.select(columns), table.labels, table.weights, table.groups)
    new = _unseen(rows, mine, [monotone_directions().get(name, 0) for name in columns], min(n_folds, count), seed)
    old = _shipped_probabilities(table, shipped)
    return _comparison(table.labels[mine], new[mine], old[mine], table.groups[mine], seed)


def check_no_person_twice(rows: Sequence[Mapping[str, str]]) -> None:
    """Refuse tables in which one scan stands under two people: it would be on both sides of a fold.

    Raises
    ------
    LabelError
        Naming the two people.
    """
    owner: dict[tuple[str, ...], str] = {}
    heads: dict[str, str] = {}
    for row in rows:
        _check_owner(heads, row["head_id"], row["subject"], f"head {row['head_id']}")
        values = tuple(row.get(name, "") for name in SAME_SCAN_FEATURES)
        # a pair that differs nowhere has the same numbers whoever it is
        if values[0] not in ("", "n/a", "1") and all(values):
            _check_owner(owner, values, row["subject"], "one and the same scan (all its measurements are equal)")


def _check_new_people(theirs: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, str]]) -> None:
    known = sorted({row["subject"] for row in theirs} & {row["subject"] for row in rows})
    if known:
        raise LabelError(
            f"Subject {known[0]} is in the shipped table and among the own pairs; if it is the same person the shipped "
            "model has seen them and no comparison is fair: leave them out. If not, give them another name."
        )


def _check_owner(owner: dict[Any, str], key: Any, subject: str, what: str) -> None:
    if owner.setdefault(key, subject) != subject:
        raise LabelError(
            f"The tables hold {what} under two people, {owner[key]} and {subject}; training would leak into the "
            "test. Give a person one subject name throughout."
        )


def _own_rows(own: Path, labels: Path | None, weight: float) -> tuple[list[Row], list[str]]:
    rows = _read(own)
    _complete(rows, own.name)
    if labels is None:
        return [row | {WEIGHT: row.get(WEIGHT, "") or _weight(row, weight)} for row in rows], []
    judged = consensus(read_labels(labels))
    named = [row for row in rows if row.get("pair") in judged]
    if not named:
        raise LabelError(
            f"No pair of {labels.name} is in {own.name}; expected the same names in the column 'pair' of both."
        )
    settled = [row | _cells(judged[row["pair"]]) | {WEIGHT: f"{weight:g}"} for row in named]
    dropped = len(rows) - len(named)
    notices = [f"{dropped} of {len(rows)} measured pairs have no label and are left out"] if dropped else []
    return settled, notices


def consensus(labels: Sequence[Label]) -> dict[str, Label]:
    """One label per pair: what was settled together, else what most raters say; ties and exclusions are not judged.

    Parameters
    ----------
    labels : sequence of Label
        Any number of raters; of each rater the last word counts.

    Returns
    -------
    dict
        Pair to a label of source "consensus" or "rater".
    """
    of_pair: dict[str, list[Label]] = {}
    for label in latest(labels):
        of_pair.setdefault(label.pair, []).append(label)
    settled = {pair: _settle(given) for pair, given in of_pair.items()}
    return {pair: label for pair, label in settled.items() if label is not None}


def _settle(given: Sequence[Label]) -> Label | None:
    together = [label for label in given if label.source == "consensus"]
    voices = together[-1:] or list(given)
    if any(label.excluded for label in voices):
        return None
    votes = {name: _majority([getattr(label, name) for label in voices]) for name in JUDGEMENTS}
    if all(vote is None for vote in votes.values()):
        return None
    first = voices[0]
    return replace(first, **votes)  # type: ignore[arg-type]


def _majority(votes: Sequence[int | None]) -> int | None:
    counted = Counter(vote for vote in votes if vote is not None).most_common(2)
    if not counted or (len(counted) == 2 and counted[0][1] == counted[1][1]):
        return None
    return counted[0][0]


def _cells(label: Label) -> Row:
    given = {name: "" if getattr(label, name) is None else str(getattr(label, name)) for name in JUDGEMENTS}
    return given | {"source": label.source, "subject": label.subject, "method": label.method}


def _weight(row: Mapping[str, str], weight: float) -> str:
    return "" if row.get("source", "").startswith("geometry") else f"{weight:g}"


def _complete(rows: list[Row], name: str) -> None:
    """Fill what a plain table of measurements lacks, where it can be told."""
    for row in rows:
        row.setdefault("pair", row.get("bids_name") or row.get("defaced", ""))
        row.setdefault("subject", "")
        row.setdefault("head_id", row.get("original") or row["pair"] or row["subject"])
        row.setdefault("outcome", "")
        row.setdefault("method", "")
        row.setdefault(FLAGS, "")
    missing = [column for column in (*IDENTITY, SETTINGS) if column not in rows[0]]
    if missing:
        raise LabelError(f"{name} lacks the column {missing[0]!r}; measure the pairs with defaceqa first.")
    if not set(rows[0]) & set(FEATURES):
        raise LabelError(f"{name} holds no features; measure the pairs with defaceqa first.")


def _read(file: Path) -> list[Row]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [dict(row) for row in csv.DictReader(stream, delimiter="\t")]
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"The table {file.name} cannot be read ({type(error).__name__}).") from error
    if not rows:
        raise LabelError(f"The table {file.name} has no rows.")
    return rows


def _unseen(rows: Rows, mine: NDArray[np.bool_], constraints: Sequence[int], n_folds: int, seed: int) -> Floats:
    """Probabilities of own rows by boosted trees that saw everything but the person's fold."""
    index = np.flatnonzero(mine)
    people, folds = rows.groups[index], []
    try:
        folds = grouped_folds(rows.labels[index], people, n_folds, seed, "own fold")
    except LabelError:  # own labels too uneven for stratified folds: person by person, in rotation
        names = {name: number % n_folds for number, name in enumerate(np.unique(people))}
        of_row = np.array([names[name] for name in people])
        folds = [(np.flatnonzero(of_row != n), np.flatnonzero(of_row == n)) for n in range(n_folds)]
    probabilities = np.full(len(rows.labels), np.nan)
    for _, test in folds:
        tested = index[test]
        known = rows.take(np.flatnonzero(~np.isin(rows.groups, rows.groups[tested])))
        chosen = choose(CANDIDATES["xgb"], known, constraints, 3, seed)
        estimator = fit(CANDIDATES["xgb"], chosen.parameters, known, constraints, seed)
        probabilities[tested] = calibrate(log_odds(estimator, rows.values[tested]), chosen.calibration)
    return probabilities


def _shipped_probabilities(table: TrainingTable, shipped: Model) -> Floats:
    values = table.select(shipped.columns)
    return np.array([shipped.probability(dict(zip(shipped.columns, row, strict=True))) for row in values])


def _comparison(
    labels: NDArray[np.int_], new: Floats, old: Floats, groups: NDArray[np.str_], seed: int
) -> Comparison:
    return Comparison(
        pairs=len(labels),
        subjects=len(np.unique(groups)),
        auroc_new=evaluation.scores(labels, new)["auroc"],
        auroc_shipped=evaluation.scores(labels, old)["auroc"],
        auroc_difference=evaluation.bootstrap_auroc_difference(labels, new, old, groups, seed=seed),
        brier_difference=evaluation.bootstrap_brier_difference(labels, new, old, groups, seed=seed),
    )
