"""Dust, scratches, folds and cracks of scanned prints.

Candidates are what is thinner than a disc and lighter (or darker) than all around: a top-hat, which does not answer to
the edges of larger things. Each candidate pixel is judged by twelve measures: how much it stands out, from its
neighbourhood and from the texture of the place, whether it lies on a line (averages in many directions less those
beside them, after the ridge filters of Frangi 1998), whether anything near is as light, how many other candidates
there are. A perceptron with 353 weights weighs them; `benchmarks/fit_scratches.py` fitted it on damage that it draws
itself on photos.
"""

from functools import lru_cache
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OptionError
from inpaint.masking.pixels import Floats, Mask, disc, eight_bits, lab, shrunk

LONGEST = 2000  # pixels of the longer side that is searched
RADIUS = 5  # of the top-hat's disc in pixels: marks up to 10 pixels wide
LEAST = 3.0  # in L of Lab, by which a candidate is lighter than what is around it
SMALLEST = 8  # pixels of a mark
SHORT, LONG = (9, 12, 4.0), (21, 24, 4.0)  # line averages at half size: length, directions, distance of the sides
LAYERS = ("w1", "b1", "w2", "b2", "w3", "b3")


def _line(length: int, angle: float) -> Floats:
    """A kernel that averages along a line through its centre, float32 (length, length)."""
    canvas = np.zeros((length, length), np.float32)
    half = (length - 1) / 2
    dx, dy = half * np.cos(angle), half * np.sin(angle)
    start, end = (round((half - dx) * 256), round((half - dy) * 256)), (round((half + dx) * 256), round((half + dy) * 256))
    cv2.line(canvas, start, end, 1, 1, cv2.LINE_AA, 8)
    return canvas / canvas.sum()


def _line_response(hat: Floats, length: int, directions: int, beside: float) -> Floats:
    """The best line average over all directions, less the larger one of the lines beside it, float32 (H, W)."""
    best = np.full(hat.shape, -1e9, np.float32)
    size = (hat.shape[1], hat.shape[0])
    for k in range(directions):
        angle = np.pi * k / directions
        along = np.asarray(cv2.filter2D(hat, cv2.CV_32F, _line(length, angle)), np.float32)
        sides = []
        for step in (-beside, beside):
            shift = np.array([[1, 0, -step * np.sin(angle)], [0, 1, step * np.cos(angle)]], np.float32)
            sides.append(np.asarray(cv2.warpAffine(along, shift, size, borderMode=cv2.BORDER_REPLICATE), np.float32))
        np.maximum(best, along - np.maximum(sides[0], sides[1]), out=best)
    return best


def measures(lightness: Floats) -> tuple[Floats, Mask]:
    """What the perceptron judges by.

    Args:
        lightness: float32 (H, W), L of Lab in [0, 100], or its negative to find dark marks.

    Returns:
        float32 (N, 12), one row for each candidate pixel, and the candidates bool (H, W).
    """
    size, half = lightness.shape[::-1], (max(1, lightness.shape[1] // 2), max(1, lightness.shape[0] // 2))
    opened = np.asarray(cv2.morphologyEx(lightness, cv2.MORPH_OPEN, disc(RADIUS)), np.float32)
    hat = lightness - opened
    fine = lightness - cv2.morphologyEx(lightness, cv2.MORPH_OPEN, disc(2))
    texture = cv2.blur(np.minimum(hat, 12), (41, 41)) + 0.8
    small = np.asarray(cv2.resize(hat, half, interpolation=cv2.INTER_AREA), np.float32)
    short, long = (cv2.resize(_line_response(small, *how), size, interpolation=cv2.INTER_LINEAR) for how in (SHORT, LONG))
    around = cv2.dilate(cv2.GaussianBlur(opened, (0, 0), 2), disc(9))
    foreign = np.clip((lightness - around) / 15, -1.5, 1.5)
    candidates = hat > LEAST
    crowd = cv2.blur(candidates.astype(np.float32), (61, 61))
    ring = cv2.blur(np.minimum(hat, 30), (15, 15))
    at = candidates
    hat_at, texture_at, short_at, long_at = hat[at], texture[at], short[at], long[at]
    rows = [
        np.log1p(hat_at), np.log(hat_at / texture_at + 0.1), long_at / texture_at, short_at / texture_at, foreign[at],
        np.log(texture_at), np.log(crowd[at] + 0.01), (lightness[at] - lightness.mean()) / 25, np.log1p(fine[at]),
        np.log((hat_at + 1) / (ring[at] + 1)), long_at / (hat_at + 3), short_at / (hat_at + 3),
    ]  # fmt: skip
    return np.stack(rows, axis=1).astype(np.float32), candidates


@lru_cache(maxsize=1)
def _weights() -> dict[str, Floats]:
    """The perceptron's weights, with the mean and spread of the measures folded into the first layer."""
    with resources.files("inpaint.masking").joinpath("scratches.npz").open("rb") as file, np.load(file) as stored:
        return {name: stored[name] for name in LAYERS}


def damage(lightness: Floats) -> Floats:
    """How likely each pixel belongs to a light mark, float32 (H, W) in [0, 1]; `lightness` as in `measures`."""
    rows, candidates = measures(lightness)
    weights = _weights()
    hidden = np.tanh(rows @ weights["w1"] + weights["b1"])
    hidden = np.tanh(hidden @ weights["w2"] + weights["b2"])
    likely = np.zeros(lightness.shape, np.float32)
    likely[candidates] = 1 / (1 + np.exp(-(hidden @ weights["w3"] + weights["b3"])[:, 0]))
    return likely


def scratch_mask(photo: NDArray[Any], sensitivity: float = 0.5, light: bool = True, dark: bool = True) -> Mask:
    """Scratches, cracks and dust of a scanned print.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        sensitivity: 0 takes only what is surely damage, 1 also what may be part of the picture.
        light: look for marks lighter than the picture.
        dark: look for marks darker than the picture.

    Returns:
        bool (H, W), True = hole; empty where nothing is found.

    Raises:
        OptionError: sensitivity outside 0 to 1.
    """
    if not 0 <= sensitivity <= 1:
        raise OptionError(f"sensitivity must be between 0 and 1, got {sensitivity}")
    pixels = eight_bits(photo)
    small, scale = shrunk(pixels, LONGEST)
    lightness = lab(small)[..., 0]
    mask = np.zeros(lightness.shape, bool)
    for sign, wanted in ((1, light), (-1, dark)):
        if wanted:
            mask |= _marks(damage(sign * lightness), 0.95 - 0.7 * sensitivity, 0.45 - 0.4 * sensitivity)
    if scale < 1:
        soft = cv2.resize(mask.astype(np.float32), pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(soft > 0.3)
    return mask


def _marks(likely: Floats, sure: float, possible: float) -> Mask:
    """Connected possible pixels, some of them sure, bool (H, W)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likely > possible).astype(np.uint8), connectivity=8)
    peak = np.zeros(count, np.float32)
    np.maximum.at(peak, labels.ravel(), likely.ravel())
    kept = (peak > sure) & (stats[:, cv2.CC_STAT_AREA] >= SMALLEST)
    kept[0] = False
    return kept[labels]
