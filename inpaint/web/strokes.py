"""Strokes to a mask at the photo's full size; the same rules as `strokes.js`, so that the page shows what is filled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError

Mask = NDArray[np.bool_]
Operation = dict[str, Any]
SMALLEST = 0.75  # radius in raster pixels: a disc of this size holds at least one pixel centre
MOST_POINTS = 2_000_000  # in all operations together: more is not painted by a hand


def rasterise(
    operations: list[Operation], shape: tuple[int, int], photo_shape: tuple[int, int],
    find_mask: Callable[[str], Mask],
) -> Mask:  # fmt: skip
    """The mask that a list of operations paints.

    Args:
        operations: as `strokes.js` describes them, first to last; coordinates in pixels of the photo.
        shape: (height, width) of the mask to make.
        photo_shape: (height, width) of the photo.
        find_mask: gives the mask of an id, bool of `shape`.

    Returns:
        bool `shape`, True = hole; a pixel belongs to a stroke when its centre does.

    Raises:
        MaskError: an operation that is not one.
    """
    mask = np.zeros(shape, bool)
    scale_y, scale_x = shape[0] / photo_shape[0], shape[1] / photo_shape[1]
    left = MOST_POINTS
    for operation in operations:
        tool, value = operation.get("tool"), not operation.get("erase", False)
        if tool in ("brush", "polygon"):
            points = _points(operation.get("points"))
            left -= len(points)
            if left < 0:
                raise MaskError(f"the strokes have more than {MOST_POINTS:,} points")
            if tool == "polygon":
                fill_polygon(mask, points, scale_x, scale_y, value)
            else:
                fill_brush(mask, points, _radius(operation.get("radius")), scale_x, scale_y, value)
        elif tool == "clear":
            mask[:] = False
        elif tool == "mask":
            other = find_mask(str(operation.get("id")))
            mode = operation.get("mode", "add")
            mask = {"add": lambda m, o: m | o, "subtract": lambda m, o: m & ~o, "replace": lambda _, o: o.copy()}[
                mode if mode in ("add", "subtract", "replace") else "add"
            ](mask, other)
        else:
            raise MaskError(f"a stroke has an unknown tool, {tool!r}")
    return mask


def fill_brush(
    mask: Mask, points: NDArray[np.float64], radius: float, scale_x: float, scale_y: float, value: bool
) -> None:
    """Everything within a radius of a line through points, float64 (N, 2) of x, y in photo pixels; writes `mask`."""
    ends = points[1:] if len(points) > 1 else points
    for (x0, y0), (x1, y1) in zip(points.tolist(), ends.tolist(), strict=False):
        _fill_segment(mask, (x0, y0, x1, y1), radius, scale_x, scale_y, value)


def _fill_segment(
    mask: Mask, line: tuple[float, float, float, float], radius: float, scale_x: float, scale_y: float, value: bool
) -> None:
    x0, y0, x1, y1 = line
    r = max(radius, SMALLEST / min(scale_x, scale_y))
    top = max(0, math.ceil((min(y0, y1) - r) * scale_y - 0.5))
    bottom = min(mask.shape[0] - 1, math.floor((max(y0, y1) + r) * scale_y - 0.5))
    if bottom < top:
        return
    y = (np.arange(top, bottom + 1) + 0.5) / scale_y
    start, end = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for x, squared in ((x0, r * r - (y - y0) * (y - y0)), (x1, r * r - (y - y1) * (y - y1))):
        half = np.sqrt(np.maximum(squared, 0))
        start = np.where(squared >= 0, np.minimum(start, x - half), start)
        end = np.where(squared >= 0, np.maximum(end, x + half), end)
    dx, dy = x1 - x0, y1 - y0
    long = math.sqrt(dx * dx + dy * dy)
    if long > 0:
        nx, ny = -dy / long * r, dx / long * r
        corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            if ay == by:
                continue
            crosses = (ay <= y) != (by <= y)
            x_there = ax + (y - ay) / (by - ay) * (bx - ax)
            start = np.where(crosses, np.minimum(start, x_there), start)
            end = np.where(crosses, np.maximum(end, x_there), end)
    _fill_spans(mask, top, start, end, scale_x, value)


def _fill_spans(
    mask: Mask, top: int, start: NDArray[np.float64], end: NDArray[np.float64], scale_x: float, value: bool
) -> None:
    last_column = mask.shape[1] - 1
    inside = end >= start
    first = np.maximum(0, np.ceil(np.where(inside, start, 1) * scale_x - 0.5)).astype(np.int64)
    last = np.minimum(last_column, np.floor(np.where(inside, end, 0) * scale_x - 0.5)).astype(np.int64)
    for row in np.flatnonzero(inside & (last >= first)):
        mask[top + row, first[row] : last[row] + 1] = value


def fill_polygon(mask: Mask, points: NDArray[np.float64], scale_x: float, scale_y: float, value: bool) -> None:
    """The inside of a closed polygon, float64 (N, 2) of x, y in photo pixels, nonzero winding; writes `mask`."""
    if len(points) < 3:
        return
    ax, ay = points.T
    bx, by = np.roll(points, -1, axis=0).T
    slanted = ay != by
    ax, ay, bx, by = ax[slanted], ay[slanted], bx[slanted], by[slanted]
    top = max(0, math.ceil(points[:, 1].min() * scale_y - 0.5))
    bottom = min(mask.shape[0] - 1, math.floor(points[:, 1].max() * scale_y - 0.5))
    for row in range(top, bottom + 1):
        y = (row + 0.5) / scale_y
        crosses = (ay <= y) != (by <= y)
        if not crosses.any():
            continue
        x = ax[crosses] + (y - ay[crosses]) / (by[crosses] - ay[crosses]) * (bx[crosses] - ax[crosses])
        order = np.argsort(x, kind="stable")
        winding = np.cumsum(np.where(ay[crosses] <= y, 1, -1)[order])
        x = x[order]
        for i in np.flatnonzero(winding[:-1]):
            first = max(0, math.ceil(x[i] * scale_x - 0.5))
            last = min(mask.shape[1] - 1, math.floor(x[i + 1] * scale_x - 0.5))
            if last >= first:
                mask[row, first : last + 1] = value


def _points(values: Any) -> NDArray[np.float64]:
    try:
        points = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise MaskError("a stroke has points that are not numbers") from None
    if points.ndim != 1 or len(points) % 2 or not np.isfinite(points).all() or np.abs(points).max(initial=0) > 1e6:
        raise MaskError("a stroke has points that are not pairs of numbers within the photo's reach")
    return points.reshape(-1, 2)


def _radius(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value <= 100_000:
        raise MaskError(f"a brush has a radius of {value!r} pixels")
    return float(value)
