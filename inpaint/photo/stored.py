"""Whether a written PNG or TIFF stores exactly certain pixels, told without decoding it into a second picture."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.photo.decode import orientation_of
from inpaint.photo.png_rows import rows_are
from inpaint.photo.threads import in_threads

PIXELS = 1_000_000  # below, decoding costs too little to be avoided
_RAW, _DEFLATE = 1, 8


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
    return picture.format == "TIFF" and _strips_are(picture, data, values)


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
    kind = values.dtype.newbyteorder("<")

    def equal(number: int) -> bool:
        content = data[offsets[number] : offsets[number] + sizes[number]]
        wanted = values[number * rows : (number + 1) * rows]
        found = zlib.decompress(content) if compression == _DEFLATE else content
        if len(found) != wanted.nbytes:
            return False
        stored = np.frombuffer(found, kind).reshape(wanted.shape)
        if predictor == 1:
            return np.array_equal(stored, wanted)
        first, others = stored[:, :1], stored[:, 1:]
        return np.array_equal(first, wanted[:, :1]) and np.array_equal(others, wanted[:, 1:] - wanted[:, :-1])

    try:
        return all(in_threads(equal, range(len(offsets))))
    except zlib.error:
        return False
