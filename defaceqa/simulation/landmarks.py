"""Careful landmarks of a head: those of the mean head, carried over by matching the front of both heads.

Truth needs better landmarks than the quick affine registration of ``defaceqa predict`` gives: after it, the front of
the head is matched by diffeomorphic demons, and every landmark is put back on the skin. Slower, and never used by a
prediction.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from defaceqa.anatomy.overlap import overlap
from defaceqa.anatomy.registration import register
from defaceqa.anatomy.template import Template, load_template
from defaceqa.head import (
    WORKING_SPACING_MM,
    head_mask,
    head_threshold,
    intensity_levels,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.surfaces import clear_original, outer_skin, skin_surface
from defaceqa.volumes import Volume

SNAP_MM = 8.0
"""A carried landmark further than this from any skin is outside the field of view."""

TIP_SEARCH_MM = 9.0
FACE_BELOW_MM, FACE_ABOVE_MM, FACE_BEHIND_MM = 25.0, 35.0, 110.0
"""The box that demons match: from below the menton to above the brows, this far behind the nose tip."""

DEMONS = ((3, 25), (1, 15))
"""(smoothing of the images in voxels, iterations), coarse to fine."""

FIELD_SMOOTHING_VOXELS = 2.5

TEMPLATE_SKIN, TEMPLATE_TISSUE = np.float32(25), np.float32(120)
"""Intensities of the mean head (0 to 255): at its skin, and of usual tissue."""

SAME_CONTRAST = 0.3
"""Correlation of intensities from which two heads are taken for the same contrast."""

Points = dict[str, NDArray[np.float64]]


def careful_landmarks(volume: Volume) -> tuple[Points, float]:
    """Landmarks of one head in world mm (RAS+), without those outside the field of view; and the overlap of heads."""
    template = load_template()
    data = to_working_grid(volume.data, volume.spacing_mm)
    origin_mm = working_origin_mm(volume.shape, volume.spacing_mm)
    threshold = head_threshold(data)
    head = head_mask(data, threshold)
    blanked = np.where(head, data, np.float32(0))
    matrix = register(template, blanked, head, origin_mm)
    moved = _deformed(template, blanked, matrix, origin_mm)
    surface = skin_surface(clear_original(data, head), threshold, origin_mm)
    skin = surface.vertices_mm[outer_skin(surface, head, origin_mm)]
    grid_mm = _on_skin({name: matrix[:3, :3] @ p + matrix[:3, 3] for name, p in moved.items()}, skin)
    scale = 1 / volume.spacing_mm
    world = {name: volume.affine[:3, :3] @ (point * scale) + volume.affine[:3, 3] for name, point in grid_mm.items()}
    return world, overlap(template, matrix, head, origin_mm)


def _deformed(
    template: Template, data: NDArray[np.float32], matrix: NDArray[np.float64], origin_mm: NDArray[np.float64]
) -> Points:
    """Landmarks in template mm after matching the front of the head."""
    low, high = _face_box(template)
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"))
    points = template.origin_mm[:, None, None, None] + template.spacing_mm[:, None, None, None] * index
    where = np.tensordot(matrix[:3, :3], points, 1) + (matrix[:3, 3] - origin_mm)[:, None, None, None]
    moving = ndimage.map_coordinates(data, where / WORKING_SPACING_MM, order=1)
    field = _demons(*_comparable(template.head[window], moving, head_threshold(data), intensity_levels(data)[2]))
    moved = {}
    for name, point in template.landmarks_mm.items():
        voxel = ((point - template.origin_mm) / template.spacing_mm - low)[:, None]
        shift = [float(ndimage.map_coordinates(field[axis], voxel, order=1, mode="nearest")[0]) for axis in range(3)]
        moved[name] = point + template.spacing_mm * shift
    return moved


def _comparable(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], threshold: float, tissue: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two heads as demons can compare them: by intensity when both are T1w, else by shape alone.

    Demons ask for equal intensities; of another contrast only the outline is equal.
    """
    inside = (fixed > TEMPLATE_SKIN) & (moving > threshold)
    if inside.any() and np.corrcoef(fixed[inside], moving[inside])[0, 1] > SAME_CONTRAST:
        return np.clip(fixed / TEMPLATE_TISSUE, 0, 1.5), np.clip(moving / np.float32(tissue), 0, 1.5)
    return (fixed > TEMPLATE_SKIN).astype(np.float32), (moving > threshold).astype(np.float32)


def _face_box(template: Template) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    marks = template.landmarks_mm
    low_mm = np.array([-np.inf, marks["pronasale"][1] - FACE_BEHIND_MM, marks["menton"][2] - FACE_BELOW_MM])
    high_mm = np.array([np.inf, np.inf, marks["left_brow"][2] + FACE_ABOVE_MM])
    shape = np.array(template.head.shape)
    low = np.nan_to_num((low_mm - template.origin_mm) / template.spacing_mm, neginf=0)
    high = np.nan_to_num((high_mm - template.origin_mm) / template.spacing_mm, posinf=1e6)
    return np.clip(low, 0, shape).astype(int), np.clip(high, 0, shape).astype(int)


def _demons(fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
    """Displacement in voxels, shape (3, x, y, z), from fixed to moving."""
    start: tuple[sitk.Image, ...] = ()
    for smoothing, iterations in DEMONS:
        demons = sitk.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(FIELD_SMOOTHING_VOXELS)
        images = [
            sitk.GetImageFromArray(ndimage.gaussian_filter(x, smoothing).transpose(2, 1, 0)) for x in (fixed, moving)
        ]
        start = (demons.Execute(*images, *start),)
    return np.moveaxis(sitk.GetArrayFromImage(start[0]), -1, 0).transpose(0, 3, 2, 1)


def carried_brain(volume: Volume, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The mean head's brain on a volume, good enough to keep a simulated cut away from the brain, never as truth.

    Parameters
    ----------
    volume : Volume
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm (:func:`defaceqa.anatomy.registration.locate`).

    Returns
    -------
    ndarray of bool, shape of ``volume``
    """
    template = load_template()
    back = np.linalg.inv(matrix)
    step = back[:3, :3] * volume.spacing_mm / template.spacing_mm[:, None]
    shift = (back[:3, 3] - template.origin_mm) / template.spacing_mm
    return np.asarray(ndimage.affine_transform(template.brain, step, shift, output_shape=volume.shape, order=1) > 0.5)


def _on_skin(points: Points, skin: NDArray[np.float32]) -> Points:
    """Nearest skin for every landmark, the foremost skin nearby for the nose tip; drops what is out of view."""
    tree = cKDTree(skin)
    found = {}
    for name, point in points.items():
        distance, nearest = tree.query(point)
        if distance <= SNAP_MM:
            found[name] = skin[nearest].astype(np.float64)
    if "pronasale" in found:
        near = skin[tree.query_ball_point(found["pronasale"], TIP_SEARCH_MM)]
        found["pronasale"] = near[np.argmax(near[:, 1])].astype(np.float64)
    return found
