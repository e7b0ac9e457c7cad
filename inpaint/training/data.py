"""Photos for training: decoded once from tars and folders into one uint8 memory map, then cropped at random."""

import hashlib
import io
import itertools
import json
import os
import sys
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm import tqdm

from inpaint.errors import OptionError, OutputError, PhotoError

SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}
MINIMUM_PHOTOS = 16
LONGEST_SHORT_SIDE = 352
DECODED_AT_ONCE = 128


def _encoded_photos(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
            yield str(path), path.read_bytes()
    elif source.suffix == ".tar" and source.is_file():
        try:
            with tarfile.open(source) as tar:
                for member in tar:
                    if Path(member.name).suffix.lower() in SUFFIXES and (file := tar.extractfile(member)):
                        yield f"{source}:{member.name}", file.read()
        except tarfile.TarError as error:
            raise PhotoError(f"{source}: is not a whole tar file ({error})") from None
    elif source.suffix.lower() in SUFFIXES and source.is_file():
        yield str(source), source.read_bytes()
    else:
        raise PhotoError(f"{source}: is neither a folder, a photo, nor a .tar of photos")


def _decode(encoded: bytes, longest_short_side: int) -> NDArray[np.uint8]:
    photo = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    if photo.mode.startswith("I"):  # 16-bit greyscale, whose upper half `convert` would make white
        photo = Image.fromarray((np.asarray(photo) >> 8).astype(np.uint8))
    photo = photo.convert("RGB")
    scale = longest_short_side / min(photo.size)
    if scale < 1:
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
    return np.asarray(photo)


def _decoded_photos(source: Path, longest_short_side: int) -> Iterator[tuple[str, NDArray[np.uint8] | None]]:
    """Photos in order, decoded by as many threads as there are processors; None for one that cannot be read."""

    def decode(photo: tuple[str, bytes]) -> tuple[str, NDArray[np.uint8] | None]:
        name, encoded = photo
        try:
            return name, _decode(encoded, longest_short_side)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return name, None

    encoded = _encoded_photos(source)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := list(itertools.islice(encoded, DECODED_AT_ONCE)):
            yield from pool.map(decode, some)


def _checksum(file: Path) -> int:
    total = 0
    with open(file, "rb") as pixels:
        while block := pixels.read(1 << 24):
            total = zlib.crc32(block, total)
    return total


class PhotoCache:
    """All training photos as one uint8 memory map.

    Args:
        sources: folders, .tar files and single WebP, JPEG or PNG photos.
        folder: where the decoded map and its index are kept; rebuilt when a source's size or date changed, or when the
            map does not have the length and checksum of its index.
        smallest: photos with a shorter side below this are skipped (pixels).
        longest_short_side: larger photos are made smaller, to this shorter side (pixels).
        minimum: how many usable photos are enough.

    Attributes:
        shapes: (height, width) of each photo.
        offsets: where each photo starts in `pixels`, and where the last one ends.
        pixels: uint8, all photos one after the other, each (H, W, 3) RGB.
        names: where each photo came from.
        skipped: names of photos that could not be read or were too small.

    Raises:
        PhotoError: a source is missing, or fewer than `minimum` photos are usable.
        OutputError: the map cannot be written.
    """

    def __init__(
        self, sources: list[Path], folder: Path, smallest: int = 128, longest_short_side: int = LONGEST_SHORT_SIDE,
        minimum: int = MINIMUM_PHOTOS,
    ) -> None:
        files = [f for s in sources for f in ([s] if s.is_file() else sorted(s.rglob("*")))]
        stamp = [[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
        key = hashlib.sha256(json.dumps([stamp, smallest, longest_short_side]).encode()).hexdigest()
        index_file, pixel_file = folder / "photos.json", folder / "photos.u8"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            index = self._whole(index_file, pixel_file, key)
            if index is None:
                index = self._build(sources, index_file, pixel_file, key, smallest, longest_short_side)
        except OSError as error:
            raise OutputError(f"{folder}: the decoded photos cannot be kept there ({error.strerror})") from None
        self.shapes: list[tuple[int, int]] = [tuple(s) for s in index["shapes"]]
        self.names: list[str] = index["names"]
        self.skipped: list[str] = index["skipped"]
        if len(self.shapes) < minimum:
            raise PhotoError(
                f"{sources[0]}: only {len(self.shapes)} usable photos, need at least {minimum} "
                f"({len(self.skipped)} unreadable or below {smallest} px)"
            )
        self.offsets = np.concatenate([[0], np.cumsum([h * w * 3 for h, w in self.shapes])])
        self.pixels = np.memmap(pixel_file, np.uint8, mode="r", shape=(int(self.offsets[-1]),))

    @staticmethod
    def _whole(index_file: Path, pixel_file: Path, key: str) -> dict | None:
        if not (index_file.is_file() and pixel_file.is_file()):
            return None
        try:
            index = json.loads(index_file.read_text())
        except ValueError:
            return None
        whole = index.get("key") == key and "names" in index and index.get("checksum") == _checksum(pixel_file)
        return index if whole else None

    @staticmethod
    def _build(
        sources: list[Path], index_file: Path, pixel_file: Path, key: str, smallest: int, longest_short_side: int
    ) -> dict:
        shapes: list[tuple[int, int]] = []
        names: list[str] = []
        skipped: list[str] = []
        partial = pixel_file.with_suffix(".partial")
        with open(partial, "wb") as out:
            for source in sources:
                decoded = _decoded_photos(source, longest_short_side)
                for name, photo in tqdm(decoded, desc=f"decode {source.name}", unit="photo", mininterval=1):
                    if photo is None or min(photo.shape[:2]) < smallest:
                        skipped.append(name)
                        continue
                    out.write(photo.tobytes())
                    shapes.append((photo.shape[0], photo.shape[1]))
                    names.append(name)
        partial.replace(pixel_file)
        index = {
            "key": key, "shapes": shapes, "names": names, "skipped": skipped, "checksum": _checksum(pixel_file),
        }  # fmt: skip
        index_file.write_text(json.dumps(index))
        return index

    def listed(self, path: Path) -> set[int]:
        """Numbers of the photos whose file names stand in a text file, one a line.

        Raises:
            OptionError: it cannot be read, or names none of these photos.
        """
        try:
            wanted = {line.strip() for line in path.read_text(encoding="utf-8").splitlines()} - {""}
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
        names = [name.rpartition(":")[2].rpartition("/")[2] for name in self.names]
        found = {i for i, name in enumerate(names) if name in wanted}
        if not found:
            raise OptionError(f"{path}: names none of the photos")
        if strange := wanted - set(names):
            text = f"{len(strange)} of its {len(wanted)} names are of no photo here, {min(strange)}"
            print(f"note: {path}: {text}", file=sys.stderr)
        return found

    def __len__(self) -> int:
        return len(self.shapes)

    def photo(self, i: int) -> NDArray[np.uint8]:
        """Photo number `i`, uint8 (H, W, 3) RGB, read-only."""
        return self.pixels[self.offsets[i] : self.offsets[i + 1]].reshape(*self.shapes[i], 3)


def draw_square(rng: np.random.Generator, shape: tuple[int, int], size: int) -> tuple[int, int, int]:
    """Top, left and side of a random square inside a photo; its side is log-uniform from `size` to the shorter side."""
    shortest = min(shape)
    side = min(shortest, round(float(np.exp(rng.uniform(np.log(size), np.log(max(size, shortest) + 1))))))
    return int(rng.integers(0, shape[0] - side + 1)), int(rng.integers(0, shape[1] - side + 1)), side


def cut_square(
    photo: NDArray[np.uint8], square: tuple[int, int, int], size: int, mirrored: bool
) -> NDArray[np.uint8]:
    """A square (top, left, side) of a photo uint8 (H, W, 3), resized to uint8 (size, size, 3)."""
    top, left, side = square
    cut = photo[top : top + side, left : left + side]
    if side != size:
        method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        cut = cv2.resize(cut, (size, size), interpolation=method).astype(np.uint8)
    return cut[:, ::-1] if mirrored else cut
