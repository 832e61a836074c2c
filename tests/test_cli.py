"""The commands as a user types them: exit codes, one sentence on bad input, quiet in a pipe."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from defaceqa.cli import commands
from defaceqa.features import FEATURES
from defaceqa.simulation.corpus import simulate_head
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import load_volume, save_volume


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    head = synthetic_head(2.0)
    save_volume(head.volume, folder / "original.nii.gz")
    save_volume(head.brain, folder / "brain.nii.gz", affine=head.volume.affine)
    made = next(simulate_head(head.volume, head.landmarks_mm, head.brain, ["plate_clean"], 1))
    save_volume(made.defaced, folder / "good.nii.gz")
    return folder


def run(*arguments):
    command = [sys.executable, "-m", "defaceqa", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_every_command_is_documented():
    for name, command in commands.commands.items():
        assert command.help, name
        assert run(name, "--help").returncode == 0


def test_a_pass_ends_with_zero_and_plain_lines(files):
    done = run("predict", files / "original.nii.gz", files / "good.nii.gz", "--brain-mask", files / "brain.nii.gz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].split() == ["PASS", "good.nii.gz"]
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_without_a_brain_mask_a_good_defacing_passes_as_well(files):
    done = run("predict", files / "original.nii.gz", files / "good.nii.gz")
    assert done.returncode == 0
    assert "brain is whole" in done.stdout


def test_an_untouched_copy_ends_with_one_and_its_json_on_standard_output(files):
    done = run("predict", files / "original.nii.gz", files / "original.nii.gz", "--json", "-", "--criterion", "strict")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert record["verdict"] == "fail"
    assert record["face"]["criterion"] == "strict"


def test_json_into_a_file_leaves_nothing_beside_it(files, tmp_path):
    run("predict", files / "original.nii.gz", files / "good.nii.gz", "--json", tmp_path / "record.json")
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_page_is_written_beside_the_answer_and_the_exit_code_stays(files, tmp_path):
    page = tmp_path / "page.html"
    pair = (files / "original.nii.gz", files / "good.nii.gz", "--brain-mask", files / "brain.nii.gz")
    done = run("predict", *pair, "--html", page)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "good.nii.gz" in page.read_text()


def test_a_page_with_faces_warns_and_is_its_owners_alone(files, tmp_path):
    page = tmp_path / "page.html"
    done = run("predict", files / "original.nii.gz", files / "original.nii.gz", "--html", page, "--with-faces")
    assert done.returncode == 1
    assert "shows a person's face" in done.stderr
    assert page.stat().st_mode & 0o777 == 0o600


def test_faces_without_a_page_are_a_usage_error(files):
    done = run("predict", files / "original.nii.gz", files / "good.nii.gz", "--with-faces")
    assert done.returncode == 2
    assert "--html" in done.stderr


def test_a_page_in_the_released_data_set_is_refused_before_anything_is_measured(files, tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    (release / "dataset_description.json").write_text("{}")
    (release / "good.nii.gz").write_bytes((files / "good.nii.gz").read_bytes())
    done = run("predict", files / "original.nii.gz", release / "good.nii.gz", "--html", release / "page.html")
    assert done.returncode == 2
    assert "data set to be released" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(file.name for file in release.iterdir()) == ["dataset_description.json", "good.nii.gz"]


@pytest.mark.parametrize("original", ["missing.nii.gz", "text.nii.gz", "folder"])
def test_bad_input_ends_with_two_and_one_sentence(files, tmp_path, original):
    (tmp_path / "text.nii.gz").write_text("no image\n")
    (tmp_path / "folder").mkdir()
    done = run("predict", tmp_path / original, files / "good.nii.gz")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("defaceqa: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_wrong_option_ends_with_two():
    assert run("predict", "--nonsense").returncode == 2
    assert run("no-such-command").returncode == 2


def test_extract_writes_one_row_with_all_features(files):
    done = run("extract", files / "original.nii.gz", files / "good.nii.gz")
    assert done.returncode == 0
    rows = list(csv.DictReader(io.StringIO(done.stdout), delimiter="\t"))
    assert len(rows) == 1
    assert set(FEATURES) <= set(rows[0])
    assert float(rows[0]["brain_removed_ml"]) == pytest.approx(0, abs=0.5)
    assert np.isfinite(float(rows[0]["residual_nose"]))


def test_extract_takes_the_mask_of_a_bids_derivative_as_predict_does(files, tmp_path):
    """A mask that says all of the head is brain: with it, the face that is gone counts as removed brain."""
    anat, masks = tmp_path / "sub-01" / "anat", tmp_path / "derivatives" / "masks" / "sub-01" / "anat"
    for folder in (anat, masks):
        folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    (anat / "sub-01_T1w.nii.gz").write_bytes((files / "original.nii.gz").read_bytes())
    head = load_volume(files / "original.nii.gz")
    save_volume(head.data > 0.2 * head.data.max(), masks / "sub-01_desc-brain_mask.nii.gz", affine=head.affine)
    pair = (anat / "sub-01_T1w.nii.gz", files / "good.nii.gz")
    (row,) = csv.DictReader(io.StringIO(run("extract", *pair).stdout), delimiter="\t")
    record = json.loads(run("predict", *pair, "--json", "-").stdout)
    assert float(row["brain_removed_ml"]) > 50
    assert float(row["brain_removed_ml"]) == pytest.approx(record["features"]["brain_removed_ml"])


def test_extract_gives_the_papers_own_numbers_apart(files):
    done = run("extract", files / "original.nii.gz", files / "good.nii.gz", "--set", "paper-ism")
    row = next(csv.DictReader(io.StringIO(done.stdout), delimiter="\t"))
    assert {name for name in row if name.startswith("paper_ism")} == {
        f"paper_ism_{measure}" for measure in ("fsim", "ssim", "psnr", "rmse")
    }
    assert not set(FEATURES) & set(row)


def test_features_lists_the_table():
    done = run("features")
    assert len(done.stdout.splitlines()) == len(FEATURES) + 1


def test_train_refuses_a_table_without_labels(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("subject\tfsim_mean\nA\t0.5\n")
    done = run("train", table, "--out", tmp_path / "models")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


def test_the_demo_shows_a_pass_a_fail_and_a_cut_brain(tmp_path):
    done = run("demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / "demo" / f"{name}.html").is_file() for name in ("good", "poor", "brain_cut"))
    verdicts = [json.loads((tmp_path / "demo" / f"{name}.json").read_text()) for name in ("good", "poor", "brain_cut")]
    assert [record["verdict"] for record in verdicts] == ["pass", "fail", "fail"]
    assert verdicts[2]["brain"]["verdict"] == "fail"


def test_simulate_and_train_refuse_what_they_cannot_use_in_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("simulate", tmp_path / "empty", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "holds no original image" in done.stderr
    done = run("train", "--labels", tmp_path / "labels.tsv", "--out", tmp_path / "models")
    assert done.returncode == 2
    assert "--labels says nothing without --own" in done.stderr
    done = run("train", tmp_path / "nowhere.tsv", "--out", tmp_path / "models")
    assert done.returncode == 2
    assert "nowhere.tsv cannot be read" in done.stderr


def test_explain_lists_contributions_that_sum_up(files, tmp_path):
    picture = tmp_path / "why.png"
    done = run("explain", files / "original.nii.gz", files / "good.nii.gz", "--out", picture)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert sum(float(row[2]) for row in rows[:-1]) == pytest.approx(float(rows[-1][2]), abs=1e-3)
    assert picture.exists()
