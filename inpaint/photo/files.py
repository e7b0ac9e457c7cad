"""Reading photos from files and writing them back with what they came with."""

import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from inpaint.errors import OutputError, PhotoError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Photo:
    """A photo's pixels and what its file says about them.

    Args:
        pixels: uint8 (H, W, 3) RGB, upright.
        alpha: uint8 (H, W), or None.
        greyscale: the file held one channel; it is written back as one.
        save: Pillow save arguments that keep profile, metadata and JPEG tables.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    greyscale: bool = False
    save: dict[str, Any] = field(default_factory=dict)

    def with_pixels(self, pixels: NDArray[np.uint8]) -> "Photo":
        """The same photo with other pixels of the same size."""
        assert pixels.shape == self.pixels.shape
        return replace(self, pixels=pixels)


def open_upright(path: Path) -> Image.Image:
    """Open a picture file completely and turn it upright.

    Raises:
        PhotoError: the file is missing, not a picture, damaged, too large, or 16 bits deep.
    """
    try:
        with open(path, "rb") as file:
            header = file.read(26)
        picture = Image.open(path)
        deep = header.startswith(_PNG_SIGNATURE) and header[24] == 16
        if deep or picture.mode.startswith(("I", "F")):
            raise PhotoError(f"{path}: has more than 8 bits per channel, which is not supported yet")
        if picture.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
            raise PhotoError(f"{path}: is stored as {picture.mode}, save it as RGB first")
        picture.load()
        return ImageOps.exif_transpose(picture) or picture
    except FileNotFoundError:
        raise PhotoError(f"{path}: file not found") from None
    except (IsADirectoryError, PermissionError) as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{path}: is not a picture that can be read") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"{path}: has too many pixels to be opened safely") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PhotoError(f"{path}: is damaged or incomplete ({error})") from None


def load_photo(path: str | os.PathLike[str]) -> Photo:
    """Read a photo file.

    Args:
        path: PNG, JPEG, WebP, BMP or TIFF with 8 bits per channel; the first frame of an animation.

    Returns:
        The photo, upright.

    Raises:
        PhotoError: it cannot be read; the text names the file.
    """
    picture = open_upright(Path(path))
    save: dict[str, Any] = {}
    for key in ("icc_profile", "dpi"):
        if picture.info.get(key):
            save[key] = picture.info[key]
    exif = picture.getexif()
    if len(exif):
        save["exif"] = exif.tobytes()
    with Image.open(path) as raw:
        if isinstance(raw, JpegImagePlugin.JpegImageFile):
            save["qtables"] = raw.quantization
            sampling = JpegImagePlugin.get_sampling(raw)
            if sampling >= 0:
                save["subsampling"] = sampling
    greyscale = picture.mode in ("L", "LA", "1")
    alpha = None
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        alpha = np.array(picture.getchannel("A"))
    return Photo(np.array(picture.convert("RGB")), alpha, greyscale, save)


def save_photo(photo: Photo, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a photo, whole or not at all.

    Args:
        photo: what to write.
        path: its ending names the format: .png .jpg .jpeg .webp .bmp .tif .tiff.
        overwrite: replace an existing file.

    Raises:
        OutputError: unknown ending, the file exists, or it cannot be written; nothing is left behind.
    """
    path = Path(path)
    check_output(path, overwrite)
    form = FORMATS[path.suffix.lower()]
    picture = Image.fromarray(photo.pixels)
    if photo.greyscale:
        picture = picture.getchannel("R")
    if photo.alpha is not None and form not in ("JPEG", "BMP"):
        picture.putalpha(Image.fromarray(photo.alpha))
    options = {k: v for k, v in photo.save.items() if k not in ("qtables", "subsampling")}
    if form == "JPEG":
        options = dict(photo.save) if "qtables" in photo.save else {**options, "quality": 95, "subsampling": 0}
        if photo.greyscale:
            options.pop("subsampling", None)
            if "qtables" in options:
                options["qtables"] = {0: options["qtables"][0]}
    elif form == "WEBP":
        options.update(lossless=True)
    elif form == "BMP":
        options = {}
    handle, partial = -1, ""
    try:
        handle, partial = tempfile.mkstemp(prefix=".inpaint-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        picture.save(partial, form, **options)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        if partial and os.path.exists(partial):
            os.unlink(partial)


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output path before any work is done.

    Raises:
        OutputError: unknown ending, missing folder, or the file exists and `overwrite` is False.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: cannot tell the format, end the name with one of {' '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder does not exist")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already, use --overwrite to replace it")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder cannot be written to")
