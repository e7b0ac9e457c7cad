"""Detail: guided patch synthesis. Every hole patch is drawn from fully known patches of the photo, coarse to fine.

Search after Barnes et al. 2009 (PatchMatch), alternated with voting after Wexler et al. 2007 and Newson et al. 2014.
Deviations: the distance also counts a blurred guide; the search is Jacobi-style (every target reads the field of the
round before) and the votes are gathered per pixel, so the result depends on the seed, not on the number of threads.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from inpaint.filling.blend import membrane
from inpaint.filling.kernels import RADIUS, Floats, Ints, Mask, search, vote
from inpaint.filling.progress import Progress

MIN_SOURCES = 50  # fewer known patches than this: nothing to copy from
LEVELS = 4  # scales, each half the one before, at most
LEVELS_ALONE = 7  # without a guide the coarsest level has to bridge the hole by itself
ROUNDS = (4, 5, 6, 8)  # search-and-vote rounds, finest level first; the last number also for coarser ones
BLUR = 1.5  # sigma of the guide's blur at coarse levels, pixels of the level
# In the hole a guide lacks detail that the sources have: compared too sharply it draws the search to flat patches.
FINEST_BLUR = 2.5  # sigma of the guide's blur at the finest level, halved with every level while larger than BLUR
KERNEL = 0.3  # width of the match kernel, against the root of the 25th percentile of the distances
CONFIDENCE = 1.3  # a patch's confidence falls by this factor for every pixel of depth in the hole
OVERUSE = 0.05  # distance added per repeated use of a source, against the 25th percentile of the distances
GUIDE_WEIGHT = 8.0  # of the guide's squared differences against the colours'


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
    photo: Floats, mask: Mask, guide: Floats | None, seed: int = 0, guide_weight: float = GUIDE_WEIGHT,
    progress: Progress = Progress(),
) -> Floats:
    """Fill a hole with patches of the known photo that fit each other and the guide.

    Args:
        photo: float32 RGB (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.
        guide: float32 (H, W, 3) in [0, 255], a blurry but structurally right fill of the hole; None for none.
        seed: the same seed gives the same fill, with any number of threads.
        guide_weight: of the guide's squared differences against the colours'.
        progress: told before every level.

    Returns:
        float32 (H, W, 3) in [0, 255], equal to the photo where it is known. With fewer than 50 known patches
        to copy from: the guide, or a smooth fill, in the hole.

    Raises:
        Cancelled: `progress` asked to stop.
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
        progress("detail", 0.0 if scale == len(levels) - 1 else 4.0 ** -(scale + 1))
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
            vote(image, pixels, index, field, cost, trust, _kernel(cost), False)
        penalty = np.zeros(reach.shape, np.float32)
        rounds = ROUNDS[min(scale, len(ROUNDS) - 1)]
        for turn in range(rounds):
            fresh, cost = np.empty_like(field), np.empty(len(targets), np.float32)
            colour = image.reshape(image.shape[0], -1)
            number = int(rng.integers(1 << 31))
            search(colour, lead, guided, penalty, level.valid, sources, targets, index, field, number, fresh, cost)
            field = fresh
            vote(image, pixels, index, field, cost, trust, _kernel(cost), scale == 0 and turn == rounds - 1)
            penalty = _overuse(field, reach.shape, float(np.percentile(cost, 25)))
        coarse, rough_cost = (index, field), cost
    return image


def _kernel(cost: Floats) -> float:
    """The distance over which a vote falls by e: twice the squared width of the match kernel."""
    return max(2 * KERNEL**2 * float(np.percentile(cost, 25)), 1e-3)


MOST_HOLE_PIXELS = 300_000  # larger holes are synthesised at a smaller scale, so that time stays bounded


def bounded_synthesis(
    photo: Floats, mask: Mask, guide: Floats | None, seed: int = 0, guide_weight: float = GUIDE_WEIGHT,
    progress: Progress = Progress(),
) -> Floats:
    """`synthesize`, at a smaller scale where the hole is so large that full size would take minutes.

    Args, returns: as `synthesize`; where it was scaled down the result in the hole is as soft as the scale.
    """
    pixels = int(mask.sum())
    if pixels <= MOST_HOLE_PIXELS:
        return synthesize(photo, mask, guide, seed, guide_weight, progress)
    scale = (MOST_HOLE_PIXELS / pixels) ** 0.5
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small_mask = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.01
    small_photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small_guide = None if guide is None else cv2.resize(guide, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = synthesize(small_photo, small_mask, small_guide, seed, guide_weight, progress)
    large = cv2.resize(small, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.where(mask[..., None], np.clip(large, 0, 255), photo).astype(np.float32)
