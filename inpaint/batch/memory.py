"""How much memory a run may take, and how much a photo does."""

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from inpaint.batch import places
from inpaint.batch.plan import Task
from inpaint.errors import OptionError, PhotoError, shown
from inpaint.photo.access import PictureFiles, header_size

LEADER = 400 << 20  # the process that leads, and the one that workers are forked from (measured: 390 at most)
WORKER = 600 << 20  # a worker with its libraries and its network, without a photo
PHOTO = 300 << 20  # the least room that all photos in hand together are given
PER_PIXEL = 40  # bytes at the peak of reading, filling, writing and proving one photo (docs/batch.md: 28 measured)
DEEP = 2  # times as much for 16 bits, which take about twice as much
FIRST = 25  # bytes of a file that tell its format and, of a PNG, its bits
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_bytes(text: str) -> int:
    """`6G`, `800M` or a number of bytes.

    Raises:
        OptionError: something else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", text.strip().upper())
    if not match or not float(match[1]):
        raise OptionError(f"a size of memory is written like 6G or 800M, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def physical_memory() -> int | None:
    """Bytes of memory of this machine, or None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def picture_size(place: str, files: PictureFiles = PictureFiles()) -> tuple[int, int] | None:
    """Width and height from a picture file's header, as stored; None where it cannot be told."""
    if not places.is_remote(place):
        return files.size(Path(place))
    return _remote_header(place)[0]


def _remote_header(place: str) -> tuple[tuple[int, int] | None, bytes]:
    """As `_header`, of a file elsewhere, which is opened once."""
    start = b""
    try:
        system, path = places.filesystem(place)
        with system.open(path, "rb", block_size=1 << 16) as file:
            start = bytes(file.read(FIRST))
            file.seek(0)
            return header_size(file), start
    except Exception:  # damaged files raise nearly anything; why it cannot be read is found when it is filled
        return None, start


def _header(place: str, files: PictureFiles) -> tuple[tuple[int, int] | None, bytes]:
    """`picture_size` of a file and its first bytes, where they can be read."""
    if places.is_remote(place):
        return _remote_header(place)
    size, start = files.size(Path(place)), b""
    if size is not None:  # so it is no pipe, which would make its reader wait
        with suppress(OSError), open(place, "rb") as file:
            start = file.read(FIRST)
    return size, start


def _per_pixel(start: bytes) -> int:
    """Bytes a pixel of a file may take; a TIFF, which may have 16 bits, is taken to have them."""
    deep = (start[:4] == b"\x89PNG" and start[24:] == b"\x10") or start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    return PER_PIXEL * (DEEP if deep else 1)


@lru_cache(maxsize=256)  # a photo that waits for memory is asked about again and again
def photo_bytes(task: Task, files: PictureFiles = PictureFiles()) -> int | None:
    """Memory that filling a task's photo takes at its peak, or None where its size cannot be told."""
    size, start = _header(task.photo, files)
    return None if size is None else size[0] * size[1] * _per_pixel(start)


def least_memory(workers: int) -> int:
    """Bytes without which so many workers (0: this process alone) cannot be begun."""
    return LEADER + max(1, workers) * WORKER + PHOTO


def check_memory(photo: Path, most: int) -> None:
    """Refuse to fill a photo file in this process where that may take more than so many bytes.

    A file whose size cannot be told is not refused: reading it says what is wrong with it.

    Raises:
        PhotoError: it may take more.
    """
    size, start = _header(str(photo), PictureFiles())
    need = 0 if size is None else WORKER + size[0] * size[1] * _per_pixel(start)
    if need > most:
        told, allowed = f"{need / 2**20:,.0f} MiB", f"{most / 2**20:,.0f} MiB"
        raise PhotoError(f"{shown(photo)}: needs about {told} of memory, --max-memory allows {allowed}")


def workers_for(cores: int, memory: int | None, tasks: int) -> int:
    """Workers that the cores, the memory and the number of tasks are good for, at least 1."""
    fit = cores if memory is None else max(1, (memory - LEADER) // (WORKER + PHOTO))
    return max(1, min(cores, fit, tasks))
