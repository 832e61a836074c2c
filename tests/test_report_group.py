"""The page of a data set: read from records and tables alone, worst first, and nobody's face in it."""

from __future__ import annotations

import json
import re
import stat

import pytest
from assessments import assessment
from click.testing import CliRunner

from defaceqa.cli import commands
from defaceqa.errors import InputError
from defaceqa.report import draw_scan, write_group_report, write_scan
from defaceqa.report.group import group_data, interval
from defaceqa.report.scans import read_scans, scan_name

KINDS = {"01": ("pass", "plate"), "02": ("fail", "plate"), "03": ("review", "shear"), "04": ("pass", "shear")}


@pytest.fixture
def folder(tmp_path):
    """Results of a run: four records, a table that also names a scan that could not be judged."""
    place = tmp_path / "my run"
    lines = ["bids_name\tsubject\tsite\tverdict\terror"]
    for subject, (kind, method) in KINDS.items():
        anat = place / f"sub-{subject}" / "anat"
        anat.mkdir(parents=True)
        found = assessment(kind, method=method, seed=int(subject))
        (anat / f"sub-{subject}_desc-defaceqa_T1w.json").write_text(found.to_json())
        lines.append(f"sub-{subject}_T1w\t{subject}\tLeipzig\t{found.verdict.verdict}\tn/a")
    lines.append("sub-05_T1w\t05\tDresden\tn/a\tThe file is <truncated>; copy it again.")
    (place / "group_T1w.tsv").write_text("\n".join(lines) + "\n")
    (place / "group_T1w.json").write_text(json.dumps({"verdict": {"Description": "no record"}}))
    (place / "dataset_description.json").write_text(json.dumps({"Name": "DefaceQA"}))
    return place


def data_of(folder, **how):
    return group_data(read_scans(folder), folder, **how)


def test_records_and_table_become_one_row_a_scan(folder):
    scans = read_scans(folder)
    assert [scan.name for scan in scans] == [f"sub-0{number}_T1w" for number in (1, 2, 3, 4, 5)]
    assert [scan.verdict for scan in scans] == ["pass", "fail", "review", "pass", "error"]
    assert {scan.site for scan in scans} == {"Leipzig", "Dresden"}
    assert scans[4].reason == "The file is <truncated>; copy it again."


def test_a_table_without_records_is_enough(folder):
    table = "bids_name\tverdict\tface_verdict\tprobability\tresidual_worst\nsub-07_T2w\tfail\tfail\t0.97\t0.8\n"
    (folder / "group_T2w.tsv").write_text(table)
    pages = write_group_report(folder)
    assert [page.name for page in pages] == ["group_T1w.html", "group_T2w.html"]
    html = pages[1].read_text()
    assert "97 %" in html
    assert "80 %" in html
    assert "sub-01" not in html


def test_the_worst_come_first_and_the_queue_holds_what_needs_a_person(folder):
    data = data_of(folder)
    assert [row["verdict"] for row in data["rows"]] == ["fail", "error", "review", "pass", "pass"]
    assert {row["name"] for row in data["queue"]} == {"sub-03_T1w", "sub-05_T1w"}
    html = write_group_report(folder)[0].read_text()
    assert html.index('id="queue"') < html.index('id="methods"') < html.index('id="sheet"')


def test_counts_by_method_leave_out_what_was_not_judged_and_carry_intervals(folder):
    methods = {method["method"]: method for method in data_of(folder)["methods"]}
    assert methods["plate"]["judged"] == 2
    assert [share["count"] for share in methods["plate"]["shares"]] == [1, 0, 1]
    assert methods["plate"]["shares"][0]["interval"] == "9–91 %"
    assert methods["not told"]["judged"] == 0
    assert methods["not told"]["errors"] == 1
    assert methods["not told"]["shares"][0]["interval"] == ""


def test_the_interval_is_wilsons():
    low, high = interval(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_every_judged_scan_can_be_clicked_and_its_page_is_there(folder):
    html = write_group_report(folder)[0].read_text()
    links = set(re.findall(r'href="([^"#]+\.html)"', html))
    assert links == {f"sub-{subject}_T1w.html" for subject in KINDS}
    assert all((folder / link).is_file() for link in links)


def test_a_page_with_pictures_is_kept_until_its_scan_is_judged_anew(folder):
    page = folder / "sub-01_T1w.html"
    write_scan(draw_scan(assessment("pass", method="plate", seed=1)), folder, "sub-01_T1w")
    with_pictures = page.read_text()
    write_group_report(folder)
    assert page.read_text() == with_pictures
    record = folder / "sub-01" / "anat" / "sub-01_desc-defaceqa_T1w.json"
    record.write_text(assessment("fail", method="plate", seed=1).to_json())
    write_group_report(folder)
    assert page.read_text() != with_pictures
    assert ">fail<" in page.read_text()


def test_a_picture_goes_when_it_may_not_be_seen_any_more(folder):
    picture = folder / "figures" / "sub-01_T1w.webp"
    write_scan(draw_scan(assessment("fail"), with_faces=True), folder, "sub-01_T1w")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    write_scan(draw_scan(assessment("fail")), folder, "sub-01_T1w")
    assert not picture.exists()
    write_scan(draw_scan(assessment("pass")), folder, "sub-01_T1w")
    assert picture.exists()


def test_a_record_without_a_verdict_is_a_scan_that_could_not_be_judged(folder):
    record = {"schema_version": "1.0", "bids_name": "sub-09_T1w", "subject": "09", "method": "shear", "verdict": None,
              "error": "No image."}  # fmt: skip
    (folder / "sub-09_desc-defaceqa_T1w.json").write_text(json.dumps(record))
    scan = read_scans(folder)[-1]
    assert (scan.name, scan.verdict, scan.method, scan.reason) == ("sub-09_T1w", "error", "shear", "No image.")
    assert "No image." in write_group_report(folder)[0].read_text()


def test_a_table_as_batch_writes_it_is_understood(folder):
    table = (
        "bids_name\tsubject\tsession\tmethod\tverdict\tface\tface_probability\tbrain\treasons\terror\n"
        "sub-1_ses-2_T2w\t1\t2\tshear\treview\tpass\t0.02\tn/a\tno \"brain\" mask; nose gone\tn/a\n"
    )
    (folder / "group_T2w.tsv").write_text(table)
    row = next(scan for scan in read_scans(folder) if scan.suffix == "T2w")
    assert (row.subject, row.session, row.method, row.verdict) == ("1", "2", "shear", "review")
    assert (row.face_verdict, row.brain_verdict, row.number("probability")) == ("pass", "", 0.02)
    assert row.reason == 'no "brain" mask'


def test_pictures_are_shown_only_of_heads_that_passed(folder):
    for subject, (kind, method) in KINDS.items():
        drawn = draw_scan(assessment(kind, method=method, seed=int(subject)), with_faces=True)
        write_scan(drawn, folder, f"sub-{subject}_T1w")
    plain = write_group_report(folder)[0]
    assert set(re.findall(r'src="(figures[^"]+)"', plain.read_text())) == {
        "figures/sub-01_T1w.webp", "figures/sub-04_T1w.webp"
    }  # fmt: skip
    assert "person’s face" not in plain.read_text()
    faces = write_group_report(folder, with_faces=True)[0]
    assert len(re.findall(r'src="(figures[^"]+)"', faces.read_text())) == 4
    assert "person’s face" in faces.read_text()
    assert stat.S_IMODE(faces.stat().st_mode) == 0o600


def test_the_only_picture_inside_the_page_is_the_mean_head(folder):
    html = write_group_report(folder)[0].read_text()
    assert html.count("data:image/") == 1
    assert str(folder.parent) not in html


def test_words_of_a_table_are_text_and_never_code(folder):
    html = write_group_report(folder)[0].read_text()
    assert "<truncated>" not in html
    assert "&lt;truncated&gt;" in html


def test_a_folder_without_results_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no record of DefaceQA"):
        write_group_report(tmp_path)


def test_the_command_writes_the_page_and_names_it(folder):
    done = CliRunner().invoke(commands, ["report", str(folder)], standalone_mode=False)
    assert done.return_value == 0
    assert done.output.split("\n")[0].endswith("group_T1w.html")
    assert (folder / "group_T1w.html").is_file()


def test_damaged_and_foreign_json_files_are_passed_over(folder):
    (folder / "half.json").write_text('{"schema_version": "1.0", "verd')
    (folder / "list.json").write_text("[1, 2]")
    assert len(read_scans(folder)) == 5


@pytest.mark.parametrize(
    ("file", "name"),
    [("sub-01_desc-defaceqa_T1w.json", "sub-01_T1w"), ("sub-01_T1w.nii.gz", "sub-01_T1w"), ("scan 7.json", "scan 7")],
)
def test_a_scan_is_called_as_its_page(file, name):
    assert scan_name(file) == name
