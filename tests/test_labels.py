"""The label table and the agreement of raters."""

from pathlib import Path

import pytest

from defaceqa.errors import LabelError
from defaceqa.labels import (
    COLUMNS,
    Label,
    cohens_kappa,
    free_marginal_kappa,
    latest,
    percent_agreement,
    read_labels,
    write_labels,
)


def label(**changes: object) -> Label:
    plain = Label("p1", "s1", "pydeface", "rater A", "rater", 0, 1, None, "", "2026-01-01T00:00:00Z")
    return Label(**{**plain.__dict__, **changes})


def table(tmp_path: Path, **changes: str) -> Path:
    cells = dict.fromkeys(COLUMNS, "") | {"pair": "p", "subject": "s", "rater": "r", "source": "rater"} | changes
    path = tmp_path / "labels.tsv"
    path.write_text("\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n")
    return path


def test_a_label_table_reads_back_as_written(tmp_path: Path) -> None:
    labels = [label(), label(pair="p2", label_lenient=None, label_strict=None, excluded="head cut off")]
    write_labels(labels, tmp_path / "labels.tsv")
    assert read_labels(tmp_path / "labels.tsv") == labels
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tsv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_lenient": "2"}, "line 2, label_lenient: unknown label '2'"),
        ({"label_strict": "yes"}, "unknown label 'yes'"),
        ({"label_strict": "0", "label_lenient": "1"}, "one must be wrong"),
        ({"source": "guess"}, "unknown source 'guess'"),
        ({"subject": ""}, "subject is empty"),
        ({"excluded": "no face", "label_strict": "1"}, "excluded"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_with_its_line(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        read_labels(table(tmp_path, **changes))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("pair\tsubject\np\ts\n")
    with pytest.raises(LabelError, match="lacks the column 'method'"):
        read_labels(path)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none\.tsv cannot be read"):
        read_labels(tmp_path / "none.tsv")


def test_the_last_word_of_each_rater_counts() -> None:
    rows = [label(label_lenient=0), label(rater="rater B"), label(label_lenient=1)]
    assert [(row.rater, row.label_lenient) for row in latest(rows)] == [("rater A", 1), ("rater B", 0)]


def test_kappa_of_a_worked_example() -> None:
    # Cohen's 2 x 2 example: 20 both yes, 15 both no, 5 and 10 apart: agreement 0.7, chance 0.5, kappa 0.4.
    ratings = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    assert percent_agreement(ratings) == pytest.approx(0.7)
    assert cohens_kappa(ratings) == pytest.approx(0.4)
    assert free_marginal_kappa(ratings) == pytest.approx(0.4)


def test_kappa_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    ratings = [(1, 1), (1, 0), (0, 0), (0, 0), (1, 1), (0, 1), (0, 0), (1, 1), (1, 0)]
    first, second = zip(*ratings, strict=True)
    assert cohens_kappa(ratings) == pytest.approx(cohen_kappa_score(first, second))


def test_free_marginal_kappa_takes_three_raters() -> None:
    # Two items agree fully, one has one pair of three agreeing: (1 + 1 + 1/3) / 3 = 7/9.
    assert free_marginal_kappa([(1, 1, 1), (0, 0, 0), (0, 1, 1)]) == pytest.approx((7 / 9 - 0.5) / 0.5)


def test_kappa_is_undefined_when_both_raters_say_one_thing_only() -> None:
    assert cohens_kappa([(0, 0), (0, 0)]) != cohens_kappa([(0, 0), (0, 0)])


def test_agreement_needs_two_raters() -> None:
    with pytest.raises(LabelError, match="two raters"):
        percent_agreement([(1,)])
    with pytest.raises(LabelError, match="exactly two"):
        cohens_kappa([(1, 1, 0)])
