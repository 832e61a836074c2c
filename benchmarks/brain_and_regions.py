"""Where brain and face are found: ``python benchmarks/brain_and_regions.py HEADS``.

For every head that is not in the mean head: overlap of the default brain mask with the trusted one (Dice), distance of
facial landmarks, quality of the registration, and whether cuts into the frontal lobe are noticed. Label maps are
painted as T1w, T2w and FLAIR. Prints a table per kind of head and the curve of detection.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.registration import locate
from defaceqa.features import loss
from defaceqa.features.original import MeasuredOriginal
from defaceqa.head import WORKING_SPACING_MM, from_working_grid, to_working_grid
from defaceqa.shipped import shipped_folder
from defaceqa.simulation.originals import Original, read_originals
from defaceqa.verdict import judge_brain
from defaceqa.volumes import Volume

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"
CHILDREN = ("adi", "sag")
UNUSABLE_FACES = ("ixi211", "ixi443", "ixi538")
FACIAL = ("left_eye", "right_eye", "left_brow", "right_brow", "nasion", "pronasale", "subnasale", "stomion", "menton")

TILTS_DEG = (10.0, 40.0)
"""Cutting planes look this far down from straight ahead."""
DEPTHS_MM = (-10.0, -6.0, -3.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
"""How far a plane reaches into the true brain; below zero it stays in front of it."""
ML_STEPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 1000.0)


@dataclass(frozen=True)
class Cut:
    """One simulated cut: what was lost, and what was said."""

    tilt_deg: float
    depth_mm: float
    true_ml: float
    removed_ml: float
    piece_ml: float
    piece_depth_mm: float
    verdict: str


@dataclass(frozen=True)
class Found:
    """One head."""

    head_id: str
    kind: str
    quality: float
    located: bool
    dice: float
    landmark_mm: list[float]
    seconds: float
    cuts: list[Cut]


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.option("--every", default=1, show_default=True, help="Only every n-th head.")
@click.option("--workers", default=2, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write everything that was measured.")
def main(heads: Path, every: int, workers: int, json_file: Path | None) -> None:
    """Measure on the heads of HEADS/heads.tsv that are not part of the mean head."""
    chosen = outside_the_mean_head(heads)[::every]
    found = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for one in pool.map(measure, chosen):
            found.append(one)
            click.echo(
                f"{len(found)}/{len(chosen)} {one.head_id} {one.kind}: quality {one.quality:.3f}, Dice {one.dice:.3f}, "
                f"landmarks {np.median(one.landmark_mm or [np.nan]):.1f} mm, {one.seconds:.1f} s",
                err=True,
            )
    if json_file:
        json_file.write_text(json.dumps([asdict(one) for one in found]))
    click.echo("\n".join([*table(found), "", *curve([one for one in found if one.located])]))


def outside_the_mean_head(heads: Path) -> list[Original]:
    """Heads that the mean head was not made from; also those whose faces have no landmarks."""
    members = set(json.loads((shipped_folder("template") / "card.json").read_text())["heads"])
    every = read_originals(heads / "heads.tsv", LANDMARKS, unlabelled=True)
    return [head for head in every if head.head_id.split("_")[0] not in members]


def measure(original: Original) -> Found:
    """Locate one head and compare."""
    volume, brain = image_and_brain(original)
    begun = time.perf_counter()
    anatomy = locate(volume)
    seconds = time.perf_counter() - begun
    truth = original.landmarks_on(volume)
    usable = original.head_id not in UNUSABLE_FACES
    distances = [float(np.linalg.norm(anatomy.landmarks_mm[n] - truth[n])) for n in FACIAL if n in truth and usable]
    dice, cuts = float("nan"), []
    if anatomy.brain is not None:
        mask = from_working_grid(anatomy.brain, volume.shape, volume.spacing_mm)
        dice = float(2 * (mask & brain).sum() / (mask.sum() + brain.sum()))
        true = to_working_grid(brain, volume.spacing_mm) > 0.5
        cuts = list(frontal_cuts(MeasuredOriginal(volume), anatomy.brain, true))
    return Found(original.head_id, kind_of(original), anatomy.quality, anatomy.located, dice, distances, seconds, cuts)


def image_and_brain(original: Original) -> tuple[Volume, NDArray[np.bool_]]:
    """The image, painted if need be, and its trusted brain."""
    # any landmark will do: without one, loading would search for the face
    known = original if original.landmarks_world_mm else replace(original, landmarks_world_mm={"nasion": np.zeros(3)})
    head = known.load()
    return head.volume, head.brain


def kind_of(original: Original) -> str:
    """Row of the table a head belongs to."""
    if original.painted:
        return f"painted {original.modality}"
    return "child" if original.subject in CHILDREN else "IXI" if original.head_id.startswith("ixi") else "adult, 1 mm"


def frontal_cuts(measured: MeasuredOriginal, brain: NDArray[np.bool_], true: NDArray[np.bool_]) -> Iterator[Cut]:
    """Cut everything in front of planes of several tilts and depths, and judge by the mask that was found."""
    data = measured.data
    _, y, z = (WORKING_SPACING_MM * np.arange(n, dtype=np.float32) for n in data.shape)
    for tilt in TILTS_DEG:
        ahead = np.cos(np.deg2rad(tilt)) * y[:, None] - np.sin(np.deg2rad(tilt)) * z[None, :]
        front = ahead[true.any(axis=0)].max()
        for depth in DEPTHS_MM:
            gone = np.broadcast_to((ahead > front - depth)[None], data.shape)
            defaced = np.where(gone, np.float32(0), data)
            removed = loss.changed_voxels(data, defaced, measured.threshold, measured.tissue).removed
            removed_ml = float((removed & brain).sum()) * WORKING_SPACING_MM**3 / 1000
            piece = loss.brain_piece(removed, brain, WORKING_SPACING_MM)
            verdict = judge_brain(removed_ml, piece["brain_largest_piece_ml"], piece["brain_depth_mm"]).verdict
            true_ml = float((gone & true).sum()) * WORKING_SPACING_MM**3 / 1000
            yield Cut(tilt, depth, true_ml, removed_ml, *piece.values(), verdict)


def table(found: list[Found]) -> list[str]:
    """One row per kind of head."""
    rows = ["heads\tn\tlocated\tquality, least\tDice, median\tDice, least\tlandmarks mm, median\t90 %\tseconds, median"]
    for kind in dict.fromkeys(one.kind for one in found):
        these = [one for one in found if one.kind == kind]
        located = [one for one in these if one.located]
        dice = [one.dice for one in located] or [np.nan]
        mm = [d for one in located for d in one.landmark_mm] or [np.nan]
        rows.append(
            f"{kind}\t{len(these)}\t{len(located)}\t{min(one.quality for one in these):.3f}\t{np.median(dice):.3f}\t"
            f"{min(dice):.3f}\t{np.median(mm):.1f}\t{np.percentile(mm, 90):.1f}\t"
            f"{np.median([one.seconds for one in these]):.1f}"
        )
    return rows


def curve(found: list[Found]) -> list[str]:
    """Share of cuts that were flagged (review or fail), by true brain lost."""
    cuts = [cut for one in found for cut in one.cuts]
    rows = ["true brain cut, mL\tcuts\tflagged\tfail"]
    groups = [("none", [cut for cut in cuts if cut.depth_mm < 0])]
    for low, high in itertools.pairwise(ML_STEPS):
        groups.append((f"{low:g} to {high:g}", [c for c in cuts if c.depth_mm > 0 and low <= c.true_ml < high]))
    groups.append(("2 and more", [c for c in cuts if c.true_ml >= 2]))
    for name, these in groups:
        flagged = np.mean([cut.verdict != "pass" for cut in these]) if these else np.nan
        failed = np.mean([cut.verdict == "fail" for cut in these]) if these else np.nan
        rows.append(f"{name}\t{len(these)}\t{flagged:.1%}\t{failed:.1%}")
    return rows


if __name__ == "__main__":
    main()
