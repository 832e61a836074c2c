"""Why a model said what it said: Shapley values of one prediction, as a table and as a waterfall picture.

They are exact: TreeSHAP for boosted trees, coefficient times deviation for logistic regression, the two kinds of model
that ship. With the bias they sum to the log-odds of the probability.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

from defaceqa.assessment import Assessment
from defaceqa.errors import InputError
from defaceqa.whole_file import replacing

SHOWN = 12
"""Features shown apart; the rest is one bar."""

RAISES, LOWERS = "#c0392b", "#2471a3"

Row = tuple[str, float, float]


def contributions(assessment: Assessment) -> list[Row]:
    """Feature, value and Shapley value in log-odds, the strongest first.

    Positive values speak for "insufficiently defaced".
    """
    values = assessment.features.values
    shares = assessment.model.contributions(values)
    return sorted(((n, values[n], s) for n, s in shares.items()), key=lambda row: (-abs(row[2]), row[0]))


def contribution_table(assessment: Assessment) -> str:
    """The contributions as TSV; first the bias, last the log-odds they sum to."""
    rows = contributions(assessment)
    lines = ["feature\tvalue\tlog_odds", f"bias\t\t{assessment.model.bias:.6g}"]
    lines += [f"{name}\t{'n/a' if math.isnan(value) else f'{value:.6g}'}\t{share:.6g}" for name, value, share in rows]
    return "\n".join([*lines, f"sum\t\t{assessment.model.log_odds(assessment.features.values):.6g}"]) + "\n"


def draw_explanation(assessment: Assessment, file: Path) -> None:
    """Write the waterfall picture: from the bias at the bottom to this pair's log-odds at the top.

    Parameters
    ----------
    assessment : Assessment
    file : Path
        PNG, PDF or SVG by its ending.

    Raises
    ------
    InputError
        matplotlib is missing, or the ending is not one of a picture.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("The picture needs matplotlib; install it with pip install 'defaceqa[train]', or use --tsv.")
    if file.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"{file.name} has no ending of a picture; expected .png, .pdf or .svg.")
    from matplotlib.figure import Figure

    rows = contributions(assessment)
    bars = [(f"{name} = {'undefined' if math.isnan(v) else f'{v:.3g}'}", share) for name, v, share in rows[:SHOWN]]
    if len(rows) > SHOWN:
        bars.append((f"{len(rows) - SHOWN} other features", sum(share for _, _, share in rows[SHOWN:])))
    figure = Figure(figsize=(8, 0.38 * len(bars) + 1.8), layout="constrained")
    axis = figure.subplots()
    start = assessment.model.bias
    for height, (_, share) in enumerate(bars[::-1]):
        axis.barh(height, share, left=start, color=RAISES if share > 0 else LOWERS)
        start += share
    axis.set_yticks(range(len(bars)), [words for words, _ in bars[::-1]], fontsize=8)
    axis.axvline(assessment.model.bias, color="grey", linestyle=":")
    face, cuts = assessment.verdict.face, assessment.model.card.thresholds
    for cut, colour in ((cuts.low, LOWERS), (cuts.high, RAISES)):
        if 0 < cut < 1:
            axis.axvline(math.log(cut / (1 - cut)), color=colour, linewidth=1)
    axis.set_xlabel("log-odds of insufficient (lines: pass up to, fail from; dotted: before anything is known)")
    axis.set_title(f"{assessment.inputs['defaced']['name']}: {face.verdict}, {face.probability:.1%} insufficient "
                   f"({face.criterion})", fontsize=10)  # fmt: skip
    with replacing(file) as partial:
        figure.savefig(partial, dpi=120, format=file.suffix[1:].lower())
