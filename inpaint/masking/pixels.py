"""What every mask tool does with a photo first: eight bits, three channels, and a size that bounds the time."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import PhotoError

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


def eight_bits(photo: NDArray[Any]) -> Photo:
    """A photo as the mask tools look at it.

    Args:
        photo: uint8 or uint16, (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint16 uses its whole range.

    Returns:
        uint8 (H, W, 3) RGB; alpha is ignored.

    Raises:
        PhotoError: another type or shape, or no pixels.
    """
    pixels = np.asarray(photo)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise PhotoError(f"a photo must be uint8 or uint16 (H, W, 3), got {pixels.dtype} {pixels.shape}")
    if pixels.size == 0:
        raise PhotoError(f"a photo must have pixels, got shape {pixels.shape}")
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def shrunk(photo: Photo, longest: int) -> tuple[Photo, float]:
    """A photo at most `longest` pixels on its longer side, by area means, and its scale (1 or less)."""
    height, width = photo.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return photo, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def lab(photo: Photo) -> Floats:
    """CIE Lab with L in [0, 100], float32 (H, W, 3)."""
    return np.asarray(cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def disc(radius: int) -> NDArray[np.uint8]:
    """A round structuring element of a radius in pixels."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)
