"""Passwords for the page: a file of `name:scrypt$salt$hash` lines, never the passwords themselves.

scrypt after Percival 2009, "Stronger key derivation via sequential memory-hard functions"; n = 2^14, r = 8, p = 1.
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from inpaint.errors import OptionError, shown
from inpaint.web.named_lines import put_line

_COST: dict[str, int] = {"n": 2**14, "r": 8, "p": 1}


class Passwords:
    """Who may use the page; called as `(name, password) -> bool`.

    Args:
        path: the file.

    Raises:
        OptionError: it cannot be read, or holds a line that is none of ours; the text names the line.
    """

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{shown(path)}: cannot be read ({error})") from None
        self._users: dict[str, tuple[bytes, bytes]] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.strip().partition(":")
            parts = rest.strip().split("$")
            if not name or len(parts) != 3 or parts[0] != "scrypt":
                raise OptionError(f"{shown(path)}: line {number} is not name:scrypt$salt$hash, see app.py --add-user")
            try:
                self._users[name] = base64.b64decode(parts[1], validate=True), base64.b64decode(parts[2], validate=True)
            except ValueError:
                raise OptionError(f"{shown(path)}: line {number} is damaged") from None
        if not self._users:
            raise OptionError(f"{shown(path)}: holds no user, add one with app.py --add-user NAME")

    def __call__(self, name: str, password: str) -> bool:
        """Whether this person may come in."""
        salt, expected = self._users.get(name, (b"nobody", b""))
        return hmac.compare_digest(_hash(password, salt), expected)


def add_user(path: Path, name: str, password: str) -> None:
    """Add a person to a password file, or give them another password.

    Raises:
        OptionError: an empty name or password, a name that the file cannot hold, or a file that cannot be written.
    """
    fits = name.isprintable() and name == name.strip() and ":" not in name and not name.startswith("#")
    if not (name and password and fits):
        raise OptionError("a user needs a password and a name without colon or blanks around it")
    salt = secrets.token_bytes(16)
    put_line(path, name, f"scrypt${_text(salt)}${_text(_hash(password, salt))}")


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
