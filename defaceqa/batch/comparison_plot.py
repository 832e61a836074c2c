"""The comparison as a picture: rates, brain lost, and what is left of each region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from defaceqa.batch.comparison import REGION, Comparison
from defaceqa.batch.folder import refusing
from defaceqa.batch.group import UNJUDGED
from defaceqa.errors import InputError, OutputError
from defaceqa.whole_file import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"pass": "#009E73", "review": "#E69F00", "fail": "#D55E00"}
"""Told apart by colour-blind readers too (Okabe and Ito)."""

SHOWN_REGIONS = ("eyes", "nose", "mouth", "cheeks_jaw", "forehead", "left_ear", "right_ear")
KINDS = ("png", "svg", "pdf")


def plot(comparison: Comparison, file: Path) -> None:
    """Draw a comparison.

    Parameters
    ----------
    comparison : Comparison
    file : Path
        ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    InputError
        Another ending.
    OutputError
        Matplotlib is not installed, or the file cannot be written.
    """
    kind = file.suffix.lstrip(".").lower()
    if kind not in KINDS:
        raise InputError(f"{file.name} is no kind of picture that is written; expected .{', .'.join(KINDS)}.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise OutputError("The plot needs Matplotlib, which is not installed: pip install 'defaceqa[plot]'.") from None
    rows = comparison.methods
    figure = Figure(figsize=(11, 1.6 + 0.55 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    rates, brain, regions = figure.subplots(1, 3, sharey=True)
    _rates(rates, rows)
    _brain(brain, comparison)
    _regions(regions, rows)
    rates.set_yticks(range(len(rows)), [f"{row['method']}\n{row['scans']} scans" for row in rows])
    rates.invert_yaxis()
    figure.legend(*rates.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)
    figure.legend(*regions.get_legend_handles_labels(), loc="outside lower right", ncols=7, frameon=False, fontsize=8)
    with refusing(file), replacing(file) as partial:
        figure.savefig(partial, format=kind, dpi=150)


def _rates(axes: Axes, rows: list[dict[str, Any]]) -> None:
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for verdict, colour in COLOURS.items():
        widths = 100 * np.nan_to_num([row[verdict] for row in rows])
        axes.barh(places, widths, left=left, height=0.6, color=colour, label=verdict)
        left = left + widths
    ends = 100 * np.nan_to_num([[row["pass"] - row["pass_low"], row["pass_high"] - row["pass"]] for row in rows]).T
    axes.errorbar(100 * np.nan_to_num([row["pass"] for row in rows]), places, xerr=np.maximum(ends, 0), fmt="none",
                  ecolor="black", capsize=3)  # fmt: skip
    axes.set(xlim=(0, 100), xlabel="% of judged scans; line: 95 % interval of pass")


def _brain(axes: Axes, comparison: Comparison) -> None:
    rng = np.random.default_rng(0)
    for place, row in enumerate(comparison.methods):
        scans = comparison.scans[row["method"]]
        lost = np.array([scan.brain_ml for scan in scans if scan.verdict != UNJUDGED], dtype=np.float64)
        lost = lost[np.isfinite(lost)]
        axes.plot(lost, place + rng.uniform(-0.2, 0.2, len(lost)), ".", color="0.6", markersize=3)
        axes.plot([row["brain_removed_ml_q1"], row["brain_removed_ml_q3"]], [place, place], color="black", linewidth=3)
        axes.plot(row["brain_removed_ml_median"], place, "o", color="black")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    axes.set_xlabel("brain removed, mL; line: quartiles")


def _regions(axes: Axes, rows: list[dict[str, Any]]) -> None:
    shown = [region for region in SHOWN_REGIONS if f"{REGION}{region}" in rows[0]]
    for number, region in enumerate(shown):
        name = f"{REGION}{region}"
        values = 100 * np.array([[row[name], row[f"{name}_low"], row[f"{name}_high"]] for row in rows]).T
        places = np.arange(len(rows)) + 0.6 * (number / max(len(shown) - 1, 1) - 0.5)
        ends = np.maximum(np.nan_to_num([values[0] - values[1], values[2] - values[0]]), 0)
        axes.errorbar(values[0], places, xerr=ends, fmt="o", markersize=4, capsize=2, label=region.replace("_", " "))
    axes.set(xlim=(-2, 102), xlabel="% of the skin still there; line: 95 %")
