from pathlib import Path

import numpy as np
import pictures
import pytest
from PIL import Image

from defaceqa.errors import InputError
from defaceqa.features.fsim import (
    Structure,
    compare,
    fsim,
    gradient_magnitude,
    phase_congruency,
    reduce,
    reduce_mask,
    structure,
)

LUMINANCE = (0.299, 0.587, 0.114)
MATLAB_TOLERANCE = 1e-4


def test_goldhill_equals_the_value_of_the_authors_matlab_program(shared: Path) -> None:
    original, jpeg = (_grey(shared / "gold" / name) for name in ("goldhill.gif", "goldhill_jpeg.gif"))
    assert fsim(original, jpeg) == pytest.approx(0.89691, abs=MATLAB_TOLERANCE)


def test_i01_equals_the_value_of_the_authors_matlab_program_on_its_luminance(shared: Path) -> None:
    luminances = [_luminance(shared / "gold" / name) for name in ("I01.BMP", "i01_01_5.bmp")]
    exact = [_structure_of(luminance) for luminance in luminances]
    assert compare(*exact).score() == pytest.approx(0.93674, abs=1e-5)
    rounded = [luminance.round().astype(np.uint8) for luminance in luminances]
    assert fsim(*rounded) == pytest.approx(0.93674, abs=MATLAB_TOLERANCE)


@pytest.mark.parametrize(
    ("reference", "distorted", "expected"),
    [
        (pictures.head(), pictures.defaced(0.35), 0.842319633527),
        (pictures.head(384), pictures.defaced(0.35, 384), 0.910194761988),
        (pictures.head(), pictures.texture(), 0.289861443598),
        (pictures.head()[:95, :81], pictures.defaced(0.35)[:95, :81], 0.830518762736),
    ],
    ids=["whole", "reduced", "unlike", "odd-size"],
)
def test_values_of_the_version_that_met_the_matlab_program_are_kept(reference, distorted, expected) -> None:
    assert fsim(reference, distorted) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("picture", [pictures.head(), pictures.texture(), pictures.blank(), pictures.head(384)])
def test_a_picture_is_fully_like_itself(picture) -> None:
    assert fsim(picture, picture) == pytest.approx(1, abs=1e-12)


def test_the_order_of_the_pictures_does_not_matter() -> None:
    assert fsim(pictures.head(), pictures.texture()) == fsim(pictures.texture(), pictures.head())


def test_it_falls_as_more_of_the_head_is_erased() -> None:
    scores = [fsim(pictures.head(), pictures.defaced(amount)) for amount in (0, 0.2, 0.35, 0.5, 0.7, 1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.3


def test_repeated_runs_agree_to_the_last_bit() -> None:
    first, second = (fsim(pictures.head(384), pictures.defaced(0.35, 384)) for _ in range(2))
    assert first == second


def test_two_blank_pictures_are_alike_and_a_blank_one_is_unlike_a_head() -> None:
    assert fsim(pictures.blank(), np.zeros_like(pictures.blank())) == 1
    assert fsim(pictures.blank(), pictures.head()) < 0.7


def test_phase_congruency_is_a_share_and_peaks_at_edges() -> None:
    step = np.random.default_rng(0).normal(0, 10, (128, 128))
    step[:, 64:] += 200
    congruency = phase_congruency(step)
    assert congruency.min() >= 0
    assert congruency.max() <= 1
    assert congruency[:, 63:65].mean() > 4 * congruency[:, 24:40].mean()


def test_phase_congruency_does_not_depend_on_contrast() -> None:
    picture = pictures.texture().astype(float)
    np.testing.assert_allclose(phase_congruency(picture), phase_congruency(picture * 7), atol=1e-3)


def test_the_gradient_of_a_ramp_is_the_grey_difference_of_its_two_neighbours() -> None:
    ramp = np.tile(5.0 * np.arange(20), (20, 1))
    np.testing.assert_allclose(gradient_magnitude(ramp)[1:-1, 1:-1], 10)
    np.testing.assert_allclose(gradient_magnitude(ramp.T)[1:-1, 1:-1], 10)


def test_outside_the_picture_the_gradient_sees_zero() -> None:
    assert gradient_magnitude(np.full((5, 5), 16.0))[2, 0] == 16


@pytest.mark.parametrize(("size", "expected"), [(383, 383), (384, 192), (512, 256), (639, 320), (640, 214), (768, 256)])
def test_pictures_are_reduced_by_the_rounded_ratio_to_256(size: int, expected: int) -> None:
    assert reduce(np.zeros((size, size))).shape == (expected, expected)


def test_an_even_reduction_averages_blocks() -> None:
    picture = np.arange(512.0 * 512).reshape(512, 512)
    np.testing.assert_allclose(reduce(picture)[3, 5], picture[6:8, 10:12].mean())


def test_an_odd_reduction_averages_around_the_kept_pixel_and_counts_zero_outside() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (700, 700))
    reduced = reduce(picture)
    np.testing.assert_allclose(reduced[2, 4], picture[5:8, 11:14].mean())
    np.testing.assert_allclose(reduced[0, 0], picture[:2, :2].sum() / 9)


def test_a_mask_keeps_every_reduced_pixel_it_touches() -> None:
    mask = np.zeros((512, 512), dtype=bool)
    mask[101, 200] = True
    assert np.argwhere(reduce_mask(mask)).tolist() == [[50, 100]]


def test_inside_a_mask_only_what_lies_there_counts() -> None:
    original, erased = pictures.head(384), pictures.defaced(0.35, 384)
    details = compare(structure(original), structure(erased))
    lower = np.zeros(original.shape, dtype=bool)
    lower[240:] = True
    assert details.score(reduce_mask(lower)) < details.score() < details.score(reduce_mask(~lower))


def test_a_mask_of_everything_changes_nothing() -> None:
    details = compare(structure(pictures.head()), structure(pictures.texture()))
    assert details.score(np.ones(details.weight.shape, dtype=bool)) == details.score()


def test_an_empty_mask_has_no_score() -> None:
    details = compare(structure(pictures.head()), structure(pictures.head()))
    assert np.isnan(details.score(np.zeros(details.weight.shape, dtype=bool)))


def test_pictures_of_different_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"different shapes, \(96, 96\) and \(96, 90\)"):
        fsim(pictures.head(), pictures.head()[:, :90])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (pictures.head().astype(np.float64), "The picture is float64"),
        (pictures.head().astype(np.uint16), "The picture is uint16"),
        (pictures.head().tolist(), "The picture is list"),
        (np.stack([pictures.head()] * 3, axis=-1), r"shape \(96, 96, 3\); one grey channel"),
        (pictures.head()[:47], r"shape \(47, 96\); at least 48 x 48"),
    ],
    ids=["float", "16-bit", "list", "colour", "small"],
)
def test_what_is_not_one_grey_8_bit_picture_is_refused(picture, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fsim(picture, picture)


def _grey(path: Path) -> pictures.ByteArray:
    with Image.open(path) as image:
        return np.array(image.convert("L"))


def _luminance(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB")).astype(float) @ LUMINANCE


def _structure_of(luminance: np.ndarray) -> Structure:
    reduced = reduce(luminance)
    return Structure(phase_congruency(reduced), gradient_magnitude(reduced))
