"""How much of each face region is left: all, nothing, a piece floating in the air, and not the walls of a cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.patches import REGIONS, region_of
from defaceqa.features.extract import WorkingPair, outer_skin_points, working_pair
from defaceqa.features.residual import (
    FAR_MM,
    RESIDUAL_TOLERANCE_MM,
    Skin,
    Survival,
    face_distances,
    region_residuals,
    skin_survival,
)
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.surfaces import clear_defaced, skin_surface
from defaceqa.volumes import Pair

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

RESIDUALS = [f"residual_{region}" for region in REGIONS]
FACE = ("left_eye", "right_eye", "nose", "mouth", "cheeks_jaw")


# --- on a plane, where everything is known ----------------------------------------------------------------------------


def plane(y_mm: float = 0.0, step_mm: float = 1.0) -> FloatArray:
    x, z = np.meshgrid(np.arange(0, 40, step_mm), np.arange(0, 40, step_mm), indexing="ij")
    return np.column_stack([x.ravel(), np.full(x.size, y_mm), z.ravel()]).astype(np.float32)


def facing(points: FloatArray, direction: tuple[float, float, float]) -> FloatArray:
    return np.tile(np.array(direction, np.float32), (len(points), 1))


def flat_skin(region: str = "nose") -> Skin:
    points = plane()
    number = np.full(len(points), REGIONS.index(region) + 1, np.int8)
    return Skin(points, facing(points, (0, 1, 0)), np.ones(len(points)), number)


@pytest.mark.parametrize(("moved_mm", "kept"), [(0.0, 1.0), (1.4, 1.0), (1.6, 0.0), (8.0, 0.0)])
def test_skin_survives_up_to_the_tolerance(moved_mm: float, kept: float) -> None:
    defaced = plane(-moved_mm)
    survival = skin_survival(flat_skin(), defaced, facing(defaced, (0, 1, 0)))
    assert survival.kept.mean() == kept
    assert survival.distance_mm == pytest.approx(moved_mm, abs=1e-5)
    assert (moved_mm <= RESIDUAL_TOLERANCE_MM) == bool(kept)


def test_the_wall_of_a_cut_is_not_the_old_skin() -> None:
    """It lies where the skin was, and faces elsewhere."""
    points = plane()
    for direction in ((1, 0, 0), (0, 0, -1), (0, -1, 0)):
        assert not skin_survival(flat_skin(), points, facing(points, direction)).kept.any()
    slanted = facing(points, (np.sin(0.9), np.cos(0.9), 0))
    assert skin_survival(flat_skin(), points, slanted).kept.all()


def test_half_a_region_is_half_a_residual() -> None:
    defaced = plane()[plane()[:, 0] < 20]
    skin = flat_skin("mouth")
    values = region_residuals(skin, skin_survival(skin, defaced, facing(defaced, (0, 1, 0))))
    assert values["residual_mouth"] == pytest.approx(0.5, abs=0.03)


def test_area_counts_and_not_the_number_of_points() -> None:
    skin = flat_skin()
    heavy = Skin(skin.points_mm, skin.normals, np.where(skin.points_mm[:, 0] < 20, 3.0, 1.0), skin.regions)
    kept = skin.points_mm[:, 0] < 20
    values = region_residuals(heavy, Survival(np.zeros(len(kept)), kept))
    assert values["residual_nose"] == pytest.approx(0.75)


def test_an_emptied_image_leaves_nothing() -> None:
    nothing = np.zeros((0, 3), np.float32)
    survival = skin_survival(flat_skin(), nothing, nothing)
    assert not survival.kept.any()
    assert (survival.distance_mm == FAR_MM).all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_surface_of_fewer_points_than_are_asked_for_is_no_error(count: int) -> None:
    survival = skin_survival(flat_skin(), plane()[:count], facing(plane()[:count], (0, 1, 0)))
    assert 0 < survival.kept.sum() < 20


def test_a_region_out_of_view_is_undefined_and_counts_as_gone() -> None:
    skin = flat_skin("mouth")
    values = region_residuals(skin, Survival(np.zeros(1600), np.ones(1600, dtype=bool)))
    assert np.isnan(values["residual_nose"])
    assert np.isnan(values["residual_eyes"])
    assert values["residual_worst"] == values["residual_mouth"] == 1


def test_eyes_count_by_the_worse_one() -> None:
    skin = flat_skin("left_eye")
    regions = np.where(skin.points_mm[:, 0] < 20, REGIONS.index("left_eye") + 1, REGIONS.index("right_eye") + 1)
    both = Skin(skin.points_mm, skin.normals, skin.areas_mm2, regions.astype(np.int8))
    values = region_residuals(both, Survival(np.zeros(1600), skin.points_mm[:, 0] >= 10))
    assert values["residual_left_eye"] == pytest.approx(0.5)
    assert values["residual_right_eye"] == 1
    assert values["residual_eyes"] == 1


def test_without_any_face_in_view_there_is_no_residual_and_no_distance() -> None:
    skin = flat_skin("left_ear")
    survival = Survival(np.full(1600, 3.0), np.zeros(1600, dtype=bool))
    assert np.isnan(region_residuals(skin, survival)["residual_worst"])
    assert np.isnan(list(face_distances(skin, survival).values())).all()


def test_distances_are_weighted_by_area_and_ears_do_not_count() -> None:
    skin = flat_skin("nose")
    distance = np.where(skin.points_mm[:, 0] < 20, 2.0, 6.0)
    found = face_distances(skin, Survival(distance, np.zeros(1600, dtype=bool)))
    assert found == {"masd_face_mm": pytest.approx(4.0), "hd95_face_mm": pytest.approx(6.0)}
    weighted = Skin(skin.points_mm, skin.normals, np.where(distance == 2.0, 97.0, 3.0), skin.regions)
    assert face_distances(weighted, Survival(distance, np.zeros(1600, dtype=bool)))["hd95_face_mm"] == 2.0
    ear = REGIONS.index("left_ear") + 1
    with_ear = Skin(skin.points_mm, skin.normals, skin.areas_mm2, np.where(distance == 6.0, ear, skin.regions))
    assert face_distances(with_ear, Survival(distance, np.zeros(1600, dtype=bool)))["masd_face_mm"] == 2.0


# --- on the synthetic head --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """The synthetic head with the voxels of its face regions."""

    head: SyntheticHead
    working: WorkingPair
    regions: NDArray[np.int8]
    depth_mm: NDArray[np.float64]

    def near(self, *names: str, margin_mm: float = 4.0, depth_mm: float = 18.0) -> BoolArray:
        """Voxels of these regions and a margin around them, down to a depth under the skin."""
        chosen = np.isin(self.regions, [REGIONS.index(name) + 1 for name in names]) & (self.depth_mm < 14)
        grown = ndimage.distance_transform_edt(~chosen) * 2.0 <= margin_mm
        return grown & (self.depth_mm < depth_mm)


@pytest.fixture(scope="module")
def known() -> Known:
    head = synthetic_head(2.0)
    working = working_pair(Pair(head.volume, head.volume))
    points = 2.0 * np.stack(np.indices(head.volume.shape), axis=-1).reshape(-1, 3)
    regions = region_of(points, head.landmarks_mm).reshape(head.volume.shape)
    return Known(head, working, regions, ndimage.distance_transform_edt(working.head) * 2.0)


@pytest.fixture(scope="module")
def measure(known: Known) -> Callable[[FloatArray], dict[str, float]]:
    """Residuals and distances of the synthetic head after a defacing."""
    working = known.working
    skin = outer_skin_points(working, known.head.landmarks_mm)

    def measured(defaced: FloatArray) -> dict[str, float]:
        cleared = clear_defaced(np.asarray(defaced, np.float32), working.original, working.head, working.threshold)
        changed = skin_surface(cleared, working.threshold, working.origin_mm)
        survival = skin_survival(skin, changed.vertices_mm, changed.normals)
        return region_residuals(skin, survival) | face_distances(skin, survival)

    return measured


Measure = Callable[[FloatArray], dict[str, float]]


def test_an_untouched_copy_keeps_every_region(known: Known, measure: Measure) -> None:
    values = measure(known.head.volume.data)
    assert all(values[name] == 1 for name in RESIDUALS)
    assert values["masd_face_mm"] == values["hd95_face_mm"] == 0


NEIGHBOURS = {"left_eye", "right_eye", "nose", "mouth", "forehead", "cheeks_jaw"}


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_that_is_removed_is_gone_and_the_far_ones_are_whole(
    region: str, known: Known, measure: Measure
) -> None:
    # an ear ends in a thin rim that its patch does not hold
    margin_mm, depth_mm = (9.0, 30.0) if region.endswith("ear") else (4.0, 18.0)
    values = measure(np.where(known.near(region, margin_mm=margin_mm, depth_mm=depth_mm), 0, known.head.volume.data))
    assert values[f"residual_{region}"] < 0.02
    for other in REGIONS:
        if other == region:
            continue
        if region in NEIGHBOURS and other in NEIGHBOURS:
            assert values[f"residual_{other}"] > 0.4, other  # what was cut of it with the margin
        else:
            assert values[f"residual_{other}"] > 0.99, other


def test_a_region_cut_exactly_at_its_border_leaves_less_than_a_fifth(known: Known, measure: Measure) -> None:
    """Its rim lies within the tolerance of what is left around it."""
    for region in ("left_eye", "nose", "mouth"):
        exact = (known.regions == REGIONS.index(region) + 1) & (known.depth_mm < 14)
        values = measure(np.where(exact, 0, known.head.volume.data))
        assert values[f"residual_{region}"] < 0.2
        assert all(values[name] > 0.98 for name in RESIDUALS if name != f"residual_{region}")


def test_a_region_left_in_shows_when_the_rest_of_the_face_is_gone(known: Known, measure: Measure) -> None:
    for region in ("right_eye", "nose", "mouth"):
        kept = (known.regions == REGIONS.index(region) + 1) & (known.depth_mm < 14)
        values = measure(np.where(known.near(*FACE) & ~kept, 0, known.head.volume.data))
        assert values[f"residual_{region}"] > 0.75
        assert values["residual_worst"] == values[f"residual_{region}"]
        assert all(values[f"residual_{other}"] < 0.25 for other in ("left_eye", "nose", "mouth") if other != region)


def test_a_mouth_floating_before_a_cut_face_counts(known: Known, measure: Measure) -> None:
    """Looking for the largest piece of the defaced head would drop it and call the worst failures clean."""
    front = known.near(*FACE, depth_mm=60.0)
    island = (known.regions == REGIONS.index("mouth") + 1) & (known.depth_mm < 8)
    defaced = np.where(front & ~island, 0, known.head.volume.data)
    assert ndimage.label(defaced > known.working.threshold)[1] > 1
    values = measure(defaced)
    assert values["residual_mouth"] > 0.8
    assert values["residual_nose"] < 0.1


def test_inner_walls_opened_by_the_cut_are_not_skin(known: Known, measure: Measure) -> None:
    """Sinuses, throat and the hollow of the mouth lie within the patches, seen from the front."""
    values = measure(np.where(known.near(*FACE, depth_mm=12.0), 0, known.head.volume.data))
    assert all(values[f"residual_{region}"] < 0.05 for region in FACE)


def test_a_smooth_new_face_further_out_is_not_the_old_one(known: Known, measure: Measure) -> None:
    swollen = ndimage.grey_dilation(known.head.volume.data, footprint=np.ones((5, 5, 5)))
    values = measure(
        np.where(ndimage.binary_dilation(known.near(*FACE), iterations=3), swollen, known.head.volume.data)
    )
    assert all(values[f"residual_{region}"] < 0.1 for region in ("left_eye", "right_eye", "nose", "mouth"))
    assert 2.0 < values["masd_face_mm"] < 6.0


def test_cutting_deeper_moves_the_surface_further(known: Known, measure: Measure) -> None:
    distances = [
        measure(np.where(known.near(*FACE, depth_mm=depth), 0, known.head.volume.data))["masd_face_mm"]
        for depth in (6.0, 12.0, 24.0)
    ]
    assert 3.0 < distances[0] < distances[1] < distances[2] < FAR_MM


def test_removing_more_and_more_of_the_face_never_raises_a_residual(known: Known, measure: Measure) -> None:
    x_mm = 2.0 * np.arange(known.depth_mm.shape[0])[:, None, None]
    rows = []
    for limit_mm in (70, 100, 130, 208):
        values = measure(np.where(known.near(*FACE) & (x_mm < limit_mm), 0, known.head.volume.data))
        rows.append([values[f"residual_{region}"] for region in FACE])
    assert (np.diff(np.array(rows), axis=0) <= 0.01).all()
    assert max(rows[-1]) < 0.05


def test_noise_that_hides_nothing_leaves_the_face(known: Known, measure: Measure, rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.02 * known.working.tissue, known.depth_mm.shape).astype(np.float32)
    values = measure(known.head.volume.data + noise)
    assert all(values[name] > 0.97 for name in RESIDUALS)
    assert values["masd_face_mm"] < 0.2


def test_a_cut_that_grazes_the_old_skin_is_not_the_old_skin():
    skin = flat_skin()
    grazing = (skin.points_mm - np.array([0, 1.0, 0])).astype(np.float32)
    normals = facing(grazing, (0, 1, 0))
    nothing_changed = np.zeros(len(skin.points_mm), dtype=bool)
    assert skin_survival(skin, grazing, normals, changed=nothing_changed).kept.all()
    assert not skin_survival(skin, grazing, normals, changed=~nothing_changed).kept.any()
