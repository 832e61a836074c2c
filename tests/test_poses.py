"""The look around: a turned head is among the few poses that are tried further."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.ndimage import rotate

from defaceqa.anatomy.images import matrix_of
from defaceqa.anatomy.poses import DISTINCT_MM, look_around
from defaceqa.anatomy.template import load_template
from defaceqa.head import head_mask, head_threshold


@pytest.mark.parametrize("angle_deg", [-25, 25])
def test_a_head_with_its_chin_up_or_down_is_among_the_few_poses_tried_further(angle_deg):
    template = load_template()
    data = rotate(np.pad(template.head, 16), angle_deg, (1, 2), reshape=False, order=1)
    origin_mm = template.origin_mm - 16 * template.spacing_mm
    poses = [
        matrix_of(pose) for pose in look_around(template, data, head_mask(data, head_threshold(data)), origin_mm, 4)
    ]
    assert len(poses) <= 4
    assert min(abs(abs(pitch_deg(pose)) - 25) for pose in poses) < 8
    marks = np.array(list(template.landmarks_mm.values()))
    placed = [marks @ pose[:3, :3].T + pose[:3, 3] for pose in poses]
    for one, other in itertools.combinations(placed, 2):
        assert np.linalg.norm(one - other, axis=1).mean() > DISTINCT_MM


def pitch_deg(matrix: np.ndarray) -> float:
    return float(np.rad2deg(np.arctan2(matrix[2, 1], matrix[1, 1])))
