"""Controlled defacings do what they say, on a head whose truth is known exactly."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from defaceqa.anatomy.registration import Anatomy
from defaceqa.errors import InputError, LabelError
from defaceqa.simulation import real_tools
from defaceqa.simulation.corpus import ALWAYS, Defacing, choose_outcomes, simulate_head
from defaceqa.simulation.face import Face, prepare_face
from defaceqa.simulation.intensities import remove
from defaceqa.simulation.originals import Original, read_originals
from defaceqa.simulation.outcomes import OUTCOMES
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.simulation.planes import frontal_cut_mask, shear_mask
from defaceqa.simulation.regions import erase_mask, part_of
from defaceqa.simulation.table import COLUMNS, Recipe, build_table
from defaceqa.simulation.truth import truth, yardstick
from defaceqa.volumes import save_volume

FEATURES = ("left_eye", "right_eye", "nose", "mouth")
SIMULATED = [name for name, outcome in OUTCOMES.items() if outcome.method not in ("pydeface", "mridefacer")]


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(3.0)


@pytest.fixture(scope="module")
def face(head: SyntheticHead) -> Face:
    return prepare_face(head.volume, head.landmarks_mm, head.brain)


@pytest.fixture(scope="module")
def made(head: SyntheticHead) -> dict[str, Defacing]:
    found = simulate_head(head.volume, head.landmarks_mm, head.brain, SIMULATED, seed=0)
    return {defacing.outcome: defacing for defacing in found}


def test_every_outcome_says_what_it_does_and_is_found_under_its_name() -> None:
    assert all(outcome.name == name and len(outcome.what) > 10 for name, outcome in OUTCOMES.items())


def test_there_are_outcomes_of_all_tendencies_and_of_at_least_six_methods() -> None:
    assert Counter(outcome.tendency for outcome in OUTCOMES.values()).keys() == {"good", "borderline", "poor", "brain"}
    assert len({outcome.method for outcome in OUTCOMES.values()}) >= 6


@pytest.mark.parametrize("region", [*FEATURES, "left_ear", "cheeks_jaw"])
def test_an_erased_region_is_gone_and_the_others_stay(head: SyntheticHead, face: Face, region: str) -> None:
    original = yardstick(head.volume, head.landmarks_mm, head.brain)
    defaced = remove(face, erase_mask(face, region), np.random.default_rng(0), "zero")
    found = truth(original, defaced)
    assert found.residuals[region] < 0.05
    untouched = {"left_eye", "right_eye", "nose", "mouth", "right_ear"} - {region}
    if region != "cheeks_jaw":  # whose rim runs along all the others
        assert min(found.residuals[name] for name in untouched) > 0.85
    assert found.brain_removed_ml == 0.0


@pytest.mark.parametrize(
    ("outcome", "present"),
    [
        ("eyes_left_in", {"left_eye", "right_eye"}),
        ("left_eye_left_in", {"left_eye"}),
        ("nose_left_in", {"nose"}),
        ("mouth_left_in", {"mouth"}),
        ("nose_and_mouth_left_in", {"nose", "mouth"}),
        ("mouth_island", {"mouth"}),
        ("eyes_erased", {"nose", "mouth"}),
        ("eyes_nose_mouth_erased", set()),
        ("plate_clean", set()),
        ("layer_clean", set()),
        ("shear_clean", set()),
        ("smooth_shell", set()),
        ("filled_with_bright_noise", set()),
    ],
)
def test_what_is_left_in_is_present_and_what_is_removed_is_gone(
    made: dict[str, Defacing], outcome: str, present: set[str]
) -> None:
    residuals = made[outcome].truth.residuals
    assert {name for name in FEATURES if residuals[name] > 0.5} == present
    assert all(residuals[name] < 0.06 for name in set(FEATURES) - present)


def test_a_blurred_face_counts_as_recognisable(made: dict[str, Defacing]) -> None:
    assert made["blurred_lightly"].truth.residuals["nose"] < 0.5
    assert made["blurred_lightly"].truth.lenient == 1


def test_ears_alone_do_not_change_the_label(made: dict[str, Defacing]) -> None:
    assert made["plate_with_ears"].truth.residuals["left_ear"] < 0.1
    assert made["plate_clean"].truth.residuals["left_ear"] > 0.9
    assert made["plate_clean"].truth.strict == made["plate_with_ears"].truth.strict == 0


def test_only_outcomes_that_cut_the_brain_cut_the_brain(made: dict[str, Defacing]) -> None:
    for name, defacing in made.items():
        if OUTCOMES[name].tendency != "brain":
            assert defacing.truth.brain_removed_ml < 0.1, name
    assert made["plate_through_brain"].truth.brain_removed_ml > 1


@pytest.mark.parametrize("depth_mm", [6.0, 12.0, 24.0])
def test_a_frontal_cut_takes_the_brain_before_the_plane(head: SyntheticHead, face: Face, depth_mm: float) -> None:
    defaced = remove(face, frontal_cut_mask(face, depth_mm), np.random.default_rng(0), "zero")
    ahead = face.framed(np.argwhere(head.brain) * head.volume.spacing_mm)[:, 1]
    known_ml = (ahead > ahead.max() - depth_mm).sum() * 0.027
    found = truth(yardstick(head.volume, head.landmarks_mm, head.brain), defaced).brain_removed_ml
    # the plane moves in steps of 2 mm, the voxels in steps of 3 mm
    slice_ml = ((ahead > ahead.max() - depth_mm - 3) & (ahead <= ahead.max() - depth_mm)).sum() * 0.027
    assert found == pytest.approx(known_ml, abs=slice_ml)
    assert found > 0


def test_a_shear_before_the_brain_spares_it_and_a_shear_inside_cuts_more_the_deeper_it_lies(face: Face) -> None:
    lost = [np.count_nonzero(shear_mask(face, buffer, 25.0) & face.working_brain) for buffer in (1.0, -4.0, -12.0)]
    assert lost[0] == 0 < lost[1] < lost[2]


def test_part_of_a_region_is_the_share_asked_for_on_the_side_asked_for(face: Face) -> None:
    eye = face.skin_of("left_eye")
    top = part_of(face, "left_eye", 0.3, "top")
    assert top.sum() == pytest.approx(0.3 * eye.sum(), abs=1)
    assert face.skin[top][:, 2].min() >= face.skin[eye & ~top][:, 2].max() - 1e-3


def test_the_same_seed_gives_the_same_defacing_whatever_else_is_asked_for(head: SyntheticHead) -> None:
    def make(*outcomes: str, seed: int = 3) -> dict[str, Defacing]:
        found = simulate_head(head.volume, head.landmarks_mm, head.brain, outcomes, seed)
        return {defacing.outcome: defacing for defacing in found}

    alone, together, other = make("eye_trace"), make("plate_low", "eye_trace"), make("eye_trace", seed=4)
    assert np.array_equal(alone["eye_trace"].defaced.data, together["eye_trace"].defaced.data)
    assert not np.array_equal(alone["eye_trace"].defaced.data, other["eye_trace"].defaced.data)


def test_the_outcomes_drawn_for_a_head_are_mostly_borderline_and_none_comes_twice() -> None:
    drawn = [choose_outcomes(14, seed) for seed in range(40)]
    assert all(len(set(names)) == 14 and set(ALWAYS) <= set(names) for names in drawn)
    counts = Counter(OUTCOMES[name].tendency for names in drawn for name in names if name not in ALWAYS)
    assert counts["borderline"] == max(counts.values())
    assert min(counts.values()) > 20
    assert choose_outcomes(14, 1) == choose_outcomes(14, 1) != choose_outcomes(14, 2)


def test_a_tool_that_is_not_installed_is_skipped_with_a_notice(
    head: SyntheticHead, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(real_tools.MRIDEFACER_FOLDER_VARIABLE, raising=False)
    with caplog.at_level(logging.WARNING):
        found = list(simulate_head(head.volume, head.landmarks_mm, head.brain, ["mridefacer", "untouched"], 0))
    assert [defacing.outcome for defacing in found] == ["untouched"]
    assert "mridefacer skipped" in caplog.text


def test_a_tool_that_fails_says_why() -> None:
    with pytest.raises(real_tools.ToolFailedError, match=r"python.* ended with code 3 and said: no head here"):
        real_tools.run([real_tools.sys.executable, "-c", "print('no head here'); raise SystemExit(3)"])


def test_quickshear_itself_removes_the_face_and_spares_the_brain(head: SyntheticHead) -> None:
    try:
        real_tools.find_program("quickshear")
    except real_tools.ToolMissingError as missing:
        pytest.skip(str(missing))
    defaced = real_tools.quickshear(head.volume, head.brain, buffer_mm=6.0)
    found = truth(yardstick(head.volume, head.landmarks_mm, head.brain), defaced)
    assert found.lenient == 0
    assert found.brain_removed_ml < 0.1


def test_pydefaces_mask_laid_on_by_niimath_takes_nose_and_mouth_of_the_synthetic_head(head: SyntheticHead) -> None:
    try:
        defaced = real_tools.pydeface(head.volume)
    except real_tools.ToolMissingError as missing:
        pytest.skip(str(missing))
    found = truth(yardstick(head.volume, head.landmarks_mm, head.brain), defaced)
    assert found.state("mouth") == "gone"
    assert found.share("nose") < 0.25
    assert found.brain_removed_ml < 5


def test_a_head_without_eyes_in_view_is_refused_in_plain_words(head: SyntheticHead) -> None:
    marks = head.landmarks_mm | {"left_eye": np.full(3, np.nan)}
    with pytest.raises(InputError, match="expected both eyes"):
        prepare_face(head.volume, marks, head.brain)


@pytest.fixture
def originals(head: SyntheticHead, tmp_path: Path) -> list[Original]:
    save_volume(head.volume, tmp_path / "one.nii.gz")
    save_volume(head.brain, tmp_path / "brain.nii.gz", affine=head.volume.affine)
    columns = "id\tfile\tsubject\tsequence\tbrain_mask"
    rows = [f"{name}\tone.nii.gz\tanna\tT1w\tbrain.nii.gz" for name in ("a1", "a2", "unmarked")]
    (tmp_path / "heads.tsv").write_text("\n".join([columns, *rows]) + "\n")
    lines = ["head_id\tsubject\tlandmark\tx_mm\ty_mm\tz_mm\tstatus"]
    for head_id in ("a1", "a2"):
        for name, point in head.landmarks_mm.items():
            world = head.volume.affine[:3, :3] @ (point / 3.0) + head.volume.affine[:3, 3]
            status = "outside" if name == "menton" else "carried"
            lines.append("\t".join([head_id, "anna", name, *(f"{v:.3f}" for v in world), status]))
    (tmp_path / "landmarks.tsv").write_text("\n".join(lines) + "\n")
    return read_originals(tmp_path / "heads.tsv", tmp_path / "landmarks.tsv")


def test_originals_are_read_with_their_landmarks_and_without_those_out_of_view(
    originals: list[Original], head: SyntheticHead
) -> None:
    assert [original.head_id for original in originals] == ["a1", "a2"]
    marks = originals[0].landmarks_on(head.volume)
    assert "menton" not in marks
    assert marks["nasion"] == pytest.approx(head.landmarks_mm["nasion"], abs=1e-2)


def test_a_landmark_nobody_knows_is_refused(tmp_path: Path, originals: list[Original]) -> None:
    table = originals[0].path.parent / "landmarks.tsv"
    table.write_text(table.read_text().replace("stomion", "moustache"))
    with pytest.raises(LabelError, match="unknown landmark 'moustache'"):
        read_originals(table.parent / "heads.tsv", table)


def test_the_table_resumes_where_it_stopped_and_holds_truth_and_features(
    originals: list[Original], tmp_path: Path, head: SyntheticHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    # finding the face has tests of its own, and takes seconds
    known = Anatomy(np.eye(4), 1.0, head.landmarks_mm, True)
    monkeypatch.setattr("defaceqa.simulation.table.locate", lambda volume, with_brain: known)
    recipe = Recipe(outcomes=("untouched", "plate_clean"))
    seen: list[str] = []
    build_table(originals[:1], tmp_path / "t.tsv", recipe=recipe, progress=lambda head, *_: seen.append(head))
    first = (tmp_path / "t.tsv.heads" / "a1.tsv").stat().st_mtime_ns
    made = build_table(originals, tmp_path / "t.tsv", recipe=recipe, progress=lambda head, *_: seen.append(head))
    lines = (tmp_path / "t.tsv").read_text().splitlines()
    assert seen == ["a1", "a2"]
    assert (tmp_path / "t.tsv.heads" / "a1.tsv").stat().st_mtime_ns == first
    assert tuple(lines[0].split("\t")) == COLUMNS
    assert made.pairs == len(lines) - 1 == 4
    assert not made.skipped
    table = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]
    assert [(row["outcome"], row["label_lenient"]) for row in table[:2]] == [("untouched", "1"), ("plate_clean", "0")]
    assert float(table[0]["fsim_frontal"]) == 1.0 > float(table[1]["fsim_frontal"])
