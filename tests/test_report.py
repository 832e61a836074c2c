"""The page of one scan: what it says, what it never shows, where it may lie."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import stat
import time
from dataclasses import replace

import numpy as np
import pytest
from assessments import assessment, noise
from PIL import Image

from defaceqa import assess, write_report
from defaceqa.errors import OutputError
from defaceqa.report import check_place, draw_scan, is_drawn, write_report_from_record, write_scan
from defaceqa.report.colours import BESIDE_REGIONS, UNKNOWN, region_colour
from defaceqa.report.mean_head import head_views
from defaceqa.report.pictures import may_be_seen
from defaceqa.report.scan import scan_data, scan_page
from defaceqa.report.words import number, percent
from defaceqa.simulation.corpus import simulate_head
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import save_volume

FACE_VERDICTS = ("pass", "review", "fail")
KILOBYTE = 1024


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The synthetic head and a defacing that left the eyes, as files."""
    folder = tmp_path_factory.mktemp("report")
    head = synthetic_head(2.0)
    save_volume(head.volume, folder / "original.nii.gz")
    save_volume(head.brain, folder / "brain.nii.gz", affine=head.volume.affine)
    for made in simulate_head(head.volume, head.landmarks_mm, head.brain, ("eyes_left_in",), 3):
        save_volume(made.defaced, folder / f"{made.outcome}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def failed(files):
    """A real run whose face verdict is fail, and how long it took."""
    start = time.perf_counter()
    found = assess(files / "original.nii.gz", files / "eyes_left_in.nii.gz", brain_mask=files / "brain.nii.gz")
    assert found.verdict.face.verdict == "fail"
    return found, time.perf_counter() - start


def page(kind, **how):
    with_faces = how.pop("with_faces", False)
    found = assessment(kind, **how)
    return scan_page(found.as_dict(), found.features.evidence, with_faces=with_faces)


def pictures(html):
    return [base64.b64decode(data) for data in re.findall(r'(?:src|href)="data:image/webp;base64,([^"]+)"', html)]


# ---- what must never be seen


@pytest.mark.parametrize("kind", FACE_VERDICTS)
def test_without_faces_no_pixel_of_the_original_decides_anything(kind):
    first = page(kind, evidence=noise(original=0))
    assert first == page(kind, evidence=noise(original=1))
    assert first != page(kind, evidence=noise(original=0), with_faces=True)


@pytest.mark.parametrize("kind", ["review", "fail"])
@pytest.mark.parametrize("located", [True, False])
def test_no_pixel_of_a_defaced_head_that_did_not_pass_decides_anything(kind, located):
    first = page(kind, evidence=noise(defaced=0, located=located))
    assert first == page(kind, evidence=noise(defaced=1, located=located))


def test_pixels_of_a_defaced_head_that_passed_are_shown():
    assert page("pass", evidence=noise(defaced=0)) != page("pass", evidence=noise(defaced=1))


@pytest.mark.parametrize("kind", FACE_VERDICTS)
def test_with_faces_the_pixels_of_both_are_shown(kind):
    first = page(kind, evidence=noise(), with_faces=True)
    assert first != page(kind, evidence=noise(original=1), with_faces=True)
    assert first != page(kind, evidence=noise(defaced=1), with_faces=True)


def test_a_brain_that_was_cut_does_not_open_a_face_that_stayed():
    first, second = (page("fail", brain_ml=9.0, evidence=noise(defaced=seed)) for seed in (0, 1))
    assert first == second


@pytest.mark.parametrize("kind", ["review", "fail"])
def test_no_picture_is_left_of_a_head_that_did_not_pass(kind, tmp_path):
    write_scan(draw_scan(assessment(kind)), tmp_path, "sub-01_T1w")
    assert [file.name for file in tmp_path.iterdir()] == ["sub-01_T1w.html"]


def test_a_picture_depends_on_the_defaced_head_alone():
    seen = (noise(), noise(original=1), noise(defaced=1))
    first, other_original, other_defaced = (
        draw_scan(assessment("pass", evidence=evidence)).picture for evidence in seen
    )
    assert first == other_original
    assert first != other_defaced


def test_the_record_holds_no_picture(failed):
    found, _ = failed
    assert found.features.evidence is not None
    assert len(found.to_json()) < 20 * KILOBYTE
    assert "evidence" not in found.to_json()


def test_only_the_mean_head_and_two_slices_are_in_the_page_of_a_real_failure(failed, tmp_path):
    found, _ = failed
    write_report(found, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    shades = {view["shade"].split(",")[1] for view in head_views()["views"].values()}
    others = [data for data in pictures(html) if base64.b64encode(data).decode() not in shades]
    assert len(others) == 2
    brain = [np.asarray(Image.open(io.BytesIO(data)))[:, :, 3] > 0 for data in others]
    sections = found.features.evidence.sections
    for seen, section in zip(brain, sections, strict=True):
        assert seen.mean() == pytest.approx(section.shown.mean(), abs=0.02)
        assert not section.shown.all()


def test_a_path_stands_nowhere(failed, tmp_path):
    found, _ = failed
    for with_faces in (False, True):
        write_report(found, tmp_path / "report.html", with_faces=with_faces)
        html = (tmp_path / "report.html").read_text()
        assert str(found.features.evidence.original_path.parent) not in html
        assert str(tmp_path) not in html
    assert "nowhere" not in page("pass")


def test_a_page_with_faces_is_its_owners_alone(tmp_path):
    target = tmp_path / "report.html"
    write_report(assessment("pass"), target)
    assert stat.S_IMODE(target.stat().st_mode) & 0o044
    write_report(assessment("fail"), target, with_faces=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    write_scan(draw_scan(assessment("fail"), with_faces=True), tmp_path, "sub-01_T1w")
    for name in ("sub-01_T1w.html", "figures/sub-01_T1w.webp"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_nothing_else_is_left_beside_a_page(tmp_path):
    write_report(assessment("pass"), tmp_path / "report.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("report", "original", "defaced", "refused"),
    [
        ("release/report.html", "raw/a.nii.gz", "release/sub-01/anat/a.nii.gz", True),
        ("release/derivatives/qa/report.html", "raw/a.nii.gz", "release/sub-01/anat/a.nii.gz", True),
        ("qa/report.html", "raw/a.nii.gz", "release/sub-01/anat/a.nii.gz", False),
        ("raw/report.html", "raw/a.nii.gz", "release/sub-01/anat/a.nii.gz", False),
        ("both/sub-01/report.html", "both/sourcedata/a.nii.gz", "both/sub-01/a.nii.gz", True),
        ("both/derivatives/qa/report.html", "both/sourcedata/a.nii.gz", "both/sub-01/a.nii.gz", False),
        ("both/derivatives", "both/sourcedata/a.nii.gz", "both/sub-01/a.nii.gz", True),
        ("plain/out/report.html", "elsewhere/a.nii.gz", "plain/out/a.nii.gz", True),
        ("plain/report.html", "elsewhere/a.nii.gz", "plain/out/a.nii.gz", False),
        ("plain/report.html", "plain/a.nii.gz", "plain/b.nii.gz", False),
        ("release/../qa/report.html", "raw/a.nii.gz", "release/a.nii.gz", False),
        ("link/report.html", "raw/a.nii.gz", "release/a.nii.gz", True),
    ],
)
def test_no_page_is_written_into_the_data_set_to_be_released(tmp_path, report, original, defaced, refused):
    (tmp_path / "qa").mkdir()
    for place in ("raw", "plain/out", "both/sub-01", "both/derivatives/qa", "release/derivatives/qa"):
        (tmp_path / place).mkdir(parents=True)
    for dataset in ("release", "both"):
        (tmp_path / dataset / "dataset_description.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "release")
    places = [tmp_path / place for place in (report, original, defaced)]
    if not refused:
        check_place(*places)
        return
    with pytest.raises(OutputError, match=r"data set to be released.*Give another folder\.") as caught:
        check_place(*places)
    assert str(tmp_path) not in str(caught.value)


def test_a_page_in_a_folder_that_is_not_there_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(OutputError, match=r"^The folder .* is not there; make it, or give another one\.$"):
        write_report(assessment("pass"), tmp_path / "no" / "report.html")


def test_writing_into_the_released_data_set_leaves_nothing_behind(failed, files):
    found, _ = failed
    (files / "dataset_description.json").write_text("{}")
    before = sorted(files.iterdir())
    try:
        with pytest.raises(OutputError):
            write_report(found, files / "report.html")
        assert sorted(files.iterdir()) == before
    finally:
        (files / "dataset_description.json").unlink()


@pytest.mark.parametrize("with_faces", [False, True])
@pytest.mark.parametrize("kind", ["pass", "fail"])
def test_what_was_drawn_is_known_again_until_anything_is_otherwise(kind, with_faces, tmp_path):
    found, name = assessment(kind), "sub-01_T1w"
    record = json.loads(found.to_json())
    assert not is_drawn(record, tmp_path, name, with_faces=with_faces)
    write_scan(draw_scan(found, with_faces=with_faces), tmp_path, name)
    assert is_drawn(record, tmp_path, name, with_faces=with_faces)
    assert not is_drawn(record, tmp_path, name, with_faces=not with_faces)
    assert not is_drawn(record | {"reasons": ["another"]}, tmp_path, name, with_faces=with_faces)
    write_report_from_record(record, tmp_path / f"{name}.html")
    assert not is_drawn(record, tmp_path, name, with_faces=with_faces)


def test_a_page_whose_picture_is_gone_is_not_whole(tmp_path):
    found = assessment("pass")
    write_scan(draw_scan(found), tmp_path, "sub-01_T1w")
    (tmp_path / "figures" / "sub-01_T1w.webp").unlink()
    assert not is_drawn(found.as_dict(), tmp_path, "sub-01_T1w", with_faces=False)


# ---- what it says


@pytest.mark.parametrize("kind", FACE_VERDICTS)
def test_a_page_says_what_the_record_says(kind):
    found = assessment(kind, brain_ml=9.0, method="plate")
    html = page(kind, brain_ml=9.0, method="plate")
    record = json.loads(found.to_json())
    for reason in record["reasons"]:
        assert reason[1:] in html
    assert record["inputs"]["defaced"]["sha256"] in html
    assert record["model"]["sha256"] in html
    assert "plate" in html
    assert "This is not anonymity" in html


def test_a_brain_that_was_not_found_is_said_in_the_place_of_its_slices():
    html = page("review", brain_ml=math.nan, evidence=replace(noise(), sections=()))
    assert "Not shown: the brain was not found, so it was not judged." in html
    assert "mask" not in html.partition('id="slices"')[2].partition("</section>")[0]


def test_the_record_alone_gives_the_same_page_without_pictures(tmp_path):
    found = assessment("pass")
    write_report_from_record(json.loads(found.to_json()), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert html == scan_page(found.as_dict(), None)
    assert len(pictures(html)) == 3


def test_every_region_has_its_share_in_words_as_well_as_colour():
    data = scan_data(assessment("fail").as_dict(), None)
    eye = next(row for row in data["regions"] if row["name"] == "left_eye")
    assert (eye["percent"], eye["grade"]) == ("93 %", "still there")
    ear = next(row for row in data["regions"] if row["name"] == "left_ear")
    assert not ear["asked"]


def test_contributions_add_up_to_the_log_odds():
    found = assessment("fail")
    shares = scan_data(found.as_dict(), None)["shares"]
    assert float(shares["total"]) == pytest.approx(found.model.log_odds(found.features.values), abs=0.01)
    parts = sum(row["value"] for row in shares["rows"]) + float(shares["bias"])
    assert parts == pytest.approx(float(shares["total"]), abs=0.02)


def test_a_value_outside_the_training_range_is_marked():
    record = assessment("pass").as_dict()
    assert not any(row["outside"] for row in scan_data(record, None)["ranges"])
    record["features"]["residual_nose"] = 99.0
    marked = [row["name"] for row in scan_data(record, None)["ranges"] if row["outside"]]
    assert marked == ["residual_nose"]


def test_names_of_files_and_methods_are_text_and_never_code():
    bad = "<script>alert(1)<script>\"'><img src=x onerror=alert(1)>.nii.gz"
    html = page("pass", name=bad, method=bad)
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_page_needs_nothing_from_anywhere():
    html = page("fail", with_faces=True)
    links = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', html)
    assert links == []
    assert "url(http" not in html
    assert "@import" not in html


@pytest.mark.parametrize("kind", FACE_VERDICTS)
def test_a_page_is_small(kind):
    assert len(page(kind)) < 1.5 * 1024 * KILOBYTE


def test_a_real_page_costs_little_beside_the_judgement(failed, tmp_path):
    found, seconds = failed
    times = []
    for _ in range(3):
        start = time.perf_counter()
        write_report(found, tmp_path / "report.html")
        times.append(time.perf_counter() - start)
    assert min(times) <= 0.15 * seconds
    assert (tmp_path / "report.html").stat().st_size < 1.5 * 1024 * KILOBYTE


@pytest.mark.parametrize(
    ("share", "words"), [(None, "–"), (0.0, "0 %"), (0.001, "< 1 %"), (0.999, "> 99 %"), (1.0, "100 %")]
)
def test_a_percentage_is_never_rounded_to_nothing_or_all(share, words):
    assert percent(share) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "mL", "–"), (0.0, "mL", "0 mL"),
        (8.0364, "mL", "8.04 mL"), (0.7481, "1", "0.748"), (1234.5, "mL", "1234 mL"),
    ],
)
def test_a_number_has_about_three_digits_and_its_unit(value, unit, words):
    assert number(value, unit) == words


def test_colours_grow_darker_with_what_is_left_and_unknown_is_hatched():
    colours = [region_colour("nose", share) for share in (0.26, 0.5, 0.8, 1.0)]
    light = [sum(bytes.fromhex(colour[1:])) for colour in colours]
    assert light == sorted(light, reverse=True)
    assert region_colour("nose", None) == UNKNOWN
    assert len({region_colour("nose", share) for share in (0.0, 0.1, 0.3, 1.0)}) == 4
    assert all(region_colour(name, 1.0) != region_colour("nose", 1.0) for name in BESIDE_REGIONS)


@pytest.mark.parametrize("kind", FACE_VERDICTS)
def test_one_place_decides_what_may_be_seen(kind):
    record = assessment(kind).as_dict()
    assert may_be_seen(record, with_faces=False).original is False
    assert may_be_seen(record, with_faces=False).defaced is (kind == "pass")
