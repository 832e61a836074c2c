"""One head varied: a few dozen people teach more than their few dozen faces, while the person stays the group.

Every step is drawn from the seed: the face deforms smoothly and its landmarks move along, contrast and coil
sensitivity change, voxels are cut anew, the field of view ends elsewhere, noise comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.simulation.painting import bias_field, smooth_noise
from defaceqa.volumes import Volume

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Points = Mapping[str, NDArray[np.float64]]

DEFORM_KNOT_MM = 38.0
DEFORM_MM = (1.5, 4.0)
"""Spread of the smooth displacement: noses and chins become others', skin does not fold."""

STRETCH = 0.06
"""Spread of the stretch of the whole head along each axis."""

GAMMA_LOG = 0.18
BIAS_SHARE = 0.3
NOISE_SHARE = (0.0, 0.03)
VOXELS_MM = ((1.0, 1.0, 1.0), (0.9, 1.3, 0.9), (1.5, 1.5, 1.5), (2.0, 2.0, 2.0), (1.0, 1.0, 3.0), (2.5, 1.0, 1.0))
"""Voxel sizes a head is cut anew to; never finer than it came."""

RESAMPLED, CUT_VIEW = 0.5, 0.5
"""How often voxels are cut anew, and how often the field of view ends elsewhere."""

SOLVER_STEPS = 8


@dataclass(frozen=True)
class Head:
    """An original ready to be defaced.

    Parameters
    ----------
    volume : Volume
    brain : ndarray of bool, shape of ``volume``
    landmarks_mm : dict
        Grid mm; those out of view absent.
    brain_trusted : bool
        False when the mask is only the mean head's, laid on.
    """

    volume: Volume
    brain: BoolArray
    landmarks_mm: Points
    brain_trusted: bool = True


def vary(head: Head, seed: int) -> Head:
    """Another head of the same person, as far as anybody can tell from the face.

    Parameters
    ----------
    head : Head
    seed : int
        The same seed gives the same head.

    Returns
    -------
    Head
    """
    generator = np.random.default_rng(seed)
    varied = deform(head, generator)
    varied = other_contrast(varied, generator)
    if generator.random() < RESAMPLED:
        varied = recut(varied, VOXELS_MM[generator.integers(len(VOXELS_MM))])
    if generator.random() < CUT_VIEW:
        varied = cut_view(varied, generator)
    return add_noise(varied, generator.uniform(*NOISE_SHARE), generator)


def deform(head: Head, generator: np.random.Generator) -> Head:
    """Stretch the head a little and bend it smoothly; brain and landmarks move along."""
    volume = head.volume
    spacing = volume.spacing_mm
    stretch = 1 + STRETCH * generator.standard_normal(3).clip(-2, 2)
    amount = generator.uniform(*DEFORM_MM)
    field = [
        np.float32(amount) * smooth_noise(volume.shape, spacing, DEFORM_KNOT_MM, generator) for _ in range(3)
    ]  # displacement in mm from the new head to the old one
    middle = (np.array(volume.shape) - 1) / 2 * spacing
    where = np.empty((3, *volume.shape), np.float32)
    for axis in range(3):
        line = (np.arange(volume.shape[axis]) * spacing[axis] - middle[axis]) / stretch[axis] + middle[axis]
        shape = [1, 1, 1]
        shape[axis] = -1
        where[axis] = (line.reshape(shape) + field[axis]) / spacing[axis]
    air = float(np.percentile(volume.data, 2))
    data = ndimage.map_coordinates(volume.data, where, order=1, mode="constant", cval=air)
    brain = ndimage.map_coordinates(head.brain.astype(np.float32), where, order=1) >= 0.5
    moved = {name: _moved(point, stretch, middle, field, spacing) for name, point in head.landmarks_mm.items()}
    return _inside(Volume(data.astype(np.float32), volume.affine), brain, moved, head.brain_trusted)


def other_contrast(head: Head, generator: np.random.Generator) -> Head:
    """Bend the grey values (never their order) and lay another bias field over them."""
    data = np.maximum(head.volume.data, 0)
    top = float(np.percentile(data, 99.5)) or 1.0
    gamma = np.float32(np.exp(GAMMA_LOG * generator.standard_normal()))
    bent: FloatArray = np.asarray(np.float32(top) * (data / np.float32(top)) ** gamma, np.float32)
    bent *= bias_field(bent.shape, head.volume.spacing_mm, BIAS_SHARE, generator)
    return Head(Volume(bent, head.volume.affine), head.brain, head.landmarks_mm, head.brain_trusted)


def recut(head: Head, voxel_mm: tuple[float, float, float]) -> Head:
    """Cut into larger voxels, each the mean of what it holds; smaller ones than there are stay."""
    old = head.volume.spacing_mm
    new = np.maximum(voxel_mm, old)
    shape = [max(1, round(n * o / s)) for n, o, s in zip(head.volume.shape, old, new, strict=True)]
    ratio = new / old
    start = (ratio - 1) / 2
    soft = ndimage.gaussian_filter(head.volume.data, np.sqrt(np.maximum(ratio**2 - 1, 0) / 12))
    data = ndimage.affine_transform(soft, np.diag(ratio), start, output_shape=shape, order=1, mode="nearest")
    brain = ndimage.affine_transform(
        head.brain.astype(np.float32), np.diag(ratio), start, output_shape=shape, order=1, mode="nearest"
    )
    affine = head.volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    affine[:3, :3] = affine[:3, :3] * ratio
    moved = {name: point - start * old for name, point in head.landmarks_mm.items()}
    return _inside(Volume(np.asarray(data, np.float32), affine), brain >= 0.5, moved, head.brain_trusted)


def cut_view(head: Head, generator: np.random.Generator) -> Head:
    """End the field of view where scans end: below the chin or the mouth, at the nose tip, at an ear, at the vertex."""
    spacing, shape = head.volume.spacing_mm, head.volume.shape
    low, high = np.zeros(3, int), np.array(shape)
    which = str(generator.choice(["bottom", "front", "side", "top"], p=[0.4, 0.25, 0.2, 0.15]))
    marks = head.landmarks_mm
    if which == "bottom" and "menton" in marks:
        low[2] = round((marks["menton"][2] + generator.uniform(-25, 35)) / spacing[2])
    elif which == "front" and "pronasale" in marks:
        high[1] = round((marks["pronasale"][1] - generator.uniform(0, 9)) / spacing[1])
    elif which == "side":
        inside = np.flatnonzero(head.brain.any(axis=(1, 2)))
        margin = round(generator.uniform(4, 12) / spacing[0])
        low[0], high[0] = inside[0] - margin, inside[-1] + margin
    elif which == "top":
        high[2] = np.flatnonzero(head.brain.any(axis=(0, 1)))[-1] - round(generator.uniform(0, 12) / spacing[2])
    low, high = np.clip(low, 0, None), np.clip(high, None, shape)
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine = head.volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    moved = {name: point - low * spacing for name, point in marks.items()}
    cut = Volume(np.ascontiguousarray(head.volume.data[window]), affine)
    return _inside(cut, head.brain[window], moved, head.brain_trusted)


def add_noise(head: Head, share: float, generator: np.random.Generator) -> Head:
    """Add noise of a share of the tissue level, kept positive."""
    data = head.volume.data
    level = np.float32(share * float(np.percentile(data, 95)))
    noisy = np.abs(data + level * generator.standard_normal(data.shape, np.float32))
    return Head(Volume(noisy, head.volume.affine), head.brain, head.landmarks_mm, head.brain_trusted)


def _moved(
    point: NDArray[np.float64],
    stretch: NDArray[np.float64],
    middle: NDArray[np.float64],
    field: list[FloatArray],
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where a point of the old head lies in the new one: the displacement solved backwards."""
    found = point.copy()
    for _ in range(SOLVER_STEPS):
        here = (found / spacing)[:, None]
        shift = [float(ndimage.map_coordinates(part, here, order=1, mode="nearest")[0]) for part in field]
        found = (point - shift - middle) * stretch + middle
    return found


def _inside(volume: Volume, brain: BoolArray, marks: Points, trusted: bool) -> Head:
    """A head without the landmarks that have left the field of view."""
    end_mm = (np.array(volume.shape) - 0.5) * volume.spacing_mm
    kept = {
        name: point
        for name, point in marks.items()
        if bool(((point >= -0.5 * volume.spacing_mm) & (point <= end_mm)).all())
    }
    return Head(volume, np.asarray(brain), kept, trusted)
