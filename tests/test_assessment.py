"""The whole job: two files in, a verdict out, on the synthetic head and on real ones."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import defaceqa
from defaceqa.anatomy.registration import locate
from defaceqa.assessment import SCHEMA_VERSION, assess
from defaceqa.head import to_working_grid
from defaceqa.simulation.corpus import simulate_head
from defaceqa.simulation.originals import read_originals
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.simulation.tool_outcomes import TOOL_OUTCOMES
from defaceqa.volumes import Volume, load_mask, load_volume, save_volume

LANDMARKS = Path(__file__).parent.parent / "data" / "labels" / "landmarks.tsv"

JSON_KEYS = {
    "schema_version", "verdict", "face", "brain", "reasons", "features", "undefined", "flags", "method", "model",
    "renderer", "inputs", "contributions", "software",
}  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The synthetic head, its brain mask and three defacings as files."""
    folder = tmp_path_factory.mktemp("demo")
    head = synthetic_head(2.0)
    save_volume(head.volume, folder / "original.nii.gz")
    save_volume(head.brain, folder / "brain.nii.gz", affine=head.volume.affine)
    outcomes = ("plate_clean", "eyes_left_in", "frontal_cut")
    for made in simulate_head(head.volume, head.landmarks_mm, head.brain, outcomes, 3):
        save_volume(made.defaced, folder / f"{made.outcome}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def originals(shared_heads):
    return {o.head_id: o for o in read_originals(shared_heads / "heads.tsv", LANDMARKS)}


def deface(original, outcome, folder, seed=3):
    """A controlled defacing of a real head as a file."""
    volume = load_volume(original.path)
    brain = load_mask(original.brain_path, volume)
    made = next(simulate_head(volume, original.landmarks_on(volume), brain, [outcome], seed))
    file = folder / f"{original.head_id}_{outcome}.nii.gz"
    save_volume(made.defaced, file)
    return file


def test_the_public_names_are_a_promise():
    assert set(defaceqa.__all__) == {
        "FEATURES", "Assessment", "DefaceQAError", "Model", "Pair", "Verdict", "Volume", "assess", "extract",
        "load_model", "load_pair", "write_report",
    }  # fmt: skip
    assert all(hasattr(defaceqa, name) for name in defaceqa.__all__)


def test_a_good_defacing_with_a_whole_brain_passes(demo):
    found = assess(demo / "original.nii.gz", demo / "plate_clean.nii.gz", brain_mask=demo / "brain.nii.gz")
    assert found.verdict.verdict == "pass"


def test_without_a_mask_the_brain_is_found_and_judged(demo):
    good = assess(demo / "original.nii.gz", demo / "plate_clean.nii.gz")
    assert good.verdict.verdict == "pass"
    assert good.as_dict()["brain"]["mask"] == "mean head"
    cut = assess(demo / "original.nii.gz", demo / "frontal_cut.nii.gz")
    assert (cut.verdict.face.verdict, cut.verdict.brain.verdict) == ("pass", "fail")


def test_the_mask_of_a_bids_derivative_is_used_and_one_that_does_not_fit_is_named(demo, tmp_path):
    anat, masks = tmp_path / "sub-01" / "anat", tmp_path / "derivatives" / "masks" / "sub-01" / "anat"
    for folder in (anat, masks):
        folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    shutil.copy(demo / "original.nii.gz", anat / "sub-01_T1w.nii.gz")
    found = masks / "sub-01_desc-brain_mask.nii.gz"
    shutil.copy(demo / "brain.nii.gz", found)
    pair = (anat / "sub-01_T1w.nii.gz", demo / "plate_clean.nii.gz")
    record = assess(*pair).as_dict()
    assert record["brain"]["mask"] == found.name
    given = assess(*pair, brain_mask=demo / "brain.nii.gz").as_dict()
    assert record["features"]["brain_removed_ml"] == given["features"]["brain_removed_ml"]
    save_volume(np.ones((8, 8, 8), np.float32), found, affine=np.eye(4))
    other = assess(*pair).as_dict()
    assert other["brain"]["mask"] == "mean head"
    assert any("was not used" in flag for flag in other["flags"])


def test_eyes_left_in_fail_with_that_reason(demo):
    found = assess(demo / "original.nii.gz", demo / "eyes_left_in.nii.gz", brain_mask=demo / "brain.nii.gz")
    assert found.verdict.verdict == "fail"
    assert "eye" in found.verdict.reasons[0]


def test_a_cut_brain_fails_although_the_face_is_gone(demo):
    found = assess(demo / "original.nii.gz", demo / "frontal_cut.nii.gz", brain_mask=demo / "brain.nii.gz")
    assert found.verdict.brain.verdict == "fail"
    assert found.verdict.verdict == "fail"
    assert "brain" in found.verdict.reasons[0]


@pytest.mark.parametrize("criterion", ["lenient", "strict"])
def test_an_untouched_copy_fails_under_both_criteria(demo, criterion):
    found = assess(demo / "original.nii.gz", demo / "original.nii.gz", criterion=criterion)
    assert found.verdict.face.verdict == "fail"
    assert "identical" in found.verdict.reasons[0]


def test_an_original_that_was_defaced_before_is_for_a_person(demo):
    found = assess(demo / "plate_clean.nii.gz", demo / "frontal_cut.nii.gz")
    assert found.verdict.face.verdict == "review"
    assert any("no face" in reason or "could not locate" in reason for reason in found.verdict.reasons)


def test_the_json_has_the_promised_keys_and_no_nan(demo):
    text = assess(demo / "original.nii.gz", demo / "plate_clean.nii.gz", method="plate").to_json()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert set(record) == JSON_KEYS
    assert record["schema_version"] == SCHEMA_VERSION
    assert record["method"] == "plate"
    assert set(record["face"]["thresholds"]) == {"low", "high"}
    assert set(record["model"]) == {"name", "version", "sha256", "bias", "training_range", "limits"}
    assert len(record["inputs"]["original"]["sha256"]) == 64
    assert record["features"]["brain_removed_ml"] == pytest.approx(0, abs=0.5)
    assert set(record["undefined"]) <= set(record["features"])
    assert str(demo) not in text


@pytest.mark.parametrize("head_id", ["ixi013", "ixi034", "uih1-t1"])
def test_a_real_untouched_copy_fails(originals, head_id):
    path = originals[head_id].path
    assert assess(path, path).verdict.face.verdict == "fail"


@pytest.mark.skipif(not TOOL_OUTCOMES, reason="no real tool is known")
@pytest.mark.parametrize("head_id", ["ixi013", "uih1-t1"])
def test_what_pydeface_removes_never_fails_on_an_adult(originals, tmp_path, head_id):
    defaced = deface(originals[head_id], "pydeface", tmp_path)
    assert assess(originals[head_id].path, defaced).verdict.face.verdict != "fail"


@pytest.mark.parametrize("head_id", ["ixi013", "ixi034", "uih1-t1"])
def test_a_face_without_its_eyes_does_not_pass(originals, tmp_path, head_id):
    defaced = deface(originals[head_id], "eyes_erased", tmp_path)
    assert assess(originals[head_id].path, defaced).verdict.face.verdict != "pass"


@pytest.mark.parametrize("outcome", ["plate_clean", "nose_left_in"])
def test_one_millimetre_and_two_give_the_same_answer(originals, tmp_path, outcome):
    original = originals["uih1-t1"]
    fine = deface(original, outcome, tmp_path)
    coarse = [tmp_path / "orig2.nii.gz", tmp_path / "def2.nii.gz"]
    for source, target in zip((original.path, fine), coarse, strict=True):
        volume = load_volume(source)
        affine = volume.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] += volume.affine[:3, :3] @ [0.5, 0.5, 0.5]
        save_volume(Volume(to_working_grid(volume.data, volume.spacing_mm), affine), target)
    first, second = assess(original.path, fine), assess(*coarse)
    assert abs(first.verdict.face.probability - second.verdict.face.probability) < 0.1
    assert region_words(first) == region_words(second)


def region_words(assessment):
    """The reasons about regions, without their percentages."""
    names = ("eye", "nose", "mouth", "cheeks")
    found = [reason for reason in assessment.verdict.face.reasons if any(name in reason for name in names)]
    return [" ".join(word for word in reason.split() if not word[0].isdigit() and word != "%") for reason in found]


STORAGES = {
    "RAS int16": ("RAS", np.int16, ".nii.gz"),
    "LAS float32": ("LAS", np.float32, ".nii"),
    "LPS int16": ("LPS", np.int16, ".mgz"),
    "PSR uint8": ("PSR", np.uint8, ".nii.gz"),
}


def store(volume, folder, name, axes, dtype, suffix, oblique=False):
    """The same head in another storage."""
    image = nib.Nifti1Image(volume.data, volume.affine)
    if oblique:
        turn = np.eye(4)
        turn[:3, :3] = nib.eulerangles.euler2mat(x=0.09, y=0.05, z=-0.07)
        image = nib.Nifti1Image(volume.data, turn @ volume.affine)
    target = nib.orientations.axcodes2ornt(axes)
    image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
    data = np.asarray(image.dataobj)
    data = data if dtype == np.float32 else np.rint(data).astype(dtype)
    kind = nib.MGHImage if suffix == ".mgz" else nib.Nifti1Image
    file = folder / f"{name}{suffix}"
    nib.save(kind(data, image.affine), file)
    return file


def test_storage_changes_nothing(originals, tmp_path):
    original = load_volume(originals["ixi034"].path)
    original = Volume(np.rint(original.data * (250 / original.data.max())).astype(np.float32), original.affine)
    head = originals["ixi034"]
    landmarks, brain = head.landmarks_on(original), load_mask(head.brain_path, load_volume(head.path))
    defaced = next(simulate_head(original, landmarks, brain, ["nose_trace"], 3)).defaced
    defaced = Volume(np.rint(np.clip(defaced.data, 0, 250)), defaced.affine)
    found = {}
    for number, (name, (axes, dtype, suffix)) in enumerate(STORAGES.items()):
        files = [
            store(volume, tmp_path, f"{kind}{number}", axes, dtype, suffix, oblique=name.startswith("LAS"))
            for kind, volume in (("original", original), ("defaced", defaced))
        ]
        found[name] = assess(*files).verdict.face.probability
    assert max(found.values()) - min(found.values()) < 0.02, found


def test_a_head_stripped_of_its_skull_is_for_a_person(shared_heads):
    path = shared_heads / "brain" / "colin27_brain.nii.gz"
    found = assess(path, path)
    assert found.verdict.verdict != "pass"
    assert not locate(load_volume(path)).located
    assert math.isfinite(found.verdict.face.probability) or found.verdict.face.verdict == "review"
