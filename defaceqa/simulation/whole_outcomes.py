"""Outcomes of removing the whole face at once: well, or with the mask too small, shifted, tilted or cut short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.face import Face
from defaceqa.simulation.intensities import remove
from defaceqa.simulation.masks import Plate, layer_mask, plate_mask
from defaceqa.simulation.outcome import Register
from defaceqa.simulation.regions import erase_mask

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Generator = np.random.Generator

WHOLE_OUTCOMES = Register()


def good_plate(generator: Generator) -> Plate:
    """A plate that takes eyes, nose, mouth and most of the cheeks, with the spread of well registered masks."""
    return Plate(
        ceiling_mm=generator.uniform(11, 17),
        slope=generator.uniform(0.0, 0.3),
        wall_mm=generator.uniform(30, 46),
        pitch_deg=generator.normal(0, 2),
        roll_deg=generator.normal(0, 1.5),
        yaw_deg=generator.normal(0, 1.5),
    )


def good_mask(face: Face, generator: Generator) -> BoolArray:
    """A mask that removes the face well: a plate or a layer, in one case of three with the ears."""
    plate = good_plate(generator)
    if generator.random() < 0.6:
        mask = plate_mask(face, plate)
    else:
        mask = layer_mask(face, replace(plate, wall_mm=plate.wall_mm + 15), generator.uniform(14, 22))
    return mask | erase_mask(face, "left_ear", "right_ear") if generator.random() < 1 / 3 else mask


@WHOLE_OUTCOMES.add("good", "plate")
def plate_clean(face: Face, generator: Generator) -> FloatArray:
    """Everything before a wall and below the orbits is gone"""
    return remove(face, plate_mask(face, good_plate(generator)), generator)


@WHOLE_OUTCOMES.add("good", "plate")
def plate_with_ears(face: Face, generator: Generator) -> FloatArray:
    """As plate_clean, and the ears are gone too"""
    mask = plate_mask(face, good_plate(generator)) | erase_mask(face, "left_ear", "right_ear")
    return remove(face, mask, generator)


@WHOLE_OUTCOMES.add("good", "layer")
def layer_clean(face: Face, generator: Generator) -> FloatArray:
    """A layer of 14 to 22 mm is peeled off the face"""
    plate = replace(good_plate(generator), wall_mm=generator.uniform(45, 65))
    return remove(face, layer_mask(face, plate, generator.uniform(14, 22)), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_low(face: Face, generator: Generator) -> FloatArray:
    """The mask's ceiling lies too low, so that the lids stay in part"""
    plate = replace(good_plate(generator), ceiling_mm=generator.uniform(-9, 9))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_forward(face: Face, generator: Generator) -> FloatArray:
    """The wall stands too far forward, so that eyes and corners of the mouth stay in part"""
    plate = replace(good_plate(generator), wall_mm=generator.uniform(-6, 10))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("poor", "plate")
def plate_far_forward(face: Face, generator: Generator) -> FloatArray:
    """Only the tip of the nose and the lips are cut off"""
    plate = replace(good_plate(generator), wall_mm=generator.uniform(-30, -8))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_short(face: Face, generator: Generator) -> FloatArray:
    """The mask ends above the chin, so that the mouth stays in part or whole"""
    plate = replace(good_plate(generator), floor_mm=generator.uniform(-88, -52))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_narrow(face: Face, generator: Generator) -> FloatArray:
    """The mask is too narrow for the eyes"""
    plate = replace(good_plate(generator), half_width_mm=generator.uniform(24, 44))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_tilted(face: Face, generator: Generator) -> FloatArray:
    """The mask is turned, so that one side or the lower face stays in part"""
    sign = generator.choice([-1.0, 1.0], 3)
    turn = sign * generator.uniform(0, 1, 3) * [16, 14, 20]
    plate = Plate(ceiling_mm=10, wall_mm=24, pitch_deg=turn[0], roll_deg=turn[1], yaw_deg=turn[2])
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_small(face: Face, generator: Generator) -> FloatArray:
    """The mask is too small for the face"""
    plate = Plate(ceiling_mm=12, wall_mm=30, floor_mm=-95, half_width_mm=55, scale=generator.uniform(0.45, 0.9))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "plate")
def plate_aside(face: Face, generator: Generator) -> FloatArray:
    """The mask lies too far to one side"""
    shift = generator.choice([-1.0, 1.0]) * generator.uniform(10, 45)
    plate = replace(good_plate(generator), half_width_mm=58, shift_mm=(shift, 0.0, 0.0))
    return remove(face, plate_mask(face, plate), generator)


@WHOLE_OUTCOMES.add("borderline", "layer")
def layer_low(face: Face, generator: Generator) -> FloatArray:
    """The peeled layer begins too low, so that the lids stay in part"""
    plate = Plate(ceiling_mm=generator.uniform(-9, 9), slope=0.0, wall_mm=55, roll_deg=generator.normal(0, 4))
    return remove(face, layer_mask(face, plate, generator.uniform(14, 22)), generator)


@WHOLE_OUTCOMES.add("borderline", "layer")
def layer_short(face: Face, generator: Generator) -> FloatArray:
    """The peeled layer ends above the chin, so that the mouth stays in part or whole"""
    plate = Plate(ceiling_mm=14, slope=0.0, wall_mm=55, floor_mm=generator.uniform(-88, -52))
    return remove(face, layer_mask(face, plate, generator.uniform(14, 22)), generator)
