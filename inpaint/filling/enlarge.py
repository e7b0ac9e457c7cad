"""Windows too large to be worked on at full size: shrunk first, and their fill carried back with the photo's detail."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.blend import paste, working_scale
from inpaint.filling.detail import Synthesis
from inpaint.filling.kernels import transfer
from inpaint.filling.report import Pixels
from inpaint.filling.windows import MOST_PIXELS

MOST_HOLE_PIXELS = 300_000  # of a window that is worked on at full size
STRIP = 256  # rows that are held as float32 at once
WIDEST = 16_384  # columns that are enlarged at once
REACH = 3  # small pixels on each side that cubic interpolation may need

Mask = NDArray[np.bool_]


def shrink_factor(pixels: int, hole_pixels: int) -> int:
    """By which power of two a window has to shrink so that time and memory stay bounded; 1 for most."""
    factor = 1
    while pixels > MOST_PIXELS * factor**2 or hole_pixels > MOST_HOLE_PIXELS * factor**2:
        factor *= 2
    return factor


def shrink_window(photo: Pixels, hole: Mask, factor: int) -> tuple[NDArray[np.float32], Mask]:
    """A window at 1/factor of its size, on the working scale.

    Args:
        photo: uint8 or uint16 (H, W, 3).
        hole: bool (H, W), True = hole.
        factor: a power of two.

    Returns:
        photo float32 (ceil(H / factor), ceil(W / factor), 3) in [0, 255], the means of known pixels alone, and its
        hole, True where any pixel was one.
    """
    if factor == 1:
        return working_scale(photo), np.ascontiguousarray(hole)
    photos, holes = [], []
    width = -(-hole.shape[1] // factor)
    for top in range(0, hole.shape[0], STRIP * factor):
        part = hole[top : top + STRIP * factor]
        height = -(-part.shape[0] // factor)
        edge = (0, height * factor - part.shape[0], 0, width * factor - part.shape[1], cv2.BORDER_CONSTANT)
        known = cv2.copyMakeBorder((~part).astype(np.float32), *edge, value=0)
        values = cv2.copyMakeBorder(working_scale(photo[top : top + STRIP * factor]), *edge, value=0)
        marked = cv2.copyMakeBorder(part.astype(np.float32), *edge, value=0)
        share, values, marked = (
            cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA)
            for x in (known, values * known[..., None], marked)
        )
        photos.append((values / np.maximum(share, 1e-6)[..., None]).astype(np.float32))
        holes.append(marked > 0)
    return np.concatenate(photos), np.concatenate(holes)


def paste_enlarged(small: Synthesis, photo: Pixels, hole: Mask, own: Mask, factor: int) -> Pixels:
    """Paste a fill made at 1/factor of the size into the window.

    Args:
        small: fill and origins (h, w); where pixels have an origin, full-size pixels are copied from there.
        photo: uint8 or uint16 (H, W, 3).
        hole: bool (H, W), nothing is copied from it.
        own: bool (H, W), what to fill.
        factor: full-size pixels per small one and side.

    Returns:
        the filled window, a new array of the photo's dtype.
    """
    if factor == 1:
        return paste(small.fill, photo, own)
    source = np.ascontiguousarray(photo)
    result = source.copy()
    scale = 255 / np.iinfo(photo.dtype).max
    for top in range(0, hole.shape[0], STRIP):
        part = own[top : top + STRIP]
        if not part.any():
            continue
        if small.origin is None or small.shift is None:
            strip = _smooth_rows(small.fill, top, part.shape, factor)
        else:
            strip = np.zeros((*part.shape, 3), np.float32)
            transfer(source, hole, scale, small.origin, small.fill, small.shift, factor, top, strip)
        result[top : top + STRIP] = paste(strip, result[top : top + STRIP], part)
    return result


def _smooth_rows(fill: NDArray[np.float32], top: int, shape: tuple[int, ...], factor: int) -> NDArray[np.float32]:
    """Rows of a small picture enlarged with cubic interpolation, float32 (*shape, 3) in [0, 255]."""
    y = (np.arange(top, top + shape[0], dtype=np.float32) + 0.5) / factor - 0.5
    first = max(0, top // factor - REACH)
    rows = fill[first : (top + shape[0]) // factor + REACH + 1]
    strips = []
    for left in range(0, shape[1], WIDEST):  # cv2.remap takes no more than 32,767 columns
        x = (np.arange(left, min(left + WIDEST, shape[1]), dtype=np.float32) + 0.5) / factor - 0.5
        start = max(0, left // factor - REACH)
        part = np.ascontiguousarray(rows[:, start : (left + WIDEST) // factor + REACH + 1])
        at_x, at_y = np.meshgrid(x - start, y - first)
        strips.append(cv2.remap(part, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    return np.clip(np.concatenate(strips, axis=1), 0, 255).astype(np.float32)
