"""The lattice on which a mark stands again and again in one photo, found without knowing the mark.

A photo shifted by a lattice vector agrees with itself wherever the mark is, so its autocorrelation has sharp peaks at
all sums of two vectors. The spectrum is first divided by its own smooth level: a photo's lines and large shapes, which
fill its autocorrelation otherwise, are smooth there, a lattice is not. Ours: the pair of vectors is the one whose whole
lattice is there, and points that miss count against it, so that neither a multiple nor a fraction of the mark's own
lattice wins.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.masking.pixels import Floats

LEAST_STEP = 24  # pixels: shorter vectors are texture
LEAST_AREA = 1500  # square pixels of a cell
LEAST_CELLS = 4  # cells in the photo
OVERLAP = 0.2  # least share of the photo that a shift leaves to be compared
SMOOTH, FLOOR = 7, 0.15  # frequencies over which the spectrum's level is taken, and the mean's share added to it
STANDS_OUT = 4.0  # standard deviations by which a peak differs from noise
TRIED = 12  # peaks whose pairs are tried
EXPECTED, NOISE = 0.45, 0.6  # share of a peak's height that a point must exceed to count for it; what noise gives

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Two vectors (x, y) in pixels, and how surely they were found.

    Args:
        first: float64 (2,), the shorter.
        second: float64 (2,), 60 to 120 degrees from it where it is the next shortest.
        score: standard deviations by which the lattice's points exceed what was expected of them, summed.
    """

    first: Vector
    second: Vector
    score: float

    def scaled(self, factor: float) -> "Lattice":
        """The same lattice in a photo that is `factor` times as large."""
        return replace(self, first=self.first * factor, second=self.second * factor)


@dataclass(frozen=True)
class _Correlation:
    """Agreement of a photo with itself at shifts (y, x), y from 0 to H - 1, x from 1 - W to W - 1.

    Args:
        sure: float32 (H, 2 W - 1), in standard deviations.
        overlap: float32, the share of the photo that each shift leaves.
    """

    sure: Floats
    overlap: Floats

    def at(self, values: NDArray[Any], points: NDArray[np.float64]) -> Floats:
        """Values at the shifts (x, y) nearest to some points, whose y is not negative."""
        near = points.round().astype(int)
        middle = values.shape[1] // 2
        return np.asarray(values[near[:, 1], near[:, 0] + middle], np.float32)


def _correlation(detail: Floats) -> _Correlation:
    height, width = detail.shape
    tall, wide = (side + side % 2 for side in map(cv2.getOptimalDFTSize, (2 * height, 2 * width)))
    spectrum = np.fft.rfft2(detail - detail.mean(), (tall, wide))
    power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
    level = cv2.blur(power, (SMOOTH, SMOOTH), borderType=cv2.BORDER_REFLECT_101)
    raw = np.fft.irfft2(power / (level + FLOOR * float(power.mean()) + 1e-20), (tall, wide)).astype(np.float32)
    half = np.hstack([raw[:height, wide - width + 1 :], raw[:height, :width]])
    share = 1 - np.arange(height, dtype=np.float32)[:, None] / height
    overlap = share * (1 - np.abs(np.arange(1 - width, width, dtype=np.float32)) / width)
    values = half / np.maximum(overlap, 0.02)
    values -= cv2.GaussianBlur(values, (0, 0), 4)
    sure = values * np.sqrt(overlap)
    usual = sure[overlap > OVERLAP]
    return _Correlation(sure / (1.4826 * float(np.median(np.abs(usual))) + 1e-12), overlap)


def _peaks(seen: _Correlation) -> list[tuple[Vector, float]]:
    """The clearest peaks: shift (x, y), and what they would be were nothing lost of the overlap."""
    height, middle = seen.sure.shape[0], seen.sure.shape[1] // 2
    y, x = np.mgrid[:height, -middle : middle + 1]
    allowed = (seen.overlap > OVERLAP) & (np.hypot(x, y) > LEAST_STEP) & ((y > 0) | (x > 0))
    top = (seen.sure >= cv2.dilate(seen.sure, np.ones((9, 9), np.uint8))) & (seen.sure > STANDS_OUT) & allowed
    places = np.argwhere(top)
    heights = seen.sure[top]
    chosen = np.argsort(-heights, kind="stable")[:TRIED]
    return [
        (np.array((places[k, 1] - middle, places[k, 0]), np.float64),
         float(heights[k] / np.sqrt(seen.overlap[tuple(places[k])])))
        for k in chosen
    ]  # fmt: skip


def _reduced(first: Vector, second: Vector) -> tuple[Vector, Vector]:
    """The shortest two vectors of the same lattice (Lagrange's reduction)."""
    while True:
        if first @ first > second @ second:
            first, second = second, first
        if not first.any():
            return first, second
        times = round(float(first @ second / (first @ first)))
        if times == 0:
            return first, second
        second = second - times * first


def _points(
    first: Vector, second: Vector, shape: tuple[int, int], overlap: float = OVERLAP
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The lattice's points that leave some of the photo, one of each pair of opposites: multiples, and x and y."""
    reach = float(np.hypot(*shape))
    counts = [min(40, int(1.2 * reach / np.linalg.norm(v)) + 1) for v in (first, second)]
    m, n = np.meshgrid(*(np.arange(-count, count + 1) for count in counts))
    times = np.stack([m.ravel(), n.ravel()], axis=1)
    points = times @ np.stack([first, second])
    left = np.clip(1 - np.abs(points) / shape[::-1], 0, 1).prod(axis=1)
    rounded = points.round()
    half = (rounded[:, 1] > 0) | ((rounded[:, 1] == 0) & (rounded[:, 0] > 0))
    kept = half & (left > overlap)
    return times[kept], points[kept]


def _best(seen: _Correlation, shape: tuple[int, int]) -> Lattice | None:
    """The pair of peaks whose lattice is best seen."""
    peaks = _peaks(seen)
    near = cv2.dilate(seen.sure, np.ones((3, 3), np.uint8))
    best: Lattice | None = None
    for k, (one, height) in enumerate(peaks):
        for other, lower in peaks[k + 1 :]:
            first, second = _reduced(one, other)
            lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
            area = abs(float(first[0] * second[1] - first[1] * second[0]))
            if lengths[0] < LEAST_STEP or area < max(LEAST_AREA, 0.4 * lengths[0] * lengths[1]):
                continue
            if area * LEAST_CELLS > shape[0] * shape[1]:
                continue
            _, points = _points(first, second, shape)
            if len(points) < 3:
                continue
            expected = min(height, lower) * np.sqrt(seen.at(seen.overlap, points))
            score = float((np.minimum(seen.at(near, points), expected) - EXPECTED * expected - NOISE).sum())
            if best is None or score > best.score:
                best = Lattice(first, second, score)
    return best


def _refined(lattice: Lattice, seen: _Correlation, shape: tuple[int, int]) -> Lattice:
    """The vectors to a fraction of a pixel, from the peaks' exact places, first the near and then the far ones."""
    middle = seen.sure.shape[1] // 2
    for overlap in (0.5, OVERLAP, OVERLAP):
        rows, places, weights = [], [], []
        for times, point in zip(*_points(lattice.first, lattice.second, shape, overlap), strict=True):
            x, y = round(point[0]) + middle, round(point[1])
            if not (3 <= y < shape[0] - 3 and 3 <= x < seen.sure.shape[1] - 3):
                continue
            part = seen.sure[y - 2 : y + 3, x - 2 : x + 3]
            down, across = np.unravel_index(int(part.argmax()), part.shape)
            if part[down, across] < STANDS_OUT:
                continue
            y, x = y - 2 + int(down), x - 2 + int(across)
            rows.append(times)
            places.append((x - middle + _summit(seen.sure[y, x - 1 : x + 2]), y + _summit(seen.sure[y - 1 : y + 2, x])))
            weights.append(np.sqrt(seen.sure[y, x]))
        if len(rows) < 2 or np.linalg.matrix_rank(np.array(rows)) < 2:
            continue
        weight = np.array(weights)[:, None]
        vectors = np.linalg.lstsq(np.array(rows) * weight, np.array(places) * weight, rcond=None)[0]
        if np.abs(vectors - np.stack([lattice.first, lattice.second])).max() < 6:
            lattice = replace(lattice, first=vectors[0], second=vectors[1])
    return lattice


def _summit(three: Floats) -> float:
    """Where the parabola through three values has its top, in pixels from the middle one."""
    bend = float(three[0] - 2 * three[1] + three[2])
    return float(np.clip(0.5 * (three[0] - three[2]) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def find_lattice(detail: Floats) -> Lattice | None:
    """The lattice that a picture repeats on.

    Args:
        detail: float32 (H, W), a picture's fine detail, evened out so that no part outweighs the others.

    Returns:
        The lattice that is best seen, however badly (`score`); None where no two peaks make one.
    """
    if min(detail.shape) < 2 * LEAST_STEP or not detail.any():
        return None
    shape = (detail.shape[0], detail.shape[1])
    seen = _correlation(detail)
    lattice = _best(seen, shape)
    return None if lattice is None else _refined(lattice, seen, shape)
