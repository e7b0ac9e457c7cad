"""What the HTTP API does with uploaded files. All of it runs in a worker process: the server never decodes a file."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from inpaint.errors import EmptyMask, MaskError, OptionError, PhotoError
from inpaint.fill_file import FillJob, MaskMaker, fill_file
from inpaint.filling.progress import Listener
from inpaint.masking.rules import parse_rule
from inpaint.options import FillOptions
from inpaint.photo.decode import errors_named, identify, open_upright, written_format
from inpaint.photo.files import load_photo
from inpaint.photo.formats import BY_NAME
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.mask_meaning import THRESHOLD, Mask
from inpaint.photo.masks import check_mask, dilate_mask, load_mask
from inpaint.photo.picture import Photo
from inpaint.web.networks import Networks
from inpaint.web.pictures import write_mask

MEDIA = {name: f"image/{name.lower()}" for name in BY_NAME} | {"HEIF": "image/heic"}
PAINTED = (255, 203, 0, 186)  # RGBA that IOPaint's page paints masks with: ffcb00 at 0.73


@dataclass(frozen=True)
class Outcome:
    """A file that a task made.

    Args:
        file: its name in the task's folder.
        media: its MIME type.
        report: what was done, JSON values.
    """

    file: str
    media: str
    report: dict[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """Work on the files of a folder of its own; pickled to the worker."""

    def perform(self, networks: Networks, tell: Listener) -> Outcome:
        """Do it; raises InpaintError, Cancelled where `tell` returns False."""


@dataclass(frozen=True)
class FillTask:
    """Fill the file `photo`, with the file `mask` or a rule.

    Args:
        folder: where the files are and the result goes.
        options: how to fill.
        model: name of the network; "" for the default.
        rule: mask rule as text, dict or list; None: the file `mask`.
        mask_is: which part of the mask file is the hole.
        drawn: the mask must have the photo's size, and exactly what is brighter than 127 is the hole.
        form: format of the result, a name of `formats.BY_NAME`; "" for the photo's.
        lossless: refuse to move kept pixels.
        limits: larger files are refused.
    """

    folder: Path
    options: FillOptions = FillOptions()
    model: str = ""
    rule: Any = None
    mask_is: str = "auto"
    drawn: bool = False
    form: str = ""
    lossless: bool = False
    limits: Limits = Limits()

    def perform(self, networks: Networks, tell: Listener) -> Outcome:
        """Fill; the written file is proven outside the hole as always."""
        source, mask = self.folder / "photo", self.folder / "mask"
        form = self.form or file_format(source, self.limits)
        output = self.folder / f"filled{BY_NAME[form].suffixes[0]}"
        how: Path | MaskMaker = mask
        if self.rule is not None:
            how = _ruled(self.rule, mask if mask.exists() else None, self.limits)
        elif self.drawn:
            how = _drawn(mask, self.limits)
        job = FillJob(
            source, how, output, self.options, mask_is=self.mask_is, lossless=self.lossless, overwrite=True,
            limits=self.limits, model=self.model or networks.names[0], device=networks.device,
        )  # fmt: skip
        made = fill_file(job, lambda: networks.get(self.model), progress=tell)
        report = json.loads(made.to_json())
        report |= {"photo": source.name, "output": output.name, "engines": made.fill.engines}
        report["notes"] = [note.replace(f"{self.folder}{os.sep}", "") for note in made.notes]
        return Outcome(output.name, MEDIA[form], report)


@dataclass(frozen=True)
class MaskTask:
    """Find a mask for the file `photo`; white is what was found, nothing where nothing was.

    Args:
        folder: where the file is and the mask goes; a file `scribble` there is a rough painting on an object.
        rule: mask rule.
        painted: colour and transparency, as IOPaint's page shows masks.
        limits: larger files are refused.
    """

    folder: Path
    rule: Any
    painted: bool = False
    limits: Limits = Limits()

    def perform(self, networks: Networks, tell: Listener) -> Outcome:
        """Find it."""
        scribble = self.folder / "scribble"
        rule = _ruled(self.rule, scribble if scribble.exists() else None, self.limits)
        photo = load_photo(self.folder / "photo", self.limits)
        tell("mask", 0.5)
        notes: list[str] = list(photo.notes)
        try:
            mask = rule(photo, notes)
        except EmptyMask:
            mask = np.zeros(photo.pixels.shape[:2], bool)
        return _mask_outcome(self.folder, mask, self.painted, [n.replace(f"{self.folder}{os.sep}", "") for n in notes])


@dataclass(frozen=True)
class AdjustTask:
    """Widen, narrow or reverse the file `mask`, as IOPaint does.

    Args:
        folder: where the file is and the result goes.
        operate: `expand`, `shrink` or `reverse`.
        kernel_size: radius in pixels.
        limits: larger files are refused.
    """

    folder: Path
    operate: str
    kernel_size: int = 5
    limits: Limits = Limits()

    def perform(self, networks: Networks, tell: Listener) -> Outcome:
        """Do it; here 127 counts as white, as it does there."""
        mask = _luma(self.folder / "mask", self.limits) >= THRESHOLD
        if self.operate == "reverse":
            mask = ~mask
        elif self.operate == "expand":
            mask = dilate_mask(mask, self.kernel_size)
        else:
            mask = ~dilate_mask(~mask, self.kernel_size)
        return _mask_outcome(self.folder, mask, True, [])


def file_format(path: Path, limits: Limits) -> str:
    """The format in which a picture file is written back, from its header; raises PhotoError."""
    data = read_bytes(path, limits)
    with errors_named(path):
        return written_format(identify(path, data, limits))


def _luma(path: Path, limits: Limits) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        return np.array(open_upright(path, limits)[0].convert("L"))
    except PhotoError as error:
        raise MaskError(str(error)) from None


def _drawn(path: Path, limits: Limits) -> MaskMaker:
    def make(photo: Photo, notes: list[str]) -> Mask:
        mask = _luma(path, limits) > THRESHOLD
        sizes = [f"{values.shape[1]}x{values.shape[0]}" for values in (photo.pixels, mask)]
        if sizes[0] != sizes[1]:
            raise MaskError(f"the image has {sizes[0]} pixels and the mask {sizes[1]}, they must have the same size")
        check_mask(mask)
        return np.asarray(mask)

    return make


def _ruled(rule: Any, scribble: Path | None, limits: Limits) -> Callable[[Photo, list[str]], Mask]:
    """A mask maker from a rule; a scribble comes as an uploaded file, never as a path in the rule."""
    terms = [rule] if isinstance(rule, dict) else rule
    if any("scribble" in term.settings for term in parse_rule(terms).terms):
        raise OptionError("a scribble is sent as a file beside the photo, not named in the rule")

    def make(photo: Photo, notes: list[str]) -> Mask:
        used: Any = terms
        if scribble is not None and not isinstance(terms, str):
            drawn = load_mask(scribble, photo.pixels.shape[:2], notes, limits=limits)
            used = [term | {"scribble": drawn} if term.get("kind") == "object" else term for term in terms]
        mask = parse_rule(used)(photo.pixels)
        check_mask(mask)
        return mask

    return make


def _mask_outcome(folder: Path, mask: Mask, painted: bool, notes: list[str]) -> Outcome:
    path = folder / "found.png"
    if painted:
        picture = np.zeros((*mask.shape, 4), np.uint8)
        picture[mask] = PAINTED
        Image.fromarray(picture).save(path, compress_level=1)
    else:
        write_mask(path, mask, (mask.shape[1], mask.shape[0]))
    report = {"width": mask.shape[1], "height": mask.shape[0], "pixels": int(mask.sum()), "notes": notes}
    return Outcome(path.name, "image/png", report)


def file_media(data: bytes) -> str:
    """The MIME type of a picture, from its first bytes."""
    heads = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"BM": "image/bmp",
             b"GIF8": "image/gif", b"II*\0": "image/tiff", b"MM\0*": "image/tiff"}  # fmt: skip
    return next((media for head, media in heads.items() if data.startswith(head)), "application/octet-stream")
