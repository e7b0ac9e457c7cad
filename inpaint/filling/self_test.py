"""Self-test: how much of the patches' detail meets the fine contrast of a photo, tried where the truth is known.

A stand-in, the hole's own shape at a quarter of its size, is punched into known pixels as near as it fits, and filled
without and with a part of it added. Colours do not tell the two apart (the detail has no mean); what is compared with
the truth is fine contrast, place by place: too little is blur, too much is grain where there is none, or torn patches.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.boxes import bounding_box
from inpaint.models.part import grow

SIZE = 0.25  # of the stand-in, of the hole's
APART = 4  # pixels between the two
ROOM = 0.5  # known surroundings of the stand-in, of its longer side,
LEAST_ROOM = 24  # and at least so many pixels
PLACING = 128  # longest side of the map on which a place is looked for, pixels
FITS = 0.02  # part of the stand-in that may lie on the hole, and is left out
LEAST = 64  # pixels of a stand-in that tells anything
FINE = 1.5  # fine contrast is what a blur of this standard deviation takes away, pixels
OVER = 4.0  # and it is averaged over about this far, pixels


@dataclass(frozen=True)
class StandIn:
    """A hole whose truth is known.

    Args:
        crop: rows and columns of the window that it is filled in.
        hole: bool (h, w), what is unknown there: the stand-in, and the window's own hole.
        judged: bool (h, w), the stand-in alone.
    """

    crop: tuple[slice, slice]
    hole: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def find_stand_in(hole: NDArray[np.bool_]) -> StandIn | None:
    """The hole's shape at a quarter of its size, on known pixels as near to the hole as it fits.

    Args:
        hole: bool (H, W), True = hole.

    Returns:
        None where it fits nowhere, or is too small to tell anything.
    """
    box = bounding_box(hole)
    if box is None:
        return None
    top, left, bottom, right = box
    size = max(1, round(SIZE * (bottom - top))), max(1, round(SIZE * (right - left)))
    whole = hole[top:bottom, left:right].astype(np.uint8)
    shape = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_NEAREST) > 0
    avoid = cv2.dilate(hole.astype(np.uint8), np.ones((2 * APART + 1, 2 * APART + 1), np.uint8))
    place = _nearest_place(avoid, shape, ((top + bottom) / 2, (left + right) / 2))
    if place is None:
        return None
    top, left, bottom, right = place[0], place[1], place[0] + size[0], place[1] + size[1]
    stand_in = np.zeros_like(hole)
    stand_in[top:bottom, left:right] = shape
    stand_in &= avoid == 0
    if stand_in.sum() < LEAST:
        return None
    room = max(LEAST_ROOM, round(ROOM * max(size)))
    top, left, bottom, right = grow((top, left, bottom, right), room, (hole.shape[0], hole.shape[1]))
    crop = slice(top, bottom), slice(left, right)
    return StandIn(crop, np.ascontiguousarray((hole | stand_in)[crop]), np.ascontiguousarray(stand_in[crop]))


def _nearest_place(
    avoid: NDArray[Any], shape: NDArray[np.bool_], middle: tuple[float, float]
) -> tuple[int, int] | None:
    """Top and left (pixels) where a shape (h, w) keeps off what is 1 in `avoid` (H, W), nearest to a middle (y, x)."""
    scale = min(1.0, PLACING / max(avoid.shape))
    off, pattern = (
        cv2.resize(x.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for x in (avoid, shape)
    )
    if not pattern.any():
        return None
    height, width = pattern.shape
    rows, columns = off.shape[0] - height + 1, off.shape[1] - width + 1
    if rows < 1 or columns < 1:
        return None
    on_hole = cv2.filter2D(off, -1, pattern, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[:rows, :columns]
    places = np.argwhere(on_hole <= FITS * pattern.sum())
    if not len(places):
        return None
    away = places + np.array([height / 2, width / 2]) - scale * np.array(middle)
    top, left = places[int(np.argmin(np.square(away).sum(axis=1)))] / scale
    return min(round(top), avoid.shape[0] - shape.shape[0]), min(round(left), avoid.shape[1] - shape.shape[1])


def fine_contrast(photo: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the fine contrast around each pixel of a photo (H, W, 3) in [0, 255]: float32 (H, W)."""
    grey = photo.mean(axis=2)
    fine = np.square(grey - cv2.GaussianBlur(grey, (0, 0), FINE))
    return np.log1p(np.sqrt(np.maximum(cv2.GaussianBlur(fine, (0, 0), OVER), 0))).astype(np.float32)


def contrast_errors(
    photo: NDArray[np.float32], stand_in: StandIn, fills: dict[str, NDArray[np.float32]]
) -> dict[str, float]:
    """How far the fine contrast of each fill of the stand-in is from the truth's.

    Args:
        photo: float32 (h, w, 3) in [0, 255], the crop with the truth under the stand-in.
        stand_in: where.
        fills: float32 (h, w, 3) in [0, 255] of the crop, by name.

    Returns:
        by name the mean absolute difference of the contrasts' logarithms in the stand-in; 0 = as the truth.
    """
    truth, where = fine_contrast(photo), stand_in.judged
    return {
        name: float(np.abs(fine_contrast(np.where(where[..., None], fill, photo)) - truth)[where].mean())
        for name, fill in fills.items()
    }
