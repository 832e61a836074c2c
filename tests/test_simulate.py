"""``defaceqa simulate``: a user's folder in, a labelled corpus out, resumable, nothing lost to one bad scan."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from defaceqa.anatomy.registration import Anatomy
from defaceqa.errors import DefaceQAError, InputError, LabelError
from defaceqa.features.extract import extract
from defaceqa.features.original import MeasuredOriginal
from defaceqa.simulation import table as table_module
from defaceqa.simulation.corpus import FEW, choose_outcomes, simulate_head
from defaceqa.simulation.originals import CARRIED_SOURCE, Original, find_originals, read_originals, subject_of
from defaceqa.simulation.outcomes import OUTCOMES
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.simulation.run import simulate
from defaceqa.simulation.table import Recipe
from defaceqa.simulation.truth import Truth
from defaceqa.volumes import Pair, save_volume


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(3.0)


@pytest.fixture
def mine(head: SyntheticHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user: two scans, a mask and a defaced one; the face is found at once, with no tool on PATH."""
    folder = tmp_path / "mine"
    (folder / "sub-01" / "anat").mkdir(parents=True)
    save_volume(head.volume, folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    save_volume(head.volume, folder / "sub-02_FLAIR.nii")
    save_volume(head.volume, folder / "sub-02_desc-defaced_FLAIR.nii")
    save_volume(head.brain, folder / "sub-02_desc-brain_mask.nii.gz", affine=head.volume.affine)
    known = Anatomy(np.eye(4), 1.0, head.landmarks_mm, True)
    world = {
        name: head.volume.affine[:3, :3] @ (point / head.volume.spacing_mm) + head.volume.affine[:3, 3]
        for name, point in head.landmarks_mm.items()
    }
    monkeypatch.setattr("defaceqa.simulation.table.locate", lambda volume, with_brain: known)
    monkeypatch.setattr("defaceqa.simulation.landmarks.careful_landmarks", lambda volume: (world, 0.95))
    monkeypatch.setattr("defaceqa.simulation.originals._mean_brain", lambda volume: head.brain)
    monkeypatch.setattr("defaceqa.simulation.table.installed_tools", lambda: ([], ["mideface"]))
    return folder


def test_originals_of_a_folder_are_found_with_their_people_and_contrasts(mine: Path) -> None:
    found = find_originals(mine)
    assert [(o.head_id, o.subject, o.modality) for o in found] == [
        ("sub-01_anat_sub-01_T1w", "sub-01", "T1w"), ("sub-02_FLAIR", "sub-02", "FLAIR"),
    ]  # fmt: skip
    assert subject_of("anna_t1.mgz") == "anna_t1"
    with pytest.raises(InputError, match="holds no original image"):
        find_originals(mine / "sub-01" / "nothing")


def test_a_folder_becomes_a_table_and_with_images_a_list_of_pairs(mine: Path, tmp_path: Path) -> None:
    made = simulate(mine, tmp_path / "out", per_head=2, images=True)
    with made.table.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert (made.pairs, made.heads, made.subjects) == (4, 2, 2) == (len(rows), 2, 2)
    assert {row["source"] for row in rows} == {CARRIED_SOURCE}
    # nobody gave a brain that can be trusted
    assert {(row["brain_removed_truth_ml"], row["label_brain"]) for row in rows} == {("n/a", "n/a")}
    with (tmp_path / "out" / "pairs.tsv").open(newline="") as stream:
        pairs = list(csv.DictReader(stream, delimiter="\t"))
    assert len(pairs) == 4
    assert all((tmp_path / "out" / row[name]).is_file() for row in pairs for name in ("original", "defaced"))
    assert "labels from geometry, landmarks by registration" in made.lines[0]


def test_going_on_with_other_settings_is_refused(mine: Path, tmp_path: Path) -> None:
    simulate(mine, tmp_path / "out", per_head=1)
    before = (tmp_path / "out" / "training.tsv").read_bytes()
    with pytest.raises(LabelError, match="was begun with other settings"):
        simulate(mine, tmp_path / "out", per_head=2)
    simulate(mine, tmp_path / "out", per_head=1)
    assert (tmp_path / "out" / "training.tsv").read_bytes() == before


def test_a_bad_scan_is_named_and_the_others_go_on(mine: Path, tmp_path: Path) -> None:
    (mine / "sub-03_T1w.nii.gz").write_bytes(b"no image")
    made = simulate(mine, tmp_path / "out", per_head=1)
    assert made.pairs == 2
    assert list(made.skipped) == ["sub-03_T1w"]
    assert made.lines[-1].startswith("left out sub-03_T1w: ")


def test_nothing_is_written_among_the_originals(mine: Path) -> None:
    with pytest.raises(InputError, match="lies inside the folder of originals"):
        simulate(mine, mine / "out", per_head=1)
    assert not (mine / "out").exists()


def test_when_nothing_can_be_used_the_reason_is_given(mine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(DefaceQAError, match=r"a\.nii\.gz"):
        simulate(folder, tmp_path / "out", per_head=1)


def test_any_number_of_pairs_can_be_drawn_and_repeats_differ(head: SyntheticHead) -> None:
    many = choose_outcomes(200, 0)
    assert len(many) == 200
    assert set(many) >= {name for name, outcome in OUTCOMES.items() if outcome.tool is None}
    assert len(choose_outcomes(FEW, 0)) == FEW
    twice = list(simulate_head(head.volume, head.landmarks_mm, head.brain, ["plate_tilted"] * 2, 0))
    assert not np.array_equal(twice[0].defaced.data, twice[1].defaced.data)


def test_painted_and_varied_heads_may_give_fewer_pairs() -> None:
    recipe = Recipe(per_head=12, per_made_head=4)
    counts = [len(recipe.outcomes_of(Original("a", "a", Path("a"), **kind))) for kind in
              ({}, {"painted": True}, {"variation": 1})]  # fmt: skip
    assert counts == [12, 4, 4]
    assert table_module.COLUMNS[:4] == ("subject", "head_id", "pair", "outcome")


def test_an_original_measured_once_gives_the_same_numbers_for_each_of_its_defacings(head: SyntheticHead) -> None:
    known, measured = Anatomy(np.eye(4), 1.0, head.landmarks_mm, True), MeasuredOriginal(head.volume)
    for made in simulate_head(head.volume, head.landmarks_mm, head.brain, ["plate_clean", "nose_trace"], 0):
        pair = Pair(head.volume, made.defaced, head.brain)
        shared, alone = extract(pair, anatomy=known, measured=measured), extract(pair, anatomy=known)
        assert repr(shared.values) == repr(alone.values)


def test_lips_that_are_left_are_a_mouth_that_is_left() -> None:
    gone = dict.fromkeys(("left_eye", "right_eye", "nose", "cheeks_jaw"), 0.0)
    floating = Truth(gone | {"mouth": 0.22}, (), 0.0, lips=0.9)
    corner = Truth(gone | {"mouth": 0.22}, (), 0.0, lips=0.2)
    assert (floating.state("mouth"), floating.lenient) == ("present", 1)
    assert (corner.state("mouth"), corner.lenient) == ("trace", 0)


def test_a_brain_that_lost_a_millilitre_was_cut() -> None:
    labels = [Truth({}, (), lost).brain for lost in (0.0, 0.9, 1.0, float("nan"))]
    assert labels == [0, 0, 1, None]


def test_the_real_heads_give_at_least_160_people_in_three_contrasts(shared_heads: Path, repository: Path) -> None:
    heads = read_originals(shared_heads / "heads.tsv", repository / "data" / "labels" / "landmarks.tsv")
    painted = [head for head in heads if head.painted]
    assert len({head.subject for head in heads}) >= 160
    assert {head.modality for head in painted} == {"T1w", "T2w", "FLAIR"}
    assert len({head.head_id for head in heads}) == len(heads)
    # two maps of one person are one person
    assert {head.subject for head in painted if head.head_id.startswith("lab-t11")} == {"lab-s02"}


def test_a_painted_map_comes_with_its_brain_and_landmarks_on_its_skin(shared_heads: Path, repository: Path) -> None:
    heads = read_originals(shared_heads / "heads.tsv", repository / "data" / "labels" / "landmarks.tsv")
    painted = next(head for head in heads if head.head_id == "lab-t19-t2w").load()
    assert painted.brain.shape == painted.volume.shape
    assert 900 < painted.brain.sum() / 1000 < 1500
    skin = cKDTree(MeasuredOriginal(painted.volume).surface.vertices_mm)
    assert max(skin.query(point)[0] for point in painted.landmarks_mm.values()) < 4
