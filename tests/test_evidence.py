"""Slices for a report: through the worst place, the right way up, and nothing of a face in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from defaceqa.anatomy.registration import Anatomy
from defaceqa.anatomy.template import load_template
from defaceqa.features.evidence import AROUND_BRAIN_MM, gather
from defaceqa.features.loss import Change
from defaceqa.volumes import Pair, Volume

SPACING = (1.0, 2.0, 1.5)
SHAPE = (60, 50, 48)


@pytest.fixture
def brain():
    x, y, z = np.indices(SHAPE)
    centre = [30, 20, 28]
    return sum(((i - c) * s / 20.0) ** 2 for i, c, s in zip((x, y, z), centre, SPACING, strict=True)) <= 1


@pytest.fixture
def pair(rng):
    def noisy(name):
        return Volume(rng.integers(50, 200, SHAPE).astype(np.float32), np.diag([*SPACING, 1.0]))

    return Pair(noisy("original"), noisy("defaced"))


def gathered(pair, brain, removed=None, *, share=0.3, anatomy=None):
    removed = np.zeros(SHAPE, bool) if removed is None else removed
    views = [np.full((5, 8, 8), 255, np.uint8)] * 2
    return gather(pair, views, Change(removed, removed), brain, share, anatomy)


def test_nothing_is_shown_further_from_the_brain_than_it_may(pair, brain):
    for section in gathered(pair, brain).sections:
        shown = np.argwhere((section.original > 0) | (section.defaced > 0)) * section.pixel_mm
        distance, _ = cKDTree(np.argwhere(section.brain) * section.pixel_mm).query(shown)
        assert distance.max() <= AROUND_BRAIN_MM + 1e-9
        assert distance.max() > AROUND_BRAIN_MM / 2
        assert not section.shown.all()
        assert not (section.removed & ~section.shown).any()


def test_no_slice_could_show_a_profile(pair, brain):
    assert [section.plane for section in gathered(pair, brain).sections] == ["axial", "coronal"]


@pytest.mark.parametrize("share", [0.61, 1.0, float("nan")])
def test_a_mask_that_is_more_than_a_brain_gives_no_slices(pair, brain, share):
    assert gathered(pair, brain, share=share).sections == ()


def test_without_a_mask_there_are_no_slices(pair):
    assert gathered(pair, None).sections == ()
    assert gathered(pair, np.zeros(SHAPE, bool)).sections == ()


def test_slices_go_through_the_place_that_lost_most_brain(pair, brain):
    removed = np.zeros(SHAPE, bool)
    removed[25:35, 24:27, 31] = True
    removed[:, :, 2] = True  # more, but no brain there
    axial, coronal = gathered(pair, brain, removed).sections
    assert axial.number == 32
    assert coronal.number in (25, 26, 27)
    assert (axial.removed & axial.brain).sum() == 30


def test_a_slice_stands_upright_with_the_persons_left_on_the_left(pair, brain):
    removed = np.zeros(SHAPE, bool)
    removed[28, 26, 30] = True  # left of the middle, in front, above the middle
    for section in gathered(pair, brain, removed).sections:
        (row, column) = np.argwhere(section.removed & section.brain)[0]
        middle = np.argwhere(section.brain).mean(axis=0)
        assert row < middle[0]
        assert column < middle[1]
    axial, coronal = gathered(pair, brain, removed).sections
    assert axial.pixel_mm == (2.0, 1.0)
    assert coronal.pixel_mm == (1.5, 1.0)


def test_the_mean_head_is_drawn_where_it_was_laid(pair):
    template = load_template()
    brain = template.brain > 0.5
    volume = Volume(template.head, np.diag([*template.spacing_mm, 1.0]))
    matrix = np.eye(4)
    matrix[:3, 3] = -template.origin_mm  # grid mm start at the first voxel
    anatomy = Anatomy(matrix, 1.0, {}, located=True)
    none = np.zeros(brain.shape, bool)
    views = [np.full((5, 8, 8), 255, np.uint8)] * 2
    for section in gather(Pair(volume, volume), views, Change(none, none), brain, 0.3, anatomy).sections:
        inside = section.brain
        assert np.corrcoef(section.mean_head[inside], section.original[inside])[0, 1] > 0.99


def test_a_mean_head_that_could_not_be_laid_on_is_not_drawn(pair, brain):
    anatomy = Anatomy(np.eye(4), 0.5, {}, located=False)
    assert all(section.mean_head is None for section in gathered(pair, brain, anatomy=anatomy).sections)
