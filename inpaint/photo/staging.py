"""Files that appear together, whole, or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from inpaint.errors import OutputError, shown


class Staging:
    """Collects files under hidden names beside their places, and puts them there with `commit`.

    Used as a context manager: what was not committed is removed.

    Args:
        prefix: of the hidden names, so that what a killed process left behind can be told.
        durable: each file is on the disk before it appears, so that not even a power cut leaves half of one.
        overwrite: replace what is there; else a file that appeared meanwhile is an error.
    """

    def __init__(self, prefix: str = ".inpaint-", durable: bool = False, overwrite: bool = True) -> None:
        self.prefix, self.durable, self.overwrite = prefix, durable, overwrite
        self._waiting: list[tuple[Path, Path]] = []  # hidden, final

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for partial, _final in self._waiting:
            partial.unlink(missing_ok=True)

    def reserve(self, path: Path) -> Path:
        """A hidden name under which a file may be written that `commit` will put at `path`."""
        hidden = self._hidden(path)
        self._waiting.append((hidden, path))
        return hidden

    def _hidden(self, path: Path) -> Path:
        return path.with_name(f"{self.prefix}{secrets.token_hex(8)}{path.suffix}")

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
        """Put every file in its place, the one that was added first last: it is what the others tell of.

        Raises:
            OutputError: one cannot be put there, or is there already without `overwrite`; every place is as before.
        """
        done: list[tuple[Path, Path, Path | None]] = []  # hidden, final, and what was there under a hidden name
        path = Path()
        try:
            for number, (partial, path) in reversed(list(enumerate(self._waiting))):
                done.append((partial, path, self._hidden(path) if number and self.overwrite else None))
                self._put(*done[-1])
        except BaseException as error:
            for one in reversed(done):
                with suppress(OSError):
                    _take_back(*one)
            if isinstance(error, OSError):
                raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
            raise
        for *_, before in done:
            if before:
                before.unlink(missing_ok=True)
        self._waiting.clear()

    def _put(self, partial: Path, path: Path, before: Path | None) -> None:
        if self.overwrite:
            if before and os.path.lexists(path):
                _keep(path, before)
            os.replace(partial, path)
            return
        try:
            os.link(partial, path)  # unlike a renaming, it fails where a file appeared meanwhile
        except FileExistsError:
            _refuse_existing(path)
        except (OSError, NotImplementedError):  # a file system without hard links
            if os.path.lexists(path):
                _refuse_existing(path)
            os.rename(partial, path)
        else:
            partial.unlink()


def _refuse_existing(path: Path) -> NoReturn:
    raise OutputError(f"{shown(path)}: exists already, use --overwrite to replace it") from None


def _keep(path: Path, before: Path) -> None:
    """Give a file a second name, or another one where the file system knows no second names."""
    try:
        os.link(path, before, follow_symlinks=False)
    except (OSError, NotImplementedError):
        os.rename(path, before)


def _take_back(partial: Path, path: Path, before: Path | None) -> None:
    """Undo what `_put` did, or as much of it as it did."""
    is_there = not os.path.lexists(partial) or (os.path.lexists(path) and os.path.samefile(partial, path))
    if before and os.path.lexists(before):
        if is_there or not os.path.lexists(path):
            os.replace(before, path)
        else:
            before.unlink()
    elif is_there:
        path.unlink()


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
            _refuse_existing(path)
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{shown(path)}: the folder cannot be written to")
        if len(os.fsencode(path.name)) > 255:
            raise OutputError(f"{shown(path)}: the name is too long")
    except (OSError, ValueError) as error:
        raise OutputError(f"{shown(path)}: cannot be written ({getattr(error, 'strerror', None) or error})") from None
