"""The brain of an original, found by the mean head: where brain can be, and which voxels there look like brain.

Three steps, each by intensities of the image itself, so that T1w, T2w and FLAIR behave alike: the shading of the coils
is taken out (N4), fluid is told from tissue by what the mean head's ventricles hold, and the mean brain is fitted once
more, to the tissue that was found, since skulls differ in thickness and a head's fit is not yet a brain's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.images import affine_of, carried, mask_like, matrix_of, to_image
from defaceqa.anatomy.matching import Match
from defaceqa.anatomy.template import Template
from defaceqa.head import WORKING_SPACING_MM, fill_holes, largest_piece

if TYPE_CHECKING:
    import SimpleITK

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Matrix = NDArray[np.float64]

FIT_PROBABILITY = 0.02
MASK_PROBABILITY = 0.1
"""Tissue counts as brain where the mean brain is at least this probable: widely while fitting, then closer."""

CORE_PROBABILITY = 0.95
CORE_DEPTH_MM = 6.0
"""Tissue levels are taken this far inside the mean brain."""

TISSUE_GREY = 125.0
"""In the core of the mean head, voxels of this grey and above are white or grey matter in nearly everybody."""

VENTRICLE_GREY = 100.0
VENTRICLE_DEPTH_MM = 24.0
"""Darker voxels of the mean head, so deep, are ventricles."""

FLUID_PERCENTILE = 15.0
"""Ventricles differ in size, so the level of fluid is a tail of what lies where they are expected."""

FLUID_SHARE = 0.3
"""Between fluid (0) and tissue (1), where brain begins: a voxel a third full of tissue is brain."""

ALWAYS_BRAIN_MM = 15.0
"""Deeper than this the mean brain is brain whatever the intensity: ventricles and lesions belong to it."""

THREAD_STEPS, BACK_STEPS = 2, 3
"""Tissue is cut back by so many voxels, so that what hangs on by a thread falls off, and grows back by so many."""

RIM_MM = 8.0
"""Air, or head, around the box where brain can be: the second fit may move it."""

SHADING_SHRINK = 6
SHADING_ITERATIONS = (50, 50, 50)
SHADING_WIDTH = 0.3
"""Of N4, on every n-th voxel of that box: its levels, and the width of the field it assumes (0.15 by default)."""

_FIT_MM = 4.0
_FIT_STEPS = 40
_FIT_CLOSING = 3
_SIX = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True)
class _Expected:
    """What the mean head leads one to expect at each voxel of an original."""

    brain: FloatArray
    head: FloatArray
    depth_mm: FloatArray
    ventricles: BoolArray


def find_brain(template: Template, matrix: Matrix, data: FloatArray, origin_mm: NDArray[np.float64]) -> BoolArray:
    """Brain mask of an original.

    Parameters
    ----------
    template : Template
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm, fitted to the whole head.
    data : ndarray of float32, shape (x, y, z)
        Original on the working grid.
    origin_mm : ndarray, shape (3,)
        Of the working grid.

    Returns
    -------
    ndarray of bool, shape (x, y, z)
        Brain with its ventricles; wide sulci, and fluid around the brain, are not part of it.
    """
    window = _window(template, matrix, data.shape, origin_mm)
    origin_mm = origin_mm + WORKING_SPACING_MM * np.array([extent.start for extent in window])
    expected = _expected(template, matrix, data[window].shape, origin_mm)
    even = _even(data[window], expected.brain)
    tissue = _tissue(even, expected, FIT_PROBABILITY)
    matrix = _fit(template, matrix, _closed(tissue, _FIT_CLOSING), origin_mm)
    expected = _expected(template, matrix, even.shape, origin_mm)
    tissue = _tissue(even, expected, MASK_PROBABILITY)
    found = np.zeros(data.shape, dtype=bool)
    found[window] = fill_holes(_closed(tissue, 1))
    return found


def _window(
    template: Template, matrix: Matrix, shape: tuple[int, ...], origin_mm: NDArray[np.float64]
) -> tuple[slice, ...]:
    """The part of a working grid where brain can be, with a rim."""
    index = np.argwhere(template.brain > FIT_PROBABILITY)
    corners = np.array(list(itertools.product(*zip(index.min(axis=0), index.max(axis=0), strict=True))))
    points = (template.origin_mm + corners * template.spacing_mm) @ matrix[:3, :3].T + matrix[:3, 3]
    last = np.array(shape) - 1
    low = np.clip(np.floor((points.min(axis=0) - RIM_MM - origin_mm) / WORKING_SPACING_MM).astype(int), 0, last)
    high = np.clip(np.ceil((points.max(axis=0) + RIM_MM - origin_mm) / WORKING_SPACING_MM).astype(int), low, last)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))


def _expected(template: Template, matrix: Matrix, shape: tuple[int, ...], origin_mm: NDArray[np.float64]) -> _Expected:
    volumes = (template.brain, template.head, template.brain_depth_mm, _ventricles(template))
    brain, head, depth_mm, ventricles = carried(volumes, template, matrix, shape, origin_mm)
    return _Expected(brain, head, depth_mm, ventricles > 0.5)


def _even(data: FloatArray, brain: FloatArray) -> FloatArray:
    """The image with its shading taken out, as found where brain can be."""
    region = (brain > FIT_PROBABILITY) & (data > 0)
    return without_shading(data, region) if region.any() else data


def without_shading(data: FloatArray, region: BoolArray) -> FloatArray:
    """The image with the smooth shading of the coils taken out (N4, Tustison et al. 2010), found at 12 mm."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(np.maximum(data, 1e-3)))
    mask = sitk.GetImageFromArray(region.astype(np.uint8))
    method = sitk.N4BiasFieldCorrectionImageFilter()
    method.SetNumberOfThreads(1)
    method.SetMaximumNumberOfIterations(SHADING_ITERATIONS)
    method.SetConvergenceThreshold(1e-3)
    method.SetBiasFieldFullWidthAtHalfMaximum(SHADING_WIDTH)
    method.Execute(sitk.Shrink(image, [SHADING_SHRINK] * 3), sitk.Shrink(mask, [SHADING_SHRINK] * 3))
    return np.asarray(data / np.exp(sitk.GetArrayFromImage(method.GetLogBiasFieldAsImage(image))), np.float32)


def _tissue(data: FloatArray, expected: _Expected, probability: float) -> BoolArray:
    """Voxels that look like brain, where brain can be; what hangs on by a thread (meninges, scalp) is cut off."""
    core = (expected.brain > CORE_PROBABILITY) & (expected.depth_mm > CORE_DEPTH_MM) & (expected.head > TISSUE_GREY)
    deep = expected.depth_mm > ALWAYS_BRAIN_MM
    if not core.any() or not expected.ventricles.any():
        return np.asarray(expected.brain > 0.5)  # next to nothing in view: the quality of the fit tells
    low, high = tissue_interval(data[core], data[expected.ventricles])
    found = (expected.brain > probability) & (data > low) & (data < high)
    inner = ndimage.binary_erosion(found | deep, _SIX, iterations=THREAD_STEPS)
    kept = ndimage.binary_dilation(largest_piece(inner), _SIX, iterations=BACK_STEPS)
    return np.asarray((found & kept) | deep)


def tissue_interval(tissue: FloatArray, ventricles: FloatArray) -> tuple[float, float]:
    """Between which intensities a voxel is grey or white matter.

    Parameters
    ----------
    tissue, ventricles : ndarray
        Intensities where the mean head has tissue and where it has ventricles.

    Returns
    -------
    low, high : float
        The bound next to fluid lies between fluid and tissue, the other one beyond the tissue.
    """
    least, lower, middle, upper, most = np.percentile(tissue, [2, 10, 50, 90, 98])
    dark, bright = np.percentile(ventricles, [FLUID_PERCENTILE, 100 - FLUID_PERCENTILE])
    if (middle - dark) / max(middle - lower, 1e-6) >= (bright - middle) / max(upper - middle, 1e-6):
        return float(dark + FLUID_SHARE * (middle - dark)), float(most + 0.5 * (most - middle))
    return float(max(least - 0.5 * (middle - least), 0.5 * middle)), float(bright - FLUID_SHARE * (bright - middle))


def _ventricles(template: Template) -> BoolArray:
    return np.asarray((template.head < VENTRICLE_GREY) & (template.brain_depth_mm > VENTRICLE_DEPTH_MM))


def _closed(mask: BoolArray, steps: int) -> BoolArray:
    room = np.pad(mask, steps + 1)
    closed = ndimage.binary_closing(room, _SIX, iterations=steps)
    return np.asarray(closed[tuple(slice(steps + 1, -steps - 1) for _ in range(3))])


def _fit(template: Template, matrix: Matrix, mask: BoolArray, origin_mm: NDArray[np.float64]) -> Matrix:
    """Affine from the mean brain to a brain mask, begun from the fit of the head."""
    import SimpleITK as sitk

    fixed = _soft(template.brain, template.origin_mm)
    moving = _soft(mask.astype(np.float32), origin_mm)
    near = ndimage.binary_dilation(sitk.GetArrayViewFromImage(fixed) > 10, iterations=3)
    inside = np.argwhere(template.brain > 0.5).mean(axis=0)
    affine = affine_of(matrix, template.origin_mm + template.spacing_mm * inside)
    match = Match(fixed, moving, mask_like(near, fixed), measure="difference")
    match.optimise(affine, step_mm=1.0, iterations=_FIT_STEPS)
    return matrix_of(affine)


def _soft(mask: FloatArray, origin_mm: NDArray[np.float64]) -> SimpleITK.Image:
    """A mask in percent, blurred so that a fit feels its border from afar."""
    blurred = np.asarray(100 * ndimage.gaussian_filter(mask, 1.0), np.float32)
    return to_image(blurred, origin_mm, WORKING_SPACING_MM, _FIT_MM)
