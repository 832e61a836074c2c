"""Cuts along one plane: Quickshear's shear moved by millimetres, and frontal cuts into the brain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.face import Face

BoolArray = NDArray[np.bool_]


def shear_mask(face: Face, buffer_mm: float, angle_deg: float) -> BoolArray:
    """Everything before and below a plane that rests on the brain, as Quickshear cuts (Schimke & Hale 2011).

    Parameters
    ----------
    face : Face
    buffer_mm : float
        Distance kept between plane and brain; negative cuts into the brain.
    angle_deg : float
        How far below straight ahead the plane faces; Quickshear's own choice is mostly 10 to 40.

    Returns
    -------
    ndarray of bool
        On the working grid.
    """
    return _beyond_brain(face, buffer_mm, angle_deg)


def frontal_cut_mask(face: Face, depth_mm: float, *, tilt_deg: float = 0.0) -> BoolArray:
    """Everything before a frontal plane that stands a way inside the brain.

    Parameters
    ----------
    face : Face
    depth_mm : float
        Distance from the brain's frontmost point to the plane, into the brain.
    tilt_deg : float
        Turns the plane so that it faces downwards by this angle.

    Returns
    -------
    ndarray of bool
        On the working grid.
    """
    return _beyond_brain(face, -depth_mm, tilt_deg)


def _beyond_brain(face: Face, distance_mm: float, angle_deg: float) -> BoolArray:
    """What lies further than a distance before the brain, in a direction some degrees below straight ahead."""
    angle = np.radians(angle_deg)
    ahead = face.voxels[..., 1] * np.float32(np.cos(angle)) - face.voxels[..., 2] * np.float32(np.sin(angle))
    rest = float(ahead[face.working_brain].max())
    return np.asarray(ahead > rest + distance_mm / face.frame.scale)
