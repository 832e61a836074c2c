"""A look around before the registration: heads come tilted, and necks of any length pull a centre of mass about."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.images import mask_image, matrix_of, template_image, to_image
from defaceqa.anatomy.matching import Match
from defaceqa.anatomy.overlap import overlap
from defaceqa.anatomy.template import Template
from defaceqa.head import WORKING_SPACING_MM

if TYPE_CHECKING:
    import SimpleITK

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

COARSE_MM = 8.0
LOOK_PITCH_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
LOOK_YAW_DEG = (-20.0, 0.0, 20.0)
LOOK_ROLL_DEG = (-20.0, 0.0, 20.0)
LOOK_SHIFT_MM = (-15.0, 0.0, 25.0)
"""Upward shifts tried: the top of a head may be outside the field of view."""

LOOK_SCALE = 0.95
BELOW_TOP_MM = 130.0
"""Only this much of a head below its top decides where the search starts: necks and shoulders do not."""

SHAPELY = 25
"""How many of the poses are compared by what is in the heads: those whose heads overlap best."""

TRIED_BY_CONTENT, TRIED_BY_SHAPE = 5, 3
"""How many of the best poses are optimised at 8 mm, by what is in the heads (mutual information) and by their shape
(their masks): thin skulls of other contrasts tell little at 8 mm, round heads have little shape."""

DISTINCT_MM = 10.0
"""Poses closer than this lead to the same fit; mean distance of the facial landmarks."""


def look_around(
    template: Template, data: FloatArray, head: BoolArray, origin_mm: NDArray[np.float64], count: int
) -> list[SimpleITK.Similarity3DTransform]:
    """The most promising of a few dozen poses, tried out at 8 mm, each unlike the others.

    Parameters
    ----------
    template : Template
    data, head, origin_mm
        Of the original, framed.
    count : int
        How many are wanted at most.
    """
    poses = sorted(_poses(template, head, origin_mm), key=lambda pose: -_overlap(template, pose, head, origin_mm))
    fixed, mask = template_image(template, COARSE_MM)
    content = Match(fixed, to_image(data, origin_mm, WORKING_SPACING_MM, COARSE_MM), mask)
    by_content = _tried(content, sorted(poses[:SHAPELY], key=content.cost)[:TRIED_BY_CONTENT])
    shape = mask_image(template.head_mask, template.origin_mm, COARSE_MM)
    match = Match(shape, mask_image(head, origin_mm, COARSE_MM), mask, measure="correlation")
    by_shape = _tried(match, poses[:TRIED_BY_SHAPE])
    marks = np.array(list(template.landmarks_mm.values()))
    chosen: list[SimpleITK.Similarity3DTransform] = []
    for pose in itertools.chain.from_iterable(itertools.zip_longest(by_content, by_shape)):
        if pose is not None and all(_distance_mm(pose, other, marks) > DISTINCT_MM for other in chosen):
            chosen.append(pose)
    return chosen[:count]


def _poses(
    template: Template, head: BoolArray, origin_mm: NDArray[np.float64]
) -> list[SimpleITK.Similarity3DTransform]:
    centre = _upper_centre(template.head_mask, template.origin_mm, float(template.spacing_mm[2]))
    target = _upper_centre(head, origin_mm, WORKING_SPACING_MM)
    turns = itertools.product(LOOK_PITCH_DEG, LOOK_YAW_DEG, LOOK_ROLL_DEG)
    # heads are seldom turned and tilted sideways at once, and the optimiser brings in what is
    simple = [turn for turn in turns if turn[1] == 0 or turn[2] == 0]
    return [_pose(centre, target + np.array([0, 0, up_mm]), turn) for turn in simple for up_mm in LOOK_SHIFT_MM]


def _pose(
    centre: NDArray[np.float64], target: NDArray[np.float64], turn_deg: tuple[float, float, float]
) -> SimpleITK.Similarity3DTransform:
    import SimpleITK as sitk

    pitch, yaw, roll = np.deg2rad(turn_deg).tolist()
    euler = sitk.Euler3DTransform()
    euler.SetRotation(pitch, roll, yaw)
    pose = sitk.Similarity3DTransform()
    pose.SetCenter(centre.tolist())
    pose.SetMatrix((np.array(euler.GetMatrix()) * LOOK_SCALE).tolist())
    pose.SetTranslation((target - centre).tolist())
    return pose


def _upper_centre(head: BoolArray, origin_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    """Centre of mass of the upper head, in mm."""
    filled = np.flatnonzero(head.sum(axis=(0, 1)) > 25)
    top = int(filled.max())
    lowest = max(0, top - int(BELOW_TOP_MM / spacing_mm))
    centre = np.argwhere(head[:, :, lowest : top + 1]).mean(axis=0) + np.array([0, 0, lowest])
    return np.asarray(origin_mm + spacing_mm * centre)


def _overlap(
    template: Template, pose: SimpleITK.Similarity3DTransform, head: BoolArray, origin_mm: NDArray[np.float64]
) -> float:
    return overlap(template, matrix_of(pose), head, origin_mm, step=5)


def _tried(match: Match, poses: list[SimpleITK.Similarity3DTransform]) -> list[SimpleITK.Similarity3DTransform]:
    """Poses, optimised, best first; the given ones stay as they are."""
    best = [type(pose)(pose) for pose in poses]
    for pose in best:
        match.optimise(pose, step_mm=4.0, iterations=25)
    return sorted(best, key=match.cost)


def _distance_mm(one: SimpleITK.Transform, other: SimpleITK.Transform, points: NDArray[np.float64]) -> float:
    moved = [np.array([transform.TransformPoint(point) for point in points.tolist()]) for transform in (one, other)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=1).mean())
