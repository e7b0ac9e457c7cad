"""Files that appear together, whole, or not at all."""

import os
import secrets
from pathlib import Path
from types import TracebackType

from inpaint.errors import OutputError, shown


class Staging:
    """Collects files under hidden names beside their places, and puts them there with `commit`.

    Used as a context manager: what was not committed is removed.

    Args:
        prefix: of the hidden names, so that what a killed process left behind can be told.
        durable: each file is on the disk before it appears, so that not even a power cut leaves half of one.
    """

    def __init__(self, prefix: str = ".inpaint-", durable: bool = False) -> None:
        self.prefix, self.durable = prefix, durable
        self._waiting: list[tuple[Path, Path]] = []  # hidden, final

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for partial, _final in self._waiting:
            partial.unlink(missing_ok=True)

    def reserve(self, path: Path) -> Path:
        """A hidden name under which a file may be written that `commit` will put at `path`."""
        hidden = path.with_name(f"{self.prefix}{secrets.token_hex(8)}{path.suffix}")
        self._waiting.append((hidden, path))
        return hidden

    def add(self, path: Path, data: bytes) -> None:
        """Write a file under its hidden name.

        Args:
            path: where `commit` will put it.
            data: its contents.

        Raises:
            OutputError: it cannot be written.
        """
        write_hidden(self.reserve(path), path, data, durable=self.durable)

    def commit(self) -> None:
        """Put every file in its place, in the order in which they were added.

        Raises:
            OutputError: one cannot be put there; those after it are not.
        """
        while self._waiting:
            partial, path = self._waiting[0]
            try:
                os.replace(partial, path)
            except OSError as error:
                raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
            del self._waiting[0]


def write_hidden(
    hidden: Path, path: Path, data: bytes, times: tuple[int, int] | None = None, durable: bool = False
) -> None:
    """Write a file under a name from `Staging.reserve`.

    Args:
        hidden: that name.
        path: where the file will appear; its permissions are kept if it exists.
        data: its contents.
        times: last access and modification in ns; None: now.
        durable: wait until it is on the disk.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        handle = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if path.is_file():
            os.chmod(hidden, path.stat().st_mode & 0o777)
        if times:
            os.utime(hidden, ns=times)
    except OSError as error:
        raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None


def check_writable(path: Path, overwrite: bool) -> None:
    """Refuse a path that cannot be written, before any work is done.

    Raises:
        OutputError: missing folder, a folder of that name, no permission, or the file exists and `overwrite` is False.
    """
    try:
        if not path.parent.is_dir():
            raise OutputError(f"{shown(path)}: the folder does not exist")
        if path.is_dir():
            raise OutputError(f"{shown(path)}: is a folder")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(f"{shown(path)}: exists already, use --overwrite to replace it")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{shown(path)}: the folder cannot be written to")
        if len(os.fsencode(path.name)) > 255:
            raise OutputError(f"{shown(path)}: the name is too long")
    except (OSError, ValueError) as error:
        raise OutputError(f"{shown(path)}: cannot be written ({getattr(error, 'strerror', None) or error})") from None
