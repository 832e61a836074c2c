"""The filter bank behind phase congruency: log-Gabor rings in the frequency plane, zero frequency in the corner.

After Kovesi, "Image features from phase congruency", Videre 1(3), 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SCALES = 4
SHORTEST_WAVELENGTH_PX = 6
WAVELENGTH_RATIO = 2

LOW_PASS_CUTOFF = 0.45
LOW_PASS_ORDER = 15


def rings(shape: tuple[int, int], sigma_on_f: float) -> FloatArray:
    """Radial part of the filters, one ring per scale, the finest first.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    sigma_on_f : float
        Width of a ring: spread of its Gaussian over its centre, both on the log-frequency axis.

    Returns
    -------
    ndarray, shape (SCALES, rows, columns)
        Gains in [0, 1], zero at frequency zero.
    """
    x, y = _frequencies(shape)
    radius = np.hypot(x, y)
    # A Butterworth low-pass keeps the corners of the plane out, which have no counterpart along the axes.
    low_pass = 1 / (1 + (radius / LOW_PASS_CUTOFF) ** (2 * LOW_PASS_ORDER))
    radius[0, 0] = 1  # any positive number: the gain at frequency zero is set below
    wavelengths = SHORTEST_WAVELENGTH_PX * WAVELENGTH_RATIO ** np.arange(SCALES)
    gains = np.exp(-(np.log(radius * wavelengths[:, None, None]) ** 2) / (2 * np.log(sigma_on_f) ** 2)) * low_pass
    gains[:, 0, 0] = 0
    return np.asarray(gains)


def angle_from(shape: tuple[int, int], orientation: float) -> FloatArray:
    """Angle between every frequency and an orientation, radians in [0, pi]; anti-clockwise is positive.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    orientation : float
        Radians from the row direction.

    Returns
    -------
    ndarray, shape (rows, columns)
    """
    x, y = _frequencies(shape)
    theta = np.arctan2(-y, x)
    turned = theta - orientation
    return np.asarray(np.abs(np.arctan2(np.sin(turned), np.cos(turned))))


def _frequencies(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rows, columns = shape
    x, y = np.meshgrid(_frequency_axis(columns), _frequency_axis(rows))
    return x, y


def _frequency_axis(n: int) -> FloatArray:
    """Cycles per pixel; for odd lengths stretched to reach one half, as in the reference implementations."""
    axis = np.arange(n) - n // 2
    return np.fft.ifftshift(axis / (n if n % 2 == 0 else n - 1))
