"""Single face regions, whole or in part, as blocks of voxels to erase or to put back."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from defaceqa.head import WORKING_SPACING_MM
from defaceqa.simulation.face import Face
from defaceqa.simulation.masks import BRAIN_MARGIN_MM

BoolArray = NDArray[np.bool_]
Side = Literal["top", "bottom", "left", "right", "middle", "front"]

ERASE_MARGIN_MM = 4.0
"""Erasing goes this far beyond a region, so that its rim does not stay within reach of what is left around it."""

EAR_MARGIN_MM = 9.0
"""Ears end in thin rims that their patch does not hold."""

DEPTH_MM = {
    "left_eye": 20.0, "right_eye": 20.0, "nose": 28.0, "mouth": 22.0, "left_ear": 30.0, "right_ear": 30.0,
    "forehead": 8.0, "cheeks_jaw": 14.0,
}  # fmt: skip
"""How deep under its skin a region is erased."""


def erase_mask(face: Face, *regions: str, keep: BoolArray | None = None, depth_mm: float | None = None) -> BoolArray:
    """Voxels to zero so that nothing of these regions is left, on the working grid.

    Parameters
    ----------
    face : Face
    regions : str
    keep : ndarray of bool, optional
        Skin voxels that stay.
    depth_mm : float, optional
        Instead of the usual depth of each region.

    Returns
    -------
    ndarray of bool
    """
    mask = np.zeros(face.depth_mm.shape, dtype=bool)
    for region in regions:
        margin_mm = EAR_MARGIN_MM if region.endswith("ear") else ERASE_MARGIN_MM
        chosen = face.grown(face.skin_of(region), margin_mm)
        if keep is not None:
            chosen &= ~keep
        mask |= face.under(chosen, DEPTH_MM[region] if depth_mm is None else depth_mm)
    return mask & (face.brain_distance_mm > BRAIN_MARGIN_MM)


def part_of(face: Face, region: str, share: float, side: Side) -> BoolArray:
    """A share of a region's skin, taken from one side of it.

    Parameters
    ----------
    face : Face
    region : str
    share : float
        Of the region's skin voxels, 0 to 1.
    side : {"top", "bottom", "left", "right", "middle", "front"}
        Where the part lies; left and right are the person's.

    Returns
    -------
    ndarray of bool, shape (n,)
        Skin voxels.
    """
    inside = np.flatnonzero(face.skin_of(region))
    chosen = np.zeros(len(face.skin_mm), dtype=bool)
    if len(inside) and share > 0:
        rank = np.argsort(_towards(face.skin[inside], side), kind="stable")
        chosen[inside[rank[: max(1, round(share * len(inside)))]]] = True
    return chosen


def with_skin_above(face: Face, chosen: BoolArray, reach_mm: float = 24.0) -> BoolArray:
    """Chosen skin and the strip above it, so that a lid stays on its brow and a nose root on its forehead.

    Parameters
    ----------
    face : Face
    chosen : ndarray of bool, shape (n,)
        Skin voxels.
    reach_mm : float
        Height of the strip over the lowest chosen voxel, in mm of an adult's face.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if not chosen.any():
        return chosen
    part = face.skin[chosen]
    low, high = part.min(axis=0), part.max(axis=0)
    high[1:] = part[:, 1].max() + 15, low[2] + reach_mm
    return np.asarray(chosen | ((face.skin >= low) & (face.skin <= high)).all(axis=1))


def behind(face: Face, chosen: BoolArray) -> BoolArray:
    """Voxels straight behind (or under) the chosen skin: what stays attached when this skin is not removed.

    Parameters
    ----------
    face : Face
    chosen : ndarray of bool, shape (n,)
        Skin voxels.

    Returns
    -------
    ndarray of bool
        On the working grid.
    """
    mask = face.under(chosen)
    if not chosen.any():
        return mask
    skin = face.skin[chosen]
    low, high = skin.min(axis=0) - 2, skin.max(axis=0) + 2
    low[1] = -np.inf
    near = np.flatnonzero(((face.voxels >= low) & (face.voxels <= high)).all(axis=-1))
    points = face.voxels.reshape(-1, 3)[near]
    distance, index = cKDTree(skin[:, [0, 2]]).query(points[:, [0, 2]])
    column = near[(distance <= WORKING_SPACING_MM) & (points[:, 1] <= skin[index, 1])]
    mask.ravel()[column] = True
    return mask


def _towards(points: NDArray[np.float32], side: Side) -> NDArray[np.float32]:
    """Small for points on the wanted side."""
    right, front, top = points.T
    centre = points.mean(axis=0)
    order = {
        "top": -top, "bottom": top, "left": right, "right": -right, "front": -front,
        "middle": np.linalg.norm(points - centre, axis=1),
    }  # fmt: skip
    return np.asarray(order[side])
