"""Small pictures of photo files, made once and kept beside the sessions."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inpaint.errors import InpaintError
from inpaint.photo.limits import Limits
from inpaint.web.decoding import Decoders


class Thumbnails:
    """Small PNG files of photos.

    Args:
        folder: where they are kept.
        limits: larger photos are refused.
        decoders: read them.
    """

    def __init__(self, folder: Path, limits: Limits, decoders: Decoders) -> None:
        self.folder, self.limits, self.decoders = folder, limits, decoders

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
                self.decoders.thumbnail(path, small, side, self.limits)
            return small
        except (InpaintError, OSError, ValueError):
            return None  # it is shown as a name; opening or filling it says what is wrong
