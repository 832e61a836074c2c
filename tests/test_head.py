"""Head against air: the same head whatever the gain, the noise or the voxel size."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import InputError
from defaceqa.head import (
    MIN_HEAD_ML,
    WORKING_SPACING_MM,
    check_is_head,
    fill_holes,
    from_working_grid,
    head_mask,
    head_threshold,
    intensity_levels,
    largest_piece,
    to_working_grid,
    working_origin_mm,
)
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head

BoolArray = NDArray[np.bool_]


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(3.0)


@pytest.fixture(scope="module")
def quiet_mask() -> BoolArray:
    data = synthetic_head(3.0, noise=0).volume.data
    return head_mask(data, head_threshold(data))


def dice(first: BoolArray, second: BoolArray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


# --- threshold and mask -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [1e-6, 0.001, 1 / 4095, 30.0, 1e6])
def test_the_threshold_follows_the_gain_and_the_mask_stays(gain: float, head: SyntheticHead) -> None:
    data = head.volume.data
    scaled = data * np.float32(gain)
    assert head_threshold(scaled) == pytest.approx(gain * head_threshold(data), rel=1e-3)
    changed = head_mask(scaled, head_threshold(scaled)) != head_mask(data, head_threshold(data))
    assert changed.mean() < 1e-4


def test_an_offset_of_the_air_does_not_move_the_head(head: SyntheticHead) -> None:
    data = head.volume.data
    assert head_threshold(data + 500) == pytest.approx(head_threshold(data) + 500, rel=1e-3)


def test_the_threshold_lies_between_air_and_tissue(head: SyntheticHead) -> None:
    air, spread, tissue = intensity_levels(head.volume.data)
    assert 0 <= air < head_threshold(head.volume.data) < tissue
    assert spread < tissue / 20


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.05])
def test_noise_in_the_air_does_not_become_head(noise: float, quiet_mask: BoolArray) -> None:
    data = synthetic_head(3.0, noise=noise).volume.data
    mask = head_mask(data, head_threshold(data))
    around = ndimage.binary_dilation(quiet_mask, iterations=2)
    assert (mask & ~around).sum() * 0.027 < 0.5  # mL
    assert dice(mask, quiet_mask) > 0.95


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "FLAIR"])
def test_every_contrast_gives_the_same_head(contrast: str, quiet_mask: BoolArray) -> None:
    data = synthetic_head(3.0, contrast=contrast).volume.data  # type: ignore[arg-type]
    assert dice(head_mask(data, head_threshold(data)), quiet_mask) > 0.98


def test_a_few_very_bright_voxels_do_not_move_the_threshold(head: SyntheticHead, rng: np.random.Generator) -> None:
    data = head.volume.data.copy()
    data.ravel()[rng.integers(0, data.size, data.size // 2000)] = 100 * data.max()
    assert head_threshold(data) == pytest.approx(head_threshold(head.volume.data), rel=0.1)


def test_the_mask_has_no_holes_and_one_piece(head: SyntheticHead) -> None:
    data = head.volume.data.copy()
    data[2:5, 2:5, 2:5] = 400  # something beside the head
    mask = head_mask(data, head_threshold(data))
    brain_centre = tuple(np.rint(np.argwhere(head.brain).mean(axis=0)).astype(int))
    data[brain_centre] = 0
    assert not mask[3, 3, 3]
    assert mask[head.brain].all()
    assert ndimage.label(mask)[1] == 1
    assert head_mask(data, head_threshold(data))[brain_centre]


def test_a_hole_that_reaches_the_border_is_no_hole() -> None:
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[1:8, 1:8, 1:8] = True
    mask[4, 4, 4] = False
    assert fill_holes(mask)[4, 4, 4]
    mask[4, 4, 4:] = False
    assert not fill_holes(mask)[4, 4, 4:].any()


def test_holes_of_a_full_and_of_an_empty_mask() -> None:
    full = np.ones((4, 4, 4), dtype=bool)
    assert fill_holes(full).all()
    assert not fill_holes(~full).any()


def test_the_largest_piece_is_kept_and_an_empty_mask_stays_empty() -> None:
    mask = np.zeros((8, 8, 8), dtype=bool)
    assert not largest_piece(mask).any()
    mask[0, 0, 0] = mask[4:6, 4:6, 4:6] = True
    assert largest_piece(mask).sum() == 8
    assert not largest_piece(mask)[0, 0, 0]


def test_levels_of_an_image_of_next_to_nothing_are_finite() -> None:
    data = np.zeros((40, 40, 40), np.float32)
    assert intensity_levels(data) == (0, 0, 0)
    data[20, 20, 20] = 100
    assert intensity_levels(data) == (0, 0, 100)
    assert head_mask(data, head_threshold(data)).sum() == 1


def test_something_smaller_than_a_head_is_refused_with_its_volume() -> None:
    mask = np.zeros((80, 80, 80), dtype=bool)
    mask[:37, :37, :37] = True  # 50.7 mL at 1 mm
    with pytest.raises(InputError, match=r"orange\.nii measures 51 mL; expected a head of at least 300 mL"):
        check_is_head(mask, np.ones(3), "orange.nii")
    check_is_head(mask, np.full(3, (MIN_HEAD_ML / 50) ** (1 / 3)), "orange.nii")


# --- working grid -----------------------------------------------------------------------------------------------------


def block_means(data: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y, z = (n // 2 for n in data.shape)
    return data.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))


def test_one_mm_voxels_become_block_means(rng: np.random.Generator) -> None:
    data = rng.random((20, 24, 30), np.float32)
    working = to_working_grid(data, np.ones(3))
    assert working.dtype == np.float32
    assert np.allclose(working, block_means(data), atol=1e-6)
    assert np.allclose(working_origin_mm(data.shape, np.ones(3)), 0.5)


def test_two_mm_voxels_are_left_alone(rng: np.random.Generator) -> None:
    data = rng.random((20, 24, 31), np.float32)
    assert np.array_equal(to_working_grid(data, np.full(3, 2.0)), data)
    assert np.array_equal(working_origin_mm(data.shape, np.full(3, 2.0)), np.zeros(3))


ODD_SPACINGS = [
    (0.43, 0.43, 2.46),
    (0.94, 0.94, 1.2),
    (1.0, 1.0, 1.0),
    (3.0, 1.0, 3.0),
    (2.5, 2.5, 2.5),
    (0.8, 0.8, 0.8),
]


@pytest.mark.parametrize("spacing_mm", ODD_SPACINGS)
def test_positions_survive_the_working_grid(spacing_mm: tuple[float, float, float]) -> None:
    """A ramp in mm stays that ramp, inside, whatever the voxels: nothing is shifted."""
    shape = tuple(int(60 / s) + 1 for s in spacing_mm)
    spacing = np.array(spacing_mm)
    x, y, z = (np.arange(n) * s for n, s in zip(shape, spacing_mm, strict=True))
    ramp = (x[:, None, None] + 2 * y[None, :, None] + 3 * z[None, None, :]).astype(np.float32)
    working = to_working_grid(ramp, spacing)
    origin = working_origin_mm(shape, spacing)
    assert working.shape == tuple(
        max(1, round(n * s / WORKING_SPACING_MM)) for n, s in zip(shape, spacing, strict=True)
    )
    i, j, k = (origin[a] + WORKING_SPACING_MM * np.arange(working.shape[a]) for a in range(3))
    expected = i[:, None, None] + 2 * j[None, :, None] + 3 * k[None, None, :]
    inside = np.s_[2:-2, 2:-2, 2:-2]
    assert np.abs(working - expected)[inside].max() < 0.1 * (1 + 2 + 3)  # a tenth of a mm along each axis


@pytest.mark.parametrize("spacing_mm", ODD_SPACINGS)
def test_the_mean_is_kept(spacing_mm: tuple[float, float, float], rng: np.random.Generator) -> None:
    shape = tuple(int(40 / s) for s in spacing_mm)
    constant = to_working_grid(np.full(shape, 7.0, np.float32), np.array(spacing_mm))
    assert np.allclose(constant, 7.0, atol=1e-5)


def test_the_same_head_fills_the_same_volume_at_finer_voxels() -> None:
    volumes_ml = []
    for spacing_mm in (1.5, 2.0):
        volume = synthetic_head(spacing_mm).volume
        working = to_working_grid(volume.data, volume.spacing_mm)
        volumes_ml.append(head_mask(working, head_threshold(working)).sum() * 0.008)
    assert max(volumes_ml) / min(volumes_ml) < 1.01


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.43, 0.43, 2.46), (2.0, 2.0, 2.0), (0.94, 0.94, 1.2)])
def test_a_mask_comes_back_from_the_working_grid(spacing_mm: tuple[float, float, float]) -> None:
    shape = tuple(int(80 / s) for s in spacing_mm)
    spacing = np.array(spacing_mm)
    grid = np.stack(np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"), -1)
    ball = np.linalg.norm(grid - 40.0, axis=-1) < 25.0
    working = to_working_grid(ball, spacing) > 0.5
    back = from_working_grid(working, shape, spacing)
    assert back.shape == shape
    assert dice(back, ball) > 0.97
    assert np.abs(np.argwhere(back).mean(axis=0) - np.argwhere(ball).mean(axis=0)).max() * spacing.max() < 0.2


def test_a_mask_on_a_grid_of_two_mm_comes_back_untouched(rng: np.random.Generator) -> None:
    mask = rng.random((9, 10, 11)) > 0.5
    assert np.array_equal(from_working_grid(mask, mask.shape, np.full(3, 2.0)), mask)
