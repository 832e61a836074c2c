"""Where brain and face are in an original of any contrast: the mean head, laid onto it by an affine registration.

SimpleITK does the work: Mattes mutual information, so that T1w, T2w and FLAIR behave alike, on volumes reduced to
4 mm. A coarse look around comes first, since heads come tilted and necks of any length pull a centre of mass about.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.brain import find_brain, without_shading
from defaceqa.anatomy.images import affine_of, matrix_of, to_image
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
LOOK_SHIFT_MM = (-15.0, 0.0, 25.0)
"""Upward shifts tried: the top of a head may be outside the field of view."""

LOOK_SCALE = 0.95
BELOW_TOP_MM = 130.0
"""Only this much of a head below its top decides where the search starts: necks and shoulders do not."""

TRIED_OUT = 10
"""How many of the best poses are optimised at 8 mm before one is chosen: with four, the right one was often missed."""

REFINED = 2
SURE_QUALITY = 0.875
"""Overlap from which the first pose is taken; below it, the next one is refined as well."""

MAX_STRETCH = 1.35
"""Largest over smallest stretch from the mean head to a head; twelve adults and a child stay below 1.16."""

RIM_MM = 24.0
"""Air kept around a head where it is not cut."""

CUT_CM2 = 20.0
"""A head whose last slice is larger than this ends in a flat cut there."""

FACE_DEPTH_MM = 70.0
FACE_RIM_MM = 25.0
"""The last step looks only at the face: this deep behind the nasion, this far above the brows and below the chin."""

HISTOGRAM_BINS = 32
MIN_QUALITY = 0.84
"""Overlap (Dice) of head masks below which the location is not believed.

Of 86 heads outside the mean head (adults, children, painted T1w, T2w and FLAIR) all have 0.846 and more; a
skull-stripped head reaches 0.80, heavily cut ones 0.63 to 0.79. It does not tell all: a few misplaced painted heads
reached 0.86.
"""


@dataclass(frozen=True)
class Anatomy:
    """Where brain and face are in one original.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm of the original, closest at the face.
    quality : float
        Dice overlap of the two heads where both are in view, 0 to 1.
    landmarks_mm : dict
        Facial landmarks in grid mm.
    located : bool
        False when the quality is too low for brain and regions to be believed.
    flags : tuple of str
        Why not, in plain words.
    brain : ndarray of bool, shape (x, y, z), or None
        Brain on the working grid (:mod:`defaceqa.anatomy.brain`); None when not located.
    """

    matrix: Matrix
    quality: float
    landmarks_mm: dict[str, NDArray[np.float64]]
    located: bool
    flags: tuple[str, ...] = ()
    brain: BoolArray | None = None


def locate(volume: Volume, *, with_brain: bool = True) -> Anatomy:
    """Find brain and face in an original.

    Parameters
    ----------
    volume : Volume
        Head MRI of any contrast.
    with_brain : bool
        Whether to find the brain too; not needed when a mask of it is given.

    Returns
    -------
    Anatomy
        ``located`` is False, with a flag, when the registration cannot be believed.
    """
    template = load_template()
    data = to_working_grid(volume.data, volume.spacing_mm)
    origin_mm = working_origin_mm(volume.shape, volume.spacing_mm)
    head = head_mask(data, head_threshold(data))
    blanked = np.where(head, data, np.float32(0))
    with ThreadPoolExecutor(max_workers=1) as pool:
        even = pool.submit(without_shading, data, head) if with_brain else None
        of_head = register(template, blanked, head, origin_mm)
        matrix = register_face(template, of_head, blanked, head, origin_mm)
    quality = overlap(template, of_head, head, origin_mm)
    landmarks = {name: matrix[:3, :3] @ point + matrix[:3, 3] for name, point in template.landmarks_mm.items()}
    located = quality >= MIN_QUALITY
    flags = () if located else ("could not locate brain and face",)
    brain = find_brain(template, of_head, even.result(), origin_mm) if located and even else None
    return Anatomy(matrix, quality, landmarks, located, flags, brain)


def register(template: Template, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]) -> Matrix:
    """Affine matrix from template mm to grid mm, for the head as a whole.

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
    data, head, origin_mm = frame(data, head, origin_mm)
    moving = to_image(data, origin_mm, WORKING_SPACING_MM, FINE_MM)
    best, best_quality = np.eye(4), -1.0
    for start in _look_around(template, data, head, origin_mm)[:REFINED]:
        matrix = _refine(template, moving, start)
        quality = overlap(template, matrix, head, origin_mm) - (0 if plausible(matrix) else 1)
        if quality > best_quality:
            best, best_quality = matrix, quality
        if quality >= SURE_QUALITY:
            break
    return best


def register_face(
    template: Template, matrix: Matrix, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]
) -> Matrix:
    """Affine matrix that fits the face best, begun from the fit of the whole head; other parameters as there."""
    data, head, origin_mm = frame(data, head, origin_mm)
    moving = to_image(data, origin_mm, WORKING_SPACING_MM, FINE_MM)
    fixed, _ = _template_image(template, FINE_MM)
    affine = affine_of(matrix, template.landmarks_mm["nasion"])
    _optimise(fixed, _face_mask(template, fixed), moving, affine, step_mm=1.0, iterations=60)
    return matrix_of(affine)


def plausible(matrix: Matrix) -> bool:
    """Whether an affine stretches a head by no more than heads differ in shape."""
    stretch = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return bool(stretch[0] / stretch[-1] <= MAX_STRETCH and np.linalg.det(matrix[:3, :3]) > 0)


def _refine(template: Template, moving: SimpleITK.Image, start: SimpleITK.Similarity3DTransform) -> Matrix:
    """From a rough pose to the whole head."""
    import SimpleITK as sitk

    fixed, mask = _template_image(template, FINE_MM)
    _optimise(fixed, mask, moving, start, step_mm=2.0, iterations=60)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(start.GetCenter())
    affine.SetMatrix(start.GetMatrix())
    affine.SetTranslation(start.GetTranslation())
    _optimise(fixed, mask, moving, affine, step_mm=1.0, iterations=100)
    return matrix_of(affine)


def frame(
    data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]
) -> tuple[FloatArray, BoolArray, NDArray[np.float64]]:
    """Crop and pad an image to its head, so that padding by zeros, or a larger field of view, changes nothing.

    Where the head ends in a flat cut (a neck, an ear at the rim of the field of view) the image ends too, and what the
    template has beyond it is not compared; on other sides there is a rim of air.

    Parameters
    ----------
    data : ndarray of float32, shape (x, y, z)
        On the working grid, air blanked.
    head : ndarray of bool, shape (x, y, z)
    origin_mm : ndarray, shape (3,)

    Returns
    -------
    data, head, origin_mm
        Of the framed image.
    """
    window, pads = [], []
    for axis in range(3):
        area_cm2 = head.sum(axis=tuple({0, 1, 2} - {axis})) * WORKING_SPACING_MM**2 / 100
        filled = np.flatnonzero(area_cm2 > 0)
        low, high = int(filled[0]), int(filled[-1])
        rim = round(RIM_MM / WORKING_SPACING_MM)
        cut = [area_cm2[min(low + 1, high)] > CUT_CM2, area_cm2[max(high - 1, low)] > CUT_CM2]
        window.append(slice(low, high + 1))
        pads.append((0 if cut[0] else rim, 0 if cut[1] else rim))
    origin = origin_mm + WORKING_SPACING_MM * np.array([w.start - p[0] for w, p in zip(window, pads, strict=True)])
    return np.pad(data[tuple(window)], pads), np.pad(head[tuple(window)], pads), origin


def overlap(template: Template, matrix: Matrix, head: BoolArray, origin_mm: NDArray[np.float64]) -> float:
    """Dice of the template's head and the original's, over the part of the template that is in the field of view."""
    from scipy.ndimage import map_coordinates

    mask = template.head_mask
    step = 2
    index = np.stack(np.meshgrid(*(np.arange(0, n, step) for n in mask.shape), indexing="ij"), -1).reshape(-1, 3)
    points = template.origin_mm + index * template.spacing_mm
    where = (points @ matrix[:3, :3].T + matrix[:3, 3] - origin_mm) / WORKING_SPACING_MM
    seen = ((where >= 0) & (where <= np.array(head.shape) - 1)).all(axis=1)
    mine = mask[tuple(index[seen].T)]
    theirs = map_coordinates(head.astype(np.float32), where[seen].T, order=0) > 0.5
    total = int(mine.sum() + theirs.sum())
    return 2 * float((mine & theirs).sum()) / total if total else 0.0


def _upper_centre(head: BoolArray, origin_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    """Centre of mass of the upper head, in mm."""
    filled = np.flatnonzero(head.sum(axis=(0, 1)) > 25)
    top = int(filled.max())
    upper = head[:, :, max(0, top - int(BELOW_TOP_MM / spacing_mm)) : top + 1]
    centre = np.argwhere(upper).mean(axis=0) + np.array([0, 0, max(0, top - int(BELOW_TOP_MM / spacing_mm))])
    return np.asarray(origin_mm + spacing_mm * centre)


def _look_around(
    template: Template, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64]
) -> list[SimpleITK.Similarity3DTransform]:
    """The most promising of a few dozen poses, tried out at 8 mm, best first by the cost the registration uses."""
    centre = _upper_centre(template.head_mask, template.origin_mm, float(template.spacing_mm[2]))
    target = _upper_centre(head, origin_mm, WORKING_SPACING_MM)
    fixed, mask = _template_image(template, COARSE_MM)
    moving = to_image(data, origin_mm, WORKING_SPACING_MM, COARSE_MM)
    turns = itertools.product(LOOK_PITCH_DEG, LOOK_YAW_DEG, LOOK_ROLL_DEG)
    # heads are seldom turned and tilted sideways at once, and the optimiser brings in what is
    simple = [turn for turn in turns if turn[1] == 0 or turn[2] == 0]
    poses = [(*turn, up_mm) for turn in simple for up_mm in LOOK_SHIFT_MM]
    candidates = [_pose(centre, target + np.array([0, 0, up_mm]), angles) for *angles, up_mm in poses]
    costs = [_cost(fixed, mask, moving, candidate) for candidate in candidates]
    promising = [candidates[index] for index in np.argsort(costs, kind="stable")[:TRIED_OUT]]
    for candidate in promising:
        _optimise(fixed, mask, moving, candidate, step_mm=4.0, iterations=25)
    return sorted(promising, key=lambda candidate: _cost(fixed, mask, moving, candidate))


def _cost(
    fixed: SimpleITK.Image, mask: SimpleITK.Image, moving: SimpleITK.Image, transform: SimpleITK.Transform
) -> float:
    """Cost of a pose, weighted by how much of the template is in view: a thin overlap must not win by agreeing."""
    import SimpleITK as sitk

    method = _method(mask)
    method.SetInitialTransform(transform)
    field_of_view = sitk.Image(moving.GetSize(), sitk.sitkUInt8) + 1
    field_of_view.CopyInformation(moving)
    seen = sitk.GetArrayViewFromImage(sitk.Resample(field_of_view, fixed, transform, sitk.sitkNearestNeighbor, 0)) > 0
    wanted = sitk.GetArrayViewFromImage(mask) > 0
    share = np.count_nonzero(seen & wanted) / np.count_nonzero(wanted)
    return float(method.MetricEvaluate(fixed, moving)) * float(share) if share > 0 else 0.0


def _pose(
    centre: NDArray[np.float64], target: NDArray[np.float64], angles_deg: list[float]
) -> SimpleITK.Similarity3DTransform:
    import SimpleITK as sitk

    euler = sitk.Euler3DTransform()
    euler.SetRotation(*np.deg2rad([angles_deg[0], angles_deg[2], angles_deg[1]]).tolist())
    pose = sitk.Similarity3DTransform()
    pose.SetCenter(centre.tolist())
    pose.SetMatrix((np.array(euler.GetMatrix()) * LOOK_SCALE).tolist())
    pose.SetTranslation((target - centre).tolist())
    return pose


def _method(mask: SimpleITK.Image) -> SimpleITK.ImageRegistrationMethod:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel, so that nothing is drawn at random
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    # sums in one order, so that the same scan gives the same matrix; the method's own setting does not reach the metric
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method.SetNumberOfThreads(1)
    return method


def _optimise(
    fixed: SimpleITK.Image, mask: SimpleITK.Image, moving: SimpleITK.Image, transform: SimpleITK.Transform, *,
    step_mm: float, iterations: int
) -> None:  # fmt: skip
    """Move the transform, in place, to the best match; leave it when the images do not overlap."""
    before = transform.GetParameters()
    method = _method(mask)
    method.SetInitialTransform(transform, inPlace=True)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, step_mm / 100, iterations, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # how SimpleITK says that the images no longer overlap; the quality then tells how bad it is
        transform.SetParameters(before)


def _template_image(template: Template, spacing_mm: float) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """The template and the mask of voxels that count: the head with a rim of air around it."""
    import SimpleITK as sitk
    from scipy.ndimage import binary_dilation

    image = to_image(template.head, template.origin_mm, float(template.spacing_mm[0]), spacing_mm)
    data = sitk.GetArrayFromImage(image)
    near = binary_dilation(data > 0.1 * data.max(), iterations=max(1, round(8.0 / spacing_mm)))
    mask = sitk.GetImageFromArray(near.astype(np.uint8))
    mask.CopyInformation(image)
    return image, mask


def _face_mask(template: Template, fixed: SimpleITK.Image) -> SimpleITK.Image:
    """The front of the template's head, from above the brows to below the menton, on the grid of an image of it."""
    import SimpleITK as sitk

    marks = template.landmarks_mm
    spacing, origin = np.array(fixed.GetSpacing()), np.array(fixed.GetOrigin())
    x, y, z = (origin[axis] + spacing[axis] * np.arange(fixed.GetSize()[axis]) for axis in range(3))
    high = (z > marks["menton"][2] - FACE_RIM_MM) & (z < marks["left_brow"][2] + FACE_RIM_MM)
    front = y > marks["nasion"][1] - FACE_DEPTH_MM
    box = np.broadcast_to(high[:, None, None] & front[None, :, None], (len(z), len(y), len(x)))
    mask = sitk.GetImageFromArray(box.astype(np.uint8))
    mask.CopyInformation(fixed)
    return mask
