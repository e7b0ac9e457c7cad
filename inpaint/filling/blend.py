"""Blending: the fill is corrected towards its rim, pasted, and its seam is scored. Known pixels never change."""

import cv2
import numpy as np
from numpy.typing import NDArray


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
    fill: NDArray[np.float32], photo: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Remove the step between a fill and its surroundings.

    What the engine got wrong on the known pixels beside the hole is spread smoothly into the hole and added,
    fading with depth: colour meets at the seam, the middle stays the engine's own.

    Args:
        fill: float32 (H, W, 3) in [0, 255], the engine's opinion of every pixel.
        photo: uint8 (H, W, 3).
        mask: bool (H, W), True = hole.

    Returns:
        float32 (H, W, 3) in [0, 255].
    """
    error = cv2.GaussianBlur((photo.astype(np.float32) - fill) * ~mask[..., None], (0, 0), 2.0)
    known = cv2.GaussianBlur((~mask).astype(np.float32), (0, 0), 2.0)
    error = (error / np.maximum(known, 1e-3)[..., None] * ~mask[..., None]).astype(np.float32)
    correction = membrane(np.asarray(error, np.float32), (~mask).astype(np.float32))
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    fade = np.exp(-depth / max(8.0, 0.5 * float(depth.max())))
    return np.clip(fill + correction * fade[..., None], 0, 255).astype(np.float32)


def paste(fill: NDArray[np.float32], photo: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The rounded fill in the hole, the photo bit by bit elsewhere; a new uint8 array."""
    return np.where(mask[..., None], np.rint(fill).astype(np.uint8), photo)


def seam_score(photo: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """How much sharper the steps across the seam are than steps between known pixels of the window.

    Returns:
        ratio of mean absolute differences of neighbouring pixels; about 1 for an invisible seam.
    """
    grey = photo.astype(np.float32).mean(axis=2)
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
