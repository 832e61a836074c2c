"""Tables over all pairs: ``group_T1w.tsv`` with its data dictionary, and the list of what was not paired."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defaceqa.batch.folder import write_whole, writing_whole
from defaceqa.batch.record import read_record, record_path
from defaceqa.datasets import PairFiles, Pairing, Unpaired
from defaceqa.datasets.scan_name import ScanName

UNDEFINED = "n/a"
UNJUDGED = "not judged"
"""Stands in the verdict's place in counts; in tables the verdict is then n/a and the column error says why."""

NOT_YET = "there is no record of this pair yet: run the participant level"
NO_ORIGINAL = "no original of this defaced scan was found, so nothing could be compared"

Column = Mapping[str, Any]

_LEVELS = {
    "pass": "enough of the face is gone, or the brain is whole",
    "review": "doubtful: look at it",
    "fail": "the face is still there, or the brain was cut",
}

FIRST_COLUMNS: dict[str, Column] = {
    "bids_name": {"Description": "Name of the scan in BIDS form, without ending; the record is named after it."},
    "subject": {"Description": "Label of the subject."},
    "session": {"Description": "Label of the session."},
    "method": {"Description": "Defacing method, as told by the user or by the sidecar of the defaced scan."},
    "verdict": {"Description": "The worse of face and brain; n/a: could not be judged, see error.", "Levels": _LEVELS},
    "face": {"Description": "Verdict on the face.", "Levels": _LEVELS},
    "face_probability": {
        "Description": "Probability that the face is insufficiently defaced, under the criterion.",
        "Units": "1",
    },
    "criterion": {
        "Description": "What counts as sufficient.",
        "Levels": {
            "lenient": "at most a trace of one facial feature",
            "strict": "no trace, and most of cheeks and jaw gone",
        },
    },
    "brain": {"Description": "Verdict on the brain; n/a: not judged for want of a brain mask.", "Levels": _LEVELS},
    "brain_largest_piece_ml": {"Description": "Largest connected piece of removed brain.", "Units": "mL"},
    "brain_depth_mm": {"Description": "How deep that piece reaches below the surface of the brain.", "Units": "mm"},
    "reasons": {"Description": "Why, most important first, separated by semicolons."},
    "flags": {"Description": "What loading, locating and measuring remarked, separated by semicolons."},
    "error": {"Description": "Why the pair could not be judged; n/a: it was."},
}

LAST_COLUMNS: dict[str, Column] = {
    "model": {"Description": "Name, version and beginning of the SHA-256 of the model."},
    "version": {"Description": "Version of DefaceQA."},
}


@dataclass(frozen=True)
class Counts:
    """What became of a data set.

    Parameters
    ----------
    verdicts : mapping
        How many scans, by pass, review, fail and "not judged".
    unpaired : int
        Files without a partner.
    tables : tuple of str
        File names of the tables, in the output folder.
    pages : tuple of str
        File names of the pages of the data set beside them.
    """

    verdicts: Mapping[str, int]
    unpaired: int
    tables: tuple[str, ...]
    pages: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every scan was judged."""
        return self.verdicts[UNJUDGED] == 0


def columns() -> dict[str, Column]:
    """Columns of a group table in order, as its data dictionary describes them."""
    from defaceqa.features.table import FEATURES

    measured = {
        feature.name: {
            "Description": f"{feature.meaning} ({feature.source}); a higher value says: {feature.direction}.",
            "Units": feature.unit,
        }
        for feature in FEATURES.values()
    }
    return FIRST_COLUMNS | {name: measured[name] for name in measured if name not in FIRST_COLUMNS} | LAST_COLUMNS


def write_tables(pairing: Pairing, out: Path) -> Counts:
    """Write a table per modality from the records that are there.

    Parameters
    ----------
    pairing : Pairing
        Says which rows there must be: a pair without a record, or a defaced scan without original, is a row with its
        error.
    out : Path

    Raises
    ------
    OSError, OutputError
    """
    described = columns()
    verdicts = dict.fromkeys(("pass", "review", "fail", UNJUDGED), 0)
    writers: dict[str, Any] = {}
    with ExitStack() as stack:
        for name, row in _rows(pairing, out):
            if name.modality not in writers:
                file = out / f"group_{name.modality}.tsv"
                writers[name.modality] = tsv_writer(stack.enter_context(writing_whole(file, out)), list(described))
            writers[name.modality].writerow({column: cell(row.get(column)) for column in described})
            verdicts[row.get("verdict") or UNJUDGED] += 1
    for modality in writers:
        write_whole(out / f"group_{modality}.json", json.dumps(described, indent=2, ensure_ascii=False) + "\n", out)
    _write_unpaired(pairing.unpaired, out)
    return Counts(verdicts, len(pairing.unpaired), tuple(f"group_{modality}.tsv" for modality in sorted(writers)))


def tsv_writer(stream: Any, names: list[str]) -> csv.DictWriter[str]:
    """Writer of a BIDS table: tabs, a header, nothing quoted."""
    writer = csv.DictWriter(
        stream, names, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None, escapechar=None
    )
    writer.writeheader()
    return writer


def cell(value: Any) -> str:
    """One cell: n/a for what does not exist, nothing that would break the row."""
    if value is None or value == "":
        return UNDEFINED
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else UNDEFINED
    return " ".join(str(value).split())


def _rows(pairing: Pairing, out: Path) -> Iterator[tuple[ScanName, dict[str, Any]]]:
    """Rows sorted by name, one in memory at a time."""
    lonely = [scan for scan in pairing.unpaired if scan.role == "defaced"]
    scans: list[PairFiles | Unpaired] = sorted([*pairing.pairs, *lonely], key=lambda scan: scan.name)
    for scan in scans:
        who = {"bids_name": scan.name.text, "subject": scan.name.subject, "session": scan.name.session}
        if isinstance(scan, Unpaired):
            yield scan.name, who | {"error": NO_ORIGINAL}
            continue
        record = read_record(out / record_path(scan.name))
        yield scan.name, who | ({"method": scan.method, "error": NOT_YET} if record is None else _row(record))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {"method": record.get("method"), "error": record.get("error"), "version": record["provenance"]["version"]}
    if record["verdict"] is None:
        return row
    face, brain, model = record["face"], record["brain"], record["model"]
    return row | dict(record["features"]) | {
        "verdict": record["verdict"],
        "face": face["verdict"],
        "face_probability": face["probability"],
        "criterion": face["criterion"],
        "brain": brain["verdict"] if brain["judged"] else None,
        "brain_largest_piece_ml": brain["largest_piece_ml"],
        "brain_depth_mm": brain["depth_mm"],
        "reasons": "; ".join(record["reasons"]),
        "flags": "; ".join(record["flags"]),
        "model": f"{model['name']} {model['version']} {model['sha256'][:12]}",
    }  # fmt: skip


def _write_unpaired(unpaired: tuple[Unpaired, ...], out: Path) -> None:
    """Always, so that an empty list says: nothing was left out."""
    with writing_whole(out / "unpaired.tsv", out) as stream:
        writer = tsv_writer(stream, ["file", "role", "reason"])
        writer.writerows(
            {"file": cell(scan.file), "role": scan.role, "reason": cell(scan.reason)} for scan in unpaired
        )
