"""What a file says about its picture: read from any format, cleaned once, carried to any format that has room."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, TiffTags

from inpaint.photo import png, segments
from inpaint.photo.exif import clean_exif, only_orientation, oriented_exif, without_previews
from inpaint.photo.formats import Format
from inpaint.photo.orientation import swaps_sides
from inpaint.photo.xmp import clean_xmp, oriented_xmp, states_orientation, without_extension, without_pictures

ICC_TAG, XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, EXIF_IFD, GPS_IFD = 34675, 700, 33723, 34377, 0x8769, 0x8825
# Tags of a TIFF that describe how its pixels are stored: they are written anew.
STRUCTURE_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320}
    | {322, 323, 324, 325, 330, 338, 339, 340, 341, 347, *range(512, 522), 530, 531, 532, 34665, 34853, 40965}
)
# Tags of a TIFF that hold the picture as it was: Photoshop's layers and annotations, and a camera's raw file.
PICTURE_TAGS, CREDENTIALS_TAG = frozenset({37724, 50255, 50828}), 52545
NOT_PASSED_ON = STRUCTURE_TAGS | PICTURE_TAGS | {ICC_TAG, XMP_TAG, IPTC_TAG, CREDENTIALS_TAG}  # as they are
_CREDENTIALS = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # of a box in AVIF and HEIC
# ITU-T H.273: primaries and transfer as readers take them where nothing is said, and where it is said that nothing is.
_SRGB, _UNSTATED = (1, 13), 2
_CODED_COLOURS = b"colrnclx"  # of a box in AVIF and HEIC (ISO 14496-12, section 12.1.5): primaries, transfer, matrix
_GIF_CREDENTIALS = b"\x21\xff\x0bC2PA_GIF"
# XMP part 3, section 1.1.2: the packet is no chain of blocks, so a ramp of bytes behind it leads readers out.
_GIF_XMP, _GIF_TRAILER = b"\x21\xff\x0bXMP DataXMP", b"\1" + bytes(range(255, -1, -1)) + b"\0"


@dataclass(frozen=True)
class Metadata:
    """Everything beside the pixels.

    Args:
        icc: colour profile.
        exif: a TIFF structure, as EXIF stores it, without the `Exif` prefix of JPEG.
        xmp: the packet.
        iptc: IPTC-IIM records.
        dpi: horizontal and vertical resolution.
        comment: free text.
        cicp: colour primaries and transfer characteristics (numbers of ITU-T H.273) that an AVIF or HEIC states beside
            or in place of a profile; None for sRGB's.
        extras: what only the source's own format can carry: JPEG segments (marker, payload), PNG chunks (name, data) or
            TIFF tags (number, (type, value)).
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    cicp: tuple[int, int] | None = None
    extras: tuple[tuple[Any, Any], ...] = ()

    def missing_from(self, form: Format, source: str) -> Iterator[str]:
        """Names of what a file of another format cannot carry."""
        rooms = {"icc": form.icc, "exif": form.exif, "xmp": form.xmp, "iptc": form.iptc, "dpi": form.dpi}
        names = {"icc": "the colour profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "dpi": "the resolution"}
        yield from (names[key] for key, room in rooms.items() if getattr(self, key) and not room)
        if self.comment and form.name not in ("JPEG", "GIF", source):
            yield "the comment"
        if self.cicp and not self.icc and not form.cicp:
            yield "how its colours are meant (nclx)"
        if form.name != source:
            yield from self._extras_of(source)

    def _extras_of(self, source: str) -> Iterator[str]:
        """Names of what only the source's own format can carry."""
        own = dict(self.extras)
        if source == "PNG":
            if png.PROFILE_TEXTS & own.keys():
                yield "the texts"
            if colours := png.colour_chunks(own, bool(self.icc)):
                yield f"how its colours are meant ({', '.join(colours)})"
        resources = own.pop(segments.APP13, b"") if source == "JPEG" else own.pop(PHOTOSHOP_TAG, (0, b""))[1]
        if any(number != segments.IPTC_RESOURCE for number, _, _ in segments.read_resources(resources)):
            yield "Photoshop's data"
        if source == "JPEG":
            programs = [f"APP{marker - segments.APP0}" for marker in sorted(own) if segments.APP0 <= marker <= 0xEF]
            if programs:
                yield f"data of other programs ({', '.join(programs)})"
        if source == "TIFF" and own and not self.exif:
            yield "the file's own tags"


def read_metadata(picture: Image.Image, data: bytes, source: str, orientation: int, swapped: bool) -> tuple[
    Metadata, list[str]
]:
    """Read what a file says about its picture, and make it fit an upright, changed picture.

    Args:
        picture: opened, not yet turned.
        data: the file.
        source: the format's name.
        orientation: of the stored pixels, 1 to 8; where it is not 1, EXIF and XMP are told that it is now.
        swapped: turning upright exchanged width and height.

    Returns:
        the metadata, and sentences about what was left out.
    """
    notes: list[str] = []
    info = picture.info
    found = Metadata(
        icc=_bytes(info.get("icc_profile")), exif=_exif(picture, source), xmp=_xmp(picture, data),
        dpi=_dpi(info.get("dpi"), swapped) if _states_dpi(picture) else None, comment=_bytes(info.get("comment")),
        cicp=_cicp(picture, data),
    )  # fmt: skip
    if source == "JPEG":
        found = _with_jpeg_segments(found, data, notes)
        if picture.format == "JPEG" and (behind := segments.bytes_behind(data)):
            notes.append(f"{behind:,} bytes behind the picture, such as the video of a motion photo, were left out")
    elif source == "PNG":
        found = _with_png_chunks(found, data, swapped, notes)
    elif source == "TIFF":
        found = _with_tiff_tags(found, picture, swapped, notes)
    if has_credentials(picture, data):
        notes.append("content credentials (C2PA) no longer fit the picture and were left out")
    if found.exif:
        cleaned = clean_exif(found.exif, swapped)
        if cleaned is None:
            notes.append("the EXIF block is damaged and was left out")
        found = replace(found, exif=cleaned)
    if found.xmp:
        found = replace(found, xmp=clean_xmp(found.xmp, swapped))
    if found.iptc:
        found = replace(found, iptc=segments.clean_iptc(found.iptc) or None)
    return found, notes


def has_credentials(picture: Any, data: bytes) -> bool:
    """Whether a file other than a JPEG holds content credentials (C2PA 2.1, annex A)."""
    if picture.format == "PNG":
        return any(name == b"caBX" for name, _, _ in png.views(data))
    if picture.format == "TIFF":
        return CREDENTIALS_TAG in picture.tag_v2
    if picture.format == "WEBP":
        return b"C2PA" in _riff_names(data)
    if picture.format == "GIF":
        return _GIF_CREDENTIALS in data
    return picture.format in ("AVIF", "HEIF") and _CREDENTIALS in data


def _riff_names(data: bytes) -> Iterator[bytes]:
    position = 12  # behind RIFF, the size and WEBP
    while position + 8 <= len(data):
        yield data[position : position + 4]
        (size,) = struct.unpack_from("<I", data, position + 4)
        position += 8 + size + size % 2


def as_stored(found: Metadata, orientation: int) -> Metadata:
    """What `read_metadata` returned, for pixels that are written in the orientation in which they were stored.

    Args:
        found: of a JPEG.
        orientation: of the pixels as they are written, 1 to 8; EXIF or XMP will state it.
    """
    if orientation == 1:
        return found
    swapped = swaps_sides(orientation)
    xmp = oriented_xmp(found.xmp, orientation, swapped) if found.xmp else None
    exif = oriented_exif(found.exif, orientation, swapped) if found.exif else None
    if exif is None and not (xmp and states_orientation(xmp)):
        exif = only_orientation(orientation)
    dpi = found.dpi and (found.dpi[::-1] if swapped else found.dpi)
    return replace(found, exif=exif or found.exif, xmp=xmp, dpi=dpi)


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    return value.encode() if isinstance(value, str) else value or None if isinstance(value, bytes) else None


def _cicp(picture: Any, data: bytes) -> tuple[int, int] | None:
    """What an AVIF's first or a HEIC's main picture says of its colours, unless that is nothing or sRGB."""
    stated = (_UNSTATED, _UNSTATED)
    if picture.format == "HEIF":
        box = picture.info.get("nclx_profile") or {}
        stated = int(box.get("color_primaries", _UNSTATED)), int(box.get("transfer_characteristics", _UNSTATED))
    elif picture.format == "AVIF" and 0 <= (start := data.find(_CODED_COLOURS)) < len(data) - 12:
        stated = struct.unpack_from(">HH", data, start + len(_CODED_COLOURS))
    return None if stated in (_SRGB, (_UNSTATED, _UNSTATED)) or max(stated) > 255 else stated


def with_coded_colours(avif: bytes, cicp: tuple[int, int] | None) -> bytes:
    """An AVIF that says how its colours are meant (`Metadata.cicp`), for which Pillow has no setting."""
    place = avif.find(_CODED_COLOURS) + len(_CODED_COLOURS)
    if cicp is None or place < len(_CODED_COLOURS):
        return avif
    return avif[:place] + struct.pack(">HH", *cicp) + avif[place + 4 :]


def _xmp(picture: Any, data: bytes) -> bytes | None:
    """Of a TIFF its own tag, because Pillow edits its copy while loading; of a GIF what Pillow passes over."""
    if picture.format == "GIF":
        start = data.find(_GIF_XMP)
        end = data.find(_GIF_TRAILER, start)
        return data[start + len(_GIF_XMP) : end] or None if 0 <= start < end else None
    return _bytes(picture.tag_v2.get(XMP_TAG) if picture.format == "TIFF" else picture.info.get("xmp"))


def _states_dpi(picture: Any) -> bool:
    """Pillow reports a resolution of 1 for a TIFF that has none."""
    return picture.format != "TIFF" or 282 in picture.tag_v2


def _dpi(value: Any, swapped: bool) -> tuple[float, float] | None:
    try:
        across, down = (float(v) for v in value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not (math.isfinite(across) and math.isfinite(down) and 1e-3 < across < 1e6 and 1e-3 < down < 1e6):
        return None
    return (down, across) if swapped else (across, down)


def _exif(picture: Image.Image, source: str) -> bytes | None:
    if source == "TIFF":
        return exif_of_tiff(picture)
    exif = _bytes(picture.info.get("exif"))
    if exif is None and source == "PNG" and isinstance(old := picture.info.get("Raw profile type exif"), str):
        exif = png.raw_profile(old)  # how programs stored EXIF before PNG had a chunk for it
    return exif.removeprefix(segments.EXIF_HEAD) or None if exif else None


def exif_of_tiff(picture: Image.Image) -> bytes | None:
    """The EXIF of a TIFF file as a block of its own, for other formats."""
    source, own = picture.getexif(), Image.Exif()
    for tag, value in source.items():
        if tag not in NOT_PASSED_ON and tag != PHOTOSHOP_TAG:
            own[tag] = value
    for ifd in (EXIF_IFD, GPS_IFD):
        if values := source.get_ifd(ifd):
            own.get_ifd(ifd).update(values)
    try:
        return own.tobytes().removeprefix(segments.EXIF_HEAD) if len(own) or own.get_ifd(EXIF_IFD) else None
    except Exception:  # tags of a damaged file that cannot be written again
        return None


def _with_jpeg_segments(found: Metadata, data: bytes, notes: list[str]) -> Metadata:
    extras: list[tuple[int, bytes]] = []
    resources, more_xmp, credentials = b"", [], False
    for marker, payload in segments.read_segments(data)[0]:
        if marker == segments.APP13 and payload.startswith(segments.PHOTOSHOP_HEAD):
            resources += payload.removeprefix(segments.PHOTOSHOP_HEAD)
        elif marker == segments.APP1 and payload.startswith(segments.XMP_MORE_HEAD):
            more_xmp.append(payload)
            extras.append((marker, payload))
        elif marker == segments.APP11:
            credentials = True
        elif marker == segments.COMMENT or (
            segments.APP1 <= marker <= 0xEF and marker != segments.APP14
            and not payload.startswith((segments.EXIF_HEAD, segments.XMP_HEAD, segments.ICC_HEAD, b"MPF\0"))
        ):  # fmt: skip
            extras.append((marker, payload))
    if credentials:
        notes.append("content credentials or a gain map (APP11) no longer fit the picture and were left out")
    extended = segments.extended_xmp(more_xmp)
    if without_pictures(extended) != extended:
        extras = [e for e in extras if not (e[0] == segments.APP1 and e[1].startswith(segments.XMP_MORE_HEAD))]
        found = replace(found, xmp=found.xmp and without_extension(found.xmp))
        notes.append("extended XMP holds a copy of the old picture and was left out")
    pictured = [marker for marker in sorted(dict(extras)) if _show_picture(marker, extras)]
    if pictured:
        extras = [e for e in extras if e[0] not in pictured or e[1].startswith(segments.XMP_MORE_HEAD)]
        names = ", ".join(f"APP{marker - segments.APP0}" for marker in pictured)
        notes.append(f"data of other programs ({names}) hold a picture and were left out")
    iptc = next((d for n, d, _ in segments.read_resources(resources) if n == segments.IPTC_RESOURCE), None)
    if resources:
        extras.append((segments.APP13, segments.clean_resources(resources)))
    return replace(found, iptc=iptc or None, extras=tuple(extras), comment=found.comment)


def _show_picture(marker: int, extras: list[tuple[int, bytes]]) -> bool:
    """Whether a JPEG's segments of this kind hold a preview, which may be cut into several, or a thermal picture."""
    parts = [p for m, p in extras if m == marker != segments.COMMENT and not p.startswith(segments.XMP_MORE_HEAD)]
    whole = b"".join(parts)
    return any(p.startswith(b"FLIR\0") for p in parts) or png.SIGNATURE in whole or without_previews(whole) != whole


def _with_png_chunks(found: Metadata, data: bytes, swapped: bool, notes: list[str]) -> Metadata:
    extras, profiles, private = [], {}, set()
    for name, content in png.read_chunks(data):
        if name == b"pHYs" and swapped:
            content = content[4:8] + content[:4] + content[8:]  # pixels per metre, across and down
        if name in png.PROFILE_TEXTS and content.startswith(png.PROFILE):
            profiles.update(png.profile_of(name, content))
        elif name in png.KEPT_CHUNKS and not content.startswith(png.XMP_KEYWORD):
            extras.append((name, content))
        elif png.is_private(name):
            private.add(name.decode("latin-1"))
    if private:
        names = ", ".join(sorted(private))
        notes.append(f"chunks of other programs ({names}) may show the old picture and were left out")
    records = profiles.get("iptc") or profiles.get("8bim")
    inner = next((d for n, d, _ in segments.read_resources(records or b"") if n == segments.IPTC_RESOURCE), None)
    xmp = found.xmp or profiles.get("xmp") or png.app1_of(data, segments.XMP_HEAD)
    return replace(found, iptc=inner or records, xmp=xmp, extras=tuple(extras))


def _with_tiff_tags(found: Metadata, picture: Any, swapped: bool, notes: list[str]) -> Metadata:
    extras = []
    tags = picture.tag_v2
    if PICTURE_TAGS & set(tags):
        notes.append("layers, annotations or a raw file inside it hold the old picture and were left out")
    for tag in tags:
        if tag in NOT_PASSED_ON:
            continue
        kind, value = tags.tagtype[tag], tags[tag]
        if tag == PHOTOSHOP_TAG:
            value = segments.clean_resources(_bytes(value) or b"")
        if value not in (b"", "", ()):
            extras.append((tag, (kind, value)))
    exif = picture.getexif()
    extras += [(ifd, (TiffTags.LONG, dict(values))) for ifd in (EXIF_IFD, GPS_IFD) if (values := exif.get_ifd(ifd))]
    extras = [(tag, (kind, _without_previews(value))) for tag, (kind, value) in extras]
    if swapped:
        renamed = {282: 283, 283: 282}
        extras = [(renamed.get(tag, tag), value) for tag, value in extras]
    iptc = tags.get(IPTC_TAG)
    if iptc is not None and tags.tagtype.get(IPTC_TAG) == TiffTags.LONG:  # some programs declare bytes as numbers
        numbers = iptc if isinstance(iptc, tuple) else (iptc,)
        code = "<" if tags.prefix == b"II" else ">"
        iptc = struct.pack(f"{code}{len(numbers)}I", *numbers)
    return replace(found, iptc=_bytes(iptc), extras=tuple(extras))


def _without_previews(value: Any) -> Any:
    """A tag's value, which may be a directory, with every JPEG inside blanked."""
    if isinstance(value, dict):
        return {tag: _without_previews(inner) for tag, inner in value.items()}
    return without_previews(value) if isinstance(value, bytes) else value


def exif_to_tags(exif: bytes) -> list[tuple[int, Any]]:
    """The tags of an EXIF block, for a TIFF's own directory; directories inside come as dictionaries."""
    block = Image.Exif()
    try:
        block.load(segments.EXIF_HEAD + exif)
        tags: list[tuple[int, Any]] = [(t, v) for t, v in block.items() if t not in STRUCTURE_TAGS]
        return tags + [(ifd, dict(v)) for ifd in (EXIF_IFD, GPS_IFD) if (v := block.get_ifd(ifd))]
    except Exception:  # the block is damaged somewhere that patching did not visit
        return []
