"""What is evaluated: photos of a folder in a fixed order, each with fixed masks."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError, NothingToDo, OptionError, PhotoError
from inpaint.masking.pixels import eight_bits
from inpaint.masking.random import KINDS
from inpaint.photo.decode import open_upright
from inpaint.photo.files import FORMATS, load_photo
from inpaint.photo.masks import check_mask, picture_to_mask, resize_mask

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
GIVEN = "given"  # the kind of masks that come from files
MOST_HOLE = 0.8  # of the photo, as in training
LEAST_SIDE = 32  # pixels; LPIPS and SSIM need room


def find_photos(folder: Path, apart: Sequence[Path] = ()) -> list[Path]:
    """Photo files of a folder and its sub-folders, relative to it, sorted by name.

    Args:
        folder: where to look.
        apart: folders in it whose pictures are no photos, such as masks and earlier results; others do not matter.

    Raises:
        PhotoError: the folder does not exist.
        NothingToDo: it holds no photo.
    """
    if not folder.is_dir():
        raise PhotoError(f"{folder}: is not a folder")
    left_out = {place.resolve() for place in apart if folder.resolve() in place.resolve().parents}
    found = sorted(
        p.relative_to(folder) for p in folder.rglob("*")
        if p.suffix.lower() in FORMATS and p.is_file() and left_out.isdisjoint(p.resolve().parents)
    )  # fmt: skip
    if not found:
        raise NothingToDo(f"{folder}: holds no photos ({' '.join(FORMATS)})")
    return found


def refuse_same_stems(names: list[Path]) -> None:
    """Refuse photos whose masks and filled pictures would have one name; raises OptionError.

    Args:
        names: relative to the folder of photos.
    """
    seen: dict[Path, Path] = {}
    for name in names:
        other = seen.setdefault(name.with_suffix(""), name)
        if other != name:
            raise OptionError(f"{name}: {other} differs in its ending alone, so their masks and fills would mix")


def check_kinds(kinds: list[str]) -> None:
    """Refuse a mask kind that does not exist; raises OptionError."""
    for kind in kinds:
        if kind not in KINDS:
            raise OptionError(f"masks must be among {', '.join(KINDS)}, got {kind!r}")


def draw_mask(kind: str, seed: int, index: int, shape: tuple[int, int]) -> Mask:
    """The mask of one case; it depends on these arguments alone, not on what else is evaluated.

    Args:
        kind: a name from `inpaint.masking.random.KINDS`.
        seed: of the evaluation.
        index: of the photo in its folder.
        shape: (height, width) of the photo; the middle of a square mask of the longer side is taken.

    Returns:
        bool (height, width), True = hole; never empty, never more than 80 % of the photo.
    """
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), index])
    side = max(shape)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    while True:
        mask = KINDS[kind](rng, side)[top : top + shape[0], left : left + shape[1]]
        if 0 < mask.mean() <= MOST_HOLE:
            return np.ascontiguousarray(mask)


def _shrunk(shape: tuple[int, int], longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def open_photo(path: Path, longest: int) -> tuple[Photo, tuple[int, int]]:
    """A photo for evaluation.

    Args:
        path: the file.
        longest: a photo whose longer side is above this many pixels is made smaller.

    Returns:
        uint8 (H, W, 3) RGB, of 16 bits the upper eight, and (height, width) as stored.

    Raises:
        PhotoError: it cannot be read, or a side is below 32 pixels.
    """
    pixels = eight_bits(load_photo(path).pixels)
    stored = pixels.shape[:2]
    size = _shrunk(stored, longest)
    if min(size) < LEAST_SIDE:
        raise PhotoError(f"{path}: is {size[1]}x{size[0]} pixels, both sides must be at least {LEAST_SIDE}")
    if size != stored:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8)
    return pixels, stored


def find_by_stem(folder: Path, name: Path) -> Path | None:
    """The picture in a folder that belongs to a photo: same sub-folder and stem, any picture ending."""
    place = folder / name.parent
    if not place.is_dir():
        return None
    fits = [p for p in place.iterdir() if p.stem == name.stem and p.suffix.lower() in FORMATS]
    return min(fits, default=None)


def open_given_mask(folder: Path, name: Path, stored: tuple[int, int], longest: int) -> Mask:
    """The mask file that belongs to a photo.

    Args:
        folder: of mask files.
        name: the photo's file, relative to its folder.
        stored: (height, width) of the photo as stored; the mask must have the same.
        longest: as in `open_photo`.

    Raises:
        MaskError: missing, unreadable, of another size, or it marks nothing (EmptyMask) or everything.
    """
    path = find_by_stem(folder, name)
    if path is None:
        raise MaskError(f"{folder / name.with_suffix('')}: no mask of this name")
    try:
        mask = picture_to_mask(open_upright(path)[0])
    except PhotoError as error:
        raise MaskError(str(error)) from None
    if mask.shape != stored:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} and the photo {stored[1]}x{stored[0]}"
        raise MaskError(f"{path}: the mask is {sizes} pixels, they must be equal")
    mask = resize_mask(mask, _shrunk(stored, longest)) if max(stored) > longest else mask
    check_mask(mask, str(path))
    return mask


def checksum(values: NDArray[np.uint8] | Mask) -> str:
    """Eight hexadecimal digits that tell two arrays apart."""
    return f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}"
