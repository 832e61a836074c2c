"""The training table from a corpus: features and truth of many defacings of many heads, resumable, in parallel."""

from __future__ import annotations

import csv
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.patches import REGIONS
from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.errors import DefaceQAError, LabelError
from defaceqa.features.extract import extract
from defaceqa.features.original import MeasuredOriginal
from defaceqa.features.rows import UNDEFINED, feature_table
from defaceqa.features.table import FEATURES
from defaceqa.renders import settings_hash
from defaceqa.simulation.corpus import Defacing, choose_outcomes, installed_tools, simulate_head
from defaceqa.simulation.originals import Original
from defaceqa.volumes import Pair, Volume, save_volume
from defaceqa.whole_file import write_file

log = logging.getLogger(__name__)

Cell = str | float
Progress = Callable[[str, int, int], None]

IDENTITY = (
    "subject", "head_id", "pair", "outcome", "method", "modality", "voxel_mm", "head_kind", "source", "settings_hash",
    "flags",
)  # fmt: skip
LABELS = ("label_lenient", "label_strict", "label_brain")
TRUTH = (*LABELS, "brain_removed_truth_ml", *(f"truth_residual_{r}" for r in REGIONS))
COLUMNS = (*IDENTITY, *TRUTH, *FEATURES)
"""Columns of the table: what the pair is, its truth, its features."""


@dataclass(frozen=True)
class Recipe:
    """What decides the pairs made of each head.

    Parameters
    ----------
    per_head : int
        Pairs per head as it was scanned.
    per_made_head : int or None
        Pairs per painted or varied head; ``per_head`` when None.
    seed : int
    outcomes : tuple of str
        These instead of drawn ones.
    installed : bool
        Also run every external tool that is on PATH.
    images : bool
        Whether images are written too.
    """

    per_head: int = 14
    per_made_head: int | None = None
    seed: int = 0
    outcomes: tuple[str, ...] = ()
    installed: bool = False
    images: bool = False

    def seed_of(self, head_id: str) -> int:
        """Seed of one head, independent of the others."""
        return zlib.crc32(f"{self.seed} {head_id}".encode())

    def outcomes_of(self, head: Original) -> list[str]:
        """Outcomes of one head."""
        if self.outcomes:
            return list(self.outcomes)
        made = head.painted or head.variation > 0
        count = self.per_head if self.per_made_head is None or not made else self.per_made_head
        tools = installed_tools()[0] if self.installed else []
        return choose_outcomes(count, self.seed_of(head.head_id)) + tools

    def to_json(self) -> str:
        """The recipe as text, kept beside the shards."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


@dataclass(frozen=True)
class Corpus:
    """What a run made.

    Parameters
    ----------
    pairs : int
        Rows of the table.
    skipped : dict
        Head to the sentence that says why it gave no pairs.
    """

    pairs: int
    skipped: dict[str, str]


def build_table(
    heads: Sequence[Original],
    out: Path,
    *,
    workers: int = 1,
    recipe: Recipe | None = None,
    images: Path | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Deface all heads, measure every pair, write the table.

    Each head's rows are first kept beside the table, in ``<out>.heads/<head_id>.tsv``; a run that was stopped goes on
    with the heads that are missing there. A head that cannot be used is left out and named; the others go on.

    Parameters
    ----------
    heads : sequence of Original
    out : Path
        Tab-separated, columns ``COLUMNS``.
    workers : int
        Heads measured at the same time, each in its own process.
    recipe : Recipe, optional
    images : Path, optional
        Folder for the images: ``<head_id>/original.nii.gz`` and one file per defacing. Faces: keep it to yourself.
    progress : callable, optional
        Told the head that is done, how many are done, and how many there are.

    Returns
    -------
    Corpus

    Raises
    ------
    LabelError
        Two heads of the same name, a folder begun with another recipe, or not a single pair.
    """
    from joblib import Parallel, delayed, parallel_config

    plan = recipe or Recipe()
    folder = out.with_name(f"{out.name}.heads")
    shards = {head.head_id: folder / f"{head.head_id}.tsv" for head in heads}
    if len(shards) != len(heads):
        raise LabelError("Two heads have the same head_id; expected one name per head. Rename one of them.")
    folder.mkdir(parents=True, exist_ok=True)
    _check_recipe(folder / "recipe.json", plan)
    missing = [head for head in heads if not _complete(shards[head.head_id])]
    done, skipped = len(heads) - len(missing), {}
    # loky starts fresh processes: a renderer does not survive a fork
    with parallel_config("loky", inner_max_num_threads=1):
        jobs = (delayed(write_shard)(head, shards[head.head_id], plan, images) for head in missing)
        for head_id, trouble in Parallel(n_jobs=workers, return_as="generator_unordered")(jobs):
            done += 1
            if trouble:
                skipped[head_id] = trouble
            if progress is not None:
                progress(head_id, done, len(heads))
    pairs = _join([shards[head.head_id] for head in heads if head.head_id not in skipped], out)
    if not pairs:
        raise LabelError("; ".join(skipped.values()) or "No pair could be made of any head; see the log.")
    return Corpus(pairs, dict(sorted(skipped.items())))


def write_shard(head: Original, shard: Path, recipe: Recipe, images: Path | None = None) -> tuple[str, str]:
    """Measure all pairs of one head and write their rows; returns the head's name, and why it was skipped if it was."""
    try:
        loaded = head.load()
        made = simulate_head(
            loaded.volume, loaded.landmarks_mm, loaded.brain, recipe.outcomes_of(head), recipe.seed_of(head.head_id),
            brain_trusted=loaded.brain_trusted,
        )  # fmt: skip
        measured, anatomy = MeasuredOriginal(loaded.volume), locate(loaded.volume)
        brain = loaded.brain if loaded.brain_trusted else None
        rows = [
            _row(head, measured, brain, anatomy, _saved(defacing, loaded.volume, images, pair), pair)
            for pair, defacing in ((f"{head.head_id}/{n:02d}_{d.outcome}", d) for n, d in enumerate(made))
            if defacing.truth.in_view
        ]
    except DefaceQAError as error:
        return head.head_id, str(error)
    write_file(feature_table(rows) if rows else "\t".join(COLUMNS) + "\n", shard)
    return head.head_id, ""


def _saved(made: Defacing, original: Volume, images: Path | None, pair: str) -> Defacing:
    """The same defacing, its image written when images are wanted."""
    if images is not None:
        file = images / f"{pair}.nii.gz"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (file.parent / "original.nii.gz").exists():
            save_volume(original, file.parent / "original.nii.gz")
        save_volume(made.defaced, file)
    return made


def _check_recipe(file: Path, recipe: Recipe) -> None:
    """Refuse to go on with other settings than those the shards were made with."""
    if not file.exists():
        write_file(recipe.to_json(), file)
    elif file.read_text(encoding="utf-8") != recipe.to_json():
        raise LabelError(
            f"{file.parent.name} was begun with other settings ({file.read_text(encoding='utf-8').strip()}); "
            "use those again, or another output, or delete that folder to start anew."
        )


def _row(
    head: Original,
    measured: MeasuredOriginal,
    brain: NDArray[np.bool_] | None,
    anatomy: Anatomy,
    made: Defacing,
    pair: str,
) -> dict[str, Cell]:
    volume = measured.volume
    features = extract(Pair(volume, made.defaced, brain), anatomy=anatomy, measured=measured)
    voxel_mm = f"{float(np.prod(volume.spacing_mm)) ** (1 / 3):.2f}"
    what = (head.subject, head.head_id, pair, made.outcome, made.method)
    scan = (head.modality, voxel_mm, head.kind, head.source)
    identity = (*what, *scan, features.settings_hash, "; ".join(features.flags))
    truth = made.truth
    labels = (truth.lenient, truth.strict, UNDEFINED if truth.brain is None else truth.brain)
    found = (*labels, truth.brain_removed_ml, *(truth.residuals[region] for region in REGIONS))
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
    write_file("\n".join(lines) + "\n", out)
    return len(lines) - 1
