"""Skin surfaces: where they lie, what counts as outside, and which loose pieces of a face are kept."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from defaceqa.head import fill_holes, head_mask
from defaceqa.surfaces import MIN_PIECE_ML, Surface, clear_defaced, clear_original, outer_skin, skin_surface

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SHAPE = (90, 90, 90)
ORIGIN_MM = np.array([-10.0, 5.0, 0.5])
CENTRE_MM = ORIGIN_MM + 2.0 * (np.array(SHAPE) - 1) / 2
RADIUS_MM = 60.0
TISSUE = 400.0


def grid_mm() -> NDArray[np.float64]:
    return ORIGIN_MM + 2.0 * np.stack(np.indices(SHAPE), axis=-1)


def from_centre_mm() -> NDArray[np.float64]:
    return np.linalg.norm(grid_mm() - CENTRE_MM, axis=-1)


def solid(distance_mm: NDArray[np.float64]) -> FloatArray:
    """Image of a solid (distance negative inside) whose edge is as soft as one voxel."""
    return (TISSUE * np.clip(0.5 - distance_mm / 2.0, 0, 1)).astype(np.float32)


def ball(centre_mm: NDArray[np.float64], radius_mm: float) -> FloatArray:
    return solid(np.linalg.norm(grid_mm() - centre_mm, axis=-1) - radius_mm)


@pytest.fixture(scope="module")
def sphere() -> FloatArray:
    return ball(CENTRE_MM, RADIUS_MM)


def surface_of(data: FloatArray) -> Surface:
    return skin_surface(data, TISSUE / 2, ORIGIN_MM)


def radii_mm(surface: Surface) -> NDArray[np.float64]:
    return np.linalg.norm(surface.vertices_mm - CENTRE_MM, axis=1)


# --- the surface itself -----------------------------------------------------------------------------------------------


def test_the_surface_of_a_sphere_lies_at_its_radius(sphere: FloatArray) -> None:
    assert np.abs(radii_mm(surface_of(sphere)) - RADIUS_MM).max() < 0.2


def test_the_area_of_a_sphere_is_right_within_two_percent(sphere: FloatArray) -> None:
    areas = surface_of(sphere).vertex_areas_mm2
    assert areas.sum() == pytest.approx(4 * np.pi * RADIUS_MM**2, rel=0.02)
    assert areas.min() >= 0


def test_normals_are_of_length_one_and_all_point_the_same_way(sphere: FloatArray) -> None:
    surface = surface_of(sphere)
    outwards = (surface.vertices_mm - CENTRE_MM) / radii_mm(surface)[:, None]
    cosine = np.einsum("ij,ij->i", surface.normals, outwards)
    assert np.linalg.norm(surface.normals, axis=1) == pytest.approx(1, abs=1e-4)
    assert cosine.min() > 0.95


def test_the_units_of_the_image_do_not_matter(sphere: FloatArray) -> None:
    first = surface_of(sphere)
    second = skin_surface(sphere / np.float32(4096), TISSUE / 2 / 4096, ORIGIN_MM)
    assert np.array_equal(first.faces, second.faces)
    assert np.allclose(first.vertices_mm, second.vertices_mm, atol=1e-3)


def test_a_head_cut_by_the_field_of_view_is_closed(sphere: FloatArray) -> None:
    cut = sphere[:, :, 20:]
    surface = skin_surface(cut, TISSUE / 2, ORIGIN_MM + np.array([0, 0, 40]))
    edges = np.sort(
        np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]]), axis=1
    )
    _, used = np.unique(edges, axis=0, return_counts=True)
    assert (used == 2).all()


def test_nothing_above_the_threshold_is_an_empty_surface() -> None:
    surface = surface_of(np.zeros(SHAPE, np.float32))
    assert surface.vertices_mm.shape == (0, 3)
    assert surface.faces.shape == (0, 3)
    assert surface.normals.shape == (0, 3)
    assert surface.vertex_areas_mm2.shape == (0,)


# --- clearing the air -------------------------------------------------------------------------------------------------


def piece(voxels: int, start: tuple[int, int, int]) -> BoolArray:
    """A loose rod of so many voxels (8 mm3 each)."""
    mask = np.zeros(SHAPE, dtype=bool)
    x, y, z = start
    mask[x : x + voxels, y, z] = True
    return mask


def test_noise_and_ghosts_around_the_original_are_blanked(sphere: FloatArray, rng: np.random.Generator) -> None:
    head = sphere > TISSUE / 2
    noisy = sphere + rng.random(SHAPE, np.float32) * TISSUE * np.float32(0.9)
    cleared = clear_original(noisy, head)
    assert not cleared[:5].any()
    assert np.array_equal(cleared[head], noisy[head])
    assert (radii_mm(surface_of(cleared)) < RADIUS_MM + 3).all()


def test_the_rim_of_the_original_is_kept_so_that_the_skin_stays_where_it_is(sphere: FloatArray) -> None:
    cleared = clear_original(sphere, sphere > TISSUE / 2)
    assert np.array_equal(surface_of(cleared).vertices_mm, surface_of(sphere).vertices_mm)


MIN_VOXELS = int(np.ceil(MIN_PIECE_ML * 1000 / 8))


@pytest.mark.parametrize(("voxels", "kept"), [(MIN_VOXELS + 1, True), (MIN_VOXELS - 1, False)])
def test_a_loose_piece_of_the_defaced_head_counts_from_a_certain_size(
    voxels: int, kept: bool, sphere: FloatArray
) -> None:
    head = sphere > TISSUE / 2
    island = piece(voxels, (40, 73, 44))
    assert head[island].all()
    defaced = np.where(grid_mm()[..., 1] < CENTRE_MM[1] + 40, sphere, np.float32(0))
    defaced[island] = TISSUE
    cleared = clear_defaced(defaced, sphere, head, TISSUE / 2)
    assert bool(cleared[island].any()) == kept
    assert (surface_of(cleared).vertices_mm[:, 1].max() > CENTRE_MM[1] + 50) == kept


def test_a_face_added_in_front_of_the_head_counts(sphere: FloatArray) -> None:
    head = sphere > TISSUE / 2
    refaced = np.maximum(sphere, ball(CENTRE_MM + np.array([0, RADIUS_MM, 0]), 15))
    cleared = clear_defaced(refaced, sphere, head, TISSUE / 2)
    assert surface_of(cleared).vertices_mm[:, 1].max() == pytest.approx(CENTRE_MM[1] + RADIUS_MM + 15, abs=0.3)


def test_what_was_air_noise_in_the_original_does_not_count_in_the_defaced_image(sphere: FloatArray) -> None:
    head = sphere > TISSUE / 2
    ghost = np.zeros(SHAPE, dtype=bool)
    ghost[2:12, 40:50, 40:50] = True
    original = np.where(ghost, np.float32(TISSUE), sphere)
    cleared = clear_defaced(original, original, head, TISSUE / 2)
    assert not cleared[ghost].any()
    assert np.array_equal(cleared[head], original[head])


def test_an_emptied_image_stays_empty(sphere: FloatArray) -> None:
    cleared = clear_defaced(np.zeros_like(sphere), sphere, sphere > TISSUE / 2, TISSUE / 2)
    assert not cleared.any()


def test_an_untouched_copy_has_the_surface_of_the_original(sphere: FloatArray, rng: np.random.Generator) -> None:
    noisy = sphere + rng.random(SHAPE, np.float32) * TISSUE * np.float32(0.3)
    head = head_mask(noisy, TISSUE / 2)
    original, defaced = clear_original(noisy, head), clear_defaced(noisy, noisy, head, TISSUE / 2)
    assert np.array_equal(surface_of(original).vertices_mm, surface_of(defaced).vertices_mm)


# --- outer skin -------------------------------------------------------------------------------------------------------


def test_all_of_a_convex_head_is_outer_skin(sphere: FloatArray) -> None:
    surface = surface_of(sphere)
    assert outer_skin(surface, fill_holes(sphere > TISSUE / 2), ORIGIN_MM).all()


def test_the_walls_of_a_cavity_are_not_skin(sphere: FloatArray) -> None:
    hollow = np.minimum(sphere, TISSUE - ball(CENTRE_MM, 25))
    surface = surface_of(hollow)
    outside = outer_skin(surface, fill_holes(hollow > TISSUE / 2), ORIGIN_MM)
    assert np.array_equal(outside, radii_mm(surface) > 40)
    assert (~outside).sum() > 1000


def channel(radius_mm: float) -> FloatArray:
    """A tube from the front into the middle of the head."""
    offset = grid_mm() - CENTRE_MM
    across = np.hypot(offset[..., 0], offset[..., 2])
    return solid(np.maximum(across - radius_mm, -offset[..., 1]))


@pytest.mark.parametrize("radius_mm", [3.0, 4.5])
def test_the_walls_of_a_nostril_are_not_skin(radius_mm: float, sphere: FloatArray) -> None:
    pierced = np.minimum(sphere, TISSUE - channel(radius_mm))
    surface = surface_of(pierced)
    head = fill_holes(pierced > TISSUE / 2)
    outside = outer_skin(surface, head, ORIGIN_MM)
    depth_mm = RADIUS_MM - radii_mm(surface)
    assert outside[depth_mm < 1].all()
    assert not outside[depth_mm > 7].any()
    assert (depth_mm > 7).sum() > 200


def test_the_bottom_of_a_wide_dent_is_skin(sphere: FloatArray) -> None:
    """Eye sockets and the root of the nose are dents, and what lies in them is face."""
    dented = np.minimum(sphere, TISSUE - ball(CENTRE_MM + np.array([0, RADIUS_MM + 15, 0]), 27))
    surface = surface_of(dented)
    outside = outer_skin(surface, fill_holes(dented > TISSUE / 2), ORIGIN_MM)
    bottom = (surface.vertices_mm[:, 1] > CENTRE_MM[1]) & (radii_mm(surface) < RADIUS_MM - 8)
    assert bottom.sum() > 50
    assert outside[bottom].mean() > 0.95


def test_something_thin_that_stands_out_is_skin(sphere: FloatArray) -> None:
    """An ear or a nose is thinner than what is closed around it."""
    offset = grid_mm() - CENTRE_MM
    plate = np.maximum(np.abs(offset[..., 1]) - 3.0, np.maximum(np.abs(offset[..., 2]) - 20.0, offset[..., 0] - 75.0))
    eared = np.maximum(sphere, solid(np.maximum(plate, -offset[..., 0])))
    surface = surface_of(eared)
    outside = outer_skin(surface, fill_holes(eared > TISSUE / 2), ORIGIN_MM)
    ear = radii_mm(surface) > RADIUS_MM + 5
    assert ear.sum() > 200
    assert outside[ear].all()


def test_the_cut_through_the_neck_is_not_skin(sphere: FloatArray) -> None:
    """Where the field of view ends inside the head, the surface is closed by a lid; the lid is nobody's face."""
    for side, lid in ((np.s_[:, :, 30:], (2, 0)), (np.s_[30:], (0, 0)), (np.s_[:, :-30], (1, -1))):
        cut = sphere[side]
        origin = ORIGIN_MM + [60.0 * (lid == (axis, 0)) for axis in range(3)]
        surface = skin_surface(cut, TISSUE / 2, origin)
        outside = outer_skin(surface, fill_holes(cut > TISSUE / 2), origin)
        inner = radii_mm(surface) < RADIUS_MM - 8
        assert inner.sum() > 200
        assert not outside[inner].any(), lid
        assert outside[radii_mm(surface) > RADIUS_MM - 1].mean() > 0.9
