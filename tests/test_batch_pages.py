"""Pages of a run over many pairs: what they never show, when they are drawn again, what a run that died leaves."""

from __future__ import annotations

import gc
import operator
import re
import stat
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from quick_judge import drawn_judge, quick_judge
from test_batch import data_set, files, go, here, largest_file, pairing_of  # noqa: F401 - here is a fixture

import defaceqa
from defaceqa.batch import Pages, Settings, Workers, judge_pairs, write_group
from defaceqa.batch.settings import basis_of
from defaceqa.batch.task import Task, perform
from defaceqa.cli import commands
from defaceqa.errors import OutputError
from defaceqa.report import write_group_report

pytestmark = pytest.mark.usefixtures("here")

PASSED = ("sub-01_T1w", "sub-04_T1w", "sub-06_T1w")
JUDGED = ("sub-01_T1w", "sub-02_T1w", "sub-03_T1w", "sub-04_T1w", "sub-06_T1w")


def draw(root: Path, out: Path, *, with_faces=False, **options):
    """A run with pages, of assessments that are made up."""
    return go(root, out, pages=Pages(with_faces), **({"judge": drawn_judge} | options))


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


# --- what is in the folder


def test_a_run_with_pages_leaves_one_per_scan_one_for_all_and_pictures_of_passed_heads(tmp_path):
    root = data_set(tmp_path)
    go(root, tmp_path / "plain", judge=drawn_judge)
    counts = draw(root, tmp_path / "out")
    assert set(files(tmp_path / "out")) - set(files(tmp_path / "plain")) == {
        "group_T1w.html",
        *(f"{name}.html" for name in JUDGED),
        *(f"figures/{name}.webp" for name in PASSED),
    }
    assert counts.pages == ("group_T1w.html",)
    html = (tmp_path / "out" / "group_T1w.html").read_text()
    assert sorted(re.findall(r'src="(figures[^"]+)"', html)) == [f"figures/{name}.webp" for name in PASSED]
    assert set(re.findall(r'href="([^"#]+\.html)"', html)) == {f"{name}.html" for name in JUDGED}


def test_records_and_tables_are_the_same_with_pages_and_without(tmp_path):
    root = data_set(tmp_path)
    go(root, tmp_path / "plain", judge=drawn_judge)
    draw(root, tmp_path / "out")
    drawn = files(tmp_path / "out")
    assert {name: drawn[name] for name in files(tmp_path / "plain")} == files(tmp_path / "plain")


def test_without_faces_no_pixel_of_an_original_or_of_a_head_that_did_not_pass_reaches_the_folder(tmp_path):
    root, found = data_set(tmp_path), {}
    for name, pixels in {"first": {}, "face": {"original": 1}, "rest": {"defaced": 1}}.items():
        draw(root, tmp_path / name / "out", judge=partial(drawn_judge, **pixels))
        found[name] = files(tmp_path / name / "out")
    assert found["first"] == found["face"]
    changed = {name for name, content in found["rest"].items() if found["first"][name] != content}
    assert changed == {f"{name}.html" for name in PASSED} | {f"figures/{name}.webp" for name in PASSED}


def test_with_faces_every_page_and_picture_is_its_owners_alone(tmp_path):
    root, out = data_set(tmp_path), tmp_path / "out"
    draw(root, out, with_faces=True)
    shown = [*out.glob("*.html"), *out.glob("figures/*")]
    assert len(shown) == 6 + 5
    assert {mode(file) for file in shown} == {0o600}
    draw(root, out)
    assert {mode(file) & 0o044 for file in [*out.glob("*.html"), *out.glob("figures/*")]} == {0o044}
    draw(root, tmp_path / "calm" / "out")
    assert files(out) == files(tmp_path / "calm" / "out")


def test_pages_of_scans_come_with_the_participants_and_the_page_of_all_with_the_group(tmp_path):
    root, out = data_set(tmp_path), tmp_path / "out"
    judge_pairs(pairing_of(root), out, Settings(), Workers(1), pages=Pages(), judge=drawn_judge)
    assert (out / "sub-01_T1w.html").is_file()
    assert not (out / "group_T1w.html").exists()
    assert write_group(pairing_of(root), out, pages=Pages()).pages == ("group_T1w.html",)


# --- resuming


@pytest.mark.parametrize("gone", ["sub-01_T1w.html", "figures/sub-01_T1w.webp"])
def test_a_scan_whose_page_or_picture_is_gone_is_judged_again(tmp_path, gone):
    root, out, told = data_set(tmp_path), tmp_path / "out", []
    draw(root, out)
    before = files(out)
    (out / gone).unlink()
    draw(root, out, told=told.append)
    assert told[-1].kept == 4
    assert files(out) == before


def test_pages_asked_for_later_are_drawn_and_then_kept(tmp_path):
    root, out, told = data_set(tmp_path), tmp_path / "out", []
    go(root, out, judge=drawn_judge)
    write_group_report(out)  # pages without pictures, which are not what the next run is to leave
    for with_faces, kept in ((False, 0), (False, 5), (True, 0), (True, 5)):
        draw(root, out, with_faces=with_faces, told=told.append)
        assert told[-1].kept == kept, with_faces
    go(root, out, judge=drawn_judge, told=told.append)
    assert told[-1].kept == 5


@pytest.mark.parametrize("text", ["fail 1", "bad"])
@pytest.mark.parametrize("pages", [None, Pages()])
def test_nothing_shows_a_judgement_that_does_not_hold_any_more(tmp_path, text, pages):
    root, out = data_set(tmp_path), tmp_path / "out"
    draw(root, out)
    (root / "defaced/sub-01/anat/sub-01_T1w.nii.gz").write_text(text)
    go(root, out, pages=pages, judge=drawn_judge)
    assert not (out / "figures" / "sub-01_T1w.webp").exists()
    assert (out / "sub-01_T1w.html").exists() == (pages is not None and text != "bad")
    assert (out / "figures" / "sub-04_T1w.webp").exists()


@pytest.mark.parametrize(
    ("step", "time_of_death"),
    [(step, time) for step, times in {"report.drawn._write": (1, 2, 3, 4), "batch.run.write_whole": (1, 2)}.items()
     for time in times],
)  # fmt: skip
def test_a_run_that_dies_between_any_two_files_continues_to_the_same_bytes(tmp_path, monkeypatch, step, time_of_death):
    root, out, times = data_set(tmp_path, ("pass", "fail", "pass")), tmp_path / "out", []
    real = operator.attrgetter(step)(defaceqa)

    def dying(*arguments, **options):
        times.append(arguments)
        if len(times) == time_of_death:
            raise KeyboardInterrupt
        real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(f"defaceqa.{step}", dying)
        with suppress(KeyboardInterrupt):
            draw(root, out)
    draw(root, out)
    draw(root, tmp_path / "calm" / "out")
    assert files(out) == files(tmp_path / "calm" / "out")


# --- places and faults


@pytest.mark.parametrize(("place", "refused"), [("qa", True), ("new/qa", True), ("derivatives/new/qa", False)])
def test_pages_are_refused_in_a_data_set_of_originals_and_defaced_but_not_in_its_derivatives(tmp_path, place, refused):
    root = data_set(tmp_path / "both")
    (root / "dataset_description.json").write_text("{}")
    before, folders = files(root), sorted(root.rglob("*/"))
    if not refused:
        assert draw(root, root / place).pages
        return
    with pytest.raises(OutputError, match="data set to be released"):
        draw(root, root / place)
    assert (files(root), sorted(root.rglob("*/"))) == (before, folders)


def test_a_page_too_large_for_the_disk_is_said_in_one_line_and_leaves_no_half(tmp_path):
    root, out = data_set(tmp_path), tmp_path / "out"
    with largest_file(50_000), pytest.raises(OutputError, match="no space left"):
        draw(root, out)
    assert not [*out.glob("*.html"), *out.glob(".*.html")]
    assert not list(out.rglob("sub-*.json"))
    assert draw(root, out).verdicts["pass"] == 3


# --- evidence


def test_a_worker_keeps_no_evidence(tmp_path):
    pair = pairing_of(data_set(tmp_path, ("pass",))).pairs[0]
    held = []

    def judge(*arguments):
        found = drawn_judge(*arguments)
        held.append(weakref.ref(found.features.evidence))
        return found

    done = perform(Task(pair, basis_of(Settings()), None, judge, Pages(with_faces=True)))
    gc.collect()
    assert done.drawn.picture
    assert held[0]() is None


def test_no_evidence_is_asked_for_when_no_page_is(tmp_path):
    asked = []

    def judge(pair, settings, evidence):
        asked.append(evidence)
        return quick_judge(pair, settings, evidence)

    go(data_set(tmp_path), tmp_path / "out", judge=judge)
    assert set(asked) == {False}


@pytest.mark.parametrize("command", [("batch", "raw", "--out", "qa"), ("bids", "raw", "qa", "participant")])
def test_faces_need_pages_to_be_shown_in(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(commands, [*command, "--with-faces"])
    assert done.exit_code == 2
    assert "give --html as well" in done.output
    assert list(tmp_path.iterdir()) == []
