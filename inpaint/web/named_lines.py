"""Files of `name:secret` lines, which only their owner may read."""

import os
from pathlib import Path

from inpaint.errors import OptionError, OutputError, shown
from inpaint.photo.staging import Staging


def put_line(path: Path, name: str, secret: str) -> None:
    """Add a line to a file, in place of the older one of this name; the file is made where there is none.

    Raises:
        OptionError: it cannot be read or written; what was there is there still.
    """
    try:
        place = path.resolve()
        old = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        kept = [line for line in old if line.strip().partition(":")[0] != name]
        with Staging() as staging:
            hidden = os.open(staging.reserve(place), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(hidden, "w", encoding="utf-8") as file:
                file.write("\n".join([*kept, f"{name}:{secret}"]) + "\n")
            staging.commit()
    except UnicodeDecodeError as error:
        raise OptionError(f"{shown(path)}: cannot be read ({error})") from None
    except OutputError as error:
        raise OptionError(str(error)) from None
    except OSError as error:
        raise OptionError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
