"""Who opens picture files: this process, or for files of strangers others that may crash (`web.decoding`)."""

import stat
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint.photo.decode import opener_registered
from inpaint.photo.files import Saved, write_photo
from inpaint.photo.limits import Limits
from inpaint.photo.load import load_photo
from inpaint.photo.masks import Mask, load_mask
from inpaint.photo.picture import Photo
from inpaint.photo.pillow_limit import pixels_allowed

_ANY = 1 << 62  # pixels: a header alone is read


def header_size(file: BinaryIO) -> tuple[int, int]:
    """Width and height from the header of a picture file, as stored; raises nearly anything where it is damaged."""
    opener_registered(file.read(12))
    file.seek(0)
    with pixels_allowed(_ANY), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file) as picture:
            return picture.size


class PictureFiles:
    """Opens and writes picture files in this process."""

    def photo(self, path: Path, limits: Limits) -> Photo:
        """`load_photo`, with its errors."""
        return load_photo(path, limits)

    def mask(
        self, path: Path, shape: tuple[int, int], mask_is: str, orientation: int, limits: Limits
    ) -> tuple[Mask, list[str]]:
        """`load_mask` and its notes, with its errors."""
        notes: list[str] = []
        return load_mask(path, shape, notes, mask_is=mask_is, orientation=orientation, limits=limits), notes

    def size(self, path: Path) -> tuple[int, int] | None:
        """Width and height from a file's header, as stored; None where they cannot be told."""
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
                return None
            with open(path, "rb") as file:
                return header_size(file)
        except Exception:  # damaged files raise nearly anything; why it cannot be read is found when it is filled
            return None

    def write(
        self, hidden: Path, photo: Photo, path: Path, *, lossless: bool, keep_time: bool,
        hole: NDArray[np.bool_] | None, durable: bool,
    ) -> Saved:  # fmt: skip
        """`write_photo`, with its errors."""
        return write_photo(
            hidden, photo, path, lossless=lossless, keep_time=keep_time, hole=hole, durable=durable
        )  # fmt: skip
