"""Feature set ``paper-ism``: the numbers the paper's software prints, for comparison with published results only.

The paper computes its four measures with the package image-similarity-measures 0.3.6. What that package calls FSIM,
SSIM, PSNR and RMSE differs from the measures of those names in :mod:`defaceqa.features.similarity`:

- All assume 12-bit data (maximum 4095). On 8-bit renders PSNR is 24.1 dB higher, RMSE is a 4095th of the grey levels,
  and the constants of SSIM, 258 times too large, flatten it towards 1.
- FSIM is not reduced to 256 pixels; six orientations of phase congruency, each with its own noise threshold and
  weight, are summed (so that it exceeds 1); half of each gradient (the negative side) is cut off, the rest is 16 times
  too large for its constant, and its square overflows 16 bits.

On 18 pairs of renders (six heads: defaced, defaced on one side, blurred) its FSIM came out 0.07 to 0.15 lower, its SSIM
0.04 to 0.14 higher; their correlation with the true ones was .88 and .79.

The package needs NumPy below 2 and cannot share an environment with this one, so its arithmetic is written anew here,
rounding and overflow included; the tests compare both to 1e-6. Never mix these features with the others in one model.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import InputError
from defaceqa.features.fsim import check_picture, check_same_shape
from defaceqa.features.log_gabor import SCALES, WAVELENGTH_RATIO, angle_from, rings
from defaceqa.renders import VIEWS

ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float64]

MAX_VALUE = 4095
"""Largest value of 12-bit data, which the package assumes unless told."""

PACKAGE_CHANNELS = 3
"""The package reads pictures with OpenCV, so grey ones arrive as three equal channels; it refuses plain 2-D ones."""

T1 = 0.85
T2 = 160
ORIENTATIONS = 6
SIGMA_ON_F = 0.5978
NOISE_SIGMAS = 2.0
EPSILON = 1e-4
WIDTH_CUTOFF = 0.5
WIDTH_SHARPNESS = 10.0


def paper_ism_features(original_views: ByteArray, defaced_views: ByteArray) -> dict[str, float]:
    """Compute the paper's four similarity features as its software does.

    Parameters
    ----------
    original_views, defaced_views : ndarray of uint8, shape (5, rows, columns)
        Renders in the order of ``renders.VIEWS``.

    Returns
    -------
    dict of str to float
        ``paper_ism_fsim``, ``paper_ism_ssim`` (no unit), ``paper_ism_psnr`` (dB, infinite for identical views),
        ``paper_ism_rmse`` (share of 4095 grey levels): means over the views. FSIM is NaN when a view is blank.

    Raises
    ------
    InputError
        When the arrays are not five 8-bit pictures of one shape.
    """
    check_same_shape(original_views, defaced_views)
    if np.ndim(original_views) != 3 or len(original_views) != len(VIEWS):
        raise InputError(f"The views have shape {np.shape(original_views)}; ({len(VIEWS)}, rows, columns) is needed.")
    measures = {"fsim": fsim, "ssim": ssim, "psnr": psnr, "rmse": rmse}
    pairs = list(zip(original_views, defaced_views, strict=True))
    return {
        f"paper_ism_{name}": float(np.mean([measure(original, defaced) for original, defaced in pairs]))
        for name, measure in measures.items()
    }


def rmse(original: ByteArray, defaced: ByteArray) -> float:
    """Root mean squared error as a share of 4095, in the package's single precision."""
    differences = _single_precision_differences(original, defaced) / np.float32(MAX_VALUE)
    return float(np.sqrt(_single_precision_mean(np.square(differences))))


def psnr(original: ByteArray, defaced: ByteArray) -> float:
    """Peak signal-to-noise ratio for a peak of 4095, dB; infinite for identical pictures."""
    squared = _single_precision_mean(np.square(_single_precision_differences(original, defaced)))
    return float(20 * np.log10(MAX_VALUE / np.float64(np.sqrt(squared)))) if squared > 0 else float("inf")


def ssim(original: ByteArray, defaced: ByteArray) -> float:
    """Structural similarity with uniform 7 x 7 windows, sample covariance and a data range of 4095."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(original, defaced, data_range=MAX_VALUE))  # type: ignore[no-untyped-call]


def fsim(original: ByteArray, defaced: ByteArray) -> float:
    """Compute what the package calls FSIM.

    Parameters
    ----------
    original, defaced : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    float
        In (0, 1]; NaN where a picture is blank, as the package gives.
    """
    check_picture(original)
    check_picture(defaced)
    phases = summed_phase_congruency(original), summed_phase_congruency(defaced)
    gradients = overflowing_gradient(original), overflowing_gradient(defaced)
    weight = np.maximum(*phases)
    return float(np.sum(_ratio(*phases, T1) * _ratio(*gradients, T2) * weight) / np.sum(weight))


def summed_phase_congruency(image: ByteArray) -> FloatArray:
    """Phase congruency of six orientations, each a ratio of its own, added up; NaN where no filter responds.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        In [0, 6].
    """
    spectrum = scipy.fft.fft2(image.astype(np.float64), workers=1)
    total = np.zeros(image.shape)
    for filters in _filter_bank(image.shape):
        total += _phase_congruency(scipy.fft.ifft2(spectrum * filters, workers=1, overwrite_x=True))
    return total


def overflowing_gradient(image: ByteArray) -> NDArray[np.float32]:
    """Scharr gradient in unsigned 16-bit integers: negative slopes become zero, squares wrap around at 65536.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    ndarray of float32, shape (rows, columns)
    """
    slopes = [_rising_slope(image, axis) for axis in (0, 1)]
    return np.asarray(np.sqrt(slopes[0] ** 2 + slopes[1] ** 2))


def _rising_slope(image: ByteArray, axis: int) -> NDArray[np.uint16]:
    grey = image.astype(np.int32)
    slope = ndimage.correlate1d(grey, [-1, 0, 1], axis=axis, mode="mirror")
    smoothed = ndimage.correlate1d(slope, [3, 10, 3], axis=1 - axis, mode="mirror")
    return np.asarray(np.maximum(smoothed, 0), dtype=np.uint16)


def _ratio(a: NDArray[np.floating], b: NDArray[np.floating], steady: float) -> NDArray[np.floating]:
    return np.asarray((2 * (a * b) + steady) / (np.square(a) + np.square(b) + steady))


def _phase_congruency(responses: NDArray[np.complex128]) -> FloatArray:
    """Phase congruency of one orientation from its filter responses, shape (scales, rows, columns)."""
    amplitudes = np.abs(responses)
    amplitude = amplitudes.sum(axis=0)
    energy = np.maximum(_energy_in_step(responses) - _noise_threshold(amplitudes[0]), 0)
    width = (amplitude / (amplitudes.max(axis=0) + EPSILON) - 1) / (SCALES - 1)
    weight = 1 / (1 + np.exp(WIDTH_SHARPNESS * (WIDTH_CUTOFF - width)))
    with np.errstate(invalid="ignore"):  # 0/0 of a blank picture stays NaN, as in the package
        return np.asarray(weight * energy / amplitude)


def _energy_in_step(responses: NDArray[np.complex128]) -> FloatArray:
    total = responses.sum(axis=0)
    direction = total / (np.abs(total) + EPSILON)
    turned = responses * direction.conj()
    return np.asarray((turned.real - np.abs(turned.imag)).sum(axis=0))


def _noise_threshold(finest_amplitude: FloatArray) -> float:
    """Mean noise energy and two standard deviations, from the Rayleigh-distributed amplitudes of the finest filter."""
    tau = np.median(finest_amplitude) / np.sqrt(np.log(4))
    tau *= sum(WAVELENGTH_RATIO**-scale for scale in range(SCALES))
    return max(EPSILON, float(tau * (np.sqrt(np.pi / 2) + NOISE_SIGMAS * np.sqrt((4 - np.pi) / 2))))


@lru_cache(maxsize=1)
def _filter_bank(shape: tuple[int, int]) -> list[FloatArray]:
    """Give the filters of every orientation, shape (scales, rows, columns) each, a raised cosine wide."""
    radial = rings(shape, SIGMA_ON_F)
    angles = [angle_from(shape, o * np.pi / ORIENTATIONS) for o in range(ORIENTATIONS)]
    spreads = [(1 + np.cos(np.minimum(angle * ORIENTATIONS / 2, np.pi))) / 2 for angle in angles]
    return [radial * spread for spread in spreads]


def _single_precision_differences(original: ByteArray, defaced: ByteArray) -> NDArray[np.float32]:
    return original.astype(np.float32) - defaced


def _single_precision_mean(values: NDArray[np.float32]) -> np.float32:
    """Mean as the package adds: pixel by pixel in single precision, which drifts by a few parts in ten thousand.

    NumPy adds pairwise, and so nearly exactly, along the last axis only; the package sums over the first two of a
    picture with channels.
    """
    channels = np.repeat(values[:, :, None], PACKAGE_CHANNELS, axis=2)
    return np.float32(np.mean(channels, axis=(0, 1))[0])
