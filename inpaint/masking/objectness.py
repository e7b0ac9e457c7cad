"""How likely each pixel in a box belongs to the object that the box was drawn around.

What is outside the box is background. Measures say how a pixel differs from it: barrier and geodesic distance, colours
that occur inside and not outside, edges on every way out of the box, texture, place in the box. A perceptron weighs
them; a second one looks again with the first answer, its surroundings and the colour models that follow from it
(auto-context, Tu 2008; the colour models are GrabCut's idea, Rother 2004). `benchmarks/fit_objects.py` fitted both.
"""

from functools import lru_cache
from importlib import resources

import cv2
import numpy as np

from inpaint.masking.distances import barrier_distance, geodesic_distance
from inpaint.masking.pixels import Floats, Mask, Photo, lab

SIDE = 192  # pixels of the longer side of the looked-at part
COLOURS, PATCHES = 24, 60  # clusters of colour, and of colour and place
LAYERS = ("w1", "b1", "w2", "b2", "w3", "b3")


def _kmeans(values: Floats, count: int) -> np.ndarray:
    """Cluster numbers int (N,) of rows float32 (N, D); the same every time."""
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 0.5)
    cv2.setRNGSeed(1)
    step = max(1, len(values) // 6000)
    sample = np.ascontiguousarray(values[::step])
    _, _, centres = cv2.kmeans(sample, count, np.zeros((0, 0), np.int32), criteria, 1, cv2.KMEANS_PP_CENTERS)
    distance = (centres**2).sum(axis=1) - 2 * values @ centres.T
    return distance.argmin(axis=1)


def _ratio(labels: np.ndarray, count: int, weight: Floats, other: Floats) -> Floats:
    """For each pixel, the logarithm of how much more of its cluster's weight lies in `weight` than in `other`."""
    own = np.bincount(labels, weight.ravel(), minlength=count) / max(1e-6, float(weight.sum()))
    rest = np.bincount(labels, other.ravel(), minlength=count) / max(1e-6, float(other.sum()))
    return np.log((own + 2e-3) / (rest + 2e-3)).astype(np.float32)[labels]


class Crop:
    """A part of a photo with a box in it, and everything measured once.

    Args:
        photo: uint8 (H, W, 3) RGB, the part, already at the size at which it is looked at.
        box: bool (H, W), True in the box; some pixels are False.
    """

    def __init__(self, photo: Photo, box: Mask) -> None:
        self.box = box
        self.shape = box.shape
        self.colours = cv2.GaussianBlur(lab(photo), (0, 0), 0.8)
        place = np.mgrid[: self.shape[0], : self.shape[1]].transpose(1, 2, 0).astype(np.float32)
        flat = self.colours.reshape(-1, 3)
        self.colour_labels = _kmeans(flat, COLOURS)
        spread = place.reshape(-1, 2) * np.float32(100 / max(self.shape))
        self.patch_labels = _kmeans(np.hstack([flat, spread]).astype(np.float32), PATCHES)
        self.gradient = self._gradient()

    def _gradient(self) -> Floats:
        """Strength of the edges relative to the part's strong ones, float32 (H, W)."""
        x = np.linalg.norm(cv2.Sobel(self.colours, cv2.CV_32F, 1, 0), axis=2)
        y = np.linalg.norm(cv2.Sobel(self.colours, cv2.CV_32F, 0, 1), axis=2)
        strength = np.hypot(x, y)
        return (strength / (np.percentile(strength, 90) + 8)).astype(np.float32)

    def _shape_of(self, values: np.ndarray) -> Floats:
        return values.reshape(self.shape).astype(np.float32)

    def first_measures(self) -> Floats:
        """float32 (H, W, F): what the first perceptron judges by."""
        box, outside = self.box, (~self.box).astype(np.float32)
        ys, xs = np.nonzero(box)
        top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
        y, x = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32)
        v, u = (y + 0.5 - top) / (bottom - top), (x + 0.5 - left) / (right - left)
        rim = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
        barrier = sum(barrier_distance(self.colours[..., c], ~box) for c in range(3))
        geodesic = geodesic_distance(self.colours, ~box)
        scale = float(np.median(self.gradient[box])) + 0.05
        inside = box.astype(np.float32)
        centred = inside * np.exp(-((2 * u - 1) ** 2 + (2 * v - 1) ** 2) * 1.5).astype(np.float32)
        ratio = self._shape_of(_ratio(self.colour_labels, COLOURS, inside, outside))
        central = self._shape_of(_ratio(self.colour_labels, COLOURS, centred, outside))
        patch = self._shape_of(np.bincount(self.patch_labels, outside.ravel(), minlength=PATCHES)[self.patch_labels]
                               / np.bincount(self.patch_labels, minlength=PATCHES)[self.patch_labels])  # fmt: skip
        ways = self._ways_out(top, bottom, left, right)
        rough = cv2.blur(self.gradient, (9, 9))
        usual = float(rough[~box].mean())
        rows = [
            np.abs(2 * u - 1), np.abs(2 * v - 1), v, rim, np.log1p(barrier), np.log1p(geodesic),
            geodesic / (geodesic[box].mean() + 5), barrier / (barrier[box].mean() + 5), ratio, cv2.blur(ratio, (9, 9)),
            central, cv2.blur(central, (9, 9)), patch, ways.min(axis=2), ways.mean(axis=2), rough - usual,
            self.gradient, np.full(self.shape, scale), self.colours[..., 0] / 50 - 1,
            np.full(self.shape, np.log(float(ratio[box].std()) + 0.1)),
        ]  # fmt: skip
        for values in (barrier, ratio):
            means = np.bincount(self.patch_labels, values.ravel(), minlength=PATCHES)
            means /= np.maximum(1, np.bincount(self.patch_labels, minlength=PATCHES))
            rows.append(self._shape_of(means[self.patch_labels]) * (0.05 if values is barrier else 1))
        return np.dstack([np.broadcast_to(row, self.shape) for row in rows]).astype(np.float32)

    def _ways_out(self, top: int, bottom: int, left: int, right: int) -> Floats:
        """The strongest edge on the straight way to each side of the box, float32 (H, W, 4), 0 outside of it."""
        ways = np.zeros((*self.shape, 4), np.float32)
        part = self.gradient[top:bottom, left:right]
        ways[top:bottom, left:right] = np.dstack([
            np.maximum.accumulate(part, axis=1), np.maximum.accumulate(part[:, ::-1], axis=1)[:, ::-1],
            np.maximum.accumulate(part, axis=0), np.maximum.accumulate(part[::-1], axis=0)[::-1],
        ])  # fmt: skip
        return np.minimum(ways, 3)

    def again_measures(self, first: Floats, likely: Floats) -> Floats:
        """What the second perceptron judges by: the first measures, the first answer and what follows from it.

        Args:
            first: float32 (H, W, F), the first measures.
            likely: float32 (H, W) in [0, 1], the first answer, 0 outside the box.
        """
        rest = 1 - likely
        rows = [likely]
        rows += [cv2.blur(likely, (size, size)) for size in (5, 13, 31)]
        for labels, count in ((self.colour_labels, COLOURS), (self.patch_labels, PATCHES)):
            rows.append(self._shape_of(_ratio(labels, count, likely, rest)))
            share = np.bincount(labels, likely.ravel(), minlength=count) / np.maximum(1, np.bincount(labels, minlength=count))
            rows.append(self._shape_of(share[labels]))
        sure, surely_not = likely > 0.8, (likely < 0.2)
        if not sure.any():
            sure = likely >= likely.max()
        inner = geodesic_distance(self.colours, sure)
        outer = geodesic_distance(self.colours, surely_not | ~self.box)
        rows += [np.log1p(inner) - np.log1p(outer), np.full(self.shape, float(likely[self.box].mean()))]
        across, down = likely.sum(axis=0), likely.sum(axis=1)
        rows += [np.broadcast_to(across / (across.max() + 1e-6), self.shape), np.broadcast_to(
            (down / (down.max() + 1e-6))[:, None], self.shape)]  # fmt: skip
        return np.dstack([first, *rows]).astype(np.float32)


@lru_cache(maxsize=1)
def _weights() -> list[dict[str, Floats]]:
    """The weights of both perceptrons, with mean and spread of the measures folded into their first layers."""
    with resources.files("inpaint.masking").joinpath("objects.npz").open("rb") as file, np.load(file) as stored:
        return [{name: stored[f"{stage}_{name}"] for name in LAYERS} for stage in ("first", "again")]


def judge(weights: dict[str, Floats], rows: Floats) -> Floats:
    """A perceptron's logits, float32 (N,), for rows float32 (N, F)."""
    hidden = np.tanh(rows @ weights["w1"] + weights["b1"])
    hidden = np.tanh(hidden @ weights["w2"] + weights["b2"])
    return np.asarray((hidden @ weights["w3"] + weights["b3"])[:, 0], np.float32)


def _answer(weights: dict[str, Floats], measures: Floats, box: Mask) -> Floats:
    """Logits float32 (H, W); -12 outside the box."""
    logits = np.full(box.shape, -12, np.float32)
    logits[box] = judge(weights, measures[box])
    return logits


def object_logits(photo: Photo, box: Mask) -> Floats:
    """The logarithm of the odds that a pixel belongs to the object in a box.

    Args:
        photo: uint8 (H, W, 3) RGB, a part with surroundings of the box, about `SIDE` pixels long.
        box: bool (H, W), True in the box; both values occur.

    Returns:
        float32 (H, W); -12 outside the box.
    """
    crop = Crop(photo, box)
    weights = _weights()
    measures = crop.first_measures()
    likely = 1 / (1 + np.exp(-_answer(weights[0], measures, box)))
    for _ in range(2):
        logits = _answer(weights[1], crop.again_measures(measures, likely), box)
        likely = 1 / (1 + np.exp(-logits))
    return logits
