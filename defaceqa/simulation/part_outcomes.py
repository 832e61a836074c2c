"""Outcomes in which single parts of the face stay, stay in traces, float before a cut face, or alone are erased."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.patches import FACIAL_REGIONS
from defaceqa.simulation.face import Face
from defaceqa.simulation.intensities import remove
from defaceqa.simulation.masks import plate_mask
from defaceqa.simulation.outcome import Maker, Register, Tendency
from defaceqa.simulation.regions import Side, behind, erase_mask, part_of, with_skin_above
from defaceqa.simulation.whole_outcomes import good_mask, good_plate

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Generator = np.random.Generator

PART_OUTCOMES = Register()

EYES = ("left_eye", "right_eye")
FEATURES = (*EYES, "nose", "mouth")
RIM_MM = 4.0
LEFT_IN: dict[str, tuple[str, ...]] = {
    "eyes": EYES, "left_eye": ("left_eye",), "right_eye": ("right_eye",), "nose": ("nose",), "mouth": ("mouth",),
    "cheeks": ("cheeks_jaw",), "nose_and_mouth": ("nose", "mouth"), "eyes_and_nose": (*EYES, "nose"),
}  # fmt: skip
ERASED: dict[str, tuple[str, ...]] = {
    "eyes": EYES, "one_eye": ("left_eye",), "nose": ("nose",), "mouth": ("mouth",), "ears": ("left_ear", "right_ear"),
    "eyes_and_nose": (*EYES, "nose"), "eyes_and_mouth": (*EYES, "mouth"), "nose_and_mouth": ("nose", "mouth"),
    "eyes_nose_mouth": (*EYES, "nose", "mouth"),
}  # fmt: skip
TRACE_SIDES: dict[str, Sequence[Side]] = {
    "left_eye": ("top", "bottom", "left", "middle"),
    "right_eye": ("top", "bottom", "right", "middle"),
    "nose": ("top", "left", "right", "front", "bottom"),
    "mouth": ("left", "right", "bottom", "middle"),
}
"""Where a trace of a feature may lie: its rims, which bad masks miss, and now and then its middle."""


def put_back(face: Face, mask: BoolArray, chosen: BoolArray, generator: Generator) -> BoolArray:
    """The mask without the chosen skin: mostly with all that is behind it, else with only what lies under it.

    Before a deep wall the latter floats, a failure that real tools show.
    """
    return mask & ~(behind(face, chosen) if generator.random() < 2 / 3 else face.under(chosen))


def _left_in(name: str, regions: tuple[str, ...]) -> Maker:
    def make(face: Face, generator: Generator) -> FloatArray:
        others = face.skin_of(*(feature for feature in FEATURES if feature not in regions))
        # a rim is kept free, or what is put back would run on into its neighbours and leave traces of them
        chosen = face.skin_of(*regions) & ~face.grown(others, RIM_MM)
        mask = good_mask(face, generator)
        return remove(face, put_back(face, mask, chosen, generator), generator)

    make.__doc__ = f"The face is gone but the {name.replace('_', ' ')} stayed"
    return make


def _erased(name: str, regions: tuple[str, ...]) -> Maker:
    def make(face: Face, generator: Generator) -> FloatArray:
        return remove(face, erase_mask(face, *regions), generator)

    make.__doc__ = f"Only the {name.replace('_', ' ')} erased, the rest of the face stayed"
    return make


def _trace(features: tuple[str, ...], least: float, most: float) -> Maker:
    def make(face: Face, generator: Generator) -> FloatArray:
        mask = good_mask(face, generator)
        for feature in features:
            region = str(generator.choice(EYES)) if feature == "eye" else feature
            side = str(generator.choice(list(TRACE_SIDES[region])))
            part = part_of(face, region, generator.uniform(least, most), side)  # type: ignore[arg-type]
            part = with_skin_above(face, part) if side == "top" else part
            mask = put_back(face, mask, part, generator)
        return remove(face, mask, generator)

    make.__doc__ = f"The face is gone but for {least:.0%} to {most:.0%} of {' and '.join(features)}"
    return make


for _name, _regions in LEFT_IN.items():
    _tendency: Tendency = "borderline" if _name == "cheeks" else "poor"
    PART_OUTCOMES.add(_tendency, "part", name=f"{_name}_left_in")(_left_in(_name, _regions))
for _name, _regions in ERASED.items():
    _tendency = "borderline" if _name == "eyes_nose_mouth" else "poor"
    PART_OUTCOMES.add(_tendency, "eraser", name=f"{_name}_erased")(_erased(_name, _regions))
for _feature in ("eye", "nose", "mouth"):
    PART_OUTCOMES.add("borderline", "part", name=f"{_feature}_trace")(_trace((_feature,), 0.04, 0.26))
    PART_OUTCOMES.add("borderline", "part", name=f"{_feature}_large_trace")(_trace((_feature,), 0.22, 0.5))
PART_OUTCOMES.add("borderline", "part", name="two_traces")(_trace(("eye", "mouth"), 0.03, 0.22))
PART_OUTCOMES.add("borderline", "part", name="three_traces")(_trace(("eye", "nose", "mouth"), 0.02, 0.2))


@PART_OUTCOMES.add("borderline", "part")
def eyelid_trace(face: Face, generator: Generator) -> FloatArray:
    """The face is gone but the upper lid of one eye stayed in part"""
    eye = str(generator.choice(EYES))
    lid = with_skin_above(face, part_of(face, eye, generator.uniform(0.05, 0.6), "top"))
    return remove(face, put_back(face, good_mask(face, generator), lid, generator), generator)


@PART_OUTCOMES.add("poor", "part")
def mouth_island(face: Face, generator: Generator) -> FloatArray:
    """The mouth floats as a sheet before a deep cut"""
    return _island(face, generator, "mouth", generator.uniform(0.5, 1.0))


@PART_OUTCOMES.add("borderline", "part")
def small_island(face: Face, generator: Generator) -> FloatArray:
    """A piece of nose or mouth floats before a deep cut"""
    return _island(face, generator, str(generator.choice(["nose", "mouth"])), generator.uniform(0.04, 0.4))


def _island(face: Face, generator: Generator, region: str, share: float) -> FloatArray:
    piece = face.under(part_of(face, region, share, "middle"), generator.uniform(6, 10))
    return remove(face, plate_mask(face, good_plate(generator)) & ~piece, generator)


@PART_OUTCOMES.add("borderline", "eraser")
def features_erased_in_part(face: Face, generator: Generator) -> FloatArray:
    """Eyes, nose and mouth erased, but for a rim of one of them; cheeks and jaw stayed"""
    region = str(generator.choice(FACIAL_REGIONS))
    side = str(generator.choice(list(TRACE_SIDES[region])))
    keep = part_of(face, region, generator.uniform(0.05, 0.5), side)  # type: ignore[arg-type]
    return remove(face, erase_mask(face, *ERASED["eyes_nose_mouth"], keep=keep), generator)
