"""Memory that libraries would keep after a fill."""

import ctypes
import os
from collections.abc import Callable
from functools import lru_cache

LARGE = 1 << 14  # pixels of windows in a fill from which on its memory is given back; below, asking costs too much
PRIMITIVES = 64  # compiled convolutions that oneDNN keeps: some 15 of each window shape


def bound_caches() -> None:
    """Let oneDNN, below torch, keep at most `PRIMITIVES` compiled convolutions, unless the user settled how many.

    Its own bound is 1,024, and each window shape needs others, so that memory would grow with every shape that is met.
    oneDNN asks once, before its first convolution; afterwards this has no effect.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))


def give_back(pixels: int) -> None:
    """Return freed memory to the system after all but small fills; does nothing where the C library cannot.

    glibc keeps what is freed between blocks still in use, which would add up over photos of many sizes.

    Args:
        pixels: of all windows that were filled.
    """
    trim = _trim()
    if pixels >= LARGE and trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`, or None with another C library."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl and macOS have none; Windows has no such handle
        return None
    return trim
