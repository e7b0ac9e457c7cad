"""Which files `inpaint mask` reads and writes: names, checks before any work is done, and the writing itself."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import shown

if TYPE_CHECKING:
    from inpaint.masking.pixels import Mask

EXACT = (".png", ".tif", ".tiff", ".bmp", ".webp")
WHY = ", which keep a mask exact"


def named_files(paths: list[Path]) -> list[Path]:
    """The named files, and the pictures of the named folders.

    Raises:
        NothingToDo: a folder holds no picture.
        PhotoError: a folder cannot be listed.
    """
    from inpaint.errors import NothingToDo, PhotoError
    from inpaint.photo.formats import FORMATS

    files: list[Path] = []
    for path in paths:
        if os.path.isdir(path):
            try:
                inside = sorted(f for f in path.iterdir() if f.suffix.lower() in FORMATS and not f.name.startswith("."))
            except OSError as error:
                raise PhotoError(f"{shown(path)}: cannot be listed ({error.strerror or error})") from None
            if not inside:
                raise NothingToDo(f"{shown(path)}: the folder holds no picture")
            files += inside
        else:
            files.append(path)
    return files


def outputs_of(
    files: list[Path], output: Path, overwrite: bool, endings: tuple[str, ...] = EXACT, why: str = WHY
) -> list[Path]:
    """One output a file, refused before any work is done.

    Raises:
        OutputError: two inputs would have one output, it exists, or cannot be written.
    """
    from inpaint.errors import OutputError
    from inpaint.photo.files import check_output

    if len(files) == 1 and not os.path.isdir(output) and output.suffix:
        outputs = [output]
    else:
        if output.suffix and not os.path.isdir(output):
            raise OutputError(f"{shown(output)}: several photos need a folder as output")
        make_folder(output)
        outputs = [output / f"{file.stem}.png" for file in files]
    taken: dict[Path, Path] = {}
    for file, out in zip(files, outputs, strict=True):
        if out in taken:
            raise OutputError(f"{shown(out)}: {shown(taken[out])} and {shown(file)} would both be written there")
        taken[out] = file
        if out.suffix.lower() not in endings:
            raise OutputError(f"{shown(out)}: end the name with one of {' '.join(endings)}{why}")
        check_output(out, overwrite)
    return outputs


def make_folder(place: Path) -> None:
    """Make a folder where there is none.

    Raises:
        OutputError: it cannot be made, or is a file.
    """
    from inpaint.errors import OutputError

    try:
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{shown(place)}: the folder cannot be made ({reason})") from None


def keep_apart(**named: list[Path]) -> None:
    """Refuse to write a mask over a photo, or a preview over either.

    Args:
        named: the files of each role: photo, mask, preview.

    Raises:
        OutputError: one file has two roles.
    """
    from inpaint.errors import OutputError

    roles: dict[str, str] = {}
    for role, files in named.items():
        for file in files:
            other = roles.setdefault(os.path.realpath(file), role)
            if other != role:
                raise OutputError(f"{shown(file)}: is named as {other} and as {role}, each needs a file of its own")


def save_mask(mask: "Mask", path: Path, overwrite: bool) -> None:
    """Write a mask bool (H, W) as a grey picture, white is the hole."""
    import numpy as np

    from inpaint.photo.files import Photo, save_photo

    grey = np.repeat(mask.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)
    save_photo(Photo(grey, greyscale=True), path, overwrite)


def save_preview(pixels: Any, mask: "Mask", path: Path, overwrite: bool) -> None:
    """Write a photo uint8 or uint16 (H, W, 3) with a mask bool (H, W) shown on it."""
    from inpaint.masking.preview import overlay
    from inpaint.photo.files import Photo, save_photo

    save_photo(Photo(overlay(pixels, mask)), path, overwrite)


def one_place(args: argparse.Namespace, files: list[Path]) -> tuple[Path, Path | None]:
    """Where the mask of all photos and its preview go, both files or both folders; refused before any work is done.

    Raises:
        OutputError: they exist, cannot be written, or are one a file and one a folder.
    """
    from inpaint.errors import OutputError
    from inpaint.photo.formats import FORMATS

    output, preview = args.output, args.preview
    if os.path.isdir(output) or not output.suffix:
        if preview is not None and preview.suffix and not os.path.isdir(preview):
            raise OutputError(f"{shown(preview)}: masks in a folder need a folder for their previews")
    else:
        (output,) = outputs_of(files[:1], output, args.overwrite)
        if preview is not None:
            (preview,) = outputs_of(files[:1], preview, args.overwrite, tuple(FORMATS), "")
    keep_apart(photo=files, mask=[output], preview=[preview] if preview else [])
    return output, preview
