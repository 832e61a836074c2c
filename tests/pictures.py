"""Grey pictures for the tests of the similarity measures, drawn from integer formulas so that they never change."""

import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]
WHITE = 255


def head(size: int = 96) -> ByteArray:
    """Draw a shaded, textured disc with two dark eyes and a mouth on white."""
    y, x = _grid(size)
    squared = x * x + y * y
    picture = np.where(squared < 40 * 40 * 64, 200 - squared // (40 * 64) + texture(size) // 16, WHITE)
    for left, right, top, bottom in ((-20, -10, -12, -6), (10, 20, -12, -6), (-12, 12, 16, 20)):
        picture[(x >= 8 * left) & (x < 8 * right) & (y >= 8 * top) & (y < 8 * bottom)] = 60
    return picture.astype(np.uint8)


def texture(size: int = 96) -> ByteArray:
    """Draw structure everywhere and in all directions."""
    y, x = _grid(size)
    return ((x * x + 3 * y * y + 5 * x * y) // 512 % 256).astype(np.uint8)


def defaced(amount: float, size: int = 96) -> ByteArray:
    """Draw the head with the lower part erased: 0 leaves it whole, 1 leaves nothing."""
    picture = head(size)
    picture[round(size * (1 - amount)) :] = WHITE
    return picture


def blank(size: int = 96) -> ByteArray:
    """White, as the render of nothing."""
    return np.full((size, size), WHITE, np.uint8)


def _grid(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns from the centre, in eighths of a 96th of the picture."""
    axis = (2 * np.arange(size) - size + 1) * 4 * 96 // size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x
