"""How well two images match, and where they match best."""

from __future__ import annotations

import numpy as np
import pytest

from defaceqa.anatomy.images import affine_of, mask_image, matrix_of, template_image, to_image
from defaceqa.anatomy.matching import Match
from defaceqa.anatomy.template import load_template


def shifted(mm: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[1, 3] = mm
    return matrix


@pytest.fixture(scope="module", params=[False, True], ids=["content", "shape"])
def match(request):
    template = load_template()
    fixed, mask = template_image(template, 8.0)
    if request.param:
        shape = mask_image(template.head_mask, template.origin_mm, 8.0)
        return Match(shape, shape, mask, measure="correlation")
    return Match(fixed, to_image(template.head, template.origin_mm, 2.0, 8.0), mask)


def test_the_cost_is_least_where_the_images_lie_on_each_other(match):
    costs = [match.cost(affine_of(shifted(mm), np.zeros(3))) for mm in (0, 8, 16, 40)]
    assert costs == sorted(costs)
    assert costs[0] < 0


def test_a_shift_is_found(match):
    transform = affine_of(shifted(9), load_template().landmarks_mm["nasion"])
    match.optimise(transform, step_mm=2.0, iterations=60)
    assert matrix_of(transform)[:3, 3] == pytest.approx([0, 0, 0], abs=3)


def test_images_that_do_not_overlap_leave_the_transform_as_it_was(match):
    transform = affine_of(shifted(3000), np.zeros(3))
    match.optimise(transform, step_mm=2.0, iterations=5)
    assert matrix_of(transform)[1, 3] == pytest.approx(3000)
    assert match.cost(transform) == 0.0


def test_a_quarter_of_the_voxels_gives_the_same_fit_twice(match):
    def fitted() -> np.ndarray:
        transform = affine_of(shifted(9), load_template().landmarks_mm["nasion"])
        Match(match.fixed, match.moving, match.mask, 0.25, match.measure).optimise(
            transform, step_mm=2.0, iterations=20
        )
        return matrix_of(transform)

    assert np.array_equal(fitted(), fitted())
