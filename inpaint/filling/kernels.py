"""The compiled loops of patch synthesis: search and vote, each result independent of the number of threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

RADIUS = 2  # 5x5 patches
SPATIAL = 1.0  # sigma of the vote's weight over the patch, pixels
NO_CACHE = (
    "compiled kernels cannot be kept on disk here, so every process compiles them again (some 10 s); "
    "set NUMBA_CACHE_DIR to a folder that can be written to"
)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
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


@njit(nogil=True, fastmath=True, inline="always")
def _distance(
    colour: Floats, guide: Floats, guided: bool, ty: int, tx: int, sy: int, sx: int, start: np.float32,
    bound: np.float32,
) -> np.float32:
    """Squared difference of two patches, given up as soon as it reaches the bound.

    The guide comes first, at the centre and four corners alone: it is smooth, cheap there, and rejects most candidates.
    """
    total = np.float32(start)
    if guided:
        for c in range(3):
            e = guide[ty, tx, c] - guide[sy, sx, c]
            total += e * e
        if total >= bound:
            return total
        for dy in (-RADIUS, RADIUS):
            for dx in (-RADIUS, RADIUS):
                for c in range(3):
                    e = guide[ty + dy, tx + dx, c] - guide[sy + dy, sx + dx, c]
                    total += e * e
        if total >= bound:
            return total
    left_t, left_s = 3 * (tx - RADIUS), 3 * (sx - RADIUS)
    for dy in range(-RADIUS, RADIUS + 1):
        for k in range(6 * RADIUS + 3):
            e = colour[ty + dy, left_t + k] - colour[sy + dy, left_s + k]
            total += e * e
        if total >= bound:
            return total
    return total


@njit(nogil=True, inline="always")
def _mix(state: np.uint64) -> np.uint64:
    """Splitmix64 (Steele et al. 2014): a well mixed uint64 from a counter."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@Kernel
def search(
    colour: Floats, guide: Floats, guided: bool, penalty: Floats, texture: Floats, doubt: Floats, valid: Mask,
    sources: Ints, targets: Ints, index: Ints, field: Ints, seed: int, new_field: Ints, new_cost: Floats,
) -> None:
    """One round of propagation and random search; reads `field`, writes `new_field` and `new_cost` alone.

    Args:
        colour: float32 (H, W * 3).
        guide: float32 (H, W, 3), scaled so that its squared differences carry their weight; counts if `guided`.
        penalty: float32 (H, W), distance a source starts with.
        texture: float32 (H, W), the same, but counted by the target's doubt.
        doubt: float32 (N,) in [0, 1], how little of a target is known.
        valid: bool (H, W), centres of fully known patches.
        sources: int32 (M, 2), the same as (y, x).
        targets: int32 (N, 2), centres of the patches to match.
        index: int32 (H, W), a pixel's row in `targets`, or -1.
        field: int32 (N, 2), each target's source centre.
        seed: of this round.
        new_field, new_cost: int32 (N, 2) and float32 (N,), written; the cost is the distance without its start.
    """
    height, width = valid.shape
    for i in prange(len(targets)):
        ty, tx = targets[i, 0], targets[i, 1]
        by, bx = field[i, 0], field[i, 1]
        unsure = doubt[i]
        start = penalty[by, bx] + unsure * texture[by, bx]
        best = _distance(colour, guide, guided, ty, tx, by, bx, start, np.float32(3e38))
        for jump in (1, 2, 4, 8):
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
                if cy < 0 or cy >= height or cx < 0 or cx >= width or not valid[cy, cx] or (cy == by and cx == bx):
                    continue
                d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx] + unsure * texture[cy, cx], best)
                if d < best:
                    best, by, bx = d, cy, cx
        state = _mix(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(i))
        for _ in range(3):
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            j = np.int64(state >> np.uint64(33)) % len(sources)
            cy, cx = sources[j, 0], sources[j, 1]
            d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx] + unsure * texture[cy, cx], best)
            if d < best:
                best, by, bx = d, cy, cx
        reach = max(height, width) // 2
        while reach >= 1:
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            cy = by + np.int64(state >> np.uint64(40)) % (2 * reach + 1) - reach
            cx = bx + np.int64(state & np.uint64(0xFFFFFF)) % (2 * reach + 1) - reach
            if cy >= 0 and cy < height and cx >= 0 and cx < width and valid[cy, cx]:
                d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx] + unsure * texture[cy, cx], best)
                if d < best:
                    best, by, bx = d, cy, cx
            reach //= 2
        new_field[i, 0], new_field[i, 1] = by, bx
        new_cost[i] = best - penalty[by, bx] - unsure * texture[by, bx]


@Kernel
def vote(
    image: Floats, pixels: Ints, index: Ints, field: Ints, strength: NDArray[np.float64], copy: bool, origin: Ints,
) -> None:
    """Give every hole pixel the mean of what its patches say, or the word of the best alone; writes `image` there.

    Sources are fully known, so no pixel read is one that is written.

    Args:
        image: float32 (H, W, 3), written at `pixels`.
        pixels: int32 (P, 2), the hole.
        index: int32 (H, W), a pixel's row in `field`, or -1.
        field: int32 (N, 2), each target's source centre.
        strength: float64 (N,), logarithm of its weight.
        copy: copy the best instead of averaging.
        origin: int32 (P, 2), written: the pixel that the best patch would copy, or -1.
    """
    height, width = index.shape
    for p in prange(len(pixels)):
        y, x = pixels[p, 0], pixels[p, 1]
        top, top_y, top_x = np.float32(-3e38), -1, -1
        total, red, green, blue = 0.0, 0.0, 0.0, 0.0
        for step in range(2):
            for oy in range(-RADIUS, RADIUS + 1):
                for ox in range(-RADIUS, RADIUS + 1):
                    qy, qx = y + oy, x + ox
                    if qy < 0 or qy >= height or qx < 0 or qx >= width or index[qy, qx] < 0:
                        continue
                    j = index[qy, qx]
                    sy, sx = field[j, 0] - oy, field[j, 1] - ox
                    vote = strength[j] - (oy * oy + ox * ox) / (2 * SPATIAL * SPATIAL)
                    if step == 0:
                        if vote > top:
                            top, top_y, top_x = vote, sy, sx
                    elif vote > top - 12:
                        weight = np.exp(vote - top)
                        total += weight
                        red += weight * image[sy, sx, 0]
                        green += weight * image[sy, sx, 1]
                        blue += weight * image[sy, sx, 2]
            if copy or top_y < 0:
                break
        origin[p, 0], origin[p, 1] = top_y, top_x
        if top_y >= 0 and copy:
            image[y, x] = image[top_y, top_x]
        elif top_y >= 0:
            image[y, x, 0], image[y, x, 1], image[y, x, 2] = red / total, green / total, blue / total


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
