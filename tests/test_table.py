"""The table of features is complete, consistent and fit to be read."""

from __future__ import annotations

import math
import re

import pytest

from defaceqa.anatomy.patches import REGIONS
from defaceqa.features import FEATURES, Feature
from defaceqa.features.similarity import MEASURES
from defaceqa.features.table import PAPER_FEATURES, PSNR_CAP_DB
from defaceqa.renders import VIEWS

DIRECTIONS = {"more face left", "less face left", "more brain lost", "none"}


@pytest.mark.parametrize("row", FEATURES.values(), ids=FEATURES.keys())
def test_a_row_says_everything(row: Feature) -> None:
    assert FEATURES[row.name] is row
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)
    assert row.low < row.high
    assert math.isfinite(row.low)
    assert row.direction in DIRECTIONS
    assert row.unit
    assert row.meaning[0] != " "
    assert not row.meaning.endswith(".")
    assert row.source


def test_every_measure_is_there_per_view_as_mean_and_inside_the_silhouette() -> None:
    for measure in MEASURES:
        for view in (*VIEWS, "mean"):
            assert f"{measure}_{view}" in FEATURES
            assert f"{measure}_head_{view}" in FEATURES


def test_every_region_has_a_residual() -> None:
    for region in REGIONS:
        assert FEATURES[f"residual_{region}"].direction == "more face left"


def test_losses_are_there_as_fraction_and_in_ml() -> None:
    for part in ("head", "brain"):
        for kind in ("removed", "altered"):
            assert FEATURES[f"{part}_{kind}_fraction"].high == 1
            assert FEATURES[f"{part}_{kind}_ml"].unit == "mL"


def test_the_papers_four_features_are_there() -> None:
    assert set(PAPER_FEATURES) <= set(FEATURES)


def test_likeness_means_more_face_and_distance_means_less() -> None:
    assert FEATURES["fsim_frontal"].direction == "more face left"
    assert FEATURES["rmse_frontal"].direction == "less face left"
    assert FEATURES["masd_face_mm"].direction == "less face left"
    assert FEATURES["psnr_mean"].high == PSNR_CAP_DB


def test_meanings_are_told_apart() -> None:
    meanings = [row.meaning for row in FEATURES.values()]
    assert len(set(meanings)) == len(meanings)
