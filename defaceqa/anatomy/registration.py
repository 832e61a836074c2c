"""Where brain and face are in an original of any contrast: the mean head, laid onto it by an affine registration.

SimpleITK does the work: Mattes mutual information, so that T1w, T2w and FLAIR behave alike, on volumes reduced to
4 mm. A coarse look around comes first, since heads come tilted and necks of any length pull a centre of mass about.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.template import Template, load_template
from defaceqa.head import (
    WORKING_SPACING_MM,
    head_mask,
    head_threshold,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.volumes import Volume

if TYPE_CHECKING:
    import SimpleITK

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Matrix = NDArray[np.float64]

COARSE_MM = 8.0
FINE_MM = 4.0
LOOK_PITCH_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
LOOK_YAW_DEG = (-20.0, 0.0, 20.0)
LOOK_ROLL_DEG = (-20.0, 0.0, 20.0)
LOOK_SCALE = (0.9, 1.0)
BELOW_TOP_MM = 130.0
"""Only this much of a head below its top decides where the search starts: necks and shoulders do not."""

HISTOGRAM_BINS = 32
MIN_QUALITY = 0.83
"""Overlap (Dice) of head masks below which the location is not believed.

Whole heads of 124 adults reach 0.858 to 0.95; a skull-stripped one 0.80, heavily cut ones 0.63 to 0.79.
"""


@dataclass(frozen=True)
class Anatomy:
    """Where brain and face are in one original.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm of the original.
    quality : float
        Dice overlap of the two heads where both are in view, 0 to 1.
    landmarks_mm : dict
        Facial landmarks in grid mm.
    located : bool
        False when the quality is too low for regions to be believed.
    flags : tuple of str
        Why not, in plain words.
    """

    matrix: Matrix
    quality: float
    landmarks_mm: dict[str, NDArray[np.float64]]
    located: bool
    flags: tuple[str, ...] = ()


def locate(volume: Volume) -> Anatomy:
    """Find brain and face in an original.

    Parameters
    ----------
    volume : Volume
        Head MRI of any contrast.

    Returns
    -------
    Anatomy
        ``located`` is False, with a flag, when the registration cannot be believed.
    """
    template = load_template()
    data = to_working_grid(volume.data, volume.spacing_mm)
    origin_mm = working_origin_mm(volume.shape, volume.spacing_mm)
    head = head_mask(data, head_threshold(data))
    matrix = register(template, np.where(head, data, np.float32(0)), head, origin_mm)
    quality = overlap(template, matrix, head, origin_mm)
    landmarks = {name: matrix[:3, :3] @ point + matrix[:3, 3] for name, point in template.landmarks_mm.items()}
    located = quality >= MIN_QUALITY
    flags = () if located else ("could not locate brain and face",)
    return Anatomy(matrix, quality, landmarks, located, flags)


def register(template: Template, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]) -> Matrix:
    """Affine matrix from template mm to grid mm.

    Parameters
    ----------
    template : Template
    data : ndarray of float32, shape (x, y, z)
        Original on the working grid, air blanked.
    head : ndarray of bool, shape (x, y, z)
    origin_mm : ndarray, shape (3,)
        Of the working grid.

    Returns
    -------
    ndarray, shape (4, 4)
    """
    import SimpleITK as sitk

    centre = _upper_centre(_template_head(template), template.origin_mm, float(template.spacing_mm[2]))
    target = _upper_centre(head, origin_mm, WORKING_SPACING_MM)
    start = _look_around(template, data, origin_mm, centre, target)
    fixed, mask = _template_image(template, FINE_MM)
    moving = _image(data, origin_mm, WORKING_SPACING_MM, FINE_MM)
    _optimise(fixed, mask, moving, start, step_mm=2.0, iterations=60)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(start.GetCenter())
    affine.SetMatrix(start.GetMatrix())
    affine.SetTranslation(start.GetTranslation())
    _optimise(fixed, mask, moving, affine, step_mm=1.0, iterations=100)
    return _matrix(affine)


def overlap(template: Template, matrix: Matrix, head: BoolArray, origin_mm: NDArray[np.float64]) -> float:
    """Dice of the template's head and the original's, over the part of the template that is in the field of view."""
    from scipy.ndimage import map_coordinates

    mask = _template_head(template)
    step = 2
    index = np.stack(np.meshgrid(*(np.arange(0, n, step) for n in mask.shape), indexing="ij"), -1).reshape(-1, 3)
    points = template.origin_mm + index * template.spacing_mm
    where = (points @ matrix[:3, :3].T + matrix[:3, 3] - origin_mm) / WORKING_SPACING_MM
    seen = ((where >= 0) & (where <= np.array(head.shape) - 1)).all(axis=1)
    mine = mask[tuple(index[seen].T)]
    theirs = map_coordinates(head.astype(np.float32), where[seen].T, order=0) > 0.5
    total = int(mine.sum() + theirs.sum())
    return 2 * float((mine & theirs).sum()) / total if total else 0.0


def _template_head(template: Template) -> BoolArray:
    return head_mask(template.head, head_threshold(template.head))


def _upper_centre(head: BoolArray, origin_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    """Centre of mass of the upper head, in mm."""
    filled = np.flatnonzero(head.sum(axis=(0, 1)) > 25)
    top = int(filled.max())
    upper = head[:, :, max(0, top - int(BELOW_TOP_MM / spacing_mm)) : top + 1]
    centre = np.argwhere(upper).mean(axis=0) + np.array([0, 0, max(0, top - int(BELOW_TOP_MM / spacing_mm))])
    return np.asarray(origin_mm + spacing_mm * centre)


def _look_around(
    template: Template,
    data: FloatArray,
    origin_mm: NDArray[np.float64],
    centre: NDArray[np.float64],
    target: NDArray[np.float64],
) -> SimpleITK.Similarity3DTransform:
    """Best of a few dozen poses at 8 mm, by the same cost the registration uses."""
    fixed, mask = _template_image(template, COARSE_MM)
    moving = _image(data, origin_mm, WORKING_SPACING_MM, COARSE_MM)
    method = _method(mask)
    poses = itertools.product(LOOK_PITCH_DEG, LOOK_YAW_DEG, LOOK_ROLL_DEG, LOOK_SCALE)
    candidates = [_pose(centre, target, angles, scale) for *angles, scale in poses]
    costs = []
    for candidate in candidates:
        method.SetInitialTransform(candidate)
        costs.append(method.MetricEvaluate(fixed, moving))
    return candidates[int(np.argmin(costs))]


def _pose(
    centre: NDArray[np.float64], target: NDArray[np.float64], angles_deg: list[float], scale: float
) -> SimpleITK.Similarity3DTransform:
    import SimpleITK as sitk

    euler = sitk.Euler3DTransform()
    euler.SetRotation(*np.deg2rad([angles_deg[0], angles_deg[2], angles_deg[1]]).tolist())
    pose = sitk.Similarity3DTransform()
    pose.SetCenter(centre.tolist())
    pose.SetMatrix((np.array(euler.GetMatrix()) * scale).tolist())
    pose.SetTranslation((target - centre).tolist())
    return pose


def _method(mask: SimpleITK.Image) -> SimpleITK.ImageRegistrationMethod:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel, so that nothing is drawn at random
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)  # sums in one order: the same scan gives the same matrix everywhere
    return method


def _optimise(
    fixed: SimpleITK.Image, mask: SimpleITK.Image, moving: SimpleITK.Image, transform: SimpleITK.Transform, *,
    step_mm: float, iterations: int
) -> None:  # fmt: skip
    """Move the transform, in place, to the best match."""
    method = _method(mask)
    method.SetInitialTransform(transform, inPlace=True)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, step_mm / 100, iterations, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.Execute(fixed, moving)


def _template_image(template: Template, spacing_mm: float) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """The template and the mask of voxels that count: the head with a rim of air around it."""
    import SimpleITK as sitk
    from scipy.ndimage import binary_dilation

    image = _image(template.head, template.origin_mm, float(template.spacing_mm[0]), spacing_mm)
    data = sitk.GetArrayFromImage(image)
    near = binary_dilation(data > 0.1 * data.max(), iterations=max(1, round(8.0 / spacing_mm)))
    mask = sitk.GetImageFromArray(near.astype(np.uint8))
    mask.CopyInformation(image)
    return image, mask


def _image(data: FloatArray, origin_mm: NDArray[np.float64], spacing_mm: float, reduced_mm: float) -> SimpleITK.Image:
    """SimpleITK image of block means; its frame is RAS mm, used consistently for both images."""
    import SimpleITK as sitk

    block = max(1, round(reduced_mm / spacing_mm))
    padded = np.pad(data, [(0, -n % block) for n in data.shape])
    shape = [n // block for n in padded.shape]
    mean = padded.reshape(shape[0], block, shape[1], block, shape[2], block).mean(axis=(1, 3, 5), dtype=np.float64)
    image = sitk.GetImageFromArray(np.ascontiguousarray(mean.transpose(2, 1, 0).astype(np.float32)))
    image.SetSpacing([spacing_mm * block] * 3)
    image.SetOrigin((origin_mm + spacing_mm * (block - 1) / 2).tolist())
    return image


def _matrix(transform: SimpleITK.AffineTransform) -> Matrix:
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - linear @ centre
    return matrix
