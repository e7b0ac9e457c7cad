"""The mask of one task: from its files, from the photo's own transparency, or from a rule."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from inpaint.batch.plan import ALPHA
from inpaint.errors import EmptyMask, MaskError, shown
from inpaint.photo.limits import Limits
from inpaint.photo.mask_meaning import THRESHOLD
from inpaint.photo.masks import Mask, check_mask, load_mask
from inpaint.photo.picture import Photo

MaskMaker = Callable[[Photo, list[str]], Mask]


def united(files: list[Path], mask_is: str, limits: Limits) -> MaskMaker:
    """The hole that any of several files marks."""

    def make(photo: Photo, notes: list[str]) -> Mask:
        height, width = photo.pixels.shape[:2]
        orientation = photo.source.orientation if photo.source else 1
        mask = np.zeros((height, width), bool)
        for file in files:
            mask |= load_mask(
                file, (height, width), notes, mask_is=mask_is, orientation=orientation, limits=limits
            )  # fmt: skip
        return _checked(mask, f"{shown(files[0])} and {len(files) - 1} more")

    return make


def own_alpha(name: str) -> MaskMaker:
    """The hole is where the photo is more transparent than opaque."""

    def make(photo: Photo, notes: list[str]) -> Mask:
        if photo.alpha is None:
            raise EmptyMask(f"{name}: has no transparency, so there is nothing to fill")
        scale = 257 if photo.alpha.dtype == np.uint16 else 1
        notes.append(f"{name}: the transparent part was filled and is opaque now")
        return _checked(photo.alpha <= THRESHOLD * scale, name)

    return make


def _checked(mask: Mask, name: str) -> Mask:
    try:
        check_mask(mask)
    except EmptyMask as error:
        raise EmptyMask(f"{name}: {error}") from None
    except MaskError as error:
        raise MaskError(f"{name}: {error}") from None
    return mask


def mask_maker(rule: str, files: list[Path], name: str, mask_is: str, limits: Limits) -> MaskMaker | Path:
    """What `FillJob.mask` should be.

    Args:
        rule: of the task; empty with files.
        files: of the task.
        name: of the photo, for messages.
        mask_is: which part of a mask file is the hole.
        limits: larger files are refused.
    """
    if rule == ALPHA:
        return own_alpha(name)
    return files[0] if len(files) == 1 else united(files, mask_is, limits)
