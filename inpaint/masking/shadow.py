"""The cast shadow of an object: the lit ground beside it, with less light.

Two judges, after `shadow_scene` has set everything near the object in relation to the lit ground. A small network
(U-Net shaped, Ronneberger 2015; `benchmarks/fit_shadows.py` fitted it on objects whose shadow was thrown by us) says
where a shadow of this object is likely. Then each region that it proposes is compared with the ground just outside, as
paired regions are (Guo 2011, "Single-Image Shadow Detection and Removal using Paired Regions"): a shadow takes light,
hardly turns the hue, leaves the texture, and begins at the object. A region that fails is left out, so that nothing is
found rather than too much.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from inpaint.masking.pixels import Floats, Mask, Photo, disc
from inpaint.masking.shadow_scene import SIDE, Scene, inputs, look_at

WEIGHTS = Path(__file__).parent / "shadows.npz"
LIKELY = 0.5  # of a region's pixels
CERTAIN = 0.72  # mean likelihood of a region
FALL = (0.1, 2.5)  # logarithm of the light that a shadow takes, against the ground just outside
TURN = (0.06, 0.16)  # by which a shadow may change the hue: at least, and more for each unit of fall
DARKER = 0.5  # of the edge, that is darker inside than outside
CONTACT = 3  # pixels of SIDE: how near to the object a shadow begins
LEAST = 0.01  # of the object's area


@cache
def _weights() -> dict[str, Floats]:
    """The network's arrays, float32."""
    with np.load(WEIGHTS) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def _convolved(values: Floats, name: str, stride: int = 1) -> Floats:
    """A 3x3 convolution with zero padding of float32 (C, H, W)."""
    kernel, bias = _weights()[f"{name}.weight"], _weights()[f"{name}.bias"]
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    height, width = windows.shape[1:3]
    columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, height * width)
    sums = kernel.reshape(len(kernel), -1) @ columns + bias[:, None]
    return np.asarray(sums.reshape(-1, height, width), np.float32)


def _likely(around: Scene) -> Floats:
    """How likely each pixel lies in the object's shadow, float32 (SIDE, SIDE) in [0, 1]."""
    values, kept = inputs(around), []
    levels = sum(name.startswith("down") for name in _weights()) // 2
    for level in range(levels):
        values = np.maximum(_convolved(values, f"down{level}", 2), 0)
        values = np.maximum(_convolved(values, f"same{level}"), 0)
        kept.append(values)
    for level in range(levels - 1):
        fine = kept[levels - 2 - level]
        values = np.concatenate([values.repeat(2, axis=1).repeat(2, axis=2), fine])
        values = np.maximum(_convolved(values, f"up{level}"), 0)
    quarters = _convolved(values, "head").reshape(2, 2, SIDE // 2, SIDE // 2)
    logits = quarters.transpose(2, 0, 3, 1).reshape(SIDE, SIDE)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def _is_shadow(around: Scene, region: Mask) -> bool:
    """Whether a region bool (SIDE, SIDE) is the ground outside with less light, all along its edge."""
    grown = cv2.dilate(region.astype(np.uint8), disc(2)) > 0
    outside = (cv2.dilate(region.astype(np.uint8), disc(6)) > 0) & ~grown & around.clear
    if outside.sum() < 12:
        return False
    inside = cv2.erode(region.astype(np.uint8), disc(1)) > 0
    inside = inside if inside.sum() >= 8 else region
    fall = float(np.median(around.light[outside]) - np.median(around.light[inside]))
    turn = np.median(around.hue[inside], axis=0) - np.median(around.hue[outside], axis=0)
    if not FALL[0] < fall < FALL[1] or np.hypot(*turn) > TURN[0] + TURN[1] * fall + 0.5 * around.noise[1]:
        return False
    # Each place outside against the mean of the inside near it: what is as dark as the region is not lit ground.
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 5) + 1e-4
    near = cv2.GaussianBlur(np.where(inside, around.light, 0).astype(np.float32), (0, 0), 5) / weight
    return float((around.light[outside] > near[outside] + 0.25 * fall).mean()) >= DARKER


def _regions(around: Scene, likely: Floats) -> Mask:
    """The regions at the object that both judges take for its shadow, bool (SIDE, SIDE)."""
    shadow = np.zeros_like(around.clear)
    near = cv2.dilate(around.body.astype(np.uint8), disc(CONTACT)) > 0
    count, labels = cv2.connectedComponents(((likely > LIKELY) & around.clear).astype(np.uint8), connectivity=8)
    for number in range(1, count):
        region = labels == number
        size = int(region.sum())
        if size < LEAST * around.body.sum() or likely[region].mean() < CERTAIN or not (region & near).any():
            continue
        if _is_shadow(around, region):
            shadow |= region
    return shadow


def shadow_mask(photo: Photo, mask: Mask) -> Mask:
    """The cast shadow of an object, on the ground around it.

    Args:
        photo: uint8 (H, W, 3) RGB.
        mask: bool (H, W), the object.

    Returns:
        bool (H, W), the shadow without the object; empty where none is sure.
    """
    nothing = np.zeros_like(mask)
    if not mask.any() or mask.all():
        return nothing
    around = look_at(photo, mask)
    if around is None:
        return nothing
    likely = _likely(around)
    shadow = _regions(around, likely)
    if not shadow.any():
        return nothing
    # The soft rim, and what lies between the shadow and the object.
    height, width = around.shape
    joined = cv2.morphologyEx((shadow | around.body).astype(np.uint8), cv2.MORPH_CLOSE, disc(2))
    soft = cv2.GaussianBlur(joined.astype(np.float32), (0, 0), 0.8)[:height, :width]
    large = photo[around.part].shape[1::-1]
    found = nothing.copy()
    found[around.part] = cv2.resize(soft, large, interpolation=cv2.INTER_LINEAR) > 0.4
    near = cv2.dilate(shadow.astype(np.float32), disc(3))[:height, :width]
    found[around.part] &= cv2.resize(near, large, interpolation=cv2.INTER_LINEAR) > 0.5
    return found & ~mask
