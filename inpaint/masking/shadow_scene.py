"""An object and the ground around it, as the search for its shadow sees them: light and hue against lit ground."""

from dataclasses import dataclass

import cv2
import numpy as np

from inpaint.masking.pixels import Floats, Mask, Photo, disc

SIDE = 128  # pixels of the square that holds the object and its surroundings
REACH = 1.2  # of the object's longer side: how far a shadow may reach from it
CHANNELS = 9


@dataclass(frozen=True)
class Scene:
    """An object and its surroundings at a small size.

    Attributes:
        part: of the photo, rows and columns.
        shape: h, w of that part in the square, from its upper left corner.
        clear: bool (SIDE, SIDE), ground that can be seen: neither the object, nor its soft rim, nor beyond the photo.
        light: float32 (SIDE, SIDE), logarithm of linear light relative to the lit ground's.
        hue: float32 (SIDE, SIDE, 2), logarithms of red to green and blue to green relative to the ground's.
        body: bool (SIDE, SIDE), the object.
        noise: the spread of the ground's light and of its hue.
    """

    part: tuple[slice, slice]
    shape: tuple[int, int]
    clear: Mask
    light: Floats
    hue: Floats
    body: Mask
    noise: tuple[float, float]


def look_at(photo: Photo, mask: Mask) -> Scene | None:
    """The surroundings of an object, or None where too little ground is seen.

    Args:
        photo: uint8 (H, W, 3) RGB.
        mask: bool (H, W), the object; not empty.
    """
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    reach = round(REACH * max(bottom - top, right - left)) + 4
    part = (slice(max(0, top - reach), bottom + reach), slice(max(0, left - reach), right + reach))
    crop, inner = photo[part], mask[part].astype(np.float32)
    scale = SIDE / max(crop.shape[:2])
    shape = (min(SIDE, max(1, round(crop.shape[0] * scale))), min(SIDE, max(1, round(crop.shape[1] * scale))))
    crop = np.asarray(cv2.resize(crop, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    inner = np.asarray(cv2.resize(inner, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    body = np.asarray(inner > 0.5)
    clear = np.asarray(cv2.dilate((inner > 0.2).astype(np.uint8), disc(1)) == 0)
    if not body.any() or clear.sum() < 100:
        return None
    curve = (((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4).astype(np.float32)
    colours = np.log(cv2.LUT(crop, curve) + np.float32(0.01))
    seen = np.dstack([colours.mean(axis=2), colours[..., 0] - colours[..., 1], colours[..., 2] - colours[..., 1]])
    ground, noise = _ground(seen, clear, body)
    away = np.where(clear[..., None], seen - ground, 0).astype(np.float32)
    room = ((0, SIDE - shape[0]), (0, SIDE - shape[1]))
    away = np.pad(away, (*room, (0, 0)))
    return Scene(part, shape, np.pad(clear, room), away[..., 0], away[..., 1:], np.pad(body, room), noise)


def _ground(seen: Floats, clear: Mask, body: Mask) -> tuple[Floats, tuple[float, float]]:
    """The lit ground's light and hue at each pixel, and how much both vary.

    A wide mean of what is clear, near the object's foot and below first; what is much darker than the mean, or of
    another colour, counts less in the next round.
    """
    ys, xs = np.nonzero(body)
    size = float(max(np.ptp(ys), np.ptp(xs)) + 1)
    row = np.arange(body.shape[0], dtype=np.float32)[:, None]
    low = 1 / (1 + np.exp(-(row - (ys.max() - 0.45 * np.ptp(ys))) / (0.15 * size)))  # a wall behind is not the ground
    weight = (clear * np.maximum(low, 0.02)).astype(np.float32)
    near = clear & (low > 0.5)
    middle = seen[near] if near.sum() > 50 else seen[clear]
    # Lit ground is the brighter part of what is near.
    start = np.array([np.percentile(middle[:, 0], 60), *np.median(middle[:, 1:], axis=0)], np.float32)
    mean = np.broadcast_to(start, seen.shape)
    light, tint, step = 0.5, 0.25, 4
    shape = (max(1, body.shape[1] // step), max(1, body.shape[0] // step))
    for _ in range(3):
        away = seen - mean
        squares = (away[..., 0] / light) ** 2 + (away[..., 1:] ** 2).sum(axis=2) / (2 * tint**2)
        trust = weight * np.exp(-0.5 * np.minimum(squares, 30))
        total = float(trust.sum()) + 1e-6
        light = float(np.clip(1.5 * np.sqrt((trust * away[..., 0] ** 2).sum() / total), 0.06, 0.5))
        tint = float(np.clip(np.sqrt((trust[..., None] * away[..., 1:] ** 2).sum() / total), 0.03, 0.3))
        small = cv2.resize(np.dstack([seen * trust[..., None], trust]), shape, interpolation=cv2.INTER_AREA)
        wide = cv2.GaussianBlur(small, (0, 0), 0.4 * size / step)
        overall = small[..., :-1].sum(axis=(0, 1)) / (small[..., -1].sum() + 1e-6)
        wide = (wide[..., :-1] + 0.02 * overall) / (wide[..., -1:] + 0.02)
        mean = np.asarray(cv2.resize(wide.astype(np.float32), body.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return np.asarray(mean, np.float32), (light / 1.5, tint)


def inputs(around: Scene) -> Floats:
    """What the network sees: light and hue against the ground, the object, places; float32 (CHANNELS, SIDE, SIDE)."""
    ys, xs = np.nonzero(around.body)
    size = float(max(np.ptp(ys), np.ptp(xs)) + 1)
    row = np.arange(SIDE, dtype=np.float32)[:, None]
    light = np.clip(around.light, -2, 2)
    away = cv2.distanceTransform((~around.body).astype(np.uint8), cv2.DIST_L2, 3) / size
    return np.stack([
        light, light / around.noise[0] / 6, *np.moveaxis(np.clip(3 * around.hue, -2, 2), 2, 0),
        np.hypot(around.hue[..., 0], around.hue[..., 1]) / around.noise[1] / 6,
        around.body, around.clear, np.minimum(away, 2),
        np.broadcast_to(np.clip((row - ys.max()) / size, -2, 2), light.shape),
    ]).astype(np.float32)  # fmt: skip
