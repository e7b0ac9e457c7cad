"""Files of `name:secret` lines, which only their owner may read."""

import os
from pathlib import Path

from inpaint.errors import OptionError, shown


def put_line(path: Path, name: str, secret: str) -> None:
    """Add a line to a file, in place of the older one of this name; the file is made where there is none.

    Raises:
        OptionError: it cannot be read or written; what was there is there still.
    """
    try:
        place = path.resolve()
        old = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        kept = [line for line in old if line.strip().partition(":")[0] != name]
        partial = place.with_name(f".{place.name}.partial")
        partial.unlink(missing_ok=True)  # its mode counts only where it is made
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, f"{name}:{secret}"]) + "\n")
        os.replace(partial, place)
    except UnicodeDecodeError as error:
        raise OptionError(f"{shown(path)}: cannot be read ({error})") from None
    except OSError as error:
        raise OptionError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
