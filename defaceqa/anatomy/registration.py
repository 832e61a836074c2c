"""Where brain and face are in an original of any contrast: the mean head, laid onto it by an affine registration.

A coarse look around at 8 mm, the most promising poses tried at 4 mm, the best one refined to an affine, and from there
the face alone. SimpleITK does the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.brain import find_brain
from defaceqa.anatomy.images import (
    affine_of,
    as_affine,
    mask_like,
    matrix_of,
    template_image,
    to_image,
)
from defaceqa.anatomy.matching import Match
from defaceqa.anatomy.overlap import overlap
from defaceqa.anatomy.poses import look_around
from defaceqa.anatomy.template import Template, load_template
from defaceqa.head import (
    WORKING_SPACING_MM,
    head_mask,
    head_threshold,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.volumes import Volume

if TYPE_CHECKING:
    import SimpleITK

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Matrix = NDArray[np.float64]

FINE_MM = 4.0
TRIED_OUT = 4
"""How many of the poses found by the look around are tried at 4 mm; the one with the least cost there is refined."""

REFINED = 2
SURE_QUALITY = 0.86
"""Overlap from which the first pose is taken; below it, the next one is refined as well."""

SHARE = 0.25
"""Share of voxels that is compared at 4 mm, evenly spread: the fit is as good, and sooner found."""

FACE_DROPS_MM = (0.0, -20.0)
"""Where the face is begun from, along z: children's faces are shorter, and a fit stops at the wrong feature."""

MAX_STRETCH = 1.35
"""Largest over smallest stretch from the mean head to a head; twelve adults and a child stay below 1.16."""

RIM_MM = 24.0
"""Air kept around a head where it is not cut."""

CUT_CM2 = 20.0
"""A head whose last slice is larger than this ends in a flat cut there."""

FACE_DEPTH_MM = 70.0
FACE_RIM_MM = 25.0
"""The last step looks only at the face: this deep behind the nasion, this far above the brows and below the chin."""

MIN_QUALITY = 0.84
"""Overlap (Dice) of head masks below which the location is not believed.

Of 158 volumes outside the mean head (adults, children, painted T1w, T2w and FLAIR) all have 0.844 and more; a
skull-stripped head reaches 0.80, heavily cut ones 0.63 to 0.79. It does not tell all: a misplaced painted head may
reach 0.86.
"""


@dataclass(frozen=True)
class Anatomy:
    """Where brain and face are in one original.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm of the original, closest at the face.
    quality : float
        Dice overlap of the two heads where both are in view, 0 to 1.
    landmarks_mm : dict
        Facial landmarks in grid mm.
    located : bool
        False when the quality is too low for brain and regions to be believed.
    flags : tuple of str
        Why not, in plain words.
    brain : ndarray of bool, shape (x, y, z), or None
        Brain on the working grid (:mod:`defaceqa.anatomy.brain`); None when not located.
    """

    matrix: Matrix
    quality: float
    landmarks_mm: dict[str, NDArray[np.float64]]
    located: bool
    flags: tuple[str, ...] = ()
    brain: BoolArray | None = None


def locate(volume: Volume, *, with_brain: bool = True) -> Anatomy:
    """Find brain and face in an original.

    Parameters
    ----------
    volume : Volume
        Head MRI of any contrast.
    with_brain : bool
        Whether to find the brain too; not needed when a mask of it is given.

    Returns
    -------
    Anatomy
        ``located`` is False, with a flag, when the registration cannot be believed.
    """
    template = load_template()
    data = to_working_grid(volume.data, volume.spacing_mm)
    origin_mm = working_origin_mm(volume.shape, volume.spacing_mm)
    head = head_mask(data, head_threshold(data))
    blanked = np.where(head, data, np.float32(0))
    of_head = register(template, blanked, head, origin_mm)
    matrix = register_face(template, of_head, blanked, head, origin_mm)
    quality = overlap(template, of_head, head, origin_mm)
    landmarks = {name: matrix[:3, :3] @ point + matrix[:3, 3] for name, point in template.landmarks_mm.items()}
    located = quality >= MIN_QUALITY
    flags = () if located else ("could not locate brain and face",)
    brain = find_brain(template, of_head, data, origin_mm) if located and with_brain else None
    return Anatomy(matrix, quality, landmarks, located, flags, brain)


def register(template: Template, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]) -> Matrix:
    """Affine matrix from template mm to grid mm, for the head as a whole.

    Parameters
    ----------
    template : Template
    data : ndarray of float32, shape (x, y, z)
        Original on the working grid, air blanked.
    head : ndarray of bool, shape (x, y, z)
    origin_mm : ndarray, shape (3,)
        Of the working grid.

    Returns
    -------
    ndarray, shape (4, 4)
    """
    data, head, origin_mm = frame(data, head, origin_mm)
    match = _match(template, data, origin_mm)
    starts = look_around(template, data, head, origin_mm, TRIED_OUT)
    for start in starts:
        match.optimise(start, step_mm=2.0, iterations=20)
    best, best_quality = np.eye(4), -1.0
    for start in sorted(starts, key=match.cost)[:REFINED]:
        fit = as_affine(start)
        match.optimise(fit, step_mm=1.0, iterations=100)
        matrix = matrix_of(fit)
        quality = overlap(template, matrix, head, origin_mm) - (0 if plausible(matrix) else 1)
        if quality > best_quality:
            best, best_quality = matrix, quality
        if quality >= SURE_QUALITY:
            break
    return best


def register_face(
    template: Template, matrix: Matrix, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]
) -> Matrix:
    """Affine matrix that fits the face best, begun from the fit of the whole head; other parameters as there."""
    data, head, origin_mm = frame(data, head, origin_mm)
    match = _match(template, data, origin_mm)
    match = replace(match, mask=_face_mask(template, match.fixed))
    fits = []
    for drop_mm in FACE_DROPS_MM:
        start = matrix.copy()
        start[2, 3] += drop_mm
        fits.append(affine_of(start, template.landmarks_mm["nasion"]))
        match.optimise(fits[-1], step_mm=1.0, iterations=60)
    return matrix_of(min(fits, key=match.cost))


def plausible(matrix: Matrix) -> bool:
    """Whether an affine stretches a head by no more than heads differ in shape."""
    stretch = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return bool(stretch[0] / stretch[-1] <= MAX_STRETCH and np.linalg.det(matrix[:3, :3]) > 0)


def frame(
    data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]
) -> tuple[FloatArray, BoolArray, NDArray[np.float64]]:
    """Crop and pad an image to its head, so that padding by zeros, or a larger field of view, changes nothing.

    Where the head ends in a flat cut (a neck, an ear at the rim of the field of view) the image ends too, and what the
    template has beyond it is not compared; on other sides there is a rim of air.

    Parameters
    ----------
    data : ndarray of float32, shape (x, y, z)
        On the working grid, air blanked.
    head : ndarray of bool, shape (x, y, z)
    origin_mm : ndarray, shape (3,)

    Returns
    -------
    data, head, origin_mm
        Of the framed image.
    """
    window, pads = [], []
    for axis in range(3):
        area_cm2 = head.sum(axis=tuple({0, 1, 2} - {axis})) * WORKING_SPACING_MM**2 / 100
        filled = np.flatnonzero(area_cm2 > 0)
        low, high = int(filled[0]), int(filled[-1])
        rim = round(RIM_MM / WORKING_SPACING_MM)
        cut = [area_cm2[min(low + 1, high)] > CUT_CM2, area_cm2[max(high - 1, low)] > CUT_CM2]
        window.append(slice(low, high + 1))
        pads.append((0 if cut[0] else rim, 0 if cut[1] else rim))
    origin = origin_mm + WORKING_SPACING_MM * np.array([w.start - p[0] for w, p in zip(window, pads, strict=True)])
    return np.pad(data[tuple(window)], pads), np.pad(head[tuple(window)], pads), origin


def _match(template: Template, data: FloatArray, origin_mm: NDArray[np.float64]) -> Match:
    """The mean head and an original at 4 mm."""
    fixed, mask = template_image(template, FINE_MM)
    return Match(fixed, to_image(data, origin_mm, WORKING_SPACING_MM, FINE_MM), mask, share=SHARE)


def _face_mask(template: Template, fixed: SimpleITK.Image) -> SimpleITK.Image:
    """The front of the template's head, from above the brows to below the menton, on the grid of an image of it."""
    marks = template.landmarks_mm
    spacing, origin = np.array(fixed.GetSpacing()), np.array(fixed.GetOrigin())
    x, y, z = (origin[axis] + spacing[axis] * np.arange(fixed.GetSize()[axis]) for axis in range(3))
    high = (z > marks["menton"][2] - FACE_RIM_MM) & (z < marks["left_brow"][2] + FACE_RIM_MM)
    front = y > marks["nasion"][1] - FACE_DEPTH_MM
    box = np.broadcast_to(high[:, None, None] & front[None, :, None], (len(z), len(y), len(x)))
    return mask_like(box, fixed)
