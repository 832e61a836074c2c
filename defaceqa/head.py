"""Head against air: the one intensity threshold and the head mask, both found on the original.

Works on bare arrays so that loading (is this the same scan?), anatomy and surfaces all mean the same head.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from skimage.filters.thresholding import threshold_otsu

from defaceqa.errors import InputError

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

WORKING_SPACING_MM = 2.0
"""Every measure is taken at this spacing, so that features mean the same for 1 mm and for 2 mm scans."""

SKIN_FRACTION = 0.17
"""Where between air (0) and tissue (1) the skin is drawn.

Chosen by looking at renders of eight scans (T1w and T2w, 1 to 2.5 mm, adults and children): at 0.10 air noise and
motion ghosts reach the face, at 0.30 noses and chins far from the coil are lost.
"""

NOISE_SPREADS = 4.0
"""The threshold stays at least this many robust standard deviations above the air."""

MIN_HEAD_ML = 300.0
"""Less than a newborn's head: whatever was found is not a head."""


def head_threshold(data: FloatArray) -> float:
    """Intensity of the skin: a fixed share of the way from air to tissue, above the noise of the air.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
        Original image in any units; any gain gives the same head.

    Returns
    -------
    float
        Threshold in the image's own units; voxels above it are head.
    """
    air, spread, tissue = intensity_levels(data)
    return max(air + SKIN_FRACTION * (tissue - air), air + NOISE_SPREADS * spread)


def intensity_levels(data: FloatArray) -> tuple[float, float, float]:
    """Median of the air, its robust standard deviation, and median of the tissue, split by Otsu's threshold.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)

    Returns
    -------
    air, spread, tissue : float
        In the image's own units.
    """
    values = np.ascontiguousarray(_thin(data), dtype=np.float64).ravel()
    cap = np.percentile(values, 99.8)
    if cap > values.min():
        values = np.minimum(values, cap)  # vessels and fat must not stretch the histogram
    split = float(threshold_otsu(values))  # type: ignore[no-untyped-call]
    low, high = values[values < split], values[values >= split]
    if low.size == 0 or high.size == 0:  # next to nothing but air
        return float(values.min()), 0.0, float(values.max())
    air = float(np.median(low))
    spread = float(1.4826 * np.median(np.abs(low[low <= 2 * air - low.min()] - air)))
    return air, spread, float(np.median(high))


def head_mask(data: FloatArray, threshold: float) -> BoolArray:
    """Largest connected piece above the threshold, its holes filled.

    For originals only: in a defaced image separate pieces may be what is left of the face.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    threshold : float
        From :func:`head_threshold` of the original.

    Returns
    -------
    ndarray of bool, shape (x, y, z)
    """
    return fill_holes(largest_piece(data > threshold))


def largest_piece(mask: BoolArray) -> BoolArray:
    """Keep the largest face-connected piece of a mask (the mask itself when it is empty)."""
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def fill_holes(mask: BoolArray) -> BoolArray:
    """Set every part of the background that does not reach the border of the image."""
    labels, _ = ndimage.label(~mask)
    border = np.zeros(labels.max() + 1, dtype=bool)
    for axis in range(3):
        border[np.take(labels, (0, -1), axis=axis)] = True
    border[0] = False
    return ~border[labels]


def check_is_head(mask: BoolArray, spacing_mm: NDArray[np.float64], name: str) -> None:
    """Refuse a mask that is too small to be a head.

    Raises
    ------
    InputError
        When the mask holds less than ``MIN_HEAD_ML``.
    """
    volume_ml = float(mask.sum() * np.prod(spacing_mm) / 1000)
    if volume_ml < MIN_HEAD_ML:
        raise InputError(
            f"The largest object in {name} measures {volume_ml:.0f} mL; expected a head of at least {MIN_HEAD_ML:.0f} "
            "mL. Check that this is a head MRI and not a mask or a part of one."
        )


def to_working_grid(data: NDArray[np.generic], spacing_mm: NDArray[np.float64]) -> FloatArray:
    """Resample to the working spacing along the same axes; finer voxels are averaged, coarser interpolated.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    spacing_mm : ndarray, shape (3,)
        Of ``data``.

    Returns
    -------
    ndarray of float32
        Voxel (i, j, k) lies at ``working_origin_mm + WORKING_SPACING_MM * (i, j, k)`` in grid mm.
    """
    out = np.asarray(data, dtype=np.float32)
    for axis in sorted(range(3), key=lambda a: spacing_mm[a]):  # the finest axis first leaves least for the others
        out = _resample_axis(out, axis, float(spacing_mm[axis]))
    return np.ascontiguousarray(out)


def working_origin_mm(shape: tuple[int, ...], spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grid-mm position of the first voxel of the working grid."""
    return np.array([_axis_positions(n, float(s))[0] for n, s in zip(shape, spacing_mm, strict=True)])


def _axis_positions(count: int, spacing_mm: float) -> NDArray[np.float64]:
    if math.isclose(spacing_mm, WORKING_SPACING_MM, rel_tol=1e-3):
        return np.asarray(np.arange(count) * spacing_mm, dtype=np.float64)
    wanted = max(1, round(count * spacing_mm / WORKING_SPACING_MM))
    centre = (count - 1) * spacing_mm / 2
    return np.asarray(centre + (np.arange(wanted) - (wanted - 1) / 2) * WORKING_SPACING_MM, dtype=np.float64)


def _resample_axis(data: FloatArray, axis: int, spacing_mm: float) -> FloatArray:
    count = data.shape[axis]
    positions = _axis_positions(count, spacing_mm)
    if len(positions) == count and math.isclose(spacing_mm, WORKING_SPACING_MM, rel_tol=1e-3):
        return data
    weights = _box_weights(count, spacing_mm, positions)
    moved = np.moveaxis(data, axis, 0)
    # a sparse product sums in one fixed order, whatever the number of threads: the same scan gives the same pixels
    flat = weights @ moved.reshape(count, -1)
    return np.moveaxis(flat.reshape(len(positions), *moved.shape[1:]), 0, axis)


def _box_weights(count: int, spacing_mm: float, positions: NDArray[np.float64]) -> sparse.csr_matrix:
    """Overlap of each target voxel with each source voxel; linear interpolation where the source is coarser."""
    centres = np.arange(count) * spacing_mm
    distance = np.abs(np.clip(positions, centres[0], centres[-1])[:, None] - centres[None, :])
    if spacing_mm < WORKING_SPACING_MM:
        reach = (WORKING_SPACING_MM + spacing_mm) / 2
        weights = np.clip(reach - distance, 0, spacing_mm)
    else:
        weights = np.clip(spacing_mm - distance, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return sparse.csr_matrix(weights.astype(np.float32))


def _thin(data: FloatArray) -> FloatArray:
    """Every n-th voxel, about a million at most: levels do not need more."""
    step = max(1, round((data.size / 1e6) ** (1 / 3)))
    return data[::step, ::step, ::step]


def from_working_grid(mask: BoolArray, shape: tuple[int, ...], spacing_mm: NDArray[np.float64]) -> BoolArray:
    """Bring a mask from the working grid back to the grid of the image, nearest voxel.

    Parameters
    ----------
    mask : ndarray of bool
        On the working grid of an image of this shape and spacing.
    shape, spacing_mm
        Of the image.

    Returns
    -------
    ndarray of bool, shape ``shape``
    """
    if mask.shape == tuple(shape):
        return mask
    index = []
    for axis, (count, spacing) in enumerate(zip(shape, spacing_mm, strict=True)):
        start = _axis_positions(count, float(spacing))[0]
        nearest = np.rint((np.arange(count) * spacing - start) / WORKING_SPACING_MM).astype(int)
        index.append(np.clip(nearest, 0, mask.shape[axis] - 1))
    return mask[np.ix_(*index)]
