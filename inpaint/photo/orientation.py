"""EXIF orientation: how stored pixels are turned upright, and back."""

import numpy as np
from numpy.typing import NDArray

# EXIF 2.32, tag 274 -> transpose first, then flip top to bottom, then flip left to right
TURNS = {
    1: (False, False, False), 2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def swaps_sides(orientation: int) -> bool:
    """Whether turning upright exchanges width and height."""
    return TURNS[orientation][0]


def turn_upright(stored: NDArray, orientation: int) -> NDArray:
    """Turn stored pixels (H, W) or (H, W, C) upright; orientation is 1 to 8 as in EXIF."""
    transpose, vertical, horizontal = TURNS[orientation]
    turned = np.swapaxes(stored, 0, 1) if transpose else stored
    turned = turned[::-1] if vertical else turned
    return turned[:, ::-1] if horizontal else turned


def turn_back(upright: NDArray, orientation: int) -> NDArray:
    """The inverse of `turn_upright`: upright pixels as they were stored; a new array."""
    transpose, vertical, horizontal = TURNS[orientation]
    turned = upright[:, ::-1] if horizontal else upright
    turned = turned[::-1] if vertical else turned
    return np.ascontiguousarray(np.swapaxes(turned, 0, 1) if transpose else turned)
