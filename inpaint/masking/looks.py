"""What is seen in and around a box: the odds that each pixel is the object's, and the outline drawn from them."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from inpaint.masking.distances import geodesic_distance
from inpaint.masking.edit import fill_holes
from inpaint.masking.guided import guided_filter
from inpaint.masking.objectness import SIDE, likelihood, object_logits
from inpaint.masking.pixels import Floats, Mask, Photo, lab
from inpaint.masking.regions import box_mask

Box = tuple[int, int, int, int]
Click = tuple[float, float, int]
MARGIN = 0.4  # of a box's sides: the surroundings that are looked at
GRABBED = 256  # pixels of the looked-at part's longer side when GrabCut draws the outline
SURE, TRUST = 4.0, 0.8  # log odds that GrabCut may not overrule, and the weight of its answer beside the log odds
REFINED = 512  # pixels of the looked-at part's longer side when the outline is drawn to the photo's edges


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
    look = look_in(photo, box, points, scribble)
    if look is None:
        return np.zeros(photo.shape[:2], bool), 0.0
    return outline_of(photo, look), look.certainty


def look_in(photo: Photo, box: Box, points: list[Click], scribble: Mask | None) -> Look | None:
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


def outline_of(photo: Photo, look: Look) -> Mask:
    """The object's outline drawn from the odds, bool (H, W)."""
    found = np.zeros(photo.shape[:2], bool)
    crop = photo[look.part]
    found[look.part] = refined(crop, grab_cut(crop, look.logits, look.allowed), look.allowed)
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


def grab_cut(crop: Photo, logits: Floats, allowed: Mask, longest: int = GRABBED) -> Floats:
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


def refined(crop: Photo, logits: Floats, allowed: Mask) -> Mask:
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


def rough_outline(photo: Photo, look: Look) -> Mask:
    """The object without its fine outline, bool (H, W)."""
    found = np.zeros(photo.shape[:2], bool)
    odds = grab_cut(photo[look.part], look.logits, look.allowed, SIDE)
    odds = np.asarray(cv2.resize(odds, look.allowed.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    found[look.part] = (odds > 0) & look.allowed
    return found


def cut_share(found: Mask, box: Box) -> float:
    """The share of a box's rim that the object covers: it goes on outside."""
    x, y, w, h = box
    part = found[y : y + h, x : x + w]
    return float(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]).mean())
