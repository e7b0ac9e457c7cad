"""A photo file to a `Photo`."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint.errors import PhotoError, shown
from inpaint.photo.colour import to_rgb
from inpaint.photo.decode import (
    decode_deep,
    errors_named,
    frame_notes,
    has_half_chroma,
    has_unstated_channel,
    identify,
    is_deep,
    orientation_of,
    stored_notes,
    unstated_channel,
    written_format,
)
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.metadata import read_metadata
from inpaint.photo.orientation import swaps_sides, turn_upright
from inpaint.photo.picture import Photo, Pixels, Source
from inpaint.photo.pillow_limit import pixels_allowed

STRIP = 64  # rows that are copied out of a decoded picture at once: about what a core's cache holds


def load_photo(path: str | os.PathLike[str], limits: Limits = Limits(), thorough: bool = True) -> Photo:
    """Read a photo file.

    Args:
        path: PNG, JPEG, WebP, TIFF (one page), BMP, GIF, AVIF or HEIC; of an animation the first frame is taken.
        limits: larger files are refused.
        thorough: decode 16-bit files twice, since one decoder passes over damage that the other finds, and look for
            EXIF behind the pixels; False for a file of our own, every pixel of which is compared afterwards.

    Returns:
        the photo, upright, with 8 or 16 bits per channel as in the file.

    Raises:
        PhotoError: it cannot be read; the text names the file.
    """
    path = Path(path)
    data = read_bytes(path, limits)
    with errors_named(path), pixels_allowed(limits.pixels):
        return _load(path, data, limits, thorough)


def _load(path: Path, data: bytes, limits: Limits, thorough: bool) -> Photo:
    picture: Any = identify(path, data, limits, thorough)
    form = written_format(picture)
    orientation = orientation_of(picture)
    notes = stored_notes(path, picture, data) + frame_notes(path, picture)
    pixels: Pixels
    alpha: Pixels | None
    native, mode, extra_channel = None, picture.mode, has_unstated_channel(picture)
    turn = orientation
    if is_deep(picture, data):
        pixels, alpha, greyscale = decode_deep(path, picture, data, thorough)
    else:
        turn = 1 if form == "TIFF" else orientation  # Pillow turns TIFF, and only TIFF, upright by itself
        direct = None if thorough else _decoded_webp(picture, data) if form == "WEBP" else _decoded_once(picture)
        if direct is None:
            picture.load()
        mode, greyscale = picture.mode, picture.mode in ("1", "L", "LA")
        pixels, alpha, native = _values(path, picture) if direct is None else (direct, None, None)
        if extra_channel:
            alpha = turn_upright(unstated_channel(path, data), orientation)
    metadata, left_out = read_metadata(picture, data, form, orientation, swaps_sides(orientation))
    pixels = _upright(pixels, turn)
    alpha = None if alpha is None else _upright(alpha, turn)
    native = None if native is None else _upright(native, turn)
    times = os.stat(path)
    source = Source(
        form, pixels, orientation, data if form == "JPEG" else b"", len(data), is_lossless(form, data),
        picture.info.get("compression") != "raw", native, mode if native is not None else "", extra_channel,
        (times.st_atime_ns, times.st_mtime_ns), has_half_chroma(form, data),
    )  # fmt: skip
    return Photo(
        pixels, alpha, greyscale, mode in ("P", "PA"), mode == "1", metadata, source,
        tuple(f"{shown(path)}: {note}" for note in notes + left_out),
    )  # fmt: skip


def _decoded_webp(picture: Any, data: bytes) -> NDArray[np.uint8] | None:
    """An opaque WebP's pixels by OpenCV, which needs half the time and memory; None for another picture."""
    if picture.format != "WEBP" or picture.mode != "RGB" or getattr(picture, "n_frames", 1) != 1:
        return None
    pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels if pixels is not None and pixels.shape == (*picture.size[::-1], 3) else None


def _decoded_once(picture: Any) -> NDArray[np.uint8] | None:
    """An opaque AVIF's or HEIC's pixels from its decoder, without Pillow's two copies; None for another picture."""
    size = (*picture.size[::-1], 3)
    if picture.mode != "RGB" or getattr(picture, "n_frames", 1) != 1:
        return None
    if picture.format == "AVIF" and hasattr(picture, "_decoder"):
        values = np.frombuffer(picture._decoder.get_frame(0)[0], np.uint8)
        return values.reshape(size) if values.size == np.prod(size) else None
    if picture.format == "HEIF" and getattr(picture, "_heif_file", None) is not None:
        found = np.asarray(picture._heif_file)
        return found if found.shape == size and found.dtype == np.uint8 else None
    return None


def _upright(values: Pixels, orientation: int) -> Pixels:
    return np.ascontiguousarray(turn_upright(values, orientation))


def _values(path: Path, picture: Image.Image) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Pixels, alpha and native values of a decoded picture with at most 8 bits per channel."""
    if picture.mode in ("CMYK", "LAB"):
        return to_rgb(picture, picture.info.get("icc_profile"), path), None, np.array(picture)
    if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise PhotoError(f"{shown(path)}: is stored as {picture.mode}, which is not supported; convert it to RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        values = array_of(picture.convert("RGBA"))
        return values[..., :3], values[..., 3], None
    return array_of(picture if picture.mode == "RGB" else picture.convert("RGB")), None, None


def array_of(picture: Image.Image) -> NDArray[np.uint8]:
    """The values of a picture with several 8-bit channels; strip by strip, which takes a third of `np.array`'s time."""
    values = np.empty((picture.height, picture.width, len(picture.getbands())), np.uint8)
    for top in range(0, picture.height, STRIP):
        end = min(top + STRIP, picture.height)
        values[top:end] = np.asarray(picture.crop((0, top, picture.width, end)))
    return values


def is_lossless(form: str, data: bytes) -> bool:
    """Whether a file's coding keeps every pixel; of WebP files those with a VP8L picture do."""
    if form == "WEBP":
        return data.find(b"VP8L") >= 0 and b"VP8 " not in data[12:4096]
    return form not in ("JPEG", "AVIF", "HEIF")
