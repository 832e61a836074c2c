"""The record of one pair: JSON without times and absolute paths, so that the same files always give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from defaceqa.batch.settings import Basis
from defaceqa.datasets import PairFiles
from defaceqa.datasets.scan_name import ScanName

LABEL = "defaceqa"
"""Value of the entity ``desc`` in the names of records."""


def record_path(name: ScanName) -> PurePosixPath:
    """Place of a record in the output folder: ``sub-01/[ses-1/]anat/sub-01[_ses-1]_desc-defaceqa_T1w.json``."""
    session = [f"ses-{name.session}"] if name.session else []
    file = f"{name.with_entity('desc', LABEL).text}.json"
    return PurePosixPath(f"sub-{name.subject}", *session, "anat", file)


def judged_record(pair: PairFiles, basis: Basis, assessment: Mapping[str, Any], content: str) -> dict[str, Any]:
    """Record of a pair that was judged: the JSON of ``defaceqa predict``, whose it is, and what it rests on."""
    head = _head(pair, basis)
    rest = {key: value for key, value in assessment.items() if key not in head}
    method = assessment.get("method") or head["method"]
    return head | {"method": method} | rest | {"provenance": _provenance(basis) | {"content_sha256": content}}


def error_record(pair: PairFiles, basis: Basis, message: str) -> dict[str, Any]:
    """Record of a pair that could not be judged. It has no content hash: the next run tries again."""
    return _head(pair, basis) | {"verdict": None, "error": message, "provenance": _provenance(basis)}


def to_text(record: Mapping[str, Any]) -> str:
    """As written to the file."""
    return json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_record(file: Path) -> dict[str, Any] | None:
    """Read a record; None when there is none, or none that can be read: it is then made again.

    Raises
    ------
    OSError
        A folder that may not be read.
    """
    try:
        record = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return record if isinstance(record, dict) and "verdict" in record else None


def known_content(record: Mapping[str, Any] | None) -> str | None:
    """Content hash of a record; None for one that must be made again."""
    if record is None or record["verdict"] is None:
        return None
    provenance = record.get("provenance")
    return provenance.get("content_sha256") if isinstance(provenance, Mapping) else None


def _head(pair: PairFiles, basis: Basis) -> dict[str, Any]:
    return {
        "schema_version": basis.schema_version,
        "bids_name": pair.name.text,
        "subject": pair.name.subject,
        "session": pair.name.session,
        "method": pair.method or basis.settings.method,
    }


def _provenance(basis: Basis) -> dict[str, Any]:
    return {"software": "defaceqa", "version": basis.version}
