"""Five pictures: the same surface gives the same pixels, and what is drawn is where it should be."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from defaceqa.renders import (
    BACKGROUND,
    SETTINGS,
    VIEWS,
    RenderSettings,
    camera_focus_mm,
    render_views,
    settings_hash,
    silhouettes,
)
from defaceqa.surfaces import Surface, skin_surface

ByteArray = NDArray[np.uint8]

SHAPE = (80, 80, 80)
ORIGIN_MM = np.zeros(3)
FOCUS_MM = np.array([79.0, 79.0, 79.0])
RADIUS_MM = 50.0
FRONTAL, LEFT, RIGHT, LEFT_OBLIQUE, RIGHT_OBLIQUE = range(5)
PX_PER_MM = SETTINGS.size_px / SETTINGS.field_mm


def ball(centre_mm: NDArray[np.float64], radius_mm: float) -> NDArray[np.float32]:
    grid = 2.0 * np.stack(np.indices(SHAPE), axis=-1)
    distance = np.linalg.norm(grid - centre_mm, axis=-1) - radius_mm
    return (100 * np.clip(0.5 - distance / 2, 0, 1)).astype(np.float32)


def simple_head() -> Surface:
    """A ball with a nose in front and one ear, on the person's left."""
    data = ball(FOCUS_MM, RADIUS_MM)
    data = np.maximum(data, ball(FOCUS_MM + np.array([0, RADIUS_MM, -10]), 12))
    data = np.maximum(data, ball(FOCUS_MM + np.array([-RADIUS_MM, 0, 15]), 12))
    return skin_surface(data, 50.0, ORIGIN_MM)


@pytest.fixture(scope="module")
def surface() -> Surface:
    return simple_head()


@pytest.fixture(scope="module")
def views(surface: Surface) -> ByteArray:
    return render_views([surface], FOCUS_MM)[0]


EMPTY = Surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))


# --- pixels -----------------------------------------------------------------------------------------------------------


def digest(views: ByteArray) -> str:
    return hashlib.sha256(views.tobytes()).hexdigest()


def test_views_are_five_square_grey_pictures(views: ByteArray) -> None:
    assert views.dtype == np.uint8
    assert views.shape == (len(VIEWS), SETTINGS.size_px, SETTINGS.size_px)


def test_rendering_again_gives_the_same_pixels(views: ByteArray, surface: Surface) -> None:
    assert np.array_equal(render_views([surface], FOCUS_MM)[0], views)


def test_what_is_rendered_before_does_not_matter(views: ByteArray, surface: Surface) -> None:
    other = skin_surface(ball(FOCUS_MM, 30), 50.0, ORIGIN_MM)
    assert np.array_equal(render_views([other, EMPTY, surface], FOCUS_MM)[2], views)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_and_process_do_not_change_a_pixel(threads: str, views: ByteArray) -> None:
    """LP_NUM_THREADS is Mesa's, the others are VTK's and the libraries'."""
    names = ("LP_NUM_THREADS", "VTK_SMP_MAX_THREADS", "OMP_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, **dict.fromkeys(names, threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(views)


def test_there_is_no_anti_aliasing(views: ByteArray) -> None:
    """A mixed pixel on the outline would lie between the brightest skin and the background."""
    brightest = round(255 * SETTINGS.surface_grey)
    assert not ((views > brightest + 1) & (views < BACKGROUND)).any()


def test_the_head_is_never_as_bright_as_the_background(views: ByteArray) -> None:
    facing_the_light = views[FRONTAL, 200:300, 200:300]
    assert facing_the_light.max() < BACKGROUND
    assert facing_the_light.max() > 200


def test_an_empty_surface_is_a_blank_picture() -> None:
    blank = render_views([EMPTY], FOCUS_MM)[0]
    assert blank.shape == (5, 512, 512)
    assert (blank == BACKGROUND).all()


def test_shading_follows_the_surface(views: ByteArray) -> None:
    head = views[FRONTAL][views[FRONTAL] != BACKGROUND]
    assert len(np.unique(head)) > 50


# --- geometry ---------------------------------------------------------------------------------------------------------


def extent_mm(view: ByteArray) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the silhouette, in mm from the middle of the picture."""
    rows, columns = np.nonzero(view != BACKGROUND)
    half = SETTINGS.size_px / 2
    left, right = (columns.min() - half) / PX_PER_MM, (columns.max() + 1 - half) / PX_PER_MM
    return left, right, (half - rows.max() - 1) / PX_PER_MM, (half - rows.min()) / PX_PER_MM


def test_one_mm_is_the_same_number_of_pixels_in_every_view() -> None:
    sphere = render_views([skin_surface(ball(FOCUS_MM, RADIUS_MM), 50.0, ORIGIN_MM)], FOCUS_MM)[0]
    for view in sphere:
        assert extent_mm(view) == pytest.approx((-RADIUS_MM, RADIUS_MM, -RADIUS_MM, RADIUS_MM), abs=0.8)
        area_mm2 = (view != BACKGROUND).sum() / PX_PER_MM**2
        assert area_mm2 == pytest.approx(np.pi * RADIUS_MM**2, rel=0.01)


def test_the_frontal_view_faces_the_person(views: ByteArray) -> None:
    left, right, *_ = extent_mm(views[FRONTAL])
    assert right == pytest.approx(RADIUS_MM + 12, abs=1)  # the person's left ear
    assert left == pytest.approx(-RADIUS_MM, abs=1)


def test_the_nose_points_left_in_the_left_profile_and_right_in_the_right_one(views: ByteArray) -> None:
    assert extent_mm(views[LEFT])[:2] == pytest.approx((-RADIUS_MM - 12, RADIUS_MM), abs=1)
    assert extent_mm(views[RIGHT])[:2] == pytest.approx((-RADIUS_MM, RADIUS_MM + 12), abs=1)


def test_the_left_views_show_the_left_ear(views: ByteArray) -> None:
    ear_row = round(256 - 15 * PX_PER_MM)
    assert views[LEFT, ear_row, 256] != views[RIGHT, ear_row, 256]
    left_widest, right_widest = (extent_mm(views[view])[1] for view in (LEFT_OBLIQUE, RIGHT_OBLIQUE))
    assert left_widest > RADIUS_MM - 1
    assert right_widest < extent_mm(views[RIGHT])[1]


def test_up_is_up(surface: Surface) -> None:
    lifted = replace(surface, vertices_mm=surface.vertices_mm + np.array([0, 0, 20], np.float32))
    for view in render_views([lifted], FOCUS_MM)[0]:
        assert extent_mm(view)[3] == pytest.approx(RADIUS_MM + 20, abs=1)


def test_the_silhouette_is_where_either_head_is_drawn(views: ByteArray, surface: Surface) -> None:
    smaller = render_views([skin_surface(ball(FOCUS_MM, 30), 50.0, ORIGIN_MM)], FOCUS_MM)[0]
    blank = np.full_like(views, BACKGROUND)
    assert np.array_equal(silhouettes(views, smaller), views != BACKGROUND)
    assert np.array_equal(silhouettes(blank, smaller), smaller != BACKGROUND)
    assert not silhouettes(blank, blank).any()


# --- camera -----------------------------------------------------------------------------------------------------------


def head_with_neck(neck_mm: float) -> NDArray[np.bool_]:
    mask = np.zeros((100, 120, 150), dtype=bool)
    x, y, z = np.indices(mask.shape)
    mask |= ((x - 50) / 38) ** 2 + ((y - 60) / 48) ** 2 + ((z - 100) / 45) ** 2 < 1
    neck = ((x - 50) ** 2 + (y - 50) ** 2 < 25**2) & (z < 80) & (z >= 80 - neck_mm / 2)
    return mask | neck


def test_more_neck_does_not_move_the_camera() -> None:
    without, short, long = (camera_focus_mm(head_with_neck(mm), ORIGIN_MM) for mm in (0, 60, 160))
    assert np.array_equal(without, short)
    assert np.array_equal(short, long)


def test_shoulders_do_not_move_the_camera() -> None:
    with_shoulders = head_with_neck(160)
    with_shoulders[:, 30:70, :15] = True
    assert np.array_equal(camera_focus_mm(with_shoulders, ORIGIN_MM), camera_focus_mm(head_with_neck(160), ORIGIN_MM))


def test_a_speck_above_the_head_does_not_move_the_camera() -> None:
    specked = head_with_neck(60)
    specked[40:44, 60:65, 147] = True
    assert camera_focus_mm(specked, ORIGIN_MM)[2] == camera_focus_mm(head_with_neck(60), ORIGIN_MM)[2]


def test_the_camera_follows_the_head(surface: Surface, views: ByteArray) -> None:
    mask = head_with_neck(60)
    moved = camera_focus_mm(np.roll(mask, (3, -2), axis=(0, 1)), ORIGIN_MM) - camera_focus_mm(mask, ORIGIN_MM)
    assert moved == pytest.approx([6, -4, 0])
    elsewhere = camera_focus_mm(mask, np.array([5.0, 6.0, 7.0])) - camera_focus_mm(mask, ORIGIN_MM)
    assert elsewhere == pytest.approx([5, 6, 7])
    shift = np.array([30, -20, 10], np.float32)
    shifted = replace(surface, vertices_mm=surface.vertices_mm + shift)
    assert (render_views([shifted], FOCUS_MM + shift)[0] != views).mean() < 1e-3


def test_a_head_without_its_lower_half_still_has_a_camera() -> None:
    mask = head_with_neck(0)[:, :, 100:]
    top_mm = 2.0 * np.flatnonzero(mask.any(axis=(0, 1))).max()
    assert camera_focus_mm(mask, ORIGIN_MM)[2] == pytest.approx(top_mm - SETTINGS.focus_below_vertex_mm, abs=3)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [field.name for field in fields(RenderSettings)])
def test_the_hash_changes_with_every_setting(name: str) -> None:
    value = getattr(SETTINGS, name)
    other = tuple(2 * part for part in value) if isinstance(value, tuple) else value + 1
    assert replace(SETTINGS, **{name: other}).sha256 != SETTINGS.sha256


def test_the_hash_is_pinned() -> None:
    """Rows and models carry it; whoever changes a setting on purpose changes it here, and rebuilds the models."""
    assert settings_hash() == "41e334b8b32c"
    assert SETTINGS.sha256.startswith(settings_hash())


def test_settings_cannot_be_changed_by_accident() -> None:
    with pytest.raises(AttributeError):
        SETTINGS.size_px = 256  # type: ignore[misc]


if __name__ == "__main__":
    sys.stdout.write(digest(render_views([simple_head()], FOCUS_MM)[0]))
