"""Random pairs with their truth printed under each, to be looked at: ``python models/contact_sheet.py HEADS OUT``.

Every label that a look disagrees with has a cause in landmarks, outcomes or rules; it is mended there, never in the
table. The sheets show faces: never commit them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from build_table import LANDMARKS, choose
from numpy.typing import NDArray
from skimage.io import imsave

from defaceqa.features.extract import pair_surfaces, working_pair
from defaceqa.features.original import MeasuredOriginal
from defaceqa.renders import camera_focus_mm, render_views
from defaceqa.simulation.corpus import Defacing, choose_outcomes, simulate_head
from defaceqa.simulation.originals import Original, read_originals
from defaceqa.volumes import Pair

SHOWN = (0, 3, 2)
"""Views of the defaced head: from the front, left oblique, right profile."""

CROP = (slice(60, 480), slice(60, 452))
ROWS, COLUMNS = 5, 4
PER_SHEET = ROWS * COLUMNS


@click.command()
@click.argument("heads", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--pairs", default=100, show_default=True)
@click.option("--per-head", default=3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only", multiple=True, help="Only heads whose name begins so.")
def main(heads: Path, out: Path, pairs: int, per_head: int, seed: int, only: tuple[str, ...]) -> None:
    """Write sheets of twenty pairs each, and every pair large, into the folder OUT."""
    known = choose(read_originals(heads / "heads.tsv", LANDMARKS), 1, 40)
    known = [head for head in known if not only or head.head_id.startswith(only)]
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(known))
    out.mkdir(parents=True, exist_ok=True)
    cells: list[tuple[NDArray[np.uint8], str]] = []
    for index in order:
        for cell in pictures(known[index], per_head, int(generator.integers(2**31))):
            cells.append(cell)
            imsave(out / f"pair{len(cells):03d}.png", cell[0], check_contrast=False)
            click.echo(f"{len(cells)} {cell[1]}".replace("\n", "  "))
            if len(cells) % PER_SHEET == 0 or len(cells) == pairs:
                first = (len(cells) - 1) // PER_SHEET * PER_SHEET
                sheet(cells[first:], first + 1, out / f"sheet{first // PER_SHEET + 1}.png")
            if len(cells) == pairs:
                return


def pictures(head: Original, count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Renders of a head's defacings, each with its truth in words."""
    loaded = head.load()
    known = MeasuredOriginal(loaded.volume)
    outcomes = choose_outcomes(count, seed)
    for made in simulate_head(loaded.volume, loaded.landmarks_mm, loaded.brain, outcomes, seed):
        working = working_pair(Pair(loaded.volume, made.defaced, None), known)
        [views] = render_views([pair_surfaces(working)[1]], camera_focus_mm(known.head, known.origin_mm))
        yield np.hstack([views[i][CROP] for i in SHOWN]), f"{head.head_id} {made.outcome}\n{words(made)}"


def words(made: Defacing) -> str:
    """Truth of a defacing in one line."""
    truth = made.truth
    parts = [f"{name} {truth.share(name):.2f}" for name in ("eyes", "nose", "mouth", "cheeks_jaw")]
    verdict = f"LENIENT {'in' if truth.lenient else ''}sufficient, strict {'in' if truth.strict else ''}sufficient"
    return f"{verdict}; {', '.join(parts)}; brain {truth.brain_removed_ml:.0f} mL"


def sheet(cells: list[tuple[NDArray[np.uint8], str]], first: int, file: Path) -> None:
    """Write one sheet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(ROWS, COLUMNS, figsize=(6.2 * COLUMNS, 2.7 * ROWS))
    for axis in axes.ravel():
        axis.set_axis_off()
    for number, (axis, (picture, text)) in enumerate(zip(axes.ravel(), cells, strict=False), start=first):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{number}: {text}", fontsize=8.5)
    figure.tight_layout()
    figure.savefig(file, dpi=62)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
