"""Seeded random masks for training and evaluation, all relative to the picture's size.

Six kinds: `thin`, `medium`, `thick` after LaMa's polygonal strokes (Suvorov 2022, supplementary), `strokes` after the
free-form masks of Yu 2019 (Algorithm 1), `boxes` after Yu 2018, and `objects`: blobs of 3-25 % of the picture, which
is what people really paint over.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def draw_segment(canvas: Mask, start: NDArray[np.float64], end: NDArray[np.float64], width: float) -> None:
    """Set all pixels whose middle is within `width / 2` pixels of a line from start to end (x, y).

    OpenCV 5 draws lines of thickness t about two pixels wider than t, so that narrow strokes would be no such thing.
    """
    reach = width / 2
    low = np.maximum(np.floor(np.minimum(start, end) - reach), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, end) + reach) + 1, canvas.shape[::-1]).astype(int)
    if (high <= low).any():
        return
    x, y = np.arange(low[0], high[0])[None, :] - start[0], np.arange(low[1], high[1])[:, None] - start[1]
    along = end - start
    share = np.clip((x * along[0] + y * along[1]) / max(float(along @ along), 1e-6), 0, 1)
    away = (x - share * along[0]) ** 2 + (y - share * along[1]) ** 2
    canvas[low[1] : high[1], low[0] : high[0]] |= away <= reach**2


def _strokes(
    rng: np.random.Generator, size: int, count: tuple[int, int], vertices: tuple[int, int],
    length: tuple[float, float], width: tuple[float, float],
) -> Mask:
    canvas = np.zeros((size, size), bool)
    for _ in range(rng.integers(count[0], count[1] + 1)):
        point = rng.uniform(0, size, 2)
        angle = rng.uniform(0, 2 * np.pi)
        thickness = max(1, round(size * rng.uniform(*width)))
        for _ in range(rng.integers(vertices[0], vertices[1] + 1)):
            angle += rng.uniform(-0.6, 0.6) * np.pi
            step = size * rng.uniform(*length)
            end = np.clip(point + step * np.array([np.cos(angle), np.sin(angle)]), 0, size - 1)
            draw_segment(canvas, point, end, thickness)
            point = end
    return canvas


def thin(rng: np.random.Generator, size: int) -> Mask:
    """Long narrow strokes, 0.6-3 % of the side wide."""
    return _strokes(rng, size, (1, 5), (2, 5), (0.1, 0.5), (0.006, 0.03))


def medium(rng: np.random.Generator, size: int) -> Mask:
    """Strokes of 4-16 % of the side."""
    return _strokes(rng, size, (1, 5), (1, 4), (0.1, 0.4), (0.04, 0.16))


def thick(rng: np.random.Generator, size: int) -> Mask:
    """Broad strokes of 12-35 % of the side, sometimes with a box."""
    mask = _strokes(rng, size, (1, 3), (1, 3), (0.1, 0.4), (0.12, 0.35))
    return mask | boxes(rng, size) if rng.random() < 0.3 else mask


def strokes(rng: np.random.Generator, size: int) -> Mask:
    """Free-form strokes of many short turns (Yu 2019, Algorithm 1)."""
    return _strokes(rng, size, (1, 4), (4, 12), (0.02, 0.2), (0.04, 0.1))


def boxes(rng: np.random.Generator, size: int) -> Mask:
    """One to three rectangles with sides of 10-45 % of the picture's."""
    mask = np.zeros((size, size), bool)
    for _ in range(rng.integers(1, 4)):
        height, width = np.maximum(1, (size * rng.uniform(0.1, 0.45, 2)).astype(int))
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        mask[top : top + height, left : left + width] = True
    return mask


def objects(rng: np.random.Generator, size: int) -> Mask:
    """One blob of 3-25 % of the picture: a circle whose radius wanders, stretched and turned, perhaps at the border."""
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones_like(angles)
    for k in range(1, 7):
        radius += rng.normal(0, 0.28 / k) * np.cos(k * angles + rng.uniform(0, 2 * np.pi))
    radius = np.maximum(radius, 0.25)
    stretch = np.exp(rng.uniform(-0.5, 0.5))
    x, y = radius * np.cos(angles) * stretch, radius * np.sin(angles) / stretch
    turn = rng.uniform(0, np.pi)
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    scale = size * np.sqrt(rng.uniform(0.03, 0.25) / area)
    margin = 0.05 if rng.random() < 0.25 else 0.25
    centre = rng.uniform(size * margin, size * (1 - margin), 2)
    points = np.stack([x * scale + centre[0], y * scale + centre[1]], axis=1)
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [points.round().astype(np.int32)], 1)
    return canvas.astype(bool)


Kind = Callable[[np.random.Generator, int], Mask]
KINDS: dict[str, Kind] = {
    "thin": thin, "medium": medium, "thick": thick, "strokes": strokes, "boxes": boxes, "objects": objects,
}  # fmt: skip
TRAINING_MIX = {"thin": 0.12, "medium": 0.18, "thick": 0.2, "strokes": 0.12, "boxes": 0.08, "objects": 0.3}


def random_mask(
    rng: np.random.Generator, size: int, mix: dict[str, float] = TRAINING_MIX, drawn_by: Mapping[str, Kind] = KINDS
) -> Mask:
    """Draw one square mask from a mix of kinds.

    Args:
        rng: source of randomness; the same state gives the same mask.
        size: side in pixels.
        mix: weight of each kind, any positive sum.
        drawn_by: what draws each kind.

    Returns:
        bool (size, size), True = hole; never empty, never more than 80 % of the picture.
    """
    kinds, weights = list(mix), np.array(list(mix.values()))
    while True:
        kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
        mask = drawn_by[kind](rng, size)
        if 0 < mask.mean() <= 0.8:
            return mask
