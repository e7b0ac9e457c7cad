"""Which masks belong to which photo, by their names."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from inpaint.batch import places
from inpaint.batch.inputs import Found

MARKERS = ("_mask", "-mask", ".mask")


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo with its masks, and how they were recognised; without masks where none was."""

    photo: Found
    masks: tuple[Found, ...] = ()
    why: str = ""


@dataclass
class Pairs:
    """Every photo in order, and the masks that belong to none."""

    pairs: list[Pair] = field(default_factory=list)
    unused: list[Found] = field(default_factory=list)


def marker_pattern(markers: tuple[str, ...]) -> re.Pattern[str]:
    """Stem of a mask file: stem of the photo, a marker, and perhaps a number or name of this mask."""
    alternatives = "|".join(re.escape(m) for m in sorted(markers, key=len, reverse=True))
    return re.compile(rf"(?P<stem>.+?)(?:{alternatives})(?P<tail>\d*|[-_. ].+)", re.IGNORECASE | re.DOTALL)


def is_mask_name(relative: str, markers: tuple[str, ...]) -> bool:
    """Whether a file's name says that it is a mask."""
    return bool(marker_pattern(markers).fullmatch(PurePosixPath(relative).stem))


def pair_by_name(photos: list[Found], masks: list[Found], markers: tuple[str, ...] = MARKERS) -> Pairs:
    """Give every photo its masks.

    The first of these that fits decides: the same relative path; the same path but for the ending; the photo's stem
    followed by a marker; a folder of masks named like the photo; the same name in another folder, if one photo and no
    other has it. Names are compared in Unicode's composed form, then without regard to upper and lower case.

    Args:
        photos, masks: what was found; a file that is in both, however it is spelled, is no mask of itself.
        markers: what a mask's name has after the photo's.
    """
    real = places.reals(found.place for found in (*photos, *masks))
    own = {real[photo.place] for photo in photos}
    masks = [mask for mask in masks if real[mask.place] not in own]
    exact, loose = _Index(masks, markers, str), _Index(masks, markers, str.casefold)
    names = defaultdict(list)
    for photo in photos:
        names[_name(photo.relative)].append(photo)
    found = Pairs()
    used: set[str] = set()
    for photo in photos:
        hit = exact.of(photo) or loose.of(photo)
        if hit is None and len(names[_name(photo.relative)]) == 1:
            hit = exact.elsewhere(photo)
        matched, why = hit or ([], "")
        found.pairs.append(Pair(photo, tuple(matched), why))
        used.update(mask.place for mask in matched)
    found.unused = [mask for mask in masks if mask.place not in used]
    return found


def _name(relative: str) -> str:
    return unicodedata.normalize("NFC", PurePosixPath(relative).stem)


class _Index:
    """Masks by every name under which a photo may ask for them."""

    def __init__(self, masks: list[Found], markers: tuple[str, ...], fold: Callable[[str], str]) -> None:
        self.fold = fold
        self.paths: dict[str, list[Found]] = defaultdict(list)
        self.stems: dict[str, list[Found]] = defaultdict(list)
        self.marked: dict[str, list[Found]] = defaultdict(list)
        self.folders: dict[str, list[Found]] = defaultdict(list)
        self.names: dict[str, list[Found]] = defaultdict(list)
        pattern = marker_pattern(markers)
        for mask in masks:
            path = PurePosixPath(mask.relative)
            self.paths[self._key(mask.relative)].append(mask)
            self.stems[self._key(str(path.with_suffix("")))].append(mask)
            if match := pattern.fullmatch(path.stem):
                self.marked[self._key(str(path.with_name(match["stem"])))].append(mask)
                self.names[self._key(match["stem"])].append(mask)
            else:
                self.names[self._key(path.stem)].append(mask)
            self.folders[self._key(str(path.parent))].append(mask)

    def _key(self, relative: str) -> str:
        return self.fold(unicodedata.normalize("NFC", relative))

    def of(self, photo: Found) -> tuple[list[Found], str] | None:
        """The masks at the photo's own place, or None."""
        path, stem = self._key(photo.relative), self._key(str(PurePosixPath(photo.relative).with_suffix("")))
        for table, key, why in (
            (self.paths, path, "same path"), (self.stems, stem, "same stem"), (self.marked, stem, "mask suffix"),
            (self.marked, path, "mask suffix"), (self.folders, stem, "folder named like the photo"),
            (self.folders, path, "folder named like the photo"),
        ):  # fmt: skip
            if key in table:
                return table[key], why
        return None

    def elsewhere(self, photo: Found) -> tuple[list[Found], str] | None:
        """The masks of the same name in one other folder, or None."""
        masks = self.names.get(self._key(PurePosixPath(photo.relative).stem), [])
        if masks and len({str(PurePosixPath(m.relative).parent) for m in masks}) == 1:
            return masks, "same name in another folder"
        return None
