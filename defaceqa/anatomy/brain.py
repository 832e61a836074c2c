"""The brain of an original, found by the mean head: where brain can be, and which voxels there look like brain.

Three steps, each by intensities of the image itself, so that T1w, T2w and FLAIR behave alike: the shading of the coils
is taken out (N4), fluid is told from tissue by what the mean head's ventricles and cortex hold, and the mean brain is
fitted once more, to the tissue that was found, since skulls differ in thickness and a head's fit is not yet a brain's.
"""

from __future__ import annotations

import itertools
import math
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

POSSIBLE_PROBABILITY = 0.02
"""Where the mean brain is at least this probable there can be brain: shading is measured there."""

CORE_PROBABILITY = 0.95
CORE_DEPTH_MM = 6.0
"""Tissue levels are taken this far inside the mean brain, that of the cortex less deep."""

TISSUE_GREY = 125.0
"""In the core of the mean head, voxels of this grey and above are white or grey matter in nearly everybody."""

CORTEX_PROBABILITY = 0.9
CORTEX_DEPTH_MM = 2.0
"""Cortex is sought from here inwards, to where the core begins."""

VENTRICLE_GREY = 100.0
VENTRICLE_DEPTH_MM = 24.0
"""Darker voxels of the mean head, so deep, are ventricles."""

FLUID_PERCENTILE = 15.0
"""Ventricles differ in size, so the level of fluid is a tail of what lies where they are expected."""

CORTEX_SHARE = 0.4
DARK_SHARE, BRIGHT_SHARE = 0.26, 0.37
"""Where brain begins between fluid (0) and tissue (1). To find the level of the cortex: from the tissue of the core. To
find the brain: from the cortex, less where fluid is dark, for there the cortex is the darkest tissue and what it shares
with fluid is darker still. Set on 16 heads of the mean head and half of the painted people."""

ALWAYS_BRAIN_MM = 12.0
"""Deeper than this the mean brain is brain whatever the intensity: ventricles and lesions belong to it."""

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
_CORE, _CORTEX, _VENTRICLES = 1, 2, 3


@dataclass(frozen=True)
class _Rule:
    """Which voxels that look like tissue count as brain.

    Parameters
    ----------
    probability : float
        Where the mean brain is at least so probable.
    cut_back, grow_back : int
        Tissue is cut back by so many voxels, so that what hangs on by a thread (meninges, scalp) falls off, and grows
        back by so many.
    sure : float
        Where the mean brain is more probable than this, also what hangs on by a thread, such as a gyrus between wide
        sulci.
    """

    probability: float
    cut_back: int
    grow_back: int
    sure: float = math.inf


WHILE_FITTING = _Rule(0.2, cut_back=3, grow_back=4)
"""Marrow that touches the brain would draw the fit outwards; a lost gyrus does no harm."""

FITTED = _Rule(0.1, cut_back=2, grow_back=3, sure=0.5)


@dataclass(frozen=True)
class _Expected:
    """What the mean head leads one to expect at each voxel of an original; ``places`` are core, cortex, ventricles."""

    brain: FloatArray
    depth_mm: FloatArray
    places: FloatArray


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
    places = _places(template)
    expected = _expected(template, places, matrix, data[window].shape, origin_mm)
    even = _even(data[window], expected.brain)
    matrix = _fit(template, matrix, _closed(_tissue(even, expected, WHILE_FITTING), _FIT_CLOSING), origin_mm)
    expected = _expected(template, places, matrix, even.shape, origin_mm)
    found = np.zeros(data.shape, dtype=bool)
    found[window] = fill_holes(_tissue(even, expected, FITTED))
    return found


def _window(
    template: Template, matrix: Matrix, shape: tuple[int, ...], origin_mm: NDArray[np.float64]
) -> tuple[slice, ...]:
    """The part of a working grid where brain can be, with a rim."""
    index = np.argwhere(template.brain > POSSIBLE_PROBABILITY)
    corners = np.array(list(itertools.product(*zip(index.min(axis=0), index.max(axis=0), strict=True))))
    points = (template.origin_mm + corners * template.spacing_mm) @ matrix[:3, :3].T + matrix[:3, 3]
    last = np.array(shape) - 1
    low = np.clip(np.floor((points.min(axis=0) - RIM_MM - origin_mm) / WORKING_SPACING_MM).astype(int), 0, last)
    high = np.clip(np.ceil((points.max(axis=0) + RIM_MM - origin_mm) / WORKING_SPACING_MM).astype(int), low, last)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))


def _expected(
    template: Template,
    places: NDArray[np.uint8],
    matrix: Matrix,
    shape: tuple[int, ...],
    origin_mm: NDArray[np.float64],
) -> _Expected:
    brain, depth_mm = carried((template.brain, template.brain_depth_mm), template, matrix, shape, origin_mm)
    [laid] = carried([places], template, matrix, shape, origin_mm, order=0)
    return _Expected(brain, depth_mm, laid)


def _places(template: Template) -> NDArray[np.uint8]:
    """Where in the mean head the levels of tissue, cortex and fluid are taken."""
    brain, depth_mm = template.brain, template.brain_depth_mm
    places = np.zeros(brain.shape, np.uint8)
    core = (brain > CORE_PROBABILITY) & (depth_mm > CORE_DEPTH_MM) & (template.head > TISSUE_GREY)
    places[(brain > CORTEX_PROBABILITY) & (depth_mm > CORTEX_DEPTH_MM) & (depth_mm <= CORE_DEPTH_MM)] = _CORTEX
    places[core] = _CORE
    places[(template.head < VENTRICLE_GREY) & (depth_mm > VENTRICLE_DEPTH_MM)] = _VENTRICLES
    return places


def _even(data: FloatArray, brain: FloatArray) -> FloatArray:
    """The image with its shading taken out, as found where brain can be."""
    region = (brain > POSSIBLE_PROBABILITY) & (data > 0)
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


def _tissue(data: FloatArray, expected: _Expected, rule: _Rule) -> BoolArray:
    """Voxels that look like brain, where brain can be, and those that are brain however they look."""
    core, cortex, ventricles = (data[expected.places == place] for place in (_CORE, _CORTEX, _VENTRICLES))
    if core.size and cortex.size and ventricles.size:
        low, high = tissue_interval(core, cortex, ventricles)
        found = (expected.brain > rule.probability) & (data > low) & (data < high)
    else:
        found = expected.brain > 0.5  # next to nothing in view: the quality of the fit tells
    deep = expected.depth_mm > ALWAYS_BRAIN_MM
    inner = ndimage.binary_erosion(found | deep, _SIX, iterations=rule.cut_back)
    kept = ndimage.binary_dilation(largest_piece(inner), _SIX, iterations=rule.grow_back)
    return np.asarray((found & (kept | (expected.brain > rule.sure))) | deep)


def tissue_interval(tissue: FloatArray, cortex: FloatArray, ventricles: FloatArray) -> tuple[float, float]:
    """Between which intensities a voxel is grey or white matter.

    Parameters
    ----------
    tissue, cortex, ventricles : ndarray
        Intensities where the mean head has tissue, cortex (with the fluid of its sulci) and ventricles.

    Returns
    -------
    low, high : float
        The bound next to fluid lies between fluid and cortex, the other one beyond the tissue.
    """
    least, lower, middle, upper, most = np.percentile(tissue, [2, 10, 50, 90, 98])
    dark, bright = np.percentile(ventricles, [FLUID_PERCENTILE, 100 - FLUID_PERCENTILE])
    if (middle - dark) / max(middle - lower, 1e-6) >= (bright - middle) / max(upper - middle, 1e-6):
        high = most + 0.5 * (most - middle)
        grey = _median_within(cortex, dark + CORTEX_SHARE * (middle - dark), high, middle)
        return float(dark + DARK_SHARE * (grey - dark)), float(high)
    low = max(least - 0.5 * (middle - least), 0.5 * middle)
    grey = _median_within(cortex, low, bright - CORTEX_SHARE * (bright - middle), middle)
    return float(low), float(bright - BRIGHT_SHARE * (bright - grey))


def _median_within(values: FloatArray, low: float, high: float, otherwise: float) -> float:
    inside = values[(values > low) & (values < high)]
    return float(np.median(inside)) if inside.size else otherwise


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
