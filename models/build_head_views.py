"""Draw the mean head for reports: ``python models/build_head_views.py models/template/views.json``.

Camera, light and regions never change, so the drawing is made once: per view a darkness picture (black, more or less
see-through), the outline of the head and the outline of every face region. A report lays colour under the darkness.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyvista
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from defaceqa.anatomy.patches import REGIONS, region_of
from defaceqa.anatomy.template import Template, load_template
from defaceqa.head import WORKING_SPACING_MM, head_mask, head_threshold
from defaceqa.renderer import prepare_environment
from defaceqa.surfaces import clear_original, skin_surface

VIEWS = {"left_profile": (-1.0, 0.0), "frontal": (0.0, 1.0), "right_profile": (1.0, 0.0)}
RENDER_PX = 1024
PICTURE_PX = 320
SHADE_PX = 440
FIELD_MM = 270.0
FOCUS_FROM_NASION_MM = {"y": -88.0, "z": -14.0}
SMOOTH_PX = 3.0
TOLERANCE_PX = 0.6
MIN_PIECE_PX = 60
NECK_SLOPE = 0.2
"""The neck is cut along a slope that rises backwards from under the chin: the mean of many necks is ragged."""


def main(target: Path) -> None:
    """Write the drawing."""
    template = load_template()
    mesh, regions = skin(template)
    focus = template.landmarks_mm["nasion"] + [0.0, FOCUS_FROM_NASION_MM["y"], FOCUS_FROM_NASION_MM["z"]]
    views = {name: draw(mesh, regions, focus, direction) for name, direction in VIEWS.items()}
    record = {
        "what": "The mean head from three sides: darkness as WebP, outlines of head and face regions as SVG paths",
        "licence": "CC BY-SA 3.0, as the mean head it is drawn from",
        "size": PICTURE_PX,
        "views": views,
    }
    target.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{target}: {target.stat().st_size / 1024:.0f} kB")


def skin(template: Template) -> tuple[pyvista.PolyData, NDArray[np.int8]]:
    """The mean head's skin in template mm, and the region of every triangle."""
    threshold = head_threshold(template.head)
    head = head_mask(template.head, threshold)
    if not np.allclose(template.spacing_mm, WORKING_SPACING_MM):
        raise SystemExit(f"the mean head has voxels of {template.spacing_mm} mm; expected {WORKING_SPACING_MM}")
    surface = skin_surface(clear_original(template.head, head), threshold, template.origin_mm)
    faces = np.column_stack([np.full(len(surface.faces), 3), surface.faces]).ravel()
    mesh = pyvista.PolyData(surface.vertices_mm, faces)
    mesh = mesh.connectivity("largest").extract_surface(algorithm="dataset_surface")
    chin = template.landmarks_mm["menton"]
    mesh = mesh.clip((0.0, -NECK_SLOPE, -1.0), origin=(0.0, chin[1], mesh.bounds[4] + 1.0))
    mesh = mesh.smooth_taubin(n_iter=40, pass_band=0.05).compute_normals(split_vertices=False)
    return mesh, region_of(np.asarray(mesh.cell_centers().points), template.landmarks_mm)


def draw(mesh: pyvista.PolyData, regions: NDArray[np.int8], focus: NDArray[np.float64], direction: tuple) -> dict:
    """One view: darkness, head outline, region outlines."""
    shaded = render(mesh, focus, direction, color="white", ambient=0.18, diffuse=0.82, interpolation="Phong")
    inside = render(mesh, focus, direction, color="white", lighting=False) > 0
    ids = np.zeros(shaded.shape, np.int8)
    mesh.cell_data["id"] = (255 * regions.astype(float) / len(REGIONS)).round().astype(np.uint8)
    grey = render(mesh, focus, direction, scalars="id", cmap="gray", clim=(0, 255), lighting=False)
    ids[:] = np.rint(grey / 255 * len(REGIONS))
    found = {name: outline(ids == number) for number, name in enumerate(REGIONS, start=1)}
    return {
        "shade": darkness(shaded, inside),
        "head": outline(inside),
        "regions": {name: path for name, path in found.items() if path},
    }


def render(mesh: pyvista.PolyData, focus: NDArray[np.float64], direction: tuple, **style: object) -> NDArray[np.uint8]:
    """Grey picture on black."""
    interpolation = style.pop("interpolation", None)
    plotter = pyvista.Plotter(off_screen=True, window_size=[RENDER_PX] * 2, lighting="none")
    plotter.disable_anti_aliasing()
    plotter.set_background("black")
    plotter.enable_parallel_projection()
    light = pyvista.Light(light_type="camera light", position=(0.3, 0.55, 1.0), intensity=1.0)
    light.positional = False
    plotter.add_light(light)
    actor = plotter.add_mesh(mesh, reset_camera=False, show_scalar_bar=False, **style)
    if interpolation:
        actor.prop.interpolation = interpolation
    camera = plotter.camera
    camera.focal_point = tuple(focus)
    camera.position = tuple(focus + 600.0 * np.array([*direction, 0.0]))
    camera.up = (0.0, 0.0, 1.0)
    camera.parallel_scale = FIELD_MM / 2
    camera.clipping_range = (1.0, 1200.0)
    picture = np.array(plotter.screenshot(return_img=True))[:, :, 0]
    plotter.close()
    return picture


def darkness(shaded: NDArray[np.uint8], inside: NDArray[np.bool_]) -> str:
    """Black whose opacity is the darkness of the shading, as a data URI."""
    light = shaded.astype(float) / max(1, np.percentile(shaded[inside], 99))
    alpha = np.where(inside, np.clip(255 * 0.92 * (1 - np.clip(light, 0, 1)), 0, 255), 0).astype(np.uint8)
    small = Image.fromarray(alpha).resize((SHADE_PX,) * 2, Image.Resampling.LANCZOS)
    picture = Image.merge("LA", (Image.new("L", small.size, 0), small)).convert("RGBA")
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=60, alpha_quality=88, method=6)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def outline(mask: NDArray[np.bool_]) -> str:
    """SVG path around a mask, in picture units."""
    padded = np.pad(ndimage.gaussian_filter(mask.astype(float), SMOOTH_PX), 1)
    pieces = []
    for line in find_contours(padded, 0.5):
        if len(line) < MIN_PIECE_PX:
            continue
        points = (approximate_polygon(line, TOLERANCE_PX) - 0.5) * PICTURE_PX / RENDER_PX
        pieces.append("M" + "L".join(f"{x:.1f} {y:.1f}" for y, x in points[:-1]) + "Z")
    return "".join(pieces)


if __name__ == "__main__":
    prepare_environment()
    main(Path(sys.argv[1]))
