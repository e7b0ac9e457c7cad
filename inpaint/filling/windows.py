"""Windows: the parts of a photo that are worked on, each a group of holes with the context it needs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
LEAST_CONTEXT = 48  # pixels
TILE = 512  # side of the tiles into which wide-spread small holes are cut, pixels
MERGED_SIDE = 1024  # windows are merged only up to this side, pixels


@dataclass(frozen=True)
class Window:
    """A rectangle of the photo and the part of it whose hole pixels this window fills (pixels, ends excluded)."""

    top: int
    left: int
    bottom: int
    right: int
    core: tuple[int, int, int, int]  # top, left, bottom, right of the holes themselves

    @property
    def crop(self) -> tuple[slice, slice]:
        """Index of the window in the photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def longest(self) -> int:
        """Longer side (pixels)."""
        return max(self.bottom - self.top, self.right - self.left)

    @property
    def area(self) -> int:
        """Pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def own(self, hole: Mask) -> Mask:
        """The hole pixels that this window fills: those in its core.

        Args:
            hole: bool, the mask cut to the window.
        """
        mine = np.zeros_like(hole)
        top, left, bottom, right = self.core
        mine[top - self.top : bottom - self.top, left - self.left : right - self.left] = True
        return mine & hole


def _around(core: tuple[int, int, int, int], shape: tuple[int, int], context: float) -> Window:
    top, left, bottom, right = core
    margin = max(LEAST_CONTEXT, round(context * max(bottom - top, right - left)))
    return Window(
        max(0, top - margin), max(0, left - margin), min(shape[0], bottom + margin), min(shape[1], right + margin), core
    )


def _tiles(core: tuple[int, int, int, int], mask: Mask) -> list[tuple[int, int, int, int]]:
    """Cut a core into tiles when its holes are small beside it, so that they are filled at full size."""
    top, left, bottom, right = core
    if max(bottom - top, right - left) <= TILE:
        return [core]
    depth = cv2.distanceTransform(mask[top:bottom, left:right].astype(np.uint8), cv2.DIST_L2, 3).max()
    if depth > TILE / 8:
        return [core]
    cut = []
    for y in range(top, bottom, TILE):
        for x in range(left, right, TILE):
            ys, xs = np.nonzero(mask[y : min(y + TILE, bottom), x : min(x + TILE, right)])
            if len(ys):
                cut.append((y + int(ys.min()), x + int(xs.min()), y + int(ys.max()) + 1, x + int(xs.max()) + 1))
    return cut


def _union(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def find_windows(mask: Mask, context: float) -> list[Window]:
    """Windows that together cover every hole.

    Args:
        mask: bool (H, W), True = hole, not empty.
        context: known surroundings on each side as a multiple of the holes' longer side.

    Returns:
        windows in reading order; every hole pixel lies in the core of at least one.
    """
    reach = np.ones((2 * LEAST_CONTEXT // 2 + 1,) * 2, np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask.astype(np.uint8), reach))
    cores = []
    for left, top, width, height, _ in stats[1:count].tolist():
        ys, xs = np.nonzero(mask[top : top + height, left : left + width])
        core = (top + int(ys.min()), left + int(xs.min()), top + int(ys.max()) + 1, left + int(xs.max()) + 1)
        cores += _tiles(core, mask)
    merging = len(cores) <= 500  # beyond that the tiles are many and small, and merging gains nothing
    while merging:
        merging = False
        for i in range(len(cores)):
            for j in range(len(cores) - 1, i, -1):
                joined = _union(cores[i], cores[j])
                small = max(joined[2] - joined[0], joined[3] - joined[1]) <= MERGED_SIDE
                a, b = _around(cores[i], mask.shape, context), _around(cores[j], mask.shape, context)
                overlap = _meet((a.top, a.left, a.bottom, a.right), (b.top, b.left, b.bottom, b.right))
                if _meet(cores[i], cores[j]) or (small and overlap and len(_tiles(joined, mask)) == 1):
                    cores[i] = joined
                    del cores[j]
                    merging = True
    return [_around(core, mask.shape, context) for core in sorted(cores)]
