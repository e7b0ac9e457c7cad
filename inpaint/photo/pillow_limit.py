"""Pillow's own limits, which belong to the whole process, raised while somebody asks for more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, PngImagePlugin

PNG_BLOCK = 1 << 26  # bytes that a colour profile or a text of a PNG may grow to; Pillow's 1 MiB is less than some have
_LOCK = threading.Lock()
_asked: list[int] = []  # what those within `pixels_allowed` ask for; Pillow's limit belongs to the whole process
_usual: int | None = None  # Pillow's limits while nobody asks
_usual_block = 0


@contextmanager
def pixels_allowed(pixels: int) -> Iterator[None]:
    """Let Pillow open, decode and cut pictures of so many pixels without a warning; several threads may ask at once.

    Meanwhile a PNG's profile or text may have `PNG_BLOCK` bytes. All texts of a file together may not have more
    either: that is Pillow's own limit.
    """
    global _usual, _usual_block
    with _LOCK:
        if not _asked:
            _usual, _usual_block = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
        _asked.append(pixels)
        _set_pillow_limit()
    try:
        yield
    finally:
        with _LOCK:
            _asked.remove(pixels)
            _set_pillow_limit()


def _set_pillow_limit() -> None:
    Image.MAX_IMAGE_PIXELS = None if _usual is None else max(_usual, *_asked, 0)
    PngImagePlugin.MAX_TEXT_CHUNK = max(_usual_block, PNG_BLOCK) if _asked else _usual_block
