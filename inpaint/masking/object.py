"""From a click, several clicks, a box or a rough scribble to an object's outline."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import InpaintError, MaskError, OptionError
from inpaint.masking import sam
from inpaint.masking.looks import Box, Click, Look, cut_share, grab_cut, look_in, outline_of, refined, rough_outline
from inpaint.masking.pixels import Floats, Mask, Photo, eight_bits, lab
from inpaint.masking.regions import clip_box
from inpaint.masking.shadow import shadow_mask

TRIED = 512  # pixels of the photo's longer side when boxes are tried around a click or scribble
UNSURE = 0.9  # certainty of the embedded odds below which MobileSAM may overrule them
SLACKS = (0.08, 0.35, 1.0)  # of a scribble's sides: boxes that are tried around it
FOLLOWED, CLOSE = 2, 0.15  # how many of them are drawn again around their object, with which share of slack
AGREEMENT, EDGE = 0.5, 0.3  # powers by which these count when a click's boxes are ranked, beside the certainty
SIZES = (0.12, 0.25, 0.45, 0.8)  # of the photo's shorter side: boxes that are tried around a click


def _clicks(clicks: Sequence[Sequence[float]], minus: Sequence[Sequence[float]], shape: tuple[int, int]) -> list[Click]:
    """Checked clicks as x, y, 1 or 0."""
    checked: list[Click] = []
    for group, usual in ((clicks, 1), (minus, 0)):
        for click in group:
            if len(click) not in (2, 3):
                raise OptionError(f"a click is x, y or x, y, 0 or 1, got {tuple(click)}")
            x, y, label = float(click[0]), float(click[1]), float(click[2]) if len(click) == 3 else usual
            if not (0 <= x < shape[1] and 0 <= y < shape[0]):
                raise OptionError(f"the click {x:g},{y:g} lies outside the photo of {shape[1]}x{shape[0]} pixels")
            if label not in (0, 1):
                raise OptionError(f"a click's label is 1 (object) or 0 (not the object), got {label:g}")
            checked.append((x, y, int(label)))
    return checked


def object_mask(
    photo: NDArray[Any],
    clicks: Sequence[Sequence[float]] = (),
    minus: Sequence[Sequence[float]] = (),
    box: tuple[float, float, float, float] | None = None,
    scribble: Mask | None = None,
    shadow: bool = False,
    engine: str = "auto",
    folder: str | os.PathLike[str] | None = None,
) -> Mask:
    """The object that someone points at.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        clicks: points (x, y) in pixels on the object; (x, y, 0) is a point that is not on it.
        minus: points (x, y) that are not on the object.
        box: x, y, width, height in pixels around the object; a little slack is right.
        scribble: bool (H, W), roughly painted on or over the object.
        shadow: take the soft shadow beneath the object, too.
        engine: `sam` (MobileSAM), `embedded`, or `auto`: MobileSAM where its files are found.
        folder: of MobileSAM's files; None for the usual places.

    Returns:
        bool (H, W), True = hole; empty where no object is found.

    Raises:
        OptionError: nothing points at the object, a click or box lies outside the photo, or an unknown engine.
        MaskError: the scribble has another size than the photo, or is empty.
        InpaintError: `sam` is asked for and missing.
    """
    pixels = eight_bits(photo)
    shape = (pixels.shape[0], pixels.shape[1])
    if engine not in ("auto", "sam", "embedded"):
        raise OptionError(f"engine must be auto, sam or embedded, got {engine!r}")
    points = _clicks(clicks, minus, shape)
    place = None if box is None else clip_box(box, shape)
    if scribble is not None:
        scribble = np.asarray(scribble, bool)
        if scribble.shape != shape:
            sizes = f"{scribble.shape[1]}x{scribble.shape[0]} pixels, the photo {shape[1]}x{shape[0]}"
            raise MaskError(f"the scribble is {sizes}")
        if not scribble.any():
            raise MaskError("the scribble is empty")
    if place is None and scribble is None and not any(label for _, _, label in points):
        raise OptionError("say where the object is: a click on it, a box around it, or a scribble over it")
    if engine == "sam" and not sam.sam_available(folder):
        raise InpaintError(sam.how_to_get())
    if engine == "sam" or (engine == "auto" and sam.sam_available(folder)):
        if scribble is not None:
            points += [(x, y, 1) for x, y in _along(scribble)]
        if place is not None and not points:
            found = _sam_and_embedded(pixels, place, folder)
        else:
            found = sam.sam_mask(pixels, points, place, folder)
    else:
        found = _embedded(pixels, points, place, scribble)
    if shadow:
        found = found | shadow_mask(pixels, found)
    return found


def _along(scribble: Mask, count: int = 4) -> list[tuple[float, float]]:
    """Points deep inside a scribble and far from each other, as x, y."""
    depth = cv2.distanceTransform(np.pad(scribble.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    inside = np.argwhere(depth >= 0.6 * depth.max())
    points = [inside[np.argmax(depth[tuple(inside.T)])]]
    while len(points) < min(count, len(inside)):
        gaps = np.min([((inside - p) ** 2).sum(axis=1) for p in points], axis=0)
        points.append(inside[gaps.argmax()])
    return [(float(x), float(y)) for y, x in points]


def _around(mask: Mask, slack: float, shape: tuple[int, int]) -> Box:
    """A box around a mask, wider by a share of its sides."""
    ys, xs = np.nonzero(mask)
    width, height = float(np.ptp(xs)) + 1, float(np.ptp(ys)) + 1
    x, y = slack * width, slack * height
    return clip_box((xs.min() - x, ys.min() - y, width + 2 * x, height + 2 * y), shape)


def _embedded(photo: Photo, points: list[Click], box: Box | None, scribble: Mask | None) -> Mask:
    """`object_mask` without MobileSAM."""
    look = _best_look(photo, points, scribble) if box is None else look_in(photo, box, points, scribble)
    if look is None:
        return np.zeros(photo.shape[:2], bool)
    found = outline_of(photo, look)
    return found if box is not None or not points else _under(found, points)


def _sam_and_embedded(photo: Photo, box: Box, folder: str | os.PathLike[str] | None) -> Mask:
    """The object in a box, from MobileSAM's odds and the embedded ones.

    MobileSAM alone answers where the embedded odds are unsure and its answer fits the box as well as theirs together:
    on scenes it knows what a thing is; where it picks a part of what the box holds, the colours outside the box help.
    """
    first, second = sam.sam_logits(photo, [], box, folder)
    look = look_in(photo, box, [], None)
    if look is None:
        return np.asarray(first > 0)
    size = look.allowed.shape[::-1]
    colours = np.asarray(cv2.resize(look.logits, size, interpolation=cv2.INTER_LINEAR), np.float32)
    odds = 0.5 * np.clip(second[look.part], -10, 10) + 0.5 * np.clip(colours, -5, 5)
    joined = np.zeros(first.shape, bool)
    crop = photo[look.part]
    joined[look.part] = refined(crop, grab_cut(crop, odds, look.allowed), look.allowed)
    if look.certainty < UNSURE and _fit(first > 0, box) > _fit(joined, box):
        return np.asarray(first > 0)
    return joined


def _fit(found: Mask, box: Box) -> float:
    """Overlap of an object's bounding box with the box that was drawn around it."""
    if not found.any():
        return 0.0
    x, y, w, h = _around(found, 0, (found.shape[0], found.shape[1]))
    across = max(0, min(x + w, box[0] + box[2]) - max(x, box[0]))
    down = max(0, min(y + h, box[1] + box[3]) - max(y, box[1]))
    return across * down / (w * h + box[2] * box[3] - across * down)


@dataclass(frozen=True)
class _Try:
    """What was found in one box.

    Args:
        box: that was tried.
        found: bool (H, W), roughly the object.
        score: how well it stands out: its certainty, less where the box cuts it.
        certainty: as of `Look`.
    """

    box: Box
    found: Mask
    score: float
    certainty: float


def _standing(photo: Photo, tries: list[_Try]) -> Floats:
    """How well each of several objects around a click stands out, float (N,).

    A small box is often as certain as a large one, of a part of the thing. So it also counts how far the boxes agree on
    what they find, each weighed by its certainty, and how strong the photo's edges are along the outline.
    """
    colours = lab(np.asarray(cv2.GaussianBlur(photo, (0, 0), 1), np.uint8))
    across, down = cv2.Sobel(colours, cv2.CV_32F, 1, 0), cv2.Sobel(colours, cv2.CV_32F, 0, 1)
    edges = np.sqrt((across**2 + down**2).sum(axis=2))
    standing = np.zeros(len(tries), np.float32)
    for k, one in enumerate(tries):
        shares = [(one.found & other.found).sum() / (one.found | other.found).sum() for other in tries]
        agreed = np.mean([share * other.certainty for share, other in zip(shares, tries, strict=True)])
        outline = cv2.morphologyEx(one.found.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        edge = float(edges[outline].mean()) if outline.any() else 0.0
        standing[k] = one.score * agreed**AGREEMENT * edge**EDGE
    return standing


def _best_look(photo: Photo, points: list[Click], scribble: Mask | None) -> Look | None:
    """Where the object that clicks or a scribble point at stands out best: boxes of several sizes are tried.

    Only the odds are compared, at a small size; the outline is drawn once, for the winner.
    """
    shape = (photo.shape[0], photo.shape[1])
    scale = min(1.0, TRIED / max(shape))
    small_shape = (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    small_points = [(min(x * scale, small_shape[1] - 1), min(y * scale, small_shape[0] - 1), n) for x, y, n in points]
    small = np.asarray(cv2.resize(photo, small_shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    painted = None
    if scribble is not None:
        painted = cv2.resize(scribble.astype(np.float32), small_shape[::-1], interpolation=cv2.INTER_AREA) > 0

    def tried(box: Box) -> _Try | None:
        """What is found in a box; None where nothing is."""
        look = look_in(small, box, small_points, painted)
        found = np.zeros(small_shape, bool) if look is None else rough_outline(small, look)
        if painted is None:
            found = _under(found, small_points)
        if look is None or not found.any():
            return None
        score = look.certainty * (1 - cut_share(found, box))
        if painted is not None:
            score *= float(found[painted].mean())
        return _Try(box, found, score, look.certainty)

    def ranked(tries: list[_Try]) -> list[_Try]:
        """The best first: of a scribble by its score, of a click as `_standing` says."""
        if painted is not None:
            return sorted(tries, key=lambda one: -one.score)
        return [tries[k] for k in np.argsort(-_standing(small, tries), kind="stable")]

    tries = ranked([one for box in _boxes(small_shape, small_points, painted) if (one := tried(box)) is not None])
    closer = [close for one in tries[:FOLLOWED] if (close := _around(one.found, CLOSE, small_shape)) != one.box]
    tries = ranked(tries + [one for close in closer if (one := tried(close)) is not None])
    if not tries:
        return None
    best = tries[0]
    for _ in range(FOLLOWED if painted is not None else 0):  # a scribble says little of the object's size: let it grow
        wider = tried(_around(best.found, CLOSE, small_shape))
        if wider is None:
            break
        best = wider
    x, y, w, h = (side / scale for side in best.box)
    return look_in(photo, clip_box((x, y, w, h), shape), points, scribble)


def _boxes(shape: tuple[int, int], points: list[Click], scribble: Mask | None) -> list[Box]:
    """Boxes that may hold the object: of shares of the photo around clicks or a scribble, and a little around it."""
    if scribble is not None:
        near = [_around(scribble, slack, shape) for slack in SLACKS]
        ys, xs = np.nonzero(scribble)
        low, high = np.array((xs.min(), ys.min())), np.array((xs.max(), ys.max()))
    else:
        near = []
        on = np.array([(x, y) for x, y, label in points if label])
        low, high = on.min(axis=0), on.max(axis=0)
    middle, spread = (on.mean(axis=0) if scribble is None else (low + high) / 2), high - low
    for size in SIZES:
        side = size * min(shape) + spread
        near.append(clip_box((*(middle - side / 2), *np.maximum(side, 4)), shape))
    return near


def _under(found: Mask, points: list[Click]) -> Mask:
    """The connected parts that hold a click on the object, within three pixels."""
    count, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    for x, y, label in points:
        if label:
            kept[np.unique(labels[max(0, int(y) - 3) : int(y) + 4, max(0, int(x) - 3) : int(x) + 4])] = True
    kept[0] = False
    return kept[labels]
