"""The marker segments of JPEG files and the resource blocks of Photoshop inside them."""

import re
import struct
from collections.abc import Iterator

EXIF_HEAD, XMP_HEAD, ICC_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
XMP_MORE_HEAD, PHOTOSHOP_HEAD, JFIF_HEAD = b"http://ns.adobe.com/xmp/extension/\0", b"Photoshop 3.0\0", b"JFIF\0"
ROOM = 65_533  # bytes of payload that one segment can carry
APP0, APP1, APP2, APP11, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE
_SCAN, _END = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in coded values 0xFF is followed by 0 or by a restart
_DIGEST = 32  # bytes, of extended XMP
IPTC_RESOURCE, THUMBNAIL_RESOURCES = 0x0404, (0x0409, 0x040C)
IPTC_PREVIEW = (200, 201, 202)


def read_segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The segments of a JPEG file before its first scan.

    Returns:
        (marker, payload) pairs from SOI to SOS, and the position of the first one that is not APPn or COM.
    """
    position, found, first_table = 2, [], -1
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in (0xFF, 0x00):  # fill bytes before a marker
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if length < 2:
            break
        application = APP0 <= marker <= 0xEF or marker == COMMENT
        if not application and first_table < 0:
            first_table = position
        if marker == 0xDA:
            break
        found.append((marker, data[position + 4 : position + 2 + length]))
        position += 2 + length
    return found, first_table


def picture_end(data: bytes | bytearray, start: int = 0) -> int:
    """Where a JPEG that begins at `start` ends, pictures inside its segments skipped; -1 where it is cut off."""
    position = start + 2
    while position + 2 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _END:
            return position + 2
        position += 1 if marker in (0xFF, 0x00) else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _SCAN:
            found = _MARKER.search(data, position)
            position = found.start() if found else len(data)
    return -1


def bytes_behind(data: bytes) -> int:
    """How many bytes follow the end of a JPEG's picture; 0 where they are nothing but zeros."""
    end = picture_end(data)
    return len(data) - end if end > 0 and data[end:].strip(b"\0") else 0


def extended_xmp(payloads: list[bytes]) -> bytes:
    """The XMP that a JPEG holds in segments of their own, put together (XMP part 3, section 1.1.3.1).

    Args:
        payloads: that begin with `XMP_MORE_HEAD`; a digest, the length of the whole and the place of the part follow.
    """
    start = len(XMP_MORE_HEAD) + _DIGEST
    parts = [(p[start - _DIGEST : start], p[start + 4 : start + 8], p[start + 8 :]) for p in payloads]
    return b"".join(part for _, _, part in sorted(parts))


def segment(marker: int, payload: bytes) -> bytes:
    """One segment as bytes; the payload has at most `ROOM` bytes."""
    assert len(payload) <= ROOM
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def icc_segments(icc: bytes) -> Iterator[bytes]:
    """A colour profile, cut into numbered segments (ICC.1, annex B.4)."""
    room = ROOM - len(ICC_HEAD) - 2
    parts = [icc[i : i + room] for i in range(0, len(icc), room)]
    for number, part in enumerate(parts, 1):
        yield segment(APP2, ICC_HEAD + bytes((number, len(parts))) + part)


def photoshop_segments(resources: bytes) -> Iterator[bytes]:
    """Photoshop resources, cut into segments."""
    room = ROOM - len(PHOTOSHOP_HEAD)
    for start in range(0, len(resources), room):
        yield segment(APP13, PHOTOSHOP_HEAD + resources[start : start + room])


def read_resources(resources: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The resources of a Photoshop block: id, data, and the whole resource as bytes; stops where it is damaged."""
    position = 0
    while resources[position : position + 4] == b"8BIM" and position + 12 <= len(resources):
        (number,) = struct.unpack_from(">H", resources, position + 4)
        start = position + 6 + (resources[position + 6] + 2) // 2 * 2  # a Pascal name, padded to an even size
        if start + 4 > len(resources):
            return
        (size,) = struct.unpack_from(">I", resources, start)
        end = start + 4 + size
        if end > len(resources):
            return
        yield number, resources[start + 4 : end], resources[position : end + size % 2]
        position = end + size % 2


def clean_resources(resources: bytes) -> bytes:
    """A Photoshop block without its thumbnails and previews, which would show the picture as it was."""
    kept = []
    for number, data, whole in read_resources(resources):
        if number == IPTC_RESOURCE and (iptc := clean_iptc(data)) != data:
            kept.append(iptc_resource(iptc))
        elif number not in THUMBNAIL_RESOURCES:
            kept.append(whole)
    return b"".join(kept)


def clean_iptc(iptc: bytes) -> bytes:
    """IPTC records without the preview that they may hold (IIM 4.2, datasets 2:200 to 2:202)."""
    kept, position = [], 0
    while position + 5 <= len(iptc) and iptc[position] == 0x1C:
        start, size = position + 5, int.from_bytes(iptc[position + 3 : position + 5])
        if size & 0x8000:  # the size of the size (IIM 4.2, section 1.5)
            start += size & 0x7FFF
            size = int.from_bytes(iptc[position + 5 : start]) if start <= position + 13 else len(iptc)
        if start + size > len(iptc):
            break
        if iptc[position + 1] != 2 or iptc[position + 2] not in IPTC_PREVIEW:
            kept.append(iptc[position : start + size])
        position = start + size
    return b"".join(kept) + iptc[position:]


def iptc_resource(iptc: bytes) -> bytes:
    """A Photoshop block that holds IPTC records."""
    return b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
