"""Features as rows of a TSV table: one row per pair, ``n/a`` where undefined."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from defaceqa import renders
from defaceqa.anatomy.registration import locate
from defaceqa.features.brain_mask import load_masked_pair
from defaceqa.features.extract import extract, pair_surfaces, working_pair
from defaceqa.features.table import FEATURES
from defaceqa.volumes import Pair

Row = Mapping[str, str | float]
Progress = Callable[[str], None]

UNDEFINED = "n/a"
"""How BIDS tables write a value that does not exist."""


def measure(
    original: str | os.PathLike[str],
    defaced: str | os.PathLike[str],
    *,
    brain_mask: str | os.PathLike[str] | None = None,
    feature_set: str = "full",
    progress: Progress | None = None,
) -> Row:
    """Features of one pair of files.

    Parameters
    ----------
    original, defaced : path
    brain_mask : path, optional
        Found as :func:`defaceqa.assess` finds it when not given.
    feature_set : {"full", "paper-ism"}
        ``paper-ism``: the four numbers of image-similarity-measures, on the same renders.
    progress : callable, optional
        Told the name of each slow step.

    Returns
    -------
    dict
        File names, render settings, then the features; for the full set also why some are undefined, and flags.

    Raises
    ------
    InputError
        A pair that cannot be judged.
    """
    say = progress or (lambda step: None)
    say("reading both images")
    paper = feature_set == "paper-ism"  # which knows no brain
    pair, _ = load_masked_pair(original, defaced, brain_mask=brain_mask, search_mask=not paper)
    row: dict[str, str | float] = {"original": pair.original.name, "defaced": pair.defaced.name}
    row["settings_hash"] = renders.settings_hash()
    if paper:
        say("rendering five views")
        return row | _paper_ism(pair)
    with ThreadPoolExecutor(max_workers=1) as pool:
        anatomy = pool.submit(locate, pair.original, with_brain=pair.brain is None)
        features = extract(pair, anatomy=anatomy, progress=progress)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in features.undefined.items())
    return row | features.values | {"undefined": reasons, "flags": "; ".join(features.flags)}


def feature_table(rows: Sequence[Row]) -> str:
    """Rows as TSV with a header line."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _cell(value) for name, value in row.items()} for row in rows])
    return stream.getvalue()


def describe_features() -> str:
    """The table of features as TSV: name, unit, range, direction, meaning, source."""
    return feature_table(
        [
            {
                "name": feature.name,
                "unit": feature.unit,
                "low": feature.low,
                "high": feature.high,
                "higher_means": feature.direction,
                "meaning": feature.meaning,
                "source": feature.source,
            }
            for feature in FEATURES.values()
        ]
    )


def _paper_ism(pair: Pair) -> dict[str, float]:
    from defaceqa.features.paper_ism import paper_ism_features

    working = working_pair(pair)
    focus_mm = renders.camera_focus_mm(working.head, working.origin_mm)
    original, defaced = renders.render_views(list(pair_surfaces(working)), focus_mm)
    return paper_ism_features(original, defaced)


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.9g}" if math.isfinite(value) else ("inf" if math.isinf(value) else UNDEFINED)
