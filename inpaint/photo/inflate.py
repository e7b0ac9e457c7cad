"""Deflate streams undone by libdeflate where the package `deflate` is installed, else by zlib, which takes longer."""

import zlib
from collections.abc import Callable
from typing import Any

try:
    import deflate
except ImportError:
    _fast: Any = None
else:
    _fast = deflate

Content = bytes | memoryview
crc32: Callable[..., int] = (_fast or zlib).crc32
adler32: Callable[..., int] = (_fast or zlib).adler32
_DAMAGED: tuple[type[Exception], ...] = (zlib.error, ValueError, *([_fast.DeflateError] if _fast else []))
_SENTINEL = 0xA5
_END = bytes((1, 1, 0, 0xFE, 0xFF, _SENTINEL))  # a last block that stores one byte (RFC 1951, 3.2.4)


def inflate_zlib(content: Content, size: int) -> bytes | None:
    """What a zlib stream holds, its checksum tested; None where that is damaged or not `size` bytes."""
    found = _tried(_fast.zlib_decompress if _fast else _zlib, content, size)
    return found if found is not None and len(found) == size else None


def inflate_piece(content: Content, size: int) -> memoryview | None:
    """What a piece of a Deflate stream holds that ends at a byte, refers to nothing before it, and is not the last.

    Returns:
        `size` bytes, or None where it holds another number of them, ends the stream, or is damaged.
    """
    work = _fast.deflate_decompress if _fast else _raw
    found = _tried(work, bytes(content) + _END, size + 1)  # a piece that ended the stream would hide the sentinel
    return memoryview(found)[:size] if found and len(found) == size + 1 and found[size] == _SENTINEL else None


def inflate_last(content: Content, size: int) -> bytearray | None:
    """What the last piece of a Deflate stream holds; None as for `inflate_piece`, or where anything follows it."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # unlike libdeflate it tells where the stream ended
    try:
        found = inflate.decompress(content)
    except zlib.error:
        return None
    whole = inflate.eof and not inflate.unused_data and len(found) == size
    return bytearray(found) if whole else None  # as libdeflate's, so that loops over it are compiled once


def _tried(work: Callable[[Content, int], bytes], content: Content, size: int) -> bytes | None:
    try:
        return work(content, size)
    except _DAMAGED:
        return None


def _zlib(content: Content, size: int) -> bytes:
    return zlib.decompress(content, zlib.MAX_WBITS, size)


def _raw(content: Content, size: int) -> bytes:
    return zlib.decompress(content, -zlib.MAX_WBITS, size)
