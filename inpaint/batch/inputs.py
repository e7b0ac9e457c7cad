"""Which files a folder, a glob pattern, a list or a URL names; what cannot be looked at is listed, too."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from inpaint.batch import places
from inpaint.errors import OptionError, PhotoError, shown
from inpaint.photo.formats import FORMATS

_LISTS = (".txt", ".lst", ".list")
LOOP = "is a link to a folder that it lies in, so it is not followed"
CIRCLE = "is a list that names itself"
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file: its place, and its path below the folder it was looked for in, with forward slashes."""

    place: str
    relative: str


@dataclass
class Listing:
    """What was found: pictures, what cannot be read with its reason, and what was left out with its reason."""

    pictures: list[Found] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    named: bool = False  # files that somebody named one by one, where a wrong kind is a mistake

    def take(self, place: str, relative: str) -> None:
        """Sort one file in."""
        if os.path.splitext(relative)[1].lower() in FORMATS:
            self.pictures.append(Found(place, relative))
        elif self.named:
            self.broken.append((place, "has no ending of a picture format"))
        else:
            self.left_out.append((place, "has no ending of a picture format"))

    def add(self, other: "Listing") -> None:
        """Everything of another listing as well."""
        self.pictures += other.pictures
        self.broken += other.broken
        self.left_out += other.left_out


def find(inputs: list[str], skip: list[str], recursive: bool = True) -> Listing:
    """Every picture that some inputs name.

    Args:
        inputs: folders, files, glob patterns, URLs, or lists: `@FILE` or a .txt file with one of these per line.
        skip: folders to leave out, such as the output folder.
        recursive: look into sub-folders.

    Returns:
        pictures in the order of the inputs, folders sorted by name; no file twice.

    Raises:
        OptionError: an input names nothing that exists.
    """
    listing, seen = Listing(), set[str]()
    skipped = {os.path.realpath(s) for s in skip if not places.is_remote(s)} | {s for s in skip if places.is_remote(s)}
    parts = [_find_one(text, skipped, recursive) for text in inputs]
    for part in parts:
        listing.add(part)
    listing.named = all(part.named for part in parts)
    unique, roots = [], dict[str, str]()
    for found in listing.pictures:
        names = {found.place, _spelled_once(found, roots)}
        if not names & seen:
            unique.append(found)
        seen |= names
    listing.pictures = unique
    return listing


def _spelled_once(found: Found, roots: dict[str, str]) -> str:
    """A place without the ways to spell the folder it was looked for in; two links to one file below it stay two."""
    root = found.place[: -len(found.relative)]
    if places.is_remote(found.place) or root + found.relative != found.place:
        return found.place
    if root not in roots:
        roots[root] = os.path.realpath(root)
    return os.path.join(roots[root], found.relative)


def _find_one(text: str, skip: set[str], recursive: bool, above: frozenset[str] = frozenset()) -> Listing:
    """Every picture that one input names; `above` are the lists that it stands in."""
    place = places.normal(text)
    if place.startswith("@") and not os.path.lexists(place):
        return _find_listed(place[1:], skip, recursive, above)
    if places.is_remote(place):
        return _find_remote(place, skip, recursive)
    if os.path.isdir(place):
        return _walk(place, skip, recursive)
    if place.lower().endswith(_LISTS) and os.path.isfile(place):
        return _find_listed(place, skip, recursive, above)
    if os.path.lexists(place):
        listing = Listing(named=True)
        listing.take(place, os.path.basename(place))
        return listing
    if _MAGIC.search(place):
        return _glob(place, skip, recursive)
    raise OptionError(f"{shown(text)}: does not exist")


def _find_listed(name: str, skip: set[str], recursive: bool, above: frozenset[str]) -> Listing:
    """Lines of a text file, or names that end in a null byte; relative ones start from the file's folder."""
    real = os.path.realpath(name)
    if real in above:
        return Listing(broken=[(name, CIRCLE)])
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise OptionError(f"{shown(name)}: the list cannot be read ({error.strerror or error})") from None
    lines = data.split(b"\0") if b"\0" in data else data.removeprefix(b"\xef\xbb\xbf").splitlines()
    listing = Listing()
    for line in (os.fsdecode(line) for line in lines if line.strip()):
        place, folder = places.normal(line), os.path.dirname(name)
        if place.startswith("@") and not os.path.lexists(os.path.join(folder, place)):
            place = "@" + os.path.join(folder, place[1:])
        elif not places.is_remote(place):
            place = os.path.join(folder, place)
        try:
            listing.add(_find_one(place, skip, recursive, above | {real}))
        except OptionError as error:
            listing.broken.append((place, str(error).rpartition(": ")[2]))
    return listing


def _glob(pattern: str, skip: set[str], recursive: bool) -> Listing:
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
    base = str(Path(*parts[:first])) if first else "."
    listing, loops = Listing(), set[str]()
    if os.path.realpath(base) in skip:
        raise OptionError(f"{shown(pattern)}: lies in the output folder; name the files to fill them in place")
    below = {folder for folder in skip if not _inside(os.path.realpath(base), {folder})}
    for place in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(place):
            continue
        loop = _loop(base, os.path.dirname(place))
        if loop:
            loops.add(loop)
        elif _inside(os.path.realpath(os.path.dirname(place)), below):
            listing.left_out.append((place, "is in the output folder"))
        else:
            listing.take(place, os.path.relpath(place, base).replace(os.sep, "/"))
    listing.broken += [(loop, LOOP) for loop in sorted(loops)]
    if not listing.pictures and not listing.left_out:
        raise OptionError(f"{shown(pattern)}: matches no file")
    return listing


def _loop(base: str, folder: str) -> str:
    """The first link on the way from `base` down to a folder that leads back to where it lies in; "" for none."""
    way, above = base, {os.path.realpath(base)}
    for part in Path(os.path.relpath(folder or ".", base)).parts:
        way = os.path.join(way, part)
        real = os.path.realpath(way)
        if real in above and os.path.islink(way):
            return way
        above.add(real)
    return ""


def _inside(folder: str, skip: set[str]) -> bool:
    return any(folder == s or folder.startswith(s.rstrip(os.sep) + os.sep) for s in skip)


def _walk(root: str, skip: set[str], recursive: bool) -> Listing:
    listing = Listing()
    for place, relative in _entries(root, "", listing, skip, recursive, frozenset()):
        listing.take(place, relative)
    return listing


def _entries(
    folder: str, relative: str, listing: Listing, skip: set[str], recursive: bool, above: frozenset[str]
) -> Iterator[tuple[str, str]]:
    real = os.path.realpath(folder)
    if real in above:
        listing.broken.append((folder, LOOP))
        return
    if real in skip:
        listing.left_out.append((folder, "is the output folder"))
        return
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        listing.broken.append((folder, f"cannot be listed ({error.strerror or error})"))
        return
    for entry in ordered:
        place, below = os.path.join(folder, entry.name), f"{relative}{entry.name}"
        if entry.name.startswith("."):
            listing.left_out.append((place, "is hidden"))
        elif not _is_folder(entry):
            yield place, below
        elif recursive:
            yield from _entries(place, f"{below}/", listing, skip, recursive, above | {real})
        else:
            listing.left_out.append((place, "is a sub-folder"))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _find_remote(url: str, skip: set[str], recursive: bool) -> Listing:
    system, path = places.filesystem(url)
    try:
        if _MAGIC.search(path):
            base, names = path[: _MAGIC.search(path).start()].rpartition("/")[0], system.glob(path)  # type: ignore[union-attr]
        elif system.isdir(path):
            base, names = path, system.find(path, maxdepth=None if recursive else 1)
        elif system.exists(path):
            base, names = path.rpartition("/")[0], [path]
        else:
            raise OptionError(f"{shown(url)}: does not exist")
    except OptionError:
        raise
    except Exception as error:  # every service has errors of its own
        raise PhotoError(f"{shown(url)}: cannot be listed ({error})") from None
    listing, above = Listing(named=names == [path]), system.unstrip_protocol(base).rstrip("/") + "/"
    for name in sorted(names):
        relative = name.removeprefix(base).lstrip("/")
        place = places.join(url, relative) if base == path else system.unstrip_protocol(name)
        if any(place.startswith(s.rstrip("/") + "/") and not above.startswith(s.rstrip("/") + "/") for s in skip):
            listing.left_out.append((place, "is in the output folder"))
            continue
        if any(part.startswith(".") for part in relative.split("/")):
            listing.left_out.append((place, "is hidden"))
        else:
            listing.take(place, relative)
    return listing
