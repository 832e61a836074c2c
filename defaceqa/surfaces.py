"""From a volume to its skin: triangles in grid mm, from one iso-value for the pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.head import WORKING_SPACING_MM, fill_holes

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MIN_PIECE_ML = 0.08
"""Smaller loose pieces of a defaced image are noise; an eyelid left floating is about three times as large."""

CLOSING_MM = 6.0
"""Nostrils, ear canals and the gap of the lips narrower than twice this are closed to find the outer skin."""

SKIN_DEPTH_MM = 4.0
"""A vertex is outer skin when the outside of the closed head is this near."""


@dataclass(frozen=True)
class Surface:
    """A triangle mesh.

    Parameters
    ----------
    vertices_mm : ndarray of float32, shape (n, 3)
        Grid mm: voxel index times spacing, RAS+ axes.
    faces : ndarray of int, shape (m, 3)
        Vertex indices of each triangle.
    normals : ndarray of float32, shape (n, 3)
        Unit vectors out of the head, from the intensity gradient.
    """

    vertices_mm: FloatArray
    faces: NDArray[np.int64]
    normals: FloatArray

    @property
    def vertex_areas_mm2(self) -> NDArray[np.float64]:
        """Area that belongs to each vertex: a third of every triangle around it."""
        corners = self.vertices_mm[self.faces].astype(np.float64)
        doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(doubled, axis=1) / 6
        sums = np.bincount(self.faces.ravel(), np.repeat(area, 3), minlength=len(self.vertices_mm))
        return np.asarray(sums, dtype=np.float64)


def skin_surface(data: FloatArray, threshold: float, origin_mm: NDArray[np.float64]) -> Surface:
    """Iso-surface of a volume on the working grid, closed where the head leaves the field of view.

    Parameters
    ----------
    data : ndarray of float32, shape (x, y, z)
        On the working grid; clear the air first (:func:`clear_original`, :func:`clear_defaced`).
    threshold : float
        Iso-value, the same for original and defaced.
    origin_mm : ndarray, shape (3,)
        Grid-mm position of the first voxel.

    Returns
    -------
    Surface
        Empty arrays when nothing is above the threshold.
    """
    import pyvista

    # values are divided by the threshold, so that every scan is contoured at exactly 1 whatever its units
    padded = np.pad(data / np.float32(threshold), 1)
    grid = pyvista.ImageData(
        dimensions=padded.shape, spacing=(WORKING_SPACING_MM,) * 3, origin=origin_mm - WORKING_SPACING_MM
    )
    grid.point_data["value"] = padded.ravel(order="F")
    mesh = grid.contour([1.0], scalars="value", method="flying_edges", compute_normals=True, compute_scalars=False)
    if mesh.n_points == 0:
        return Surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))
    faces = np.asarray(mesh.faces).reshape(-1, 4)[:, 1:].astype(np.int64)
    return Surface(np.asarray(mesh.points, np.float32), faces, np.asarray(mesh.point_data["Normals"], np.float32))


def clear_original(data: FloatArray, head: BoolArray) -> FloatArray:
    """Blank the air around the head of the original (noise, ghosts), keeping one voxel around it for the contour."""
    return np.where(ndimage.binary_dilation(head), data, np.float32(0))


def clear_defaced(data: FloatArray, original: FloatArray, head: BoolArray, threshold: float) -> FloatArray:
    """Blank the air of the defaced image without touching what is left of a face.

    Loose pieces stay (a mouth floating before a cut face is still a mouth); only specks below ``MIN_PIECE_ML`` go, and
    what was air noise in the original already.

    Parameters
    ----------
    data, original : ndarray of float32, shape (x, y, z)
        Defaced and original on the working grid.
    head : ndarray of bool, shape (x, y, z)
        Head mask of the original.
    threshold : float
        Of the original.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
    """
    near_head = ndimage.binary_dilation(head)
    above = data > threshold
    noise_before = ~near_head & (original > threshold)
    labels, count = ndimage.label(above & ~noise_before)
    if count == 0:
        return np.zeros_like(data)
    sizes = np.bincount(labels.ravel())
    large = sizes * WORKING_SPACING_MM**3 / 1000 >= MIN_PIECE_ML
    large[0] = False
    return np.where(ndimage.binary_dilation(large[labels]) & ~noise_before, data, np.float32(0))


def outer_skin(surface: Surface, head: BoolArray, origin_mm: NDArray[np.float64]) -> BoolArray:
    """Which vertices of the original's surface are skin seen from outside, not sinuses, airway or teeth.

    Parameters
    ----------
    surface : Surface
        Of the original.
    head : ndarray of bool, shape (x, y, z)
        Head mask of the original on the working grid.
    origin_mm : ndarray, shape (3,)
        Grid-mm position of its first voxel.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    steps = round(CLOSING_MM / WORKING_SPACING_MM)
    margin = steps + 1
    padded = np.pad(head, margin, mode="edge")
    padded[:, :, -margin:] = False
    # chessboard distances: ten times as fast as Euclidean ones, and the same skin to a few per cent of its area
    near = ndimage.distance_transform_cdt(~padded, "chessboard") <= steps
    closed = ndimage.distance_transform_cdt(near, "chessboard") > steps
    depth = ndimage.distance_transform_cdt(fill_holes(closed | padded), "chessboard").astype(np.float32)
    index = (surface.vertices_mm - origin_mm) / WORKING_SPACING_MM + margin
    found = ndimage.map_coordinates(depth, index.T, order=1, mode="nearest")
    return np.asarray(found * WORKING_SPACING_MM <= SKIN_DEPTH_MM)
