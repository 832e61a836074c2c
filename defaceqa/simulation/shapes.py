"""Solids as distance fields on a box-shaped grid, added, carved and blended: enough to model a head with.

A field holds for each grid point the distance to the surface in mm, negative inside; near the surface it is exact to a
few per cent, which is all that layers of skin and fat need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Point = tuple[float, float, float]
Axes = tuple[Field, Field, Field]
Window = tuple[slice, slice, slice]

FAR_MM = 50.0
"""Distance a field starts with before the first part is added."""

REACH_MM = 10.0
"""A part is evaluated this far beyond its bounds and its blend; the layers painted under the skin need no more."""


@dataclass(frozen=True)
class Part:
    """One solid of a model.

    Parameters
    ----------
    distance : callable
        From broadcastable x, y, z in mm to distance in mm.
    low, high : tuple of float
        Corners of the box that holds the solid, mm.
    how : {"add", "carve"}
    blend_mm : float
        Width over which the solid flows into what is there already.
    """

    distance: Callable[[Field, Field, Field], Field]
    low: Point
    high: Point
    how: Literal["add", "carve"] = "add"
    blend_mm: float = 0.0


def ellipsoid(
    centre: Point, radii: Point, *, blend_mm: float = 0.0, how: Literal["add", "carve"] = "add", turn_deg: float = 0.0
) -> Part:
    """Ellipsoid, turned about the vertical axis when asked for.

    Parameters
    ----------
    centre, radii : tuple of float
        mm.
    turn_deg : float
        Counter-clockwise seen from above.
    """
    cosine, sine = float(np.cos(np.radians(turn_deg))), float(np.sin(np.radians(turn_deg)))

    def distance(x: Field, y: Field, z: Field) -> Field:
        dx, dy, dz = x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
        if turn_deg:
            dx, dy = cosine * dx + sine * dy, cosine * dy - sine * dx
        sides = [(d / np.float32(r)) ** 2 for d, r in zip((dx, dy, dz), radii, strict=True)]
        slopes = [s / np.float32(r * r) for s, r in zip(sides, radii, strict=True)]
        level = np.sqrt(sides[0] + sides[1] + sides[2])
        return np.asarray(level * (level - 1) / np.sqrt(slopes[0] + slopes[1] + slopes[2] + np.float32(1e-9)))

    widest = (max(radii[:2]),) * 2 + (radii[2],) if turn_deg else radii
    low = (centre[0] - widest[0], centre[1] - widest[1], centre[2] - widest[2])
    high = (centre[0] + widest[0], centre[1] + widest[1], centre[2] + widest[2])
    return Part(distance, low, high, how, blend_mm)


def rod(
    start: Point,
    end: Point,
    radius_start_mm: float,
    radius_end_mm: float | None = None,
    *,
    blend_mm: float = 0.0,
    how: Literal["add", "carve"] = "add",
) -> Part:
    """Rod with round ends whose radius may change along the way, mm."""
    last = radius_start_mm if radius_end_mm is None else radius_end_mm
    a, b = np.array(start, np.float32), np.array(end, np.float32)
    length2 = np.float32(((b - a) ** 2).sum())

    def distance(x: Field, y: Field, z: Field) -> Field:
        dx, dy, dz = x - a[0], y - a[1], z - a[2]
        along = np.clip((dx * (b - a)[0] + dy * (b - a)[1] + dz * (b - a)[2]) / length2, 0, 1)
        offset = (dx - along * (b - a)[0]) ** 2 + (dy - along * (b - a)[1]) ** 2 + (dz - along * (b - a)[2]) ** 2
        return np.asarray(np.sqrt(offset) - np.float32(radius_start_mm) - along * np.float32(last - radius_start_mm))

    widest = max(radius_start_mm, last)
    low, high = np.minimum(a, b) - widest, np.maximum(a, b) + widest
    return Part(distance, _point(low), _point(high), how, blend_mm)


def both_sides(make: Callable[[float], Part]) -> list[Part]:
    """Make a part for the left (``-1``) and for the right side (``+1``)."""
    return [make(-1.0), make(1.0)]


def build(parts: Sequence[Part], axes_mm: Sequence[NDArray[np.float64]]) -> Field:
    """Distance field of a model on the grid spanned by three axes.

    Parameters
    ----------
    parts : sequence of Part
        Applied in order.
    axes_mm : three arrays
        Increasing positions along x, y, z.

    Returns
    -------
    ndarray of float32, shape (len(x), len(y), len(z))
        Distance to the surface in mm, negative inside, ``FAR_MM`` far from every part.
    """
    field = np.full([len(axis) for axis in axes_mm], FAR_MM, np.float32)
    for part in parts:
        window = box_window(axes_mm, part.low, part.high, part.blend_mm + REACH_MM)
        view = field[window]
        if view.size:
            view[...] = _combine(view, part.distance(*open_axes(axes_mm, window)), part)
    return field


def box_window(axes_mm: Sequence[NDArray[np.float64]], low: Point, high: Point, margin_mm: float) -> Window:
    """Slices of the grid that hold a box."""
    found = []
    for axis, first, last in zip(axes_mm, low, high, strict=True):
        start, stop = np.searchsorted(axis, (first - margin_mm, last + margin_mm))
        found.append(slice(int(start), int(stop)))
    return found[0], found[1], found[2]


def open_axes(axes_mm: Sequence[NDArray[np.float64]], window: Window) -> Axes:
    """The coordinates of a window as three arrays that broadcast against each other."""
    x, y, z = (axis[part].astype(np.float32) for axis, part in zip(axes_mm, window, strict=True))
    return x[:, None, None], y[None, :, None], z[None, None, :]


def _combine(field: Field, other: Field, part: Part) -> Field:
    if part.how == "carve":
        return -_smooth_minimum(-field, other, part.blend_mm)
    return _smooth_minimum(field, other, part.blend_mm)


def _smooth_minimum(first: Field, second: Field, blend_mm: float) -> Field:
    """Minimum whose corner is rounded over ``blend_mm`` (Quilez' polynomial)."""
    smaller = np.minimum(first, second)
    if blend_mm <= 0:
        return smaller
    near = np.maximum(blend_mm - np.abs(first - second), 0) / np.float32(blend_mm)
    return np.asarray(smaller - near * near * np.float32(blend_mm / 4))


def _point(values: NDArray[np.floating]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
