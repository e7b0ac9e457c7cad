"""Where files lie: a path of this machine, or a URL that fsspec knows (`s3://`, `gs://`, `memory://`, ...)."""

import hashlib
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from inpaint.errors import InpaintError, OptionError, OutputError, PhotoError, shown
from inpaint.photo.limits import Limits, read_bytes

# One PUT of these appears whole or not at all; elsewhere a file is written beside its place and then moved there.
_WHOLE_PUTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"})
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_remote(place: str) -> bool:
    """Whether a place is a URL; after `normal` a `file://` is not."""
    return bool(_URL.match(place))


def is_private(place: str) -> bool:
    """Whether only this process can see a place."""
    return place.lower().startswith("memory://")


def normal(place: str) -> str:
    """A place as the rest of the program takes it: `file://` URLs become paths.

    Raises:
        OptionError: a `file://` URL of another machine.
    """
    if not place.lower().startswith("file://"):
        return place
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost"):
        raise OptionError(f"{shown(place)}: names a file of another machine, mount it here or use its own protocol")
    return unquote(parts.path) if "%" in parts.path and not os.path.lexists(parts.path) else parts.path


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec filesystem of a URL, and the path in it.

    Raises:
        OptionError: the protocol is unknown, or its package is not installed.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise OptionError(f"{shown(url)}: needs one more package ({error})") from None
    except ValueError as error:
        raise OptionError(f"{shown(url)}: is not a place that can be reached ({error})") from None


def join(folder: str, relative: str) -> str:
    """A place below another; `relative` uses forward slashes."""
    if is_remote(folder):
        return f"{folder.rstrip('/')}/{relative}"
    return os.path.join(folder, *relative.split("/"))


def reals(names: Iterable[str]) -> dict[str, str]:
    """One name for all spellings of a file of this machine, links followed; a URL stays as it is."""
    folders, found = dict[str, str](), dict[str, str]()
    for name in names:
        folder, last = os.path.split(name)
        if is_remote(name) or last in ("", ".", ".."):
            found[name] = name if is_remote(name) else os.path.realpath(name)
            continue
        if folder not in folders:  # looked at once for all its files
            folders[folder] = os.path.realpath(folder)
        place = os.path.join(folders[folder], last)
        found[name] = os.path.realpath(place) if os.path.islink(place) else place
    return found


def parent(place: str) -> str:
    """The folder of a place."""
    return place.rpartition("/")[0] if is_remote(place) else os.path.dirname(place)


def exists(place: str) -> bool:
    """Whether something lies there; a broken link counts."""
    if not is_remote(place):
        return os.path.lexists(place)
    system, path = filesystem(place)
    return bool(system.exists(path))


def stamp(place: str) -> dict[str, Any] | None:
    """What tells cheaply whether a file is still the same: size and time or tag; None where it cannot be looked at."""
    if not is_remote(place):
        try:
            found = os.stat(place)
        except (OSError, ValueError):
            return None
        return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
    try:
        system, path = filesystem(place)
        info = system.info(path)
    except Exception:  # every service has errors of its own
        return None
    kept = ("size", "ETag", "etag", "md5Hash", "mtime", "last_modified", "LastModified", "updated", "created")
    return {key: info[key] if isinstance(info[key], int) else str(info[key]) for key in kept if key in info}


def stamps(names: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """`stamp` of many places at once; requests to a service run side by side."""
    unique = list(dict.fromkeys(names))
    if not any(is_remote(name) for name in unique):
        return {name: stamp(name) for name in unique}
    with ThreadPoolExecutor(32) as threads:
        return dict(zip(unique, threads.map(stamp, unique), strict=True))


def read(place: str, limits: Limits = Limits()) -> bytes:
    """The whole file.

    Raises:
        PhotoError: it cannot be read, is empty or too large.
    """
    if not is_remote(place):
        return read_bytes(Path(place), limits)
    system, path = filesystem(place)
    try:
        if system.size(path) > limits.file_bytes:
            raise PhotoError(f"{shown(place)}: has more than the limit of {limits.file_bytes:,} bytes")
        data = system.cat_file(path)
    except InpaintError:
        raise
    except FileNotFoundError:
        raise PhotoError(f"{shown(place)}: file not found") from None
    except Exception as error:  # every service has errors of its own
        raise PhotoError(f"{shown(place)}: cannot be read ({_reason(error)})") from None
    if not data:
        raise PhotoError(f"{shown(place)}: is empty, so it is not a picture that can be read")
    return data


@contextmanager
def near_copy(place: str, limits: Limits = Limits()) -> Iterator[Path]:
    """A file as one of this machine, for as long as it is needed; raises PhotoError if it cannot be read."""
    if not is_remote(place):
        yield Path(place)
        return
    data = read(place, limits)
    with tempfile.TemporaryDirectory(prefix="inpaint-batch-") as folder:
        path = Path(folder, "file")
        path.write_bytes(data)
        yield path


def digest(place: str) -> str | None:
    """SHA-256 of a file in hexadecimal, or None where it cannot be read."""
    try:
        if not is_remote(place):
            if not stat.S_ISREG(os.stat(place).st_mode):  # opening a pipe would wait for ever
                return None
            with open(place, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        system, path = filesystem(place)
        total = hashlib.sha256()
        with system.open(path, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
        return total.hexdigest()
    except (InpaintError, OSError, ValueError):
        return None


def publish(place: str, data: bytes) -> None:
    """Put a file at a URL, whole or not at all.

    Raises:
        OutputError: the service refuses.
    """
    system, path = filesystem(place)
    try:
        if urlsplit(place).scheme.lower() in _WHOLE_PUTS:
            system.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
        partial = f"{folder}/.inpaint-{secrets.token_hex(8)}-{name}"
        try:
            system.pipe_file(partial, data)
            system.mv(partial, path)
        except BaseException:
            with suppress(Exception):  # what a service refused to finish it may refuse to remove
                system.rm_file(partial)
            raise
    except InpaintError:
        raise
    except Exception as error:  # every service has errors of its own
        raise OutputError(f"{shown(place)}: cannot be written ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
