"""An original made ready for controlled defacing: how deep every voxel lies, and under which skin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from defaceqa.anatomy.patches import REGIONS, HeadFrame, head_frame, region_of
from defaceqa.errors import InputError
from defaceqa.head import (
    WORKING_SPACING_MM,
    fill_holes,
    from_working_grid,
    head_mask,
    head_threshold,
    intensity_levels,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.volumes import Volume

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

CLOSING_MM = 6.0
"""Nostrils, ear canals and lips narrower than twice this are closed before depth is measured."""


@dataclass(frozen=True)
class Face:
    """An original with its depth map; masks are made on the working grid and carried to the image at the end.

    Parameters
    ----------
    volume : Volume
    landmarks_mm : dict
        Grid mm; missing ones absent.
    brain : ndarray of bool, shape of ``volume``
    frame : HeadFrame
        Axes of the face.
    middle : ndarray, shape (3,)
        Middle between the eyes, in the frame.
    threshold, air, air_spread, tissue : float
        Intensity levels of the original.
    depth_mm : ndarray of float32
        On the working grid: distance to the outer skin, positive inside the head, negative in the air.
    nearest : ndarray of int
        On the working grid: index of the nearest skin voxel in ``skin_mm``.
    skin_mm : ndarray, shape (n, 3)
        Outer skin voxels, grid mm.
    skin_region : ndarray of int, shape (n,)
        0 for no region, else index in ``REGIONS`` + 1.
    remembered : dict
        Results of :meth:`once`.
    """

    volume: Volume
    landmarks_mm: dict[str, NDArray[np.float64]]
    brain: BoolArray
    frame: HeadFrame
    middle: NDArray[np.float64]
    threshold: float
    air: float
    air_spread: float
    tissue: float
    depth_mm: FloatArray
    nearest: NDArray[np.int32]
    skin_mm: FloatArray
    skin_region: NDArray[np.int8]
    remembered: dict[str, FloatArray] = field(default_factory=dict)

    @cached_property
    def skin(self) -> FloatArray:
        """Skin voxels as right, front, top of the middle between the eyes, in mm of an adult's face, shape (n, 3)."""
        return self.framed(self.skin_mm)

    @cached_property
    def voxels(self) -> FloatArray:
        """Working-grid voxels as right, front, top of the middle between the eyes, shape (x, y, z, 3)."""
        origin = working_origin_mm(self.volume.shape, self.volume.spacing_mm)
        axes = [o + WORKING_SPACING_MM * np.arange(n) for o, n in zip(origin, self.depth_mm.shape, strict=True)]
        return self.framed(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))

    def once(self, key: str, make: Callable[[], FloatArray]) -> FloatArray:
        """What ``make`` gives, remembered under a name: a real tool that several outcomes start from runs once."""
        if key not in self.remembered:
            self.remembered[key] = make()
        return self.remembered[key]

    @cached_property
    def working_brain(self) -> BoolArray:
        """The brain on the working grid."""
        return np.asarray(to_working_grid(self.brain, self.volume.spacing_mm) >= 0.5)

    @cached_property
    def brain_distance_mm(self) -> FloatArray:
        """Distance of each working-grid voxel to the brain, 0 inside."""
        return np.asarray(ndimage.distance_transform_edt(~self.working_brain) * WORKING_SPACING_MM, np.float32)

    def framed(self, points_mm: ArrayLike) -> FloatArray:
        """Grid mm to right, front, top of the middle between the eyes, in mm of an adult's face."""
        return np.asarray(self.frame(points_mm) - self.middle, np.float32)

    def landmark(self, name: str) -> NDArray[np.float64] | None:
        """A landmark as right, front, top of the middle between the eyes; None when it is not in view."""
        point = self.landmarks_mm.get(name)
        return None if point is None else self.frame(point) - self.middle

    def skin_of(self, *regions: str) -> BoolArray:
        """Which skin voxels belong to any of these regions, shape (n,)."""
        return np.isin(self.skin_region, [REGIONS.index(region) + 1 for region in regions])

    def grown(self, chosen: BoolArray, margin_mm: float) -> BoolArray:
        """Chosen skin and all skin within a margin of it, shape (n,)."""
        if not chosen.any() or margin_mm <= 0:
            return chosen
        distance, _ = cKDTree(self.skin_mm[chosen]).query(self.skin_mm, distance_upper_bound=margin_mm)
        return np.asarray(np.isfinite(distance))

    def under(self, chosen: BoolArray, depth_mm: float = np.inf, *, ahead_mm: float = 8.0) -> BoolArray:
        """Working-grid voxels whose nearest skin is chosen, from the air before it down to a depth."""
        deep_enough = (self.depth_mm <= depth_mm) & (self.depth_mm >= -ahead_mm)
        return np.asarray(deep_enough & chosen[self.nearest])

    def on_image(self, mask: BoolArray) -> BoolArray:
        """A working-grid mask on the grid of the image."""
        return from_working_grid(mask, self.volume.shape, self.volume.spacing_mm)

    def values_on_image(self, values: FloatArray) -> FloatArray:
        """Working-grid values on the grid of the image, interpolated."""
        if values.shape == self.volume.shape:
            return values
        spacing = self.volume.spacing_mm
        start = working_origin_mm(self.volume.shape, spacing)
        step, shift = np.diag(spacing) / WORKING_SPACING_MM, -start / WORKING_SPACING_MM
        shape = self.volume.shape
        return ndimage.affine_transform(values, step, shift, output_shape=shape, order=1, mode="nearest")


def prepare_face(volume: Volume, landmarks_mm: Mapping[str, ArrayLike], brain: BoolArray) -> Face:
    """Measure an original once, so that many defacings of it can be made quickly.

    Parameters
    ----------
    volume : Volume
    landmarks_mm : mapping
        Careful landmarks in grid mm; absent or NaN when outside the field of view. Both eyes are needed.
    brain : ndarray of bool, shape of ``volume``

    Returns
    -------
    Face

    Raises
    ------
    InputError
        An eye, or every landmark below it, is missing.
    """
    known = {name: np.asarray(point, np.float64) for name, point in landmarks_mm.items()}
    known = {name: point for name, point in known.items() if np.isfinite(point).all()}
    frame = head_frame(known)
    if frame is None or not {"left_eye", "right_eye"} <= set(known):
        raise InputError(
            f"The landmarks of {volume.name} are {', '.join(sorted(known)) or 'empty'}; expected both eyes and a point "
            "above or below them to know where the face is. Leave this head out, or add its landmarks."
        )
    working = to_working_grid(volume.data, volume.spacing_mm)
    air, spread, tissue = intensity_levels(working)
    threshold = head_threshold(working)
    depth_mm, nearest, skin_mm = _depth(head_mask(working, threshold))
    skin_mm += working_origin_mm(volume.shape, volume.spacing_mm).astype(np.float32)
    middle = frame((known["left_eye"] + known["right_eye"]) / 2)
    regions = region_of(skin_mm, known)
    return Face(
        volume, known, brain, frame, middle, threshold, air, spread, tissue, depth_mm, nearest, skin_mm, regions
    )  # fmt: skip


def closed_head(head: BoolArray) -> BoolArray:
    """Head with sinuses, airway, nostrils and ear canals filled, so that its border is the outer skin."""
    margin = int(np.ceil(CLOSING_MM / WORKING_SPACING_MM)) + 1
    padded = np.pad(head, margin, mode="edge")
    near = ndimage.distance_transform_edt(~padded) * WORKING_SPACING_MM <= CLOSING_MM
    closed = ndimage.distance_transform_edt(near) * WORKING_SPACING_MM > CLOSING_MM
    inner = (slice(margin, -margin),) * 3
    return fill_holes((closed | padded)[inner])


def _depth(head: BoolArray) -> tuple[FloatArray, NDArray[np.int32], FloatArray]:
    """Signed depth, index of the nearest skin voxel, and the skin voxels in mm from the first voxel."""
    closed = closed_head(head)
    skin = closed & ~ndimage.binary_erosion(closed, border_value=1)
    distance, where = ndimage.distance_transform_edt(~skin, return_indices=True)
    number = np.zeros(skin.shape, np.int32)
    number[skin] = np.arange(np.count_nonzero(skin), dtype=np.int32)
    depth_mm = np.where(closed, distance, -distance).astype(np.float32) * np.float32(WORKING_SPACING_MM)
    return depth_mm, number[tuple(where)], np.argwhere(skin).astype(np.float32) * np.float32(WORKING_SPACING_MM)
