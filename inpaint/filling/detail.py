"""Detail: guided patch synthesis. Every hole patch is drawn from fully known patches of the photo, coarse to fine.

Search after Barnes et al. 2009 (PatchMatch), alternated with voting after Wexler et al. 2007 and Newson et al. 2014.
Deviations: the distance also counts a blurred guide; the search is Jacobi-style (every target reads the field of the
round before) and the votes are gathered per pixel, so the result depends on the seed, not on the number of threads.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from inpaint.filling.blend import around, correct_seam, depths, membrane
from inpaint.filling.kernels import FORBIDDEN, RADIUS, SILENT, Floats, Ints, Mask, Shorts, search, vote
from inpaint.filling.progress import Progress

MIN_SOURCES = 50  # fewer known patches than this: nothing to copy from
LEVELS = 4  # scales, each half the one before, at most
LEVELS_ALONE = 7  # without a guide the coarsest level has to bridge the hole by itself
ROUNDS = (2, 5, 8, 12)  # search-and-vote rounds, finest level first; the last number also for coarser ones
THIN_ROUNDS = (4, 8, 8, 12)  # the same for thin holes, of which the coarse levels show little
FEW_ROUNDS = (1, 3, 4, 4)  # the same where nothing but fine detail is taken
THIN = 16.0  # depth up to which a hole is thin, pixels
# In the hole a guide lacks detail that the sources have: compared too sharply it draws the search to flat patches.
FINEST_BLUR = 3.0  # sigma of the guide's blur at the finest level, halved with every level while larger than BLUR
BLUR = 1.5  # the same at coarse levels, pixels of the level
KERNEL = 0.3  # width of the match kernel, against the root of the 25th percentile of the distances
CONFIDENCE = 1.3  # a patch's confidence falls by this factor for every pixel of depth in the hole
OVERUSE = 0.05  # distance added per repeated use of a source, against the 25th percentile of the distances
TEXTURE = 0.9  # share of a source's own fine texture that is taken off its distance
DOUBT = 4.0  # depth over which that share grows to two thirds of its full size, pixels
JUMPS = (1, 2, 4, 8)  # how far away the neighbours are whose sources a patch tries, pixels
DRAWS = 3  # sources that a patch tries from anywhere
# Guided and with a field from a coarser level, a patch needs less: sources near its own, and at the finest level of a
# hole that is not narrow (the coarser level shows little of those) no draws, and fewer neighbours, round by round.
REACH = 16  # how far around its own source it looks, pixels; elsewhere half the longer side
NARROW = 40.0  # depth up to which a hole is narrow, pixels
LAST_JUMPS = ((1, 3), (1, 6))
FINEST_UNIT = 8.0  # a colour is compared in steps of 1/8 of its 256 values
LARGEST = 2.1e9  # of a distance in these steps: just below 2^31
GUIDE_WEIGHT = 4.0  # of the guide's squared differences against the colours'


@dataclass(frozen=True)
class Synthesis:
    """A fill and where it was copied from.

    Args:
        fill: float32 (H, W, 3) in [0, 255].
        origin: int32 (H, W, 2) as (y, x), the pixel that each hole pixel was copied from, -1 where nothing was copied;
            None for engines that copy nothing.
        shift: float32 (H, W, 3), the change of colour after copying; None where nothing was copied.
    """

    fill: Floats
    origin: Ints | None = None
    shift: Floats | None = None

    def changed(self, fill: Floats) -> "Synthesis":
        """The same copies, changed in colour until they are another fill, float32 (H, W, 3) in [0, 255]."""
        shift = None if self.shift is None else self.shift + (fill - self.fill)
        return Synthesis(fill, self.origin, shift)


@dataclass(frozen=True)
class _Level:
    """One scale: its picture float32 (H, W, 3), hole bool (H, W), guide or None, and valid source centres."""

    image: Floats
    hole: Mask
    guide: Floats | None
    valid: Mask


def valid_sources(hole: Mask) -> Mask:
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
        valid = valid_sources(hole)
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


def _coordinates(where: Mask) -> Ints:
    """Rows and columns of what is True, int32 (N, 2), as `np.argwhere` gives them in a third of the time."""
    return np.stack(np.divmod(np.flatnonzero(where).astype(np.int32), np.int32(where.shape[1])), axis=1)


def _refine_field(
    level: _Level, targets: Ints, rng: np.random.Generator, coarse: tuple[Ints, Ints] | None
) -> Ints:
    """A first field: random, or the coarser one doubled where that is a valid source. int32 (N, 2)."""
    if coarse is None:
        return _draw_sources(level, len(targets), rng)
    index, rough = coarse
    height, width = level.hole.shape
    ty, tx = targets.T
    half_y, half_x = np.minimum(ty // 2, index.shape[0] - 1), np.minimum(tx // 2, index.shape[1] - 1)
    row = index[half_y, half_x]
    doubled = rough[np.maximum(row, 0)] * 2 + np.stack([ty % 2, tx % 2], axis=1)
    inside = (row >= 0) & (doubled[:, 0] < height) & (doubled[:, 1] < width)
    doubled[~inside] = 0
    lost = ~(inside & level.valid[doubled[:, 0], doubled[:, 1]])
    if lost.any():
        doubled[lost] = _draw_sources(level, int(lost.sum()), rng)
    return doubled


def _draw_sources(level: _Level, count: int, rng: np.random.Generator) -> Ints:
    """Centres of random valid sources, int32 (count, 2)."""
    places = np.flatnonzero(level.valid).astype(np.int32)
    drawn = places[rng.integers(len(places), size=count)]
    return np.stack(np.divmod(drawn, np.int32(level.valid.shape[1])), axis=1)


def _overuse(field: Ints, shape: tuple[int, int], unit: float) -> Floats:
    """The distance every source starts with because it, or its neighbours, were already used. float32 shape."""
    uses = np.bincount(field[:, 0] * shape[1] + field[:, 1], minlength=shape[0] * shape[1]).reshape(shape)
    crowd = cv2.blur(uses.astype(np.float32), (2 * RADIUS + 1, 2 * RADIUS + 1))
    return np.clip(crowd - 1, 0, 4) * np.float32(OVERUSE * unit)


def _shorts(values: Floats, unit: float) -> Shorts:
    """Values times a unit, rounded to int16."""
    scaled = values * np.float32(unit)
    return np.rint(scaled, out=scaled).astype(np.int16)


def _blur(values: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def _texture_bias(image: Floats, valid: Mask) -> Floats:
    """What a source's distance starts with, so that textured sources are not at a disadvantage. float32 (H, W).

    Deep in the hole the picture is still smooth while it is being searched, and a source's own texture counts as
    error there: without this the search would prefer flat patches.
    """
    if not TEXTURE:
        return np.zeros(valid.shape, np.float32)
    fine = _blur(image, 1.5)
    fine -= image
    fine *= fine
    side = 2 * RADIUS + 1
    energy = cv2.boxFilter(fine[..., 0] + fine[..., 1] + fine[..., 2], -1, (side, side), normalize=False)
    return np.where(valid, np.float32(-TEXTURE) * energy, np.float32(0))


def synthesize(
    photo: Floats, mask: Mask, guide: Floats | None, seed: int = 0, guide_weight: float = GUIDE_WEIGHT,
    progress: Progress = Progress(), fine_alone: bool = False,
) -> Synthesis:
    """Fill a hole with patches of the known photo that fit each other and the guide.

    Args:
        photo: float32 RGB (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.
        guide: float32 (H, W, 3) in [0, 255], a blurry but structurally right fill of the hole; None for none.
        seed: the same seed gives the same fill, with any number of threads.
        guide_weight: of the guide's squared differences against the colours'.
        progress: told before every level.
        fine_alone: nothing but the fill's fine detail is wanted: fewer rounds, and its seam is left as it is.

    Returns:
        the fill, equal to the photo where it is known, and its origins. With fewer than 50 known patches to copy
        from: the guide, or a smooth fill, in the hole, and no origins.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    known = photo.astype(np.float32)
    if not mask.any():
        return Synthesis(known)
    start = known.copy()
    if guide is not None:
        start[mask] = np.clip(guide[mask], 0, 255)
    else:
        crop = around(mask, 16)
        start[crop] = membrane(known[crop], (~mask[crop]).astype(np.float32))
    levels = _pyramid(start, mask, start if guide is not None and guide_weight > 0 else None)
    if not levels:
        return Synthesis(start)
    rng = np.random.default_rng(seed)
    coarse: tuple[Ints, Ints] | None = None
    image, rough_cost = start, np.zeros(0, np.float32)
    pixels = origin = np.empty((0, 2), np.int32)
    side = 2 * RADIUS + 1
    unit = min(FINEST_UNIT, (LARGEST / (255**2 * 3 * side * side * (1 + guide_weight))) ** 0.5)
    for scale, level in reversed(list(enumerate(levels))):
        progress("detail", 0.0 if scale == len(levels) - 1 else 4.0 ** -(scale + 1))
        reach = cv2.dilate(level.hole.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        reach[:RADIUS] = reach[-RADIUS:] = False
        reach[:, :RADIUS] = reach[:, -RADIUS:] = False
        targets, pixels = _coordinates(reach), _coordinates(level.hole)
        origin = np.full_like(pixels, -1)
        image = np.ascontiguousarray(level.image)
        if len(targets) == 0 or len(pixels) == 0:
            coarse = None
            continue
        index = np.full(reach.shape, -1, np.int32)
        index[reach] = np.arange(len(targets), dtype=np.int32)
        depth = depths(level.hole)
        trust = (-np.log(CONFIDENCE) * depth[reach]).astype(np.float32)
        guided, lead = level.guide is not None, np.zeros((1, 1, 3), np.int16)
        if level.guide is not None:
            five = unit * np.sqrt(guide_weight * side * side / 5)  # five points stand for the patch
            lead = _shorts(_blur(level.guide, max(BLUR, FINEST_BLUR / 2**scale)), five)
        field = _refine_field(level, targets, rng, coarse)
        colour = _shorts(image, unit).reshape(image.shape[0], -1)
        strength = np.full((reach.shape[0] + 2 * RADIUS, reach.shape[1] + 2 * RADIUS), SILENT, np.float32)
        spoken = strength[RADIUS:-RADIUS, RADIUS:-RADIUS]
        if coarse is not None:
            row = coarse[0][targets[:, 0] // 2, targets[:, 1] // 2]
            cost = np.where(row >= 0, rough_cost[np.maximum(row, 0)], rough_cost.max()).astype(np.float32)
            spoken[reach] = trust - _votes(cost, _quartile(cost))
            vote(image, colour, unit, pixels, index, field, strength, False, origin)
        start = np.full((*reach.shape, 2), FORBIDDEN, np.float32)
        start[level.valid, 0] = 0
        np.multiply(_texture_bias(image, level.valid), np.float32(unit * unit), out=start[..., 1])
        doubt = (1 - np.exp(-depth[reach] / DOUBT)).astype(np.float32)
        deepest = depth.max() * 2**scale
        planned = THIN_ROUNDS if deepest <= THIN else FEW_ROUNDS if fine_alone else ROUNDS
        rounds = planned[min(scale, len(planned) - 1)]
        led = guided and coarse is not None
        furthest = REACH if led and deepest > THIN else max(reach.shape) // 2
        last_touch = led and deepest > NARROW and scale == 0
        draws = 0 if last_touch else DRAWS
        sources = _coordinates(level.valid) if draws else np.zeros((1, 2), np.int32)
        for turn in range(rounds):
            fresh, cost = np.empty_like(field), np.empty(len(targets), np.float32)
            number = int(rng.integers(1 << 31))
            jumps = np.array(LAST_JUMPS[turn % len(LAST_JUMPS)] if last_touch else JUMPS, np.int32)
            search(
                colour, lead, guided, start, doubt, sources, targets, index, field, jumps, draws, furthest, number,
                fresh, cost,
            )  # fmt: skip
            field, quartile, last = fresh, _quartile(cost), turn == rounds - 1
            spoken[reach] = trust - _votes(cost, quartile)
            vote(image, colour, unit, pixels, index, field, strength, scale == 0 and last, origin)
            if not last:
                np.copyto(start[..., 0], _overuse(field, reach.shape, quartile), where=level.valid)
        coarse, rough_cost = (index, field), cost
    origins = np.full((*mask.shape, 2), -1, np.int32)
    origins[pixels[:, 0], pixels[:, 1]] = origin
    corrected = image if fine_alone else correct_seam(image, known, mask)
    return Synthesis(corrected, origins, corrected - image)


def _quartile(cost: Floats) -> float:
    """The 25th percentile of distances, as `np.percentile` gives it in a third of the time."""
    place = 0.25 * (len(cost) - 1)
    low, share = int(place), np.float32(place % 1)
    parted = np.partition(cost, (low, min(low + 1, len(cost) - 1)))
    below, above = parted[low], parted[min(low + 1, len(cost) - 1)]
    step = above - below
    return float(above - step * (1 - share) if share >= 0.5 else below + step * share)


def _votes(cost: Floats, quartile: float) -> Floats:
    """What the distances take off the logarithms of the votes' weights, float32 (N,).

    A vote falls by e over twice the squared width of the match kernel.
    """
    return cost / np.float32(max(2 * KERNEL**2 * quartile, 1e-3))
