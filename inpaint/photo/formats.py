"""The picture formats that can be written, and what each of them can hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """What a file format can hold; `name` is Pillow's.

    Args:
        lossless: it keeps every pixel; None: both kinds exist.
        deep: 16 bits per channel.
        palette_only: at most 256 colours.
        greyscale: one channel.
        grey_alpha: bits per channel up to which greyscale may have transparency: beyond, readers make colours of it or
            cannot read it.
        cicp: how colours are meant, by numbers in place of a profile.
    """

    name: str
    suffixes: tuple[str, ...]
    lossless: bool | None
    deep: bool = False
    alpha: bool = True
    palette: bool = False
    palette_only: bool = False
    greyscale: bool = True
    grey_alpha: int = 16
    icc: bool = True
    exif: bool = True
    xmp: bool = True
    iptc: bool = False
    dpi: bool = True
    cicp: bool = False


PNG = Format("PNG", (".png", ".apng"), True, deep=True, palette=True, iptc=True, cicp=True)
JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), False, alpha=False, iptc=True)
WEBP = Format("WEBP", (".webp",), None, greyscale=False, dpi=False)
TIFF = Format("TIFF", (".tif", ".tiff"), True, deep=True, grey_alpha=8, palette=True, iptc=True)
BMP = Format("BMP", (".bmp",), True, alpha=False, palette=True, icc=False, exif=False, xmp=False)
AVIF = Format("AVIF", (".avif",), False, grey_alpha=0, dpi=False, cicp=True)
HEIF = Format("HEIF", (".heic", ".heif"), None, grey_alpha=0, dpi=False, cicp=True)
GIF = Format(
    "GIF", (".gif",), True, palette=True, palette_only=True, greyscale=False, icc=False, exif=False, xmp=False,
    dpi=False,
)  # fmt: skip
BY_NAME = {form.name: form for form in (PNG, JPEG, WEBP, TIFF, BMP, AVIF, HEIF, GIF)}
FORMATS = {suffix: form.name for form in BY_NAME.values() for suffix in form.suffixes}
READ_AS = {"MPO": "JPEG", "DIB": "BMP"}  # Pillow's name of a variant -> the format it is written as
