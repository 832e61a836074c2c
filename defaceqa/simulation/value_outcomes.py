"""Outcomes that change values instead of removing them: nothing at all, blur, refills, noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.face import Face
from defaceqa.simulation.intensities import blur, bright_noise, constant_fill, remove, smooth_refill, tiny_change
from defaceqa.simulation.masks import Plate, layer_mask, plate_mask
from defaceqa.simulation.outcome import WHOLE_FACE, Register
from defaceqa.simulation.whole_outcomes import good_mask, good_plate

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Generator = np.random.Generator

VALUE_OUTCOMES = Register()


def _face_layer(face: Face, depth_mm: float) -> BoolArray:
    return layer_mask(face, Plate(ceiling_mm=22, slope=0.0, wall_mm=60), depth_mm)


@VALUE_OUTCOMES.add("poor", "untouched")
def untouched(face: Face, generator: Generator) -> FloatArray:
    """Nothing was done"""
    return face.volume.data.copy()


@VALUE_OUTCOMES.add("poor", "untouched")
def tiny_change_only(face: Face, generator: Generator) -> FloatArray:
    """Every voxel changed by a per cent or two, the face stayed"""
    return tiny_change(face, generator, generator.uniform(0.005, 0.03))


@VALUE_OUTCOMES.add("good", "plate")
def clean_with_tiny_change(face: Face, generator: Generator) -> FloatArray:
    """The face is gone, and every other voxel changed by a per cent or two"""
    defaced = remove(face, good_mask(face, generator), generator)
    changed = tiny_change(face, generator, generator.uniform(0.005, 0.03))
    return np.where(defaced == face.volume.data, changed, defaced)


@VALUE_OUTCOMES.add("good", "plate")
def filled_with_noise(face: Face, generator: Generator) -> FloatArray:
    """The face is gone, noise like that of the air is in its place"""
    return remove(face, plate_mask(face, good_plate(generator)), generator, "noise")


@VALUE_OUTCOMES.add("good", "plate")
def filled_with_dark(face: Face, generator: Generator) -> FloatArray:
    """The face is gone, one dark value is in its place"""
    return constant_fill(face, plate_mask(face, good_plate(generator)), generator.uniform(0.2, 0.8))


@VALUE_OUTCOMES.add("poor", "blur", seen=WHOLE_FACE)
def blurred_lightly(face: Face, generator: Generator) -> FloatArray:
    """The face is blurred over 1.5 to 3 mm and still plainly there"""
    return blur(face, _face_layer(face, 15), generator.uniform(1.5, 3))


@VALUE_OUTCOMES.add("borderline", "refill")
def smoothed_face(face: Face, generator: Generator) -> FloatArray:
    """The face is rebuilt smoother, its relief in part still there"""
    mask = _face_layer(face, 20)
    return smooth_refill(face, mask, generator, smooth_mm=generator.uniform(3, 8), setback_mm=0.0)


@VALUE_OUTCOMES.add("good", "refill")
def smooth_shell(face: Face, generator: Generator) -> FloatArray:
    """A featureless shell behind the old skin takes the place of the face"""
    mask = layer_mask(face, replace(good_plate(generator), wall_mm=50), 26)
    smooth_mm, setback_mm = generator.uniform(9, 14), generator.uniform(8, 13)
    return smooth_refill(face, mask, generator, smooth_mm=smooth_mm, setback_mm=setback_mm)


@VALUE_OUTCOMES.add("good", "plate")
def filled_with_bright_noise(face: Face, generator: Generator) -> FloatArray:
    """The face is gone, random values up to skin level are in its place"""
    return bright_noise(face, plate_mask(face, good_plate(generator)), generator)
