"""Places said in words: presets, boxes, polygons and colours, in pixels or per cent.

Grammar, parts joined by `;` are united:

    part     = area [" colour " colour] | "colour " colour
    area     = preset size [offset] | "box X,Y,W,H" | "polygon X,Y X,Y X,Y ..." | "all"
    preset   = top-left | top | top-right | left | centre | right | bottom-left | bottom | bottom-right
    size     = WxH               each a number of pixels or a percentage of the photo's width or height: 18%x6%, 200x40
    offset   = +X+Y              distance from the edges that the preset names
    colour   = #rrggbb[~T]       within a distance T in RGB (default 60)
"""

import math
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OptionError
from inpaint.masking.pixels import Mask, eight_bits

# Where the region stands: -1 at the left or top edge, 0 in the middle, 1 at the right or bottom edge.
PRESETS = {
    "top-left": (-1, -1), "top": (0, -1), "top-right": (1, -1), "left": (-1, 0), "centre": (0, 0), "center": (0, 0),
    "right": (1, 0), "bottom-left": (-1, 1), "bottom": (0, 1), "bottom-right": (1, 1),
}  # fmt: skip
_NUMBER = r"(-?\d+(?:\.\d+)?%?)"
_PRESET = re.compile(rf"([a-z-]+)\s+{_NUMBER}\s*x\s*{_NUMBER}(?:\s*\+{_NUMBER}\+{_NUMBER})?$")
_COLOUR = re.compile(r"#([0-9a-f]{6})(?:~(\d+(?:\.\d+)?))?$")
TOLERANCE = 60.0


def length(text: str, whole: int) -> float:
    """`40` or `12.5%` as pixels of a side.

    Raises:
        OptionError: not a number.
    """
    text = text.strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise OptionError(f"a length is a number of pixels or a percentage such as 12%, got {text!r}") from None
    if not np.isfinite(value):
        raise OptionError(f"a length must be finite, got {text!r}")
    return value * whole / 100 if text.endswith("%") else value


def parse_box(text: str, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """`X,Y,W,H` in pixels or per cent as whole pixels inside a photo.

    Args:
        text: left, top, width, height.
        shape: (height, width) of the photo.

    Returns:
        x, y, width, height; the part that lies in the photo.

    Raises:
        OptionError: not four lengths, or nothing of the box lies in the photo.
    """
    parts = text.split(",")
    if len(parts) != 4:
        raise OptionError(f"a box is X,Y,W,H in pixels or per cent, got {text!r}")
    height, width = shape
    x, y, w, h = (length(part, whole) for part, whole in zip(parts, (width, height, width, height), strict=True))
    return clip_box((x, y, w, h), shape)


def clip_box(box: tuple[float, float, float, float], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box x, y, width, height in pixels, cut to a photo of a shape (height, width).

    Raises:
        OptionError: it is empty, lies outside, or is not of finite numbers.
    """
    x, y, w, h = box
    for value in box:
        if not np.isfinite(value):
            raise OptionError(f"a length must be finite, got {value!r}")
    if w <= 0 or h <= 0:
        raise OptionError(f"a box must have a width and a height, got {w:g}x{h:g} pixels")
    # Halves go up: `round` takes them to the even side, which makes nine pixels eight.
    left, top, right, bottom = (math.floor(edge + 0.5) for edge in (x, y, x + w, y + h))
    left, top, right, bottom = max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom)
    if right <= left or bottom <= top:
        raise OptionError(f"the box {x:g},{y:g},{w:g},{h:g} lies outside the photo of {shape[1]}x{shape[0]} pixels")
    return left, top, right - left, bottom - top


def box_mask(box: tuple[int, int, int, int], shape: tuple[int, int]) -> Mask:
    """The inside of a box x, y, width, height, bool shape."""
    mask = np.zeros(shape, bool)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = True
    return mask


def region_mask(shape: tuple[int, int], region: str, photo: NDArray[Any] | None = None) -> Mask:
    """A region said in words.

    Args:
        shape: (height, width) of the photo in pixels.
        region: such as `bottom-right 18%x6%`, `bottom 100%x8%`, `top-left 200x60+10+10`, `box 0,90%,100%,10%`,
            `polygon 0,0 50%,0 0,50%`, `bottom-right 30%x10% colour #ff8c28~70`; several joined by `;`.
        photo: uint8 or uint16 (H, W, 3) RGB, needed where the region names a colour.

    Returns:
        bool shape, True = hole.

    Raises:
        OptionError: the words cannot be understood, or the region is empty; the text holds them.
    """
    mask = np.zeros(shape, bool)
    for part in region.split(";"):
        words = part.strip().lower()
        area, _, colour = words.partition("colour ") if "colour " in words else words.partition("color ")
        piece = _area(area.strip() or ("all" if colour else ""), shape)
        if colour:
            if photo is None:
                raise OptionError(f"region {words!r} names a colour, which needs a photo")
            piece &= colour_mask(photo, colour.strip())
        mask |= piece
    return mask


def needs_photo(region: str) -> bool:
    """Whether a region depends on the photo's colours."""
    return "colour " in region.lower() or "color " in region.lower()


def _area(text: str, shape: tuple[int, int]) -> Mask:
    height, width = shape
    if text == "all":
        return np.ones(shape, bool)
    if text.startswith("box "):
        return box_mask(parse_box(text.removeprefix("box "), shape), shape)
    if text.startswith("polygon "):
        return _polygon(text.removeprefix("polygon "), shape)
    found = _PRESET.match(text)
    if not found or found[1] not in PRESETS:
        names = ", ".join(name for name in PRESETS if name != "center")
        raise OptionError(f"region {text!r} is not understood: box, polygon, all, or one of {names} with a size WxH")
    w, h = length(found[2], width), length(found[3], height)
    dx, dy = (length(found[4] or "0", width), length(found[5] or "0", height))
    side_x, side_y = PRESETS[found[1]]
    x = (width - w) / 2 + side_x * ((width - w) / 2 - dx) if side_x else (width - w) / 2 + dx
    y = (height - h) / 2 + side_y * ((height - h) / 2 - dy) if side_y else (height - h) / 2 + dy
    return box_mask(clip_box((x, y, w, h), shape), shape)


def _polygon(text: str, shape: tuple[int, int]) -> Mask:
    points = []
    for pair in text.split():
        x, comma, y = pair.partition(",")
        if not comma:
            raise OptionError(f"a polygon is a list of X,Y, got {pair!r}")
        points.append((length(x, shape[1]), length(y, shape[0])))
    if len(points) < 3:
        raise OptionError(f"a polygon needs three corners or more, got {len(points)}")
    return polygon(np.array(points, np.float32), shape)


def polygon(corners: NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """The inside of a polygon float32 (N, 2) of x, y in pixels, bool shape: all pixels whose middle lies in it.

    Of a polygon that crosses itself, what is enclosed twice is outside. A rectangle is what `clip_box` makes of it.

    Raises:
        OptionError: no pixel of the photo has its middle in it.
    """
    height, width = shape
    points = np.clip(corners.astype(np.float64), -1e6, 1e6)
    edges = np.zeros((height, width + 1), np.uint8)  # odd where a row passes from outside to inside, or back
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = (min(max(math.floor(y + 0.5), 0), height) for y in sorted((ay, by)))
        rows = np.arange(top, bottom)
        if len(rows):
            x = ax + (rows + 0.5 - ay) * (bx - ax) / (by - ay)
            edges[rows, np.clip(np.floor(x + 0.5), 0, width).astype(int)] ^= 1
    mask = np.bitwise_xor.accumulate(edges, axis=1)[:, :width].astype(bool)
    if not mask.any():
        raise OptionError(f"the polygon covers the middle of no pixel of the photo of {width}x{height} pixels")
    return mask


def colour_mask(photo: NDArray[Any], colour: str) -> Mask:
    """Where a photo has about a colour.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        colour: `#rrggbb` or `#rrggbb~T`, T the largest Euclidean distance in RGB, 0 to 441.

    Returns:
        bool (H, W), one pixel wider than the colour itself, so that soft rims are in it.

    Raises:
        OptionError: not a colour.
    """
    found = _COLOUR.match(colour)
    if not found:
        raise OptionError(f"a colour is #rrggbb or #rrggbb~distance, got {colour!r}")
    wanted = np.array([int(found[1][k : k + 2], 16) for k in (0, 2, 4)], np.float32)
    reach = float(found[2]) if found[2] else TOLERANCE
    close = ((eight_bits(photo).astype(np.float32) - wanted) ** 2).sum(axis=2) <= reach * reach
    return cv2.dilate(close.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
