"""Writing JPEG so that the kept pixels move as little as the format allows.

Encoding a decoded JPEG again with its own quantisation tables would give the same file, were it not for three losses
on the way: colours rounded to RGB, chroma smoothed by the decoder's interpolation and averaged again by the encoder,
values cut at 0 and 255 and rounded. The first two are avoided here by working on the file's own planes: luma and chroma
are taken from the decoder before they become RGB, the interpolation of chroma is undone, and the planes are handed to
the encoder as they are. With `jpeglib` installed (extra `jpeg`) the third goes too: every block of coefficients that
the fill does not touch is copied from the source (jpeglib writes them in one pass, so a progressive file becomes a
baseline one, which is said). All of that needs the grid of blocks to stay where it was, so a photo
that is stored turned is written turned, and its tag goes on saying so.
"""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from inpaint.photo import segments
from inpaint.photo.load import array_of
from inpaint.photo.metadata import Metadata, as_stored
from inpaint.photo.orientation import turn_back
from inpaint.photo.picture import Photo

Box = tuple[slice, slice]
QUALITY = 95  # of photos that were no JPEG before, with full chroma
_STEPS, _STEP = 10, 4 / 3  # Richardson's iteration for eigenvalues between 1/2 and 1: each step leaves a third
_FACTORS = {0: (1, 1), 1: (1, 2), 2: (2, 2)}  # Pillow's subsampling -> chroma's reduction down and across

_GRID = 16  # pixels: the largest unit in which a JPEG of these kinds is coded
_AROUND = 32  # pixels beyond which undoing the interpolation of chroma (10 steps of one sample) reaches nothing


def encode_jpeg(photo: Photo, values: NDArray[np.uint8], mode: str) -> bytes:
    """A JPEG file.

    Args:
        photo: its source's tables, subsampling and untouched parts are used again where it was a JPEG.
        values: uint8 (H, W) or (H, W, channels), upright.
        mode: `L`, `RGB` or `CMYK`.
    """
    source = photo.source
    if source is None or source.format != "JPEG":
        return _finish(_plain(values, mode, quality=QUALITY, subsampling=0), photo.metadata)
    values = turn_back(values, source.orientation)
    metadata = as_stored(photo.metadata, source.orientation)
    with Image.open(io.BytesIO(source.data), formats=("JPEG", "MPO")) as opened:
        original: Any = opened
        tables = [list(table) for _, table in sorted(original.quantization.items())]
        sampling = JpegImagePlugin.get_sampling(original)
        progressive = "progressive" in original.info
        settings = {"qtables": tables, "subsampling": max(sampling, 0), "progressive": progressive}
        stored_rgb = mode == "RGB" and _holds_rgb(original)
        if mode != original.mode or mode == "CMYK" or stored_rgb:
            if mode == "L":
                settings["qtables"] = tables[:1]
            if mode == "CMYK" or stored_rgb:
                settings.update(subsampling=0, keep_rgb=stored_rgb)
            return _finish(_plain(values, mode, **settings), metadata)
    changed = turn_back(photo.changed(), source.orientation)
    settings = {"qtables": tables[:1]} if mode == "L" else settings
    plan = _Plan(source.data, values, changed, mode, sampling, settings)
    spliced = _splice(plan) if sampling >= 0 or mode == "L" else None
    return _finish(spliced or plan.encoded(), metadata)


@dataclass(frozen=True)
class _Plan:
    """A JPEG to write over another: its file, the values as stored, where they differ, and the encoder's settings."""

    data: bytes
    values: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    mode: str
    sampling: int
    settings: dict[str, Any]

    def encoded(self, window: Box = np.s_[:, :]) -> bytes:
        """The file, or that of a window whose sides are multiples of `_GRID` or those of the photo."""
        if self.mode == "L":
            return _plain(np.ascontiguousarray(self.values[window]), "L", **self.settings)
        return _plain(_planes(self, window), "YCbCr", **self.settings)

    def window(self) -> Box:
        """What holds all that changed, and so much around it that its blocks are encoded as in the whole photo."""
        rows, columns = (
            slice(max(0, s.start // _GRID * _GRID - _AROUND), min(-(-max(s.stop, 1) // _GRID) * _GRID + _AROUND, size))
            for s, size in zip(_box(self.changed), self.changed.shape, strict=True)
        )
        return rows, columns


def _plain(values: NDArray[np.uint8], mode: str, **settings: Any) -> bytes:
    picture = Image.fromarray(values, mode)
    for coding in ({"optimize": True, **settings}, settings | {"progressive": False}):
        file = io.BytesIO()
        try:
            picture.save(file, "JPEG", **coding)
            break
        except OSError:  # two passes need room for the whole file, and Pillow gives two bytes a pixel
            if not coding.get("optimize"):
                raise
    return file.getvalue()


def _holds_rgb(picture: Any) -> bool:
    ids = bytes(layer[0] for layer in picture.layer)
    return len(ids) == 3 and (picture.info.get("adobe_transform") == 0 or ids == b"RGB")


def _planes(plan: _Plan, window: Box) -> NDArray[np.uint8]:
    """Luma and chroma (H, W, 3), as stored, whose encoding reproduces the source where nothing changed."""
    changed, values = plan.changed[window], plan.values[window]
    height, width = changed.shape
    with Image.open(io.BytesIO(plan.data), formats=("JPEG", "MPO")) as picture:
        picture.draft("YCbCr", picture.size)
        top, left = window[0].start or 0, window[1].start or 0
        part = picture.crop((left, top, left + width, top + height))
        stored = array_of(part if part.mode == "YCbCr" else part.convert("YCbCr"))
    down, across = _FACTORS.get(plan.sampling, (1, 1))
    if down * across > 1:
        for channel in (1, 2):
            stored[..., channel] = _repeat(_chroma(stored[..., channel], down, across), down, across)[:height, :width]
    box = _box(changed)
    inside = changed[box]
    if inside.size:
        filled = np.array(Image.fromarray(np.ascontiguousarray(values[box])).convert("YCbCr"))
        stored[box][inside] = filled[inside]
    return stored


def _box(changed: NDArray[np.bool_]) -> Box:
    """Rows and columns that hold all changed pixels; empty where there are none."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(changed).view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _chroma(interpolated: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """The chroma samples from which libjpeg interpolated a plane.

    Averaging the interpolated samples in pairs weighs each sample 3/4 and its neighbours 1/8 (libjpeg's triangle filter
    has 3/4 and 1/4); Richardson's iteration solves that for the samples, in each direction that was interpolated.
    """
    height, width = interpolated.shape
    padded = np.pad(interpolated, ((0, -height % down), (0, -width % across)), mode="edge").astype(np.float32)
    parts = [padded[row::down, column::across] for row in range(down) for column in range(across)]
    averaged: Any = sum(parts[1:], start=parts[0]) / len(parts)
    kernel = np.array([1 / 8, 3 / 4, 1 / 8], np.float32)
    one = np.ones(1, np.float32)
    for horizontal, vertical in (((kernel, one),) if across == 2 else ()) + (((one, kernel),) if down == 2 else ()):
        samples = averaged.copy()
        for _ in range(_STEPS):
            seen = cv2.sepFilter2D(samples, -1, horizontal, vertical, borderType=cv2.BORDER_REPLICATE)
            samples += _STEP * (averaged - seen)
        averaged = samples
    return np.clip(np.rint(averaged), 0, 255).astype(np.uint8)


def _repeat(values: NDArray, down: int, across: int) -> NDArray:
    return values.repeat(down, axis=0).repeat(across, axis=1)


def _splice(plan: _Plan) -> bytes | None:
    """The source's own coefficients, with those of the planned file in every block that the fill touches.

    Returns:
        a JPEG file, or None where `jpeglib` is missing or the two files are not laid out alike.
    """
    try:
        import jpeglib
    except ImportError:
        return None
    window = plan.window()
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        paths = [str(Path(folder) / name) for name in ("source.jpg", "planned.jpg", "spliced.jpg")]
        try:
            for path, content in zip(paths, (plan.data, plan.encoded(window)), strict=False):
                Path(path).write_bytes(content)
            old, new = jpeglib.read_dct(paths[0]), jpeglib.read_dct(paths[1])
            if not _alike(old, new):
                return None
            luma = old.Y.shape
            for name in ("Y", "Cb", "Cr"):
                blocks, planned = getattr(old, name), getattr(new, name)
                if (blocks is None) != (planned is None):
                    return None
                if blocks is None:
                    continue
                size = [8 * -(-luma[axis] // blocks.shape[axis]) for axis in (0, 1)]  # of a block, in pixels
                first = [window[axis].start // size[axis] for axis in (0, 1)]
                if planned.shape[:2] != tuple(-(-s.stop // n) - i for s, n, i in zip(window, size, first, strict=True)):
                    return None
                touched = _touched(plan.changed[window], size, planned.shape[:2])
                blocks[first[0] :, first[1] :][: len(touched), : touched.shape[1]][touched] = planned[touched]
            old.write_dct(paths[2])
            return Path(paths[2]).read_bytes()
        except (OSError, ValueError):  # a kind of JPEG that jpeglib does not know
            return None


def _alike(old: Any, new: Any) -> bool:
    """Whether coefficients of one file mean the same in the other."""
    if old.num_components != new.num_components or old.jpeg_color_space != new.jpeg_color_space:
        return False
    old.load(), new.load()
    tables = [np.asarray(j.qt)[np.asarray(j.quant_tbl_no)[: new.num_components]] for j in (old, new)]
    return np.array_equal(*tables)


def _touched(changed: NDArray[np.bool_], size: list[int], blocks: tuple[int, int]) -> NDArray[np.bool_]:
    """Which blocks hold a changed pixel: bool (rows, columns)."""
    rows, columns = np.nonzero(changed)
    found = np.zeros(blocks, bool)
    found[rows // size[0], columns // size[1]] = True
    return found


def is_progressive(data: bytes) -> bool:
    """Whether a JPEG file comes in passes from coarse to fine."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as picture:
        return "progressive" in picture.info


def has_rare_chroma(data: bytes) -> bool:
    """Whether a JPEG's chroma is laid out as Pillow cannot write it: 4:4:0 (a 4:2:2 that was turned) or 4:1:1."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as picture:
        opened: Any = picture
        return opened.layers == 3 and JpegImagePlugin.get_sampling(opened) < 0


def _components(encoded: bytes) -> int:
    with Image.open(io.BytesIO(encoded), formats=("JPEG",)) as picture:
        return len(picture.getbands())


def _finish(encoded: bytes, metadata: Metadata) -> bytes:
    """The encoded file with everything that the photo says about itself."""
    own, tables_at = segments.read_segments(encoded)
    jfif = next((p for m, p in own if m == segments.APP0 and p.startswith(segments.JFIF_HEAD)), None)
    parts = [b"\xff\xd8"]
    if not jfif and metadata.dpi and _components(encoded) == 4:
        jfif = segments.JFIF_HEAD + b"\1\1"  # of CMYK libjpeg writes none, yet the resolution is there
    if jfif:
        across, down = (min(65_535, max(1, round(v))) for v in metadata.dpi or (1, 1))
        density = bytes((1 if metadata.dpi else 0,)) + across.to_bytes(2, "big") + down.to_bytes(2, "big")
        parts.append(segments.segment(segments.APP0, jfif[:7] + density + b"\0\0"))
    if metadata.exif:
        parts.append(segments.segment(segments.APP1, segments.EXIF_HEAD + metadata.exif))
    if metadata.xmp:
        parts.append(segments.segment(segments.APP1, segments.XMP_HEAD + metadata.xmp))
    resources = segments.iptc_resource(metadata.iptc) if metadata.iptc else b""
    if metadata.icc:
        parts += segments.icc_segments(metadata.icc)
    for marker, payload in metadata.extras:
        if marker == segments.APP13:
            resources = payload
        elif isinstance(marker, int) and segments.APP0 <= marker <= 0xFE and isinstance(payload, bytes):
            parts.append(segments.segment(marker, payload))
    if metadata.comment and not any(marker == segments.COMMENT for marker, _ in metadata.extras):
        parts.append(segments.segment(segments.COMMENT, metadata.comment[: segments.ROOM]))
    if resources:
        parts += segments.photoshop_segments(resources)
    parts += [segments.segment(m, p) for m, p in own if m == segments.APP14]
    return b"".join(parts) + encoded[tables_at:]
