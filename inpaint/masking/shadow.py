"""The soft shadow that an object casts on the ground beneath it."""

import cv2
import numpy as np

from inpaint.masking.pixels import Floats, Mask, Photo, disc, lab, shrunk

LONGEST = 640  # pixels of the longer side: shadows are soft
REACH = 0.5  # of the object's size: how far a shadow may lie from it
DARKER = (0.25, 0.92)  # of the ground's light that a shadow lets through
COLOUR = 14.0  # in Lab, by which a shadow may change the ground's hue: it is lit by the sky


def _ground(values: Floats, trusted: Mask, reach: float) -> Floats:
    """What the ground beside gives for every pixel: a wide mean of the trusted ones, float32 (H, W, C)."""
    weight = trusted.astype(np.float32)
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), reach)
    share = cv2.GaussianBlur(weight, (0, 0), reach)[..., None]
    mean = values[trusted].mean(axis=0)
    return np.asarray((total + 1e-3 * mean) / (share + 1e-3), np.float32)


def shadow_mask(photo: Photo, mask: Mask) -> Mask:
    """The cast shadow that touches the lower half of an object.

    Args:
        photo: uint8 (H, W, 3) RGB.
        mask: bool (H, W), the object.

    Returns:
        bool (H, W), the shadow without the object; empty where none is seen.
    """
    if not mask.any() or mask.all():
        return np.zeros_like(mask)
    small, scale = shrunk(photo, LONGEST)
    body = mask
    if scale < 1:
        body = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.3
        if not body.any():
            return np.zeros_like(mask)
    ys, xs = np.nonzero(body)
    height, width = int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1
    reach = max(4.0, REACH * min(max(height, width), 2 * min(height, width)))
    away = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5)
    low = np.arange(body.shape[0])[:, None] > ys.min() + 0.45 * height
    zone = (away > 0) & (away < reach) & low
    beside = (away >= reach) & (np.arange(body.shape[0])[:, None] > ys.min() + 0.3 * height)
    if beside.sum() < 50:
        beside = ~body & ~zone
    if beside.sum() < 50:
        return np.zeros_like(mask)
    colours = cv2.GaussianBlur(lab(small), (0, 0), 1.5)
    ground = _ground(colours, beside, reach)
    # L of Lab is about the cube root of light.
    passed = ((colours[..., 0] + 16) / (ground[..., 0] + 16)) ** 3
    hue = np.linalg.norm(colours[..., 1:] - ground[..., 1:], axis=2)
    dark = (zone & (passed > DARKER[0]) & (passed < DARKER[1]) & (hue < COLOUR)).astype(np.uint8)
    dark = cv2.morphologyEx(cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc(2)), cv2.MORPH_CLOSE, disc(3))
    count, labels = cv2.connectedComponents(dark, connectivity=8)
    contact = np.bincount(labels[(away > 0) & (away < 5)], minlength=count)
    size = np.bincount(labels.ravel(), minlength=count)
    kept = (contact > 0.1 * np.sqrt(size)) & (size > 0.01 * body.sum()) & (contact >= 3)
    kept[0] = False
    shadow = cv2.dilate(kept[labels].astype(np.uint8), disc(3)).astype(np.float32)
    if scale < 1:
        shadow = cv2.resize(shadow, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray((shadow > 0.5) & ~mask)
