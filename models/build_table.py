"""Build the training table: ``python models/build_table.py HEADS data/labels/training.tsv``.

Defaces real heads in controlled ways, measures every pair and labels it by geometry. Stopped at any point it goes on
where it was; delete the folder of shards beside the table to start anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from defaceqa.simulation.originals import Original, read_originals, with_variations
from defaceqa.simulation.table import Recipe, build_table

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"

UNUSABLE = ("ixi211", "ixi443", "ixi538")
"""Dental artefacts or noise stand where the face should be: there is no truth to be had."""


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--per-head", default=12, show_default=True, help="Defacings per head as scanned.")
@click.option("--per-made-head", default=5, show_default=True, help="Defacings per painted or varied head.")
@click.option("--variations", default=2, show_default=True, help="Variations of each head that is not of IXI.")
@click.option("--ixi-variations", default=15, show_default=True, help="How many IXI heads get one variation.")
@click.option("--only", multiple=True, help="Only heads whose name begins so; to try out.")
@click.option("--workers", default=2, show_default=True, help="Heads measured at the same time.")
def main(
    heads: Path, out: Path, per_head: int, per_made_head: int, variations: int, ixi_variations: int,
    only: tuple[str, ...], workers: int,
) -> None:  # fmt: skip
    """Deface the heads of HEADS/heads.tsv that have landmarks, and write features and labels to OUT."""
    chosen = choose(read_originals(heads / "heads.tsv", LANDMARKS), variations, ixi_variations)
    chosen = [head for head in chosen if not only or head.head_id.startswith(only)]
    made = build_table(
        chosen,
        out,
        workers=workers,
        recipe=Recipe(per_head=per_head, per_made_head=per_made_head),
        progress=lambda head_id, done, total: click.echo(f"{done}/{total} {head_id}"),
    )
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    out.with_name(f"{out.name}.sha256").write_text(f"{digest}  {out.name}\n")
    click.echo(f"{out}: {made.pairs} pairs of {len({head.subject for head in chosen})} people")
    for head_id, why in made.skipped.items():
        click.echo(f"left out {head_id}: {why}")


def choose(originals: list[Original], variations: int, ixi_variations: int) -> list[Original]:
    """All heads with a usable face, varied: scans near 1 mm several times, some of IXI once, painted heads never.

    Painted heads differ from each other in contrast, noise and bias already. Each map is painted in two of the three
    contrasts, in turn: its face is the same in all of them.
    """
    usable = [head for head in originals if head.head_id not in UNUSABLE]
    painted = [head for head in usable if head.painted]
    ixi = [head for head in usable if head.head_id.startswith("ixi")]
    native = [head for head in usable if not head.painted and not head.head_id.startswith("ixi")]
    return [
        *with_variations(native, variations),
        *with_variations(ixi[:ixi_variations], 1),
        *ixi[ixi_variations:],
        *(head for n, head in enumerate(painted) if n % 3 != n // 3 % 3),
    ]


if __name__ == "__main__":
    main()
