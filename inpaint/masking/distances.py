"""Distances through a picture: how much colour lies between each pixel and a set of seeds."""

import functools
from collections.abc import Callable

import numpy as np
from numba import njit

from inpaint.masking.pixels import Floats, Mask


@functools.cache
def _compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """A loop of this file, kept on disk where there is a place for it."""
    pixel, colour = np.zeros((1, 1), np.float32), np.zeros((1, 1, 3), np.float32)
    sample = (pixel, pixel.copy(), pixel.copy(), pixel.copy(), 1) if loop is _barrier else (colour, pixel, 0.2, 1)
    try:
        made: Callable[..., None] = njit(nogil=True, cache=True)(loop)
        made(*sample)
    except (RuntimeError, OSError):  # nothing can be written beside this file, nor in the user's folder
        made = njit(nogil=True)(loop)
    return made


def _barrier(values: Floats, distance: Floats, low: Floats, high: Floats, passes: int) -> None:
    """Raster scans of the fast minimum barrier distance; writes `distance`, `low` and `high`."""
    height, width = values.shape
    for turn in range(passes):
        forward = turn % 2 == 0
        for i in range(height):
            y = i if forward else height - 1 - i
            for j in range(width):
                x = j if forward else width - 1 - j
                for side in range(2):
                    v = y - 1 if forward else y + 1
                    u = x
                    if side == 1:
                        v, u = y, x - 1 if forward else x + 1
                    if v < 0 or v >= height or u < 0 or u >= width:
                        continue
                    top, bottom = max(high[v, u], values[y, x]), min(low[v, u], values[y, x])
                    if top - bottom < distance[y, x]:
                        distance[y, x] = top - bottom
                        high[y, x], low[y, x] = top, bottom


def barrier_distance(values: Floats, seeds: Mask, passes: int = 4) -> Floats:
    """The least range of values on any path to a seed (Zhang 2015, "Minimum Barrier Salient Object Detection").

    Args:
        values: float32 (H, W).
        seeds: bool (H, W), at least one True.
        passes: raster scans; the distance is approximate from above.

    Returns:
        float32 (H, W), 0 at the seeds.
    """
    distance = np.where(seeds, 0, 1e9).astype(np.float32)
    run = _compiled(_barrier)
    run(np.ascontiguousarray(values), distance, values.astype(np.float32), values.astype(np.float32), passes)
    return distance


def _geodesic(colours: Floats, distance: Floats, step: float, passes: int) -> None:
    """Raster scans of a geodesic distance transform; writes `distance`."""
    height, width, _ = colours.shape
    for turn in range(passes):
        forward = turn % 2 == 0
        for i in range(height):
            y = i if forward else height - 1 - i
            for j in range(width):
                x = j if forward else width - 1 - j
                for side in range(4):
                    dy, dx = -1, side - 1
                    if side == 3:
                        dy, dx = 0, -1
                    if not forward:
                        dy, dx = -dy, -dx
                    v, u = y + dy, x + dx
                    if v < 0 or v >= height or u < 0 or u >= width:
                        continue
                    change = 0.0
                    for c in range(3):
                        change += (colours[y, x, c] - colours[v, u, c]) ** 2
                    length = 1.4142 if dy != 0 and dx != 0 else 1.0
                    total = distance[v, u] + np.sqrt(change) + step * length
                    if total < distance[y, x]:
                        distance[y, x] = total


def geodesic_distance(colours: Floats, seeds: Mask, step: float = 0.2, passes: int = 4) -> Floats:
    """The least sum of colour changes on any path to a seed (Criminisi 2008, "GeoS", section 2.1).

    Args:
        colours: float32 (H, W, 3), such as Lab.
        seeds: bool (H, W).
        step: what a step of one pixel costs without any change of colour.
        passes: raster scans.

    Returns:
        float32 (H, W), 0 at the seeds; 1e9 everywhere without seeds.
    """
    distance = np.where(seeds, 0, 1e9).astype(np.float32)
    _compiled(_geodesic)(np.ascontiguousarray(colours), distance, step, passes)
    return distance
