"""Carry the landmarks of the mean head to real heads: ``python models/build_landmarks.py HEADS OUT.tsv [ID ...]``.

``defaceqa.simulation.landmarks`` does the carrying; label maps are painted as T1w first, and one set of landmarks
serves all contrasts of a map. What a person then corrected by eye stands in ``data/labels/landmark_corrections.tsv``
and wins. With IDs only these heads are carried; all other rows of OUT stay.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import click

from defaceqa.anatomy.patches import LANDMARKS
from defaceqa.simulation.landmarks import Points, careful_landmarks
from defaceqa.simulation.painting import load_painted
from defaceqa.volumes import Volume, load_volume
from defaceqa.whole_file import replacing

COLUMNS = ("head_id", "subject", "landmark", "x_mm", "y_mm", "z_mm", "status")
CORRECTIONS = Path(__file__).parent.parent / "data" / "labels" / "landmark_corrections.tsv"
LABEL_MAP = "label map"

LEFT_OUT = {
    "lab-s04": "its mouth hangs in strings (dental artefact); lab-t06 is the same person",
    "lab-s12": "the face is cut flat through nose and mouth",
    "lab-s15": "a plate of artefact runs through the mouth",
    "lab-t01": "nose, lips and chin are cut flat; lab-s07 is the same person",
    **dict.fromkeys(
        ("lab-t03", "lab-t04", "lab-t07", "lab-t09", "lab-t13", "lab-t20"),
        "the field of view ends at the nose: an original without a face, which is reviewed in any case",
    ),
}
"""Label maps that no truth can be had from."""


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1)
def main(heads: Path, out: Path, ids: tuple[str, ...]) -> None:
    """Write landmarks of the heads listed in HEADS/heads.tsv (or of IDS) to OUT."""
    with (heads / "heads.tsv").open(newline="") as stream:
        listed = list(csv.DictReader(stream, delimiter="\t"))
    corrections = read_corrections(CORRECTIONS)
    kept = _kept(out, ids)
    rows: list[dict[str, Any]] = []
    for head in listed:
        if ids and head["id"] not in ids:
            rows += kept.get(head["id"], [])
            continue
        if head["id"] in LEFT_OUT:
            click.echo(f"{head['id']}: left out, {LEFT_OUT[head['id']]}")
            continue
        found, quality = careful_landmarks(load_head(heads, head))
        click.echo(f"{head['id']}: overlap {quality:.3f}, {len(found)} landmarks")
        rows += _rows(head["id"], head["subject"], found, corrections.get(head["id"], {}))
    write_rows(rows, out)


def load_head(heads: Path, row: dict[str, str]) -> Volume:
    """A head of the list; a label map painted as T1w."""
    file = heads / row["file"]
    return load_painted(file, "T1w", seed=0) if row["sequence"] == LABEL_MAP else load_volume(file)


def read_corrections(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Rows set by eye, by head and landmark."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    if path.exists():
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                found.setdefault(row["head_id"], {})[row["landmark"]] = row
    return found


def _kept(out: Path, ids: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """Rows that are there already, by head, when only some heads are asked for."""
    kept: dict[str, list[dict[str, Any]]] = {}
    if ids and out.exists():
        with out.open(newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                kept.setdefault(row["head_id"], []).append(row)
    return kept


def _rows(head_id: str, subject: str, found: Points, corrected: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    rows = []
    for name in LANDMARKS:
        if name in corrected:
            row = dict(corrected[name])
        elif name in found:
            row = {f"{axis}_mm": f"{value:.1f}" for axis, value in zip("xyz", found[name], strict=True)} | {
                "status": "carried"
            }
        else:
            row = dict.fromkeys(("x_mm", "y_mm", "z_mm"), "n/a") | {"status": "outside"}
        rows.append(row | {"head_id": head_id, "subject": subject, "landmark": name})
    return rows


def write_rows(rows: list[dict[str, Any]], out: Path) -> None:
    """Write the table whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial, partial.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
