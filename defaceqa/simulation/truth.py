"""What is really left of a face and of a brain, from careful landmarks: the source of every simulated label.

Kept apart from the features on purpose, constants included: tuning a feature must never move a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from defaceqa.anatomy.patches import REGIONS, head_frame, region_of
from defaceqa.head import (
    WORKING_SPACING_MM,
    head_mask,
    head_threshold,
    intensity_levels,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.surfaces import Surface, clear_defaced, clear_original, outer_skin, skin_surface
from defaceqa.volumes import Volume

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
State = Literal["gone", "trace", "present"]

TOLERANCE_MM = 1.5
"""Skin whose nearest defaced surface lies within this is still there,"""

CHANGED_TOLERANCE_MM = 0.7
"""or within this where the voxels under the skin were changed: a cut or a refill that grazes the old skin by chance,
or runs on from what was kept beside it, is not the old skin."""

SKIN_CHANGED_SHARE = 0.10
"""Change of the skin's voxels, in shares of the tissue level, from which they count as changed."""

UNDER_SKIN_MM = 1.0
"""Where under the skin's surface its voxels are asked whether they changed."""

FACING = 0.5
"""...if that surface looks the same way (cosine): the walls of a cut are not the old skin."""

GONE_BELOW = 0.05
PRESENT_ABOVE = 0.25
"""Residual below the first: the feature is gone; above the second: present; between: a trace."""

STRICT_CHEEKS_BELOW = 0.50
"""Under the strict criterion most of cheeks and jaw must be gone as well."""

MIN_REGION_CM2 = 1.0
"""A region with less skin in the field of view was never in view, and counts as gone."""

LIPS_HALF_WIDTH_MM, LIPS_HALF_HEIGHT_MM = 16.0, 8.0
LIPS_PRESENT_ABOVE = 0.5
"""The mouth's patch is twice as large as the lips: with most of the lips left the mouth is present, however little of
its patch that is."""

BRAIN_CUT_ML = 1.0
"""A brain that lost this much was cut; less is the rim of its mask."""

CHANGED_SHARE = 0.05
"""A brain voxel that fell below skin level was removed if it moved by more than this share of the tissue level."""

FEATURES_OF_A_FACE = ("eyes", "nose", "mouth")
MOUTH = REGIONS.index("mouth") + 1


@dataclass(frozen=True)
class Truth:
    """What a defacing left.

    Parameters
    ----------
    residuals : dict
        Region to share of its skin area that is still there, 0 to 1; NaN when it was never in view.
    seen : tuple of str
        Regions a person still recognises although their surface has moved (a blurred face), known from how the
        defacing was made.
    brain_removed_ml : float
        Of the trusted brain mask; NaN without one.
    lips : float
        Share of the lips' skin that is still there; 0 when they were never in view.
    """

    residuals: dict[str, float]
    seen: tuple[str, ...]
    brain_removed_ml: float
    lips: float = 0.0

    def share(self, feature: str) -> float:
        """Share of a region (or of ``"eyes"``, the worse of both) that counts as left: 0 when never in view."""
        if feature == "eyes":
            return max(self.share("left_eye"), self.share("right_eye"))
        value = self.residuals[feature]
        if np.isnan(value):
            return 0.0
        return 1.0 if feature in self.seen else value

    def state(self, feature: str) -> State:
        """Whether eyes, nose or mouth are gone, a trace, or present."""
        share = self.share(feature)
        if share < GONE_BELOW:
            return "gone"
        if feature == "mouth" and self.lips > LIPS_PRESENT_ABOVE:
            return "present"
        return "present" if share > PRESENT_ABOVE else "trace"

    @property
    def strict(self) -> int:
        """Label under the strict criterion: 0 sufficient, 1 insufficient."""
        gone = all(self.state(feature) == "gone" for feature in FEATURES_OF_A_FACE)
        return int(not (gone and self.share("cheeks_jaw") < STRICT_CHEEKS_BELOW))

    @property
    def lenient(self) -> int:
        """Label under the lenient criterion: 0 sufficient, 1 insufficient."""
        states = [self.state(feature) for feature in FEATURES_OF_A_FACE]
        return int("present" in states or states.count("trace") > 1)

    @property
    def brain(self) -> int | None:
        """Label of the brain: 0 whole, 1 cut; None without a trusted mask."""
        return None if np.isnan(self.brain_removed_ml) else int(self.brain_removed_ml >= BRAIN_CUT_ML)

    @property
    def in_view(self) -> tuple[str, ...]:
        """Which of eyes, nose and mouth the original shows at all (one eye is enough)."""
        known = {name for name, value in self.residuals.items() if not np.isnan(value)}
        eyes = ("eyes",) if known & {"left_eye", "right_eye"} else ()
        return eyes + tuple(name for name in ("nose", "mouth") if name in known)


@dataclass(frozen=True)
class Yardstick:
    """What is measured once per original, to judge any number of defacings of it.

    Parameters
    ----------
    volume : Volume
    brain : ndarray of bool or None
        Trusted mask on the grid of ``volume``.
    working : ndarray of float32
        The original on the working grid.
    head : ndarray of bool
        On the working grid.
    threshold, tissue : float
        Skin level; tissue level above the air.
    origin_mm : ndarray, shape (3,)
    points_mm, normals, areas_mm2, regions : ndarray
        The outer skin of the face regions.
    lips : ndarray of bool
        Which of these points are lips.
    """

    volume: Volume
    brain: BoolArray | None
    working: FloatArray
    head: BoolArray
    threshold: float
    tissue: float
    origin_mm: NDArray[np.float64]
    points_mm: FloatArray
    normals: FloatArray
    areas_mm2: NDArray[np.float64]
    regions: NDArray[np.int8]
    lips: BoolArray


def yardstick(original: Volume, landmarks_mm: Mapping[str, ArrayLike], brain: BoolArray | None = None) -> Yardstick:
    """Find the skin of the original's face regions.

    Parameters
    ----------
    original : Volume
    landmarks_mm : mapping
        Careful landmarks in grid mm; absent or NaN when outside the field of view.
    brain : ndarray of bool, shape of ``original``, optional

    Returns
    -------
    Yardstick
    """
    working = to_working_grid(original.data, original.spacing_mm)
    threshold = head_threshold(working)
    air, _, tissue = intensity_levels(working)
    head = head_mask(working, threshold)
    origin_mm = working_origin_mm(original.shape, original.spacing_mm)
    surface = skin_surface(clear_original(working, head), threshold, origin_mm)
    outside = outer_skin(surface, head, origin_mm)
    regions = region_of(surface.vertices_mm[outside], landmarks_mm)
    keep = np.flatnonzero(outside)[regions > 0]
    points, regions = surface.vertices_mm[keep], regions[regions > 0]
    return Yardstick(
        original, brain, working, head, threshold, tissue - air, origin_mm, points, surface.normals[keep],
        surface.vertex_areas_mm2[keep], regions, (regions == MOUTH) & _near_lips(points, landmarks_mm),
    )  # fmt: skip


def _near_lips(points_mm: FloatArray, landmarks_mm: Mapping[str, ArrayLike]) -> BoolArray:
    """Points close enough to the middle of the mouth to be lips."""
    frame, middle = head_frame(landmarks_mm), landmarks_mm.get("stomion")
    if frame is None or middle is None or not np.isfinite(np.asarray(middle, np.float64)).all():
        return np.zeros(len(points_mm), dtype=bool)
    right, _, top = (frame(points_mm) - frame(middle)).T
    return np.asarray((np.abs(right) <= LIPS_HALF_WIDTH_MM) & (np.abs(top) <= LIPS_HALF_HEIGHT_MM))


def truth(original: Yardstick, defaced: FloatArray, *, seen: tuple[str, ...] = ()) -> Truth:
    """Judge a defacing by geometry.

    Parameters
    ----------
    original : Yardstick
        From :func:`yardstick`.
    defaced : ndarray, shape of the original
        On the original's grid and in its units.
    seen : tuple of str
        Regions known to be recognisable although their surface moved.

    Returns
    -------
    Truth
    """
    working = to_working_grid(defaced, original.volume.spacing_mm)
    cleared = clear_defaced(working, original.working, original.head, original.threshold)
    surface = skin_surface(cleared, original.threshold, original.origin_mm)
    kept = _kept(original, surface, _skin_changed(original, working))
    lips = float(original.areas_mm2[original.lips & kept].sum() / max(original.areas_mm2[original.lips].sum(), 1e-9))
    return Truth(_residuals(original, kept), seen, _brain_removed_ml(original, defaced), lips)


def _kept(original: Yardstick, surface: Surface, changed: BoolArray) -> BoolArray:
    """Which points of the old skin are still there."""
    if len(surface.vertices_mm) == 0:
        return np.zeros(len(original.points_mm), dtype=bool)
    tree = cKDTree(surface.vertices_mm)
    distance, index = tree.query(original.points_mm, k=3, distance_upper_bound=TOLERANCE_MM)
    near = distance <= np.where(changed, CHANGED_TOLERANCE_MM, TOLERANCE_MM)[:, None]
    facing = np.einsum("nki,ni->nk", surface.normals[np.where(near, index, 0)], original.normals) >= FACING
    return np.asarray((near & facing).any(axis=1))


def _skin_changed(original: Yardstick, working: FloatArray) -> BoolArray:
    """At which points of the old skin the voxels under it have other values now."""
    change = np.abs(working - original.working) / np.float32(original.tissue)
    inside = original.points_mm - UNDER_SKIN_MM * original.normals - original.origin_mm
    found = ndimage.map_coordinates(change, inside.T / WORKING_SPACING_MM, order=1, mode="nearest")
    return np.asarray(found > SKIN_CHANGED_SHARE)


def _residuals(original: Yardstick, kept: BoolArray) -> dict[str, float]:
    count = len(REGIONS) + 1
    total = np.bincount(original.regions, original.areas_mm2, count)[1:]
    left = np.bincount(original.regions[kept], original.areas_mm2[kept], count)[1:]
    seen = total >= 100 * MIN_REGION_CM2
    shares = np.where(seen, left / np.maximum(total, 1e-9), np.nan)
    return {region: float(share) for region, share in zip(REGIONS, shares, strict=True)}


def _brain_removed_ml(original: Yardstick, defaced: FloatArray) -> float:
    if original.brain is None:
        return float("nan")
    before, after = original.volume.data[original.brain], defaced[original.brain]
    removed = (np.abs(after - before) > CHANGED_SHARE * original.tissue) & (after < original.threshold)
    return float(np.count_nonzero(removed) * np.prod(original.volume.spacing_mm) / 1000)
