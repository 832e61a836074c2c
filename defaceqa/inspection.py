"""One picture of where brain and face were found in an original, so that a person can check it in one look."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.anatomy.images import carried
from defaceqa.anatomy.patches import REGION_WORDS, REGIONS, region_of
from defaceqa.anatomy.registration import Anatomy, locate
from defaceqa.anatomy.template import load_template
from defaceqa.features.original import MeasuredOriginal
from defaceqa.renders import camera_focus_mm, paint_views
from defaceqa.volumes import load_volume
from defaceqa.whole_file import replacing

if TYPE_CHECKING:
    from PIL import Image

ByteArray = NDArray[np.uint8]

COLOURS = {
    "left_eye": (0, 114, 178),
    "right_eye": (86, 180, 233),
    "nose": (213, 94, 0),
    "mouth": (204, 121, 167),
    "left_ear": (0, 158, 115),
    "right_ear": (120, 200, 80),
    "forehead": (230, 159, 0),
    "cheeks_jaw": (240, 228, 66),
}
"""After Okabe and Ito, told apart by the colour-blind."""

BRAIN_COLOUR = (220, 30, 30)
SKIN_COLOUR = (200, 200, 200)
NUMBERED = np.array([SKIN_COLOUR, *(COLOURS[region] for region in REGIONS)], np.uint8)
VIEWS = ("frontal", "left_oblique", "right_oblique")
TILE_PX = 512
MARGIN_PX = 56
WHITE_PERCENTILE = 99.5


def inspect(original: str | os.PathLike[str], picture: str | os.PathLike[str]) -> Anatomy:
    """Locate brain and face in an original and draw them.

    The picture shows the original's face: treat it as the original. Only its owner can read the file.

    Parameters
    ----------
    original : path
        NIfTI or MGZ file.
    picture : path
        PNG file to write: above, the face from three sides, coloured by region; below, three slices with the outline
        of the brain and the regions along the skin.

    Returns
    -------
    Anatomy

    Raises
    ------
    InputError
        An image that cannot be used.
    RenderError
        No off-screen renderer on this machine.
    """
    volume = load_volume(Path(original))
    anatomy = locate(volume)
    measured = MeasuredOriginal(volume)
    sheet = _sheet(_faces(measured, anatomy), _slices(measured, anatomy), volume.name, anatomy)
    with replacing(Path(picture), private=True) as partial:
        sheet.save(partial, "PNG")
    return anatomy


def _faces(measured: MeasuredOriginal, anatomy: Anatomy) -> list[ByteArray]:
    surface = measured.surface
    regions = region_of(surface.vertices_mm, anatomy.landmarks_mm)
    focus_mm = camera_focus_mm(measured.head, measured.origin_mm)
    return paint_views(surface, NUMBERED[regions], focus_mm, VIEWS)


def _slices(measured: MeasuredOriginal, anatomy: Anatomy) -> list[ByteArray]:
    """Sagittal, coronal and axial slice through the middle of the brain, or of the head where no brain was found."""
    data, head = measured.data, measured.head
    white = float(np.percentile(data[head], WHITE_PERCENTILE))
    grey = np.clip(255 * data / max(white, 1e-6), 0, 255).astype(np.uint8)
    [labels] = carried(
        [load_template().regions], load_template(), anatomy.matrix, data.shape, measured.origin_mm, order=0
    )
    skin = head ^ ndimage.binary_erosion(head, iterations=2)
    regions = np.where(skin, labels, 0).astype(np.uint8)
    brain = np.zeros_like(head) if anatomy.brain is None else anatomy.brain
    middle = np.rint(np.argwhere(brain if brain.any() else head).mean(axis=0)).astype(int)
    return [
        _slice(*(np.take(volume, middle[axis], axis) for volume in (grey, brain, regions))) for axis in range(3)
    ]  # fmt: skip


def _slice(grey: ByteArray, brain: NDArray[np.bool_], regions: ByteArray) -> ByteArray:
    """Colour picture with the top (or front) up, and the person's left on the left."""
    colour = np.repeat(grey[..., None], 3, axis=2)
    colour[regions > 0] = (0.4 * colour[regions > 0] + 0.6 * NUMBERED[regions[regions > 0]]).astype(np.uint8)
    scale = TILE_PX // max(colour.shape[:2])
    big = np.kron(colour, np.ones((scale, scale, 1), np.uint8))
    inside = ndimage.gaussian_filter(np.kron(brain, np.ones((scale, scale))), scale / 2) > 0.5
    big[inside ^ ndimage.binary_erosion(inside, iterations=2)] = BRAIN_COLOUR
    tile = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    flipped = big.transpose(1, 0, 2)[::-1]
    row, column = ((TILE_PX - n) // 2 for n in flipped.shape[:2])
    tile[row : row + flipped.shape[0], column : column + flipped.shape[1]] = flipped
    return tile


def _sheet(faces: list[ByteArray], slices: list[ByteArray], name: str, anatomy: Anatomy) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    pixels = np.vstack([np.hstack(faces), np.hstack(slices)])
    sheet = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + 2 * MARGIN_PX), "white")
    sheet.paste(Image.fromarray(pixels), (0, MARGIN_PX))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    found = "located" if anatomy.located else "NOT located: " + "; ".join(anatomy.flags)
    draw.text((16, 16), f"{name}: {found}, quality {anatomy.quality:.2f}", "black", font)
    left, top = 16, pixels.shape[0] + MARGIN_PX + 16
    for words, colour in [*((REGION_WORDS[region], COLOURS[region]) for region in REGIONS), ("brain", BRAIN_COLOUR)]:
        draw.rectangle((left, top + 4, left + 18, top + 22), colour, "black")
        draw.text((left + 26, top), words, "black", font)
        left += 44 + round(font.getlength(words))
    return sheet
