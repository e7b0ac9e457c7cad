"""Writing TIFF: 1, 8 and 16 bits per channel with every tag of the source, which no one library does."""

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaint.photo import metadata as tags
from inpaint.photo.metadata import Metadata, exif_to_tags
from inpaint.photo.threads import in_threads

STRIP_BYTES = 1 << 20  # of pixels before compression
_RAW, _DEFLATE = 1, 8
_BILEVEL, _RGB, _PALETTE, _CMYK, _LAB = 1, 2, 3, 5, 8  # PhotometricInterpretation; greyscale is the same as bilevel


def encode_tiff(
    values: NDArray, photometric: str, metadata: Metadata, source: str, extra: int | None = None,
    palette: NDArray[np.uint8] | None = None, compress: bool = True,
) -> bytes:  # fmt: skip
    """A TIFF file.

    Args:
        values: bool (H, W) for 1 bit, or uint8 or uint16 (H, W) or (H, W, channels).
        photometric: `grey`, `rgb`, `palette`, `cmyk` or `lab` (a and b signed, as Pillow's arrays have them).
        metadata: what the file should say.
        source: format that the metadata come from; only a TIFF's own tags are taken over as they are.
        extra: meaning of a last channel beyond the colours: 0 unstated, 2 transparency.
        palette: uint8 (256, 3).
        compress: Deflate with horizontal prediction, else none.
    """
    directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    carried = list(metadata.extras) if source == "TIFF" else []
    if source != "TIFF" and metadata.exif:
        carried = [(tag, (None, value)) for tag, value in exif_to_tags(metadata.exif)]
    if source != "TIFF" and metadata.dpi:
        carried = [t for t in carried if t[0] not in (282, 283, 296)]
        carried += [(282, (TiffTags.RATIONAL, metadata.dpi[0])), (283, (TiffTags.RATIONAL, metadata.dpi[1]))]
        carried += [(296, (TiffTags.SHORT, 2))]
    for tag, (kind, value) in carried:
        _set(directory, tag, kind, value)
    for tag, content in ((tags.ICC_TAG, metadata.icc), (tags.XMP_TAG, metadata.xmp), (tags.IPTC_TAG, metadata.iptc)):
        if content:
            _set(directory, tag, TiffTags.BYTE if tag == tags.XMP_TAG else TiffTags.UNDEFINED, content)
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    bits = 1 if values.dtype == np.bool_ else values.dtype.itemsize * 8
    code = {"grey": _BILEVEL, "rgb": _RGB, "palette": _PALETTE, "cmyk": _CMYK, "lab": _LAB}[photometric]
    predict = compress and bits > 1 and photometric != "palette"
    row_bytes = max(1, (width * channels * bits + 7) // 8)
    rows = max(1, min(height, STRIP_BYTES // row_bytes))
    strips = in_threads(lambda y: _strip(values[y : y + rows], compress, predict), range(0, height, rows))
    structure: list[tuple[int, int, Any]] = [
        (256, TiffTags.LONG, width), (257, TiffTags.LONG, height), (258, TiffTags.SHORT, (bits,) * channels),
        (259, TiffTags.SHORT, _DEFLATE if compress else _RAW), (262, TiffTags.SHORT, code),
        (273, TiffTags.LONG, tuple(int(n) for n in np.cumsum([0] + [len(s) for s in strips[:-1]]))),
        (277, TiffTags.SHORT, channels), (278, TiffTags.LONG, rows),
        (279, TiffTags.LONG, tuple(len(s) for s in strips)), (284, TiffTags.SHORT, 1),
    ]  # fmt: skip
    if predict:
        structure.append((317, TiffTags.SHORT, 2))
    if palette is not None:
        structure.append((320, TiffTags.SHORT, tuple(int(v) * 257 for v in palette.T.ravel())))
    if extra is not None:
        structure.append((338, TiffTags.SHORT, extra))
    for tag, kind, value in structure:
        directory.tagtype[tag] = kind
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    file.write(b"".join(strips))
    return file.getvalue()


def _set(directory: ImageFileDirectory_v2, tag: int, kind: int | None, value: Any) -> None:
    """Take a tag over, or leave it out where its value cannot be written (tags of damaged files)."""
    trial = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    try:
        for target in (trial, directory):
            if kind is not None:
                target.tagtype[tag] = kind
            target[tag] = value
            if target is trial:
                trial.tobytes()
    except Exception:  # Pillow raises whatever the conversion met
        for kept in (directory.tagtype, directory._tags_v2):
            kept.pop(tag, None)


def _strip(values: NDArray, compress: bool, predict: bool) -> bytes:
    if values.dtype == np.bool_:
        values = np.packbits(values, axis=1)
    if predict:
        first = np.zeros_like(values[:, :1])
        values = np.diff(values, axis=1, prepend=first)  # wraps around, as TIFF 6.0 section 14 wants
    stored = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return zlib.compress(stored, 6) if compress else stored
