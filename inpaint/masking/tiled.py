"""A mark that stands again and again in one photo, on a lattice: a tiled watermark of words or logos, however faint.

The lattice is found without knowing the mark (`lattice`). Cut into its cells, the photo is many pictures with one mark:
the median of their gradients keeps the mark (Dekel 2017, "On the Effectiveness of Visible Watermarks", sections 3.1 and
3.2, there over many photos), and integrating it gives the mark itself. Ours: a gradient weighs what its surroundings
are quiet, and what the mark's tone would change there (white paint shows on dark ground and not on white); the tone is
the one that predicts left-out cells best.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from inpaint.masking.lattice import Lattice, find_lattice
from inpaint.masking.pixels import Floats, Mask, Photo, shrunk
from inpaint.masking.tone import mark_gradient

LONGEST = 800  # pixels of the longer side at which the lattice and the tone are found
DRAWN = 1600  # pixels of the longer side at which the strokes are drawn
LEAST_SCORE = (11.0, 6.0)  # of the lattice, at sensitivity 0 and 1
GREY = 50.0  # lightness of marks that darken light ground and lighten dark ground
TONES = (100.0, 78.0, 55.0, 30.0, 0.0)  # lightness of the paint that is tried
QUIET, SCALE = 0.5, 6.0  # least variance of the gradient, and pixels over which it and the ground's lightness are taken
SURE = 2.5  # standard errors of a gradient that belongs to the mark
LEAST_CELLS = 2.0  # cells that must tell of a gradient, counted by their weights
LEAST_SHARE = 0.5  # of the cells that a mark must predict better than none
OPAQUE, WIDE = 0.6, 0.3  # opacity, and half the width of a cell's widest stroke, of what stands in the scene itself
UNIT = 50.0  # difference of lightness in whose units the mark is kept
HALF, MOST = 0.4, 0.5  # of a mark's strength, above which a pixel is in it; and the most of a cell that it covers


@dataclass(frozen=True)
class _Cells:
    """A photo cut into the cells of a lattice, as float32 (K, h, w) each; what lies outside the photo weighs nothing.

    Args:
        steps: change of lightness to the next place along the first vector, and along the second.
        weight: one over the variance of such a change among its surroundings; 0 outside the photo.
        ground: lightness of the surroundings.
    """

    steps: tuple[Floats, Floats]
    weight: Floats
    ground: Floats


def _lightness(photo: Photo) -> Floats:
    """L of CIE Lab in [0, 100], float32 (H, W)."""
    return np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0], np.float32) * np.float32(100 / 255)


def _detail(light: Floats, tone: float | None) -> Floats:
    """What is finer than a letter, evened out; with a tone, as if its paint lightened all ground."""
    fine = light - cv2.GaussianBlur(light, (0, 0), 2.5)
    if tone is not None:
        fine *= np.tanh((tone - cv2.GaussianBlur(light, (0, 0), 7.5)) / 8)
    usual = cv2.blur(cv2.blur(np.abs(fine), (15, 15)), (15, 15))
    return np.asarray(np.clip(fine / (usual + 1), -2.5, 2.5), np.float32)


def _cut(light: Floats, lattice: Lattice) -> _Cells:
    """A photo's lightness float32 (H, W) cut into cells, each about as many pixels as it covers."""
    across = np.diff(light, axis=1, append=light[:, -1:])
    down = np.diff(light, axis=0, append=light[-1:])
    variance = cv2.GaussianBlur(np.minimum(across**2 + down**2, 400) / 2, (0, 0), SCALE) + np.float32(QUIET)
    layers = (light, variance, cv2.GaussianBlur(light, (0, 0), SCALE))
    first, second = lattice.first, lattice.second
    width, height = (max(8, round(float(np.linalg.norm(v)))) for v in (first, second))
    s, t = np.meshgrid(np.arange(width + 1) / width, np.arange(height + 1) / height)
    corners = np.array([(x, y) for x in (0, light.shape[1]) for y in (0, light.shape[0])])
    places = corners @ np.linalg.inv(np.stack([first, second]))
    low, high = np.floor(places.min(axis=0)).astype(int), np.ceil(places.max(axis=0)).astype(int)
    stacks: list[list[Floats]] = [[], [], []]
    for n in range(low[1], high[1]):
        for m in range(low[0], high[0]):
            x = np.asarray((s + m) * first[0] + (t + n) * second[0], np.float32)
            y = np.asarray((s + m) * first[1] + (t + n) * second[1], np.float32)
            if not ((x >= 0) & (x <= light.shape[1] - 1) & (y >= 0) & (y <= light.shape[0] - 1)).any():
                continue
            for stack, layer in zip(stacks, layers, strict=True):
                piece = cv2.remap(layer, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, float("nan"))
                stack.append(np.asarray(piece, np.float32))
    values, spread, ground = (np.stack(stack) for stack in stacks)
    steps = values[:, :-1, 1:] - values[:, :-1, :-1], values[:, 1:, :-1] - values[:, :-1, :-1]
    seen = np.isfinite(steps[0]) & np.isfinite(steps[1])
    weight = np.where(seen, 1 / np.where(seen, spread[:, :-1, :-1], 1), 0)
    return _Cells(
        (np.where(seen, steps[0], 0), np.where(seen, steps[1], 0)), weight, np.where(seen, ground[:, :-1, :-1], 0)
    )


def _gradient(steps: Floats, cells: _Cells, amount: Floats) -> tuple[Floats, Floats]:
    """The mark's gradient along one vector float32 (h, w), 0 where it is not sure, and how much better than nothing it
    predicts each cell from the others, float32 (K,)."""
    mean, error, sure, gain = mark_gradient(steps, cells.weight, amount, SURE, LEAST_CELLS)
    kept = np.where(sure, 1 - (SURE * error / np.maximum(np.abs(mean), 1e-6)) ** 2, 0)
    return np.asarray(mean * kept, np.float32), gain


def _fit(cells: _Cells, tone: float) -> tuple[Floats, Floats, Floats]:
    """The mark's gradients along both vectors if it had this tone, and what they gain in each cell."""
    amount = np.asarray((tone - cells.ground) / UNIT, np.float32)
    (first, gained), (second, more) = (_gradient(steps, cells, amount) for steps in cells.steps)
    return first, second, gained + more


def _integrated(first: Floats, second: Floats) -> Floats:
    """The picture that repeats and whose steps are nearest to these (least squares), mean 0; float32 (h, w)."""
    divergence = first - np.roll(first, 1, axis=1) + second - np.roll(second, 1, axis=0)
    height, width = first.shape
    power = (2 - 2 * np.cos(2 * np.pi * np.arange(height) / height))[:, None] + (
        2 - 2 * np.cos(2 * np.pi * np.arange(width // 2 + 1) / width)
    )
    power[0, 0] = 1
    spectrum = np.fft.rfft2(divergence) / power
    spectrum[0, 0] = 0
    return np.asarray(-np.fft.irfft2(spectrum, (height, width)), np.float32)


def _strokes(cells: _Cells, tone: float) -> Mask:
    """The mark's strokes in a cell, bool (h, w); empty where nothing is sure."""
    first, second, _ = _fit(cells, tone)
    edges = (first != 0) | (second != 0)
    if not edges.any():
        return edges
    mark = _integrated(first, second)
    away = np.abs(mark - np.median(mark))
    strength = float(np.percentile(away[edges], 75))
    strokes = np.asarray(away > HALF * strength)
    if strength / UNIT > OPAQUE and _half_width(strokes) > WIDE * min(strokes.shape):
        return np.zeros_like(strokes)  # the windows of a house, the tiles of a wall
    return strokes


def _half_width(strokes: Mask) -> float:
    """Half of the width of the widest stroke in a cell bool (h, w) that repeats, in pixels."""
    return float(cv2.distanceTransform(np.tile(strokes, (2, 2)).astype(np.uint8), cv2.DIST_L2, 3).max())


def _spread(strokes: Mask, lattice: Lattice, shape: tuple[int, int]) -> Mask:
    """A cell's strokes, and one pixel around them, at every place of the lattice, bool shape."""
    height, width = strokes.shape
    inverse = np.linalg.inv(np.stack([lattice.first, lattice.second]))
    x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    s = np.asarray((x * inverse[0, 0] + y * inverse[1, 0]) % 1 * width, np.float32)
    t = np.asarray((x * inverse[0, 1] + y * inverse[1, 1]) % 1 * height, np.float32)
    around = np.pad(strokes.astype(np.float32), ((0, 1), (0, 1)), mode="wrap")
    mask = cv2.remap(around, s, t, cv2.INTER_LINEAR) > 0.5
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def tiled_mask(photo: Photo, sensitivity: float = 0.5) -> Mask:
    """Every place of a mark that repeats on a lattice over the photo, and its strokes there.

    Args:
        photo: uint8 (H, W, 3) RGB.
        sensitivity: 0 takes only what surely repeats, 1 also faint suspicions.

    Returns:
        bool (H, W), True = hole; empty where no mark repeats.
    """
    nothing = np.zeros(photo.shape[:2], bool)
    small, scale = shrunk(photo, LONGEST)
    light = _lightness(small)
    found = [find_lattice(_detail(light, tone)) for tone in (None, GREY)]
    lattice = max((lattice for lattice in found if lattice is not None), key=lambda one: one.score, default=None)
    if lattice is None or lattice.score < LEAST_SCORE[0] + (LEAST_SCORE[1] - LEAST_SCORE[0]) * sensitivity:
        return nothing
    cells = _cut(light, lattice)
    gains = {tone: _fit(cells, tone)[2] for tone in TONES}
    tone = max(TONES, key=lambda one: float(gains[one].sum()))
    if (gains[tone] > 0).mean() < LEAST_SHARE:
        return nothing
    drawn, finer = shrunk(photo, DRAWN)
    if drawn is not small and finer > scale:
        lattice = lattice.scaled(finer / scale)
        cells = _cut(_lightness(drawn), lattice)
    strokes = _strokes(cells, tone)
    if not 0 < strokes.mean() <= MOST:
        return nothing
    mask = _spread(strokes, lattice, (drawn.shape[0], drawn.shape[1]))
    if mask.shape != nothing.shape:
        soft = cv2.resize(mask.astype(np.float32), photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        mask = np.asarray(soft > 0.3)
    return mask
