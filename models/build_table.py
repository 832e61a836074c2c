"""Build the training table: ``python models/build_table.py HEADS data/labels/training.tsv``.

Defaces real heads in controlled ways, measures every pair and labels it by geometry. Stopped at any point it goes on
where it was; delete the folder of shards beside the table to start anew.
"""

from __future__ import annotations

from pathlib import Path

import click

from defaceqa.simulation.originals import Original, read_originals
from defaceqa.simulation.table import Recipe, build_table

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"

UNUSABLE = ("ixi211", "ixi443", "ixi538")
"""Dental artefacts or noise stand where the face should be: there is no truth to be had."""


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--ixi", default=45, show_default=True, help="How many heads of IXI; all others are taken anyway.")
@click.option("--per-head", default=14, show_default=True, help="Defacings per head.")
@click.option("--workers", default=2, show_default=True, help="Heads measured at the same time.")
def main(heads: Path, out: Path, ixi: int, per_head: int, workers: int) -> None:
    """Deface the heads of HEADS/heads.tsv that have landmarks, and write features and labels to OUT."""
    chosen = choose(read_originals(heads / "heads.tsv", LANDMARKS), ixi)
    rows = build_table(
        chosen,
        out,
        workers=workers,
        recipe=Recipe(per_head=per_head),
        progress=lambda head_id, done, total: click.echo(f"{done}/{total} {head_id}"),
    )
    click.echo(f"{out}: {rows} pairs of {len({head.subject for head in chosen})} people")


def choose(originals: list[Original], ixi: int) -> list[Original]:
    """Heads of other sources first, then the first of IXI; none without a usable face."""
    usable = [head for head in originals if head.head_id not in UNUSABLE]
    others = [head for head in usable if not head.head_id.startswith("ixi")]
    return others + [head for head in usable if head.head_id.startswith("ixi")][:ixi]


if __name__ == "__main__":
    main()
