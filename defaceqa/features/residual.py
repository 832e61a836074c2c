"""How much of each face region's skin is still there, and how far the rest has moved: the heart of the judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from defaceqa.anatomy.patches import FACIAL_REGIONS, REGION_WORDS, REGIONS, head_frame
from defaceqa.head import WORKING_SPACING_MM

RESIDUAL_TOLERANCE_MM = 1.5
"""Skin whose nearest defaced surface is no further than this has survived (DefaceQA design, 1 to 1.5 mm)."""

CHANGED_TOLERANCE_MM = 0.7
"""The same where the voxels under the skin were changed: a cut or a refill may graze the old skin by chance."""

SKIN_CHANGED_SHARE = 0.10
"""Change of the voxels under the skin, as a share of the tissue level, from which they count as changed."""

UNDER_SKIN_MM = 1.0
"""How far under the skin its voxels are looked at."""

FACING = 0.5
"""The surviving surface must face the same way (cosine of the angle): the walls of a cut are not the old skin."""

MIN_REGION_CM2 = 1.0
"""A region with less skin than this in the field of view is out of view."""

NO_FACE_CM2 = 10.0
"""A nose and a mouth both with less skin than this: the original was defaced before, or never showed a face.

Whole adult faces have 30 to 45 and 25; a scan cut at the nostrils 14; originals that were defaced before below 9.
"""

LIPS_HALF_WIDTH_MM, LIPS_HALF_HEIGHT_MM = 16.0, 8.0
"""The lips reach this far from the middle of the mouth, in mm of an adult's face."""

TIP_SEARCH_MM = 35.0
"""The nose tip is looked for this far to the sides of, above and below where it was expected."""

MAX_MISPLACED_MM = 18.0
"""Beyond this the face was not found: adults reach 16 (clipped noses), a child whose face was missed 20."""

FAR_MM = 30.0
"""Distances are measured up to here; a surface further away is no longer a displaced face."""


@dataclass(frozen=True)
class Skin:
    """Points of the original's outer skin with what they stand for.

    Parameters
    ----------
    points_mm : ndarray, shape (n, 3)
        Grid mm.
    normals : ndarray, shape (n, 3)
        Unit vectors.
    areas_mm2 : ndarray, shape (n,)
        Skin area of each point.
    regions : ndarray of int, shape (n,)
        0 for no region, else index in ``REGIONS`` + 1.
    lips : ndarray of bool, shape (n,), optional
        Which points are lips (:func:`near_lips`); none by default.
    """

    points_mm: NDArray[np.float32]
    normals: NDArray[np.float32]
    areas_mm2: NDArray[np.float64]
    regions: NDArray[np.int8]
    lips: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Survival:
    """What became of each skin point.

    Parameters
    ----------
    distance_mm : ndarray, shape (n,)
        To the nearest defaced surface, at most ``FAR_MM``.
    kept : ndarray of bool, shape (n,)
        A defaced surface facing the same way lies within ``RESIDUAL_TOLERANCE_MM``.
    """

    distance_mm: NDArray[np.float64]
    kept: NDArray[np.bool_]


def changed_under_skin(
    skin: Skin, change: NDArray[np.float32], origin_mm: NDArray[np.float64], tissue: float
) -> NDArray[np.bool_]:
    """At which skin points the voxels just under the skin have other values in the defaced image.

    Parameters
    ----------
    skin : Skin
    change : ndarray, shape (x, y, z)
        Absolute difference of the images on the working grid.
    origin_mm : ndarray, shape (3,)
        Of the working grid.
    tissue : float
        Tissue level above the air.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    index = (skin.points_mm - UNDER_SKIN_MM * skin.normals - origin_mm) / WORKING_SPACING_MM
    found = map_coordinates(change, index.T, order=1, mode="nearest")
    return np.asarray(found > SKIN_CHANGED_SHARE * tissue)


def skin_survival(
    skin: Skin,
    vertices_mm: NDArray[np.float32],
    normals: NDArray[np.float32],
    *,
    changed: NDArray[np.bool_] | None = None,
    neighbours: int = 3,
) -> Survival:
    """Find for each original skin point the nearest defaced surface.

    Parameters
    ----------
    skin : Skin
        Of the original.
    vertices_mm, normals : ndarray, shape (m, 3)
        The defaced surface, grid mm.
    changed : ndarray of bool, shape (n,), optional
        From :func:`changed_under_skin`; nothing by default.
    neighbours : int
        How many near vertices are asked whether they face the same way.

    Returns
    -------
    Survival
    """
    count = len(skin.points_mm)
    if len(vertices_mm) == 0 or count == 0:
        return Survival(np.full(count, FAR_MM), np.zeros(count, dtype=bool))
    distance, index = cKDTree(vertices_mm).query(skin.points_mm, k=neighbours, distance_upper_bound=FAR_MM)
    changed = np.zeros(count, dtype=bool) if changed is None else changed
    near = distance <= np.where(changed, CHANGED_TOLERANCE_MM, RESIDUAL_TOLERANCE_MM)[:, None]
    facing = np.einsum("nki,ni->nk", normals[np.minimum(index, len(normals) - 1)], skin.normals) >= FACING
    return Survival(np.minimum(distance[:, 0], FAR_MM), np.asarray((near & facing).any(axis=1)))


def region_residuals(skin: Skin, survival: Survival) -> dict[str, float]:
    """Share of each region's skin area that survived.

    Returns
    -------
    dict
        ``residual_<region>`` in [0, 1], NaN where the region is out of view; ``residual_eyes`` is the worse eye,
        ``residual_worst`` the worst of eyes, nose and mouth (what is out of view counts as gone), ``residual_lips``
        the lips alone.
    """
    values = {}
    for number, region in enumerate(REGIONS, start=1):
        inside = skin.regions == number
        area = float(skin.areas_mm2[inside].sum())
        kept = float(skin.areas_mm2[inside & survival.kept].sum())
        values[f"residual_{region}"] = kept / area if area >= 100 * MIN_REGION_CM2 else float("nan")
    values["residual_lips"] = _lips(skin, survival)
    values["residual_eyes"] = _worst(values["residual_left_eye"], values["residual_right_eye"])
    values["residual_worst"] = _worst(values["residual_eyes"], values["residual_nose"], values["residual_mouth"])
    return values


def near_lips(points_mm: NDArray[np.float32], landmarks_mm: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Points close enough to the middle of the mouth to be lips, shape (n,).

    Parameters
    ----------
    points_mm : ndarray, shape (n, 3)
        Grid mm.
    landmarks_mm : mapping
        As located, in grid mm.
    """
    frame = head_frame(landmarks_mm)
    if frame is None or "stomion" not in landmarks_mm:
        return np.zeros(len(points_mm), dtype=bool)
    right, _, top = (frame(points_mm) - frame(landmarks_mm["stomion"])).T
    return np.asarray((np.abs(right) <= LIPS_HALF_WIDTH_MM) & (np.abs(top) <= LIPS_HALF_HEIGHT_MM))


def _lips(skin: Skin, survival: Survival) -> float:
    lips = np.zeros(len(skin.regions), dtype=bool) if skin.lips is None else skin.lips
    inside = lips & (skin.regions == REGIONS.index("mouth") + 1)
    area = float(skin.areas_mm2[inside].sum())
    return float(skin.areas_mm2[inside & survival.kept].sum()) / area if area >= 100 * MIN_REGION_CM2 else float("nan")


def original_flags(skin: Skin, landmarks_mm: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
    """What the original shows of a face, where that is not all of it.

    Parameters
    ----------
    skin : Skin
        Of the original.
    landmarks_mm : mapping
        As located, in grid mm.

    Returns
    -------
    tuple of str
        A flag that voids the face verdict when there is no face; a note for each feature out of view.
    """
    area_cm2 = {region: skin.areas_mm2[skin.regions == n].sum() / 100 for n, region in enumerate(REGIONS, start=1)}
    if max(area_cm2["nose"], area_cm2["mouth"]) < NO_FACE_CM2:
        return ("the original shows no face: defaced before, stripped of its skull, or cut above the nose",)
    # with the mouth in view the nose is in view too, tip or clipped
    offset_mm = misplaced_mm(skin, landmarks_mm) if area_cm2["mouth"] >= NO_FACE_CM2 else 0.0
    if offset_mm > MAX_MISPLACED_MM:
        return (f"could not locate the face: the nose stands {offset_mm:.0f} mm from where it was expected",)
    missing = [REGION_WORDS[region] for region in FACIAL_REGIONS if area_cm2[region] < MIN_REGION_CM2]
    return tuple(f"note: the {words} is outside the original's field of view" for words in missing)


def misplaced_mm(skin: Skin, landmarks_mm: Mapping[str, NDArray[np.float64]]) -> float:
    """Distance from where the nose tip was expected to the foremost skin of the middle of the face, in mm.

    A nose is where a face is: when something else stands out further, the location is wrong although heads overlap.

    Parameters
    ----------
    skin : Skin
        Of the original.
    landmarks_mm : mapping
        As located, in grid mm.
    """
    frame, tip = head_frame(landmarks_mm), np.asarray(landmarks_mm["pronasale"])
    if frame is None or len(skin.points_mm) == 0:
        return float("nan")
    from_tip = (skin.points_mm - tip) @ frame.axes.T
    middle = from_tip[(np.abs(from_tip[:, [0, 2]]) <= TIP_SEARCH_MM).all(axis=1)]
    return float(np.linalg.norm(middle[np.argmax(middle[:, 1])])) if len(middle) else float("nan")


def face_distances(skin: Skin, survival: Survival) -> dict[str, float]:
    """Mean absolute and 95th-percentile distance from the face's skin to the defaced surface (Gao et al. 2025).

    Returns
    -------
    dict
        ``masd_face_mm`` and ``hd95_face_mm``, area-weighted over eyes, nose, mouth, cheeks and jaw; NaN when no face
        is in view. Distances are cut at ``FAR_MM``.
    """
    names = (*FACIAL_REGIONS, "cheeks_jaw")
    face = np.isin(skin.regions, [REGIONS.index(name) + 1 for name in names])
    weights, distance = skin.areas_mm2[face], survival.distance_mm[face]
    if weights.sum() < 100 * MIN_REGION_CM2:
        return {"masd_face_mm": float("nan"), "hd95_face_mm": float("nan")}
    order = np.argsort(distance, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    return {
        "masd_face_mm": float((weights * distance).sum() / weights.sum()),
        "hd95_face_mm": float(distance[order][np.searchsorted(share, 0.95)]),
    }


def _worst(*residuals: float) -> float:
    known = [value for value in residuals if not np.isnan(value)]
    return max(known) if known else float("nan")
