"""Mask files to one bool array that fits its photo, and the checks that a mask must pass."""

import os
from pathlib import Path

import cv2
import numpy as np

from inpaint.errors import EmptyMask, MaskError, PhotoError, shown
from inpaint.photo.decode import open_upright
from inpaint.photo.limits import Limits
from inpaint.photo.mask_meaning import Mask, array_to_mask, picture_to_mask
from inpaint.photo.orientation import swaps_sides, turn_upright

__all__ = ["Mask", "array_to_mask", "check_mask", "dilate_mask", "load_mask", "picture_to_mask", "resize_mask"]
ASPECT = 0.01  # relative difference of the aspects at which two sizes still belong together


def load_mask(
    path: str | os.PathLike[str], shape: tuple[int, int], notes: list[str] | None = None, *,
    mask_is: str = "auto", orientation: int = 1, limits: Limits = Limits(),
) -> Mask:  # fmt: skip
    """Read a mask file for a photo of a given size.

    Args:
        path: a picture; see `picture_to_mask` for what it may look like.
        shape: (height, width) of the upright photo in pixels.
        notes: sentences about what was decided are added here.
        mask_is: which part of the mask is the hole, one of `options.MASK_IS`.
        orientation: of the photo's stored pixels, 1 to 8; a mask of their size is turned like them.
        limits: larger files are refused.

    Returns:
        bool (height, width), True = hole.

    Raises:
        MaskError: it cannot be read, its meaning is in doubt, or its aspect differs from the photo's by more than 1 %.
    """
    decided: list[str] = []
    try:
        picture, own_orientation = open_upright(Path(path), limits, decided)
        mask = picture_to_mask(picture, mask_is, decided, shown(path))
    except PhotoError as error:
        raise MaskError(str(error)) from None
    mask, turned = _turned_like_photo(mask, shape, orientation if own_orientation == 1 else 1)
    if turned:
        decided.append(f"{shown(path)}: {turned}")
    if mask.shape != shape:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} and the photo {shape[1]}x{shape[0]}"
        if not _same_aspect(mask.shape, shape):
            raise MaskError(f"{shown(path)}: the mask is {sizes} pixels, shapes that do not match")
        decided.append(f"{shown(path)}: the mask is {sizes} pixels; it was resized with nearest neighbour")
        mask = resize_mask(mask, shape)
    if notes is not None:
        notes += decided
    return mask


def _same_aspect(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return abs(first[1] * second[0] / (first[0] * second[1]) - 1) <= ASPECT


def _turned_like_photo(mask: Mask, shape: tuple[int, int], orientation: int) -> tuple[Mask, str]:
    """Turn a mask that was drawn over the photo as it is stored, and say so."""
    if orientation == 1:
        return mask, ""
    fits_upright, fits_stored = _same_aspect(mask.shape, shape), _same_aspect(mask.shape, shape[::-1])
    if swaps_sides(orientation) and fits_stored and not fits_upright:
        turned = np.ascontiguousarray(turn_upright(mask, orientation))
        return turned, "its size is that of the photo as stored, so it was turned upright like the photo"
    if fits_upright and (fits_stored or not swaps_sides(orientation)):
        return mask, "the photo is stored turned; the mask is taken as drawn over the upright photo"
    return mask, ""


def resize_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask at another (height, width), nearest neighbour."""
    return cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def dilate_mask(mask: Mask, radius: int) -> Mask:
    """The mask widened by a disc of `radius` pixels; a new array."""
    if radius == 0:
        return mask.copy()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def check_mask(mask: Mask, name: str = "") -> None:
    """Refuse a mask that leaves nothing to do or nothing to go by.

    Args:
        mask: bool (H, W), True = hole.
        name: of its file, for the error; empty where it has none.

    Raises:
        EmptyMask: nothing is marked.
        MaskError: everything is marked.
    """
    prefix = f"{name}: " if name else ""
    if not mask.any():
        raise EmptyMask(f"{prefix}the mask is empty, there is nothing to fill")
    if mask.all():
        raise MaskError(f"{prefix}the mask covers the whole photo, so nothing is left to fill it from")
