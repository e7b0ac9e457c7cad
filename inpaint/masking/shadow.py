"""The soft shadow that an object casts on the ground beneath it.

Each pixel near the object's foot is explained in three ways: as lit ground, as shaded ground (the same colour with less
light), or as something else. The ground's light and colour, and how much they vary, are learned beside. A shadow is
likelier near the foot; the odds are pooled over a neighbourhood, because shadows are soft.
"""

import cv2
import numpy as np

from inpaint.masking.pixels import Floats, Mask, Photo, disc, shrunk

LONGEST = 400  # pixels of the longer side: shadows are soft
REACH = 0.4  # of the object's size: how far a shadow may lie from its foot
FOOT = 0.3  # of the object's height, from below: where an object stands on the ground
SHADE = (-1.2, -0.12)  # logarithm of the light that a shadow lets through
HUE = 0.06  # by which a shadow may change the logarithm of the ratios of red, green and blue: it is lit by the sky
OTHER = (0.15, 0.7, 0.35)  # how often something else lies near the foot, and how much its light and its hue vary
NEAR, FAR = 1.0, -3.5  # log odds of a shadow at the foot and at the reach, before anything is seen
POOLED = 0.03  # of the object's size: the neighbourhood over which the odds are averaged
LEAST = 0.5  # mean log odds of a shadow


def _ground(values: Floats, trusted: Mask, reach: float) -> Floats:
    """What the ground beside gives for every pixel: a wide mean of the trusted ones, float32 (H, W, C)."""
    stacked = np.dstack([values, np.ones_like(values[..., :1])]) * trusted[..., None].astype(np.float32)
    step = max(1.0, reach / 6)  # a wide blur is quicker, and the same, of a smaller picture
    size = (max(1, round(trusted.shape[1] / step)), max(1, round(trusted.shape[0] / step)))
    small = cv2.resize(stacked, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), reach / step)
    wide = cv2.resize(blurred, trusted.shape[::-1], interpolation=cv2.INTER_LINEAR)
    mean = values[trusted].mean(axis=0)
    return np.asarray((wide[..., :-1] + 1e-3 * mean) / (wide[..., -1:] + 1e-3), np.float32)


def _normal(squares: Floats, spread: float) -> Floats:
    """The normal density, without its constant, of squared distances; float32."""
    return np.asarray(np.exp(-0.5 * np.minimum(squares / spread**2, 60)) / spread, np.float32)


def _below(value: Floats, edge: float, spread: float) -> Floats:
    """How likely a normal value of a spread lies below an edge (the logistic approximation of its integral)."""
    return np.asarray(1 / (1 + np.exp(np.clip(1.702 * (value - edge) / spread, -40, 40))), np.float32)


def _odds(light: Floats, hue: Floats, beside: Mask) -> Floats:
    """The log odds of shaded ground against all else, float32 (H, W).

    Args:
        light: float32 (H, W), logarithm of the light relative to the ground's.
        hue: float32 (H, W, 2), logarithms of red to green and blue to green relative to the ground's.
        beside: bool (H, W), where the ground is known.
    """
    squares = (hue**2).sum(axis=2)
    spread = float(np.clip(1.4826 * np.median(np.abs(light[beside])), 0.05, 0.6))
    tint = float(np.clip(np.sqrt(np.median(squares[beside]) / 1.386), 0.02, 0.4))
    lit = _normal(light**2, spread) * _normal(squares, tint) / tint
    share = (_below(light, SHADE[1], spread) - _below(light, SHADE[0], spread)) * 2.507 / (SHADE[1] - SHADE[0])
    wide = float(np.hypot(tint, HUE))
    shaded = share * _normal(squares, wide) / wide
    other = _normal(light**2, OTHER[1]) * _normal(squares, OTHER[2]) / OTHER[2]
    return np.asarray(np.log(shaded + 1e-6) - np.log(lit + OTHER[0] * other + 1e-6), np.float32)


def _foot(body: Mask) -> Mask:
    """The lowest pixels of each column, where they are among the object's lowest."""
    ys, xs = np.nonzero(body)
    lowest = np.full(body.shape[1], -1)
    np.maximum.at(lowest, xs, ys)
    foot = np.zeros_like(body)
    columns = np.nonzero(lowest >= ys.max() - FOOT * (np.ptp(ys) + 1))[0]
    foot[lowest[columns], columns] = True
    return foot


def shadow_mask(photo: Photo, mask: Mask) -> Mask:
    """The cast shadow that lies at the foot of an object.

    Args:
        photo: uint8 (H, W, 3) RGB.
        mask: bool (H, W), the object.

    Returns:
        bool (H, W), the shadow without the object; empty where none is seen.
    """
    nothing = np.zeros_like(mask)
    if not mask.any() or mask.all():
        return nothing
    small, scale = shrunk(photo, LONGEST)
    body = mask
    if scale < 1:
        body = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.3
        if not body.any():
            return nothing
    ys, xs = np.nonzero(body)
    height, width = int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1
    reach = max(6.0, REACH * min(max(height, width), 2 * min(height, width)))
    from_foot = cv2.distanceTransform((~_foot(body)).astype(np.uint8), cv2.DIST_L2, 5)
    clear = cv2.dilate(body.astype(np.uint8), disc(3)) == 0  # the object's own soft rim is neither
    rows = np.arange(body.shape[0])[:, None]
    zone = ~body & (from_foot < reach) & (rows > ys.max() - 0.5 * height)
    beside = clear & (from_foot >= 0.7 * reach) & (from_foot < 2 * reach) & (rows > ys.max() - 0.7 * height)
    if beside.sum() < 50:
        return nothing
    soft = cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), 1.2)
    colours = np.log(np.asarray(((soft + 0.055) / 1.055) ** 2.4, np.float32) + np.float32(0.01))
    seen = np.dstack([colours.mean(axis=2), colours[..., 0] - colours[..., 1], colours[..., 2] - colours[..., 1]])
    away = seen - _ground(seen, beside, 0.7 * reach)
    odds = _odds(away[..., 0], away[..., 1:], beside)
    inside = zone & clear
    pooled = max(1.5, POOLED * reach / REACH)
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), pooled) + 1e-3
    odds = cv2.GaussianBlur(np.where(inside, np.clip(odds, -6, 6), 0).astype(np.float32), (0, 0), pooled) / weight
    odds = odds + NEAR + (FAR - NEAR) * (from_foot / reach)
    dark = (zone & (odds > 0)).astype(np.uint8)
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc(2))
    count, labels = cv2.connectedComponents(dark, connectivity=8)
    size = np.maximum(1, np.bincount(labels.ravel(), minlength=count))
    certain = np.bincount(labels.ravel(), odds.ravel(), minlength=count) / size
    contact = np.bincount(labels[from_foot < 6], minlength=count)
    kept = (contact >= 0.15 * np.sqrt(size)) & (contact >= 5) & (certain > LEAST) & (size > 0.005 * body.sum())
    kept[0] = False
    shadow = np.asarray(cv2.dilate(kept[labels].astype(np.uint8), disc(2)), np.float32)
    if scale < 1:
        shadow = np.asarray(cv2.resize(shadow, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray((shadow > 0.5) & ~mask)
