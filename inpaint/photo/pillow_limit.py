"""Pillow's own limit of pixels, which belongs to the whole process, raised while somebody asks for more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_LOCK = threading.Lock()
_asked: list[int] = []  # what those within `pixels_allowed` ask for; Pillow's limit belongs to the whole process
_usual: int | None = None  # Pillow's limit while nobody asks


@contextmanager
def pixels_allowed(pixels: int) -> Iterator[None]:
    """Let Pillow open, decode and cut pictures of so many pixels without a warning; several threads may ask at once."""
    global _usual
    with _LOCK:
        if not _asked:
            _usual = Image.MAX_IMAGE_PIXELS
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
