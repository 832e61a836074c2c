"""Numbers and verdicts in the words a page uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_KNOWN = "–"

FACE_WORDS = {
    "pass": "The face is gone",
    "review": "A person should look at the face",
    "fail": "The face is still there",
}
BRAIN_WORDS = {
    "pass": "The brain is whole",
    "review": "The brain may have been cut",
    "fail": "The brain was cut",
}
OVERALL_WORDS = {
    "pass": "Judged, and nothing found against it",
    "review": "A person should look at this scan",
    "fail": "Not fit to be shared as it is",
    "error": "Could not be judged",
}
SIGNS = {"pass": "✓", "review": "?", "fail": "✕", "error": "–"}
"""A sign beside every colour, so that colour is never the only thing that speaks."""


def percent(share: float | None) -> str:
    """A share as "92 %", never rounded to 0 or 100 when it is not."""
    if share is None or math.isnan(share):
        return NOT_KNOWN
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def number(value: float | None, unit: str = "1") -> str:
    """A value with its unit, to about three digits."""
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if value == 0:
        text = "0"
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    elif abs(value) >= 1:
        text = f"{value:.2f}"
    elif abs(value) >= 0.001:
        text = f"{value:.3f}"
    else:
        text = f"{value:.1e}"
    return text if unit == "1" else f"{text} {unit}"


def brain_words(brain: Mapping[str, Any]) -> str:
    """Headline for the brain's verdict."""
    return BRAIN_WORDS[brain["verdict"]] if brain["judged"] else "The brain was not judged"


def brain_detail(brain: Mapping[str, Any]) -> str:
    """What the brain's reason says beyond its headline."""
    reason, headline = str(brain["reason"]), brain_words(brain)
    if reason.lower().startswith(headline.lower()):
        return reason[len(headline) :].strip(" :()")
    return reason.split(":")[0] if not brain["judged"] else reason
