"""Windows: the parts of a photo that are worked on, each a group of holes with the context it needs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.boxes import Box, bounding_box, overlap, unite
from inpaint.filling.structure import FINEST

Mask = NDArray[np.bool_]
Core = Box  # of holes, pixels
LEAST_CONTEXT = 48  # pixels
LEAST_SHARE = 0.25  # of the hole's longer side, which the context keeps however large the window grows
MOST_PIXELS = 2_000_000  # of a window; where context is what makes it larger, it gets less
LAP = 16  # by which tiles reach into their neighbours, where their fills are blended, pixels
LONG = FINEST - 2 * LEAST_CONTEXT  # longest side of a hole whose window can be filled at full size, pixels
TILE = LONG - 2 * LAP  # side of the tiles into which wide-spread small holes are cut, pixels
MOST_TILES = 48  # more of these take too long
COARSE_TILE = 512  # side of the tiles in their place, whose windows are larger than what is filled at full size, pixels
DEPTHS = 16  # a hole's own depths that count as its size when it is long and thin
SHALLOW = 16.0  # depth up to which a group of holes is cut into tiles when it is long, or one of many, pixels
SEVERAL = 16  # more shallow groups than this are gathered in tiles
MANY = 128  # more than this, in coarse tiles where there would be too many others


@dataclass(frozen=True, eq=False)
class Window:
    """A rectangle of the photo and the holes in it that this window fills (pixels, ends excluded).

    Args:
        top, left, bottom, right: the rectangle.
        core: bounding box of the holes that it fills.
        holes: bool (H, W) of the whole photo: those of its holes that may be filled here.
        tile: of windows that share holes with their neighbours, the rectangle whose upper and left edges are blended.
    """

    top: int
    left: int
    bottom: int
    right: int
    core: Core
    holes: Mask
    tile: Box | None = None

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

    @property
    def own(self) -> Mask:
        """The hole pixels that this window fills, bool of the window's shape."""
        mine = np.zeros((self.bottom - self.top, self.right - self.left), bool)
        top, left, bottom, right = self.core
        mine[top - self.top : bottom - self.top, left - self.left : right - self.left] = self.holes[
            top:bottom, left:right
        ]
        return mine

    @property
    def weight(self) -> NDArray[np.float32] | None:
        """How much this window's fill counts against that of the tiles before it, float32 (h, w); None = all."""
        if self.tile is None:
            return None
        rows = np.arange(self.top, self.bottom) - self.tile[0]
        columns = np.arange(self.left, self.right) - self.tile[1]
        first = self.tile[0] == 0, self.tile[1] == 0  # nothing lies before these
        ramps = [
            np.ones(len(at)) if edge else np.clip((at + 0.5) / (2 * LAP), 0, 1)
            for at, edge in zip((rows, columns), first, strict=True)
        ]
        return np.minimum(ramps[0][:, None], ramps[1][None]).astype(np.float32)

    def grown(self, margin: int) -> "Window":
        """The window of the same core with this margin on each side, cut at the photo's edges (pixels)."""
        top, left, bottom, right = self.core
        height, width = self.holes.shape
        return Window(
            max(0, top - margin), max(0, left - margin), min(height, bottom + margin), min(width, right + margin),
            self.core, self.holes, self.tile,
        )  # fmt: skip


def _margin(core: Core, depth: float, context: float, shape: tuple[int, ...]) -> int:
    longest = max(_size(core))
    room = (MOST_PIXELS**0.5 - longest) / 2  # the window of a square hole stays within the bound
    wanted = context * min(longest, DEPTHS * depth)
    most = _most_margin(core, shape)
    if depth <= SHALLOW and context <= 1 and most >= LEAST_CONTEXT:  # rather filled at full size than with more around
        wanted = min(wanted, most)
    return max(LEAST_CONTEXT, round(min(wanted, max(room, LEAST_SHARE * longest))))


def _most_margin(core: Core, shape: tuple[int, ...]) -> float:
    """The margin with which a window, cut at the photo's edges, has no side above what is filled at full size."""
    most = float("inf")
    for first, last, size in ((core[0], core[2], shape[0]), (core[1], core[3], shape[1])):
        if size > FINEST:
            most = min(most, max((FINEST - (last - first)) // 2, FINEST - last, FINEST - (size - first)))
    return most


def _depth(core: Core, mask: Mask) -> float:
    """Distance of the innermost hole pixel of a core from a known one (pixels)."""
    hole = mask[core[0] : core[2], core[1] : core[3]].astype(np.uint8)
    return float(cv2.distanceTransform(np.pad(hole, 1), cv2.DIST_L2, 3).max())


def _tighten(core: Core, mask: Mask) -> Core | None:
    """The bounding box of the hole pixels of a core; None where it holds none."""
    top, left = core[:2]
    tight = bounding_box(mask[top : core[2], left : core[3]])
    return None if tight is None else (top + tight[0], left + tight[1], top + tight[2], left + tight[3])


def _size(core: Core) -> tuple[int, int]:
    return core[2] - core[0], core[3] - core[1]


def _cut(core: Core, mask: Mask, side: int) -> list[tuple[Core, Box]]:
    """The overlapping tiles of a core that hold hole pixels, each tightened to them, and the tiles themselves."""
    top, left, bottom, right = core
    high, wide = (size if size <= FINEST else side for size in _size(core))  # nothing to cut where one window has room
    found = []
    for y in range(top, bottom, high):
        for x in range(left, right, wide):
            tile = max(top, y - LAP), max(left, x - LAP), min(y + high + LAP, bottom), min(x + wide + LAP, right)
            if mask[y : y + high, x : x + wide].any() and (tight := _tighten(tile, mask)):
                found.append((tight, tile))
    return found


def _merge(cores: list[Core], depths: list[float], context: float, shape: tuple[int, ...]) -> list[tuple[Core, float]]:
    """Join cores that meet, or whose contexts meet while the joint window is still filled at full size."""

    def side(core: Core, depth: float) -> int:
        margin = _margin(core, depth, context, shape)
        rows = min(shape[0], core[2] + margin) - max(0, core[0] - margin)
        return max(rows, min(shape[1], core[3] + margin) - max(0, core[1] - margin))

    def small(i: int, j: int) -> bool:
        joined = _closure(unite([cores[i], cores[j]]), cores)
        largest = max(FINEST, side(cores[i], depths[i]), side(cores[j], depths[j]))
        return side(joined, max(depths[i], depths[j])) <= largest

    merging = True
    while merging:
        merging = False
        for i in range(len(cores)):
            for j in range(len(cores) - 1, i, -1):
                reach = sum(_margin(cores[k], depths[k], context, shape) for k in (i, j))
                top, left, bottom, right = cores[i]
                near = overlap((top - reach, left - reach, bottom + reach, right + reach), cores[j])
                if overlap(cores[i], cores[j]) or (near and small(i, j)):
                    cores[i], depths[i] = unite([cores[i], cores[j]]), max(depths[i], depths[j])
                    del cores[j], depths[j]
                    merging = True
    return list(zip(cores, depths, strict=True))


def _closure(core: Core, cores: list[Core]) -> Core:
    """A core with all that it overlaps, and what these overlap then."""
    while True:
        wider = unite([core, *(other for other in cores if overlap(core, other))])
        if wider == core:
            return core
        core = wider


def find_windows(mask: Mask, context: float) -> list[Window]:
    """Windows that together cover every hole.

    Several shallow holes (specks, dust, hairlines) are gathered tile by tile: one pass over the photo. Tiles overlap,
    and what two of them fill is blended (`Window.weight`), so that a long band shows no step between them. Up to 48
    are so small that their windows are filled at full size.

    Args:
        mask: bool (H, W), True = hole, not empty.
        context: known surroundings on each side as a multiple of the holes' longer side, or of sixteen times their
            depth where that is less (a long scratch needs no more than its own neighbourhood).

    Returns:
        windows in reading order; their `own` pixels together are the mask, and only tiles share some.
    """
    reach = np.ones((2 * LEAST_CONTEXT // 2 + 1,) * 2, np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask.astype(np.uint8), reach))
    cores = [
        core
        for left, top, width, height, _ in stats[1:count].tolist()
        if (core := _tighten((top, left, top + height, left + width), mask))
    ]
    depths = [_depth(core, mask) for core in cores]
    shallow = [k for k in range(len(cores)) if depths[k] <= SHALLOW]
    found: list[tuple[Core, float, Mask, Box | None]] = []
    deep = mask
    large = [size > FINEST for size in mask.shape]  # sides that can be too long for a window
    longest = max((n for k in shallow for n, wide in zip(_size(cores[k]), large, strict=True) if wide), default=0)
    tiles: list[tuple[Core, Box]] = []
    if (len(shallow) > SEVERAL and any(large)) or longest > LONG:
        is_shallow = np.zeros(count, bool)
        is_shallow[[k + 1 for k in shallow]] = True
        thin = is_shallow[labels] & mask
        tiles = _cut((0, 0, *mask.shape), thin, TILE)
        if len(tiles) > MOST_TILES:
            coarse = len(shallow) > MANY or longest > COARSE_TILE
            tiles = _cut((0, 0, *mask.shape), thin, COARSE_TILE) if coarse else []
    if tiles:
        deep = mask & ~thin
        found = [(core, _depth(core, thin), thin, tile) for core, tile in tiles]
        others = np.flatnonzero(~is_shallow[1:])
        cores, depths = [cores[k] for k in others], [depths[k] for k in others]
    del labels
    found += [(core, depth, deep, None) for core, depth in _merge(cores, depths, context, mask.shape)]
    found.sort(key=lambda entry: (entry[3] or entry[0], entry[0]))
    return [
        Window(*core, core, part, tile).grown(_margin(core, depth, context, mask.shape))
        for core, depth, part, tile in found
    ]


def widen(window: Window, mask: Mask) -> Window:
    """A larger window where this one knows too little: twice the margin until a quarter of it is known, or it is all.

    Args:
        window: one of `find_windows`.
        mask: bool (H, W), the whole photo's.
    """
    margin = max(window.core[0] - window.top, window.bottom - window.core[2], LEAST_CONTEXT)
    margin = max(margin, window.core[1] - window.left, window.right - window.core[3])
    while mask[window.crop].mean() > 0.75 and window.area < mask.size:
        margin *= 2
        wider = window.grown(margin)
        if wider.area > MOST_PIXELS and not mask[window.crop].all():
            break
        window = wider
    return window
