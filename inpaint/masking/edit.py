"""One function per change of a mask; each returns a new one.

Every mask is bool (H, W), True = hole.
"""

from collections.abc import Callable

import cv2
import numpy as np

from inpaint.errors import MaskError, OptionError
from inpaint.masking.pixels import Mask

OPERATIONS: dict[str, Callable[[Mask, Mask], Mask]] = {
    "union": np.logical_or,
    "intersection": np.logical_and,
    "difference": lambda a, b: a & ~b,
}


def combine(*masks: Mask, operation: str = "union") -> Mask:
    """Several masks in one.

    Args:
        masks: one or more of the same size.
        operation: `union`, `intersection`, or `difference` (the first without all others).

    Raises:
        MaskError: no mask, or sizes that differ.
        OptionError: an unknown operation.
    """
    if operation not in OPERATIONS:
        raise OptionError(f"operation must be one of {', '.join(OPERATIONS)}, got {operation!r}")
    if not masks:
        raise MaskError("no mask to combine")
    sizes = sorted({f"{mask.shape[1]}x{mask.shape[0]}" for mask in masks})
    if len(sizes) > 1:
        raise MaskError(f"masks to combine must have one size, got {', '.join(sizes)} pixels")
    result = masks[0].copy()
    for mask in masks[1:]:
        result = OPERATIONS[operation](result, mask)
    return result


def invert(mask: Mask) -> Mask:
    """What was the hole is kept, and the other way round."""
    return ~mask


def grow(mask: Mask, pixels: float) -> Mask:
    """The mask and all within a distance of it, in pixels; exact for any distance.

    Raises:
        OptionError: a negative distance.
    """
    _not_negative("grow", pixels)
    if pixels == 0 or not mask.any():
        return mask.copy()
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels)


def shrink(mask: Mask, pixels: float) -> Mask:
    """The mask without all within a distance of its outside, in pixels; the picture's border is no outside.

    Raises:
        OptionError: a negative distance.
    """
    _not_negative("shrink", pixels)
    return ~grow(~mask, pixels)


def smooth(mask: Mask, pixels: float) -> Mask:
    """A rounder outline: details smaller than about a radius in pixels vanish, the area stays about the same.

    Raises:
        OptionError: a negative radius.
    """
    _not_negative("smooth", pixels)
    if pixels == 0:
        return mask.copy()
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), pixels / 1.5, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft > 0.5)


def fill_holes(mask: Mask, largest: int | None = None) -> Mask:
    """The mask with the places that it encloses.

    Args:
        mask: bool (H, W); a place that touches the picture's border is not enclosed.
        largest: enclosed places of more pixels stay open; None fills all.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    enclosed = np.ones(count, bool)
    enclosed[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    enclosed[0] = False
    if largest is not None:
        enclosed &= stats[:, cv2.CC_STAT_AREA] <= largest
    return mask | enclosed[labels]


def remove_specks(mask: Mask, smallest: int) -> Mask:
    """The mask without connected parts of fewer pixels than `smallest`."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= smallest
    kept[0] = False
    return kept[labels]


def _not_negative(name: str, pixels: float) -> None:
    if not 0 <= pixels <= 100_000:
        raise OptionError(f"{name} must be between 0 and 100000 pixels, got {pixels}")
