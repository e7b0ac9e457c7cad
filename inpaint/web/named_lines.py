"""Files of `name:secret` lines, which only their owner may read."""

import os
from pathlib import Path

from inpaint.errors import OptionError, shown


def put_line(path: Path, name: str, secret: str) -> None:
    """Add a line to a file, in place of the older one of this name; the file is made where there is none.

    Raises:
        OptionError: it cannot be read or written.
    """
    try:
        old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in old if line.partition(":")[0] != name]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, f"{name}:{secret}"]) + "\n")
    except UnicodeDecodeError as error:
        raise OptionError(f"{shown(path)}: cannot be read ({error})") from None
    except OSError as error:
        raise OptionError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
