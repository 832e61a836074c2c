"""Varied heads: landmarks and brain move with the face, and the person stays the group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from defaceqa.features.original import MeasuredOriginal
from defaceqa.simulation.originals import Original, with_variations
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.simulation.variation import Head, cut_view, deform, other_contrast, recut, vary

ON_SKIN = ("left_eye", "right_eye", "nasion", "pronasale", "subnasale", "stomion", "menton")


@pytest.fixture(scope="module")
def head() -> Head:
    made = synthetic_head(2.0)
    return Head(made.volume, made.brain, made.landmarks_mm)


def off_skin_mm(head: Head) -> dict[str, float]:
    skin = cKDTree(MeasuredOriginal(head.volume).surface.vertices_mm)
    return {name: float(skin.query(head.landmarks_mm[name])[0]) for name in ON_SKIN if name in head.landmarks_mm}


def test_landmarks_stay_on_the_skin_of_a_deformed_head(head: Head) -> None:
    before = off_skin_mm(head)
    moved = deform(head, np.random.default_rng(4))
    after = off_skin_mm(moved)
    assert max(after[name] - before[name] for name in after) < 1.5
    far = [np.linalg.norm(moved.landmarks_mm[n] - head.landmarks_mm[n]) for n in ON_SKIN if n in moved.landmarks_mm]
    assert max(far) > 2.0


def test_the_brain_moves_along(head: Head) -> None:
    moved = deform(head, np.random.default_rng(4))
    inside, outside = (moved.volume.data[moved.brain == side] for side in (True, False))
    assert 0.7 < moved.brain.sum() / head.brain.sum() < 1.4
    assert np.median(inside) > np.median(outside)


def test_larger_voxels_keep_points_where_they_were(head: Head) -> None:
    coarse = recut(head, (2.0, 3.0, 2.5))
    assert coarse.volume.spacing_mm == pytest.approx([2.0, 3.0, 2.5])
    for name in ON_SKIN:
        old = head.volume.affine @ [*(head.landmarks_mm[name] / head.volume.spacing_mm), 1]
        new = coarse.volume.affine @ [*(coarse.landmarks_mm[name] / coarse.volume.spacing_mm), 1]
        assert new == pytest.approx(old, abs=1e-6)
    assert max(off_skin_mm(coarse).values()) < max(off_skin_mm(head).values()) + 2.0


def test_voxels_are_never_cut_finer_than_they_came(head: Head) -> None:
    assert recut(head, (1.0, 1.0, 1.0)).volume.spacing_mm == pytest.approx(head.volume.spacing_mm)


def test_a_cut_field_of_view_drops_what_it_cut_off(head: Head) -> None:
    seen = [cut_view(head, np.random.default_rng(seed)) for seed in range(12)]
    assert {cut.volume.shape == head.volume.shape for cut in seen} >= {False}
    for cut in seen:
        end_mm = np.array(cut.volume.shape) * cut.volume.spacing_mm
        assert all((point >= -2).all() and (point <= end_mm).all() for point in cut.landmarks_mm.values())
        assert cut.brain.shape == cut.volume.shape
    assert any("pronasale" not in cut.landmarks_mm or "menton" not in cut.landmarks_mm for cut in seen)


def test_another_contrast_keeps_the_order_of_grey_values_nearby(head: Head) -> None:
    changed = other_contrast(head, np.random.default_rng(0)).volume.data
    ranks = [np.argsort(np.argsort(image[head.brain])) for image in (head.volume.data, changed)]
    assert np.corrcoef(*ranks)[0, 1] > 0.6
    assert not np.allclose(changed, head.volume.data)


def test_the_same_seed_gives_the_same_head(head: Head) -> None:
    first, again = vary(head, 5), vary(head, 5)
    assert np.array_equal(first.volume.data, again.volume.data)
    assert first.landmarks_mm.keys() == again.landmarks_mm.keys()


def test_variations_are_other_heads_of_the_same_person() -> None:
    heads = with_variations([Original("h1", "anna", Path("h1.nii"))], 2)
    assert [(head.head_id, head.subject, head.kind) for head in heads] == [
        ("h1", "anna", "scanned"), ("h1+1", "anna", "varied"), ("h1+2", "anna", "varied"),
    ]  # fmt: skip
