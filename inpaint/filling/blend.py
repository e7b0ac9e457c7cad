"""Blending: the fill is corrected towards its rim, pasted, and its seam is scored. Known pixels never change."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.report import Pixels

SIGMA = 3.0  # width of the strips whose colours are compared at the rim, pixels
FADE = 0.3  # at the deepest point exp(-FADE) of the rim's correction is left


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


def correct_seam(
    fill: NDArray[np.float32], photo: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Remove the step between a fill and its surroundings.

    The difference of the local mean colours on both sides of the rim is spread smoothly into the hole (a membrane,
    as in Poisson blending, Perez 2003) and added, fading with depth: the middle keeps more of the engine's own colour.

    Args:
        fill: float32 (H, W, 3) in [0, 255], the engine's opinion of every pixel.
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.

    Returns:
        float32 (H, W, 3) in [0, 255].
    """
    known, hole = (~mask).astype(np.float32), mask.astype(np.float32)
    rim = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) == 0)
    step = local_mean(photo, known) - local_mean(fill, hole)
    correction = membrane(step * rim[..., None], rim.astype(np.float32))
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    fade = np.exp(-FADE * depth / max(8.0, float(depth.max())))
    return np.clip(fill + correction * fade[..., None], 0, 255).astype(np.float32)


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


def seam_score(photo: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """How much sharper the steps across the seam are than steps between known pixels of the window.

    Args:
        photo: the filled photo, float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = filled.

    Returns:
        ratio of mean absolute differences of neighbouring pixels; about 1 for an invisible seam.
    """
    grey = photo.mean(axis=2)
    across: list[NDArray[np.float32]] = []
    beside: list[NDArray[np.float32]] = []
    for axis in (0, 1):
        step = np.abs(np.diff(grey, axis=axis))
        first, second = (mask[:-1], mask[1:]) if axis == 0 else (mask[:, :-1], mask[:, 1:])
        across.append(step[first != second])
        beside.append(step[~first & ~second])
    seam, known = np.concatenate(across), np.concatenate(beside)
    if not len(seam) or not len(known):
        return 1.0
    return float((seam.mean() + 1) / (known.mean() + 1))
