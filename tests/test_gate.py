"""One answer for a whole table: what a pipeline branches on."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from defaceqa.batch import open_gate
from defaceqa.batch.gate import LISTED
from defaceqa.errors import InputError


def table_of(folder, *verdicts):
    """A group table with a row for each verdict."""
    folder.mkdir(exist_ok=True)
    lines = ["\t".join(LISTED)]
    for number, verdict in enumerate(verdicts, start=1):
        name = f"sub-{number:02d}"
        lines.append("\t".join([f"{name}_T1w", name[4:], "n/a", "n/a", verdict, *["n/a"] * (len(LISTED) - 5)]))
    table = folder / "group_T1w.tsv"
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.mark.parametrize(
    ("verdicts", "options", "code"),
    [
        (["pass", "pass"], {}, 0),
        (["pass", "review"], {}, 3),
        (["pass", "review"], {"fail_on": "fail"}, 0),
        (["pass", "review"], {"max_fail": 1}, 0),
        (["pass", "fail"], {"fail_on": "fail"}, 1),
        (["fail", "fail", "pass"], {"max_fail": 1}, 1),
        (["fail", "fail", "pass"], {"max_fail": 2}, 0),
        (["fail", "review"], {"max_fail": 1}, 1),
        (["pass", "n/a"], {}, 2),
        (["pass", "n/a"], {"fail_on": "fail", "max_fail": 9}, 2),
        (["fail", "n/a"], {}, 2),
    ],
)
def test_the_exit_code_and_the_file_say_the_same(tmp_path, verdicts, options, code):
    gate = open_gate(table_of(tmp_path, *verdicts), **options)
    assert gate.exit_code == code
    assert gate.passed_file == tmp_path / "group_T1w_pass.txt"
    assert gate.passed_file.read_text() == ("true\n" if code == 0 else "false\n")


def test_what_to_look_at_is_listed_worst_first(tmp_path):
    gate = open_gate(table_of(tmp_path, "review", "pass", "fail", "n/a", "fail"))
    with gate.look_file.open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["bids_name"] for row in rows] == ["sub-04_T1w", "sub-03_T1w", "sub-05_T1w", "sub-01_T1w"]


def test_each_scan_gets_its_own_answer_beside_its_record(tmp_path):
    open_gate(table_of(tmp_path, "pass", "review", "fail", "n/a"))
    found = {path.name[:6]: path.read_text() for path in tmp_path.glob("sub-*/anat/*_desc-defaceqa_T1w_pass.txt")}
    assert found == {"sub-01": "true\n", "sub-02": "false\n", "sub-03": "false\n", "sub-04": "false\n"}
    open_gate(table_of(tmp_path, "pass", "review"), fail_on="fail")
    assert (tmp_path / "sub-02/anat/sub-02_desc-defaceqa_T1w_pass.txt").read_text() == "true\n"


def test_answers_may_go_elsewhere_and_single_ones_be_left_out(tmp_path):
    table = table_of(tmp_path / "in", "pass")
    open_gate(table, out=tmp_path / "out", each=False)
    assert {path.name for path in (tmp_path / "out").rglob("*")} == {"group_T1w_pass.txt", "group_T1w_look.tsv"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["group_T1w.tsv"]


def test_an_empty_table_is_not_waved_through(tmp_path):
    with pytest.raises(InputError, match="holds no scan"):
        open_gate(table_of(tmp_path))
    assert not (tmp_path / "group_T1w_pass.txt").exists()


@pytest.mark.parametrize(
    "text", ["a\tb\n1\t2\n", "bids_name\tverdict\nsub-01_T1w\n", "bids_name\tverdict\nx\tPASS\n", ""]
)
def test_a_table_nobody_understands_is_refused(tmp_path, text):
    table = tmp_path / "group_T1w.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match="group_T1w"):
        open_gate(table)
    assert not (tmp_path / "group_T1w_pass.txt").exists()


def test_an_answer_from_before_does_not_outlive_a_table_that_cannot_be_read(tmp_path):
    open_gate(table_of(tmp_path, "pass"))
    (tmp_path / "group_T1w.tsv").write_text("bids_name\tverdict\nsub-01_T1w\n")
    with pytest.raises(InputError):
        open_gate(tmp_path / "group_T1w.tsv")
    assert (tmp_path / "group_T1w_pass.txt").read_text() == "false\n"


def test_the_command_prints_one_line_and_ends_with_the_code(tmp_path):
    table = table_of(tmp_path, "pass", "fail")
    command = [sys.executable, "-m", "defaceqa", "gate", str(table), "--fail-on", "fail", "--max-fail", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == (
        "2 scans: 1 pass, 0 review, 1 fail, 0 not judged. The data set may not go through; see group_T1w_look.tsv.\n"
    )
