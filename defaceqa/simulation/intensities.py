"""From masks to images: what a tool writes where it removes, and defacings that change values instead of removing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.head import WORKING_SPACING_MM
from defaceqa.simulation.face import Face

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Fill = Literal["zero", "noise"]


def remove(face: Face, mask: BoolArray, generator: np.random.Generator, fill: Fill = "zero") -> FloatArray:
    """The original with a mask blanked.

    Parameters
    ----------
    face : Face
    mask : ndarray of bool
        On the working grid.
    generator : numpy.random.Generator
    fill : {"zero", "noise"}
        Zeros, or noise like that of the original's air.

    Returns
    -------
    ndarray of float32, shape of the original
    """
    data = face.volume.data.copy()
    where = face.on_image(mask)
    data[where] = 0 if fill == "zero" else _air(face, int(np.count_nonzero(where)), generator)
    return data


def blur(face: Face, mask: BoolArray, sigma_mm: float) -> FloatArray:
    """The original with a mask blurred, its border feathered."""
    where = face.on_image(mask)
    sigma = sigma_mm / face.volume.spacing_mm
    soft = ndimage.gaussian_filter(face.volume.data, sigma)
    weight = ndimage.gaussian_filter(where.astype(np.float32), 2.0 / face.volume.spacing_mm)
    return np.asarray(face.volume.data + weight * (soft - face.volume.data), np.float32)


def smooth_refill(
    face: Face, mask: BoolArray, generator: np.random.Generator, *, smooth_mm: float, setback_mm: float
) -> FloatArray:
    """A featureless shell in place of the face, as refacers leave when they average too much.

    Parameters
    ----------
    face : Face
    mask : ndarray of bool
        Where to refill, on the working grid.
    smooth_mm : float
        Width of the smoothing; details smaller than twice this vanish.
    setback_mm : float
        How far the shell lies behind the smoothed skin.

    Returns
    -------
    ndarray of float32, shape of the original
    """
    head = ndimage.gaussian_filter((face.depth_mm >= 0).astype(np.float32), smooth_mm / WORKING_SPACING_MM)
    shell_depth = ndimage.gaussian_filter(_signed_depth_mm(head > 0.5), 1.0) - np.float32(setback_mm)
    depth = face.values_on_image(shell_depth)
    share = np.clip(0.5 + depth / float(face.volume.spacing_mm.mean()), 0, 1)
    where = face.on_image(mask)
    air = _air(face, int(np.count_nonzero(where)), generator)
    level = generator.normal(face.tissue, 0.08 * (face.tissue - face.air), len(air))
    data = face.volume.data.copy()
    data[where] = air + share[where] * (level.astype(np.float32) - air)
    return data


def constant_fill(face: Face, mask: BoolArray, share: float) -> FloatArray:
    """The original with a mask set to one value, a share of the way from air to skin level."""
    data = face.volume.data.copy()
    data[face.on_image(mask)] = np.float32(face.air + share * (face.threshold - face.air))
    return data


def bright_noise(face: Face, mask: BoolArray, generator: np.random.Generator) -> FloatArray:
    """The original with a mask filled with random values between air and a little above skin level."""
    data = face.volume.data.copy()
    where = face.on_image(mask)
    top = face.air + 1.1 * (face.threshold - face.air)
    data[where] = generator.uniform(face.air, top, int(np.count_nonzero(where))).astype(np.float32)
    return data


def tiny_change(face: Face, generator: np.random.Generator, share: float) -> FloatArray:
    """Every voxel moved a little, as tools do that resample or rescale: a smooth field and some noise."""
    coarse = generator.standard_normal((5, 5, 5)).astype(np.float32)
    zoom = np.array(face.volume.shape) / 5
    field = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    noise = generator.standard_normal(face.volume.shape, np.float32)
    return np.asarray(face.volume.data * (1 + np.float32(share) * (field + noise) / 2), np.float32)


def _signed_depth_mm(inside: BoolArray) -> FloatArray:
    """Distance to the border of a mask, positive inside."""
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return np.asarray(depth * WORKING_SPACING_MM, np.float32)


def _air(face: Face, count: int, generator: np.random.Generator) -> FloatArray:
    """Air voxels of the original, drawn at random; never brighter than its skin level."""
    outside = face.volume.data[face.on_image(face.depth_mm < -10)]
    outside = outside[outside < face.threshold]
    if len(outside) == 0:
        return np.zeros(count, np.float32)
    return generator.choice(outside, count)
