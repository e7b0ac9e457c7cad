"""Any mask picture to one bool array, and the checks that a mask must pass."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint.errors import EmptyMask, MaskError, PhotoError
from inpaint.photo.files import open_upright

Mask = NDArray[np.bool_]
THRESHOLD = 127  # the hole is what is brighter: the middle of 0..255


def picture_to_mask(picture: Image.Image) -> Mask:
    """The hole that a picture marks: white, or the painted part of a layer whose alpha carries it.

    Returns:
        bool (H, W), True = hole.
    """
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = np.array(picture.convert("RGBA"))
        painted = rgba[..., 3] > THRESHOLD
        if not painted.all():
            colours = rgba[painted][:, :3]
            one_colour = len(colours) == 0 or int(np.ptp(colours.astype(int), axis=0).max()) < 64
            return painted if one_colour else painted & (np.array(picture.convert("RGB").convert("L")) > THRESHOLD)
        picture = picture.convert("RGB")
    return np.array(picture.convert("L")) > THRESHOLD


def load_mask(path: str | os.PathLike[str], shape: tuple[int, int], notes: list[str] | None = None) -> Mask:
    """Read a mask file for a photo of a given size.

    Args:
        path: a picture; white, or the alpha where it carries the mask, is the hole.
        shape: (height, width) of the photo in pixels.
        notes: a sentence is added here when the mask had to be resized.

    Returns:
        bool (height, width), True = hole.

    Raises:
        MaskError: it cannot be read, or its aspect differs from the photo's by more than 1 %.
    """
    try:
        mask = picture_to_mask(open_upright(Path(path)))
    except PhotoError as error:
        raise MaskError(str(error)) from None
    if mask.shape == shape:
        return mask
    aspect, wanted = mask.shape[1] / mask.shape[0], shape[1] / shape[0]
    sizes = f"{mask.shape[1]}x{mask.shape[0]} and the photo {shape[1]}x{shape[0]}"
    if abs(aspect / wanted - 1) > 0.01:
        raise MaskError(f"{path}: the mask is {sizes} pixels, shapes that do not match")
    if notes is not None:
        notes.append(f"{path}: the mask is {sizes} pixels; it was resized with nearest neighbour")
    return resize_mask(mask, shape)


def resize_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask at another (height, width), nearest neighbour."""
    return cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def dilate_mask(mask: Mask, radius: int) -> Mask:
    """The mask widened by a disc of `radius` pixels; a new array."""
    if radius == 0:
        return mask.copy()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def check_mask(mask: Mask) -> None:
    """Refuse a mask that leaves nothing to do or nothing to go by.

    Raises:
        EmptyMask: nothing is marked.
        MaskError: everything is marked.
    """
    if not mask.any():
        raise EmptyMask("the mask is empty, there is nothing to fill")
    if mask.all():
        raise MaskError("the mask covers the whole photo, so nothing is left to fill it from")
