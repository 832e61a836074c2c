"""Assessments made up for the tests of the pages: real verdicts on chosen numbers, noise for pictures, no engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from defaceqa.assessment import Assessment, judge
from defaceqa.features.evidence import Evidence, Section
from defaceqa.features.extract import FeatureRow
from defaceqa.features.table import FEATURES
from defaceqa.model import load_model
from defaceqa.volumes import Pair, Volume

GONE = {name: 0.0 for name in FEATURES if name.startswith("residual")} | {"residual_forehead": 0.97}
KINDS = {
    "pass": {},
    "fail": dict.fromkeys(("residual_left_eye", "residual_right_eye", "residual_eyes", "residual_worst"), 0.93),
    "review": {name: float("nan") for name in GONE},
}
"""What is left, by the face verdict it leads to."""


def assessment(
    kind: str, *, seed: int = 0, brain_ml: float = 0.0, name: str = "defaced.nii.gz", method: str | None = None,
    evidence: Evidence | None = None,
) -> Assessment:  # fmt: skip
    """An assessment with this face verdict."""
    model = load_model("lenient")
    values = dict.fromkeys(FEATURES, float("nan")) | {column.name: column.median for column in model.card.columns}
    values |= GONE | {"masd_face_mm": 26.0, "hd95_face_mm": 30.0, "head_altered_fraction": 0.2} | KINDS[kind]
    values |= {"brain_removed_ml": brain_ml, "brain_removed_fraction": brain_ml / 1400}
    flags = ("could not locate brain and face",) if kind == "review" else ()
    row = FeatureRow(values, {}, flags, evidence=evidence or noise(seed))
    found = judge(Pair(volume("original.nii.gz"), volume(name)), row, model, method=method)
    assert found.verdict.face.verdict == kind
    return found


def noise(seed: int = 0, *, original: int = 0, defaced: int = 0, located: bool = True) -> Evidence:
    """Evidence whose pixels are noise; the pixels of original and defaced can be drawn anew alone."""
    masks = np.random.default_rng(seed)
    of_original, of_defaced = np.random.default_rng([1, seed, original]), np.random.default_rng([2, seed, defaced])
    sections = []
    for plane in ("axial", "coronal"):
        brain, shown = np.zeros((2, 40, 30), bool)
        brain[8:-8, 8:-8] = shown[5:-5, 5:-5] = True
        removed = shown & (masks.random(shown.shape) > 0.9)
        pictures = [np.where(shown, rng.integers(0, 255, shown.shape), 0) for rng in (of_original, of_defaced, masks)]
        first, second, mean = (picture.astype(np.uint8) for picture in pictures)
        sections.append(
            Section(plane, 7, 60, (2.0, 2.0), first, second, mean if located else None, brain, removed, shown)
        )
    return Evidence(views(of_original), views(of_defaced), tuple(sections))


def views(rng: np.random.Generator) -> np.ndarray:
    """Five noisy heads on white."""
    pictures = np.full((5, 512, 512), 255, np.uint8)
    pictures[:, 100:400:1, 150:350] = rng.integers(0, 254, (5, 300, 200))
    return pictures


def volume(name: str) -> Volume:
    """A tiny image that claims to come from a file."""
    made = Volume(np.zeros((2, 2, 2), np.float32), np.eye(4), Path("/nowhere/to be/seen") / name)
    object.__setattr__(made, "sha256", "0" * 64)
    return made
