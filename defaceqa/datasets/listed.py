"""Pairs from a table: one row each, made by hand or by a script."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from defaceqa.datasets.pairing import PairFiles, Pairing, Unpaired, sorted_pairing
from defaceqa.datasets.scan_name import ScanName, bids_entities, label, modality_of, scan_name, stem_of, without_mark
from defaceqa.errors import InputError

NEEDED = ("original", "defaced")
OPTIONAL = ("brain_mask", "subject", "session", "run", "modality", "method")
EMPTY = ("", "n/a", "na", "nan", "none")
REMEDY = "Tell the rows apart with a column subject, session, run or method."


def pairs_in_table(table: Path, *, modality: str = "T1w") -> Pairing:
    """Read a list of pairs.

    Parameters
    ----------
    table : Path
        TSV or CSV with a header: ``original, defaced`` and, as wanted, ``brain_mask, subject, session, run, modality,
        method``. Paths are relative to the table's folder. Other columns are left alone.
    modality : str
        Of scans whose names and rows do not say.

    Returns
    -------
    Pairing
        A row with only one of the two files is listed as unpaired.

    Raises
    ------
    InputError
        No table, columns that are missing, a row of another length, or rows that cannot be told apart.
    """
    rows = _rows(table)
    pairs, unpaired = [], []
    for row in rows:
        original, defaced = row.get("original"), row.get("defaced")
        if original and defaced:
            mask = row.get("brain_mask")
            files = [str(table.parent / file) for file in (original, defaced)]
            mask = str(table.parent / mask) if mask else None
            pairs.append(PairFiles(files[0], files[1], _name(row, original, modality), mask, row.get("method")))
        elif original or defaced:
            given, role, other = (original, "original", "defaced") if original else (defaced, "defaced", "original")
            file = str(given)
            unpaired.append(Unpaired(file, role, f"its row names no {other} file", _name(row, file, modality)))
    if not pairs and not unpaired:
        raise InputError(f"{table.name} lists no pair; expected rows under the columns original and defaced. Add them.")
    return sorted_pairing(pairs, unpaired, REMEDY)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The table {table.name} cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"The table {table.name} is not text in UTF-8; expected a TSV or CSV file.") from None
    lines = text.splitlines()
    if not lines:
        raise InputError(f"The table {table.name} is empty; expected a header with the columns original and defaced.")
    reader = csv.reader(lines, delimiter=_delimiter(lines[0]))
    header = [name.strip().lower().replace("-", "_").replace(" ", "_") for name in next(reader)]
    _check_header(header, table)
    rows = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InputError(
                f"Line {reader.line_num} of {table.name} has {len(cells)} cells, its header {len(header)}; correct it."
            )
        filled = zip(header, (cell.strip() for cell in cells), strict=True)
        rows.append({name: cell for name, cell in filled if cell.lower() not in EMPTY})
    return rows


def _delimiter(header: str) -> str:
    return max("\t,;", key=header.count)


def _check_header(header: list[str], table: Path) -> None:
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise InputError(
            f"The table {table.name} has no column {' and no column '.join(missing)}; expected a header with "
            f"{', '.join(NEEDED)} and, as wanted, {', '.join(OPTIONAL)}."
        )
    twice = {name for name in header if header.count(name) > 1} & {*NEEDED, *OPTIONAL}
    if twice:
        raise InputError(f"The table {table.name} has the column {sorted(twice)[0]} twice; keep one.")


def _name(row: Mapping[str, str], file: str, modality: str) -> ScanName:
    """From the row where it says so, else from the file; a method in the row tells rows of one scan apart."""
    stem, _ = without_mark(stem_of(Path(file).name) or Path(file).name)
    entities, suffix = bids_entities(stem) or ({}, modality_of(stem, modality))
    for column, key in (("subject", "sub"), ("session", "ses"), ("run", "run")):
        if column in row:
            entities[key] = label(row[column].removeprefix(f"{key}-"))
    entities.setdefault("sub", label(stem) or "unnamed")
    name = scan_name(entities, label(row.get("modality", "")) or suffix or modality)
    return name.with_entity("rec", label(row["method"])) if "method" in row else name
