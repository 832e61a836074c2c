"""Learning from one's own pairs: merged with the shipped table, compared on people nobody had seen."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from test_training import COLUMNS, SMALL, Row, made_up_rows, write_table

from defaceqa.errors import LabelError
from defaceqa.labels import Label, write_labels
from defaceqa.model import Model, load_model
from defaceqa.training import read_table, train
from defaceqa.training.own import Comparison, check_no_person_twice, compare, consensus, merge


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    folder = tmp_path_factory.mktemp("shipped")
    table = write_table(folder / "training.tsv", made_up_rows(people=16))
    return table, load_model(train(table, folder, "lenient", beside={}, **SMALL).folder)


def own_rows(people: int = 14, seed: int = 9, *, contrary: bool = False) -> list[Row]:
    """Pairs of people the shipped model has not seen; contrary labels follow another rule than the shipped table's."""
    rows = made_up_rows(people=people, seed=seed)
    for number, row in enumerate(rows):
        row |= {"subject": f"my-{row['subject']}", "head_id": f"my-{row['head_id']}", "pair": f"pair{number}"}
        if contrary:
            row["label_lenient"] = str(int(float(row["residual_nose"]) > 0.8))
        rows[number] = row
    return rows


def rater(pair: str, who: str, lenient: int | None, *, source: str = "rater", excluded: str = "") -> Label:
    return Label(pair, "my-s00", "a", who, source, lenient, None, None, excluded)


def test_own_pairs_join_the_shipped_table_and_few_of_them_bring_a_warning(
    shipped: tuple[Path, Model], tmp_path: Path
) -> None:
    own = write_table(tmp_path / "own.tsv", own_rows(people=5))
    [warning] = merge(own, shipped[0], tmp_path / "out" / "training.tsv")
    table = read_table(tmp_path / "out" / "training.tsv", "lenient", COLUMNS)
    assert len(table.labels) == 16 * 8 + 5 * 8
    assert "only 40 own pairs; with fewer than 100" in warning


def test_labels_of_people_win_and_weigh_more(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    rows = own_rows(people=2)
    labels = [
        Label(row["pair"], row["subject"], "", "anna", "rater", 1 - int(row["label_lenient"]), None, None)
        for row in rows[:10]
    ]
    write_labels(labels, tmp_path / "labels.tsv")
    own = write_table(tmp_path / "own.tsv", rows)
    notices = merge(own, shipped[0], tmp_path / "merged.tsv", tmp_path / "labels.tsv", weight=4)
    assert notices[0] == "6 of 16 measured pairs have no label and are left out"
    with (tmp_path / "merged.tsv").open(newline="") as stream:
        merged = [row for row in csv.DictReader(stream, delimiter="\t") if row["subject"].startswith("my-")]
    assert [row["weight"] for row in merged] == ["4"] * 10
    assert [row["label_lenient"] for row in merged] == [str(label.label_lenient) for label in labels]


def test_what_raters_settled_counts_before_the_majority_and_ties_are_not_judged() -> None:
    found = consensus(
        [
            rater("a", "anna", 0), rater("a", "ben", 1), rater("a", "both", 1, source="consensus"),
            rater("b", "anna", 0), rater("b", "ben", 1),
            rater("c", "anna", 0), rater("c", "anna", 1),
            rater("d", "anna", None, excluded="motion"), rater("d", "ben", 1),
            rater("e", "anna", 1), rater("e", "ben", 1), rater("e", "cara", 0),
        ]
    )  # fmt: skip
    assert {pair: label.label_lenient for pair, label in found.items()} == {"a": 1, "c": 1, "e": 1}


def test_a_model_that_learnt_the_users_own_rule_is_called_better(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.tsv", own_rows(contrary=True))
    merge(own, shipped[0], tmp_path / "merged.tsv")
    found = compare(tmp_path / "merged.tsv", own, shipped[1], "lenient", n_folds=3)
    assert (found.pairs, found.subjects) == (112, 14)
    assert found.auroc_difference[0] > 0
    assert "the new model is better than the shipped one" in found.verdict


def test_more_of_the_same_is_not_called_better(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.tsv", own_rows())
    merge(own, shipped[0], tmp_path / "merged.tsv")
    found = compare(tmp_path / "merged.tsv", own, shipped[1], "lenient", n_folds=3)
    assert "is not shown to be better or worse" in found.verdict


def test_own_pairs_of_one_label_are_compared_by_their_brier_score() -> None:
    nan = float("nan")
    found = Comparison(20, 4, nan, nan, (nan, nan), (-0.2, -0.1))
    assert found.verdict == (
        "On 20 own pairs of 4 people the new model is better than the shipped one "
        "(gain in Brier score +0.100 to +0.200, 95 % interval over people)."
    )


def test_a_person_of_the_shipped_table_is_refused(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.tsv", made_up_rows(people=2, seed=3))
    with pytest.raises(LabelError, match="Subject s00 is in the shipped table"):
        merge(own, shipped[0], tmp_path / "merged.tsv")
    assert not (tmp_path / "merged.tsv").exists()


def test_one_scan_under_two_names_is_refused() -> None:
    row = {"head_id": "h1", "subject": "anna", "fsim_mean": "0.93", "ssim_mean": "0.8", "head_removed_ml": "401.25"}
    twin = row | {"head_id": "h2", "subject": "ben", "masd_face_mm": "7.25"}
    with pytest.raises(LabelError, match="under two people, anna and ben"):
        check_no_person_twice([row | {"masd_face_mm": "7.25"}, twin])
    untouched = {"fsim_mean": "1", "ssim_mean": "1", "head_removed_ml": "0", "masd_face_mm": "0"}
    check_no_person_twice([row | untouched, twin | untouched])


def test_labels_of_other_pairs_are_refused(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    write_labels([rater("nowhere", "anna", 1)], tmp_path / "labels.tsv")
    own = write_table(tmp_path / "own.tsv", own_rows(people=2))
    with pytest.raises(LabelError, match=r"No pair of labels\.tsv is in own\.tsv"):
        merge(own, shipped[0], tmp_path / "merged.tsv", tmp_path / "labels.tsv")


def test_one_own_person_cannot_be_compared(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.tsv", own_rows(people=1))
    merge(own, shipped[0], tmp_path / "merged.tsv")
    with pytest.raises(LabelError, match="show 1 person; a comparison needs at least two"):
        compare(tmp_path / "merged.tsv", own, shipped[1], "lenient")


def test_equal_seeds_give_equal_comparisons(shipped: tuple[Path, Model], tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.tsv", own_rows(people=4))
    merge(own, shipped[0], tmp_path / "merged.tsv")
    first, again = (compare(tmp_path / "merged.tsv", own, shipped[1], "lenient", n_folds=2) for _ in range(2))
    assert first == again
    assert np.isfinite(first.auroc_new)
