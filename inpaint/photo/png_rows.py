"""The rows of a PNG as they are stored: filtered, compressed in strips by all threads, and proven without decoding.

Each row is stored as its difference from a prediction out of its neighbours (PNG third edition, section 9). That is one
to one: a file decodes to a picture exactly if the picture's own differences, under the same filters, are the stored
ones. Taking differences needs no finished row, unlike undoing them, and no second picture in memory.

Every strip of rows is a chunk of its own whose compression refers to nothing before it. Readers see one stream.
"""

import functools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.photo import png
from inpaint.photo.inflate import adler32, crc32, inflate_last, inflate_piece
from inpaint.photo.threads import in_threads

Bytes = NDArray[np.uint8]
STRIP = 1 << 20  # bytes of rows that are looked at together: about what a core's cache holds
_SAMPLE = 1 << 15  # bytes of a strip on which two ways of compressing it are tried
_WORTH = 0.98  # size from which searching for repetitions is worth several times the time
_KINDS = {1: png.GREY, 2: png.GREY_ALPHA, 3: 2, 4: 6}  # channels -> colour type
_ZLIB_HEAD = b"\x78\x9c"
_ADLER = 65521


def encode_rows(values: NDArray[Any]) -> bytes:
    """A PNG file of pixels, without anything else.

    Args:
        values: uint8 or uint16 (H, W, channels): grey, grey and alpha, RGB, or RGB and alpha.
    """
    height, width, channels = values.shape
    length = width * channels * values.dtype.itemsize
    count = max(1, STRIP // length)
    tops = range(0, height, count)

    def strip(top: int) -> tuple[bytes, int, int]:
        above, rows = _stored_bytes(values, top, min(top + count, height))
        stored = np.empty((len(rows), length + 1), np.uint8)
        _compiled("filter")(rows, above, stored, channels * values.dtype.itemsize)
        content = stored.tobytes()
        return _compressed(content, top + count >= height), zlib.adler32(content), len(content)

    strips = in_threads(strip, tops)
    checksum = functools.reduce(_joined, ((adler, size) for _, adler, size in strips))[0]
    parts = [png.SIGNATURE, png.chunk(b"IHDR", _head(values))]
    for number, (content, _, _) in enumerate(strips):
        first = _ZLIB_HEAD if number == 0 else b""
        last = checksum.to_bytes(4, "big") if number == len(strips) - 1 else b""
        parts.append(png.chunk(b"IDAT", first + content + last))
    return b"".join([*parts, png.chunk(b"IEND", b"")])


def rows_are(data: bytes, values: NDArray[Any]) -> bool:
    """Whether a PNG file decodes to exactly these pixels.

    Args:
        data: the file.
        values: as for `encode_rows`.

    Returns:
        False also for a file that was not written by `encode_rows`: it has to be decoded to tell.
    """
    height, width, channels = values.shape
    length = width * channels * values.dtype.itemsize
    count = max(1, STRIP // length)
    chunks = list(png.views(data))
    strips = [(content, checksum) for name, content, checksum in chunks if name == b"IDAT"]
    whole = bool(chunks) and chunks[-1][0] == b"IEND" and len(strips) == -(-height // count)
    if not whole or bytes(chunks[0][1]) != _head(values) or bytes(strips[0][0][:2]) != _ZLIB_HEAD:
        return False

    def check(number: int) -> tuple[int, int] | None:
        content, checksum = strips[number]
        if crc32(content, crc32(b"IDAT")) != checksum:
            return None
        above, rows = _stored_bytes(values, number * count, min((number + 1) * count, height))
        last = number == len(strips) - 1
        content = content[2 if number == 0 else 0 : len(content) - 4 if last else None]
        found = (inflate_last if last else inflate_piece)(content, len(rows) * (length + 1))
        if found is None:
            return None
        stored = np.frombuffer(found, np.uint8).reshape(len(rows), length + 1)
        step = channels * values.dtype.itemsize
        return None if _compiled("differ")(rows, above, stored, step) else (adler32(found), len(found))

    checked = in_threads(check, range(len(strips)))
    sums = [one for one in checked if one is not None]
    return len(sums) == len(strips) and functools.reduce(_joined, sums)[0] == int.from_bytes(strips[-1][0][-4:], "big")


def _head(values: NDArray[Any]) -> bytes:
    height, width, channels = values.shape
    return struct.pack(">IIBBBBB", width, height, values.dtype.itemsize * 8, _KINDS[channels], 0, 0, 0)


def _stored_bytes(values: NDArray[Any], start: int, end: int) -> tuple[Bytes, Bytes]:
    """Rows as bytes, high before low: the one above the first (zeros above the picture), and (rows, length)."""
    rows = values[max(0, start - 1) : end]
    found = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">")).view(np.uint8).reshape(len(rows), -1)
    return (found[0], found[1:]) if start else (np.zeros_like(found[0]), found)


def _compressed(content: bytes, last: bool) -> bytes:
    """A piece of a Deflate stream: photos by runs and frequencies alone where that is about as small."""
    middle = max(0, (len(content) - _SAMPLE) // 2)
    sample = content[middle : middle + _SAMPLE]
    sizes = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE):
        trial = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
        sizes.append(len(trial.compress(sample) + trial.flush()))
    strategy = zlib.Z_DEFAULT_STRATEGY if sizes[0] < _WORTH * sizes[1] else zlib.Z_RLE
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return deflate.compress(content) + deflate.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def _joined(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """Adler-32 and length of two pieces together."""
    low = (first[0] & 0xFFFF) + (second[0] & 0xFFFF) - 1
    high = (first[0] >> 16) + (second[0] >> 16) + second[1] * ((first[0] & 0xFFFF) - 1)
    return (high % _ADLER) << 16 | low % _ADLER, first[1] + second[1]


@functools.cache
def _compiled(name: str) -> Callable[..., Any]:
    """A loop of `png_filters`, kept on disk where there is a place for it."""
    from numba import njit

    from inpaint.photo import png_filters

    loop = {"filter": png_filters.filter_rows, "differ": png_filters.rows_differ}[name]
    empty = np.zeros((1, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((1, 5), np.uint8), 1
    try:
        made: Callable[..., Any] = njit(nogil=True, cache=True)(loop)
        made(*empty)
    except (RuntimeError, OSError):
        made = njit(nogil=True)(loop)
    return made
