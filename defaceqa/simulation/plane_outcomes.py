"""Outcomes of cutting along one plane: too far forward and the face stays, too far back and the brain is cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.face import Face
from defaceqa.simulation.intensities import remove
from defaceqa.simulation.masks import plate_mask
from defaceqa.simulation.outcome import Register
from defaceqa.simulation.planes import frontal_cut_mask, shear_mask
from defaceqa.simulation.whole_outcomes import good_plate

FloatArray = NDArray[np.float32]
Generator = np.random.Generator

PLANE_OUTCOMES = Register()


def _mostly_shallow(generator: Generator, deepest_mm: float) -> float:
    """Depth of a cut from 1 mm on; shallow ones, which are hard to tell from none, are the more frequent."""
    return float(1 + (deepest_mm - 1) * generator.random() ** 2)


@PLANE_OUTCOMES.add("good", "shear")
def shear_clean(face: Face, generator: Generator) -> FloatArray:
    """Sheared off along a plane 2 to 8 mm before the brain"""
    return remove(face, shear_mask(face, generator.uniform(2, 8), generator.uniform(12, 38)), generator)


@PLANE_OUTCOMES.add("borderline", "shear")
def shear_forward(face: Face, generator: Generator) -> FloatArray:
    """Sheared off along a plane 10 to 40 mm before the brain, so that parts of the face stay"""
    return remove(face, shear_mask(face, generator.uniform(10, 40), generator.uniform(8, 40)), generator)


@PLANE_OUTCOMES.add("brain", "shear")
def shear_into_brain(face: Face, generator: Generator) -> FloatArray:
    """Sheared off along a plane 1 to 15 mm inside the brain"""
    return remove(face, shear_mask(face, -_mostly_shallow(generator, 15), generator.uniform(12, 38)), generator)


@PLANE_OUTCOMES.add("brain", "frontal_cut")
def frontal_cut(face: Face, generator: Generator) -> FloatArray:
    """The face is gone and 1 to 25 mm of the frontal lobes with it"""
    cut = frontal_cut_mask(face, _mostly_shallow(generator, 25), tilt_deg=generator.uniform(-20, 30))
    return remove(face, plate_mask(face, good_plate(generator)) | cut, generator)


@PLANE_OUTCOMES.add("brain", "frontal_cut")
def plate_through_brain(face: Face, generator: Generator) -> FloatArray:
    """A face mask too high and too deep, which cuts the base of the brain"""
    plate = good_plate(generator)
    high = type(plate)(
        ceiling_mm=generator.uniform(14, 30), slope=0.0, wall_mm=generator.uniform(30, 50), pitch_deg=plate.pitch_deg
    )
    return remove(face, plate_mask(face, high, spare_brain=False), generator)
