"""The mean head as drawings that are nobody's: outlines of its regions, to be filled with colour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from defaceqa.anatomy.patches import REGION_WORDS, REGIONS
from defaceqa.report.colours import BESIDE_REGIONS, grade, region_colour
from defaceqa.report.words import percent
from defaceqa.shipped import shipped_folder

VIEW_WORDS = {"left_profile": "from the left", "frontal": "from the front", "right_profile": "from the right"}


@lru_cache(maxsize=1)
def head_views() -> dict[str, Any]:
    """Drawing of the mean head that ships with the package: per view shade, head outline and region outlines."""
    record: dict[str, Any] = json.loads((shipped_folder("template") / "views.json").read_text(encoding="utf-8"))
    return record


def residuals(features: Mapping[str, float | None]) -> dict[str, float | None]:
    """Share left of each region, None where it was not measured."""
    return {region: features.get(f"residual_{region}") for region in REGIONS}


def region_rows(features: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """What a page says of each region, in words and colour, and whether a criterion asks for it."""
    left = residuals(features)
    return [
        {
            "name": name,
            "words": words,
            "share": left[name],
            "percent": percent(left[name]),
            "grade": grade(left[name]),
            "colour": region_colour(name, left[name]),
            "asked": name not in BESIDE_REGIONS,
        }
        for name, words in REGION_WORDS.items()
    ]


def coloured_views(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The three drawings, each region with its row."""
    drawing = head_views()
    by_name = {row["name"]: row for row in rows}
    views = [
        {
            "name": name,
            "words": VIEW_WORDS[name],
            "shade": view["shade"],
            "head": view["head"],
            "regions": [{"path": path, **by_name[region]} for region, path in view["regions"].items()],
        }
        for name, view in drawing["views"].items()
    ]
    return {"size": drawing["size"], "views": views}
