"""Methods compared on the same subjects: the figures against numbers worked out elsewhere."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from defaceqa.batch import as_tsv, compare
from defaceqa.batch.comparison import holm, mcnemar, mean_over_subjects, share
from defaceqa.batch.comparison_plot import plot
from defaceqa.cli import commands
from defaceqa.errors import InputError

COLUMNS = ("bids_name", "subject", "method", "verdict", "brain", "brain_removed_ml", "residual_eyes", "residual_nose")


def table_of(folder, rows, method="n/a"):
    """A group table: verdict, brain, mL and residuals of subjects 01, 02 ..."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "group_T1w.tsv"
    lines = ["\t".join(COLUMNS)]
    for number, (verdict, brain, lost, eyes, nose) in enumerate(rows, start=1):
        name = f"sub-{number:02d}"
        cells = (f"{name}_T1w", name[4:], method, verdict, brain, lost, eyes, nose)
        lines.append("\t".join(map(str, cells)))
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.fixture
def tables(tmp_path):
    good = [("pass", "pass", 1.0, 0.0, 0.0)] * 7 + [("fail", "pass", 1.0, 0.9, 0.0), ("review", "pass", 2.0, 0.3, 0.1)]
    poor = [("fail", "fail", 9.0, 0.1, 0.2)] * 5 + [("pass", "pass", 3.0, 0.0, 0.0)] * 4
    broken = ("n/a", "n/a", "n/a", "n/a", "n/a")
    return [table_of(tmp_path / "pydeface", [*good, broken]), table_of(tmp_path / "quickshear", [*poor, poor[-1]])]


def test_rates_are_of_judged_scans_with_wilson_intervals(tables):
    first, second = compare(tables).methods
    assert (first["method"], first["subjects"], first["scans"], first["not_judged"]) == ("pydeface", 10, 10, 1)
    assert first["pass"] == pytest.approx(7 / 9)
    # Wilson's formula by hand: n = 9, x = 7, z = 1.95996.
    z, n, p = 1.959964, 9, 7 / 9
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (first["pass_low"], first["pass_high"]) == pytest.approx(
        ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)), abs=1e-5
    )
    assert (first["fail"], first["review"]) == pytest.approx((1 / 9, 1 / 9))
    assert (second["brain_cut"], second["brain_removed_ml_median"]) == (0.5, 6.0)
    assert first["residual_eyes"] == pytest.approx(1.2 / 9)
    assert first["residual_eyes_low"] < first["residual_eyes"] < first["residual_eyes_high"]


def test_two_methods_are_compared_on_the_scans_both_did(tables):
    (pair,) = compare(tables).pairs
    assert (pair["first"], pair["second"], pair["scans"]) == ("pydeface", "quickshear", 9)
    assert (pair["only_first_passes"], pair["only_second_passes"]) == (5, 2)
    assert pair["pass_difference"] == pytest.approx(3 / 9)
    assert pair["mcnemar_p"] == pytest.approx(2 * (21 + 7 + 1) / 128)  # binomial with 7 trials, 5 or more, both sides
    assert pair["mcnemar_p_holm"] == pair["mcnemar_p"]
    assert pair["brain_removed_ml_difference"] == pytest.approx((5 * -8 + 3 * -2 + -1) / 9)
    assert pair["brain_removed_ml_difference_high"] < 0


def test_a_method_in_the_column_is_taken_out_of_the_name(tmp_path):
    table = tmp_path / "group_T1w.tsv"
    lines = ["\t".join(COLUMNS)]
    for method, verdict in (("pydeface 2", "pass"), ("quickshear", "fail")):
        name = f"sub-01_rec-normed{method.replace(' ', '')}_T1w"
        lines.append("\t".join([name, "01", method, verdict, "n/a", "n/a", "0", "0"]))
    table.write_text("\n".join(lines) + "\n")
    comparison = compare([table])
    assert comparison.pairs[0]["scans"] == 1
    assert comparison.scans["quickshear"][0].key == "sub-01_rec-normed_T1w"
    assert math.isnan(comparison.methods[0]["brain_cut"])


def test_several_scans_of_one_person_are_resampled_together_and_get_no_mcnemar():
    values = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    _, alone = mean_over_subjects(values, list("abcdef"))
    _, together = mean_over_subjects(values, list("aabbcc"))
    assert together[1] - together[0] > alone[1] - alone[0]
    assert all(map(math.isnan, mean_over_subjects(values, ["a"] * 6)[1]))


def test_small_pieces_of_arithmetic():
    assert share(0, 0)[0] != share(0, 0)[0]
    assert share(5, 5)[1] == pytest.approx((0.5655, 1.0), abs=1e-4)
    assert mcnemar(0, 0) == 1
    assert mcnemar(10, 0) == pytest.approx(2 / 1024)
    assert holm([0.01, math.nan, 0.04, 0.03])[0] == pytest.approx(0.03)
    assert holm([0.01, math.nan, 0.04, 0.03])[2:] == pytest.approx([0.06, 0.06])


def test_one_method_or_a_scan_twice_is_refused(tables, tmp_path):
    with pytest.raises(InputError, match="two methods or more"):
        compare(tables[:1])
    with pytest.raises(InputError, match="sub-01_T1w occurs twice under the method pydeface"):
        compare([tables[0], tables[0]])


def test_tables_text_and_picture_from_the_command_line(tables, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [*map(str, tables), "--out", str(out), "--plot", str(tmp_path / "methods.png")]
    assert commands.main(["compare", *arguments], standalone_mode=False) == 0
    said = capsys.readouterr().out
    assert "78 (45–94)" in said
    assert "pydeface − quickshear" in said
    with (out / "compare_methods.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["method"] for row in rows] == ["pydeface", "quickshear"]
    assert float(rows[1]["brain_cut"]) == 0.5
    assert (out / "compare_pairs.tsv").read_text() == as_tsv(compare(tables).pairs)
    assert (tmp_path / "methods.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".*"))


def test_a_picture_of_an_unknown_kind_is_refused(tables, tmp_path):
    with pytest.raises(InputError, match=r"methods\.bmp"):
        plot(compare(tables), tmp_path / "methods.bmp")
