"""EXIF as bytes: made to fit an upright, changed picture without moving anything.

The block is patched in place rather than parsed and written anew, because makers' private data (MakerNote) hold offsets
that a rewrite would break.
"""

import io
import struct
from collections.abc import Iterator

from PIL import Image
from PIL.ContainerIO import ContainerIO

from inpaint.photo.segments import picture_end

ORIENTATION, EXIF_IFD = 0x0112, 0x8769
SIZES = ((0x0100, 0x0101), (0xA002, 0xA003))  # width and height, in the main and in the EXIF directory
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_Entry = tuple[int, int, int, int]  # position of the 12 bytes, tag, type, count


class _Block:
    """A TIFF structure that can be patched; raises struct.error or ValueError where it is not one."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
        if not self.order:
            raise ValueError("no TIFF header")
        self.blanked: list[tuple[int, int]] = []

    def number(self, position: int, kind: str) -> int:
        return int(struct.unpack_from(self.order + kind, self.data, position)[0])

    def entries(self, start: int) -> tuple[list[_Entry], int]:
        """The entries of a directory, and the position of the pointer to the next one."""
        count = self.number(start, "H")
        found = [
            (p, self.number(p, "H"), self.number(p + 2, "H"), self.number(p + 4, "I"))
            for p in range(start + 2, start + 2 + 12 * count, 12)
        ]
        return found, start + 2 + 12 * count

    def values(self, entry: _Entry) -> list[int]:
        """The numbers of a SHORT or LONG entry."""
        position, _, kind, count = entry
        code = {3: "H", 4: "I", 13: "I"}.get(kind)
        if code is None or count > 65_536:
            return []
        size = _TYPE_BYTES[kind] * count
        start = position + 8 if size <= 4 else self.number(position + 8, "I")
        return [int(v) for v in struct.unpack_from(f"{self.order}{count}{code}", self.data, start)]

    def blank(self, start: int, length: int) -> None:
        end = min(start + length, len(self.data))
        if 8 <= start < end:
            self.data[start:end] = bytes(end - start)
            self.blanked.append((start, end))

    def without_blank_end(self) -> bytes:
        length = len(self.data)
        for start, end in sorted(self.blanked, reverse=True):
            length = start if end == length else length
        return bytes(self.data[:length])


def clean_exif(exif: bytes, turned: bool) -> bytes | None:
    """EXIF for a picture that is upright now and whose content has changed.

    The orientation becomes 1, recorded sizes are exchanged where the sides were, the thumbnail is cut out and so is
    every JPEG preview elsewhere in the block: they would still show what was removed.

    Args:
        exif: a TIFF structure, as EXIF stores it.
        turned: width and height were exchanged.

    Returns:
        bytes, or None where the block is damaged.
    """
    try:
        block = _Block(exif)
        main = block.number(4, "I")
        entries, next_pointer = block.entries(main)
        _orient(block, entries, 1, turned)
        thumbnail = block.number(next_pointer, "I")
        if thumbnail:
            struct.pack_into(block.order + "I", block.data, next_pointer, 0)
            _blank_directory(block, thumbnail)
        _blank_previews(block)
    except (struct.error, ValueError, IndexError):
        return None
    return block.without_blank_end()


def oriented_exif(exif: bytes, orientation: int, turned: bool) -> bytes | None:
    """EXIF that `clean_exif` returned, with the orientation that the pixels are stored in after all.

    Args:
        exif: a TIFF structure, as EXIF stores it.
        orientation: 1 to 8.
        turned: width and height are exchanged against the upright picture.

    Returns:
        bytes, or None where the block has no place for an orientation.
    """
    block = _Block(exif)
    found = _orient(block, block.entries(block.number(4, "I"))[0], orientation, turned)
    return bytes(block.data) if found else None


def only_orientation(orientation: int) -> bytes:
    """An EXIF block that states an orientation, and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)


def _orient(block: _Block, entries: list[_Entry], orientation: int, turned: bool) -> bool:
    """State an orientation wherever one is stated, exchange the sizes; returns whether one was stated."""
    found = False
    for position, tag, kind, _ in entries:
        if tag == ORIENTATION and kind in (3, 4, 8, 9):  # SHORT, LONG and their signed kinds
            struct.pack_into(block.order + ("H" if kind in (3, 8) else "I"), block.data, position + 8, orientation)
            found = True
    if turned:
        _swap_sizes(block, entries)
        for entry in entries:
            if entry[1] == EXIF_IFD:
                _swap_sizes(block, block.entries(block.values(entry)[0])[0])
    return found


def _swap_sizes(block: _Block, entries: list[_Entry]) -> None:
    place = {tag: position for position, tag, _, _ in entries}
    for width, height in SIZES:
        if width in place and height in place:
            a, b = place[width] + 2, place[height] + 2  # type, count and value change places
            block.data[a : a + 10], block.data[b : b + 10] = block.data[b : b + 10], block.data[a : a + 10]


def _blank_directory(block: _Block, start: int) -> None:
    """Zero a directory and everything that it points to."""
    try:
        entries, end = block.entries(start)
        found = {entry[1]: block.values(entry) for entry in entries}
        for offsets, lengths in ((0x0201, 0x0202), (0x0111, 0x0117)):
            for offset, length in zip(found.get(offsets, []), found.get(lengths, []), strict=False):
                block.blank(offset, length)
        for position, _, kind, count in entries:
            size = _TYPE_BYTES.get(kind, 0) * count
            if size > 4:
                block.blank(block.number(position + 8, "I"), size)
    except struct.error:
        return  # it points outside the block, so there is nothing to show
    block.blank(start, end + 4 - start)


def _blank_previews(block: _Block) -> None:
    for start, end in _previews(block.data):
        block.blank(start, end - start)


def without_previews(data: bytes) -> bytes:
    """Private data of a camera or program with zeros in place of every JPEG inside."""
    blanked = bytearray(data)
    for start, end in _previews(blanked):
        blanked[start:end] = bytes(end - start)
    return bytes(blanked)


def _previews(data: bytearray) -> Iterator[tuple[int, int]]:
    """Start and end of every JPEG in data that may be blanked meanwhile."""
    start = data.find(b"\xff\xd8\xff")
    file = io.BytesIO(data if start >= 0 else b"")  # as it is now: no JPEG that is still to come is blanked before
    while start >= 0:
        if is_jpeg(file, start):
            end = picture_end(data, start)
            yield start, end if end > 0 else len(data)  # one that is cut off fills the rest
        start = data.find(b"\xff\xd8\xff", start + 1)


def is_jpeg(file: io.BytesIO, start: int) -> bool:
    """Whether a JPEG header that Pillow understands begins at a place of a file."""
    part = ContainerIO(file, start, file.getbuffer().nbytes - start)
    try:
        with Image.open(part, formats=("JPEG",)) as picture:  # type: ignore[arg-type]
            return picture.size[0] > 0
    except Exception:  # whatever the header parser stumbles over, these bytes show no picture
        return False
