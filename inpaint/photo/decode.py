"""Decoding picture files, hostile ones included: every failure becomes one of our errors."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from inpaint.errors import InpaintError, PhotoError, shown
from inpaint.photo import png
from inpaint.photo.formats import FORMATS, READ_AS
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.mask_meaning import eight_bits
from inpaint.photo.orientation import tiff_as_stored
from inpaint.photo.pillow_limit import pixels_allowed
from inpaint.photo.segments import EXIF_HEAD

READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "HEIF")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_WARNINGS = threading.Lock()  # their filters, and the level of OpenCV's log, belong to the whole process


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a PhotoError that names the file."""
    try:
        yield
    except InpaintError:
        raise
    except Image.DecompressionBombError:
        raise PhotoError(f"{shown(path)}: has too many pixels to be opened safely (see --max-pixels)") from None
    except UnidentifiedImageError:
        known = "known are PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF and HEIC"
        raise PhotoError(f"{shown(path)}: is not a picture that can be read ({known})") from None
    except MemoryError:
        raise PhotoError(f"{shown(path)}: needs more memory than there is") from None
    except Exception as error:  # on mutated files decoders raise nearly every built-in kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(f"{shown(path)}: is damaged or incomplete ({reason})") from None


def opener_registered(head: bytes) -> bool:
    """Teach Pillow to open HEIC if a file's first bytes are of that kind; False where the package is missing."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        try:
            import pillow_heif
        except ImportError:
            return False
        pillow_heif.register_heif_opener()
    return True


def identify(path: Path, data: bytes, limits: Limits, thorough: bool = True) -> ImageFile.ImageFile:
    """Open a picture, decoding no pixels if not `thorough`; call within `errors_named`.

    Raises:
        PhotoError: no bytes, too many pixels, or HEIC without its reader installed.
    """
    if not data:
        raise PhotoError(f"{shown(path)}: is empty, so it is not a picture that can be read")
    if not opener_registered(data):
        raise PhotoError(f"{shown(path)}: is HEIC, which needs one more package: pip install pillow-heif")
    with pixels_allowed(limits.pixels), _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = _opened(path, data)
        limits.check_size(path, *picture.size)
        if not thorough and picture.format == "PNG":  # Pillow would decode it to look for EXIF behind the pixels
            found = next((content for name, content in png.read_chunks(data) if name == b"eXIf"), b"")
            picture.info.setdefault("exif", found)
        elif picture.format == "PNG" and not _states_exif(picture, data) and (exif := png.app1_of(data, EXIF_HEAD)):
            picture.info["exif"] = exif
        if picture.format == "PNG" and data[24] in (2, 4):  # Pillow scales these greys to 255, but not the hidden one
            key, most = picture.info.get("transparency"), 2 ** data[24] - 1
            if isinstance(key, int) and key <= most:
                picture.info["transparency"] = key * (255 // most)
        picture.getexif()  # parsed here once, where its warnings about damage stay quiet
    return picture


def _states_exif(picture: Any, data: bytes) -> bool:
    return "Raw profile type exif" in picture.info or any(name == b"eXIf" for name, _, _ in png.views(data))


def _opened(path: Path, data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=[f for f in READABLE if f in Image.OPEN or f != "HEIF"])
    except UnidentifiedImageError:
        if not data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
            raise
        kinds = "such as floating point, or more than 16 bits per channel"
        raise PhotoError(f"{shown(path)}: is a TIFF that is damaged or of a kind not supported ({kinds})") from None


def written_format(picture: Image.Image) -> str:
    """The format in which a picture of this kind is written back."""
    return READ_AS.get(str(picture.format), str(picture.format))


def format_inside(path: Path) -> str:
    """The format in which a picture file would be written back, by its contents; "" if they cannot be told."""
    limits = Limits()
    try:
        with errors_named(path):
            return written_format(identify(path, read_bytes(path, limits), limits, thorough=False))
    except PhotoError:
        return ""


def open_upright(
    path: Path, limits: Limits = Limits(), notes: list[str] | None = None
) -> tuple[Image.Image, int]:  # fmt: skip
    """Read a picture file as a mask needs it: 8 bits per channel, upright.

    Args:
        path: the file.
        limits: larger files are refused.
        notes: a sentence about further pictures in the file is added here.

    Returns:
        the picture, and the orientation that was applied, 1 to 8.

    Raises:
        PhotoError: it cannot be read, or is a TIFF of several pages.
    """
    data = read_bytes(path, limits)
    with errors_named(path), pixels_allowed(limits.pixels):
        picture: Image.Image = identify(path, data, limits)
        left_aside = [f"{shown(path)}: {note}" for note in frame_notes(path, picture)]
        if notes is not None:
            notes += left_aside
        orientation = orientation_of(picture)
        picture.load()
        picture = ImageOps.exif_transpose(picture) or picture  # first: a conversion forgets the orientation
        if picture.mode.startswith("I;16"):
            picture = Image.fromarray(eight_bits(np.array(picture)))
        elif picture.mode in ("I", "F"):
            raise PhotoError(f"{shown(path)}: has more than 16 bits per channel, which is not supported")
        elif picture.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
            picture = picture.convert("RGB")
        return picture, orientation


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation of the stored pixels, 1 where it is absent or senseless."""
    found = picture.getexif().get(0x0112, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def frame_notes(path: Path, picture: Any) -> list[str]:
    """What was left aside of a file with several pictures.

    Raises:
        PhotoError: a TIFF with several pages.
    """
    count = getattr(picture, "n_frames", 1)
    if count == 1:
        beside = picture.format == "HEIF" and (picture.info.get("aux") or picture.info.get("depth_images"))
        return ["a gain map, depth or the like beside the picture no longer fits and was left out"] if beside else []
    if picture.format == "TIFF":
        reduced = 0
        for page in range(1, count):
            picture.seek(page)
            reduced += int(picture.tag_v2.get(254, 0)) & 1
        picture.seek(0)
        if reduced < count - 1:
            raise PhotoError(f"{shown(path)}: has {count} pages, and only one can be filled; save the page on its own")
        return ["reduced copies of the picture inside the file were left out"]
    if picture.format in ("MPO", "HEIF"):
        return [f"the file holds {count} pictures: the first is used, the others were left out"]
    return [f"the file is animated: its first frame (of {count}) is used, the others were left out"]


def stored_notes(path: Path, picture: Any, data: bytes) -> list[str]:
    """What a reader should know about how the file stores its pixels."""
    notes = []
    form = written_format(picture)
    expected = FORMATS.get(path.suffix.lower())
    if expected and expected != form:
        notes.append(f"the name ends in {path.suffix}, the contents are {form}")
    extras = np.atleast_1d(picture.tag_v2.get(338, ())) if picture.format == "TIFF" else ()
    if len(extras) and picture.mode in ("CMYK", "LAB"):
        notes.append("it has extra channels beside its colours, which are not kept")
    elif len(extras) > 1:
        notes.append("it has several extra channels, of which at most one is kept")
    if 1 in extras:
        notes.append("its colours are stored multiplied by transparency (premultiplied), and are written without that")
    bits = picture.info.get("bit_depth", 8)
    box = data.find(b"av1C") if form == "AVIF" else -1
    if 0 <= box < len(data) - 7 and data[box + 6] & 0x40:
        bits = 12 if data[box + 6] & 0x20 else 10
    if isinstance(bits, int) and bits > 8:
        notes.append(f"it has {bits} bits per channel, of which 8 can be read")
    return notes


def has_half_chroma(form: str, data: bytes) -> bool:
    """Whether an AVIF or HEIC stores chroma at half the size both ways, by its first decoder configuration."""
    if form == "AVIF":  # AV1 in ISO media files, section 2.3: the third byte ends in monochrome, x, y and the place
        box = data.find(b"av1C")
        return 0 <= box < len(data) - 7 and data[box + 6] & 0x1C == 0x0C
    box = data.find(b"hvcC") if form == "HEIF" else -1  # ISO 14496-15, section 8.3.3: chroma_format_idc
    return 0 <= box < len(data) - 21 and data[box + 20] & 3 == 1


def is_deep(picture: Any, data: bytes) -> bool:
    """Whether a PNG or TIFF has 16 bits per channel."""
    if picture.format == "PNG":
        return data[24] == 16
    return picture.format == "TIFF" and max(np.atleast_1d(picture.tag_v2.get(258, 1))) > 8


def _by_opencv(data: bytes) -> Any:
    """A file's values as stored, or None; OpenCV's log, which lists every TIFF tag that it does not know, is silent."""
    data = tiff_as_stored(data)  # OpenCV turns a TIFF upright, even when it is asked for unchanged values
    log = cv2.utils.logging
    with _WARNINGS:
        before = log.setLogLevel(log.LOG_LEVEL_SILENT)
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        finally:
            log.setLogLevel(before)


def has_unstated_channel(picture: Any) -> bool:
    """Whether a TIFF has a fourth channel of which it does not say that it is transparency."""
    return picture.format == "TIFF" and picture.tag_v2.get(277) == 4 and picture.tag_v2.get(338) in (0, (0,))


def unstated_channel(path: Path, data: bytes) -> NDArray[np.uint8]:
    """The fourth channel of an 8-bit TIFF, which Pillow passes over; raises PhotoError."""
    values = _by_opencv(data)
    if values is None or values.dtype != np.uint8 or values.shape[2:] != (4,):
        raise PhotoError(f"{shown(path)}: has a fourth channel in a layout that is not supported")
    return np.ascontiguousarray(values[..., 3])


def _keyed_alpha(picture: Any, data: bytes, values: NDArray[np.uint16]) -> NDArray[np.uint16] | None:
    """The alpha of a greyscale PNG one of whose values means transparent (tRNS), which OpenCV passes over."""
    chunks = png.views(data) if picture.format == "PNG" else ()
    key = next((bytes(content[:2]) for name, content, _ in chunks if name == b"tRNS" and len(content) >= 2), None)
    if key is None:
        return None
    return np.where(values == int.from_bytes(key, "big"), 0, 65535).astype(np.uint16)


def decode_deep(
    path: Path, picture: Any, data: bytes, thorough: bool = True
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None, bool]:
    """Decode 16 bits per channel, which Pillow would cut to 8; call within `errors_named`.

    Args:
        path: for messages.
        picture: opened, not decoded.
        data: the file.
        thorough: let Pillow decode it, too, which finds damage that OpenCV passes over.

    Returns:
        pixels uint16 (H, W, 3) RGB, alpha uint16 (H, W) or None, and whether the file is greyscale; not turned.

    Raises:
        PhotoError: floating point, signed, planar or other than 16 bits.
    """
    associated, stored = False, picture.size[::-1]
    if picture.format == "TIFF":
        tags = picture.tag_v2
        stored = tags[257], tags[256]  # Pillow's size is that of the upright picture
        bits, kinds = np.atleast_1d(tags.get(258, 1)), np.atleast_1d(tags.get(339, 1))
        if set(bits) != {16} or set(kinds) != {1} or tags.get(262) not in (1, 2):
            raise PhotoError(f"{shown(path)}: is a TIFF of {max(bits)} bits in a layout that is not supported")
        if tags.get(284, 1) != 1 and len(bits) > 1:
            raise PhotoError(f"{shown(path)}: stores its 16-bit channels apart (planar), which is not supported")
        associated = 1 in np.atleast_1d(tags.get(338, 0))
    if thorough:
        picture.load()
    values = _by_opencv(data)
    if values is None or values.dtype != np.uint16 or values.shape[:2] != stored:
        raise PhotoError(f"{shown(path)}: has 16 bits per channel in a layout that is not supported")
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=2), _keyed_alpha(picture, data, values), True
    if values.shape[2] not in (3, 4):
        raise PhotoError(f"{shown(path)}: has {values.shape[2]} channels of 16 bits, which is not supported")
    alpha: Any = np.ascontiguousarray(values[..., 3]) if values.shape[2] == 4 else None
    pixels: Any = cv2.cvtColor(values, cv2.COLOR_BGR2RGB if alpha is None else cv2.COLOR_BGRA2RGB)
    if associated and alpha is not None:
        scale = 65535 / np.maximum(alpha, 1)[..., None]
        pixels = np.minimum(np.rint(pixels * scale), 65535).astype(np.uint16)
    return pixels, alpha, picture.format == "PNG" and data[25] in (png.GREY, png.GREY_ALPHA)
