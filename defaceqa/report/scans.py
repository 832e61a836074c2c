"""A folder of results as rows: the records (JSON) that lie in it, and what its tables say of scans without one."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIGURES = "figures"
"""Folder beside the group page for small pictures of scans."""

RECORD_MARK = "_desc-defaceqa"
"""Part of a record's file name that its page does not have."""

JUDGED_KEYS = {
    "face", "brain", "reasons", "features", "undefined", "contributions", "model", "software", "renderer", "inputs",
}  # fmt: skip
"""What the record of a judged scan holds, and its page shows."""

NAME_COLUMNS = ("bids_name", "scan", "name", "id", "defaced")
"""Columns of a table that may name a scan, the first one found counts."""


@dataclass(frozen=True)
class ScanRow:
    """One scan of a group.

    Parameters
    ----------
    name : str
        As its page and its picture are called.
    cells : mapping
        Its line of the table, as text.
    record : mapping or None
        Its JSON record; None when it could not be judged.
    """

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None

    @property
    def page(self) -> str:
        """File name of its page."""
        return f"{self.name}.html"

    @property
    def suffix(self) -> str:
        """BIDS suffix (``T1w``), empty for other names."""
        found = re.fullmatch(r"sub-.*_([A-Za-z0-9]+)", self.name)
        return found[1] if found else ""

    @property
    def subject(self) -> str:
        """As the table says, else the BIDS entity."""
        return self._cell("subject", "participant_id") or self._entity("sub")

    @property
    def session(self) -> str:
        """As the table says, else the BIDS entity."""
        return self._cell("session", "session_id") or self._entity("ses")

    @property
    def site(self) -> str:
        """As the table says."""
        return self._cell("site", "center", "centre", "scanner")

    @property
    def method(self) -> str:
        """As record or table say."""
        return str((self.record or {}).get("method") or "") or self._cell("method")

    @property
    def verdict(self) -> str:
        """The overall verdict; "error" when there is none."""
        found = str(self.record["verdict"] if self.record else self._cell("verdict"))
        return found if found in ("pass", "review", "fail") else "error"

    @property
    def face_verdict(self) -> str:
        """Verdict on the face; empty when there is none."""
        return str(self.record["face"]["verdict"]) if self.record else self._cell("face_verdict", "face")

    @property
    def brain_verdict(self) -> str:
        """Verdict on the brain; empty when it was not judged."""
        if not self.record:
            return self._cell("brain_verdict", "brain")
        return str(self.record["brain"]["verdict"]) if self.record["brain"]["judged"] else ""

    @property
    def reason(self) -> str:
        """The most important reason, or the error."""
        if self.record:
            return str(next(iter(self.record["reasons"]), ""))
        return self._cell("error", "message") or self._cell("reasons", "reason").split("; ")[0]

    def number(self, name: str) -> float | None:
        """Value of a feature or of the probability; None where there is none."""
        if self.record:
            found = self.record["face"]["probability"] if name == "probability" else self.record["features"].get(name)
        else:
            found = self._cell(name, "face_probability") if name == "probability" else self._cell(name)
        try:
            value = float(found) if found is not None else math.nan
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def _cell(self, *names: str) -> str:
        found = (self.cells.get(name, "") for name in names)
        return next((text for text in found if text and text != "n/a"), "")

    def _entity(self, key: str) -> str:
        found = re.search(rf"(?:^|_){key}-([A-Za-z0-9]+)", self.name)
        return found[1] if found else ""


def read_scans(folder: Path) -> list[ScanRow]:
    """Read all records and tables of a folder of results.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of ScanRow
        In the order of their names; a scan that stands in a table and has a record is one row.
    """
    found = [record for record in map(_record, sorted(folder.rglob("*.json"))) if record is not None]
    records = {name: record for name, record in found if record["verdict"] is not None}
    cells: dict[str, Mapping[str, str]] = {name: _cells(record) for name, record in found}
    for table in sorted(folder.glob("group*.tsv")):
        cells |= _table(table)
    return [ScanRow(name, cells[name], records.get(name)) for name in sorted(cells)]


def scan_name(file: Path | str) -> str:
    """Name of a scan from the name of its record or image: ``sub-01_desc-defaceqa_T1w.json`` is ``sub-01_T1w``."""
    return Path(file).name.split(".")[0].replace(RECORD_MARK, "")


def _record(path: Path) -> tuple[str, Mapping[str, Any]] | None:
    """Name and record; None for a file that holds none. A scan that could not be judged has no verdict in its own."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not {"schema_version", "verdict"} <= found.keys():
        return None
    if found["verdict"] is not None and not found.keys() >= JUDGED_KEYS:
        return None
    return scan_name(found.get("bids_name") or path), found


def _cells(record: Mapping[str, Any]) -> Mapping[str, str]:
    """What a record says as a table would."""
    names = ("subject", "session", "site", "method", "error")
    return {name: str(record[name]) for name in names if record.get(name)}


def _table(path: Path) -> dict[str, Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [
            {key: value or "" for key, value in row.items() if key is not None}
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]
    columns = rows[0].keys() if rows else ()
    column = next((name for name in NAME_COLUMNS if name in columns), next(iter(columns), ""))
    return {scan_name(row[column]): row for row in rows if row[column]}
