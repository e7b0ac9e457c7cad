"""EXIF orientation: how stored pixels are turned upright, and back."""

import struct

import numpy as np
from numpy.typing import NDArray

# EXIF 2.32, tag 274 -> transpose first, then flip top to bottom, then flip left to right
TURNS = {
    1: (False, False, False), 2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip
_TAG, _SHORT = 274, 3  # TIFF 6.0, section 8; type of two bytes
_ENTRIES = 65_535  # of a directory; libtiff refuses more


def swaps_sides(orientation: int) -> bool:
    """Whether turning upright exchanges width and height."""
    return TURNS[orientation][0]


def turn_upright(stored: NDArray, orientation: int) -> NDArray:
    """Turn stored pixels (H, W) or (H, W, C) upright; orientation is 1 to 8 as in EXIF."""
    transpose, vertical, horizontal = TURNS[orientation]
    turned = np.swapaxes(stored, 0, 1) if transpose else stored
    turned = turned[::-1] if vertical else turned
    return turned[:, ::-1] if horizontal else turned


def turn_back(upright: NDArray, orientation: int) -> NDArray:
    """The inverse of `turn_upright`: upright pixels as they were stored; a new array."""
    transpose, vertical, horizontal = TURNS[orientation]
    turned = upright[:, ::-1] if horizontal else upright
    turned = turned[::-1] if vertical else turned
    return np.ascontiguousarray(np.swapaxes(turned, 0, 1) if transpose else turned)


def tiff_as_stored(tiff: bytes) -> bytes:
    """A TIFF or BigTIFF file whose first directory states orientation 1, for decoders that would turn it themselves.

    Args:
        tiff: the file.

    Returns:
        a copy with the tag patched, or the file itself where it states nothing or is damaged.
    """
    order, big = {b"II": "<", b"MM": ">"}.get(tiff[:2], ""), tiff[2:4] in (b"+\0", b"\0+")
    if not order:
        return tiff
    # BigTIFF: counts and offsets of 8 bytes in place of 2 and 4, entries of 20 bytes in place of 12
    offset, count, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    patched = bytearray()
    try:
        (start,) = struct.unpack_from(order + offset, tiff, 8 if big else 4)
        (entries,) = struct.unpack_from(order + count, tiff, start)
        first, size = start + struct.calcsize(order + count), struct.calcsize(order + entry)
        for place in range(first, first + size * min(entries, _ENTRIES), size):
            if struct.unpack_from(order + "H", tiff, place)[0] == _TAG:
                patched = patched or bytearray(tiff)
                struct.pack_into(order + entry, patched, place, _TAG, _SHORT, 1, 0)
                struct.pack_into(order + "H", patched, place + size - (8 if big else 4), 1)
    except (struct.error, OverflowError):
        pass  # the directory reaches beyond the file; what is there was patched
    return bytes(patched) or tiff
