"""The quality of a location: how well the mean head covers a head."""

from __future__ import annotations

import numpy as np
import pytest

from defaceqa.anatomy.overlap import overlap
from defaceqa.anatomy.template import load_template


def moved(mm: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3] = mm
    return matrix


def test_the_mean_head_covers_itself_wholly():
    template = load_template()
    assert overlap(template, np.eye(4), template.head_mask, template.origin_mm) == 1.0


def test_the_further_off_a_head_is_the_less_is_covered():
    template = load_template()
    found = [overlap(template, moved(mm), template.head_mask, template.origin_mm) for mm in (0, 10, 20, 40)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.8


def test_what_lies_outside_the_field_of_view_is_not_compared():
    template = load_template()
    upper = template.head_mask[:, :, 40:]
    origin_mm = template.origin_mm + np.array([0, 0, 40 * template.spacing_mm[2]])
    assert overlap(template, np.eye(4), upper, origin_mm) == 1.0


def test_a_head_that_is_not_in_view_at_all_is_not_covered():
    template = load_template()
    assert overlap(template, moved(2000), template.head_mask, template.origin_mm) == 0.0


@pytest.mark.parametrize("step", [1, 4, 5])
def test_fewer_voxels_tell_nearly_the_same(step):
    template = load_template()
    all_of_them = overlap(template, moved(15), template.head_mask, template.origin_mm)
    assert overlap(template, moved(15), template.head_mask, template.origin_mm, step=step) == pytest.approx(
        all_of_them, abs=0.02
    )
