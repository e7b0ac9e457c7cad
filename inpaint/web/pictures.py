"""What the browser is shown: lossless PNG, at a size that it can hold."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from inpaint.photo.encode import shallow
from inpaint.photo.files import load_photo
from inpaint.photo.limits import Limits
from inpaint.photo.picture import Photo, Pixels

Mask = NDArray[np.bool_]
PROXY_PIXELS = 4_000_000  # a larger photo is shown at this many pixels; its mask and fill are still full size
PLAIN = ("RGB", "RGBA", "L", "LA", "P")  # modes that Pillow makes smaller without a loss of meaning
THUMBNAIL = 160  # pixels of the longer side


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) at which a photo is shown: its own up to about 4 MP."""
    scale = min(1.0, (PROXY_PIXELS / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of a thumbnail; a small photo is not enlarged."""
    scale = min(1.0, THUMBNAIL / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def write_picture(path: Path, photo: Photo, pixels: Pixels, size: tuple[int, int]) -> None:
    """Show pixels of a photo, with its transparency and colour profile, as an 8-bit PNG.

    Args:
        path: file to write.
        photo: whose alpha and profile apply.
        pixels: uint8 or uint16 (H, W, 3) RGB.
        size: (width, height) of the PNG in pixels.
    """
    values = _resized(shallow(pixels), size)
    if photo.alpha is not None and not (photo.source and photo.source.extra_channel):
        values = np.dstack([values, _resized(shallow(photo.alpha), size)])
    settings: dict[str, Any] = {}
    if photo.metadata.icc and b"RGB " in photo.metadata.icc[16:20]:
        settings["icc_profile"] = photo.metadata.icc
    Image.fromarray(values).save(path, "PNG", compress_level=1, **settings)


def write_mask(path: Path, mask: Mask, size: tuple[int, int]) -> None:
    """A mask as a PNG of one channel, 255 = hole; made smaller, a pixel is hole where any of it is.

    Args:
        path: file to write.
        mask: bool (H, W).
        size: (width, height) of the PNG in pixels.
    """
    values = mask.astype(np.uint8) * 255
    if size != (mask.shape[1], mask.shape[0]):
        values = np.where(cv2.resize(values, size, interpolation=cv2.INTER_AREA) > 0, 255, 0).astype(np.uint8)
    Image.fromarray(values).save(path, "PNG", compress_level=1)


def _resized(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if size == (values.shape[1], values.shape[0]):
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_thumbnail(path: Path, small: Path, side: int, limits: Limits) -> None:
    """Write a photo file as a small PNG.

    Args:
        path: the photo.
        small: the PNG.
        side: its longest side in pixels.
        limits: larger photos are refused.

    Raises:
        InpaintError, ValueError: it cannot be shown.
    """
    if path.stat().st_size > limits.file_bytes:
        raise ValueError("too large")
    try:
        with Image.open(path) as picture:
            limits.check_size(path, *picture.size)
            if picture.mode in PLAIN:
                profile = picture.info.get("icc_profile")
                picture.draft("RGB", (side, side))  # JPEG is decoded at a fraction of its size
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((side, side))
                form = "RGBA" if "A" in upright.getbands() or "transparency" in picture.info else "RGB"
                settings = {"icc_profile": profile} if profile and b"RGB " in profile[16:20] else {}
                upright.convert(form).save(small, "PNG", compress_level=1, **settings)
                return
    except (Image.UnidentifiedImageError, SyntaxError):
        pass  # one of the formats that photo.files reads by other means
    photo = load_photo(path, limits)
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    write_picture(small, photo, np.ascontiguousarray(photo.pixels), size)
