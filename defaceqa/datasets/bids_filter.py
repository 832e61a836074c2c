"""BIDS filter files in the format fMRIPrep made common: which scans of a data set to take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defaceqa.datasets.scan_name import ScanName
from defaceqa.errors import InputError

LONG_NAMES = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec",
    "direction": "dir", "run": "run", "echo": "echo", "flip": "flip", "inversion": "inv", "mt": "mt", "part": "part",
    "space": "space", "res": "res", "desc": "desc", "tracer": "trc", "task": "task", "modality": "mod",
}  # fmt: skip
"""Names of entities in filter files, and in file names."""

NO_ENTITY = ("suffix", "datatype", "extension")
"""Keys that are no entities; only the suffix can choose among head images."""

OTHER_QUERIES = frozenset({"bold", "sbref", "fmap", "dwi", "asl", "pet", "roi", "t1w", "t2w", "flair", "pdw"})
"""Queries that filter files of other programs hold; those of other data types choose nothing here."""


@dataclass(frozen=True)
class BidsFilter:
    """Conditions per query; a scan whose modality no query speaks of is taken.

    Parameters
    ----------
    queries : mapping
        By suffix: entity (short name) to allowed values; None among them stands for "absent", ``*`` for any value.
    """

    queries: Mapping[str, Mapping[str, tuple[str | None, ...]]] = field(default_factory=dict)

    def takes(self, name: ScanName) -> bool:
        """Whether a scan is chosen."""
        query = self.queries.get(name.modality.lower())
        if query is None:
            return True
        return all(_allowed(name.get(key), values, key) for key, values in query.items())


def read_bids_filter(file: Path) -> BidsFilter:
    """Read a filter file.

    Parameters
    ----------
    file : Path
        JSON such as ``{"t1w": {"session": "02", "acquisition": null, "suffix": "T1w"}}``.

    Raises
    ------
    InputError
        Not such a file, or an entity nobody knows: a filter that silently chooses everything is worse than none.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The filter file {file.name} cannot be read ({error.strerror}); check the path.") from None
    except ValueError as error:
        raise InputError(f"The filter file {file.name} is not JSON ({error}); correct it.") from None
    if not isinstance(content, dict) or not all(isinstance(query, dict) for query in content.values()):
        raise InputError(f'The filter file {file.name} must hold queries such as {{"t1w": {{"session": "02"}}}}.')
    return BidsFilter({suffix: query for name, raw in content.items() for suffix, query in _query(name, raw, file)})


def _query(name: str, raw: Mapping[str, Any], file: Path) -> list[tuple[str, dict[str, tuple[str | None, ...]]]]:
    unknown = [key for key in raw if key not in LONG_NAMES and key not in LONG_NAMES.values() and key not in NO_ENTITY]
    if unknown:
        raise InputError(
            f"The filter file {file.name} speaks of {unknown[0]!r} in its query {name!r}; expected entities such as "
            f"{', '.join(list(LONG_NAMES)[:5])}. Correct it."
        )
    suffixes = _values(raw.get("suffix", name))
    known = OTHER_QUERIES | {name.lower()} if "suffix" in raw else OTHER_QUERIES
    if name.lower() not in known:
        raise InputError(f'The query {name!r} of {file.name} names no kind of scan; add "suffix", for example "T1w".')
    entities = {LONG_NAMES.get(key, key): _values(value) for key, value in raw.items() if key not in NO_ENTITY}
    return [(suffix.lower(), entities) for suffix in suffixes if suffix is not None]


def _values(raw: Any) -> tuple[str | None, ...]:
    listed = raw if isinstance(raw, list) else [raw]
    return tuple(None if value is None else str(value) for value in listed)


def _allowed(found: str | None, values: tuple[str | None, ...], key: str) -> bool:
    if found is None:
        return None in values
    plain = {value.removeprefix(f"{key}-") for value in values if value is not None}
    if "*" in plain or found in plain:
        return True
    return found.isdigit() and any(value.isdigit() and int(value) == int(found) for value in plain) and key != "sub"
