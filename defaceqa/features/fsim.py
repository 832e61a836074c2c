"""Feature similarity (FSIM) of two grey pictures.

Zhang, Zhang, Mou & Zhang, "FSIM: a feature similarity index for image quality assessment", IEEE Trans. Image Process.
20(8), 2011. Every constant is the one of the authors' MATLAB program, whose results this one equals to 1e-4 and better;
their names are kept where the paper has one (T1, T2, F, k).

FSIM looks at where an eye sees structure (phase congruency) and how steep it is there (gradient). An even shift of
brightness is invisible to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import InputError
from defaceqa.features.log_gabor import (
    SCALES,
    SHORTEST_WAVELENGTH_PX,
    WAVELENGTH_RATIO,
    angle_from,
    rings,
)

ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

T1 = 0.85
"""Steadies the ratio of phase congruencies."""
T2 = 160.0
"""Steadies the ratio of gradients, in squared grey levels of an 8-bit picture."""

REDUCED_SIZE_PX = 256
"""Pictures are averaged down until their shorter side is about this long."""

MIN_SIZE_PX = SHORTEST_WAVELENGTH_PX * WAVELENGTH_RATIO ** (SCALES - 1)
"""The longest wave looked for is 48 pixels; a smaller picture cannot hold one."""

ORIENTATIONS = 4
SIGMA_ON_F = 0.55
ANGLE_ON_SIGMA = 1.2
"""Angle between orientations over the angular spread of a filter."""
NOISE_SIGMAS = 2.0
"""k: energy below the mean noise plus this many standard deviations does not count."""
NOISE_DIVISOR = 1.7
EPSILON = 1e-4


@dataclass(frozen=True)
class Structure:
    """What FSIM sees in one picture, on the reduced grid; compute it once and compare it often.

    Parameters
    ----------
    phase_congruency : ndarray of float64, shape (rows, columns)
        In [0, 1]; high where waves of all lengths are in step, as at an edge.
    gradient : ndarray of float64, shape (rows, columns)
        Gradient magnitude in grey levels per reduced pixel.
    """

    phase_congruency: FloatArray
    gradient: FloatArray


@dataclass(frozen=True)
class FsimMap:
    """FSIM before it is summed, on the reduced grid.

    Parameters
    ----------
    similarity : ndarray of float64, shape (rows, columns)
        In (0, 1], 1 where both pictures have the same structure.
    weight : ndarray of float64, shape (rows, columns)
        The larger of the two phase congruencies.
    """

    similarity: FloatArray
    weight: FloatArray

    def score(self, inside: BoolArray | None = None) -> float:
        """Weighted mean of the similarity.

        Parameters
        ----------
        inside : ndarray of bool, shape (rows, columns), optional
            Sum only here; on the reduced grid, from :func:`reduce_mask`.

        Returns
        -------
        float
            In (0, 1], higher is more alike. 1 where neither picture has any structure; NaN when `inside` is empty.
        """
        if inside is None:
            inside = np.ones(self.weight.shape, dtype=bool)
        if not inside.any():
            return float("nan")
        weight = self.weight[inside]
        total = weight.sum()
        return float((self.similarity[inside] * weight).sum() / total) if total > 0 else 1.0


def fsim(reference: ByteArray, distorted: ByteArray) -> float:
    """FSIM of two grey pictures.

    Parameters
    ----------
    reference, distorted : ndarray of uint8, shape (rows, columns)
        At least 48 pixels in both directions. The order does not matter.

    Returns
    -------
    float
        In (0, 1]; 1 for the same structure, and when both pictures are blank.

    Raises
    ------
    InputError
        When the pictures are not 2-D, not 8-bit, too small, or of different shapes.
    """
    check_same_shape(reference, distorted)
    return compare(structure(reference), structure(distorted)).score()


def structure(image: ByteArray) -> Structure:
    """Phase congruency and gradient of one picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    Structure
        On the reduced grid.

    Raises
    ------
    InputError
        When the picture is not 2-D, not 8-bit, or smaller than 48 pixels.
    """
    check_picture(image)
    reduced = reduce(image.astype(np.float64))
    return Structure(phase_congruency(reduced), gradient_magnitude(reduced))


def compare(reference: Structure, distorted: Structure) -> FsimMap:
    """Similarity and weight at every place of two structures of the same shape."""
    phases = reference.phase_congruency, distorted.phase_congruency
    alike = _ratio(*phases, T1) * _ratio(reference.gradient, distorted.gradient, T2)
    return FsimMap(similarity=alike, weight=np.maximum(*phases))


def reduce(image: FloatArray) -> FloatArray:
    """Average over F x F windows and keep every F-th, with F = max(1, round(shorter side / 256)).

    A window begins (F - 1) // 2 pixels before the pixel it stands for, so for odd F (and where F does not divide the
    size) windows reach over the border, where the picture counts as zero: so does MATLAB's ``conv2(..., "same")``.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (ceil(rows / F), ceil(columns / F))
    """
    factor = _reduction(image.shape)
    if factor == 1:
        return image
    before = (factor - 1) // 2
    padding = [(before, -(before + n) % factor) for n in image.shape]
    padded = np.pad(image, padding)
    rows, columns = (-(-n // factor) for n in image.shape)
    blocks = padded[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def reduce_mask(mask: BoolArray) -> BoolArray:
    """Bring a mask to the reduced grid: a window is inside as soon as one of its pixels is.

    Any rather than most, because the outline of a head, its strongest structure, lies half outside.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        On the grid of the picture.

    Returns
    -------
    ndarray of bool
        On the grid of :class:`FsimMap`.
    """
    return reduce(mask.astype(np.float64)) > 0


def phase_congruency(image: FloatArray) -> FloatArray:
    """Share of the filter responses that is in step: one ratio of sums over all orientations.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        In [0, 1]; 0 where no filter responds.
    """
    spectrum = scipy.fft.fft2(image, workers=1)
    energy, amplitude = np.zeros(image.shape), np.zeros(image.shape)
    for filters, noise_gain in zip(*_filter_bank(image.shape), strict=True):
        responses = scipy.fft.ifft2(spectrum * filters, workers=1, overwrite_x=True)
        amplitudes = np.abs(responses)
        threshold = noise_gain * np.median(amplitudes[0])
        energy += np.maximum(_energy_in_step(responses) - threshold, 0)
        amplitude += amplitudes.sum(axis=0)
    return np.divide(energy, amplitude, out=np.zeros(image.shape), where=amplitude > 0)


def gradient_magnitude(image: FloatArray) -> FloatArray:
    """Length of the Scharr gradient (weights 3, 10, 3 over 16), the picture taken as zero outside.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Grey levels per pixel, of the difference between the two neighbours.
    """
    across, along = np.array([1.0, 0.0, -1.0]), np.array([3.0, 10.0, 3.0]) / 16
    parts = [_filter_separably(image, weights) for weights in ((across, along), (along, across))]
    return np.hypot(*parts)


def check_same_shape(reference: NDArray[Any], distorted: NDArray[Any]) -> None:
    """Refuse two pictures that cannot be laid over each other.

    Raises
    ------
    InputError
        When the shapes differ.
    """
    if np.shape(reference) != np.shape(distorted):
        raise InputError(
            f"The pictures have different shapes, {np.shape(reference)} and {np.shape(distorted)}; "
            "render both with one camera at one size."
        )


def check_picture(image: object) -> None:
    """Refuse what is not one grey 8-bit picture of a useful size.

    Raises
    ------
    InputError
        When it is not a 2-D uint8 array of at least 48 x 48 pixels.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"The picture is {found}; a grey picture of type uint8 (0 to 255) is needed.")
    if image.ndim != 2:
        raise InputError(f"The picture has shape {image.shape}; one grey channel (rows, columns) is needed.")
    if min(image.shape) < MIN_SIZE_PX:
        raise InputError(
            f"The picture has shape {image.shape}; at least {MIN_SIZE_PX} x {MIN_SIZE_PX} pixels are needed."
        )


def _reduction(shape: tuple[int, ...]) -> int:
    return max(1, int(min(shape) / REDUCED_SIZE_PX + 0.5))  # halves go up, as in MATLAB


def _ratio(a: FloatArray, b: FloatArray, steady: float) -> FloatArray:
    return np.asarray((2 * a * b + steady) / (a * a + b * b + steady))


def _energy_in_step(responses: NDArray[np.complex128]) -> FloatArray:
    """Sum over scales of each response along their common direction, less what it has across."""
    total = responses.sum(axis=0)
    length = np.abs(total)
    direction = total / (length + EPSILON)
    across = (responses * direction.conj()).imag
    return np.asarray(length * length / (length + EPSILON) - np.abs(across).sum(axis=0))


def _filter_separably(image: FloatArray, weights: tuple[FloatArray, FloatArray]) -> FloatArray:
    rows, columns = weights
    smoothed = ndimage.correlate1d(image, rows, axis=0, mode="constant")
    return np.asarray(ndimage.correlate1d(smoothed, columns, axis=1, mode="constant"))


@lru_cache(maxsize=4)
def _filter_bank(shape: tuple[int, int]) -> tuple[list[FloatArray], list[float]]:
    """Give the filters of every orientation, shape (scales, rows, columns) each, and the noise gain of each."""
    radial = rings(shape, SIGMA_ON_F)
    angular_sigma = np.pi / ORIENTATIONS / ANGLE_ON_SIGMA
    angles = [angle_from(shape, o * np.pi / ORIENTATIONS) for o in range(ORIENTATIONS)]
    bank = [radial * np.exp(-(angle**2) / (2 * angular_sigma**2)) for angle in angles]
    return bank, [_noise_gain(filters) for filters in bank]


def _noise_gain(filters: FloatArray) -> float:
    """Noise threshold of an orientation per median amplitude of its finest filter.

    Amplitudes of filtered noise are Rayleigh distributed. The median of the finest gives the power of the noise, the
    filters' own shapes give the energy of their summed responses, and that gives its mean and spread.
    """
    kernels = scipy.fft.ifft2(filters, workers=1).real * np.sqrt(filters[0].size)
    power = 1 / (np.log(2) * np.sum(filters[0] ** 2))
    tau = np.sqrt(power * np.sum(kernels.sum(axis=0) ** 2))
    mean, spread = tau * np.sqrt(np.pi / 2), tau * np.sqrt(2 - np.pi / 2)
    return float((mean + NOISE_SIGMAS * spread) / NOISE_DIVISOR)
