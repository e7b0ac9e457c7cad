"""Small pictures of photo files, made once and kept beside the sessions."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from inpaint.errors import InpaintError
from inpaint.photo.files import load_photo
from inpaint.photo.limits import Limits
from inpaint.web.pictures import write_picture

PLAIN = ("RGB", "RGBA", "L", "LA", "P")  # modes that Pillow makes smaller without a loss of meaning


class Thumbnails:
    """Small PNG files of photos.

    Args:
        folder: where they are kept.
        limits: larger photos are refused.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits

    def of(self, paths: list[Path], side: int) -> list[Path | None]:
        """A PNG for each file, None where it cannot be read.

        Args:
            paths: files of photos.
            side: longest side of the small pictures, in pixels.
        """
        self.folder.mkdir(exist_ok=True)
        with ThreadPoolExecutor(4) as threads:
            return list(threads.map(lambda path: self._one(path, side), paths))

    def _one(self, path: Path, side: int) -> Path | None:
        try:
            found = path.stat()
            known = f"{path}:{found.st_mtime_ns}:{found.st_size}:{side}"
            small = self.folder / f"{hashlib.sha256(known.encode(errors='surrogateescape')).hexdigest()[:32]}.png"
            if not small.exists():
                self._write(path, small, side)
            return small
        except (InpaintError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None  # it is shown as a name; opening or filling it says what is wrong

    def _write(self, path: Path, small: Path, side: int) -> None:
        if path.stat().st_size > self.limits.file_bytes:
            raise ValueError("too large")
        try:
            with Image.open(path) as picture:
                self.limits.check_size(path, *picture.size)
                if picture.mode in PLAIN:
                    profile = picture.info.get("icc_profile")
                    picture.draft("RGB", (side, side))  # JPEG is decoded at a fraction of its size
                    upright = ImageOps.exif_transpose(picture)
                    upright.thumbnail((side, side))
                    form = "RGBA" if "A" in upright.getbands() or "transparency" in picture.info else "RGB"
                    settings = {"icc_profile": profile} if profile and b"RGB " in profile[16:20] else {}
                    upright.convert(form).save(small, "PNG", compress_level=1, **settings)
                    return
        except Image.UnidentifiedImageError:
            pass  # one of the formats that photo.files reads by other means
        photo = load_photo(path, self.limits)
        height, width = photo.pixels.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        write_picture(small, photo, np.ascontiguousarray(photo.pixels), size)
