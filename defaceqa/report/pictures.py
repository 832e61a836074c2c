"""Arrays to pictures for a page, and the one place that decides which pixels of a scan may be seen.

Without faces: never a pixel of the original; of the defaced image only when its face verdict is pass. What else there
is to show is drawn on the mean head.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from defaceqa.features.evidence import Evidence, Section
from defaceqa.renders import BACKGROUND, VIEWS

ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

SECTION_PIXEL_MM = 0.5
"""Slices are enlarged to this, so that outlines are smooth."""

MAX_SECTION_PX = 900
REMOVED_RGB = (224, 60, 43)
REMOVED_BESIDE_RGB = (110, 32, 25)
OUTLINE_RGB = (20, 170, 170)
DIFFERENCE_RGB = (224, 60, 43)
SCHEMATIC_GREY = 120

THUMBNAIL_PX = 160
THUMBNAIL_CROP = (36, 16, 476, 456)
"""The part of a 512 px frontal render that holds the head."""


@dataclass(frozen=True)
class Seen:
    """Which pixels a page may show.

    Parameters
    ----------
    original, defaced : bool
    """

    original: bool
    defaced: bool


def may_be_seen(record: Mapping[str, Any], *, with_faces: bool) -> Seen:
    """Decide what a page of this record may show of the scan."""
    return Seen(original=with_faces, defaced=with_faces or record["face"]["verdict"] == "pass")


def view_pictures(evidence: Evidence | None, seen: Seen) -> list[dict[str, str]]:
    """Data URIs of the five views, as far as they may be seen; an empty list when none may."""
    if evidence is None or not seen.defaced:
        return []
    rows = []
    for number, name in enumerate(VIEWS):
        row = {"name": name, "words": name.replace("_", " "), "defaced": render_uri(evidence.defaced_views[number])}
        if seen.original:
            row["original"] = render_uri(evidence.original_views[number])
            row["difference"] = difference_uri(evidence.original_views[number], evidence.defaced_views[number])
        rows.append(row)
    return rows


def section_pictures(evidence: Evidence | None, seen: Seen) -> list[dict[str, Any]]:
    """Slices through the worst place with brain outline and removed voxels, on pixels that may be seen."""
    if evidence is None:
        return []
    return [_section(section, seen) for section in evidence.sections]


def thumbnail(evidence: Evidence | None, seen: Seen) -> bytes | None:
    """Small frontal view of the defaced head as WebP; None when it may not be seen."""
    if evidence is None or not seen.defaced:
        return None
    picture = _render(evidence.defaced_views[list(VIEWS).index("frontal")]).crop(THUMBNAIL_CROP)
    return _webp(picture.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX))


def render_uri(view: ByteArray) -> str:
    """A grey render on a transparent background."""
    return _uri(_webp(_render(view)))


def difference_uri(original: ByteArray, defaced: ByteArray) -> str:
    """Where two renders differ, in red over the pale outline of both."""
    head = (original != BACKGROUND) | (defaced != BACKGROUND)
    amount = np.abs(original.astype(np.int16) - defaced.astype(np.int16)).clip(0, 96) / np.float32(96)
    pale = np.float32(214)
    colours = [pale + amount * (np.float32(value) - pale) for value in DIFFERENCE_RGB]
    picture = np.stack([*colours, np.where(head, 255, 0)], axis=-1).astype(np.uint8)
    return _uri(_webp(Image.fromarray(picture)))


def _section(section: Section, seen: Seen) -> dict[str, Any]:
    if seen.defaced:
        base, on = section.defaced, "the defaced scan"
    elif section.mean_head is not None:
        base, on = section.mean_head, "the mean head"
    else:
        base, on = np.where(section.brain, SCHEMATIC_GREY, 0).astype(np.uint8), "the brain mask"
    row = {
        "plane": section.plane,
        "number": section.number,
        "count": section.count,
        "on": on,
        "removed": bool((section.removed & section.brain).any()),
        "left": section.plane in ("axial", "coronal"),
        "picture": _uri(_webp(_overlaid(section, base))),
    }
    if seen.original:
        row["original"] = _uri(_webp(_overlaid(section, section.original, marked=False)))
    return row


def _overlaid(section: Section, base: ByteArray, *, marked: bool = True) -> Image.Image:
    height, width = (size * mm for size, mm in zip(base.shape, section.pixel_mm, strict=True))
    scale = min(1 / SECTION_PIXEL_MM, MAX_SECTION_PX / max(height, width))
    size = round(width * scale), round(height * scale)
    grey = np.asarray(Image.fromarray(base).resize(size, Image.Resampling.BICUBIC))
    brain, removed, shown = (_enlarged(mask, size) for mask in (section.brain, section.removed, section.shown))
    picture = np.dstack([grey, grey, grey, np.where(shown, 255, 0).astype(np.uint8)])
    if marked:
        # darker where brain was lost than around it, so that the two can be told apart
        picture[removed & shown & ~brain, :3] = REMOVED_BESIDE_RGB
        picture[removed & brain, :3] = REMOVED_RGB
        picture[brain & ~ndimage.binary_erosion(brain, iterations=2), :3] = OUTLINE_RGB
    return Image.fromarray(picture)


def _enlarged(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(grey) > 127


def _render(view: ByteArray) -> Image.Image:
    head = view != BACKGROUND
    return Image.fromarray(np.dstack([np.where(head, view, 200), np.where(head, 255, 0)]).astype(np.uint8), "LA")


def _webp(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.convert("RGBA").save(stream, "WEBP", quality=82, method=1)
    return stream.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode()
