"""Heads painted from labels: the contrast asked for, the brain where it was, the same image twice."""

from __future__ import annotations

import numpy as np
import pytest

from defaceqa.errors import LabelError
from defaceqa.head import head_mask, head_threshold
from defaceqa.simulation.painting import CONTRASTS, paint
from defaceqa.volumes import Volume, onto_grid

AIR, WHITE, GREY, FLUID, BONE, SOFT, EYE = 0, 2, 3, 24, 165, 258, 259


@pytest.fixture(scope="module")
def labels() -> Volume:
    """Shells of a head in a map with much air around it."""
    axes = [np.arange(n) - n / 2 for n in (120, 130, 120)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = 2 * np.sqrt(x**2 + (y / 1.1) ** 2 + z**2)
    shells = [(78, SOFT), (66, BONE), (60, FLUID), (56, GREY), (44, WHITE)]
    data = np.zeros(x.shape, np.float32)
    for limit, label in shells:
        data[radius < limit] = label
    data[2 * np.sqrt((x - 15) ** 2 + (y - 36) ** 2 + z**2) < 12] = EYE
    return Volume(data, np.diag([2.0, 2.0, 2.0, 1.0]) + np.array([[0, 0, 0, -100.0]] * 3 + [[0, 0, 0, 0]]))


def means(labels: Volume, painted: Volume) -> dict[int, float]:
    found = onto_grid(painted, labels).data
    return {label: float(np.median(found[labels.data == label])) for label in (AIR, WHITE, GREY, FLUID, EYE)}


def test_each_contrast_orders_the_tissues_as_scanners_do(labels: Volume) -> None:
    t1, t2, flair = (means(labels, paint(labels, contrast, 3)) for contrast in CONTRASTS)
    assert t1[WHITE] > t1[GREY] > t1[FLUID] > t1[AIR]
    assert t2[FLUID] > t2[GREY] > t2[WHITE] > t2[AIR]
    assert flair[GREY] > flair[WHITE] > flair[FLUID] > flair[AIR]
    assert t2[EYE] > t2[WHITE] and t1[EYE] < t1[WHITE]


def test_the_painted_head_is_a_head_with_skin_where_the_labels_end(labels: Volume) -> None:
    for contrast in CONTRASTS:
        painted = onto_grid(paint(labels, contrast, 1), labels).data
        found = head_mask(painted, head_threshold(painted))
        inside = labels.data > 0
        assert 2 * np.count_nonzero(found & inside) / (found.sum() + inside.sum()) > 0.98, contrast


def test_the_same_seed_gives_the_same_head_and_another_one_another(labels: Volume) -> None:
    first, again, other = (paint(labels, "T1w", seed).data for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 1


def test_the_map_is_cut_to_the_head_and_stays_where_it_was(labels: Volume) -> None:
    painted = paint(labels, "T1w", 0)
    assert all(a < b for a, b in zip(painted.shape, labels.shape, strict=True))
    assert onto_grid(painted, labels).shape == labels.shape  # a whole-voxel crop, or this would be refused


def test_a_label_nobody_knows_and_a_map_without_a_head_are_refused(labels: Volume) -> None:
    strange = labels.data.copy()
    strange[50, 50, 50] = 999
    with pytest.raises(LabelError, match="holds 999"):
        paint(Volume(strange, labels.affine), "T1w", 0)
    with pytest.raises(LabelError, match="no labels above 0"):
        paint(Volume(np.zeros((20, 20, 20), np.float32), np.eye(4)), "T1w", 0)
    with pytest.raises(LabelError, match="Unknown contrast"):
        paint(labels, "PDw", 0)  # type: ignore[arg-type]
