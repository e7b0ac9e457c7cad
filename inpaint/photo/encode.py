"""A `Photo` to the bytes of a file, and what the format made it lose."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint.errors import OutputError
from inpaint.photo import png, segments
from inpaint.photo.colour import from_rgb, srgb_profile
from inpaint.photo.formats import BY_NAME, Format
from inpaint.photo.jpeg import encode_jpeg, has_rare_chroma, is_progressive
from inpaint.photo.metadata import with_coded_colours
from inpaint.photo.palette import exact_palette, reduced_palette
from inpaint.photo.picture import Photo, Pixels
from inpaint.photo.pillow_limit import pixels_allowed
from inpaint.photo.png_rows import encode_rows
from inpaint.photo.stored import PIXELS
from inpaint.photo.tiff import encode_tiff

LADDER = (98, 95, 90, 85, 80, 75)  # qualities of lossy WebP, AVIF and HEIC
TRIED_PIXELS = 4_000_000  # up to this size every quality is tried
ROOM = 1.25  # times the source's size
HEIF_TILE = 512  # of large photos, as cameras write them: in one piece 24 megapixels cannot be decoded again
NEEDS_PILLOW_HEIF = "cannot be written as HEIC without one more package: pip install pillow-heif"
AVIF_SPEED = 8  # of 0 to 10; slower settings save a few per cent


@dataclass(frozen=True)
class Encoded:
    """A file's bytes, whether they keep every pixel of what can be kept, and what was lost in words."""

    data: bytes
    exact: bool
    notes: list[str] = field(default_factory=list)


def encode_photo(photo: Photo, form: Format, lossless: bool) -> Encoded:
    """The bytes of a photo in a format.

    Args:
        photo: what to write.
        form: its format.
        lossless: choose the format's lossless coding where it has both kinds.

    Raises:
        OutputError: the format refuses it (WebP has a largest size, for instance).
    """
    source = photo.source.format if photo.source else ""
    lost = [f"{name} cannot be kept" for name in photo.metadata.missing_from(form, source)]
    try:
        photo, notes = _fitted(photo, form)
        with pixels_allowed(photo.pixels[..., 0].size):
            data, exact, said = _ENCODERS[form.name](photo, lossless)
        if not exact and not form.palette_only and (not photo.source or photo.source.lossless or source != form.name):
            said.append("the kept pixels are compressed, too; a lossless format keeps them exactly")
    except OutputError:
        raise
    except Exception as error:  # encoders raise whatever their library raises
        raise OutputError(f"cannot be written as {form.name} ({' '.join(str(error).split())})") from None
    return Encoded(data, exact, [f"{form.name}: {note}" for note in lost + notes + said])


def grey_of(pixels: Pixels) -> Pixels:
    """Luma (Rec. 601) of RGB (H, W, 3), same dtype; the channel itself where all three are equal."""
    weighed = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(weighed).astype(pixels.dtype)


def shallow(values: Pixels) -> NDArray[np.uint8]:
    """uint16 to the nearest uint8; uint8 as it is."""
    return values if values.dtype == np.uint8 else ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _fitted(photo: Photo, form: Format) -> tuple[Photo, list[str]]:
    """The photo as far as the format can hold it, and what was lost."""
    notes = []
    if photo.depth == 16 and not form.deep:
        notes.append("16 bits per channel were rounded to 8")
        alpha = None if photo.alpha is None else shallow(photo.alpha)
        source = photo.source and replace(photo.source, pixels=shallow(photo.source.pixels))
        photo = replace(photo, pixels=shallow(photo.pixels), alpha=alpha, source=source)
    if photo.alpha is not None and photo.source and photo.source.extra_channel and form.name != "TIFF":
        notes.append("a fourth channel of unstated meaning cannot be kept")
        photo = replace(photo, alpha=None)
    elif photo.alpha is not None and not form.alpha:
        notes.append("transparency cannot be kept")
        photo = replace(photo, alpha=None)
    native = photo.source.native_mode if photo.source else ""
    if native and form.name not in (("JPEG", "TIFF") if native == "CMYK" else ("TIFF",)):
        notes.append(f"{native} was converted to sRGB")
        photo = replace(photo, metadata=replace(photo.metadata, icc=srgb_profile() if form.icc else None))
    metadata = photo.metadata
    if photo.greyscale and not (form.greyscale and (photo.alpha is None or photo.depth <= form.grey_alpha)):
        metadata = replace(metadata, icc=_for_rgb(metadata.icc, notes))
        photo = replace(photo, greyscale=False)
        if not form.palette_only:
            notes.append("greyscale became three equal channels")
    if form.name == "JPEG":
        for name, head in (("exif", segments.EXIF_HEAD), ("xmp", segments.XMP_HEAD)):
            if len(getattr(metadata, name) or b"") > segments.ROOM - len(head):
                notes.append(f"{name.upper()} is larger than the format allows and was left out")
                metadata = replace(metadata, exif=None) if name == "exif" else replace(metadata, xmp=None)
    if photo.source and photo.source.format != form.name:
        metadata = replace(metadata, extras=())
    return replace(photo, metadata=metadata), notes


def _for_rgb(icc: bytes | None, notes: list[str]) -> bytes | None:
    """The profile, unless it is one for greyscale (ICC.1, header bytes 16 to 19)."""
    if icc and icc[16:20] == b"GRAY":
        notes.append("a colour profile for greyscale does not fit RGB and was left out")
        return None
    return icc


def _native(photo: Photo) -> NDArray[np.uint8] | None:
    """CMYK or Lab values: the source's own where nothing changed, converted fill elsewhere."""
    if not photo.source or photo.source.native is None:
        return None
    values = photo.source.native.copy()
    changed = photo.changed()
    if changed.any():
        fill = np.ascontiguousarray(photo.pixels[changed][None]).astype(np.uint8)
        values[changed] = from_rgb(fill, photo.source.native_mode, photo.metadata.icc)[0]
    return values


def _colours(photo: Photo) -> Pixels:
    """(H, W) for a greyscale photo, else (H, W, 3)."""
    return grey_of(photo.pixels) if photo.greyscale else photo.pixels


def _bilevel(photo: Photo, notes: list[str]) -> NDArray[np.bool_] | None:
    if not photo.bilevel or photo.alpha is not None or photo.depth != 8:
        return None
    grey = grey_of(photo.pixels)
    if ((grey == 0) | (grey == 255)).all():
        return grey > 127
    notes.append("the fill has more than two tones, so the file has 8 bits per pixel instead of 1")
    return None


def _rgba(photo: Photo) -> NDArray[np.uint8]:
    alpha = np.full(photo.pixels.shape[:2], 255, np.uint8) if photo.alpha is None else photo.alpha
    return np.dstack([photo.pixels, alpha]).astype(np.uint8)


def _palette(photo: Photo, notes: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    if not photo.palette or photo.depth != 8:
        return None
    found = exact_palette(_rgba(photo))
    if found is None:
        notes.append("with the fill there are more than 256 colours, so the file has full colour instead of a palette")
    return found


def _image(photo: Photo, notes: list[str], palette: bool) -> Image.Image:
    """A Pillow picture of an 8-bit photo in the most modest mode that is exact."""
    bits = _bilevel(photo, notes)
    if bits is not None:
        return Image.fromarray(bits)
    indexed = _palette(photo, notes) if palette else None
    if indexed:
        picture = Image.fromarray(indexed[0], "P")
        picture.putpalette(indexed[1][:, :3].tobytes())
        if (indexed[1][:, 3] < 255).any():
            picture.info["transparency"] = indexed[1][:, 3].tobytes()
        return picture
    picture = Image.fromarray(np.ascontiguousarray(_colours(photo)))
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(photo.alpha.astype(np.uint8)))
    return picture


def _write(picture: Image.Image, form: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **settings)
    return file.getvalue()


def _png(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    notes: list[str] = []
    metadata = photo.metadata
    large = photo.pixels[..., 0].size >= PIXELS and not (photo.palette or photo.bilevel)
    if photo.depth == 16 or large:
        colours = np.atleast_3d(_colours(photo))
        data = encode_rows(colours if photo.alpha is None else np.dstack([colours, photo.alpha]))
    else:
        data = _write(_image(photo, notes, palette=True), "PNG")
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.icc:
        chunks.append(png.icc_chunk(metadata.icc))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(png.xmp_chunk(metadata.xmp))
    if metadata.iptc:
        chunks.append(png.iptc_chunk(segments.iptc_resource(metadata.iptc)))
    if metadata.cicp:
        chunks.append((b"cICP", bytes((*metadata.cicp, 0, 1))))  # no matrix, full range
    chunks += [one for one in metadata.extras if isinstance(one[0], bytes)]
    if metadata.dpi and not any(name == b"pHYs" for name, _ in chunks):
        per_metre = b"".join(round(v / 0.0254).to_bytes(4, "big") for v in metadata.dpi)
        chunks.append((b"pHYs", per_metre + b"\1"))
    return png.with_chunks(data, chunks), True, notes


def _jpeg(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    native = _native(photo)
    if native is not None and photo.source and photo.source.native_mode == "CMYK":
        return encode_jpeg(photo, native, "CMYK"), False, []
    colours = np.ascontiguousarray(_colours(photo))
    data = encode_jpeg(photo, colours, "L" if photo.greyscale else "RGB")
    passes = photo.source and photo.source.format == "JPEG" and is_progressive(photo.source.data)
    notes = ["a progressive file became a baseline one"] if passes and not is_progressive(data) else []
    if photo.source and photo.source.format == "JPEG" and has_rare_chroma(photo.source.data):
        notes.append("its chroma is laid out as cannot be written and has full size now, so the kept pixels move more")
    return data, False, notes


def _tiff(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    notes: list[str] = []
    source = photo.source.format if photo.source else ""
    compress = photo.source.compressed if photo.source and source == "TIFF" else True
    native, extra, palette = _native(photo), None, None
    indexed = None if photo.alpha is not None else _palette(photo, notes)
    values: NDArray
    if native is not None and photo.source:
        values, photometric = native, photo.source.native_mode.lower()
    elif (bits := _bilevel(photo, notes)) is not None:
        values, photometric = bits, "grey"
    elif indexed:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(indexed[1])] = indexed[1][:, :3]
        values, photometric = indexed[0], "palette"
    else:
        values, photometric = _colours(photo), "grey" if photo.greyscale else "rgb"
        if photo.alpha is not None:
            extra = 0 if photo.source and photo.source.extra_channel else 2
            values = np.dstack([values, photo.alpha])
    return encode_tiff(values, photometric, photo.metadata, source, extra, palette, compress), True, notes


def _bmp(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    notes: list[str] = []
    settings = {"dpi": photo.metadata.dpi} if photo.metadata.dpi else {}
    return _write(_image(photo, notes, palette=True), "BMP", **settings), True, notes


def _gif(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    notes: list[str] = []
    rgba = _rgba(photo)
    if ((rgba[..., 3] > 0) & (rgba[..., 3] < 255)).any():
        notes.append("partial transparency became full or none")
        rgba[..., 3] = np.where(rgba[..., 3] < 128, 0, 255)
    hidden = rgba[..., 3] == 0
    if hidden.any():
        rgba[hidden] = rgba[hidden][0]  # one entry of the palette is the transparent one
    found = exact_palette(rgba)
    exact = found is not None
    if found is None:
        changed = photo.changed() & ~hidden
        found = reduced_palette(rgba, changed)
        exact = len(np.unique(np.ascontiguousarray(rgba[~changed]).view(np.uint32))) <= 256
        notes.append("the colours of the fill were reduced to a palette" if exact else "colours were reduced to 256")
    indices, palette = found
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette[:, :3].tobytes())
    settings: dict[str, Any] = {"optimize": False}
    if hidden.any():
        settings["transparency"] = int(np.flatnonzero(palette[:, 3] == 0)[0])
    if photo.metadata.comment:
        settings["comment"] = photo.metadata.comment
    return _write(picture, "GIF", **settings), exact, notes


def _packets(photo: Photo) -> dict[str, bytes]:
    found = {"icc_profile": photo.metadata.icc, "exif": photo.metadata.exif, "xmp": photo.metadata.xmp}
    return {key: value for key, value in found.items() if value}


def _about_as_large(
    photo: Photo, form: str, picture: Image.Image, write: Callable[[Image.Image, int], bytes]
) -> bytes:
    """The coding that moves the kept pixels least at about the source's size, if the source is of the same format.

    Lossy coding is nearly repeatable at the quality the source was made with, so the best one is not the highest. Of
    large photos the first that is small enough is taken, where a sample foretells which one that is.

    Args:
        photo: what is written.
        form: the format.
        picture: the photo as the encoder takes it.
        write: encodes a picture at a quality.
    """
    source = photo.source
    if source is None or source.format != form or source.lossless:
        return write(picture, LADDER[0])
    room = ROOM * source.size
    if photo.pixels[..., 0].size > TRIED_PIXELS:
        sample = _sample(picture)
        scale = picture.width * picture.height / (sample.width * sample.height)
        foretold = [quality for quality in LADDER if scale * len(write(sample, quality)) <= room]
        for quality in foretold or LADDER[-1:]:
            data = write(picture, quality)
            if len(data) <= room:
                break
        return data
    kept = ~photo.changed()
    best, least = b"", np.inf
    for quality in LADDER:
        data = write(picture, quality)
        if len(data) > room and quality != LADDER[-1]:
            continue
        with Image.open(io.BytesIO(data)) as again:
            moved = cv2.absdiff(np.array(again.convert("RGB")), photo.pixels)[kept].sum(dtype=np.int64)
        if not best or moved < least:
            best, least = data, moved
    return best


def _sample(picture: Image.Image) -> Image.Image:
    """Sixteen tiles from all over a picture of more than `TRIED_PIXELS`, side by side."""
    tile = 192
    found = picture.resize((4 * tile, 4 * tile), Image.Resampling.NEAREST)
    for row in range(4):
        for column in range(4):
            left = (2 * column + 1) * picture.width // 8 - tile // 2
            top = (2 * row + 1) * picture.height // 8 - tile // 2
            found.paste(picture.crop((left, top, left + tile, top + tile)), (column * tile, row * tile))
    return found


def _half_chroma(photo: Photo, form: str) -> bool:
    """Whether a photo comes from this lossy format with chroma at half size: so it moves less and is smaller."""
    source = photo.source
    return source is not None and source.format == form and not source.lossless and source.half_chroma


def _webp(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    picture, packets = _image(replace(photo, bilevel=False), [], palette=False), _packets(photo)
    same = photo.source is not None and photo.source.format == "WEBP"
    if lossless or not same or (photo.source and photo.source.lossless):
        return _write(picture, "WEBP", lossless=True, exact=True, quality=60, **packets), True, []

    def write(given: Image.Image, quality: int) -> bytes:
        return _write(given, "WEBP", quality=quality, exact=True, **packets)

    return _about_as_large(photo, "WEBP", picture, write), False, []


def _avif(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    picture, packets = _image(replace(photo, bilevel=False), [], palette=False), _packets(photo)
    chroma = {} if photo.greyscale else {"subsampling": "4:2:0" if _half_chroma(photo, "AVIF") else "4:4:4"}

    def write(given: Image.Image, quality: int) -> bytes:
        return _write(given, "AVIF", quality=quality, speed=AVIF_SPEED, **chroma, **packets)

    return with_coded_colours(_about_as_large(photo, "AVIF", picture, write), photo.metadata.cicp), False, []


def _heif(photo: Photo, lossless: bool) -> tuple[bytes, bool, list[str]]:
    try:
        import pillow_heif
    except ImportError:
        raise OutputError(NEEDS_PILLOW_HEIF) from None
    pillow_heif.register_heif_opener()
    picture = _image(replace(photo, bilevel=False), [], palette=False)
    packets: dict[str, Any] = _packets(photo)
    if "icc_profile" in packets:
        picture.info["icc_profile"] = packets.pop("icc_profile")
    if photo.metadata.cicp:
        packets["color_primaries"], packets["transfer_characteristics"] = photo.metadata.cicp
    large = photo.pixels[..., 0].size > TRIED_PIXELS
    tiles: dict[str, Any] = {"tile_size": HEIF_TILE} if large else {}
    if lossless:
        packets["matrix_coefficients"] = 0
        return _write(picture, "HEIF", quality=-1, chroma=444, **tiles, **packets), True, []
    tiles["enc_params"] = {"preset": "ultrafast" if large else "fast"}

    chroma = 420 if _half_chroma(photo, "HEIF") else 444

    def write(given: Image.Image, quality: int) -> bytes:
        return _write(given, "HEIF", quality=quality, chroma=chroma, **tiles, **packets)

    return _about_as_large(photo, "HEIF", picture, write), False, []


_ENCODERS = {
    "PNG": _png, "JPEG": _jpeg, "TIFF": _tiff, "BMP": _bmp, "GIF": _gif, "WEBP": _webp, "AVIF": _avif, "HEIF": _heif,
}  # fmt: skip
assert set(_ENCODERS) == set(BY_NAME)
