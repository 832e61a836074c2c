"""The job of ``defaceqa simulate``: a user's originals in, a labelled corpus out."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from defaceqa.errors import InputError
from defaceqa.simulation.corpus import installed_tools
from defaceqa.simulation.originals import find_originals, with_variations
from defaceqa.simulation.table import Progress, Recipe, build_table
from defaceqa.whole_file import write_file

TABLE = "training.tsv"
IMAGES = "images"


@dataclass(frozen=True)
class Simulation:
    """What was made, and what was not.

    Parameters
    ----------
    table : Path
    pairs, heads, subjects : int
    insufficient : float
        Share of pairs labelled insufficient under the lenient criterion.
    skipped : dict
        Head to the reason why it gave no pairs.
    absent_tools : tuple of str
        Defacing programs that are not on PATH.
    source : str
        Where the labels come from.
    """

    table: Path
    pairs: int
    heads: int
    subjects: int
    insufficient: float
    skipped: dict[str, str]
    absent_tools: tuple[str, ...]
    source: str

    @property
    def lines(self) -> list[str]:
        """What a person is told."""
        told = [
            f"{self.table}: {self.pairs} pairs of {self.heads} heads of {self.subjects} people, "
            f"{self.insufficient:.0%} insufficient (lenient); labels from {self.source}"
        ]
        if self.absent_tools:
            told.append(f"not installed (or what they need is not), so not run: {', '.join(self.absent_tools)}")
        return told + [f"left out {head}: {why}" for head, why in self.skipped.items()]


def simulate(
    originals: Path,
    out: Path,
    *,
    landmarks: Path | None = None,
    per_head: int = 14,
    variations: int = 0,
    seed: int = 0,
    workers: int = 1,
    images: bool = False,
    progress: Progress | None = None,
) -> Simulation:
    """Deface originals in controlled ways and write features and labels to ``out/training.tsv``.

    Parameters
    ----------
    originals : Path
        Folder of images, or a table (see :func:`defaceqa.simulation.originals.find_originals`).
    out : Path
        Folder; a run that was stopped goes on there.
    landmarks : Path, optional
        Table of landmarks that were looked at; without it they come from a careful registration.
    per_head : int
        Pairs per head; installed external tools come on top.
    variations : int
        Varied heads made of each original.
    seed, workers : int
    images : bool
        Also write every original and defaced image as NIfTI below ``out/images``.
    progress : callable, optional

    Returns
    -------
    Simulation

    Raises
    ------
    InputError, LabelError
        No originals, or not one that can be used.
    """
    if originals.is_dir() and out.resolve().is_relative_to(originals.resolve()):
        raise InputError(f"{out} lies inside the folder of originals; expected a place outside it. Choose another OUT.")
    heads = with_variations(find_originals(originals, landmarks), variations)
    out.mkdir(parents=True, exist_ok=True)
    made = build_table(
        heads,
        out / TABLE,
        workers=workers,
        recipe=Recipe(per_head=per_head, seed=seed, installed=True, images=images),
        images=out / IMAGES if images else None,
        progress=progress,
    )
    with (out / TABLE).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    if images:
        _write_list(out, rows)
    sources = Counter(row["source"] for row in rows)
    return Simulation(
        out / TABLE,
        made.pairs,
        len({row["head_id"] for row in rows}),
        len({row["subject"] for row in rows}),
        sum(row["label_lenient"] == "1" for row in rows) / len(rows),
        made.skipped,
        tuple(installed_tools()[1]),
        " and ".join(sorted(sources)),
    )


def _write_list(out: Path, rows: list[dict[str, str]]) -> None:
    """A list of pairs beside the images, as commands for many pairs read it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("original", "defaced", "subject", "method", "label_lenient", "label_strict"))
    for row in rows:
        writer.writerow(
            (
                f"{IMAGES}/{row['head_id']}/original.nii.gz", f"{IMAGES}/{row['pair']}.nii.gz",
                row["subject"], row["method"], row["label_lenient"], row["label_strict"],
            )
        )  # fmt: skip
    write_file(text.getvalue(), out / "pairs.tsv")
