"""Removed and altered voxels: exact on known damage, and blind to how a file is stored."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from defaceqa.features.loss import ALTERED_TOLERANCE, Change, changed_voxels, intensity_gain, loss
from defaceqa.head import head_mask, head_threshold, intensity_levels
from defaceqa.simulation.phantom import synthetic_head

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SPACING_MM = np.array([3.0, 3.0, 3.0])
VOXEL_ML = 0.027


class Head:
    """A synthetic head with the levels that are found on it."""

    def __init__(self) -> None:
        made = synthetic_head(3.0)
        self.data = made.volume.data
        self.brain = made.brain
        self.threshold = head_threshold(self.data)
        air, _, tissue = intensity_levels(self.data)
        self.tissue = tissue - air
        self.mask = head_mask(self.data, self.threshold)

    def change(self, defaced: FloatArray) -> Change:
        return changed_voxels(self.data, defaced.astype(np.float32), self.threshold, self.tissue)

    def losses(self, defaced: FloatArray, name: str = "head") -> dict[str, float]:
        inside = self.mask if name == "head" else self.brain
        return loss(self.change(defaced), inside, SPACING_MM, name)


@pytest.fixture(scope="module")
def head() -> Head:
    return Head()


def cube(head: Head, side: int) -> BoolArray:
    """A cube in bright white matter of the right half of the brain, so that every voxel of it is well above air."""
    centre = np.rint(np.argwhere(head.brain).mean(axis=0)).astype(int) + np.array([9, 0, 4])
    inside = np.zeros(head.data.shape, dtype=bool)
    inside[tuple(slice(c - side // 2, c - side // 2 + side) for c in centre)] = True
    return inside


# --- removed and altered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["head", "brain"])
def test_an_untouched_copy_lost_nothing(name: str, head: Head) -> None:
    assert set(head.losses(head.data.copy(), name).values()) == {0.0}


@pytest.mark.parametrize("name", ["head", "brain"])
@pytest.mark.parametrize("side", [1, 4, 7])
def test_a_removed_cube_is_counted_to_the_voxel(side: int, name: str, head: Head) -> None:
    taken = cube(head, side) & (head.data > head.threshold)
    defaced = np.where(taken, 0, head.data)
    values = head.losses(defaced, name)
    inside = head.mask if name == "head" else head.brain
    assert values[f"{name}_removed_ml"] == pytest.approx(taken.sum() * VOXEL_ML)
    assert values[f"{name}_removed_fraction"] == pytest.approx(taken.sum() / inside.sum())
    assert values[f"{name}_altered_ml"] == values[f"{name}_removed_ml"]


def test_voxels_that_were_air_before_cannot_be_removed(head: Head) -> None:
    """Zeroing noise is an alteration of next to nothing, and no tissue is gone."""
    defaced = np.where(head.mask, head.data, 0)
    assert head.losses(defaced)["head_removed_ml"] == 0
    assert head.losses(defaced)["head_altered_ml"] == 0


def test_refilled_tissue_is_altered_and_not_removed(head: Head) -> None:
    taken = cube(head, 6)
    defaced = np.where(taken, np.float32(1.7) * head.data + np.float32(head.tissue), head.data)
    values = head.losses(defaced, "brain")
    assert values["brain_removed_ml"] == 0
    assert values["brain_altered_ml"] == pytest.approx(taken.sum() * VOXEL_ML)


def test_growing_damage_grows_in_every_number(head: Head) -> None:
    rows = []
    for cut in range(30, 82, 6):
        defaced = head.data.copy()
        defaced[:, cut:] = 0
        rows.append(list((head.losses(defaced) | head.losses(defaced, "brain")).values()))
    damage = np.array(rows[::-1])
    assert (np.diff(damage, axis=0) >= 0).all()
    assert (damage[-1] > damage[0]).all()


def test_fractions_stay_within_zero_and_one_when_all_is_gone(head: Head) -> None:
    values = head.losses(np.zeros_like(head.data))
    assert values["head_removed_fraction"] <= values["head_altered_fraction"] <= 1
    assert values["head_altered_fraction"] > 0.85
    assert values["head_altered_ml"] <= head.mask.sum() * VOXEL_ML


def test_every_removed_voxel_is_also_an_altered_one(head: Head, rng: np.random.Generator) -> None:
    change = head.change(head.data * rng.random(head.data.shape, np.float32))
    assert not (change.removed & ~change.altered).any()
    assert change.removed.any()


def test_an_empty_mask_has_no_fraction_and_no_volume(head: Head) -> None:
    values = loss(head.change(np.zeros_like(head.data)), np.zeros_like(head.mask), SPACING_MM, "brain")
    assert np.isnan(values["brain_removed_fraction"])
    assert values["brain_removed_ml"] == 0


def test_volumes_follow_the_size_of_the_voxels(head: Head) -> None:
    change = head.change(np.where(cube(head, 5), 0, head.data))
    flat = loss(change, head.mask, np.array([0.43, 0.43, 2.46]), "head")["head_removed_ml"]
    assert flat == pytest.approx(
        head.losses(np.where(cube(head, 5), 0, head.data))["head_removed_ml"] * 0.43**2 * 2.46 / 27
    )


# --- what is an alteration --------------------------------------------------------------------------------------------


def test_storing_floats_anew_is_no_alteration(head: Head) -> None:
    stored = np.rint(head.data * 1000).astype(np.int32).astype(np.float32) / np.float32(1000)
    seventh_digit = head.data * np.float32(1 + 3e-7)
    for defaced in (stored, seventh_digit, head.data.astype(np.float16).astype(np.float32)):
        assert not np.array_equal(defaced, head.data)
        assert set(head.losses(defaced).values()) == {0.0}


def test_storing_bytes_is_no_alteration(head: Head) -> None:
    step = np.float32(head.data.max() / 255)
    assert head.losses(np.rint(head.data / step) * step)["head_altered_ml"] == 0


def test_a_small_change_everywhere_is_altered_and_not_removed(head: Head) -> None:
    everywhere = head.data + np.float32(3 * ALTERED_TOLERANCE * head.tissue)
    values = head.losses(everywhere)
    assert values["head_altered_fraction"] == 1
    assert values["head_removed_fraction"] == 0


def test_a_small_gain_everywhere_is_altered_and_not_removed(head: Head) -> None:
    values = head.losses(head.data * np.float32(0.95)) | head.losses(head.data * np.float32(0.95), "brain")
    assert values["head_altered_fraction"] > 0.7
    assert values["head_removed_fraction"] == 0
    assert values["brain_removed_fraction"] == 0


def test_noise_added_everywhere_removes_nothing(head: Head, rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.02 * head.tissue, head.data.shape).astype(np.float32)
    values = head.losses(head.data + noise) | head.losses(head.data + noise, "brain")
    assert values["head_altered_fraction"] > 0.5
    assert values["head_removed_fraction"] < 1e-4
    assert values["brain_removed_fraction"] < 1e-4


def test_bone_that_goes_with_the_face_is_removed(head: Head) -> None:
    """Bone is darker than the skin's threshold and still part of the head."""
    bone = head.mask & (head.data < head.threshold) & (head.data > 0.5 * head.threshold)
    assert bone.sum() > 500
    assert head.change(np.where(bone, 0, head.data)).removed[bone].mean() > 0.9


def test_change_is_judged_against_the_tissue_whatever_the_units(head: Head) -> None:
    defaced = np.where(cube(head, 6), 0, head.data * np.float32(1.004))
    change = head.change(defaced)
    for gain in (1e-4, 1 / 4095, 1e4):
        scaled = changed_voxels(
            head.data * np.float32(gain), defaced * np.float32(gain), head.threshold * gain, head.tissue * gain
        )
        assert (scaled.removed != change.removed).sum() == 0
        assert (scaled.altered != change.altered).mean() < 1e-4


# --- rescaling as a whole ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [1000.0, 1 / 4095, 1.5, 0.2])
def test_a_change_of_units_is_found(gain: float, head: Head) -> None:
    defaced = head.data * np.float32(gain)
    defaced[:, 55:] = 0
    assert intensity_gain(head.data, defaced, head.mask, head.threshold) == pytest.approx(gain, rel=1e-5)


@pytest.mark.parametrize("gain", [1.0, 0.95, 1.08])
def test_a_small_gain_is_left_in_as_an_alteration(gain: float, head: Head) -> None:
    assert intensity_gain(head.data, head.data * np.float32(gain), head.mask, head.threshold) == 1.0


def test_a_defacing_alone_is_no_change_of_units(head: Head, rng: np.random.Generator) -> None:
    removed = head.data.copy()
    removed[:, 50:] = 0
    refilled = head.data.copy()
    refilled[:, 55:] = 200 + 400 * rng.random(refilled[:, 55:].shape, np.float32)
    for defaced in (removed, refilled, np.zeros_like(head.data)):
        assert intensity_gain(head.data, defaced, head.mask, head.threshold) == 1.0


def test_an_inverted_image_is_no_change_of_units(head: Head) -> None:
    assert intensity_gain(head.data, -head.data, head.mask, head.threshold) == 1.0
