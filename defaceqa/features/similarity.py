"""How alike the renders of the original and of the defaced head are: FSIM, SSIM, PSNR and RMSE, view by view.

The four measures of the paper, on 8-bit grey renders. Each is given over the whole picture and, as ``*_head_*``, inside
the head's silhouette only, since the white background drowns small differences. All of them grow (RMSE: shrinks) with
the likeness of the two heads: a well defaced head is *unlike* its original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import InputError
from defaceqa.features.fsim import (
    FsimMap,
    Structure,
    check_picture,
    check_same_shape,
    compare,
    reduce_mask,
    structure,
)
from defaceqa.renders import VIEWS

ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

MEASURES = ("fsim", "ssim", "psnr", "rmse")

DATA_RANGE = 255

PSNR_CAP_DB = 100.0
"""PSNR of identical pictures, which has no finite value; nothing is above it (RMSE 0.0026 grey levels)."""

SSIM_SIGMA_PX = 1.5
SSIM_RADIUS_PX = 5
"""Half width of the SSIM window: 3.5 sigma, rounded."""


def similarity_features(
    original_views: ByteArray,
    defaced_views: ByteArray,
    silhouettes: BoolArray,
    *,
    structures: Sequence[Structure] | None = None,
) -> dict[str, float]:
    """All similarity features of a pair of renders.

    Parameters
    ----------
    original_views, defaced_views : ndarray of uint8, shape (5, rows, columns)
        Renders in the order of ``renders.VIEWS``, background 255.
    silhouettes : ndarray of bool, shape (5, rows, columns)
        Pixels where the original or the defaced head is drawn.
    structures : sequence of Structure, optional
        Of the original's views, when they are known already.

    Returns
    -------
    dict of str to float
        ``fsim_<view>`` (0 to 1), ``ssim_<view>`` (-1 to 1), ``psnr_<view>`` (dB, at most 100), ``rmse_<view>`` (grey
        levels, 0 to 255); their means over the views ``fsim_mean`` ...; and the same inside the silhouette,
        ``fsim_head_<view>`` ... ``fsim_head_mean``. Inside an empty silhouette they are NaN, and so is the mean.

    Raises
    ------
    InputError
        When the arrays are not five 8-bit pictures and five masks of one shape.

    Notes
    -----
    Khodaei Dolouei et al., BMC Med Imaging 2026, use the means over the views.
    """
    _check(original_views, defaced_views, silhouettes)
    known = structures or [structure(view) for view in original_views]
    table = {
        view: _view_features(original, known_structure, defaced, inside)
        for view, original, known_structure, defaced, inside in zip(
            VIEWS, original_views, known, defaced_views, silhouettes, strict=True
        )
    }
    features = {f"{name}_{view}": value for view, values in table.items() for name, value in values.items()}
    for name in next(iter(table.values())):
        features[f"{name}_mean"] = float(np.mean([values[name] for values in table.values()]))
    return features


def ssim_map(original: ByteArray, defaced: ByteArray) -> FloatArray:
    """Structural similarity (SSIM) around every pixel, by scikit-image with the settings of Wang et al. 2004.

    Parameters
    ----------
    original, defaced : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        In [-1, 1]; 1 where the surroundings are identical.
    """
    from skimage.metrics import structural_similarity

    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        original,
        defaced,
        data_range=DATA_RANGE,
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(similarity)


def ssim(similarity: FloatArray) -> float:
    """Mean SSIM of a picture from :func:`ssim_map`, the border left out where windows would reach over the edge."""
    inner = slice(SSIM_RADIUS_PX, -SSIM_RADIUS_PX)
    return float(similarity[inner, inner].mean())


def psnr_db(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures.

    Parameters
    ----------
    mean_squared_error : float
        Squared grey levels; NaN gives NaN.

    Returns
    -------
    float
        dB, at most ``PSNR_CAP_DB``, which identical pictures get.
    """
    if mean_squared_error == 0:
        return PSNR_CAP_DB
    decibels = float(10 * np.log10(DATA_RANGE**2 / mean_squared_error))
    return PSNR_CAP_DB if decibels > PSNR_CAP_DB else decibels


def _view_features(
    original: ByteArray, known: Structure, defaced: ByteArray, inside: BoolArray
) -> dict[str, float]:
    """Measures of one view, over the picture (``fsim``) and inside the silhouette (``fsim_head``)."""
    errors = np.square(original.astype(np.int32) - defaced)
    structures = ssim_map(original, defaced)
    details: FsimMap = compare(known, structure(defaced))
    whole = (details.score(), ssim(structures), float(errors.mean()))
    head = (details.score(reduce_mask(inside)), _mean_inside(structures, inside), _mean_inside(errors, inside))
    return {**_named(*whole, suffix=""), **_named(*head, suffix="_head")}


def _named(fsim: float, ssim: float, mean_squared_error: float, *, suffix: str) -> dict[str, float]:
    values = (fsim, ssim, psnr_db(mean_squared_error), mean_squared_error**0.5)
    return {measure + suffix: value for measure, value in zip(MEASURES, values, strict=True)}


def _mean_inside(values: NDArray[np.float64] | NDArray[np.int32], inside: BoolArray) -> float:
    return float(values[inside].mean()) if inside.any() else float("nan")


def _check(original_views: ByteArray, defaced_views: ByteArray, silhouettes: BoolArray) -> None:
    check_same_shape(original_views, defaced_views)
    check_same_shape(original_views, silhouettes)
    if np.ndim(original_views) != 3 or len(original_views) != len(VIEWS):
        raise InputError(f"The views have shape {np.shape(original_views)}; ({len(VIEWS)}, rows, columns) is needed.")
    if np.asarray(silhouettes).dtype != np.bool_:
        raise InputError(f"The silhouettes are {np.asarray(silhouettes).dtype}; masks of type bool are needed.")
    for picture in (original_views[0], defaced_views[0]):
        check_picture(picture)
