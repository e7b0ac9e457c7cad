"""Objects with a cast shadow whose extent is known: a silhouette thrown on a photo's ground in linear light."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.mask_truth import Case, Mask, Photo, loose_box

Kind = Literal["sun", "soft", "none"]
SEEN = 0.15  # of the ground's linear light that a shadow takes, from which a pixel counts as in it


def _linear(photo: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB in [0, 1] to linear light (its power law)."""
    return np.asarray(((photo + 0.055) / 1.055) ** 2.4, np.float32)


def _stored(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `_linear`."""
    return np.asarray(np.clip(light, 0, 1.2) ** (1 / 2.4) * 1.055 - 0.055, np.float32)


def _thrown(rng: np.random.Generator, body: Mask) -> NDArray[np.float32]:
    """The silhouette sheared along the ground about its foot, soft with distance from it; float32 (H, W) in [0, 1].

    A point of height h above the foot throws its shadow h times a vector away from the foot below it: to either side,
    behind the object or towards the viewer.
    """
    ys, xs = np.nonzero(body)
    foot, size = float(ys.max()), max(np.ptp(xs), np.ptp(ys)) + 1.0
    across, along = rng.uniform(-1.6, 1.6), rng.uniform(-0.45, 0.45)
    if np.hypot(across, along) < 0.25:
        across += 0.4 * np.sign(across)
    foot -= rng.uniform(0, 0.06) * size  # things are round: their foot is behind their lowest pixel
    shear = np.array([[1, -across, across * foot], [0, along, foot - along * foot]], np.float64)
    flat = cv2.warpAffine(body.astype(np.float32), shear, body.shape[::-1], flags=cv2.INTER_LINEAR)
    thick = max(1, round(rng.uniform(0.01, 0.06) * size))  # the depth of the object
    flat = cv2.dilate(flat, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thick + 1, thick | 1)))
    sharp = cv2.GaussianBlur(flat, (0, 0), rng.uniform(0.006, 0.02) * size)
    blurred = cv2.GaussianBlur(flat, (0, 0), rng.uniform(0.02, 0.06) * size)
    lowest = body & (np.arange(body.shape[0])[:, None] > foot - 0.15 * size)
    away = cv2.distanceTransform((~lowest).astype(np.uint8), cv2.DIST_L2, 5) / size
    share = np.clip(away, 0, 1)
    return np.asarray(sharp * (1 - share) + blurred * share, np.float32)


def _pooled(rng: np.random.Generator, body: Mask) -> NDArray[np.float32]:
    """The dark pool beneath an object in diffuse light, float32 (H, W) in [0, 1]."""
    ys, xs = np.nonzero(body)
    low = ys > ys.max() - 0.25 * np.ptp(ys)
    left, right, height = float(xs[low].min()), float(xs[low].max()), float(np.ptp(ys)) + 1
    wide = max(right - left, 0.3 * height)
    centre = ((left + right) / 2 + rng.uniform(-0.15, 0.15) * wide, ys.max() - rng.uniform(-0.02, 0.06) * height)
    axes = (wide * rng.uniform(1.0, 1.35), max(4.0, min(wide, height) * rng.uniform(0.18, 0.4)))
    dark = cv2.ellipse(np.zeros(body.shape, np.float32), (centre, axes, rng.uniform(-8, 8)), 1, -1)
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), rng.uniform(0.025, 0.07) * max(wide, height)), np.float32)


def shadow_case(rng: np.random.Generator, photo: Photo, cutout: NDArray[np.uint8], kind: Kind) -> Case:
    """An object on a photo's ground, with its shadow: in the sun, in soft light, or none.

    Args:
        rng: source of randomness.
        photo: uint8 (H, W, 3) RGB.
        cutout: uint8 (h, w, 4) RGBA, the object alone.
        kind: of shadow.
    """
    height, width = photo.shape[:2]
    ys, xs = np.nonzero(cutout[..., 3] > 127)
    piece = cutout[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = rng.uniform(0.2, 0.5) * min(height / piece.shape[0], width / piece.shape[1])
    size = (max(8, round(piece.shape[1] * scale)), max(8, round(piece.shape[0] * scale)))
    piece = cv2.resize(piece, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    edges = cv2.blur(detail, (2 * size[0], size[1]))
    room = width - size[0] - 4, height - size[1] - 4
    places = [(int(rng.integers(4, room[0])), int(rng.integers(4, room[1]))) for _ in range(20)]
    # An even piece of the photo in most cases, lower ones first: that is where ground is.
    places.sort(key=lambda at: edges[at[1] + size[1], at[0] + size[0] // 2] * (1.5 - at[1] / height))
    left, top = places[0] if rng.random() < 0.85 else places[-1]
    cover, layer = np.zeros((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    part = np.s_[top : top + size[1], left : left + size[0]]
    cover[part], layer[part] = piece[..., 3] / np.float32(255), piece[..., :3] / np.float32(255)
    truth = cover > 0.5
    light = _linear(photo.astype(np.float32) / 255)
    shadow = None
    if kind != "none":
        dark = _thrown(rng, truth) if kind == "sun" else _pooled(rng, truth)
        depth = rng.uniform(0.4, 0.8) if kind == "sun" else rng.uniform(0.3, 0.65)
        blue = rng.uniform(0, 0.12) * depth  # a shadow is lit by the sky
        taken = dark * np.float32(depth)
        if kind == "sun" and rng.random() < 0.5:
            taken = 1 - (1 - taken) * (1 - np.float32(0.4) * _pooled(rng, truth))
        light *= 1 - taken[..., None] * np.array((1 + blue, 1, 1 - blue), np.float32)
        shadow = (taken > SEEN) & ~truth
    picture = _stored(light) * (1 - cover[..., None]) + layer * cover[..., None]
    stored = np.clip(picture * 255 + rng.normal(0, 1, picture.shape), 0, 255).round().astype(np.uint8)
    if rng.random() < 0.5:
        _, file = cv2.imencode(".jpg", stored[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 95))))
        stored = np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])
    return Case(np.asarray(stored, np.uint8), truth, loose_box(rng, truth), shadow)


def shadow_cases(photos: list[Photo], cutouts: list[NDArray[np.uint8]], seed: int) -> list[Case]:
    """One case a photo: half in the sun, a quarter in soft light, a quarter without a shadow."""
    rng = np.random.default_rng(seed)
    kinds: tuple[Kind, ...] = ("sun", "soft", "sun", "none")
    chosen = [cutouts[int(k)] for k in rng.integers(len(cutouts), size=len(photos))]
    pairs = zip(photos, chosen, strict=True)
    return [shadow_case(rng, photo, cutout, kinds[k % 4]) for k, (photo, cutout) in enumerate(pairs)]
