"""EXIF orientation: how stored pixels, and blocks of JPEG coefficients, are turned upright."""

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


def turn_blocks(blocks: NDArray[np.int16], orientation: int) -> NDArray[np.int16]:
    """Turn the DCT coefficients of a JPEG component upright without loss.

    A mirrored block has the same coefficients with the odd frequencies of that direction negated; a transposed one
    has them transposed. Only sound along a mirrored direction whose size is a whole number of MCUs.

    Args:
        blocks: int16 (rows, columns, 8, 8), the last two being vertical and horizontal frequency.
        orientation: 1 to 8.

    Returns:
        int16 blocks of the upright picture; a new array.
    """
    transpose, vertical, horizontal = TURNS[orientation]
    turned = np.ascontiguousarray(blocks.transpose(1, 0, 3, 2) if transpose else blocks).copy()
    if vertical:
        turned = turned[::-1].copy()
        turned[..., 1::2, :] *= -1
    if horizontal:
        turned = turned[:, ::-1].copy()
        turned[..., :, 1::2] *= -1
    return turned
