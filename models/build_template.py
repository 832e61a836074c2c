"""Build the mean head: ``python models/build_template.py HEADS OUT``.

Registers adult T1w heads of the IXI project to a running mean by the affine registration that ``defaceqa predict`` uses
itself, averages them, and starts again from the mean.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.overlap import overlap
from defaceqa.anatomy.registration import register
from defaceqa.anatomy.template import Template
from defaceqa.head import head_mask, head_threshold, intensity_levels, to_working_grid, working_origin_mm
from defaceqa.volumes import Volume, load_volume

N_HEADS = 80
ROUNDS = 3
SPACING_MM = 2.0
TISSUE = 120.0
"""Grey value of the median tissue in the mean."""

MIN_SHARE = 0.5
"""A voxel of the mean must lie in the field of view of this share of the heads."""

GRID_BELOW, GRID_AROUND, GRID_AHEAD = 14, 4, 10
"""Voxels added to the starting image's grid, so that chins and noses fit."""


@dataclass(frozen=True)
class Head:
    """A head on the working grid, air blanked, tissue scaled, with its trusted brain."""

    head_id: str
    data: NDArray[np.float32]
    brain: NDArray[np.float32]
    mask: NDArray[np.bool_]
    origin_mm: NDArray[np.float64]


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--start", type=click.Path(exists=True, path_type=Path), help="First target; PyDeface's mean by default.")
def main(heads: Path, out: Path, start: Path | None) -> None:
    """Build the mean head from the folder HEADS (with heads.tsv) into the folder OUT."""
    chosen, kept_out = members(heads / "heads.tsv")
    template = starting_template(start or _pydeface_mean())
    for round_number in range(1, ROUNDS + 1):
        template, quality = average(template, load_heads(heads, chosen))
        click.echo(f"round {round_number}: {len(chosen)} heads, overlap {np.median(quality):.3f} (median)")
    write(template, chosen, kept_out, out)


def members(table: Path) -> tuple[list[str], list[str]]:
    """Every second whole-face IXI head in the order of the table and some more; and the others, kept to test on."""
    with table.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["file"].startswith("ixi/")]
    whole = [row["id"] for row in rows if row["face"] == "full"]
    chosen = (whole[::2] + whole[1::8])[:N_HEADS]
    kept_out = [row["id"] for row in rows if row["id"] not in chosen]
    return chosen, kept_out


def starting_template(path: Path) -> Template:
    """Head of one image with room around it, as the first target."""
    volume = load_volume(path)
    head = _prepare("start", volume, volume)
    pads = ((GRID_AROUND, GRID_AROUND), (GRID_AROUND, GRID_AHEAD), (GRID_BELOW, GRID_AROUND))
    data = np.pad(head.data, pads)
    origin_mm = head.origin_mm - SPACING_MM * np.array([low for low, _ in pads])
    return Template(data, np.zeros_like(data), origin_mm, np.full(3, SPACING_MM), {})


def load_heads(folder: Path, chosen: list[str]) -> Iterator[Head]:
    """Read the heads one by one."""
    for head_id in chosen:
        brain = load_volume(folder / "brain" / f"{head_id}_brainmask.nii.gz")
        yield _prepare(head_id, load_volume(folder / "ixi" / f"{head_id}.nii.gz"), brain)


def average(template: Template, heads: Iterator[Head]) -> tuple[Template, list[float]]:
    """Mean of all heads, each laid onto the template."""
    total, brain, seen = (np.zeros(template.head.shape) for _ in range(3))
    quality = []
    count = 0
    for head in heads:
        matrix = register(template, head.data, head.mask, head.origin_mm)
        quality.append(overlap(template, matrix, head.mask, head.origin_mm))
        where = _voxels_of(template, matrix, head)
        inside = ndimage.map_coordinates(np.ones_like(head.data), where, order=0, cval=0) > 0
        total += ndimage.map_coordinates(head.data, where, order=1)
        brain += ndimage.map_coordinates(head.brain, where, order=1)
        seen += inside
        count += 1
    mean = np.where(seen >= MIN_SHARE * count, total / np.maximum(seen, 1), 0)
    data = np.clip(mean, 0, 255).astype(np.float32)
    return Template(data, (brain / count).astype(np.float32), template.origin_mm, template.spacing_mm, {}), quality


def write(template: Template, chosen: list[str], kept_out: list[str], out: Path) -> None:
    """Write head, brain and card; the landmarks are set by hand on the result and stay beside it."""
    out.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*template.spacing_mm, 1.0])
    affine[:3, 3] = template.origin_mm
    mask = ndimage.binary_dilation(head_mask(template.head, head_threshold(template.head)), iterations=2)
    for name, data in (("head", np.where(mask, template.head, 0)), ("brain", 255 * template.brain)):
        stored = np.rint(np.where(data < 3, 0, data)).astype(np.uint8)
        nib.save(nib.Nifti1Image(stored, affine), out / f"{name}.nii.gz")
    card = {
        "what": "mean T1w head of adults (uint8, RAS+, 2 mm) and probability of brain (0 to 255)",
        "heads": chosen,
        "heads_kept_out": kept_out,
        "source": "IXI data set, brain-development.org; brain masks made with deepbet 1.0.2",
        "licence": "CC BY-SA 3.0, as the IXI images it is made from",
        "method": f"{ROUNDS} rounds of affine registration (Mattes mutual information) and averaging, "
        "started from the mean head of PyDeface; build_template.py",
    }
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def _prepare(head_id: str, volume: Volume, brain: Volume) -> Head:
    data = to_working_grid(volume.data, volume.spacing_mm)
    mask = head_mask(data, head_threshold(data))
    air, _, tissue = intensity_levels(data)
    scaled = np.where(mask, (data - air) / (tissue - air) * TISSUE, 0).astype(np.float32)
    inside = to_working_grid((brain.data > 0).astype(np.float32), brain.spacing_mm)
    return Head(head_id, np.clip(scaled, 0, 255), inside, mask, working_origin_mm(volume.shape, volume.spacing_mm))


def _voxels_of(template: Template, matrix: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    index = np.stack(np.meshgrid(*map(np.arange, template.head.shape), indexing="ij"))
    points = template.origin_mm[:, None, None, None] + SPACING_MM * index
    moved = np.tensordot(matrix[:3, :3], points, 1) + matrix[:3, 3][:, None, None, None]
    return np.asarray((moved - head.origin_mm[:, None, None, None]) / SPACING_MM)


def _pydeface_mean() -> Path:
    from importlib.metadata import files

    found = [file for file in files("pydeface") or [] if file.name == "mean_reg2mean.nii.gz"]
    if not found:
        sys.exit("The mean head of PyDeface was not found; install pydeface or give --start.")
    return Path(str(found[0].locate()))


if __name__ == "__main__":
    main()
