"""Blending: the fill is corrected towards its rim, pasted, and its seam is scored. Known pixels never change."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.boxes import bounding_box
from inpaint.filling.report import Pixels

SIGMA = 3.0  # width of the strips whose colours are compared at the rim, pixels
STRIP = 512  # rows that are looked at at once where a whole window would take too much memory
BESIDE = 4  # a network's error is looked at in known pixels so near the hole, pixels
SEAM_DEPTHS = (10.0, 14.0, 18.0, 22.0)  # where a hole is thicker than each a quarter more is corrected, pixels
SHARPEN = 0.5  # share of a network fill's own fine detail that is added to it
SHARPEN_REFINED = 0.25  # the same for a fill that has seen patches
FINE = 1.0  # width of that detail: the standard deviation of the blur that lacks it, pixels
INSIDE = (4.0, 16.0)  # distances from known pixels at which adding detail starts and is full, pixels
LENT = 0.7  # share of the patches' detail that a guide is given
COARSER = 3.0  # detail that is copied is finer than this: the standard deviation of the blur that lacks it, pixels
COMPARED = 8.0  # width over which mean colours of a fill and its patches are compared, pixels; what is lent is finer
MOST_GAIN = 1.5  # by which the contrast of a mixed detail is raised at most
AGREEING = 5.0  # difference of these, of 255, at which 1 / e of the detail is taken
FADE = 0.3  # at the deepest point exp(-FADE) of the rim's correction is left


def around(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Index of the smallest rectangle that holds the hole and a margin around it (pixels)."""
    box = bounding_box(mask)
    assert box is not None, "an empty mask has no surroundings"
    top, left, bottom, right = box
    return slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)


def depths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of every hole pixel from the nearest known one, float32 (H, W) in pixels; beyond the edge is hole."""
    distances = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 3)
    return distances[1:-1, 1:-1].astype(np.float32)


def local_mean(values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian mean of values (H, W, 3) around every pixel, counting each by its weight (H, W)."""
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), SIGMA)
    return (total / np.maximum(cv2.GaussianBlur(weight, (0, 0), SIGMA), 1e-4)[..., None]).astype(np.float32)


def membrane(values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread values from where their weight is positive smoothly over everything else (pull-push pyramid).

    Args:
        values: float32 (H, W, 3).
        weight: float32 (H, W) in [0, 1].

    Returns:
        float32 (H, W, 3); unchanged where the weight is 1.
    """
    height, width = weight.shape
    if min(height, width) <= 2 or weight.min() > 0.999:
        total = max(float(weight.sum()), 1e-6)
        mean = (values * weight[..., None]).sum(axis=(0, 1)) / total
        return np.where(weight[..., None] > 0, values, mean).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    pulled = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    mean = (pulled / np.maximum(share, 1e-6)[..., None]).astype(np.float32)
    coarse = membrane(mean, np.minimum(share * 4, 1).astype(np.float32))
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return values * weight[..., None] + smooth * (1 - weight[..., None])


def _changed(
    fill: NDArray[np.float32], crop: tuple[slice, slice], mask: NDArray[np.bool_], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A copy of the fill (H, W, 3) whose hole, a mask of the crop, has other values (h, w, 3), cut to [0, 255]."""
    result = fill.copy()
    result[crop] = np.where(mask[..., None], np.clip(values, 0, 255), fill[crop])
    return result


def correct_seam(
    fill: NDArray[np.float32], photo: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Remove the step between patches, or a fill that was enlarged, and their surroundings.

    The difference of the local mean colours on both sides of the rim is spread smoothly into the hole (a membrane,
    as in Poisson blending, Perez 2003) and added, fading with depth: the middle keeps more of the engine's own colour.
    Where a hole is thin nothing is corrected: what differs across it is the photo's content.

    Args:
        fill: float32 (H, W, 3) in [0, 255].
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.

    Returns:
        float32 (H, W, 3) in [0, 255]; the fill outside the hole.
    """
    if not mask.any():
        return fill
    crop = around(mask, round(5 * SIGMA))
    mask, photo, part = mask[crop], photo[crop], fill[crop]
    depth = depths(mask)
    strength = np.asarray(sum(_thicker(depth, least) for least in SEAM_DEPTHS), np.float32) / len(SEAM_DEPTHS)
    if not strength.any():
        return fill
    known, hole = (~mask).astype(np.float32), mask.astype(np.float32)
    step = local_mean(photo, known) - local_mean(part, hole)
    return _changed(fill, crop, mask, part + cv2.blur(strength, (9, 9))[..., None] * _inwards(step, mask, depth))


def _thicker(depth: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """1 where a disc of this radius (pixels) in the hole covers a pixel or lies half a radius from it, else 0, float32
    (H, W): corners count as thick."""
    inner = (depth <= least).astype(np.uint8)
    if inner.all():
        return np.zeros(depth.shape, np.float32)
    return (cv2.distanceTransform(inner, cv2.DIST_L2, 3) <= 1.5 * least).astype(np.float32)


def correct_shift(
    fill: NDArray[np.float32], photo: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Remove a shift of colour from a network's fill of this size, as far as the network makes it beside the hole, too.

    What it says of known pixels is compared with them, and the difference spread into the hole as by `correct_seam`.
    Comparing colours across the rim would take every edge and gradient of the photo there for an error of the fill.

    Args:
        fill: float32 (H, W, 3) in [0, 255], the network's opinion of every pixel.
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.

    Returns:
        float32 (H, W, 3) in [0, 255]; the fill outside the hole.
    """
    if not mask.any():
        return fill
    crop = around(mask, round(5 * SIGMA))
    mask, photo, part = mask[crop], photo[crop], fill[crop]
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)) > 0
    step = local_mean(photo - part, (near & ~mask).astype(np.float32))
    return _changed(fill, crop, mask, part + _inwards(step, mask, depths(mask)))


def _inwards(
    step: NDArray[np.float32], mask: NDArray[np.bool_], depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A correction (H, W, 3) that is `step` at the rim of the hole and fades with depth (H, W, pixels)."""
    rim = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) == 0)
    fade = np.exp(-FADE * depth / max(8.0, float(depth.max())))
    return membrane(step * rim[..., None], rim.astype(np.float32)) * fade[..., None]


def sharpen(
    fill: NDArray[np.float32], photo: NDArray[np.float32], mask: NDArray[np.bool_], share: float = SHARPEN
) -> NDArray[np.float32]:
    """Give the inside of a network's fill back some of the fine contrast that the mean over many answers takes from it.

    Unsharp masking by a fixed share: what is smooth stays so. At the rim, where a fill is known well, nothing changes.

    Args:
        fill: float32 (H, W, 3) in [0, 255], the network's.
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.
        share: of its fine detail that is added.

    Returns:
        float32 (H, W, 3) in [0, 255]; the fill outside the hole.
    """
    if not mask.any():
        return fill
    crop = around(mask, round(4 * FINE))
    mask, part = mask[crop], fill[crop]
    filled = np.where(mask[..., None], part, photo[crop])
    sharp = filled + np.float32(share) * _inside(mask) * (filled - cv2.GaussianBlur(filled, (0, 0), FINE))
    return _changed(fill, crop, mask, np.asarray(sharp, np.float32))


def _inside(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """0 at the rim of a hole, where a fill is known well, and 1 deep inside: float32 (H, W, 1)."""
    inside: NDArray[np.float32] = (depths(mask) - np.float32(INSIDE[0])) / np.float32(INSIDE[1] - INSIDE[0])
    return np.clip(inside, 0, 1)[..., None]


def lend_detail(
    guide: NDArray[np.float32], patches: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Show a network the fine detail of patches in its guide, where both agree; what fits it keeps.

    Args:
        guide: float32 (H, W, 3) in [0, 255], a coarser fill enlarged.
        patches: float32 (H, W, 3) in [0, 255], copied from the photo by a coarser fill.
        mask: bool (H, W), True = hole.

    Returns:
        float32 (H, W, 3) in [0, 255]; the guide outside the hole, and at its rim.
    """
    detailed = take_detail(guide, patches, guide, mask, coarser=COMPARED)
    return guide + np.float32(LENT) * _inside(mask) * (detailed - guide)


def take_detail(
    fill: NDArray[np.float32], patches: NDArray[np.float32], photo: NDArray[np.float32], mask: NDArray[np.bool_],
    share: float = 1.0, coarser: float = COARSER,
) -> NDArray[np.float32]:
    """Give a network's fill the photo's own fine detail: that of copied patches, as far as both show the same.

    Mean colours are compared: in pebbles or leaves they agree though every pixel differs, and the detail is taken.
    Where the means differ, the patches show something else, or are torn, and the fill stays as it is. Mixing a part of
    two unlike textures takes contrast from both; what they lose is given back (the idea of variance-preserving
    blending, Heitz & Neyret 2018, section 4).

    Args:
        fill: float32 (H, W, 3) in [0, 255], the network's.
        patches: float32 (H, W, 3) in [0, 255], copied from the photo by the guide of that fill.
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.
        share: of the detail that is taken; the rest stays the fill's own.
        coarser: detail is finer than this: the standard deviation of the blur that lacks it, pixels.

    Returns:
        float32 (H, W, 3) in [0, 255]; the fill outside the hole.
    """
    if not mask.any():
        return fill
    crop = around(mask, round(4 * COMPARED))
    mask = mask[crop]
    apart = np.where(mask[..., None], patches[crop] - fill[crop], np.float32(0))
    inside = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), COMPARED)
    wide = cv2.GaussianBlur(apart, (0, 0), COMPARED)
    means = np.abs(wide).mean(axis=2) / np.maximum(inside, np.float32(0.05))
    agreeing = np.exp(-np.square(means / AGREEING))[..., None]
    detail = agreeing * (apart - (wide if coarser == COMPARED else cv2.GaussianBlur(apart, (0, 0), coarser)))
    mixed = fill[crop] + np.float32(share) * detail
    if share < 1:
        filled = np.where(mask[..., None], fill[crop], photo[crop])
        own = filled - cv2.GaussianBlur(filled, (0, 0), coarser)
        both = own + np.float32(share) * detail
        wanted = (1 - share) * _energy(own) + share * _energy(own + detail)
        gain = np.sqrt((wanted + 1) / (_energy(both) + 1))
        mixed += (np.clip(gain, 1, MOST_GAIN) - 1).astype(np.float32)[..., None] * both
    return _changed(fill, crop, mask, mixed)


def _energy(detail: NDArray[Any]) -> NDArray[np.float32]:
    """Mean square of a detail, float32 (H, W, 3), around every pixel, float32 (H, W)."""
    return np.asarray(cv2.GaussianBlur(np.square(detail).mean(axis=2), (0, 0), 2 * COARSER), np.float32)


def working_scale(photo: Pixels) -> NDArray[np.float32]:
    """A uint8 or uint16 photo as float32 in [0, 255], the scale on which every engine works; nothing is lost."""
    return photo.astype(np.float32) * np.float32(255 / np.iinfo(photo.dtype).max)


def paste(fill: NDArray[np.float32], photo: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """The fill, rounded to the photo's depth, in the hole, and the photo bit by bit elsewhere.

    Args:
        fill: float32 (H, W, 3) in [0, 255].
        photo: uint8 or uint16 (H, W, 3).
        mask: bool (H, W), True = hole.

    Returns:
        a new array of the photo's dtype.
    """
    rounded = np.rint(fill * np.float32(np.iinfo(photo.dtype).max / 255)).astype(photo.dtype)
    return np.where(mask[..., None], rounded, photo)


def mix(first: Pixels, second: Pixels, weight: NDArray[np.float32]) -> Pixels:
    """Two fills of the same pixels, uint8 or uint16 (N, 3), the second counting by its weight float32 (N,)."""
    share = weight[:, None].astype(np.float64)
    return np.rint((1 - share) * first + share * second).astype(first.dtype)


def seam_score(photo: Pixels, mask: NDArray[np.bool_], hidden: NDArray[np.bool_] | None = None) -> float:
    """How much sharper the steps across the seam are than steps between known pixels of the window.

    Args:
        photo: the filled photo, uint8 or uint16 (H, W, 3).
        mask: bool (H, W), True = filled.
        hidden: bool (H, W), what is not known, the mask included: holes that another window fills; None = the mask.

    Returns:
        ratio of mean absolute differences of neighbouring pixels; about 1 for an invisible seam.
    """
    hidden = mask if hidden is None else hidden
    sums, counts = np.zeros(2), np.zeros(2)  # across the seam, between known pixels
    for top in range(0, mask.shape[0], STRIP):
        grey = working_scale(photo[top : top + STRIP + 1]).mean(axis=2)
        inside, holes = mask[top : top + STRIP + 1], hidden[top : top + STRIP + 1]
        rows = min(STRIP, mask.shape[0] - top)  # the last row is the next strip's first: only steps down to it count
        for axis in (0, 1):
            step = np.abs(np.diff(grey, axis=axis))[:rows]
            first, second = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:rows, :-1], np.s_[:rows, 1:])
            across = (inside[first] & ~holes[second]) | (inside[second] & ~holes[first])
            for k, where in enumerate((across, ~holes[first] & ~holes[second])):
                sums[k] += float(step[where].sum(dtype=np.float64))
                counts[k] += where.sum()
    if not counts.all():
        return 1.0
    sharp, usual = sums / counts
    return float((sharp + 1) / (usual + 1))
