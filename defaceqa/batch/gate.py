"""The gate: one answer for a whole table, for a pipeline to branch on, and the list of what to look at."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from defaceqa.batch.folder import refusing, write_whole, writing_whole
from defaceqa.batch.group import UNDEFINED, UNJUDGED, tsv_writer
from defaceqa.batch.record import record_path
from defaceqa.datasets.scan_name import bids_entities, scan_name
from defaceqa.errors import InputError

FailOn = Literal["fail", "review"]

LISTED = (
    "bids_name", "subject", "session", "method", "verdict", "face", "brain", "face_probability", "reasons", "error",
)  # fmt: skip
"""Columns of the list of what to look at."""

ORDER = {UNJUDGED: 0, "fail": 1, "review": 2}
"""What to look at first."""


@dataclass(frozen=True)
class Gate:
    """The answer for a table.

    Parameters
    ----------
    total : int
    counts : dict
        Scans by pass, review, fail and "not judged".
    bad : int
        Scans that count against ``max_fail``.
    max_fail : int
    open : bool
        Whether the data may go through.
    exit_code : int
        0 through; 1 too many failed; 2 some could not be judged; 3 too many counted and none of them failed.
    passed_file, look_file : Path
        ``*_pass.txt`` with true or false, and the list of what to look at.
    """

    total: int
    counts: dict[str, int]
    bad: int
    max_fail: int
    open: bool
    exit_code: int
    passed_file: Path
    look_file: Path

    @property
    def summary(self) -> str:
        """One line."""
        parts = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        answer = "may go through" if self.open else "may not go through"
        return f"{self.total} scans: {parts}. The data set {answer}; see {self.look_file.name}."


def open_gate(
    table: Path, *, fail_on: FailOn = "review", max_fail: int = 0, out: Path | None = None, each: bool = True
) -> Gate:
    """Decide whether a data set may go through.

    Parameters
    ----------
    table : Path
        ``group_T1w.tsv`` as the batch writes it.
    fail_on : {"review", "fail"}
        Which verdicts count against the data set: review and fail, or fail alone.
    max_fail : int
        As many of them are tolerated. A scan that could not be judged never is.
    out : Path, optional
        Folder for the answers; by default that of the table.
    each : bool
        Also write true or false for each scan, beside its record.

    Returns
    -------
    Gate

    Raises
    ------
    InputError
        No such table, an empty one, or one with verdicts nobody knows.
    OutputError
    """
    folder = table.parent if out is None else out
    passed_file, look_file = folder / f"{table.stem}_pass.txt", folder / f"{table.stem}_look.tsv"
    if passed_file.exists():
        write_whole(passed_file, _text(False), folder)  # an answer of before must not outlive an error
    counts = dict.fromkeys(("pass", "review", "fail", UNJUDGED), 0)
    look: list[dict[str, str]] = []
    for row in read_table(table):
        verdict = UNJUDGED if row["verdict"] == UNDEFINED else row["verdict"]
        if verdict not in counts:
            raise InputError(f"{table.name} holds the verdict {verdict!r}; expected pass, review, fail or n/a.")
        counts[verdict] += 1
        if verdict != "pass":
            look.append({name: row.get(name, UNDEFINED) for name in LISTED})
        if each:
            _write_each(row["bids_name"], through(verdict, fail_on), folder)
    total = sum(counts.values())
    if total == 0:
        raise InputError(f"{table.name} holds no scan; expected a row for each. Run defaceqa batch first.")
    bad = counts["fail"] + (counts["review"] if fail_on == "review" else 0)
    code = _exit_code(counts, bad > max_fail)
    _write_look(look, look_file, folder)
    write_whole(passed_file, _text(code == 0), folder)
    return Gate(total, counts, bad, max_fail, code == 0, code, passed_file, look_file)


def through(verdict: str, fail_on: FailOn) -> bool:
    """Whether a single scan may go through."""
    return verdict == "pass" or (verdict == "review" and fail_on == "fail")


def read_table(table: Path, needed: tuple[str, ...] = ("bids_name", "verdict")) -> Iterator[dict[str, str]]:
    """Rows of a group table, one at a time.

    Raises
    ------
    InputError
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(table.open(encoding="utf-8", newline=""))
        except OSError as error:
            raise InputError(f"The table {table.name} cannot be read ({error.strerror}); check the path.") from None
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{table.name} has no column {missing[0]}; expected a table that defaceqa batch wrote, such as "
                    "group_T1w.tsv."
                )
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(f"Line {reader.line_num} of {table.name} is not whole; make the table again.")
                yield row
        except (UnicodeDecodeError, csv.Error):
            raise InputError(f"{table.name} is not a table in UTF-8; expected one that defaceqa batch wrote.") from None


def _exit_code(counts: dict[str, int], shut: bool) -> int:
    if counts[UNJUDGED]:
        return 2
    if not shut:
        return 0
    return 1 if counts["fail"] else 3


def _write_each(name: str, passed: bool, folder: Path) -> None:
    """Beside the record, where there is one: a scan without original has none."""
    parsed = bids_entities(name)
    if parsed is None or parsed[1] is None:
        raise InputError(f"{name!r} is not the name of a scan; expected a table that defaceqa batch wrote.")
    record = folder / record_path(scan_name(parsed[0], parsed[1]))
    file = record.with_name(f"{record.stem}_pass.txt")
    with refusing(folder):
        same = file.is_file() and file.read_text(encoding="utf-8") == _text(passed)
    if not same:
        write_whole(file, _text(passed), folder)


def _write_look(rows: list[dict[str, str]], file: Path, folder: Path) -> None:
    with writing_whole(file, folder) as stream:
        writer = tsv_writer(stream, list(LISTED))
        writer.writerows(sorted(rows, key=lambda row: (ORDER.get(row["verdict"], 0), row["bids_name"])))


def _text(passed: bool) -> str:
    return "true\n" if passed else "false\n"
