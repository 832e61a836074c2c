"""Colours for what is left of a region: told apart by the colour-blind, and by lightness in grey print."""

from __future__ import annotations

import math

from defaceqa.verdict.reasons import GONE_BELOW, PRESENT_ABOVE

GONE = "#7db6d5"
TRACE = "#f4d27a"
PRESENT = ((240, 158, 74), (163, 38, 26))
"""From just above a trace to all of it."""

BESIDE = ((222, 218, 210), (139, 135, 128))
"""Regions the criteria do not ask for, from gone to all there."""

HEAD = "#e9e4da"
"""Skin of no region, and the front of the neck."""

BESIDE_REGIONS = frozenset({"left_ear", "right_ear", "forehead"})
"""Regions that may stay under both criteria."""

UNKNOWN = "url(#unknown)"
"""Hatching: not measured."""


def region_colour(region: str, share: float | None) -> str:
    """SVG fill for a region of which this share is left; hatching when it was not measured."""
    if share is None or math.isnan(share):
        return UNKNOWN
    if region in BESIDE_REGIONS:
        return _between(BESIDE, share)
    if share < GONE_BELOW:
        return GONE
    if share <= PRESENT_ABOVE:
        return TRACE
    return _between(PRESENT, (share - PRESENT_ABOVE) / (1 - PRESENT_ABOVE))


def grade(share: float | None) -> str:
    """Word for the same scale: gone, a trace, still there, not measured."""
    if share is None or math.isnan(share):
        return "not measured"
    if share < GONE_BELOW:
        return "gone"
    return "a trace" if share <= PRESENT_ABOVE else "still there"


def _between(ends: tuple[tuple[int, int, int], tuple[int, int, int]], share: float) -> str:
    mixed = (round(low + (high - low) * min(max(share, 0.0), 1.0)) for low, high in zip(*ends, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
