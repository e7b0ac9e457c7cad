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
from inpaint.masking.distances import geodesic_distance
from inpaint.masking.edit import fill_holes
from inpaint.masking.guided import guided_filter
from inpaint.masking.objectness import SIDE, likelihood, object_logits
from inpaint.masking.pixels import Floats, Mask, Photo, eight_bits, lab
from inpaint.masking.regions import box_mask, clip_box
from inpaint.masking.shadow import shadow_mask

Box = tuple[int, int, int, int]
Click = tuple[float, float, int]
MARGIN = 0.4  # of a box's sides: the surroundings that are looked at
GRABBED = 256  # pixels of the looked-at part's longer side when GrabCut draws the outline
SURE, TRUST = 4.0, 0.8  # log odds that GrabCut may not overrule, and the weight of its answer beside the log odds
TRIED = 512  # pixels of the photo's longer side when boxes are tried around a click or scribble
UNSURE = 0.9  # certainty of the embedded odds below which MobileSAM may overrule them
REFINED = 512  # pixels of the looked-at part's longer side when the outline is drawn to the photo's edges
SLACKS = (0.08, 0.35, 1.0)  # of a scribble's sides: boxes that are tried around it
FOLLOWED, CLOSE = 2, 0.15  # how many of them are drawn again around their object, with which share of slack
SIZES = (0.12, 0.25, 0.45, 0.8)  # of the photo's shorter side: boxes that are tried around a click


def _clicks(clicks: Sequence[Sequence[float]], minus: Sequence[Sequence[float]], shape: tuple[int, int]) -> list[Click]:
    """Checked clicks as x, y, 1 or 0."""
    checked: list[Click] = []
    for group, usual in ((clicks, 1), (minus, 0)):
        for click in group:
            if len(click) not in (2, 3):
                raise OptionError(f"a click is x, y or x, y, 0 or 1, got {tuple(click)}")
            x, y, label = float(click[0]), float(click[1]), int(click[2]) if len(click) == 3 else usual
            if not (0 <= x < shape[1] and 0 <= y < shape[0]):
                raise OptionError(f"the click {x:g},{y:g} lies outside the photo of {shape[1]}x{shape[0]} pixels")
            if label not in (0, 1):
                raise OptionError(f"a click's label is 1 (object) or 0 (not the object), got {label}")
            checked.append((x, y, label))
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
    look = _best_look(photo, points, scribble) if box is None else _look(photo, box, points, scribble)
    if look is None:
        return np.zeros(photo.shape[:2], bool)
    found = _outline(photo, look)
    return found if box is not None or not points else _under(found, points)


def _sam_and_embedded(photo: Photo, box: Box, folder: str | os.PathLike[str] | None) -> Mask:
    """The object in a box, from MobileSAM's odds and the embedded ones.

    MobileSAM alone answers where the embedded odds are unsure and its answer fits the box as well as theirs together:
    on scenes it knows what a thing is; where it picks a part of what the box holds, the colours outside the box help.
    """
    first, second = sam.sam_logits(photo, [], box, folder)
    look = _look(photo, box, [], None)
    if look is None:
        return np.asarray(first > 0)
    size = look.allowed.shape[::-1]
    colours = np.asarray(cv2.resize(look.logits, size, interpolation=cv2.INTER_LINEAR), np.float32)
    odds = 0.5 * np.clip(second[look.part], -10, 10) + 0.5 * np.clip(colours, -5, 5)
    joined = np.zeros(first.shape, bool)
    crop = photo[look.part]
    joined[look.part] = _refined(crop, _grab_cut(crop, odds, look.allowed), look.allowed)
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
class Look:
    """What is seen in and around a box.

    Args:
        part: slices of the photo, the box with its surroundings.
        allowed: bool, of the part, where the object may be.
        logits: float32, of the part made smaller, the log odds that a pixel is the object's.
        box: bool, of the same size, True in the box.
    """

    part: tuple[slice, slice]
    allowed: Mask
    logits: Floats
    box: Mask

    @property
    def certainty(self) -> float:
        """How sharply the object stands out: the mean certainty in the box, in [0, 1]."""
        return float(np.abs(np.tanh(self.logits[self.box] / 2)).mean())



def segment_box(photo: Photo, box: Box, points: list[Click], scribble: Mask | None) -> tuple[Mask, float]:
    """The object in a box, bool (H, W), and how sharply it stands out: the mean certainty in the box, in [0, 1]."""
    look = _look(photo, box, points, scribble)
    if look is None:
        return np.zeros(photo.shape[:2], bool), 0.0
    return _outline(photo, look), look.certainty


def _look(photo: Photo, box: Box, points: list[Click], scribble: Mask | None) -> Look | None:
    """The odds in a box and its surroundings, made small; None where they have too few pixels."""
    shape = photo.shape[:2]
    x, y, w, h = box
    pad_x, pad_y = max(8, round(MARGIN * w)), max(8, round(MARGIN * h))
    left, top = max(0, x - pad_x), max(0, y - pad_y)
    right, bottom = min(shape[1], x + w + pad_x), min(shape[0], y + h + pad_y)
    part = (slice(top, bottom), slice(left, right))
    inside = box_mask((x - left, y - top, w, h), (bottom - top, right - left))
    crop = photo[part]
    if inside.all():  # nothing around the box is known: its rim stands for the background
        rim = max(1, round(0.02 * min(inside.shape)))
        inside = np.pad(np.ones((max(1, inside.shape[0] - 2 * rim), max(1, inside.shape[1] - 2 * rim)), bool), rim)
        inside = inside[: crop.shape[0], : crop.shape[1]]
    scale = SIDE / max(crop.shape[:2])
    size = (max(4, round(crop.shape[1] * scale)), max(4, round(crop.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(crop, size, interpolation=how), np.uint8)
    small_box = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    if not small_box.any() or small_box.all():
        return None
    logits = object_logits(small, small_box) + _seeds(small, points, scribble, (left, top), scale, part)
    return Look(part, np.ones_like(inside) if points else inside, logits, small_box)


def _outline(photo: Photo, look: Look) -> Mask:
    """The object's outline drawn from the odds, bool (H, W)."""
    found = np.zeros(photo.shape[:2], bool)
    crop = photo[look.part]
    found[look.part] = _refined(crop, _grab_cut(crop, look.logits, look.allowed), look.allowed)
    return found


def _seeds(
    small: Photo, points: list[Click], scribble: Mask | None, corner: tuple[int, int], scale: float, part: Any
) -> Floats:
    """What clicks and a scribble add to the odds: most where they are, less with the colour that lies between."""
    added: Floats = np.zeros(small.shape[:2], np.float32)
    colours = lab(small)
    marked: list[tuple[Mask, float]] = []
    for label in (1, 0):
        canvas = np.zeros(small.shape[:2], np.uint8)
        for x, y, kind in points:
            if kind == label:
                at = (round((x - corner[0] + 0.5) * scale - 0.5), round((y - corner[1] + 0.5) * scale - 0.5))
                cv2.circle(canvas, at, 2, 1, -1)
        marked.append((canvas.astype(bool), 8.0 if label else -8.0))
    if scribble is not None:
        rough = cv2.resize(scribble[part].astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA)
        marked.append((rough > 0.5, 2.0))
    for seeds, strength in marked:
        if seeds.any():
            added += np.float32(strength) * np.exp(-geodesic_distance(colours, seeds) / 18)
    return added


def _grab_cut(crop: Photo, logits: Floats, allowed: Mask, longest: int = GRABBED) -> Floats:
    """The log odds after GrabCut (Rother 2004) has drawn the outline, starting from them; float32 (h, w).

    Args:
        crop: uint8 (H, W, 3) RGB, the looked-at part.
        logits: float32, of any size.
        allowed: bool (H, W), where the object may be.
        longest: pixels of the longer side at which it is drawn.
    """
    scale = min(1.0, longest / max(crop.shape[:2]))
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    odds = np.asarray(cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR), np.float32)
    labels = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[odds > SURE], labels[odds < -SURE] = cv2.GC_FGD, cv2.GC_BGD
    labels[cv2.resize(allowed.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) == 0] = cv2.GC_BGD
    if min((labels % 2 == 1).sum(), (labels % 2 == 0).sum()) < 20:  # too few pixels for its colour models
        return logits
    small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), labels, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    answer = cv2.GaussianBlur((labels % 2 == 1).astype(np.float32), (0, 0), 0.7)
    return np.asarray(TRUST * np.log((answer + 0.02) / (1.02 - answer)) + (1 - TRUST) * odds, np.float32)


def _refined(crop: Photo, logits: Floats, allowed: Mask) -> Mask:
    """The outline drawn to the photo's own edges: a guided filter (He 2010) of the likelihood at up to 512 pixels."""
    scale = min(1.0, REFINED / max(crop.shape[:2]))
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    guide = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    likely = likelihood(np.asarray(cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR), np.float32))
    soft = guided_filter(lab(guide) / np.float32(100), likely, max(2, round(0.012 * max(size))), 1e-4)
    if scale < 1:
        soft = np.asarray(cv2.resize(soft, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    found = (soft > 0.5) & allowed
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    if count < 2:
        return found
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = areas >= 0.06 * areas.max()
    found = kept[labels] & (labels > 0)
    return fill_holes(found, round(0.02 * found.sum()))


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

    def tried(box: Box) -> tuple[float, Box, Box]:
        """How well the object in a box stands out, the box, and one drawn closely around that object."""
        look = _look(small, box, small_points, painted)
        found = np.zeros(small_shape, bool) if look is None else _rough(small, look)
        if painted is None:
            found = _under(found, small_points)
        if look is None or not found.any():
            return 0.0, box, box
        score = look.certainty * (1 - cut_share(found, box))
        if painted is not None:
            score *= float(found[painted].mean())
        return score, box, _around(found, CLOSE, small_shape)

    ranked = sorted(map(tried, _boxes(small_shape, small_points, painted)), reverse=True)
    ranked += [tried(close) for _, box, close in ranked[:FOLLOWED] if close != box]
    score, best, close = max(ranked)
    if score == 0:
        return None
    for _ in range(FOLLOWED if painted is not None else 0):  # a scribble says little of the object's size: let it grow
        score, box, wider = tried(close)
        if score == 0:
            break
        best, close = box, wider
    x, y, w, h = (side / scale for side in best)
    return _look(photo, clip_box((x, y, w, h), shape), points, scribble)


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


def _rough(photo: Photo, look: Look) -> Mask:
    """The object without its fine outline, bool (H, W)."""
    found = np.zeros(photo.shape[:2], bool)
    odds = _grab_cut(photo[look.part], look.logits, look.allowed, SIDE)
    odds = np.asarray(cv2.resize(odds, look.allowed.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    found[look.part] = (odds > 0) & look.allowed
    return found


def _under(found: Mask, points: list[Click]) -> Mask:
    """The connected parts that hold a click on the object, within three pixels."""
    count, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    for x, y, label in points:
        if label:
            kept[np.unique(labels[max(0, int(y) - 3) : int(y) + 4, max(0, int(x) - 3) : int(x) + 4])] = True
    kept[0] = False
    return kept[labels]


def cut_share(found: Mask, box: Box) -> float:
    """The share of a box's rim that the object covers: it goes on outside."""
    x, y, w, h = box
    part = found[y : y + h, x : x + w]
    return float(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]).mean())
