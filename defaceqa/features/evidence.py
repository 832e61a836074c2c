"""What was seen on the way to the features, kept in memory for a report: renders, and two slices through the brain.

Never part of a record: pictures of an original, or of a defaced head that failed, identify a person. A slice holds
nothing but the brain and a few millimetres around it, so that no profile is left to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.registration import Anatomy
from defaceqa.anatomy.template import load_template
from defaceqa.features.loss import Change
from defaceqa.volumes import Pair

BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

AROUND_BRAIN_MM = 5.0
"""A slice shows this much around the brain; scalp and face lie further out."""

LARGEST_BRAIN_SHARE = 0.6
"""A "brain" that is more of the head than this is no brain: around it there might be a face."""

MEAN_HEAD_WHITE = 190.0
"""Value of the mean head that is drawn white."""

PLANES = {"axial": 2, "coronal": 1}
"""Slices that are kept, with the axis they are perpendicular to. A sagittal one would show a profile."""


@dataclass(frozen=True)
class Section:
    """One slice, cropped to the brain; row 0 is the front (axial) or the top (coronal), column 0 the person's left.

    Parameters
    ----------
    plane : str
        "axial" or "coronal".
    number, count : int
        Which slice of how many, on the original's grid.
    pixel_mm : tuple of float
        Height and width of a pixel.
    original, defaced : ndarray of uint8, shape (rows, columns)
        Blank (0) further than ``AROUND_BRAIN_MM`` from the brain.
    mean_head : ndarray of uint8, shape (rows, columns), or None
        The mean head in the same place; None when it could not be laid onto the original.
    brain, removed, shown : ndarray of bool, shape (rows, columns)
        Brain mask; voxels removed by the defacing, where they are shown; what is not blank.
    """

    plane: str
    number: int
    count: int
    pixel_mm: tuple[float, float]
    original: ByteArray
    defaced: ByteArray
    mean_head: ByteArray | None
    brain: BoolArray
    removed: BoolArray
    shown: BoolArray


@dataclass(frozen=True)
class Evidence:
    """Pictures of one pair, in memory only.

    Parameters
    ----------
    original_views, defaced_views : ndarray of uint8, shape (5, 512, 512)
        Renders in the order of ``VIEWS``.
    sections : tuple of Section
        Through the worst place; empty without a brain mask.
    original_path, defaced_path : Path or None
        Where the images lie, so that no report is written among them; never written anywhere.
    """

    original_views: ByteArray
    defaced_views: ByteArray
    sections: tuple[Section, ...] = ()
    original_path: Path | None = None
    defaced_path: Path | None = None


def gather(
    pair: Pair,
    views: Sequence[ByteArray],
    change: Change,
    brain: BoolArray | None,
    brain_share: float,
    anatomy: Anatomy | None,
) -> Evidence:
    """Keep what a report may need.

    Parameters
    ----------
    pair : Pair
    views : sequence of two ndarrays, shape (5, 512, 512)
        Renders of the original and of the defaced head.
    change : Change
        On the pair's grid.
    brain : ndarray of bool or None
        On the pair's grid.
    brain_share : float
        Brain volume over head volume.
    anatomy : Anatomy or None
        Where the mean head lies.

    Returns
    -------
    Evidence
    """
    believable = brain is not None and bool(brain.any()) and brain_share <= LARGEST_BRAIN_SHARE
    sections = tuple(_sections(pair, change, brain, anatomy)) if believable and brain is not None else ()
    return Evidence(views[0], views[1], sections, pair.original.path, pair.defaced.path)


def _sections(pair: Pair, change: Change, brain: BoolArray, anatomy: Anatomy | None) -> Iterator[Section]:
    spacing = pair.original.spacing_mm
    box = _box(brain, np.ceil(AROUND_BRAIN_MM / spacing).astype(int))
    inside, removed = brain[box], change.removed[box]
    whites = [_white(volume.data[box], inside & ~removed) for volume in (pair.original, pair.defaced)]
    for plane, axis in PLANES.items():
        at = _worst(inside, removed, axis)
        mask, others = _plane(inside, at, axis), tuple(a for a in range(3) if a != axis)
        pixel_mm = (float(spacing[others[0]]), float(spacing[others[1]]))
        shown = _around(mask, pixel_mm)
        place = [box[a].start for a in range(3)]
        first = np.array(place) + np.eye(3, dtype=int)[axis] * at
        mean = None
        if anatomy is not None and anatomy.located:
            mean = _mean_head(anatomy, first * spacing, mask.shape, others, spacing)
        yield Section(
            plane,
            int(first[axis]) + 1,
            pair.original.shape[axis],
            (pixel_mm[1], pixel_mm[0]),
            _picture(_plane(pair.original.data[box], at, axis), whites[0], shown),
            _picture(_plane(pair.defaced.data[box], at, axis), whites[1], shown),
            None if mean is None else _picture(mean, MEAN_HEAD_WHITE, shown),
            _upright(mask),
            _upright(_plane(removed, at, axis) & shown),
            _upright(shown),
        )


def _box(mask: BoolArray, margin: NDArray[np.int_]) -> tuple[slice, slice, slice]:
    found = ndimage.find_objects(mask.view(np.uint8))[0]
    first, second, third = (
        slice(max(0, part.start - int(more)), min(size, part.stop + int(more)))
        for part, more, size in zip(found, margin, mask.shape, strict=True)
    )
    return first, second, third


def _worst(brain: BoolArray, removed: BoolArray, axis: int) -> int:
    """Slice that lost most brain; when none was lost, the one with most brain."""
    others = tuple(a for a in range(3) if a != axis)
    lost = (brain & removed).sum(axis=others)
    return int(np.argmax(lost if lost.any() else brain.sum(axis=others)))


def _around(mask: BoolArray, pixel_mm: tuple[float, float]) -> BoolArray:
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=pixel_mm) <= AROUND_BRAIN_MM)


def _mean_head(
    anatomy: Anatomy,
    first_mm: NDArray[np.float64],
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    spacing: NDArray[np.float64],
) -> FloatArray:
    template = load_template()
    grid = np.indices(shape).reshape(2, -1)
    points_mm = np.repeat(first_mm[:, None], grid.shape[1], axis=1)
    for axis, steps in zip(axes, grid, strict=True):
        points_mm[axis] += steps * spacing[axis]
    inverse = np.linalg.inv(anatomy.matrix)
    found = inverse[:3, :3] @ points_mm + inverse[:3, 3:]
    index = (found - template.origin_mm[:, None]) / template.spacing_mm[:, None]
    return np.asarray(ndimage.map_coordinates(template.head, index, order=1).reshape(shape))


def _white(values: FloatArray, inside: BoolArray) -> float:
    """Value that is drawn white: the brightest brain that was kept."""
    return float(np.percentile(values[inside], 99.5)) if inside.any() else 0.0


def _picture(values: FloatArray, white: float, shown: BoolArray) -> ByteArray:
    scaled = np.clip(values * (255.0 / max(white, 1e-9)), 0, 255)
    return _upright(np.where(shown, scaled, 0).astype(np.uint8))


def _plane(data: NDArray[Any], at: int, axis: int) -> NDArray[Any]:
    return np.asarray(data.take(at, axis=axis))


def _upright(plane: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(plane.T[::-1])
