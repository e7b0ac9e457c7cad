"""Reading photos from files and writing them back with what they came with."""

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OptionError, OutputError, shown
from inpaint.photo.encode import NEEDS_PILLOW_HEIF, encode_photo
from inpaint.photo.formats import BY_NAME, FORMATS, HEIF, Format
from inpaint.photo.load import load_photo
from inpaint.photo.picture import Photo
from inpaint.photo.staging import Staging, check_writable, write_hidden
from inpaint.photo.verify import Verification, verify_photo

__all__ = ["FORMATS", "Photo", "Saved", "check_output", "load_photo", "save_photo", "write_photo"]


@dataclass(frozen=True)
class Saved:
    """What writing a photo did: what was lost, in sentences; the proof, if it was asked for; the seconds it took."""

    notes: list[str]
    verification: Verification | None = None
    seconds: float = 0.0


def save_photo(
    photo: Photo, path: str | os.PathLike[str], overwrite: bool = False, *,
    lossless: bool = False, keep_time: bool = False, hole: NDArray[np.bool_] | None = None,
) -> Saved:  # fmt: skip
    """Write a photo, whole or not at all.

    Args:
        photo: what to write.
        path: its ending names the format, see `FORMATS`.
        overwrite: replace an existing file.
        lossless: refuse a format that moves kept pixels; choose the lossless kind of WebP and HEIC.
        keep_time: give the file the times of the photo's source.
        hole: bool (H, W); when given, the file is decoded and every pixel outside is compared with the source.

    Returns:
        what was lost, and the proof.

    Raises:
        OptionError: `lossless` with a format that cannot be.
        OutputError: unknown ending, the file exists, cannot be written, or fails its proof; nothing is left behind.
    """
    path = Path(path)
    check_output(path, overwrite)
    with Staging(overwrite=overwrite) as staging:
        hidden = staging.reserve(path)
        saved = write_photo(hidden, photo, path, lossless=lossless, keep_time=keep_time, hole=hole)
        staging.commit()
    return saved


def write_photo(
    hidden: Path, photo: Photo, path: Path, *,
    lossless: bool = False, keep_time: bool = False, hole: NDArray[np.bool_] | None = None, durable: bool = False,
) -> Saved:  # fmt: skip
    """`save_photo` up to the moment at which the file would appear.

    Args:
        hidden: the file to write, from `Staging.reserve`; who reserved it removes it after an error.
        photo, path, lossless, keep_time, hole: as for `save_photo`.
        durable: wait until it is on the disk.

    Raises:
        OptionError, OutputError: as `save_photo`.
    """
    form = output_format(path)
    check_lossless(path, lossless)
    try:
        encoded = encode_photo(photo, form, lossless)
    except OutputError as error:
        raise OutputError(f"{shown(path)}: {error}") from None
    times = photo.source.times if keep_time and photo.source else None
    write_hidden(hidden, path, encoded.data, times, durable)
    notes = [f"{shown(path)}: {note}" for note in encoded.notes]
    if hole is None:
        return Saved(notes)
    start = time.perf_counter()
    proof = verify_photo(path, hidden, photo, hole, encoded.exact)
    return Saved(notes, proof, time.perf_counter() - start)


def output_format(path: Path) -> Format:
    """The format that a file's ending names; raises OutputError for an unknown one."""
    name = FORMATS.get(path.suffix.lower())
    if name is None:
        raise OutputError(f"{shown(path)}: cannot tell the format, end the name with one of {' '.join(FORMATS)}")
    return BY_NAME[name]


def check_lossless(path: Path, lossless: bool) -> None:
    """Refuse `--lossless` for a format that has no lossless kind; raises OptionError."""
    form = output_format(path)
    if lossless and (form.lossless is False or form.palette_only):
        raise OptionError(f"{shown(path)}: {form.name} is not lossless, name a .png")


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output path before any work is done.

    Raises:
        OutputError: missing folder, a folder of that name, the file exists and `overwrite` is False, unknown ending, or
            HEIC without the package that writes it.
    """
    check_writable(path, overwrite)
    if output_format(path) is HEIF and find_spec("pillow_heif") is None:
        raise OutputError(f"{shown(path)}: {NEEDS_PILLOW_HEIF}")
