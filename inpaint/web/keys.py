"""API keys: a file, or the variable INPAINT_API_KEYS, of `name:sha256$hex` lines, never the keys themselves.

A key is 256 random bits, so that one round of SHA-256 is as hard to turn back as many.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from inpaint.errors import OptionError, shown
from inpaint.web.named_lines import put_line

VARIABLE = "INPAINT_API_KEYS"


class Keys:
    """Who may use the API.

    Args:
        lines: `name:sha256$hex`; empty ones and those that begin with # are passed over.
        place: where they come from, for messages.

    Raises:
        OptionError: a line that is none of ours, or no key at all.
    """

    def __init__(self, lines: Iterable[str], place: str) -> None:
        self._names: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.strip().partition(":")
            kind, _, digest = rest.partition("$")
            if not name or kind != "sha256" or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
                raise OptionError(f"{place}: line {number} is not name:sha256$hex, see serve --add-key")
            self._names[digest] = name
        if not self._names:
            raise OptionError(f"{place}: holds no key, add one with serve --add-key NAME")

    def name(self, key: str) -> str | None:
        """Whose key this is; None where it is nobody's."""
        digest = _digest(key)
        found = None
        for known, name in self._names.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = name
        return found


def load_keys(path: Path | None) -> Keys | None:
    """The keys of a file, or of the environment; None where neither is there.

    Raises:
        OptionError: it cannot be read, or holds no usable key.
    """
    if path is not None:
        try:
            return Keys(path.read_text(encoding="utf-8").splitlines(), shown(path))
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{shown(path)}: cannot be read ({error})") from None
    text = os.environ.get(VARIABLE, "")
    return Keys(text.replace(",", "\n").splitlines(), VARIABLE) if text.strip() else None


def add_key(path: Path, name: str) -> str:
    """Make a key, add its hash to a file (in place of the older one of this name), and return it, this once.

    Raises:
        OptionError: a name that the file cannot hold, or a file that cannot be written.
    """
    if not name or any(c in name for c in ":,#$") or not name.isprintable() or name != name.strip():
        raise OptionError(f"a key's name is plain text without : , # and $, got {name!r}")
    key = f"ink_{secrets.token_urlsafe(32)}"
    put_line(path, name, f"sha256${_digest(key)}")
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
