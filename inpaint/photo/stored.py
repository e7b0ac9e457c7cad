"""Whether a written PNG, TIFF or BMP stores exactly certain pixels, told without decoding it into a second picture."""

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.photo.decode import orientation_of
from inpaint.photo.inflate import inflate_zlib
from inpaint.photo.png_rows import rows_are
from inpaint.photo.threads import in_threads

PIXELS = 1_000_000  # below, decoding costs too little to be avoided
_RAW, _DEFLATE = 1, 8
_BAND = 64  # rows of a BMP compared at once: about what a core's cache holds


def stores(picture: Any, data: bytes, values: NDArray[Any]) -> bool:
    """Whether a file decodes to exactly these pixels.

    Args:
        picture: the file, opened by Pillow, not decoded.
        data: its bytes.
        values: uint8 or uint16 (H, W, channels) with 3 or 4 channels, the fourth transparency.

    Returns:
        False also where a kind of file is not known here: then it has to be decoded to tell.
    """
    if picture.size != values.shape[1::-1] or picture.width * picture.height < PIXELS or orientation_of(picture) != 1:
        return False
    if picture.format == "PNG":
        return "transparency" not in picture.info and rows_are(data, values)
    if picture.format == "BMP":
        return _bitmap_is(data, values)
    return picture.format == "TIFF" and _strips_are(picture, data, values)


def _bitmap_is(data: bytes, values: NDArray[Any]) -> bool:
    """Whether a BMP holds these pixels: blue, green and red, the last row first, rows filled up to four bytes."""
    height, width, channels = values.shape
    (offset,), (head, *sides, planes, bits, compression) = (
        struct.unpack_from("<I", data, 10), struct.unpack_from("<IiiHHI", data, 14)
    )  # fmt: skip
    stride = -(-3 * width // 4) * 4
    if (
        values.dtype != np.uint8 or channels != 3 or head != 40 or sides != [width, height]
        or (planes, bits, compression) != (1, 24, 0) or len(data) < offset + stride * height
    ):  # fmt: skip
        return False
    stored = np.frombuffer(data, np.uint8, stride * height, offset).reshape(height, stride)[::-1, : 3 * width]

    def equal(top: int) -> bool:
        wanted = cv2.cvtColor(values[top : top + _BAND], cv2.COLOR_RGB2BGR)
        return np.array_equal(stored[top : top + _BAND], wanted.reshape(len(wanted), -1))

    return all(in_threads(equal, range(0, height, _BAND)))


def _strips_are(picture: Any, data: bytes, values: NDArray[Any]) -> bool:
    """Whether a TIFF's strips hold these pixels, or each row's differences from pixel to pixel (TIFF 6.0, 14)."""
    tags = picture.tag_v2
    height, width, channels = values.shape
    layout = {256: width, 257: height, 258: (values.dtype.itemsize * 8,) * channels, 262: 2, 277: channels, 284: 1}
    compression, predictor, extra = tags.get(259, _RAW), tags.get(317, 1), tags.get(338)
    rows, offsets, sizes = tags.get(278, height), tags.get(273, ()), tags.get(279, ())
    if (
        tags.prefix != b"II" or any(tags.get(tag) != value for tag, value in layout.items())
        or compression not in (_RAW, _DEFLATE) or predictor not in (1, 2) or (channels == 4) != (extra in (2, (2,)))
        or len(offsets) != len(sizes) or len(offsets) != -(-height // rows)
    ):  # fmt: skip
        return False
    kind, view = values.dtype.newbyteorder("<"), memoryview(data)

    def equal(number: int) -> bool:
        content = view[offsets[number] : offsets[number] + sizes[number]]
        wanted = values[number * rows : (number + 1) * rows]
        found = inflate_zlib(content, wanted.nbytes) if compression == _DEFLATE else content
        if found is None or len(found) != wanted.nbytes:
            return False
        stored = np.frombuffer(found, kind).reshape(wanted.shape)
        if predictor == 1:
            return np.array_equal(stored, wanted)
        first, others = stored[:, :1], stored[:, 1:]
        return np.array_equal(first, wanted[:, :1]) and np.array_equal(others, wanted[:, 1:] - wanted[:, :-1])

    return all(in_threads(equal, range(len(offsets))))
