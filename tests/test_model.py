"""Model folders: what loading refuses, and that the small evaluators say what the libraries say."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defaceqa.errors import ModelError
from defaceqa.model import Calibration, Card, Column, Model, Thresholds, load_model
from defaceqa.model.card import SCHEMA_VERSION, read_card
from defaceqa.model.linear import Linear, read_linear
from defaceqa.model.trees import read_trees

COLUMNS = ("fsim_mean", "head_removed_fraction", "residual_nose", "residual_mouth", "masd_face_mm", "residual_eyes")


def features(seed: int = 0, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, len(COLUMNS)))
    labels = (values[:, 2] + 0.5 * values[:, 0] * values[:, 3] + 0.3 * generator.normal(size=rows) > 0).astype(int)
    values[generator.random(values.shape) < 0.1] = np.nan
    return values, labels


def booster(**parameters: Any) -> Any:
    import xgboost

    values, labels = features()
    settings = {"objective": "binary:logistic", "max_depth": 4, "tree_method": "hist", "nthread": 1, "seed": 0}
    data = xgboost.DMatrix(values, labels, feature_names=list(COLUMNS))
    return xgboost.train(settings | parameters, data, 60)


@pytest.fixture(scope="module")
def trees_text() -> str:
    return bytes(booster().save_raw("json")).decode()


LINEAR = Linear(("a", "b"), 0.5, (2.0, -1.0), (1.0, 0.0), (2.0, 1.0), (3.0, 0.25))


def card_for(text: str, kind: str, columns: tuple[str, ...], **changes: Any) -> Card:
    card = Card(
        schema_version=SCHEMA_VERSION,
        name="test",
        version="1",
        criterion="lenient",
        kind=kind,
        artefact="model.json",
        artefact_sha256=hashlib.sha256(text.encode()).hexdigest(),
        settings_hash="a" * 64,
        columns=tuple(Column(name, "1", 0.0, 0.01, 0.5, 0.99, 1.0) for name in columns),
        calibration=Calibration(0.8, -0.3),
        thresholds=Thresholds(0.1, 0.8, 0.01, 0.01, 0.0, 0.03, 0.0, 0.1),
        training={},
        scores=(),
        packages={},
        intended_use="tests",
        limits=(),
        licence="none",
    )
    return dataclasses.replace(card, **changes)


def write_model(folder: Path, text: str, card: Card) -> Path:
    folder.mkdir()
    (folder / "model.json").write_text(text)
    (folder / "card.json").write_text(card.to_json())
    return folder


@pytest.fixture
def trees_folder(tmp_path: Path, trees_text: str) -> Path:
    return write_model(tmp_path / "model", trees_text, card_for(trees_text, "xgb", COLUMNS))


@pytest.fixture
def linear_folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "linear", LINEAR.to_json(), card_for(LINEAR.to_json(), "lr", ("a", "b")))


def row(value: float = 0.3) -> dict[str, float]:
    return dict.fromkeys(COLUMNS, value)


# --- the evaluators against the libraries ---


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_trees_give_the_log_odds_of_xgboost(depth: int) -> None:
    import xgboost

    fitted = booster(max_depth=depth)
    trees = read_trees(bytes(fitted.save_raw("json")).decode(), "x")
    values, _ = features(seed=1, rows=200)
    expected = fitted.predict(xgboost.DMatrix(values, feature_names=list(COLUMNS)), output_margin=True)
    assert np.allclose([trees.log_odds(one) for one in values], expected, atol=2e-5)


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_contributions_are_the_tree_shap_of_xgboost(depth: int) -> None:
    import xgboost

    fitted = booster(max_depth=depth)
    trees = read_trees(bytes(fitted.save_raw("json")).decode(), "x")
    values, _ = features(seed=2, rows=100)
    expected = fitted.predict(xgboost.DMatrix(values, feature_names=list(COLUMNS)), pred_contribs=True)
    assert np.allclose([trees.contributions(one) for one in values], expected[:, :-1], atol=5e-5)
    assert trees.bias == pytest.approx(float(expected[0, -1]), abs=5e-5)


def test_a_value_exactly_on_a_split_goes_the_way_it_goes_in_xgboost() -> None:
    import xgboost

    fitted = booster(max_depth=2)
    text = bytes(fitted.save_raw("json")).decode()
    trees = read_trees(text, "x")
    first = json.loads(text)["learner"]["gradient_booster"]["model"]["trees"][0]
    values = np.zeros((1, len(COLUMNS)))
    values[0, first["split_indices"][0]] = first["split_conditions"][0]
    expected = fitted.predict(xgboost.DMatrix(values, feature_names=list(COLUMNS)), output_margin=True)
    assert trees.log_odds(values[0]) == pytest.approx(float(expected[0]), abs=2e-5)


def test_a_value_that_single_precision_rounds_onto_a_split_is_rounded_as_in_xgboost() -> None:
    import xgboost

    fitted = booster(max_depth=1)
    text = bytes(fitted.save_raw("json")).decode()
    first = json.loads(text)["learner"]["gradient_booster"]["model"]["trees"][0]
    cut = np.float64(np.float32(first["split_conditions"][0]))
    values = np.zeros((1, len(COLUMNS)))
    values[0, first["split_indices"][0]] = np.nextafter(cut, -np.inf)  # below the cut, but not in single precision
    expected = fitted.predict(xgboost.DMatrix(values, feature_names=list(COLUMNS)), output_margin=True)
    assert read_trees(text, "x").log_odds(values[0]) == pytest.approx(float(expected[0]), abs=2e-5)


def test_a_constrained_feature_never_lowers_the_probability() -> None:
    direction = tuple(int(name == "residual_nose") for name in COLUMNS)
    trees = read_trees(bytes(booster(monotone_constraints=direction).save_raw("json")).decode(), "x")
    values, _ = features(seed=3, rows=50)
    for one in values:
        steps = []
        for nose in np.linspace(-3, 3, 25):
            one[COLUMNS.index("residual_nose")] = nose
            steps.append(trees.log_odds(one))
        assert (np.diff(steps) >= -1e-6).all()


def test_a_model_that_is_no_plain_boosted_tree_is_refused() -> None:
    text = bytes(booster(booster="dart").save_raw("json")).decode()
    with pytest.raises(ModelError, match="dart"):
        read_trees(text, "model.json")
    with pytest.raises(ModelError, match=r"model\.json is not an XGBoost model"):
        read_trees("{}", "model.json")


def test_linear_contributions_are_coefficient_times_distance_from_the_mean() -> None:
    values = np.array([5.0, np.nan])
    assert LINEAR.contributions(values).tolist() == [4.0, -0.25]  # NaN takes the median 0.25
    assert LINEAR.log_odds(values) == pytest.approx(0.5 + 4.0 - 0.25)
    with pytest.raises(ModelError, match="differ in number"):
        read_linear(dataclasses.replace(LINEAR, mean=(1.0,)).to_json(), "x")


# --- a loaded model ---


def test_contributions_and_bias_sum_to_the_calibrated_log_odds(trees_folder: Path, linear_folder: Path) -> None:
    for folder, names in ((trees_folder, COLUMNS), (linear_folder, ("a", "b"))):
        model = load_model(folder, features=names)
        one = dict.fromkeys(names, 0.4) | {names[0]: math.nan}
        total = model.bias + sum(model.contributions(one).values())
        assert total == pytest.approx(model.log_odds(one))
        assert model.probability(one) == pytest.approx(1 / (1 + math.exp(-total)))
        assert model.missing(one) == [names[0]]


def test_the_calibration_of_the_card_is_applied(linear_folder: Path) -> None:
    model = load_model(linear_folder, features=("a", "b"))
    assert model.log_odds({"a": 5.0, "b": 0.25}) == pytest.approx(0.8 * 4.25 - 0.3)


def test_probability_stays_a_number_far_out(linear_folder: Path) -> None:
    model = load_model(linear_folder, features=("a", "b"))
    assert model.probability({"a": 1e9, "b": 0.0}) == 1.0
    assert model.probability({"a": -1e9, "b": 0.0}) == 0.0


def test_values_beyond_training_are_named_and_undefined_ones_are_not(trees_folder: Path) -> None:
    model = load_model(trees_folder, features=COLUMNS)
    odd = row() | {"fsim_mean": 1.2, "residual_nose": -0.04, "residual_mouth": math.nan, "masd_face_mm": -0.2}
    assert model.out_of_range(odd) == ["fsim_mean", "masd_face_mm"]
    assert model.out_of_range(row()) == []


def test_a_row_without_a_column_is_refused_by_name(trees_folder: Path) -> None:
    model = load_model(trees_folder, features=COLUMNS)
    short = row()
    del short["residual_nose"]
    with pytest.raises(ModelError, match="lack residual_nose"):
        model.probability(short)


def test_one_prediction_takes_milliseconds(trees_folder: Path) -> None:
    model = load_model(trees_folder, features=COLUMNS)
    start = time.perf_counter()
    for _ in range(20):
        model.probability(row())
        model.contributions(row())
    assert (time.perf_counter() - start) / 20 < 0.05


def test_a_prediction_imports_neither_xgboost_nor_scikit_learn(trees_folder: Path) -> None:
    code = (
        "import sys; from defaceqa.model import load_model;"
        f"m = load_model({str(trees_folder)!r}, features={COLUMNS!r});"
        "m.probability(dict.fromkeys(m.columns, 0.1)); m.contributions(dict.fromkeys(m.columns, 0.1));"
        "print([n for n in ('xgboost', 'sklearn', 'pandas', 'shap') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- what loading refuses ---


def change_card(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    raw = json.loads((folder / "card.json").read_text())
    change(raw)
    (folder / "card.json").write_text(json.dumps(raw))


def refused(folder: Path, message: str, **options: Any) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder, **({"features": COLUMNS} | options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["card.json", "model.json"])
def test_a_missing_file_is_named(trees_folder: Path, name: str) -> None:
    (trees_folder / name).unlink()
    refused(trees_folder, f"model/{name} cannot be read")


def test_an_artefact_changed_by_one_byte_is_refused(trees_folder: Path) -> None:
    path = trees_folder / "model.json"
    path.write_text(path.read_text() + " ")
    refused(trees_folder, "has sha256")


def test_a_column_this_version_does_not_compute_is_refused(trees_folder: Path) -> None:
    refused(trees_folder, "needs residual_eyes, which this DefaceQA does not compute", features=COLUMNS[:-1])


def test_a_newer_schema_asks_for_an_update(trees_folder: Path) -> None:
    change_card(trees_folder, lambda raw: raw.update(schema_version=SCHEMA_VERSION + 1))
    refused(trees_folder, "update DefaceQA")


def test_other_render_settings_are_refused(trees_folder: Path) -> None:
    refused(trees_folder, "trained on renders with settings aaaaaaaaaaaa", settings_hash="b" * 64)
    assert load_model(trees_folder, features=COLUMNS, settings_hash="a" * 64).columns == COLUMNS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("thresholds"), "missing: thresholds"),
        (lambda raw: raw["thresholds"].update(low=0.9), "thresholds 0.9 and 0.8"),
        (lambda raw: raw["thresholds"].update(low=None), "thresholds nan"),
        (lambda raw: raw["calibration"].update(slope=-1.0), "calibration slope"),
        (lambda raw: raw.update(kind="pickle"), "kind 'pickle'"),
        (lambda raw: raw["columns"].reverse(), "another order"),
        (lambda raw: raw.update(schema_version="new"), "schema_version 'new'"),
    ],
)
def test_a_damaged_card_is_refused(trees_folder: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    change_card(trees_folder, change)
    refused(trees_folder, message)


def test_a_card_that_is_not_json_is_refused(trees_folder: Path) -> None:
    (trees_folder / "card.json").write_text("{")
    refused(trees_folder, "not valid JSON")
    (trees_folder / "card.json").write_text("[]")
    refused(trees_folder, "expected a JSON object")


def test_a_card_cannot_point_outside_its_folder(trees_folder: Path) -> None:
    (trees_folder / "model.json").rename(trees_folder.parent / "model.json")
    change_card(trees_folder, lambda raw: raw.update(artefact="../model.json"))
    refused(trees_folder, "cannot be read")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none", "expected lenient or strict, or a folder")


def test_a_card_reads_back_as_written_and_undefined_numbers_are_null() -> None:
    card = card_for("x", "lr", ("a",))
    card = dataclasses.replace(card, columns=(Column("a", "mm", math.nan, 0.0, 0.0, 0.0, 1.0),))
    text = card.to_json()
    assert json.loads(text)["columns"][0]["minimum"] is None
    again = read_card(text, "card.json")
    assert math.isnan(again.columns[0].minimum)
    assert again.to_json() == text


def test_a_criterion_finds_the_model_beside_the_package(monkeypatch: pytest.MonkeyPatch, trees_folder: Path) -> None:
    from defaceqa import shipped as module

    lenient = trees_folder.parent / "models" / "lenient"
    lenient.parent.mkdir()
    trees_folder.rename(lenient)
    monkeypatch.setattr(module, "__file__", str(trees_folder.parent / "defaceqa" / "shipped.py"))
    assert isinstance(load_model("lenient", features=COLUMNS), Model)
    with pytest.raises(ModelError, match="models/strict is missing from this installation"):
        load_model("strict", features=COLUMNS)
