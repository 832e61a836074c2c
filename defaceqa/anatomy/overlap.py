"""How well the mean head covers a head: the quality of a location, whatever the contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.template import Template
from defaceqa.head import WORKING_SPACING_MM


def overlap(
    template: Template,
    matrix: NDArray[np.float64],
    head: NDArray[np.bool_],
    origin_mm: NDArray[np.float64],
    *,
    step: int = 2,
) -> float:
    """Dice of the template's head and the original's, over the part of the template that is in the field of view.

    Parameters
    ----------
    template : Template
    matrix : ndarray, shape (4, 4)
        Template mm to grid mm.
    head : ndarray of bool, shape (x, y, z)
        On a working grid.
    origin_mm : ndarray, shape (3,)
        Of the working grid.
    step : int
        Only every n-th voxel of the template along each axis is looked at.

    Returns
    -------
    float
        0 to 1; 0 when nothing of the template is in view.
    """
    mask = template.head_mask[::step, ::step, ::step]
    index = np.indices(mask.shape).reshape(3, -1)
    linear = matrix[:3, :3] * (step * template.spacing_mm)
    offset = matrix[:3, :3] @ template.origin_mm + matrix[:3, 3] - origin_mm
    where = np.rint((linear @ index + offset[:, None]) / WORKING_SPACING_MM).astype(np.intp)
    seen = ((where >= 0) & (where < np.array(head.shape)[:, None])).all(axis=0)
    mine, theirs = mask.ravel()[seen], head[tuple(where[:, seen])]
    total = int(mine.sum() + theirs.sum())
    return 2 * float((mine & theirs).sum()) / total if total else 0.0
