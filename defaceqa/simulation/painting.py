"""Heads painted from tissue labels: any contrast, a brain that is known exactly, and a face that was really scanned.

A label map says which tissue every voxel is. Each tissue gets a mean and a spread; partial volume, a bias field and
the noise of a magnitude image follow. Soft tissue without inner borders is split by depth into skin, fat and muscle,
and bone into its dense rim and its marrow, because what makes a face stand out from the air is its skin and fat.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import LabelError
from defaceqa.volumes import Volume, load_volume

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Contrast = Literal["T1w", "T2w", "FLAIR"]

CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)

MARGIN_VOXELS = 12
"""Air kept around the head; the rest of the map is cut away."""

SKIN_MM, FAT_MM = 2.0, 6.0
"""Soft tissue: skin to this depth under its surface, then fat, then muscle."""

RIM_MM = 1.6
"""Bone: dense to this depth, then marrow."""

PARTIAL_VOLUME_MM = (0.45, 0.8)
BIAS_SHARE = 0.25
BIAS_KNOT_MM = 70.0
NOISE_SHARE = (0.012, 0.035)
TEXTURE_KNOT_MM = 7.0
CONTRAST_JITTER = 0.06
"""How much the mean of each tissue varies from head to head."""

LEVEL = 400.0
"""White matter of T1w, in the units of the painted image."""

TISSUE_OF_LABEL: Mapping[str, tuple[int, ...]] = {
    "white matter": (2, 7, 16, 25, 28, 41, 46, 57, 60, 77, 85, 251, 252, 253, 254, 255, 502, 512, 508),
    "grey matter": (3, 8, 42, 47),
    "deep grey": (10, 11, 12, 13, 17, 18, 26, 49, 50, 51, 52, 53, 54, 58, 136, 137, 163, 164),
    "fluid": (4, 5, 14, 15, 24, 30, 31, 43, 44, 62, 63, 72),
    "bone": (165, 515),
    "marrow": (516, 514),
    "soft tissue": (258, 507, 511),
    "lining": (509,),
    "eye": (259, 506),
    "blood": (530,),
}
"""FreeSurfer's numbers, those of the extended maps above 500, and what they are painted as."""

_AIR, _SKIN, _FAT, _MUSCLE = "air", "skin", "fat", "muscle"

MEANS: Mapping[Contrast, Mapping[str, float]] = {
    "T1w": {
        "white matter": 1.0, "grey matter": 0.74, "deep grey": 0.84, "fluid": 0.26, "bone": 0.14, "marrow": 0.72,
        _SKIN: 0.78, _FAT: 1.25, _MUSCLE: 0.62, "lining": 0.62, "eye": 0.28, "blood": 0.3,
    },
    "T2w": {
        "white matter": 0.45, "grey matter": 0.62, "deep grey": 0.5, "fluid": 1.3, "bone": 0.1, "marrow": 0.55,
        _SKIN: 0.5, _FAT: 0.85, _MUSCLE: 0.34, "lining": 0.95, "eye": 1.25, "blood": 0.12,
    },
    "FLAIR": {
        "white matter": 0.62, "grey matter": 0.78, "deep grey": 0.7, "fluid": 0.16, "bone": 0.1, "marrow": 0.48,
        _SKIN: 0.55, _FAT: 0.82, _MUSCLE: 0.46, "lining": 0.85, "eye": 0.18, "blood": 0.15,
    },
}  # fmt: skip
"""Mean of each tissue, in shares of white matter of T1w."""

SPREADS: Mapping[str, float] = {_FAT: 0.12, _MUSCLE: 0.12, "marrow": 0.2, "bone": 0.06, _SKIN: 0.1, "lining": 0.15}
"""Spread within a tissue, in the same shares; 0.04 where not named."""


def paint(labels: Volume, contrast: Contrast, seed: int) -> Volume:
    """Paint a label map as an MR image.

    Parameters
    ----------
    labels : Volume
        Tissue labels, 0 air.
    contrast : {"T1w", "T2w", "FLAIR"}
    seed : int
        The same seed gives the same image.

    Returns
    -------
    Volume
        Cut to the head and some air around it; its affine places it where the label map lies.

    Raises
    ------
    LabelError
        A label that nobody knows how to paint, or a map without a head.
    """
    if contrast not in CONTRASTS:
        raise LabelError(f"Unknown contrast {contrast!r}; expected {', '.join(CONTRASTS)}.")
    generator = np.random.default_rng([seed, zlib.crc32(contrast.encode())])
    numbers, affine = _cut_to_head(labels)
    spacing_mm = labels.spacing_mm
    names, tissue = tissues(numbers, spacing_mm)
    clean = _mean_image(names, tissue, contrast, spacing_mm, generator)
    width_mm = generator.uniform(*PARTIAL_VOLUME_MM)
    ndimage.gaussian_filter(clean, width_mm / spacing_mm, output=clean)
    clean *= bias_field(clean.shape, spacing_mm, BIAS_SHARE, generator)
    return Volume(magnitude_noise(clean, generator.uniform(*NOISE_SHARE), generator) * np.float32(LEVEL), affine)


def load_painted(path: Path, contrast: Contrast, seed: int) -> Volume:
    """Read a label map and paint it; see :func:`paint`."""
    return paint(load_volume(path), contrast, seed)


def tissues(numbers: IntArray, spacing_mm: NDArray[np.float64]) -> tuple[list[str], NDArray[np.uint8]]:
    """Names of tissues, and for each voxel the index of its name.

    Parameters
    ----------
    numbers : ndarray of int
        Labels, 0 air.
    spacing_mm : ndarray, shape (3,)

    Raises
    ------
    LabelError
        Unknown labels.
    """
    names = [_AIR, *TISSUE_OF_LABEL, _SKIN, _FAT, _MUSCLE]
    table = np.full(max(int(numbers.max()), 600) + 1, 255, np.uint8)
    table[0] = 0
    for name, values in TISSUE_OF_LABEL.items():
        table[list(values)] = names.index(name)
    tissue = table[numbers]
    if (tissue == 255).any():
        unknown = ", ".join(str(n) for n in np.unique(numbers[tissue == 255]))
        raise LabelError(f"The label map holds {unknown}, which no tissue is known for; leave this map out.")
    _split_by_depth(tissue, names, spacing_mm)
    return names, tissue


def bias_field(
    shape: tuple[int, ...], spacing_mm: NDArray[np.float64], share: float, generator: np.random.Generator
) -> FloatArray:
    """Smooth field around 1, at most about ``1 +- share``, as coils make it."""
    field = smooth_noise(shape, spacing_mm, BIAS_KNOT_MM, generator)
    return np.asarray(np.exp(np.float32(share / 2) * field), np.float32)


def magnitude_noise(clean: FloatArray, share: float, generator: np.random.Generator) -> FloatArray:
    """Noise of a magnitude (Rician) image: Gaussian in tissue, never negative in air."""
    real = generator.standard_normal(clean.shape, np.float32)
    imaginary = generator.standard_normal(clean.shape, np.float32)
    return np.hypot(clean + np.float32(share) * real, np.float32(share) * imaginary)


def smooth_noise(
    shape: tuple[int, ...], spacing_mm: NDArray[np.float64], knot_mm: float, generator: np.random.Generator
) -> FloatArray:
    """Random values of mean 0 and spread 1 at knots this far apart, smooth in between, float32."""
    knots = [max(2, int(np.ceil(n * s / knot_mm)) + 3) for n, s in zip(shape, spacing_mm, strict=True)]
    coarse = generator.standard_normal(knots, np.float32)
    scale = np.diag(spacing_mm / knot_mm)
    return ndimage.affine_transform(coarse, scale, [0.5] * 3, output_shape=shape, order=2, mode="nearest", output="f4")


def _cut_to_head(labels: Volume) -> tuple[IntArray, NDArray[np.float64]]:
    numbers = np.rint(labels.data).astype(np.int32)
    if not (numbers > 0).any():
        raise LabelError(f"{labels.name} holds no labels above 0; expected the tissue labels of a head.")
    window, start = [], []
    for axis in range(3):
        filled = np.flatnonzero((numbers > 0).any(axis=tuple(a for a in range(3) if a != axis)))
        low = max(int(filled[0]) - MARGIN_VOXELS, 0)
        window.append(slice(low, min(int(filled[-1]) + MARGIN_VOXELS, numbers.shape[axis] - 1) + 1))
        start.append(low)
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    return numbers[tuple(window)], affine


def _split_by_depth(tissue: NDArray[np.uint8], names: list[str], spacing_mm: NDArray[np.float64]) -> None:
    """Turn soft tissue into skin, fat and muscle, and the inside of bone into marrow, in place."""
    soft, bone = tissue == names.index("soft tissue"), tissue == names.index("bone")
    from_air = ndimage.distance_transform_edt(np.pad(tissue > 0, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    tissue[soft] = names.index(_MUSCLE)
    tissue[soft & (from_air <= FAT_MM)] = names.index(_FAT)
    tissue[soft & (from_air <= SKIN_MM)] = names.index(_SKIN)
    if not (tissue == names.index("marrow")).any():
        inner = ndimage.distance_transform_edt(bone, sampling=spacing_mm) > RIM_MM
        tissue[inner] = names.index("marrow")


def _mean_image(
    names: list[str],
    tissue: NDArray[np.uint8],
    contrast: Contrast,
    spacing_mm: NDArray[np.float64],
    generator: np.random.Generator,
) -> FloatArray:
    means, spreads = np.zeros(len(names), np.float32), np.zeros(len(names), np.float32)
    for index, name in enumerate(names):
        if name in MEANS[contrast]:
            means[index] = MEANS[contrast][name] * (1 + CONTRAST_JITTER * generator.standard_normal())
            spreads[index] = SPREADS.get(name, 0.04)
    texture = smooth_noise(tissue.shape, spacing_mm, TEXTURE_KNOT_MM, generator)
    return np.asarray(np.maximum(means[tissue] + spreads[tissue] * texture, 0), np.float32)
