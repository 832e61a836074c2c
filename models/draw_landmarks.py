"""Draw landmarks on heads, to be looked at: ``python models/draw_landmarks.py HEADS LANDMARKS.tsv OUT [ID ...]``.

One picture per head: from the front and from both sides. Pictures identify people: never commit them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import click
import numpy as np
from build_landmarks import load_head
from numpy.typing import NDArray

from defaceqa.features.original import MeasuredOriginal
from defaceqa.renders import SETTINGS, VIEWS, camera_focus_mm, render_views

SHOWN = ("frontal", "left_profile", "right_profile")
COLOURS = ("red", "red", "orange", "orange", "cyan", "magenta", "blue", "lime", "yellow", "brown", "brown")


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("landmarks", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1)
def main(heads: Path, landmarks: Path, out: Path, ids: tuple[str, ...]) -> None:
    """Draw the heads of HEADS/heads.tsv that have rows in LANDMARKS (or IDS) into the folder OUT."""
    points: dict[str, dict[str, NDArray[np.float64]]] = {}
    with landmarks.open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            marks = points.setdefault(row["head_id"], {})
            if row["status"] != "outside":
                marks[row["landmark"]] = np.array([float(row[f"{axis}_mm"]) for axis in "xyz"])
    out.mkdir(parents=True, exist_ok=True)
    with (heads / "heads.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["id"] in points and (not ids or row["id"] in ids):
                draw(heads, row, points[row["id"]], out / f"{row['id']}.png")


def draw(heads: Path, row: dict[str, str], world_mm: dict[str, NDArray[np.float64]], file: Path) -> None:
    """Write one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    volume = load_head(heads, row)
    known = MeasuredOriginal(volume)
    focus_mm = camera_focus_mm(known.head, known.origin_mm)
    [pictures] = render_views([known.surface], focus_mm)
    inverse = np.linalg.inv(volume.affine)
    figure, axes = pyplot.subplots(1, len(SHOWN), figsize=(6 * len(SHOWN), 6))
    scale = SETTINGS.size_px / SETTINGS.field_mm
    for axis, name in zip(axes, SHOWN, strict=True):
        axis.imshow(pictures[list(VIEWS).index(name)], cmap="gray", vmin=0, vmax=255)
        towards = np.array([*VIEWS[name], 0.0])
        right = np.cross(-towards, [0, 0, 1.0])
        for (mark, point), colour in zip(sorted(world_mm.items()), COLOURS, strict=False):
            from_focus = (inverse[:3, :3] @ point + inverse[:3, 3]) * volume.spacing_mm - focus_mm
            x, y = scale * (from_focus @ right), -scale * from_focus[2]
            axis.plot(SETTINGS.size_px / 2 + x, SETTINGS.size_px / 2 + y, "+", color=colour, ms=9, mew=2)
            axis.annotate(mark[:6], (SETTINGS.size_px / 2 + x, SETTINGS.size_px / 2 + y), fontsize=6, color=colour)
        axis.set_axis_off()
    figure.suptitle(row["id"])
    figure.tight_layout()
    figure.savefig(file, dpi=60)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
