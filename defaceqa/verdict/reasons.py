"""The words for a verdict: what is left, what is gone, what changed too little.

Everything here turns numbers into short clauses a person understands; nothing here decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from defaceqa.anatomy.patches import FACIAL_REGIONS, REGION_WORDS

Features = Mapping[str, float]

GONE_BELOW = 0.05
PRESENT_ABOVE = 0.25
"""Residual of a region: below 5 % it is gone, up to 25 % a trace, above that present."""

CHEEKS_WORTH_SAYING = 0.5
"""Cheeks and jaw are mentioned from here on: the strict criterion asks for less than half of them."""

ALTERED_BRAIN_WORTH_SAYING = 0.05
"""Share of brain voxels with changed (not removed) values that is mentioned; it changes no verdict."""

WORTH_SAYING_LOG_ODDS = 0.2
"""Contributions smaller than this move the probability by at most 0.05 and are left out."""

FEATURE_REASONS = 4
"""Reasons from single features, at most; each family of features speaks once."""

BETWEEN = "the face lies between clearly gone and clearly left"

NO_SINGLE_REASON: Mapping[str, str] = {
    "pass": "all measures of the face together are those of a good defacing",
    "fail": "all measures of the face together are those of a face still there",
}


def left(features: Features) -> list[str]:
    """Facial features that are left, most first, then cheeks and jaw."""
    there = [pair for pair in facial_residuals(features) if _grade(pair[1]) != "gone"]
    words = [_left_word(*pair) for pair in sorted(there, key=lambda pair: -pair[1])]
    cheeks = value_of(features, "residual_cheeks_jaw")
    return words + ([f"cheeks and jaw {_percent(cheeks)} still there"] if cheeks >= CHEEKS_WORTH_SAYING else [])


def gone(features: Features) -> list[str]:
    """What is gone in one clause, then the facial features that are not."""
    absent = [words for words, value in facial_residuals(features) if _grade(value) == "gone"]
    if not absent:
        return left(features)
    plural = len(absent) > 1 or absent[0] == "both eyes"
    return [f"{_listed(absent)} {'are' if plural else 'is'} gone", *left(features)]


def untouched(features: Features) -> str:
    """Clause for a pair in which nothing changed."""
    same = all(value_of(features, name) == 0 for name in ("head_altered_fraction", "head_removed_fraction"))
    return "the defaced scan is identical to the original" if same else "nothing of the head was changed"


def brain_cut(removed_ml: float, piece_ml: float, depth_mm: float) -> str:
    """How much brain was removed, and where; what is NaN is left out."""
    words = f"{_ml(removed_ml)} removed"
    if not math.isnan(piece_ml):
        words += f", the largest piece {_ml(piece_ml)}"
    if not math.isnan(depth_mm):
        words += f", down to {depth_mm:.0f} mm under its surface"
    return words


def _ml(volume_ml: float) -> str:
    return f"{volume_ml:.1f} mL" if volume_ml >= 0.1 else f"{volume_ml:.2f} mL"


def brain_altered(features: Features) -> list[str]:
    """Clause for changed values inside the brain, when there are enough of them."""
    removed = value_of(features, "brain_removed_fraction")
    changed = value_of(features, "brain_altered_fraction") - (0.0 if math.isnan(removed) else removed)
    return [f"values changed in {_percent(changed)} of the brain"] if changed > ALTERED_BRAIN_WORTH_SAYING else []


def out_of_range(columns: Sequence[str]) -> list[str]:
    """Clause for features beyond anything in training."""
    if not columns:
        return []
    shown = _listed(columns) if len(columns) <= 3 else f"{', '.join(columns[:3])} and {len(columns) - 3} more"
    return [f"outside the range the model was trained on: {shown}"]


def single_features(features: Features, contributions: Features, *, towards_insufficient: bool) -> list[str]:
    """Clauses for the strongest single features that speak for one side; ties in the order of their names.

    Region residuals have clauses of their own (`left`, `gone`) and the brain has its own verdict, so both are skipped.
    """
    sign = 1.0 if towards_insufficient else -1.0
    words: dict[str, str] = {}
    for name, share in sorted(contributions.items(), key=lambda item: (-sign * item[1], item[0])):
        family, value = _family(name), value_of(features, name)
        if sign * share < WORTH_SAYING_LOG_ODDS or len(words) == FEATURE_REASONS:
            break
        if family not in ("residual", "brain", *words) and not math.isnan(value):
            words[family] = _FAMILY_WORDS.get(family, _plain_words)(name, value, towards_insufficient)
    return list(words.values())


def facial_residuals(features: Features) -> list[tuple[str, float]]:
    """Words and residual of eyes, nose and mouth where defined; the eyes are one when both are in the same state."""
    values = {REGION_WORDS[name]: value_of(features, f"residual_{name}") for name in FACIAL_REGIONS}
    eyes = values["left eye"], values["right eye"]
    if not math.isnan(sum(eyes)) and _grade(eyes[0]) == _grade(eyes[1]):
        values = {"both eyes": max(eyes), "nose": values["nose"], "mouth": values["mouth"]}
    return [(words, value) for words, value in values.items() if not math.isnan(value)]


def value_of(features: Features, name: str) -> float:
    """Value of a feature, NaN when the row has no such column."""
    return features.get(name, math.nan)


def _grade(residual: float) -> Literal["gone", "trace", "present"]:
    if residual < GONE_BELOW:
        return "gone"
    return "trace" if residual <= PRESENT_ABOVE else "present"


def _left_word(words: str, value: float) -> str:
    if _grade(value) == "present":
        return f"{words} {_percent(value)} still there"
    article = "" if words.startswith("both") else "the "
    return f"a trace of {article}{words} is left ({_percent(value)})"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.005 else f"{round(100 * share)} %"


_SIMILARITY = ("fsim", "ssim", "psnr", "rmse")
_FAMILIES = ("residual", "head_removed", "head_altered", "brain", "masd_face", "hd95_face")


def _family(name: str) -> str:
    if name.startswith(_SIMILARITY):
        return "similarity"
    return next((family for family in _FAMILIES if name.startswith(family)), name)


_NEARLY_SAME: Mapping[str, Callable[[float], bool]] = {
    "fsim": lambda value: value >= 0.95,
    "ssim": lambda value: value >= 0.95,
    "psnr": lambda value: value >= 25.0,
    "rmse": lambda value: value <= 14.0,
}
"""Where a person flicking between two renders has to search for the difference."""


def _similarity_words(name: str, value: float, insufficient: bool) -> str:
    measure, _, where = name.partition("_")
    where = where.removeprefix("head_").replace("_", " ")
    seen = "the five views" if where == "mean" else f"the {where} view"
    number = f"{measure.upper()} {value:.{1 if measure in ('psnr', 'rmse') else 2}f}"
    if not insufficient:
        how = "changed clearly"
    else:
        how = "hardly changed" if _NEARLY_SAME[measure](value) else "changed too little"
    return f"{seen} {how} ({number})"


def _amount(name: str, value: float) -> str:
    return f"{_percent(value)} of the head" if name.endswith("fraction") else f"{value:.0f} mL of the head"


def _change_words(done: str, name: str, value: float, insufficient: bool) -> str:
    if value <= 0:
        return f"nothing of the head was {done}"
    return f"{'only ' if insufficient else ''}{_amount(name, value)} was {done}"


def _distance_words(name: str, value: float, insufficient: bool) -> str:
    which = "on average" if name.startswith("masd") else "for all but its last 5 %"
    return f"the skin of the face moved {'only ' if insufficient else ''}{value:.1f} mm {which}"


def _plain_words(name: str, value: float, insufficient: bool) -> str:
    side = "an insufficient" if insufficient else "a good"
    return f"{name.replace('_', ' ')} = {value:.3g} speaks for {side} defacing"


_FAMILY_WORDS: Mapping[str, Callable[[str, float, bool], str]] = {
    "similarity": _similarity_words,
    "head_removed": partial(_change_words, "removed"),
    "head_altered": partial(_change_words, "changed"),
    "masd_face": _distance_words,
    "hd95_face": _distance_words,
}
