"""Training on a small made-up table: the same bytes twice, people kept apart, refusals, and honest scores."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defaceqa.errors import LabelError
from defaceqa.features.table import FACE_FEATURES
from defaceqa.model import load_model
from defaceqa.training import PAPER_4, TrainingResult, monotone_directions, read_table, train
from defaceqa.training.artefact import write_folder
from defaceqa.training.calibration import calibrate, fit_sigmoid
from defaceqa.training.candidates import CANDIDATES, Rows, fit, log_odds
from defaceqa.training.folds import check_folds, fold_numbers, grouped_folds
from defaceqa.training.nested import choose
from defaceqa.training.pictures import NO_PICTURES, draw
from defaceqa.training.results import kinds_of_pairs, shipped_kind
from defaceqa.training.selection import select

COLUMNS = (*PAPER_4, "residual_nose", "residual_mouth", "residual_worst", "masd_face_mm")
Row = dict[str, str]


def made_up_rows(people: int = 30, each: int = 8, seed: int = 0) -> list[Row]:
    """Rows in which the residual decides, FSIM and head loss know a little, and each person shifts their features."""
    generator = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        shift = generator.normal(scale=0.03)
        for pair in range(each):
            nose, mouth = generator.beta(0.5, 1.0, size=2)
            worst = max(nose, mouth)
            insufficient = int(worst + generator.normal(scale=0.05) > 0.3)
            values = {
                "fsim_mean": 0.9 + 0.05 * worst + shift + generator.normal(scale=0.03),
                "ssim_mean": 0.85 + 0.05 * worst + shift + generator.normal(scale=0.05),
                "head_removed_fraction": 0.15 - 0.1 * worst + generator.normal(scale=0.04),
                "brain_removed_fraction": abs(generator.normal(scale=0.01)),
                "residual_nose": nose,
                "residual_mouth": float("nan") if generator.random() < 0.1 else mouth,
                "residual_worst": worst,
                "masd_face_mm": 12 * (1 - worst) + generator.normal(),
            }
            rows.append(
                {"subject": f"s{person:02d}", "head_id": f"h{person:02d}", "method": ("a", "b")[pair % 2]}
                | {"outcome": ("good", "part")[insufficient], "settings_hash": "c" * 64, "modality": "T1w"}
                | {"label_lenient": str(insufficient), "label_strict": str(int(worst > 0.1))}
                | {name: "" if np.isnan(value) else f"{value:.6g}" for name, value in values.items()}
            )
    return rows


def write_table(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def tsv(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


SMALL: Mapping[str, Any] = {"kinds": ("lr", "xgb"), "n_outer": 3, "n_inner": 2}
QUICK: Mapping[str, Any] = {"kinds": ("xgb",), "n_outer": 2, "n_inner": 2}


@pytest.fixture(scope="module")
def table_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "training.tsv", made_up_rows())


@pytest.fixture(scope="module")
def result(table_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(table_path, tmp_path_factory.mktemp("models"), "lenient", **SMALL)


def score(result: TrainingResult, features: str, model: str) -> Mapping[str, Any]:
    return next(row for row in result.scores if (row["features"], row["model"]) == (features, model))


# --- what comes out ---


def test_a_trained_model_loads_and_judges(result: TrainingResult) -> None:
    model = load_model(result.folder, settings_hash="c" * 64)
    offered = [name for name in FACE_FEATURES if name in COLUMNS]
    assert model.columns
    assert [name for name in offered if name in model.columns] == list(model.columns)
    assert "residual_worst" in model.columns
    gone = dict.fromkeys(COLUMNS, 0.02) | {"masd_face_mm": 12.0, "fsim_mean": 0.9, "ssim_mean": 0.85}
    there = gone | {"residual_nose": 0.9, "residual_worst": 0.9, "masd_face_mm": 1.0, "fsim_mean": 0.95}
    assert model.probability(gone) < 0.2 < 0.8 < model.probability(there)
    shares = model.contributions(there)
    assert max(shares, key=lambda name: shares[name]) in ("residual_worst", "residual_nose")


def test_the_folder_holds_every_table_and_nothing_half_written(result: TrainingResult) -> None:
    names = sorted(path.name for path in result.folder.iterdir())
    tables = ["breakdown.tsv", "calibration.tsv", "held_out.tsv", "oof.tsv", "scores.tsv", "selection.tsv"]
    pictures = ["calibration.png", "correlation.png", "importance.png", "roc.png"]
    assert names == sorted(["REPORT.md", "card.json", "model.json", *tables, *pictures])


def test_the_shipped_model_beats_the_papers_set_and_the_rules_on_the_same_folds(result: TrainingResult) -> None:
    own = score(result, "defaceqa", "xgb")["auroc_mean"]
    assert own > 0.95
    assert own > score(result, "paper-4", "xgb")["auroc_mean"] + 0.05
    assert own > score(result, "FSIM alone", "rule")["auroc_mean"] + 0.05
    assert [row["model"] for row in result.scores if row["shipped"] == "yes"] == [result.card.kind]


def test_the_interval_of_the_auroc_holds_the_pooled_one(result: TrainingResult) -> None:
    row = score(result, "defaceqa", "xgb")
    assert row["auroc_low"] <= row["auroc_pooled"] <= row["auroc_high"]


def test_out_of_fold_rows_keep_each_person_in_one_fold(result: TrainingResult) -> None:
    rows = tsv(result.folder / "oof.tsv")
    assert len(rows) == 240
    assert all(len({row["fold"] for row in rows if row["subject"] == s}) == 1 for s in {r["subject"] for r in rows})
    assert {row["fold"] for row in rows} == {"1", "2", "3"}


def test_the_stated_miss_rate_is_that_of_the_out_of_fold_table(result: TrainingResult) -> None:
    rows = tsv(result.folder / "oof.tsv")
    cuts = result.card.thresholds
    insufficient = [float(row[f"defaceqa:{result.card.kind}"]) for row in rows if row["label"] == "1"]
    assert np.mean([value <= cuts.low for value in insufficient]) == pytest.approx(cuts.miss_rate)
    assert cuts.miss_rate <= 0.01


def test_the_card_says_what_the_model_has_seen(result: TrainingResult) -> None:
    raw = json.loads((result.folder / "card.json").read_text())
    assert raw["training"]["group_key"] == "subject"
    assert (raw["training"]["rows"], raw["training"]["subjects"]) == (240, 30)
    assert sum(raw["training"]["outcomes"].values()) == 240
    assert raw["training"]["methods"] == {"a": 120, "b": 120}
    assert raw["settings_hash"] == "c" * 64
    assert {"numpy", "scikit-learn"} <= set(raw["packages"])
    assert 0 <= raw["training"]["out_of_range_share"] < 0.2
    units = {column["name"]: column["unit"] for column in raw["columns"]}
    assert units["residual_worst"] == "1"


def test_training_twice_gives_the_same_bytes_whatever_the_order_of_the_rows_or_the_processes(
    result: TrainingResult, tmp_path: Path
) -> None:
    rows = made_up_rows()
    order = np.random.default_rng(5).permutation(len(rows))
    again = train(write_table(tmp_path / "t.tsv", [rows[i] for i in order]), tmp_path, "lenient", **SMALL, n_jobs=2)
    for name in ("model.json", "scores.tsv", "oof.tsv", "breakdown.tsv", "held_out.tsv", "REPORT.md", "roc.png"):
        assert (again.folder / name).read_bytes() == (result.folder / name).read_bytes(), name
    # The card differs in one thing only: the sha256 of the shuffled file.
    card = (again.folder / "card.json").read_text()
    found, expected = again.card.training["table_sha256"], result.card.training["table_sha256"]
    assert card.replace(found, expected) == (result.folder / "card.json").read_text()


def test_more_of_the_face_never_lowers_the_probability_of_a_trained_model(result: TrainingResult) -> None:
    model = load_model(result.folder)
    generator = np.random.default_rng(0)
    for _ in range(20):
        row = {column.name: float(generator.uniform(column.minimum, column.maximum)) for column in model.card.columns}
        steps = [model.log_odds(row | {"residual_worst": value}) for value in np.linspace(0, 1, 21)]
        assert (np.diff(steps) >= -1e-6).all()


def test_shuffled_labels_score_at_chance(tmp_path: Path) -> None:
    rows = made_up_rows()
    labels = np.random.default_rng(6).permutation([row["label_lenient"] for row in rows])
    for row, label in zip(rows, labels, strict=True):
        row["label_lenient"] = str(label)
    made = train(write_table(tmp_path / "t.tsv", rows), tmp_path, "lenient", beside={}, **QUICK)
    assert score(made, "defaceqa", "xgb")["auroc_pooled"] == pytest.approx(0.5, abs=0.12)
    assert made.card.thresholds.review_share > 0.8


def test_progress_is_told_and_reaches_its_end(table_path: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    options: dict[str, Any] = {"kinds": ("lr",), "n_outer": 3, "n_inner": 2, "beside": {}}
    train(table_path, tmp_path, "strict", **options, progress=lambda done, all_, what: told.append((done, all_)))
    assert told == [(step, 10) for step in range(1, 11)]


def test_logistic_regression_ships_as_coefficients_that_predict_what_it_predicted(
    table_path: Path, tmp_path: Path
) -> None:
    made = train(table_path, tmp_path, "lenient", kinds=("lr",), n_outer=3, n_inner=2, beside={})
    model = load_model(made.folder)
    table = read_table(table_path, "lenient", model.columns)
    rows = Rows(table.values, table.labels, table.weights, table.groups)
    chosen = choose(CANDIDATES["lr"], rows, [0] * len(model.columns), 3, 0)
    fitted = fit(CANDIDATES["lr"], chosen.parameters, rows, [], 0)
    expected = calibrate(log_odds(fitted, table.values), chosen.calibration)
    found = [model.probability(dict(zip(model.columns, values, strict=True))) for values in table.values]
    assert np.allclose(found, expected, atol=1e-9)


def test_boosted_trees_ship_as_they_were_fitted(table_path: Path, result: TrainingResult) -> None:
    if result.card.kind != "xgb":
        pytest.skip("logistic regression was better on this table")
    model = load_model(result.folder)
    table = read_table(table_path, "lenient", model.columns)
    rows = Rows(table.values, table.labels, table.weights, table.groups)
    constraints = [monotone_directions()[name] for name in model.columns]
    fitted = fit(CANDIDATES["xgb"], result.card.training["hyperparameters"], rows, constraints, 0)
    expected = calibrate(log_odds(fitted, table.values), result.card.calibration)
    found = [model.probability(dict(zip(model.columns, values, strict=True))) for values in table.values]
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "rf"])
def test_kinds_that_are_only_reported_learn_too(table_path: Path, kind: str) -> None:
    table = read_table(table_path, "lenient", COLUMNS)
    rows = Rows(table.values, table.labels, table.weights, table.groups)
    train_rows, test_rows = grouped_folds(table.labels, table.groups, 3, 0, "fold")[0]
    fitted = fit(CANDIDATES[kind], CANDIDATES[kind].grid[0], rows.take(train_rows), [0] * len(COLUMNS), 0)
    called = log_odds(fitted, table.values[test_rows]) > 0
    assert np.mean(called == table.labels[test_rows]) > 0.85


def test_boosted_trees_obey_a_direction_that_the_data_contradict(table_path: Path) -> None:
    table = read_table(table_path, "lenient", ["residual_worst", "fsim_mean"])
    rows = Rows(table.values, table.labels, table.weights, table.groups)
    fitted = fit(CANDIDATES["xgb"], {"max_depth": 3, "n_estimators": 30}, rows, [-1, 0], 0)
    grid = np.column_stack([np.linspace(0, 1, 50), np.full(50, 0.92)])
    assert (np.diff(log_odds(fitted, grid)) <= 1e-6).all()


def test_logistic_regression_ships_only_when_it_is_better_beyond_chance(table_path: Path) -> None:
    table = read_table(table_path, "lenient", ["fsim_mean"])
    generator = np.random.default_rng(0)
    poor = table.labels + generator.normal(scale=1.0, size=len(table.labels))
    good = table.labels + generator.normal(scale=0.3, size=len(table.labels))
    kinds = ("lr", "xgb")
    assert shipped_kind(table, {("own", "lr"): good, ("own", "xgb"): poor}, "own", kinds, 0) == "lr"
    assert shipped_kind(table, {("own", "lr"): good + 1e-9, ("own", "xgb"): good}, "own", kinds, 0) == "xgb"
    assert shipped_kind(table, {("own", "lr"): good}, "own", ("lr", "rf"), 0) == "lr"


# --- what is refused ---


def refused(tmp_path: Path, change: Callable[[list[Row]], None], message: str, **options: Any) -> None:
    rows = made_up_rows(people=6, each=4)
    change(rows)
    with pytest.raises(LabelError, match=message):
        train(write_table(tmp_path / "t.tsv", rows), tmp_path, "lenient", **(dict(SMALL) | options))
    assert not (tmp_path / "lenient").exists()


def set_all(column: str, value: str) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row[column] = value

    return change


def set_one(column: str, value: str) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update({column: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_one("label_lenient", "2"), "line 2: unknown label '2'"),
        (set_one("fsim_mean", "high"), "fsim_mean is 'high'"),
        (set_one("fsim_mean", "inf"), "finite"),
        (set_one("settings_hash", "d" * 64), "mixes 2 render settings"),
        (set_one("subject", ""), "subject is empty"),
        (set_one("subject", "someone else"), "head h00 belongs to"),
        (set_all("label_lenient", ""), "no row with a label_lenient"),
        (set_all("label_lenient", "0"), "without any insufficient"),
        (set_all("residual_nose", ""), "residual_nose is undefined in every row"),
    ],
)
def test_a_table_that_cannot_teach_is_refused(
    tmp_path: Path, change: Callable[[list[Row]], None], message: str
) -> None:
    refused(tmp_path, change, message)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    def drop(rows: list[Row]) -> None:
        for row in rows:
            del row["method"]

    refused(tmp_path, drop, "lacks the column 'method'")


def test_a_fold_without_a_label_is_named(tmp_path: Path) -> None:
    def only_one_person_insufficient(rows: list[Row]) -> None:
        for row in rows:
            row["label_lenient"] = str(int(row["subject"] == "s00"))

    refused(tmp_path, only_one_person_insufficient, r"Outer fold \d (tests|trains) without any insufficient")


def test_fewer_people_than_folds_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, lambda rows: None, "6 people cannot be split into 9 folds", n_outer=9)


def test_kinds_that_cannot_ship_or_are_unknown_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, lambda rows: None, "can be shipped", kinds=("rf",))
    refused(tmp_path, lambda rows: None, "Unknown kind of model 'svm'", kinds=("svm", "xgb"))


def test_a_person_on_both_sides_of_a_fold_is_named() -> None:
    labels, groups = np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "a"])
    leaking = [(np.array([0, 1]), np.array([2, 3]))]
    with pytest.raises(LabelError, match="Subject a is on both sides of outer fold 1"):
        check_folds(leaking, labels, groups, "outer fold")


# --- the parts ---


def test_folds_test_every_row_once_and_split_nobody() -> None:
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(2, size=300), np.array([f"s{n}" for n in generator.integers(40, size=300)])
    numbers = fold_numbers(grouped_folds(labels, groups, 5, 0, "fold"), 300)
    assert set(numbers) == {1, 2, 3, 4, 5}
    assert all(len(set(numbers[groups == name])) == 1 for name in set(groups))


def test_the_sigmoid_recovers_what_made_the_labels() -> None:
    generator = np.random.default_rng(0)
    odds = generator.normal(scale=2, size=20000)
    labels = (generator.random(20000) < calibrate_plain(1.5 * odds - 0.5)).astype(int)
    found = fit_sigmoid(odds, labels, np.ones(20000))
    assert found.slope == pytest.approx(1.5, abs=0.1)
    assert found.intercept == pytest.approx(-0.5, abs=0.1)


def calibrate_plain(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def test_the_sigmoid_stays_finite_when_the_classes_separate_and_upright_when_they_are_reversed() -> None:
    odds, labels = np.linspace(-5, 5, 100), np.repeat([0, 1], 50)
    separated = fit_sigmoid(odds, labels, np.ones(100))
    assert 0 < separated.slope < 50
    reversed_ = fit_sigmoid(odds, 1 - labels, np.ones(100))
    assert reversed_.slope > 0
    assert calibrate(odds, reversed_) == pytest.approx(0.5, abs=0.02)


def test_a_row_with_weight_two_counts_as_two_rows() -> None:
    generator = np.random.default_rng(1)
    odds, labels = generator.normal(size=60), generator.integers(2, size=60)
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    doubled = fit_sigmoid(np.r_[odds, odds[:20]], np.r_[labels, labels[:20]], np.ones(80))
    weighted = fit_sigmoid(odds, labels, weights)
    assert (weighted.slope, weighted.intercept) == pytest.approx((doubled.slope, doubled.intercept), abs=1e-3)


def test_weights_of_the_table_are_read_and_bad_ones_refused(tmp_path: Path) -> None:
    rows = made_up_rows(people=4, each=2)
    for row in rows:
        row["weight"] = "3"
    path = write_table(tmp_path / "t.tsv", rows)
    assert read_table(path, "lenient", COLUMNS).weights.tolist() == [3.0] * 8
    rows[0]["weight"] = "0"
    with pytest.raises(LabelError, match="line 2: weight is 0"):
        read_table(write_table(path, rows), "lenient", COLUMNS)


def test_directions_follow_what_a_feature_means() -> None:
    directions = monotone_directions()
    assert directions["residual_nose"] == directions["fsim_frontal"] == 1
    assert directions["head_removed_fraction"] == directions["masd_face_mm"] == -1
    assert directions["brain_removed_fraction"] == directions["brain_to_head_ratio"] == 0


def test_rows_whose_measures_mean_nothing_are_left_out(tmp_path):
    rows = [{**row, "flags": ""} for row in made_up_rows(people=6)]
    rows[0]["flags"] = "could not locate the face: the nose stands 20 mm from where it was expected"
    rows[1]["flags"] = "note: the mouth is outside the original's field of view"
    table = read_table(write_table(tmp_path / "table.tsv", rows), "lenient", ["residual_nose"])
    assert len(table.labels) == len(rows) - 1


# --- selection, held-out methods and people, what is reported ---


def rows_of(table_path: Path) -> tuple[Rows, tuple[str, ...]]:
    table = read_table(table_path, "lenient", COLUMNS)
    return Rows(table.values, table.labels, table.weights, table.groups), COLUMNS


def test_selection_keeps_one_of_two_columns_that_say_the_same_and_drops_noise(table_path: Path) -> None:
    rows, columns = rows_of(table_path)
    generator = np.random.default_rng(0)
    worst = rows.values[:, columns.index("residual_worst")]
    values = np.column_stack([worst, worst**2, -worst, generator.normal(size=len(worst))])
    found = select(Rows(values, rows.labels, rows.weights, rows.groups), ["a", "b", "c", "noise"], [0] * 4, 3, 0)
    assert len(set(found.columns) & {"a", "b", "c"}) == 1
    assert found.importance["noise"] < 0.02 < max(found.importance.values())


def test_selection_looks_at_nothing_but_its_rows(table_path: Path) -> None:
    rows, columns = rows_of(table_path)
    some = np.flatnonzero(np.isin(rows.groups, np.unique(rows.groups)[:20]))
    changed = Rows(rows.values.copy(), rows.labels.copy(), rows.weights, rows.groups)
    rest = np.setdiff1d(np.arange(len(rows.labels)), some)
    changed.values[rest] = 0.5
    changed.labels[rest] = 1 - changed.labels[rest]
    assert select(rows.take(some), columns, [0] * len(columns), 3, 0) == select(
        changed.take(some), columns, [0] * len(columns), 3, 0
    )


def test_a_method_that_always_fails_gets_no_column(tmp_path: Path) -> None:
    rows = made_up_rows(people=6)
    for row in rows[:8]:
        row.update(method="untouched", label_lenient="1")
    table = read_table(write_table(tmp_path / "t.tsv", rows), "lenient", COLUMNS).with_methods()
    assert table.method_columns == ("method:a", "method:b")
    used = [row["method"] for row in table.identity]
    assert table.select(["method:a"])[:, 0].tolist() == [float(name == "a") for name in used]


def test_the_tables_with_and_without_the_method_are_those_of_the_paper(result: TrainingResult) -> None:
    page = (result.folder / "REPORT.md").read_text()
    known, plain = page.split("## Table 3")[0], page.split("## Table 3")[1].split("## Intervals")[0]
    assert "| paper-8 | XGB |" in known and "paper-4" not in known
    assert "| paper-4 | XGB |" in plain and "paper-8" not in plain
    assert "| accuracy | specificity | sensitivity | precision | AUROC |" in known
    assert "Knowing the method makes no difference beyond chance" in page


def test_intervals_hold_the_pooled_scores(result: TrainingResult) -> None:
    rows = tsv(result.folder / "oof.tsv")
    labels = np.array([int(row["label"]) for row in rows])
    values = np.array([float(row[f"defaceqa:{result.card.kind}"]) for row in rows])
    row = score(result, "defaceqa", result.card.kind)
    assert row["brier_low"] < np.mean((values - labels) ** 2) < row["brier_high"]
    assert row["pr_auc_low"] < row["pr_auc_mean"] < row["pr_auc_high"]


def test_methods_and_people_are_left_out_one_by_one(result: TrainingResult) -> None:
    rows = tsv(result.folder / "held_out.tsv")
    assert [(row["left_out"], row["kind"], row["pairs"]) for row in rows] == [
        ("method", "a", "120"), ("method", "b", "120"), ("method", "all", "240"), ("subject", "all", "240"),
    ]  # fmt: skip
    assert all(float(row["auroc"]) > 0.9 for row in rows)


def test_clear_pairs_are_told_from_borderline_ones(tmp_path: Path) -> None:
    rows = made_up_rows(people=4, each=3)
    for number, row in enumerate(rows):
        shares = [(0.0, 0.9), (0.0, 0.3), (0.04, 0.041)][number % 3]
        row |= {"truth_residual_left_eye": "n/a", "truth_residual_right_eye": f"{shares[0]}"}
        row |= {"truth_residual_nose": f"{shares[1]}", "truth_residual_mouth": "0", "voxel_mm": "1.5"}
        row |= {"truth_residual_cheeks_jaw": "0.5", "modality": "T2w", "head_kind": "painted"}
        rows[number] = row
    table = read_table(write_table(tmp_path / "t.tsv", rows), "lenient", COLUMNS)
    keys = kinds_of_pairs(table, "lenient")
    assert sorted(keys["case"]) == ["borderline"] * 4 + ["clear"] * 8
    assert set(kinds_of_pairs(table, "strict")["case"]) == {"borderline"}
    assert set(keys["voxels"]) == {"1.25 to 1.75 mm"}
    assert set(keys["original"]) == {"painted T2w, 1.25 to 1.75 mm"}


def test_a_larger_miss_rate_lets_more_pass(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", made_up_rows(people=9))
    tight, loose = (
        train(table, tmp_path / str(rate), "lenient", beside={}, **QUICK, max_miss_rate=rate) for rate in (0.01, 0.2)
    )
    assert loose.card.thresholds.low > tight.card.thresholds.low
    assert loose.card.thresholds.max_miss_rate == 0.2


def test_without_matplotlib_training_goes_on_and_says_so(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = read_table(table_path, "lenient", COLUMNS)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert draw(tmp_path, table, COLUMNS, {}, ("defaceqa", "xgb"), {}) == (NO_PICTURES,)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_a_model_are_all_written_before_one_is_moved_and_its_card_goes_last(tmp_path, monkeypatch) -> None:
    moved, move = [], Path.replace

    def noted(self: Path, target: Path) -> Path:
        moved.append((target.name, len(list(tmp_path.iterdir()))))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    write_folder(tmp_path, {"model.json": "{}", "scores.tsv": "", "card.json": "{}"})
    assert moved == [("model.json", 3), ("scores.tsv", 3), ("card.json", 3)]


def test_other_names_for_the_same_people_change_no_model(tmp_path: Path) -> None:
    rows = made_up_rows(people=9)
    plain = train(write_table(tmp_path / "p.tsv", rows), tmp_path / "b", "lenient", beside={}, **QUICK)
    for row in rows:
        row["subject"] = f"clinic-{row['subject']}"
    renamed = train(write_table(tmp_path / "t.tsv", rows), tmp_path / "a", "lenient", beside={}, **QUICK)
    for name in ("model.json", "scores.tsv", "held_out.tsv"):
        assert (renamed.folder / name).read_bytes() == (plain.folder / name).read_bytes()
