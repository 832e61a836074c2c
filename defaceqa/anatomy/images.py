"""Between arrays in mm and SimpleITK's images and transforms, and from the mean head's grid to an original's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.template import Template
from defaceqa.head import WORKING_SPACING_MM

if TYPE_CHECKING:
    import SimpleITK

FloatArray = NDArray[np.float32]
Matrix = NDArray[np.float64]


def to_image(data: FloatArray, origin_mm: NDArray[np.float64], spacing_mm: float, reduced_mm: float) -> SimpleITK.Image:
    """SimpleITK image of block means; its frame is RAS mm, used consistently for all images."""
    import SimpleITK as sitk

    block = max(1, round(reduced_mm / spacing_mm))
    padded = np.pad(data, [(0, -n % block) for n in data.shape])
    shape = [n // block for n in padded.shape]
    mean = padded.reshape(shape[0], block, shape[1], block, shape[2], block).mean(axis=(1, 3, 5), dtype=np.float64)
    image = sitk.GetImageFromArray(np.ascontiguousarray(mean.transpose(2, 1, 0).astype(np.float32)))
    image.SetSpacing([spacing_mm * block] * 3)
    image.SetOrigin((origin_mm + spacing_mm * (block - 1) / 2).tolist())
    return image


def affine_of(matrix: Matrix, centre_mm: NDArray[np.float64]) -> SimpleITK.AffineTransform:
    """Affine transform of a matrix, turning about a centre."""
    import SimpleITK as sitk

    affine = sitk.AffineTransform(3)
    affine.SetCenter(centre_mm.tolist())
    affine.SetMatrix(matrix[:3, :3].ravel().tolist())
    affine.SetTranslation((matrix[:3, :3] @ centre_mm + matrix[:3, 3] - centre_mm).tolist())
    return affine


def matrix_of(transform: SimpleITK.AffineTransform) -> Matrix:
    """Matrix, shape (4, 4), of an affine transform."""
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - linear @ centre
    return matrix


def carried(
    volumes: Sequence[NDArray[np.generic]],
    template: Template,
    matrix: Matrix,
    shape: tuple[int, ...],
    origin_mm: NDArray[np.float64],
    *,
    order: int = 1,
) -> list[FloatArray]:
    """Volumes of the mean head, laid onto a working grid; 0 outside the mean head's grid.

    Parameters
    ----------
    volumes : sequence of ndarray
        On the template's grid.
    template : Template
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm.
    shape, origin_mm
        Of the working grid.
    order : int
        1 linear, 0 nearest, for labels.
    """
    back = np.linalg.inv(matrix)
    linear = back[:3, :3] * WORKING_SPACING_MM / template.spacing_mm[:, None]
    offset = (back[:3, :3] @ origin_mm + back[:3, 3] - template.origin_mm) / template.spacing_mm
    return [
        ndimage.affine_transform(np.asarray(v, "f4"), linear, offset, output_shape=shape, order=order, output="f4")
        for v in volumes
    ]
