"""Detail: guided patch synthesis. Every hole patch is drawn from fully known patches of the photo, coarse to fine.

Search after Barnes et al. 2009 (PatchMatch), alternated with voting after Wexler et al. 2007 and Newson et al. 2014.
Deviations: the distance also counts a blurred guide; the search is Jacobi-style (every target reads the field of the
round before) and the votes are gathered per pixel, so the result depends on the seed, not on the number of threads.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from inpaint.filling.blend import membrane

RADIUS = 2  # 5x5 patches
MIN_SOURCES = 50  # fewer known patches than this: nothing to copy from
LEVELS = 4  # scales, each half the one before, at most
LEVELS_ALONE = 7  # without a guide the coarsest level has to bridge the hole by itself
ROUNDS = (4, 5, 6, 8)  # search-and-vote rounds, finest level first; the last number also for coarser ones
BLUR = 1.5  # sigma of the guide's blur at coarse levels, pixels of the level
# In the hole a guide lacks detail that the sources have: compared too sharply it draws the search to flat patches.
FINEST_BLUR = 2.5  # sigma of the guide's blur at the finest level, halved with every level while larger than BLUR
KERNEL = 0.3  # width of the match kernel, against the root of the 25th percentile of the distances
SPATIAL = 1.0  # sigma of the vote's weight over the patch, pixels
CONFIDENCE = 1.3  # a patch's confidence falls by this factor for every pixel of depth in the hole
OVERUSE = 0.05  # distance added per repeated use of a source, against the 25th percentile of the distances

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


@njit(cache=True, nogil=True, fastmath=True, inline="always")
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


@njit(cache=True, nogil=True, inline="always")
def _mix(state: np.uint64) -> np.uint64:
    """Splitmix64 (Steele et al. 2014): a well mixed uint64 from a counter."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(parallel=True, cache=True, nogil=True, fastmath=True)
def _search(
    colour: Floats, guide: Floats, guided: bool, penalty: Floats, valid: Mask, sources: Ints, targets: Ints,
    index: Ints, field: Ints, seed: int, new_field: Ints, new_cost: Floats,
) -> None:
    """One round of propagation and random search; reads `field`, writes `new_field` and `new_cost` alone.

    Args:
        colour: float32 (H, W * 3).
        guide: float32 (H, W, 3), scaled so that its squared differences carry their weight; counts if `guided`.
        penalty: float32 (H, W), distance a source starts with.
        valid: bool (H, W), centres of fully known patches.
        sources: int32 (M, 2), the same as (y, x).
        targets: int32 (N, 2), centres of the patches to match.
        index: int32 (H, W), a pixel's row in `targets`, or -1.
        field: int32 (N, 2), each target's source centre.
        seed: of this round.
        new_field, new_cost: int32 (N, 2) and float32 (N,), written.
    """
    height, width = valid.shape
    for i in prange(len(targets)):
        ty, tx = targets[i, 0], targets[i, 1]
        by, bx = field[i, 0], field[i, 1]
        best = _distance(colour, guide, guided, ty, tx, by, bx, penalty[by, bx], np.float32(3e38))
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
                d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx], best)
                if d < best:
                    best, by, bx = d, cy, cx
        state = _mix(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(i))
        for _ in range(3):
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            j = np.int64(state >> np.uint64(33)) % len(sources)
            cy, cx = sources[j, 0], sources[j, 1]
            d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx], best)
            if d < best:
                best, by, bx = d, cy, cx
        reach = max(height, width) // 2
        while reach >= 1:
            state = _mix(state + np.uint64(0x9E3779B97F4A7C15))
            cy = by + np.int64(state >> np.uint64(40)) % (2 * reach + 1) - reach
            cx = bx + np.int64(state & np.uint64(0xFFFFFF)) % (2 * reach + 1) - reach
            if cy >= 0 and cy < height and cx >= 0 and cx < width and valid[cy, cx]:
                d = _distance(colour, guide, guided, ty, tx, cy, cx, penalty[cy, cx], best)
                if d < best:
                    best, by, bx = d, cy, cx
            reach //= 2
        new_field[i, 0], new_field[i, 1] = by, bx
        new_cost[i] = best


@njit(parallel=True, cache=True, nogil=True)
def _vote(
    image: Floats, pixels: Ints, index: Ints, field: Ints, cost: Floats, trust: Floats, scale: float, copy: bool
) -> None:
    """Give every hole pixel the mean of what its patches say, or the word of the best alone; writes `image` there.

    Sources are fully known, so no pixel read is one that is written.

    Args:
        image: float32 (H, W, 3), written at `pixels`.
        pixels: int32 (P, 2), the hole.
        index: int32 (H, W), a pixel's row in `field`, or -1.
        field: int32 (N, 2), each target's source centre.
        cost: float32 (N,), its distance.
        trust: float32 (N,), logarithm of its confidence.
        scale: a vote weighs exp(-cost / scale).
        copy: copy the best instead of averaging.
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
                    strength = trust[j] - cost[j] / scale - (oy * oy + ox * ox) / (2 * SPATIAL * SPATIAL)
                    if step == 0:
                        if strength > top:
                            top, top_y, top_x = strength, sy, sx
                    elif strength > top - 12:
                        weight = np.exp(strength - top)
                        total += weight
                        red += weight * image[sy, sx, 0]
                        green += weight * image[sy, sx, 1]
                        blue += weight * image[sy, sx, 2]
            if copy or top_y < 0:
                break
        if top_y >= 0 and copy:
            image[y, x] = image[top_y, top_x]
        elif top_y >= 0:
            image[y, x, 0], image[y, x, 1], image[y, x, 2] = red / total, green / total, blue / total


@dataclass(frozen=True)
class _Level:
    """One scale: its picture float32 (H, W, 3), hole bool (H, W), guide or None, and valid source centres."""

    image: Floats
    hole: Mask
    guide: Floats | None
    valid: Mask


def _valid_sources(hole: Mask) -> Mask:
    """Centres of patches that lie inside the picture and hold no hole pixel, bool (H, W)."""
    side = 2 * RADIUS + 1
    known = (~hole).astype(np.uint8)
    return cv2.erode(known, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _shrink(values: Floats, size: tuple[int, int]) -> Floats:
    """Area means at a size (width, height)."""
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _pyramid(image: Floats, hole: Mask, guide: Floats | None) -> list[_Level]:
    """The scales that have enough sources, finest first; empty if even the photo itself has not.

    Args:
        image: float32 (H, W, 3), smoothly filled in the hole.
        hole: bool (H, W).
        guide: float32 (H, W, 3), or None.
    """
    levels: list[_Level] = []
    share = (~hole).astype(np.float32)
    known = image * share[..., None]
    while len(levels) < (LEVELS if guide is not None else LEVELS_ALONE):
        height, width = hole.shape
        valid = _valid_sources(hole)
        if valid.sum() < MIN_SOURCES or (levels and min(height, width) < 4 * RADIUS + 2):
            break
        levels.append(_Level(image, hole, guide, valid))
        size = ((width + 1) // 2, (height + 1) // 2)
        known, share, smooth = _shrink(known, size), _shrink(share, size), _shrink(image, size)
        hole = share < 0.5
        # Only what is known counts in a pixel on the rim: the fill must not leak into the sources.
        image = np.where(hole[..., None], smooth, known / np.maximum(share, 1e-3)[..., None]).astype(np.float32)
        guide = None if guide is None else _shrink(guide, size)
    return levels


def _refine_field(
    level: _Level, targets: Ints, sources: Ints, rng: np.random.Generator, coarse: tuple[Ints, Ints] | None
) -> Ints:
    """A first field: random, or the coarser one doubled where that is a valid source. int32 (N, 2)."""
    field = sources[rng.integers(len(sources), size=len(targets))]
    if coarse is None:
        return field
    index, rough = coarse
    height, width = level.hole.shape
    ty, tx = targets.T
    half_y, half_x = np.minimum(ty // 2, index.shape[0] - 1), np.minimum(tx // 2, index.shape[1] - 1)
    row = index[half_y, half_x]
    doubled = rough[np.maximum(row, 0)] * 2 + np.stack([ty % 2, tx % 2], axis=1)
    inside = (row >= 0) & (doubled[:, 0] < height) & (doubled[:, 1] < width)
    doubled[~inside] = 0
    inside &= level.valid[doubled[:, 0], doubled[:, 1]]
    field[inside] = doubled[inside]
    return field


def _overuse(field: Ints, shape: tuple[int, int], unit: float) -> Floats:
    """The distance every source starts with because it, or its neighbours, were already used. float32 shape."""
    uses = np.bincount(field[:, 0] * shape[1] + field[:, 1], minlength=shape[0] * shape[1]).reshape(shape)
    crowd = cv2.blur(uses.astype(np.float32), (2 * RADIUS + 1, 2 * RADIUS + 1))
    return np.clip(crowd - 1, 0, 4) * np.float32(OVERUSE * unit)


def synthesize(
    photo: NDArray[np.uint8], mask: Mask, guide: Floats | None, seed: int = 0, guide_weight: float = 8.0
) -> Floats:
    """Fill a hole with patches of the known photo that fit each other and the guide.

    Args:
        photo: uint8 RGB (H, W, 3).
        mask: bool (H, W), True = hole.
        guide: float32 (H, W, 3) in [0, 255], a blurry but structurally right fill of the hole; None for none.
        seed: the same seed gives the same fill, with any number of threads.
        guide_weight: of the guide's squared differences against the colours'.

    Returns:
        float32 (H, W, 3) in [0, 255], equal to the photo where it is known. With fewer than 50 known patches
        to copy from: the guide, or a smooth fill, in the hole.
    """
    known = photo.astype(np.float32)
    if not mask.any():
        return known
    smooth = guide if guide is not None else membrane(known, (~mask).astype(np.float32))
    start = np.where(mask[..., None], np.clip(smooth, 0, 255), known).astype(np.float32)
    levels = _pyramid(start, mask, start if guide is not None and guide_weight > 0 else None)
    if not levels:
        return start
    rng = np.random.default_rng(seed)
    coarse: tuple[Ints, Ints] | None = None
    image, rough_cost = start, np.zeros(0, np.float32)
    side = 2 * RADIUS + 1
    for scale, level in reversed(list(enumerate(levels))):
        reach = cv2.dilate(level.hole.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        reach[:RADIUS] = reach[-RADIUS:] = False
        reach[:, :RADIUS] = reach[:, -RADIUS:] = False
        targets = np.argwhere(reach).astype(np.int32)
        pixels = np.argwhere(level.hole).astype(np.int32)
        image = np.ascontiguousarray(level.image)
        if len(targets) == 0 or len(pixels) == 0:
            coarse = None
            continue
        sources = np.argwhere(level.valid).astype(np.int32)
        index = np.full(reach.shape, -1, np.int32)
        index[reach] = np.arange(len(targets), dtype=np.int32)
        depth = cv2.distanceTransform(np.pad(level.hole.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1]
        trust = (-np.log(CONFIDENCE) * depth[reach]).astype(np.float32)
        guided, lead = level.guide is not None, image
        if level.guide is not None:
            blurred = cv2.GaussianBlur(level.guide, (0, 0), max(BLUR, FINEST_BLUR / 2**scale))
            lead = blurred * np.float32(np.sqrt(guide_weight * side * side / 5))  # five points stand for the patch
        field = _refine_field(level, targets, sources, rng, coarse)
        if coarse is not None:
            row = coarse[0][targets[:, 0] // 2, targets[:, 1] // 2]
            cost = np.where(row >= 0, rough_cost[np.maximum(row, 0)], rough_cost.max()).astype(np.float32)
            _vote(image, pixels, index, field, cost, trust, _kernel(cost), False)
        penalty = np.zeros(reach.shape, np.float32)
        rounds = ROUNDS[min(scale, len(ROUNDS) - 1)]
        for turn in range(rounds):
            fresh, cost = np.empty_like(field), np.empty(len(targets), np.float32)
            colour = image.reshape(image.shape[0], -1)
            number = int(rng.integers(1 << 31))
            _search(colour, lead, guided, penalty, level.valid, sources, targets, index, field, number, fresh, cost)
            field = fresh
            _vote(image, pixels, index, field, cost, trust, _kernel(cost), scale == 0 and turn == rounds - 1)
            penalty = _overuse(field, reach.shape, float(np.percentile(cost, 25)))
        coarse, rough_cost = (index, field), cost
    return image


def _kernel(cost: Floats) -> float:
    """The distance over which a vote falls by e: twice the squared width of the match kernel."""
    return max(2 * KERNEL**2 * float(np.percentile(cost, 25)), 1e-3)


MOST_HOLE_PIXELS = 300_000  # larger holes are synthesised at a smaller scale, so that time stays bounded


def bounded_synthesis(
    photo: NDArray[np.uint8], mask: NDArray[np.bool_], guide: NDArray[np.float32] | None, seed: int = 0
) -> NDArray[np.float32]:
    """`synthesize`, at a smaller scale where the hole is so large that full size would take minutes.

    Args, returns: as `synthesize`; where it was scaled down the result in the hole is as soft as the scale.
    """
    pixels = int(mask.sum())
    if pixels <= MOST_HOLE_PIXELS:
        return synthesize(photo, mask, guide, seed)
    scale = (MOST_HOLE_PIXELS / pixels) ** 0.5
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small_mask = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.01
    small_photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    small_guide = None if guide is None else cv2.resize(guide, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = synthesize(small_photo, small_mask, small_guide, seed)
    large = cv2.resize(small, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.where(mask[..., None], np.clip(large, 0, 255), photo).astype(np.float32)
