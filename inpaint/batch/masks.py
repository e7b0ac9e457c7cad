"""The mask of one task: from its files, from the photo's own transparency, or from a rule."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.batch.memory import picture_size
from inpaint.batch.places import near_copy
from inpaint.batch.plan import ALPHA, Task
from inpaint.errors import EmptyMask, InpaintError, shown
from inpaint.fill_file import MaskMaker
from inpaint.masking.repeated import MOST
from inpaint.masking.rules import MaskRule, parse_rule
from inpaint.photo.access import PictureFiles
from inpaint.photo.limits import Limits
from inpaint.photo.mask_meaning import THRESHOLD
from inpaint.photo.masks import Mask, check_mask
from inpaint.photo.picture import Photo

_ONE = threading.Lock()  # compiled searches behind some rules must not run twice at a time in one process


def united(masks: list[Path], mask_is: str, limits: Limits, files: PictureFiles) -> MaskMaker:
    """The hole that any of several mask files marks."""

    def make(photo: Photo, notes: list[str]) -> Mask:
        height, width = photo.pixels.shape[:2]
        orientation = photo.source.orientation if photo.source else 1
        mask = np.zeros((height, width), bool)
        for file in masks:
            found, decided = files.mask(file, (height, width), mask_is, orientation, limits)
            mask |= found
            notes += decided
        check_mask(mask, f"{shown(masks[0])} and {len(masks) - 1} more")
        return mask

    return make


def own_alpha(name: str) -> MaskMaker:
    """The hole is where the photo is more transparent than opaque."""

    def make(photo: Photo, notes: list[str]) -> Mask:
        if photo.alpha is None:
            raise EmptyMask(f"{name}: has no transparency, so there is nothing to fill")
        scale = 257 if photo.alpha.dtype == np.uint16 else 1
        notes.append(f"{name}: the transparent part was filled and is opaque now")
        mask = photo.alpha <= THRESHOLD * scale
        check_mask(mask, name)
        return mask

    return make


def by_rule(rule: MaskRule, name: str, turn: Callable[[], AbstractContextManager[Any]]) -> MaskMaker:
    """The hole that a rule finds while it holds a turn."""

    def make(photo: Photo, notes: list[str]) -> Mask:
        try:
            with _ONE, turn():
                mask = rule(photo.pixels)
        except InpaintError as error:
            raise type(error)(f"{name}: {error}") from None
        check_mask(mask, name)
        return mask

    return make


def learned_rule(
    text: str, tasks: list[Task], limits: Limits, files: PictureFiles, known: Mapping[tuple[int, int], Mask] = {}
) -> MaskRule | None:
    """The rule of a run, ready for every photo; None for masks from files and for `alpha`.

    Args:
        text: as the user gave it.
        tasks: of the whole plan; those that cannot be read teach nothing.
        limits: larger files are refused.
        files: opens the photos.
        known: what a rule that learns has learnt before, by (height, width); only other sizes are looked at.

    Raises:
        InpaintError: the rule cannot be used.
    """
    if not text or text == ALPHA:
        return None
    rule = parse_rule(text)
    if not rule.needs_folder:
        return rule
    photos = _some_of_each_size(tasks, limits, files, known)
    first = next(photos, None) if known else None
    if known and first is None:
        return replace(rule, learned=known)
    found = rule.learn(photos if first is None else itertools.chain([first], photos)).learned or {}
    return replace(rule, learned={**found, **known})


def _some_of_each_size(
    tasks: list[Task], limits: Limits, files: PictureFiles, known: Container[tuple[int, int]]
) -> Iterator[NDArray]:
    """As many photos of each size as the rule looks at, so that a large folder is not read whole."""
    taken: Counter[tuple[int, int]] = Counter()
    for task in tasks:
        size = picture_size(task.photo, files)
        if size is None or taken[size] == MOST:
            continue
        try:
            with near_copy(task.photo, limits) as file:
                pixels = files.photo(file, limits).pixels
        except InpaintError:  # it is reported when its turn comes
            continue
        taken[size] += 1
        if pixels.shape[:2] not in known:  # a turned photo's header gives another size
            yield pixels


def mask_maker(
    rule: str, masks: list[Path], name: str, mask_is: str, limits: Limits, learned: MaskRule | None,
    turn: Callable[[], AbstractContextManager[Any]], files: PictureFiles,
) -> MaskMaker | Path:
    """What `FillJob.mask` should be.

    Args:
        rule: of the task; empty with mask files.
        masks: files of the task.
        name: of the photo, for messages.
        mask_is: which part of a mask file is the hole.
        limits: larger files are refused.
        learned: the rule, ready for use.
        turn: called for what is held while the rule looks.
        files: opens them.
    """
    if rule == ALPHA:
        return own_alpha(name)
    if rule:
        assert learned is not None
        return by_rule(learned, name, turn)
    return masks[0] if len(masks) == 1 else united(masks, mask_is, limits, files)
