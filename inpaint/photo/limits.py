"""How large a file may be before it is refused, and reading it whole within that."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from inpaint.errors import OptionError, PhotoError, shown


@dataclass(frozen=True)
class Limits:
    """What a picture file may ask of this machine.

    Args:
        pixels: width times height; the default is the one at which Pillow refuses a file.
        file_bytes: size of the file on disk.

    Raises:
        OptionError: below 1.
    """

    pixels: int = 178_956_970
    file_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if self.pixels < 1 or self.file_bytes < 1:
            raise OptionError(f"limits must be at least 1, got {self.pixels} pixels and {self.file_bytes} bytes")

    def check_size(self, path: Path, width: int, height: int) -> None:
        """Refuse a picture of too many pixels; raises PhotoError."""
        if width * height > self.pixels:
            raise PhotoError(
                f"{shown(path)}: has {width}x{height} pixels, too many to be opened safely "
                f"(the limit is {self.pixels:,}, --max-pixels raises it)"
            )


def read_bytes(path: Path, limits: Limits) -> bytes:
    """Read a whole regular file.

    Raises:
        PhotoError: missing, not a regular file, unreadable, or larger than the limit.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            kind = "is a folder" if stat.S_ISDIR(found.st_mode) else "is not a regular file"
            raise PhotoError(f"{shown(path)}: cannot be read ({kind})")
        if found.st_size > limits.file_bytes:
            raise PhotoError(
                f"{shown(path)}: has {found.st_size:,} bytes, more than the limit of {limits.file_bytes:,} "
                "(--max-bytes raises it)"
            )
        with open(path, "rb") as file:
            data = file.read(limits.file_bytes + 1)
    except FileNotFoundError:
        raise PhotoError(f"{shown(path)}: file not found") from None
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise PhotoError(f"{shown(path)}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(data) > limits.file_bytes:
        raise PhotoError(f"{shown(path)}: grew beyond the limit of {limits.file_bytes:,} bytes while it was read")
    return data
