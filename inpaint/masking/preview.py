"""A picture that shows a mask on its photo."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError
from inpaint.masking.edit import shrink
from inpaint.masking.pixels import Mask, Photo, eight_bits


def overlay(
    photo: NDArray[Any], mask: Mask, colour: tuple[int, int, int] = (255, 0, 80), opacity: float = 0.5
) -> Photo:
    """The photo with the hole tinted and its outline drawn.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        mask: bool (H, W), True = hole.
        colour: of the tint, RGB.
        opacity: of the tint, in [0, 1]; the outline is opaque.

    Returns:
        uint8 (H, W, 3) RGB; equal to the photo (at eight bits) outside the mask.

    Raises:
        MaskError: the mask has another size than the photo.
    """
    shown = eight_bits(photo).copy()
    if mask.shape != shown.shape[:2]:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} pixels, the photo {shown.shape[1]}x{shown.shape[0]}"
        raise MaskError(f"the mask is {sizes}")
    tint = np.array(colour, np.float32)
    shown[mask] = (shown[mask] * (1 - opacity) + tint * opacity).round().astype(np.uint8)
    thickness = max(1, round(max(mask.shape) / 800))
    shown[mask & ~shrink(mask, thickness)] = tint.astype(np.uint8)
    return shown
