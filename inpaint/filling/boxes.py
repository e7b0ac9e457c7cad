"""Boxes of pixels, as those of `models.part`: around a mask, and of several."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inpaint.models.part import Box

__all__ = ["Box", "bounding_box", "overlap", "unite"]


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box that holds all of a mask bool (H, W); None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def unite(boxes: Sequence[Box]) -> Box:
    """The smallest box around several."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)
