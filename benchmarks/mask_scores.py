"""What the mask tools reach on pictures whose truth `mask_truth` made: one function a kind."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.mask_truth import (
    Case,
    Mask,
    Photo,
    blob_cutout,
    faint_mark_case,
    logo,
    object_case,
    pictogram_cutout,
    scratch_case,
    text_case,
    watermark_case,
)
from inpaint.masking.object import object_mask
from inpaint.masking.repeated import repeated_mask
from inpaint.masking.sam import embed, sam_folder, sam_mask
from inpaint.masking.scratches import scratch_mask
from inpaint.masking.shadow import shadow_mask
from inpaint.masking.text import text_mask
from inpaint.masking.tiled import tiled_mask

Figures = dict[str, float]
Seen = list[tuple[float, Case, Mask]]  # score, case and answer, for the sheet of the worst


def overlap(found: Mask, truth: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((found | truth).sum())
    return float((found & truth).sum()) / union if union else 1.0


def text_scores(cases: Iterable[Case], owns: list[Mask], seen: Seen) -> Figures:
    """Recall of stroke pixels, and the mask's area over the strokes' area, over all photos together.

    Args:
        cases: one a photo.
        owns: what is found in the same photos before text is drawn: their own text, or a mistake.
        seen: is appended to.
    """
    hit = strokes = area = added = 0
    recalls = []
    for case, own in zip(cases, owns, strict=True):
        if not case.truth.any():
            continue
        found = text_mask(case.photo)
        hit += int((found & case.truth).sum())
        strokes += int(case.truth.sum())
        area += int(found.sum())
        added += int((found & (case.truth | ~own)).sum())
        recalls.append((found & case.truth).sum() / case.truth.sum())
        seen.append((float(recalls[-1]), case, found))
    return {
        "photos": len(recalls), "recall": hit / strokes, "mean recall of a photo": float(np.mean(recalls)),
        "area ratio": added / strokes, "area ratio with what is found without it": area / strokes,
        "found in a photo without drawn text": float(np.mean([own.mean() for own in owns])),
    }  # fmt: skip


def text_cases(photos: list[Photo], fonts: list[Path], seed: int, opacity: float) -> list[Case]:
    """A text case for each photo."""
    rng = np.random.default_rng(seed)
    return [text_case(rng, photo, fonts, opacity) for photo in photos]


def watermark_cases(photos: list[Photo], fonts: list[Path], seed: int) -> list[Case]:
    """A tiled watermark for each photo."""
    rng = np.random.default_rng(seed)
    return [watermark_case(rng, photo, fonts) for photo in photos]


def faint_mark_cases(photos: list[Photo], fonts: list[Path], seed: int) -> list[Case]:
    """A faint tiled mark for each photo."""
    rng = np.random.default_rng(seed)
    return [faint_mark_case(rng, photo, fonts) for photo in photos]


def tiled_alarms(photos: list[Photo]) -> Figures:
    """Photos without a mark in which one is found."""
    return {"photos": len(photos), "false alarms": sum(bool(tiled_mask(photo).any()) for photo in photos)}


def object_cases(kind: str, photos: list[Photo], fonts: list[Path], cutouts: list[Path], seed: int) -> list[Case]:
    """Objects pasted on each photo.

    Args:
        kind: `cutouts` (objects of photos), `pictograms` (a symbol's outline around a piece of another photo), `blobs`.
        photos: the backgrounds; pieces come from another one of them.
        fonts: with symbols.
        cutouts: RGBA files.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for k, photo in enumerate(photos):
        other = photos[(k + 1 + int(rng.integers(len(photos) - 1))) % len(photos)]
        if kind == "cutouts":
            piece = np.array(Image.open(cutouts[int(rng.integers(len(cutouts)))]))
        else:
            piece = pictogram_cutout(rng, other, fonts) if kind == "pictograms" else blob_cutout(rng, other)
        cases.append(object_case(rng, photo, piece))
    return cases


def grab_cut(photo: Photo, box: tuple[int, int, int, int]) -> Mask:
    """OpenCV's GrabCut alone from a box, as a yardstick."""
    labels = np.zeros(photo.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(photo[..., ::-1]), labels, box, *models, 5, cv2.GC_INIT_WITH_RECT)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def middle(truth: Mask) -> tuple[float, float]:
    """The point deepest inside an object, x, y: where a person clicks."""
    depth = cv2.distanceTransform(np.pad(truth.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x), float(y)


def object_scores(cases: list[Case], folder: Path | None, seen: Seen) -> Figures:
    """Mean IoU from one box and from one click: the embedded way, GrabCut alone, and MobileSAM where it is."""
    rows: dict[str, list[float]] = {}
    for case in cases:
        ways: dict[str, Callable[[], Mask]] = {
            "box": lambda c=case: object_mask(c.photo, box=c.box, engine="embedded"),
            "box, GrabCut alone": lambda c=case: grab_cut(c.photo, c.box),
            "click": lambda c=case: object_mask(c.photo, [middle(c.truth)], engine="embedded"),
        }
        if folder is not None:
            ways["box, MobileSAM"] = lambda c=case: object_mask(c.photo, box=c.box, engine="sam", folder=folder)
            ways["click, MobileSAM"] = lambda c=case: object_mask(
                c.photo, [middle(c.truth)], engine="sam", folder=folder
            )
        for name, way in ways.items():
            found = way()
            rows.setdefault(name, []).append(overlap(found, case.truth))
            if name == "box":
                seen.append((rows[name][-1], case, found))
    return {"photos": len(cases), **{name: float(np.mean(row)) for name, row in rows.items()}}


def shadow_scores(cases: list[Case]) -> Figures:
    """Recall and precision of the shadow, given the object's outline; and what is taken where there is no shadow."""
    hit = shadow = found = 0
    taken = []
    for case in cases:
        mask = shadow_mask(case.photo, case.truth)
        if case.shadow is None:
            taken.append(mask.sum() / case.truth.sum())
            continue
        hit += int((mask & case.shadow).sum())
        shadow += int(case.shadow.sum())
        found += int(mask.sum())
    return {"recall": hit / max(1, shadow), "precision": hit / max(1, found),
            "taken without a shadow, of the object's area": float(np.mean(taken))}  # fmt: skip


def scratch_scores(photos: list[Photo], seed: int, seen: Seen) -> Figures:
    """F1 over all pixels of all photos together, without any tolerance; and what is taken of the undamaged photos."""
    rng = np.random.default_rng(seed)
    hit = truth = found = 0
    each, clean = [], []
    for photo in photos:
        case = scratch_case(rng, photo)
        mask = scratch_mask(case.photo)
        both = int((mask & case.truth).sum())
        hit, truth, found = hit + both, truth + int(case.truth.sum()), found + int(mask.sum())
        each.append(2 * both / max(1, int(case.truth.sum()) + int(mask.sum())))
        clean.append(scratch_mask(photo).mean())
        seen.append((each[-1], case, mask))
    return {"photos": len(photos), "F1": 2 * hit / (truth + found), "mean F1 of a photo": float(np.mean(each)),
            "recall": hit / truth, "precision": hit / found,
            "taken of an undamaged photo": float(np.mean(clean))}  # fmt: skip


def repeated_scores(photos: list[Photo], fonts: list[Path], seed: int, rounds: int, seen: Seen) -> Figures:
    """IoU of a logo blended at 40 % into 30 photos, mean over several logos; and what is found without any logo."""
    rng = np.random.default_rng(seed)
    each = []
    for _ in range(rounds):
        cover = logo(rng, (photos[0].shape[0], photos[0].shape[1]), fonts)
        chosen = rng.choice(len(photos), min(30, len(photos)), replace=False)
        share = 0.4 * cover[..., None]
        marked = [(photos[k] * (1 - share) + 255 * share).round().astype(np.uint8) for k in chosen]
        found = repeated_mask(marked)
        each.append(overlap(found, cover > 0.5))
        seen.append((each[-1], Case(marked[0], cover > 0.5), found))
    clean = repeated_mask(photos[:30])
    return {"logos": rounds, "photos a logo": min(30, len(photos)), "IoU": float(np.mean(each)),
            "worst IoU": float(min(each)), "taken without a logo": float(clean.mean())}  # fmt: skip


def _median_seconds(calls: Iterable[Callable[[], object]]) -> float:
    seconds = []
    for call in calls:
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def speeds(photos: list[Photo], fonts: list[Path], folder: Path | None, seed: int) -> Figures:
    """Median seconds of processor time a photo of 2 MP (1632 x 1224), each tool warm.

    Processor time, summed over threads, does not change with what else the machine does; on free cores the clock on the
    wall shows no more.
    """
    rng = np.random.default_rng(seed)
    large = [cv2.resize(photo, (1632, 1224), interpolation=cv2.INTER_CUBIC) for photo in photos[:7]]
    texts = [text_case(rng, photo, fonts).photo for photo in large]
    damaged = [scratch_case(rng, photo).photo for photo in large]
    pasted = [object_case(rng, photo, blob_cutout(rng, photos[-1])) for photo in large]
    tools: dict[str, list[Callable[[], object]]] = {
        "text": [lambda p=p: text_mask(p) for p in texts],
        "scratches": [lambda p=p: scratch_mask(p) for p in damaged],
        "object, box": [lambda c=c: object_mask(c.photo, box=c.box, engine="embedded") for c in pasted],
        "object, click": [lambda c=c: object_mask(c.photo, [middle(c.truth)], engine="embedded") for c in pasted],
    }
    result = {}
    for name, calls in tools.items():
        calls[0]()
        result[name] = _median_seconds(calls[1:])
    start = time.process_time()
    repeated_mask([large[k % len(large)] for k in range(30)])
    result["repeated"] = (time.process_time() - start) / 30
    place = sam_folder(folder) if folder is not None else None
    if place is not None:
        embed(large[0], place)
        result["MobileSAM, encoding"] = _median_seconds([lambda p=p: embed(p, place) for p in large[1:]])
        at = middle(pasted[-1].truth)
        clicks: list[Callable[[], object]] = [lambda: sam_mask(large[-1], [(*at, 1)], folder=place) for _ in range(8)]
        clicks[0]()
        result["MobileSAM, click"] = _median_seconds(clicks[1:])
    return result
