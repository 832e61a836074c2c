"""The training table from a corpus: features and truth of many defacings of many heads, resumable, in parallel."""

from __future__ import annotations

import csv
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.patches import REGIONS
from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.errors import LabelError
from defaceqa.features.extract import extract
from defaceqa.features.original import MeasuredOriginal
from defaceqa.features.rows import feature_table
from defaceqa.features.table import FEATURES
from defaceqa.renders import settings_hash
from defaceqa.simulation.corpus import Defacing, choose_outcomes, simulate_head
from defaceqa.simulation.originals import Original
from defaceqa.volumes import Pair, load_mask, load_volume

log = logging.getLogger(__name__)

Cell = str | float
Progress = Callable[[str, int, int], None]

SOURCE = "geometry"
"""Where these labels come from."""

IDENTITY = ("subject", "head_id", "outcome", "method", "modality", "voxel_mm", "source", "settings_hash", "flags")
TRUTH = ("label_lenient", "label_strict", "brain_removed_truth_ml", *(f"truth_residual_{r}" for r in REGIONS))
COLUMNS = (*IDENTITY, *TRUTH, *FEATURES)
"""Columns of the table: what the pair is, its truth, its features."""


@dataclass(frozen=True)
class Recipe:
    """What decides the pairs made of each head.

    Parameters
    ----------
    per_head : int
        Pairs per head.
    seed : int
    outcomes : tuple of str
        These instead of drawn ones.
    """

    per_head: int = 14
    seed: int = 0
    outcomes: tuple[str, ...] = ()

    def seed_of(self, head_id: str) -> int:
        """Seed of one head, independent of the others."""
        return zlib.crc32(f"{self.seed} {head_id}".encode())

    def outcomes_of(self, head_id: str) -> list[str]:
        """Outcomes of one head."""
        return list(self.outcomes) or choose_outcomes(self.per_head, self.seed_of(head_id))


def build_table(
    heads: Sequence[Original],
    out: Path,
    *,
    workers: int = 1,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> int:
    """Deface all heads, measure every pair, write the table.

    Each head's rows are first kept beside the table, in ``<out>.heads/<head_id>.tsv``; a run that was stopped goes on
    with the heads that are missing there. Delete that folder to start anew, as after a change of the recipe.

    Parameters
    ----------
    heads : sequence of Original
    out : Path
        Tab-separated, columns ``COLUMNS``.
    workers : int
        Heads measured at the same time, each in its own process.
    recipe : Recipe, optional
    progress : callable, optional
        Told the head that is done, how many are done, and how many there are.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    LabelError
        Two heads of the same name.
    """
    from joblib import Parallel, delayed, parallel_config

    shards = {head.head_id: out.with_name(f"{out.name}.heads") / f"{head.head_id}.tsv" for head in heads}
    if len(shards) != len(heads):
        raise LabelError("Two heads have the same head_id; expected one name per head. Rename one of them.")
    out.with_name(f"{out.name}.heads").mkdir(parents=True, exist_ok=True)
    missing = [head for head in heads if not _complete(shards[head.head_id])]
    done = len(heads) - len(missing)
    # loky starts fresh processes: a renderer does not survive a fork
    with parallel_config("loky", inner_max_num_threads=1):
        jobs = (delayed(write_shard)(head, shards[head.head_id], recipe or Recipe()) for head in missing)
        for head_id in Parallel(n_jobs=workers, return_as="generator_unordered")(jobs):
            done += 1
            if progress is not None:
                progress(head_id, done, len(heads))
    return _join([shards[head.head_id] for head in heads], out)


def write_shard(head: Original, shard: Path, recipe: Recipe) -> str:
    """Measure all pairs of one head and write their rows; returns the head's name."""
    volume = load_volume(head.path)
    brain = load_mask(head.brain_path, volume)
    anatomy = locate(volume)
    outcomes, seed = recipe.outcomes_of(head.head_id), recipe.seed_of(head.head_id)
    made = simulate_head(volume, head.landmarks_on(volume), brain, outcomes, seed)
    measured = MeasuredOriginal(volume)
    rows = [_row(head, measured, brain, anatomy, defacing) for defacing in made if defacing.truth.in_view]
    _write(shard, feature_table(rows) if rows else "\t".join(COLUMNS) + "\n")
    return head.head_id


def _row(
    head: Original,
    measured: MeasuredOriginal,
    brain: NDArray[np.bool_],
    anatomy: Anatomy,
    made: Defacing,
) -> dict[str, Cell]:
    volume = measured.volume
    features = extract(Pair(volume, made.defaced, brain), anatomy=anatomy, measured=measured)
    voxel_mm = f"{float(np.prod(volume.spacing_mm)) ** (1 / 3):.2f}"
    what = (head.subject, head.head_id, made.outcome, made.method, head.modality, voxel_mm, SOURCE)
    identity = (*what, features.settings_hash, "; ".join(features.flags))
    truth = made.truth
    found = (truth.lenient, truth.strict, truth.brain_removed_ml, *(truth.residuals[region] for region in REGIONS))
    cells: dict[str, Cell] = {**dict(zip(IDENTITY, identity, strict=True)), **dict(zip(TRUTH, found, strict=True))}
    return cells | features.values


def _complete(shard: Path) -> bool:
    """Whether a head's rows are there, with today's columns and renders."""
    if not shard.exists():
        return False
    with shard.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        return tuple(reader.fieldnames or ()) == COLUMNS and all(r["settings_hash"] == settings_hash() for r in reader)


def _join(shards: Sequence[Path], out: Path) -> int:
    lines = ["\t".join(COLUMNS)]
    for shard in shards:
        lines += shard.read_text(encoding="utf-8").splitlines()[1:]
    _write(out, "\n".join(lines) + "\n")
    return len(lines) - 1


def _write(file: Path, text: str) -> None:
    """Write beside the target, then rename: no half table is ever left."""
    partial = file.with_name(f".{os.getpid()}.{file.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)
