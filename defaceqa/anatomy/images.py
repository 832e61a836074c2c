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
BoolArray = NDArray[np.bool_]
Matrix = NDArray[np.float64]

NEAR_MM = 8.0
"""Rim of air around the mean head that counts when images are compared."""


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


def mask_image(mask: BoolArray, origin_mm: NDArray[np.float64], reduced_mm: float) -> SimpleITK.Image:
    """Image of how much of each block a mask fills, 0 to 1; the mask is on a working grid."""
    return to_image(mask.astype(np.float32), origin_mm, WORKING_SPACING_MM, reduced_mm)


def mask_like(mask: BoolArray, image: SimpleITK.Image) -> SimpleITK.Image:
    """Mask image, of an array in SimpleITK's order (z, y, x), on the grid of another image."""
    import SimpleITK as sitk

    made = sitk.GetImageFromArray(mask.astype(np.uint8))
    made.CopyInformation(image)
    return made


def template_image(template: Template, spacing_mm: float) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """The mean head and the mask of voxels that count: the head with a rim of air around it."""
    import SimpleITK as sitk

    image = to_image(template.head, template.origin_mm, float(template.spacing_mm[0]), spacing_mm)
    data = sitk.GetArrayViewFromImage(image)
    near = ndimage.binary_dilation(data > 0.1 * data.max(), iterations=max(1, round(NEAR_MM / spacing_mm)))
    return image, mask_like(near, image)


def as_affine(pose: SimpleITK.Similarity3DTransform) -> SimpleITK.AffineTransform:
    """The same transform, free to stretch and shear."""
    import SimpleITK as sitk

    affine = sitk.AffineTransform(3)
    affine.SetCenter(pose.GetCenter())
    affine.SetMatrix(pose.GetMatrix())
    affine.SetTranslation(pose.GetTranslation())
    return affine


def affine_of(matrix: Matrix, centre_mm: NDArray[np.float64]) -> SimpleITK.AffineTransform:
    """Affine transform of a matrix, turning about a centre."""
    import SimpleITK as sitk

    affine = sitk.AffineTransform(3)
    affine.SetCenter(centre_mm.tolist())
    affine.SetMatrix(matrix[:3, :3].ravel().tolist())
    affine.SetTranslation((matrix[:3, :3] @ centre_mm + matrix[:3, 3] - centre_mm).tolist())
    return affine


def matrix_of(transform: SimpleITK.Transform) -> Matrix:
    """Matrix, shape (4, 4), of an affine transform."""
    matrix = np.eye(4)
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix[:3, 3] = origin
    matrix[:3, :3] = np.column_stack([np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()])
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
    import SimpleITK as sitk

    grid = sitk.Image(list(shape), sitk.sitkFloat32)
    grid.SetSpacing([WORKING_SPACING_MM] * 3)
    grid.SetOrigin(origin_mm.tolist())
    resampling = sitk.ResampleImageFilter()
    resampling.SetNumberOfThreads(1)
    resampling.SetReferenceImage(grid)
    resampling.SetTransform(affine_of(matrix, np.zeros(3)).GetInverse())
    resampling.SetInterpolator(sitk.sitkLinear if order else sitk.sitkNearestNeighbor)
    spacing_mm = float(template.spacing_mm[0])
    images = (to_image(volume.astype(np.float32), template.origin_mm, spacing_mm, spacing_mm) for volume in volumes)
    laid = (sitk.GetArrayFromImage(resampling.Execute(image)) for image in images)
    return [np.ascontiguousarray(volume.transpose(2, 1, 0)) for volume in laid]
