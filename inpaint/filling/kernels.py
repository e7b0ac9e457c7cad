"""The compiled loops of patch synthesis: search and vote, each result independent of the number of threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

RADIUS = 2  # 5x5 patches
SPATIAL = 1.0  # sigma of the vote's weight over the patch, pixels
FORBIDDEN = 1e30  # the distance that a source starts with which is none
SILENT = -3e38  # the logarithm of the weight of a patch that is none
NO_CACHE = (
    "compiled kernels cannot be kept on disk here, so every process compiles them again (some 10 s); "
    "set NUMBA_CACHE_DIR to a folder that can be written to"
)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Shorts = NDArray[np.int16]
Mask = NDArray[np.bool_]


class Kernel:
    """A parallel loop that is compiled at its first call and kept on disk where that is possible.

    Calls are made one at a time: not every threading layer of numba bears two at once.

    Args:
        loop: the Python function to compile.

    Attributes:
        uncached: whether some kernel of this process could not be kept on disk.
    """

    uncached = False
    _told = False
    _turn = threading.Lock()

    def __init__(self, loop: Callable[..., None]) -> None:
        self.loop = loop
        try:
            self.compiled = self._compile(cache=True)
        except RuntimeError:  # numba found no folder that can be written to
            self._give_up_cache()

    def __call__(self, *arguments: Any) -> None:
        """Run the loop over all threads."""
        with Kernel._turn:
            try:
                self.compiled(*arguments)
            except OSError:  # the folder could be written to, the file could not
                self._give_up_cache()
                self.compiled(*arguments)

    @classmethod
    def complaint(cls) -> list[str]:
        """What to tell the user about kernels that could not be kept: one sentence, once in a process."""
        if not cls.uncached or cls._told:
            return []
        cls._told = True
        return [NO_CACHE]

    def _compile(self, cache: bool) -> Callable[..., None]:
        compiled: Callable[..., None] = njit(parallel=True, nogil=True, fastmath=True, cache=cache)(self.loop)
        return compiled

    def _give_up_cache(self) -> None:
        Kernel.uncached = True
        self.compiled = self._compile(cache=False)


def _build_add_square(_: Any, total: Any, one: Any, other: Any) -> Any:
    """total + (one - other)^2 in int32, which numba would widen to int64; vectors of int16 take one instruction."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        wide = ir.IntType(32)
        step = builder.sub(builder.sext(values[1], wide), builder.sext(values[2], wide))
        return builder.add(values[0], builder.mul(step, step))

    return types.int32(types.int32, types.int16, types.int16), build


_add_square: Any = intrinsic(_build_add_square)


@njit(nogil=True, fastmath=True, inline="always")
def _distance(
    colour: Shorts, guide: Shorts, guided: bool, ty: int, tx: int, sy: int, sx: int, bound: np.float32
) -> np.float32:
    """Squared difference of two patches, given up as soon as it reaches the bound.

    The guide comes first, at the centre and four corners alone: it is smooth, cheap there, and rejects most candidates.
    """
    total = np.int32(0)
    if guided:
        for c in range(3):
            total = _add_square(total, guide[ty, tx, c], guide[sy, sx, c])
        if np.float32(total) >= bound:
            return np.float32(total)
        for dy in (-RADIUS, RADIUS):
            for dx in (-RADIUS, RADIUS):
                for c in range(3):
                    total = _add_square(total, guide[ty + dy, tx + dx, c], guide[sy + dy, sx + dx, c])
        if np.float32(total) >= bound:
            return np.float32(total)
    left_t, left_s = 3 * (tx - RADIUS), 3 * (sx - RADIUS)
    for dy in range(-RADIUS, RADIUS + 1):
        for k in range(6 * RADIUS + 3):
            total = _add_square(total, colour[ty + dy, left_t + k], colour[sy + dy, left_s + k])
        if np.float32(total) >= bound:
            return np.float32(total)
    return np.float32(total)


@njit(nogil=True, inline="always")
def _mix(state: np.uint64) -> np.uint64:
    """Splitmix64 (Steele et al. 2014): a well mixed uint64 from a counter."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@Kernel
def search(
    colour: Shorts, guide: Shorts, guided: bool, start: Floats, doubt: Floats, sources: Ints, targets: Ints,
    index: Ints, field: Ints, jumps: Ints, draws: int, reach: int, seed: int, new_field: Ints, new_cost: Floats,
) -> None:
    """One round of propagation and random search; reads `field`, writes `new_field` and `new_cost` alone.

    Args:
        colour: int16 (H, W * 3), of the unit in which distances are counted.
        guide: int16 (H, W, 3), scaled so that its squared differences carry their weight; counts if `guided`.
        start: float32 (H, W, 2), distance a source starts with, and what is counted by the target's doubt in addition;
            the first is at least `FORBIDDEN` where a patch is not fully known.
        doubt: float32 (N,) in [0, 1], how little of a target is known.
        sources: int32 (M, 2), centres (y, x) of fully known patches.
        targets: int32 (N, 2), centres of the patches to match.
        index: int32 (H, W), a pixel's row in `targets`, or -1.
        field: int32 (N, 2), each target's source centre.
        jumps: int32 (J,), how far away the neighbours are whose sources are tried.
        draws: how many sources are drawn from all.
        reach: around its own source a target tries others, up to this far away, then half as far, and so on to 1.
        seed: of this round.
        new_field, new_cost: int32 (N, 2) and float32 (N,), written; the cost is the distance without its start.
    """
    height, width = index.shape
    for i in prange(len(targets)):
        ty, tx = targets[i, 0], targets[i, 1]
        by, bx = field[i, 0], field[i, 1]
        unsure = doubt[i]
        begin = start[by, bx, 0] + unsure * start[by, bx, 1]
        best = begin + _distance(colour, guide, guided, ty, tx, by, bx, np.float32(3e38))
        for k in range(len(jumps)):
            jump = jumps[k]
            for side in range(4):
                oy = (jump if side == 0 else -jump) if side < 2 else 0
                ox = (jump if side == 2 else -jump) if side >= 2 else 0
                y, x = ty + oy, tx + ox
                if y < 0 or y >= height or x < 0 or x >= width:
                    continue
                j = index[y, x]
                if j < 0:
                    continue
                cy, cx = field[j, 0] - oy, field[j, 1] - ox
                if cy < 0 or cy >= height or cx < 0 or cx >= width or (cy == by and cx == bx):
                    continue
                first = start[cy, cx, 0] + unsure * start[cy, cx, 1]
                if first >= best:
                    continue
                d = first + _distance(colour, guide, guided, ty, tx, cy, cx, best - first)
                if d < best:
                    best, by, bx, begin = d, cy, cx, first
        state = _mix(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(i))
        for _ in range(draws):
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            j = np.int64(state >> np.uint64(33)) % len(sources)
            cy, cx = sources[j, 0], sources[j, 1]
            first = start[cy, cx, 0] + unsure * start[cy, cx, 1]
            if first < best:
                d = first + _distance(colour, guide, guided, ty, tx, cy, cx, best - first)
                if d < best:
                    best, by, bx, begin = d, cy, cx, first
        far = reach
        while far >= 1:
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            cy = by + np.int64(state >> np.uint64(40)) % (2 * far + 1) - far
            cx = bx + np.int64(state & np.uint64(0xFFFFFF)) % (2 * far + 1) - far
            if cy >= 0 and cy < height and cx >= 0 and cx < width:
                first = start[cy, cx, 0] + unsure * start[cy, cx, 1]
                if first < best:
                    d = first + _distance(colour, guide, guided, ty, tx, cy, cx, best - first)
                    if d < best:
                        best, by, bx, begin = d, cy, cx, first
            far //= 2
        new_field[i, 0], new_field[i, 1] = by, bx
        new_cost[i] = best - begin


@Kernel
def vote(
    image: Floats, colour: Shorts, unit: float, pixels: Ints, index: Ints, field: Ints, strength: Floats, copy: bool,
    origin: Ints,
) -> None:
    """Give every hole pixel the mean of what its patches say, or the word of the best alone; writes it there.

    Sources are fully known, so no pixel read is one that is written.

    Args:
        image: float32 (H, W, 3), written at `pixels`.
        colour: int16 (H, W * 3), the same times `unit`, written too.
        unit: how many of its values make one of the image's.
        pixels: int32 (P, 2), the hole.
        index: int32 (H, W), a pixel's row in `field`, or -1.
        field: int32 (N, 2), each target's source centre.
        strength: float32 (H + 4, W + 4), logarithm of the weight of the target at each pixel, which stands `RADIUS`
            further down and right; `SILENT` where there is none.
        copy: copy the best instead of averaging.
        origin: int32 (P, 2), written: the pixel that the best patch would copy, or -1.
    """
    for p in prange(len(pixels)):
        y, x = pixels[p, 0], pixels[p, 1]
        top, top_y, top_x = np.float32(SILENT), -1, -1
        for dy in range(2 * RADIUS + 1):
            for dx in range(2 * RADIUS + 1):
                away = (dy - RADIUS) * (dy - RADIUS) + (dx - RADIUS) * (dx - RADIUS)
                said = strength[y + dy, x + dx] - np.float32(away / (2 * SPATIAL * SPATIAL))
                if said > top:
                    top, top_y, top_x = said, y + dy - RADIUS, x + dx - RADIUS
        if top_y < 0:
            origin[p, 0], origin[p, 1] = -1, -1
            continue
        j = index[top_y, top_x]
        from_y, from_x = field[j, 0] + y - top_y, field[j, 1] + x - top_x
        origin[p, 0], origin[p, 1] = from_y, from_x
        if copy:
            image[y, x] = image[from_y, from_x]
            continue
        total, red, green, blue = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for dy in range(2 * RADIUS + 1):
            for dx in range(2 * RADIUS + 1):
                away = (dy - RADIUS) * (dy - RADIUS) + (dx - RADIUS) * (dx - RADIUS)
                said = strength[y + dy, x + dx] - np.float32(away / (2 * SPATIAL * SPATIAL))
                if said >= top - np.float32(12):  # the best counts even where the difference is lost in rounding
                    j = index[y + dy - RADIUS, x + dx - RADIUS]
                    sy, sx = field[j, 0] - dy + RADIUS, field[j, 1] - dx + RADIUS
                    weight = np.exp(said - top)
                    total += weight
                    red += weight * image[sy, sx, 0]
                    green += weight * image[sy, sx, 1]
                    blue += weight * image[sy, sx, 2]
        image[y, x, 0], image[y, x, 1], image[y, x, 2] = red / total, green / total, blue / total
        for c in range(3):
            colour[y, 3 * x + c] = np.int16(np.rint(image[y, x, c] * unit))


@Kernel
def transfer(
    photo: NDArray[Any], hole: Mask, scale: float, origin: Ints, fill: Floats, shift: Floats, factor: int, top: int,
    out: Floats,
) -> None:
    """Carry a synthesis over to a larger photo: every pixel is copied from where its small pixel was copied from.

    The four small pixels around a pixel each name a source; where they disagree the sources are blended across one
    small pixel, so that pieces meet without a hard edge.

    Args:
        photo: uint8 or uint16 (H, W, 3), the large photo.
        hole: bool (H, W), its hole.
        scale: from the photo's values to [0, 255].
        origin: int32 (h, w, 2), the source of every small pixel, or -1.
        fill: float32 (h, w, 3) in [0, 255], the small fill; stands in where there is no source.
        shift: float32 (h, w, 3), what is added to a copied pixel.
        factor: large pixels per small one and side.
        top: first row of the strip to write.
        out: float32 (rows, W, 3) in [0, 255], written in the hole.
    """
    height, width = hole.shape
    small_height, small_width = fill.shape[0], fill.shape[1]
    for row in prange(out.shape[0]):
        y = top + row
        v = (y + 0.5) / factor - 0.5
        base_y = int(np.floor(v))
        for x in range(width):
            if not hole[y, x]:
                continue
            u = (x + 0.5) / factor - 0.5
            base_x = int(np.floor(u))
            total, red, green, blue = 0.0, 0.0, 0.0, 0.0
            spare, spare_red, spare_green, spare_blue = 0.0, 0.0, 0.0, 0.0
            for step_y in range(2):
                for step_x in range(2):
                    qy = min(max(base_y + step_y, 0), small_height - 1)
                    qx = min(max(base_x + step_x, 0), small_width - 1)
                    weight = (1 - abs(v - base_y - step_y)) * (1 - abs(u - base_x - step_x)) + 1e-6
                    spare += weight
                    spare_red += weight * fill[qy, qx, 0]
                    spare_green += weight * fill[qy, qx, 1]
                    spare_blue += weight * fill[qy, qx, 2]
                    if origin[qy, qx, 0] < 0:
                        continue
                    sy, sx = y + (origin[qy, qx, 0] - qy) * factor, x + (origin[qy, qx, 1] - qx) * factor
                    if sy < 0 or sy >= height or sx < 0 or sx >= width or hole[sy, sx]:
                        continue
                    total += weight
                    red += weight * (photo[sy, sx, 0] * scale + shift[qy, qx, 0])
                    green += weight * (photo[sy, sx, 1] * scale + shift[qy, qx, 1])
                    blue += weight * (photo[sy, sx, 2] * scale + shift[qy, qx, 2])
            if total > 0:
                out[row, x, 0] = min(max(red / total, 0.0), 255.0)
                out[row, x, 1] = min(max(green / total, 0.0), 255.0)
                out[row, x, 2] = min(max(blue / total, 0.0), 255.0)
            else:
                out[row, x, 0], out[row, x, 1] = spare_red / spare, spare_green / spare
                out[row, x, 2] = spare_blue / spare
