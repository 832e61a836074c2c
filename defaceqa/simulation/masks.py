"""Masks as whole-face tools remove them: everything before a wall behind the face, or a layer of it.

Positions are right, front, top of the middle between the eyes, in mm of an adult's face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from defaceqa.simulation.face import Face

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

BRAIN_MARGIN_MM = 3.0
"""A mask that spares the brain keeps this far away from it."""


@dataclass(frozen=True)
class Plate:
    """A box before the face, as PyDeface's mask: a ceiling at the orbits, a wall behind the teeth.

    Parameters
    ----------
    ceiling_mm : float
        Height of the ceiling over the front of the eyes.
    slope : float
        How fast the ceiling falls towards the back, mm per mm.
    wall_mm : float
        How far behind the front of the eyes the wall stands.
    floor_mm : float
        Nothing lower than this (negative: below the eyes) is removed.
    half_width_mm : float
        Nothing further to the side is removed.
    shift_mm : tuple of float
        The whole mask moved to the right, front, top.
    pitch_deg, roll_deg, yaw_deg : float
        The whole mask turned about the axes to the right, front, top.
    scale : float
        The whole mask shrunk (< 1) or grown about the point 40 mm below the eyes.
    """

    ceiling_mm: float = 9.0
    slope: float = 0.15
    wall_mm: float = 36.0
    floor_mm: float = -np.inf
    half_width_mm: float = np.inf
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    yaw_deg: float = 0.0
    scale: float = 1.0

    def holds(self, points: FloatArray) -> BoolArray:
        """Which points (..., 3) lie in the mask."""
        centre = np.array([0.0, 0.0, -40.0])
        turn = Rotation.from_euler("xyz", [self.pitch_deg, self.roll_deg, self.yaw_deg], degrees=True).as_matrix()
        moved = ((points - centre - np.array(self.shift_mm)) @ turn / self.scale + centre).astype(np.float32)
        right, front, top = np.moveaxis(moved, -1, 0)
        below = top <= self.ceiling_mm + self.slope * np.minimum(front, 0)
        return np.asarray(
            below & (front >= -self.wall_mm) & (top >= self.floor_mm) & (np.abs(right) <= self.half_width_mm)
        )


def plate_mask(face: Face, plate: Plate, *, spare_brain: bool = True) -> BoolArray:
    """All voxels in the plate, on the working grid.

    Parameters
    ----------
    face : Face
    plate : Plate
    spare_brain : bool
        Keep off the brain, as a well registered mask does.

    Returns
    -------
    ndarray of bool
    """
    mask = plate.holds(face.voxels)
    return mask & (face.brain_distance_mm > BRAIN_MARGIN_MM) if spare_brain else mask


def layer_mask(face: Face, plate: Plate, depth_mm: float, *, spare_brain: bool = True) -> BoolArray:
    """The skin in the plate and what lies under it down to a depth: a layer peeled off, as MiDeFace does.

    Parameters
    ----------
    face : Face
    plate : Plate
        Chooses the skin.
    depth_mm : float

    Returns
    -------
    ndarray of bool
        On the working grid.
    """
    mask = face.under(plate.holds(face.skin), depth_mm)
    return mask & (face.brain_distance_mm > BRAIN_MARGIN_MM) if spare_brain else mask
