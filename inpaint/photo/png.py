"""The chunks of PNG files, so that what Pillow and OpenCV drop comes back byte by byte."""

import binascii
import struct
import zlib
from collections.abc import Iterable, Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
# Chunks that stay true when the pixels change: how colours are meant, resolution, texts.
KEPT_CHUNKS = frozenset({b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"sTER", *PROFILE_TEXTS})
# What tells nothing, since colours are taken as sRGB where nothing is said.
_SRGB = {
    b"gAMA": struct.pack(">I", 45_455),
    b"cHRM": struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000),
}
# Private chunks that are not told of: content credentials, which have a note of their own, and the offset of a canvas.
_TOLD = frozenset({b"caBX", b"vpAg", b"caNv"})
PROFILE = b"Raw profile type "
GREY, GREY_ALPHA = 0, 4  # colour types of the header
_TEXT_ROOM = 1 << 24  # bytes that a compressed profile may grow to


def is_private(name: bytes) -> bool:
    """Whether a chunk holds a program's own data (PNG, third edition, section 5.4: the second letter is small)."""
    return name[1:2].islower() and name not in _TOLD


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG file: name and content; stops where the file is cut off."""
    return ((name, bytes(content)) for name, content, _ in views(data))


def views(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """The chunks of a PNG file: name, content (not copied), and stated checksum; stops where the file is cut off."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield data[position + 4 : position + 8], view[position + 8 : end], struct.unpack_from(">I", data, end)[0]
        position = end + 4


def colour_chunks(chunks: dict[bytes, bytes], has_profile: bool) -> list[str]:
    """Names of the chunks that give colours another meaning than sRGB, where a profile does not outrank them."""
    outranked = has_profile or b"sRGB" in chunks
    names = [b"cICP"] if b"cICP" in chunks else []
    names += [name for name, usual in _SRGB.items() if not outranked and chunks.get(name, usual) != usual]
    return [name.decode() for name in names]


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk as bytes."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def with_chunks(data: bytes, chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG file with chunks added after its header; those of the same name that the encoder wrote give way."""
    added = list(chunks)
    names = {name for name, _ in added} - PROFILE_TEXTS
    parts: list[bytes | memoryview] = [SIGNATURE]
    for name, content, checksum in views(data):
        if name in names:
            continue
        parts += [struct.pack(">I", len(content)), name, content, struct.pack(">I", checksum)]
        if name == b"IHDR":
            parts += [chunk(*one) for one in added]
    return b"".join(parts)


def raw_profile(text: str) -> bytes | None:
    """The bytes of an ImageMagick profile text: a name, a length and hexadecimal digits, or None."""
    try:
        return binascii.unhexlify("".join(text.split()[2:]))
    except (ValueError, binascii.Error):
        return None


def profile_of(name: bytes, content: bytes) -> dict[str, bytes]:
    """The profile (such as `iptc`) in a text chunk that begins with `PROFILE`; empty where it is damaged."""
    keyword, _, rest = content.partition(b"\0")
    try:
        if name == b"zTXt":
            rest = zlib.decompressobj().decompress(rest[1:], _TEXT_ROOM)
    except zlib.error:
        return {}
    profile = raw_profile(rest.decode("latin-1"))
    return {keyword.removeprefix(PROFILE).decode("latin-1").lower(): profile} if profile else {}


def app1_of(data: bytes, head: bytes) -> bytes | None:
    """What programs kept of a JPEG's APP1 segment in a text chunk.

    Args:
        data: a PNG file.
        head: of the segment, which tells EXIF and XMP apart.

    Returns:
        what follows the head, or None.
    """
    keyword = (PROFILE + b"APP1\0").lower()
    for name, content, _ in views(data):
        if name in PROFILE_TEXTS and bytes(content[: len(keyword)]).lower() == keyword:
            for profile in profile_of(name, bytes(content)).values():
                if profile.startswith(head):
                    return profile.removeprefix(head)
    return None


def iptc_chunk(iptc_resource: bytes) -> tuple[bytes, bytes]:
    """IPTC records in ImageMagick's convention, the one that readers of PNG files know."""
    digits = iptc_resource.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    text = f"\niptc\n{len(iptc_resource):8d}\n{lines}\n".encode("latin-1")
    return b"zTXt", PROFILE + b"iptc\0\0" + zlib.compress(text)


def xmp_chunk(xmp: bytes) -> tuple[bytes, bytes]:
    """An XMP packet, uncompressed as the specification asks."""
    return b"iTXt", XMP_KEYWORD + b"\0\0\0\0" + xmp


def icc_chunk(icc: bytes) -> tuple[bytes, bytes]:
    """A colour profile."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)
