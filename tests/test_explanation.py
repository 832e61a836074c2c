"""Shapley values of one prediction, as a table and as a picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from defaceqa.anatomy.registration import Anatomy
from defaceqa.assessment import Assessment, judge
from defaceqa.errors import InputError
from defaceqa.explanation import contribution_table, contributions, draw_explanation
from defaceqa.features.extract import extract
from defaceqa.model import load_model
from defaceqa.simulation.corpus import simulate_head
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import Pair


@pytest.fixture(scope="module")
def assessment() -> Assessment:
    head = synthetic_head(3.0)
    [made] = simulate_head(head.volume, head.landmarks_mm, head.brain, ["mouth_left_in"], 0)
    pair = Pair(head.volume, made.defaced, head.brain)
    return judge(pair, extract(pair, anatomy=Anatomy(np.eye(4), 1.0, head.landmarks_mm, True)), load_model("lenient"))


def test_bias_and_contributions_sum_to_the_log_odds_of_the_probability(assessment: Assessment) -> None:
    total = assessment.model.bias + sum(share for _, _, share in contributions(assessment))
    assert 1 / (1 + np.exp(-total)) == pytest.approx(assessment.verdict.face.probability, abs=1e-6)


def test_a_mouth_left_in_explains_itself_by_mouth_or_worst_region(assessment: Assessment) -> None:
    strongest, value, share = contributions(assessment)[0]
    assert strongest in ("residual_worst", "residual_mouth", "residual_lips")
    assert value > 0.9 and share > 0


def test_the_table_begins_with_the_bias_and_ends_with_the_sum(assessment: Assessment) -> None:
    lines = contribution_table(assessment).splitlines()
    assert lines[0] == "feature\tvalue\tlog_odds"
    assert lines[1].startswith("bias\t\t") and lines[-1].startswith("sum\t\t")
    shares = [float(line.split("\t")[2]) for line in lines[1:-1]]
    assert sum(shares) == pytest.approx(float(lines[-1].split("\t")[2]), abs=1e-3)


def test_the_picture_is_written_whole_or_not_at_all(
    assessment: Assessment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_explanation(assessment, tmp_path / "why.png")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["why.png"]
    with pytest.raises(InputError, match="no ending of a picture"):
        draw_explanation(assessment, tmp_path / "why.doc")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs matplotlib"):
        draw_explanation(assessment, tmp_path / "why.svg")
