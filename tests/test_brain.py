"""The brain that is found without a mask: the right voxels in any contrast, and cuts into it noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from defaceqa.anatomy.brain import tissue_interval
from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.features import loss
from defaceqa.features.original import MeasuredOriginal
from defaceqa.head import WORKING_SPACING_MM, from_working_grid, to_working_grid
from defaceqa.shipped import shipped_folder
from defaceqa.simulation.originals import read_originals
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.verdict import judge_brain
from defaceqa.volumes import load_mask, load_volume

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.fixture(scope="module", params=["T1w", "T2w", "FLAIR"])
def found(request: pytest.FixtureRequest) -> tuple[SyntheticHead, Anatomy]:
    head = synthetic_head(2.0, contrast=request.param)
    return head, locate(head.volume)


def test_the_synthetic_brain_is_found_in_any_contrast(found):
    head, anatomy = found
    mask = from_working_grid(anatomy.brain, head.volume.shape, head.volume.spacing_mm)
    assert dice(mask, head.brain) > 0.95


@pytest.mark.parametrize(("depth_mm", "verdicts"), [(-6.0, {"pass"}), (3.5, {"review", "fail"}), (8.0, {"fail"})])
def test_a_cut_into_the_synthetic_brain_is_noticed_and_one_before_it_is_not(found, depth_mm, verdicts):
    head, anatomy = found
    measured = MeasuredOriginal(head.volume)
    true = to_working_grid(head.brain, head.volume.spacing_mm) > 0.5
    y_mm = WORKING_SPACING_MM * np.arange(measured.data.shape[1])
    gone = y_mm > y_mm[true.any(axis=(0, 2))].max() - depth_mm
    defaced = np.where(gone[None, :, None], np.float32(0), measured.data)
    removed = loss.changed_voxels(measured.data, defaced, measured.threshold, measured.tissue).removed
    removed_ml = float((removed & anatomy.brain).sum()) * WORKING_SPACING_MM**3 / 1000
    piece = loss.brain_piece(removed, anatomy.brain, WORKING_SPACING_MM)
    assert judge_brain(removed_ml, piece["brain_largest_piece_ml"], piece["brain_depth_mm"]).verdict in verdicts


def test_a_brain_is_not_looked_for_when_a_mask_is_given():
    assert locate(synthetic_head(2.0).volume, with_brain=False).brain is None


LEVELS = {"T1w": (100, 380, 500), "T2w": (1300, 620, 450), "FLAIR": (160, 780, 620)}
"""Of fluid, cortex and white matter."""


def intensities(rng, contrast: str, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fluid, grey, white = LEVELS[contrast]
    core = np.concatenate([rng.normal(white, 20, 4000), rng.normal((white + grey) / 2, 20, 1000)])
    cortex = np.concatenate([rng.normal(grey, 20, 3000), rng.uniform(*sorted((grey, fluid)), 800)])
    ventricles = np.concatenate([rng.normal(fluid, 20, 300), rng.normal(white, 20, 100)])
    return tuple(gain * np.asarray(values, np.float32) for values in (core, cortex, ventricles))


@pytest.mark.parametrize("contrast", LEVELS)
def test_a_voxel_half_full_of_cortex_is_brain_and_one_nearly_full_of_fluid_is_not(rng, contrast):
    fluid, grey, _ = LEVELS[contrast]
    low, high = tissue_interval(*intensities(rng, contrast))
    assert low < (fluid + grey) / 2 < high
    assert not low < fluid + 0.15 * (grey - fluid) < high


@pytest.mark.parametrize("contrast", LEVELS)
def test_intensities_in_other_units_give_the_same_bounds(contrast):
    low, high = tissue_interval(*intensities(np.random.default_rng(1), contrast))
    again = tissue_interval(*intensities(np.random.default_rng(1), contrast, gain=4.0))
    assert np.allclose(again, (4 * low, 4 * high), rtol=1e-4)


def test_a_cortex_out_of_view_leaves_the_level_to_the_core(rng):
    core, cortex, ventricles = intensities(rng, "T1w")
    nothing = np.zeros_like(cortex)
    low, high = tissue_interval(core, nothing, ventricles)
    assert np.median(ventricles) < low < np.median(core) < high


def test_real_brains_outside_the_mean_head_overlap_the_trusted_masks(shared_heads):
    members = set(json.loads((shipped_folder("template") / "card.json").read_text())["heads"])
    originals = read_originals(shared_heads / "heads.tsv", LANDMARKS)
    outside = [one for one in originals if one.head_id.startswith("ixi") and one.head_id not in members][5:8]
    overlaps = []
    for original in outside:
        volume = load_volume(original.path)
        mask = from_working_grid(locate(volume).brain, volume.shape, volume.spacing_mm)
        overlaps.append(dice(mask, load_mask(original.brain_path, volume)))
    assert min(overlaps) > 0.88
