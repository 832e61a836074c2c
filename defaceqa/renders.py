"""Five pictures of a skin surface: the same surface gives the same pixels, every time and on every machine.

Everything that could move a pixel is pinned in :class:`RenderSettings`; its hash is written into every feature row and
every model, and a model refuses rows rendered otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.head import NOISE_SPREADS, SKIN_FRACTION, WORKING_SPACING_MM
from defaceqa.renderer import describe_renderer, prepare_environment
from defaceqa.surfaces import MIN_PIECE_ML, Surface

if TYPE_CHECKING:
    import pyvista

BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

VIEWS: dict[str, tuple[float, float]] = {
    "frontal": (0.0, 1.0),
    "left_profile": (-1.0, 0.0),
    "right_profile": (1.0, 0.0),
    "left_oblique": (-(0.5**0.5), 0.5**0.5),
    "right_oblique": (0.5**0.5, 0.5**0.5),
}
"""Where the camera stands, seen from the head: x to the person's right, y to the front."""

BACKGROUND = 255
"""Grey value of the background; the head itself never reaches it."""


@dataclass(frozen=True)
class RenderSettings:
    """Everything that decides what a render looks like."""

    version: int = 1
    size_px: int = 512
    field_mm: float = 260.0
    focus_below_vertex_mm: float = 118.0
    camera_distance_mm: float = 600.0
    surface_grey: float = 0.94
    ambient: float = 0.12
    diffuse: float = 0.88
    light_position: tuple[float, float, float] = (0.25, 0.45, 1.0)
    working_spacing_mm: float = WORKING_SPACING_MM
    skin_fraction: float = SKIN_FRACTION
    noise_spreads: float = NOISE_SPREADS
    min_piece_ml: float = MIN_PIECE_ML

    @property
    def sha256(self) -> str:
        """Hash over all settings and views."""
        record = json.dumps({**asdict(self), "views": VIEWS}, sort_keys=True)
        return hashlib.sha256(record.encode()).hexdigest()


SETTINGS = RenderSettings()


def settings_hash() -> str:
    """First twelve digits of the hash of the render settings, as written into rows and models."""
    return SETTINGS.sha256[:12]


def camera_focus_mm(head: BoolArray, origin_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Point all five cameras look at: the axis of the head, a fixed way below its top.

    A fixed length below the top rather than a centre of mass, so that a neck more or less in view moves nothing.

    Parameters
    ----------
    head : ndarray of bool, shape (x, y, z)
        Head mask of the original on the working grid.
    origin_mm : ndarray, shape (3,)
        Grid-mm position of its first voxel.

    Returns
    -------
    ndarray, shape (3,)
        Grid mm.
    """
    filled = np.flatnonzero(head.sum(axis=(0, 1)) > 25)  # a square centimetre: specks do not count as a head's top
    top = int(filled.max())
    depth = round(SETTINGS.focus_below_vertex_mm / WORKING_SPACING_MM)
    upper = head[:, :, max(0, top - depth) : top + 1]
    x, y = (np.flatnonzero(upper.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    index = np.array([(x[0] + x[-1]) / 2, (y[0] + y[-1]) / 2, top - depth])
    return origin_mm + WORKING_SPACING_MM * index


def render_views(surfaces: list[Surface], focus_mm: NDArray[np.float64]) -> list[ByteArray]:
    """Render surfaces from the five views with one camera.

    Parameters
    ----------
    surfaces : list of Surface
        Usually the original's and the defaced one's.
    focus_mm : ndarray, shape (3,)
        From :func:`camera_focus_mm` of the original.

    Returns
    -------
    list of ndarray of uint8, shape (5, 512, 512)
        Grey pictures in the order of ``VIEWS``; background 255, head at most 254.

    Raises
    ------
    RenderError
        When no off-screen renderer works on this machine.
    """
    with _window() as plotter:
        views = [_render(plotter, surface, focus_mm) for surface in surfaces]
        describe_renderer(plotter)  # noted while a window is open: opening another one for it would cost half a second
        return views


def paint_views(
    surface: Surface, colours: ByteArray, focus_mm: NDArray[np.float64], views: tuple[str, ...]
) -> list[ByteArray]:
    """Render a surface in colours, for people; with the cameras and the light of the measured views.

    Parameters
    ----------
    surface : Surface
    colours : ndarray of uint8, shape (n, 3)
        Red, green and blue of each vertex.
    focus_mm : ndarray, shape (3,)
    views : tuple of str
        Names out of ``VIEWS``.

    Returns
    -------
    list of ndarray of uint8, shape (512, 512, 3)

    Raises
    ------
    RenderError
        When no off-screen renderer works on this machine.
    """
    with _window() as plotter:
        mesh = _mesh(surface)
        mesh.point_data["colour"] = colours
        _add(plotter, mesh, scalars="colour", rgb=True)
        return [_colour_picture(plotter, focus_mm, VIEWS[view]) for view in views]


def silhouettes(*views: ByteArray) -> BoolArray:
    """Pixels where at least one of the renders shows the head, shape (5, 512, 512)."""
    return np.asarray(np.any([view != BACKGROUND for view in views], axis=0))


@contextmanager
def _window() -> Iterator[pyvista.Plotter]:
    """An empty off-screen window with the light of all pictures, closed at the end."""
    prepare_environment()
    plotter = _plotter()
    try:
        yield plotter
    finally:
        plotter.close()


def _plotter() -> pyvista.Plotter:
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=[SETTINGS.size_px] * 2, lighting="none")
    plotter.disable_anti_aliasing()  # PyVista's default (MSAA) alone moves image measures as much as a missing nose
    plotter.set_background("white")
    plotter.enable_parallel_projection()
    light = pyvista.Light(light_type="camera light", position=SETTINGS.light_position, intensity=1.0)
    light.positional = False
    plotter.add_light(light)
    return plotter


def _render(plotter: pyvista.Plotter, surface: Surface, focus_mm: NDArray[np.float64]) -> ByteArray:
    shape = (len(VIEWS), SETTINGS.size_px, SETTINGS.size_px)
    if len(surface.faces) == 0:
        return np.full(shape, BACKGROUND, np.uint8)
    actor = _add(plotter, _mesh(surface), color=(SETTINGS.surface_grey,) * 3)
    pictures = [_picture(plotter, focus_mm, direction) for direction in VIEWS.values()]
    plotter.remove_actor(actor, render=False)
    return np.stack(pictures)


def _add(plotter: pyvista.Plotter, mesh: pyvista.PolyData, **colour: Any) -> pyvista.Actor:
    actor = plotter.add_mesh(
        mesh,
        ambient=SETTINGS.ambient,
        diffuse=SETTINGS.diffuse,
        specular=0.0,
        smooth_shading=False,
        reset_camera=False,
        render=False,
        **colour,
    )
    actor.prop.interpolation = "Phong"  # uses the gradient normals the mesh carries
    return actor


def _mesh(surface: Surface) -> pyvista.PolyData:
    import pyvista

    faces = np.column_stack([np.full(len(surface.faces), 3), surface.faces]).ravel()
    mesh = pyvista.PolyData(surface.vertices_mm, faces)
    mesh.point_data.active_normals = surface.normals
    return mesh


def _picture(plotter: pyvista.Plotter, focus_mm: NDArray[np.float64], direction: tuple[float, float]) -> ByteArray:
    return np.ascontiguousarray(_colour_picture(plotter, focus_mm, direction)[:, :, 0])


def _colour_picture(
    plotter: pyvista.Plotter, focus_mm: NDArray[np.float64], direction: tuple[float, float]
) -> ByteArray:
    camera = plotter.camera
    camera.focal_point = tuple(focus_mm)
    camera.position = tuple(focus_mm + SETTINGS.camera_distance_mm * np.array([*direction, 0.0]))
    camera.up = (0.0, 0.0, 1.0)
    camera.parallel_scale = SETTINGS.field_mm / 2
    camera.clipping_range = (1.0, 2 * SETTINGS.camera_distance_mm)
    plotter.render()
    return np.array(plotter.screenshot(return_img=True))
