"""A synthetic adult head that is nobody: exact brain, exact landmarks, and a face worth removing.

World mm: x to the person's right, y to the front, z up; the origin lies in the lower middle of the brain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.shapes import Field, Part, both_sides, box_window, build, ellipsoid, open_axes, rod
from defaceqa.volumes import Volume

Contrast = Literal["T1w", "T2w", "FLAIR"]
Axis = NDArray[np.float64]

FIELD_OF_VIEW_MM = ((-104.0, 104.0), (-112.0, 138.0), (-152.0, 112.0))
"""World extent along x, y, z."""

TISSUES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "T1w": {
            "skin": 420, "fat": 880, "muscle": 360, "bone": 70, "marrow": 420, "csf": 150, "grey": 470, "white": 640,
            "vitreous": 160, "air": 0,
        },
        "T2w": {
            "skin": 330, "fat": 560, "muscle": 200, "bone": 50, "marrow": 330, "csf": 950, "grey": 520, "white": 370,
            "vitreous": 950, "air": 0,
        },
        "FLAIR": {
            "skin": 330, "fat": 600, "muscle": 240, "bone": 50, "marrow": 330, "csf": 90, "grey": 560, "white": 440,
            "vitreous": 100, "air": 0,
        },
    }
)  # fmt: skip
"""Signal of each tissue, arbitrary units, by contrast."""

SCALP_MM = 6.0
"""Bone never comes nearer to the skin than this on the cranium."""

EYE = (31.5, 71.0, -18.0)
EYE_RADIUS_MM = 12.0
LID_MM = 2.0


@dataclass(frozen=True)
class SyntheticHead:
    """A head made from shapes, with what is exactly known about it.

    Parameters
    ----------
    volume : Volume
        The image.
    brain : ndarray of bool, shape of ``volume``
        Voxels whose centre lies in the brain (ventricles included).
    landmarks_mm : dict
        All of :data:`defaceqa.anatomy.patches.LANDMARKS` in grid mm (voxel index times spacing), on the skin.
    """

    volume: Volume
    brain: NDArray[np.bool_]
    landmarks_mm: dict[str, NDArray[np.float64]]


def synthetic_head(
    spacing_mm: float = 1.0, *, contrast: Contrast = "T1w", noise: float = 0.008, seed: int = 0
) -> SyntheticHead:
    """Make the synthetic head.

    Parameters
    ----------
    spacing_mm : float
        Edge of the cubic voxels.
    contrast : {"T1w", "T2w", "FLAIR"}
    noise : float
        Standard deviation of the (Rician) noise as a share of 1000; 0 for none.
    seed : int
        Of the noise.

    Returns
    -------
    SyntheticHead
    """
    axes = grid_axes(spacing_mm)
    brain = build(BRAIN, axes)
    image = _paint(axes, build(SKIN, axes), brain, TISSUES[contrast])
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    landmarks = {name: point - affine[:3, 3] for name, point in world_landmarks().items()}
    return SyntheticHead(Volume(_add_noise(image, 1000 * noise, seed), affine), brain <= 0, landmarks)


def grid_axes(spacing_mm: float) -> list[Axis]:
    """World positions of the voxel centres along x, y, z, mm."""
    return [_steps(low + spacing_mm / 2, high, spacing_mm) for low, high in FIELD_OF_VIEW_MM]


def world_landmarks() -> dict[str, NDArray[np.float64]]:
    """Landmarks on the skin of the shape itself, world mm, to a tenth of a mm, whatever the voxels."""
    profile_z, profile_y = _midline_profile()

    def extreme(top: float, bottom: float, which: Literal["front", "back"]) -> NDArray[np.float64]:
        inside = np.flatnonzero((profile_z <= top) & (profile_z >= bottom))
        best = profile_y[inside].argmax() if which == "front" else profile_y[inside].argmin()
        return np.array([0.0, profile_y[inside[best]], profile_z[inside[best]]])

    marks = {
        "nasion": extreme(2, -34, "back"),
        "pronasale": extreme(-40, -62, "front"),
        "subnasale": extreme(-60, -76, "back"),
        "stomion": extreme(STOMION_Z + 4, STOMION_Z - 4, "back"),
        "menton": np.array([0.0, profile_y[0], profile_z[0]]),
    }
    for side, sign in (("left", -1.0), ("right", 1.0)):
        marks[f"{side}_eye"] = _skin_ahead(sign * EYE[0], EYE[2])
        marks[f"{side}_brow"] = _skin_ahead(sign * EYE[0], BROW_Z)
        marks[f"{side}_tragus"] = np.array([sign * _skin_aside(*TRAGUS_YZ), *TRAGUS_YZ])
    return marks


STOMION_Z = -87.0
BROW_Z = 1.0
MENTON_Y = 84.0
TRAGUS_YZ = (4.0, -34.0)

BRAIN: list[Part] = [
    ellipsoid((0, -1, 26), (63.5, 82, 58)),
    ellipsoid((0, 72, -51), (58, 54, 46), blend_mm=12, how="carve"),
    *both_sides(lambda s: ellipsoid((s * 38, 14, -9), (20, 33, 18), blend_mm=8)),
    ellipsoid((0, -46, -27), (48, 30, 22), blend_mm=4),
    rod((0, -14, -19), (0, -30, -63), 11, 8, blend_mm=6),
]

SKIN: list[Part] = [
    ellipsoid((0, -1, 26), (76, 95, 72)),
    ellipsoid((0, -44, -22), (61, 48, 46), blend_mm=25),
    # neck, throat
    rod((0, -26, -70), (0, -30, -190), 48, 54, blend_mm=26),
    rod((0, 4, -100), (0, -4, -190), 40, 44, blend_mm=24),
    # middle of the face, cheek bones, jaw, chin
    ellipsoid((0, 34, -46), (59, 52, 52), blend_mm=20),
    *both_sides(lambda s: ellipsoid((s * 31, 54, -46), (29, 31, 22), blend_mm=16)),
    ellipsoid((0, 40, -90), (47, 50, 32), blend_mm=20),
    *both_sides(lambda s: rod((s * 47, 6, -74), (s * 22, 68, -112), 12, 14, blend_mm=20)),
    *both_sides(lambda s: ellipsoid((s * 42, 38, -72), (19, 30, 24), blend_mm=16)),
    ellipsoid((0, 80, -114), (20, 16, 14), blend_mm=16),
    # brow ridge; sockets; lids over the eyeballs
    *both_sides(lambda s: ellipsoid((s * 23, 76, 1), (27, 15, 11), blend_mm=16)),
    *both_sides(lambda s: ellipsoid((s * 35, 95, -18), (20, 16, 14), blend_mm=9, how="carve")),
    *both_sides(lambda s: ellipsoid((s * EYE[0], EYE[1], EYE[2]), (16.5, 14, 13), blend_mm=3)),
    *both_sides(lambda s: rod((s * 22, 81.5, -24.5), (s * 41, 79, -24.5), 2.2, blend_mm=4)),
    # nose: bridge, tip, wings, columella
    rod((0, 83, -15), (0, 108, -52), 6.5, 10, blend_mm=12),
    rod((0, 80, -18), (0, 95, -54), 8, 13, blend_mm=6),
    *both_sides(lambda s: ellipsoid((s * 10.5, 98, -56.5), (7, 12, 8), blend_mm=8)),
    rod((0, 108, -58), (0, 95, -64), 4.5, 5, blend_mm=5),
    # lips
    ellipsoid((0, 80, -86), (32, 19, 24), blend_mm=14),
    ellipsoid((0, 95.5, -82), (23, 8.5, 5.6), blend_mm=7),
    ellipsoid((0, 94.5, -92.5), (20, 8.5, 6.0), blend_mm=7),
    ellipsoid((0, 110, STOMION_Z), (28, 9.5, 2.2), blend_mm=3, how="carve"),
    # nostrils
    *both_sides(lambda s: rod((s * 6.5, 104, -67), (s * 5.5, 97, -52), 3.4, 3.0, blend_mm=1.5, how="carve")),
    # ears: shell, concha, tragus
    *both_sides(lambda s: ellipsoid((s * 77, -11, -26), (5.5, 19, 31), blend_mm=6, turn_deg=s * 24)),
    *both_sides(lambda s: ellipsoid((s * 84, -8, -31), (7, 10, 15), blend_mm=4, how="carve", turn_deg=s * 24)),
    *both_sides(lambda s: ellipsoid((s * 70, 4, -34), (5, 4, 6), blend_mm=4)),
]

FAT_PADS = [*both_sides(lambda s: ellipsoid((s * 38, 58, -62), (14, 14, 18)))]

BONES = [
    *both_sides(lambda s: rod((s * 50, 4, -78), (s * 22, 66, -110), 6, 7)),  # jaw
    rod((-22, 66, -110), (22, 66, -110), 7),
    rod((-14, 80, -76), (14, 80, -76), 7),  # upper jaw and teeth
    *both_sides(lambda s: rod((s * 14, 80, -78), (s * 24, 55, -78), 7)),
    *both_sides(lambda s: rod((s * 14, 78, -98), (s * 24, 52, -98), 6.5)),
    rod((-14, 78, -98), (14, 78, -98), 6.5),
    *both_sides(lambda s: rod((s * 48, 60, -30), (s * 64, 20, -36), 4)),  # cheek bone
    rod((0, -40, -78), (0, -44, -190), 15),  # spine
]

AIRWAYS = [
    *both_sides(lambda s: rod((s * 5.5, 97, -52), (s * 5.5, 74, -46), 3.0, 5)),
    *both_sides(lambda s: ellipsoid((s * 6, 58, -42), (4.5, 32, 18))),  # nasal cavity
    *both_sides(lambda s: ellipsoid((s * 27, 56, -54), (12, 14, 14))),  # maxillary sinus
    ellipsoid((0, 79, 3), (11, 5, 7)),  # frontal sinus
    rod((0, 24, -48), (0, 14, -78), 8, 6),  # throat
    rod((0, 14, -78), (0, 10, -190), 6, 8),
    ellipsoid((0, 52, -82), (18, 26, 3)),  # mouth
]

ORBITS = [*both_sides(lambda s: rod((s * EYE[0], 66, EYE[2]), (s * 18, 32, -18), 14, 4))]
EYEBALLS = [*both_sides(lambda s: ellipsoid((s * EYE[0], EYE[1], EYE[2]), (EYE_RADIUS_MM,) * 3))]
VENTRICLES = [
    *both_sides(lambda s: rod((s * 8, 28, 33), (s * 14, -36, 33), 6, 7)),
    rod((0, 6, 19), (0, -8, 9), 2.5),
    rod((0, -34, -23), (0, -36, -35), 4),
]
DEEP_GREY = [*both_sides(lambda s: ellipsoid((s * 16, -4, 19), (10, 18, 10)))]


def _steps(start: float, stop: float, step: float) -> Axis:
    return np.asarray(np.arange(start, stop, step), np.float64)


def _midline_profile() -> tuple[Axis, Axis]:
    """Height and front of the skin in the midline, from the chin's lowest point upwards."""
    axes = [np.zeros(1), _steps(60.0, 130.0, 0.1), _steps(-135.0, 20.0, 0.1)]
    inside = build(SKIN, axes)[0] <= 0
    front = np.where(inside.any(axis=0), axes[1][inside.shape[0] - 1 - inside[::-1].argmax(axis=0)], -np.inf)
    lowest = int(np.flatnonzero(front < MENTON_Y).max(initial=-1)) + 1
    return axes[2][lowest:], front[lowest:]


def _skin_ahead(x: float, z: float) -> NDArray[np.float64]:
    """Point where a straight look from the front meets the skin."""
    axes = [np.array([x]), _steps(40.0, 130.0, 0.1), np.array([z])]
    return np.array([x, axes[1][build(SKIN, axes)[0, :, 0] <= 0].max(), z])


def _skin_aside(y: float, z: float) -> float:
    axes = [_steps(50.0, 110.0, 0.1), np.array([y]), np.array([z])]
    return float(axes[0][build(SKIN, axes)[:, 0, 0] <= 0].max())


def _paint(axes: list[Axis], skin: Field, brain: Field, signal: Mapping[str, float]) -> Field:
    """Lay the tissues over one another, from the skin inwards."""
    soft = float(axes[0][1] - axes[0][0])
    image = np.zeros_like(skin)
    _cover(image, skin, signal["skin"], soft)
    _cover(image, skin + 1.8, signal["fat"], soft)
    _cover(image, skin + 6.5, signal["muscle"], soft)
    for parts, tissue in ((FAT_PADS, "fat"), (BONES, "bone"), (ORBITS, "fat")):
        _cover_parts(image, axes, parts, signal[tissue], soft, skin + 3.0)
    skull = np.maximum(brain - 8.5, skin + SCALP_MM)
    _cover(image, skull, signal["bone"], soft)
    _cover(image, np.maximum(np.abs(brain - 5.5) - 1.2, skin + SCALP_MM + 2), signal["marrow"], soft)
    _cover(image, brain - 2.5, signal["csf"], soft)
    _paint_brain(image, axes, brain, signal, soft)
    _cover_parts(image, axes, EYEBALLS, signal["vitreous"], soft)
    _cover_parts(image, axes, AIRWAYS, signal["air"], soft)
    return image


def _paint_brain(image: Field, axes: list[Axis], brain: Field, signal: Mapping[str, float], soft: float) -> None:
    """Grey ribbon with folds, white core, fissure between the halves, ventricles."""
    window = box_window(axes, (-70, -90, -80), (70, 90, 90), 0.0)
    view, field = image[window], brain[window]
    x, y, z = open_axes(axes, window)
    folds = np.cos(x / 4.2) * np.cos(y / 5.0) * np.cos(z / 4.6)
    _cover(view, field, signal["grey"], soft)
    _cover(view, field + 6.0 + 4.5 * folds, signal["white"], soft)
    # 0.3 mm per mm of depth: sulci are wide outside and close towards the white matter
    _cover(view, np.maximum(field, np.maximum(-field - 9.0, 1.25 - folds * 1.6 - 0.08 * field)), signal["csf"], soft)
    fissure = np.maximum(np.maximum(np.abs(x) - 1.2, field), np.maximum(33.0 - z, -field - 35.0))
    _cover(view, fissure, signal["csf"], soft)
    _cover_parts(image, axes, DEEP_GREY, signal["grey"], soft)
    _cover_parts(image, axes, VENTRICLES, signal["csf"], soft)


def _cover(image: Field, distance: Field, signal: float, soft_mm: float) -> None:
    """Paint the inside of a field, its edge as soft as one voxel (partial volume)."""
    share = np.clip(np.float32(0.5) - distance / np.float32(soft_mm), 0, 1)
    image += share * (np.float32(signal) - image)


def _cover_parts(
    image: Field, axes: list[Axis], parts: list[Part], signal: float, soft_mm: float, within: Field | None = None
) -> None:
    """Paint solids one by one, each in its own box, never outside the field ``within``."""
    for part in parts:
        window = box_window(axes, part.low, part.high, soft_mm)
        distance = part.distance(*open_axes(axes, window))
        if within is not None:
            distance = np.maximum(distance, within[window])
        _cover(image[window], distance, signal, soft_mm)


def _add_noise(image: Field, spread: float, seed: int) -> Field:
    """Magnitude noise: a signal with noise in two channels, as a scanner has it."""
    if spread <= 0:
        return image
    generator = np.random.default_rng(seed)
    real = generator.standard_normal(image.shape, np.float32)
    real *= np.float32(spread)
    real += image
    imaginary = generator.standard_normal(image.shape, np.float32)
    imaginary *= np.float32(spread)
    return np.hypot(real, imaginary)
