"""How much of the head, and of the brain, was removed or altered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.head import largest_piece

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

ALTERED_TOLERANCE = 0.01
"""A voxel is altered when it moves by more than this share of the way from air to tissue.

Storing integers as float32 moves the seventh digit, storing as uint8 moves up to 0.2 %: neither is an alteration.
"""

REMOVED_DROP = 0.08
"""A removed voxel fell by more than this share of the way from air to tissue, half the height of the skin's threshold.

Bone and fluid are near background level already: if any change of theirs counted, a gain of 0.95 or an offset of 3 %
everywhere would "remove" some 50 mL of an untouched brain. On real cuts this moves the count by less than 0.3 % of the
head.
"""

RESCALED_BEYOND = 0.10
"""A gain of the whole head further from 1 than this is a change of units (0..1 for 0..4095) and taken back."""


@dataclass(frozen=True)
class Change:
    """Which voxels a defacing changed.

    Parameters
    ----------
    removed : ndarray of bool, shape (x, y, z)
        Fallen to background level.
    altered : ndarray of bool, shape (x, y, z)
        Changed at all; every removed voxel is also an altered one.
    """

    removed: BoolArray
    altered: BoolArray


def changed_voxels(original: FloatArray, defaced: FloatArray, threshold: float, tissue: float) -> Change:
    """Compare two volumes voxel by voxel.

    Parameters
    ----------
    original, defaced : ndarray, shape (x, y, z)
        In the same units (:func:`intensity_gain`).
    threshold : float
        Head threshold of the original.
    tissue : float
        Tissue level above the air in the original; the scale of ``ALTERED_TOLERANCE``.

    Returns
    -------
    Change
    """
    drop = original - defaced
    fallen = drop > np.float32(REMOVED_DROP * tissue)
    return Change(
        removed=fallen & (defaced < np.float32(threshold)),
        altered=np.abs(drop) > np.float32(ALTERED_TOLERANCE * tissue),
    )


def loss(change: Change, inside: BoolArray, spacing_mm: NDArray[np.float64], name: str) -> dict[str, float]:
    """Removed and altered share and volume within a mask.

    Parameters
    ----------
    change : Change
    inside : ndarray of bool, shape (x, y, z)
        Head or brain of the original.
    spacing_mm : ndarray, shape (3,)
    name : str
        ``"head"`` or ``"brain"``; the first word of the feature names.

    Returns
    -------
    dict
        ``<name>_removed_fraction`` and ``<name>_altered_fraction`` in [0, 1], ``<name>_removed_ml`` and
        ``<name>_altered_ml`` in mL.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    total = int(np.count_nonzero(inside))
    values: dict[str, float] = {}
    for kind, mask in (("removed", change.removed), ("altered", change.altered)):
        count = int(np.count_nonzero(mask & inside))
        values[f"{name}_{kind}_fraction"] = count / total if total else float("nan")
        values[f"{name}_{kind}_ml"] = count * voxel_ml
    return values


def brain_piece(removed: BoolArray, brain: BoolArray, spacing_mm: float) -> dict[str, float]:
    """Size of the largest connected piece of removed brain, and how deep it reaches: a rim is thin, a cut is not.

    Parameters
    ----------
    removed, brain : ndarray of bool, shape (x, y, z)
        On the working grid.
    spacing_mm : float
        Of the working grid.

    Returns
    -------
    dict
        ``brain_largest_piece_ml`` in mL; ``brain_depth_mm``, distance of its deepest voxel from the brain's surface in
        mm. Both 0 when nothing was removed.
    """
    piece = largest_piece(removed & brain)
    if not piece.any():
        return {"brain_largest_piece_ml": 0.0, "brain_depth_mm": 0.0}
    depth_mm = ndimage.distance_transform_edt(brain, sampling=spacing_mm)[piece].max()
    return {
        "brain_largest_piece_ml": float(piece.sum()) * spacing_mm**3 / 1000,
        "brain_depth_mm": float(depth_mm),
    }


def intensity_gain(original: FloatArray, defaced: FloatArray, head: BoolArray, threshold: float) -> float:
    """Factor by which the defaced image was rescaled as a whole, 1 unless it is beyond ``RESCALED_BEYOND``.

    Parameters
    ----------
    original, defaced : ndarray, shape (x, y, z)
    head : ndarray of bool, shape (x, y, z)
        Head mask of the original.
    threshold : float
        Head threshold of the original.

    Returns
    -------
    float
        Divide the defaced image by it.
    """
    kept = head & (original > threshold) & (defaced > 0)
    if np.count_nonzero(kept) < 1000:
        return 1.0
    gain = float(np.median(defaced[kept] / original[kept]))
    return gain if abs(gain - 1) > RESCALED_BEYOND and gain > 0 else 1.0
