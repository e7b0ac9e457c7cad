"""Photos for training: decoded once from tars and folders into one uint8 memory map, then cropped at random."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inpaint.errors import PhotoError

SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}
MINIMUM_PHOTOS = 16
LONGEST_SHORT_SIDE = 352


def _encoded_photos(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES):
            yield str(path), path.read_bytes()
    elif source.suffix == ".tar" and source.is_file():
        with tarfile.open(source) as tar:
            for member in tar:
                if Path(member.name).suffix.lower() in SUFFIXES and (file := tar.extractfile(member)):
                    yield f"{source}:{member.name}", file.read()
    else:
        raise PhotoError(f"{source}: is neither a folder nor a .tar of photos")


def _decode(encoded: bytes) -> NDArray[np.uint8]:
    photo = Image.open(io.BytesIO(encoded)).convert("RGB")
    scale = LONGEST_SHORT_SIDE / min(photo.size)
    if scale < 1:
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
    return np.asarray(photo)


class PhotoCache:
    """All training photos as one uint8 memory map.

    Args:
        sources: folders and .tar files of WebP, JPEG and PNG photos.
        folder: where the decoded map and its index are kept; rebuilt when a source's size or date changed.
        smallest: photos with a shorter side below this are skipped (pixels).

    Attributes:
        skipped: names of photos that could not be read or were too small.

    Raises:
        PhotoError: a source is missing, or fewer than 16 photos are usable.
    """

    def __init__(self, sources: list[Path], folder: Path, smallest: int = 128) -> None:
        files = [f for s in sources for f in ([s] if s.is_file() else sorted(s.rglob("*")))]
        stamp = [[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
        key = hashlib.sha256(json.dumps([stamp, smallest]).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        index_file, pixel_file = folder / "photos.json", folder / "photos.u8"
        if not (index_file.is_file() and json.loads(index_file.read_text())["key"] == key):
            self._build(sources, index_file, pixel_file, key, smallest)
        index = json.loads(index_file.read_text())
        self.shapes: list[tuple[int, int]] = [tuple(s) for s in index["shapes"]]
        self.skipped: list[str] = index["skipped"]
        if len(self.shapes) < MINIMUM_PHOTOS:
            raise PhotoError(f"{sources[0]}: only {len(self.shapes)} usable photos, need at least {MINIMUM_PHOTOS}")
        self.offsets = np.concatenate([[0], np.cumsum([h * w * 3 for h, w in self.shapes])])
        self.pixels = np.memmap(pixel_file, np.uint8, mode="r", shape=(int(self.offsets[-1]),))

    @staticmethod
    def _build(sources: list[Path], index_file: Path, pixel_file: Path, key: str, smallest: int) -> None:
        shapes, skipped = [], []
        partial = pixel_file.with_suffix(".partial")
        with open(partial, "wb") as out:
            for source in sources:
                for name, encoded in tqdm(_encoded_photos(source), desc=f"decode {source.name}", unit="photo"):
                    try:
                        photo = _decode(encoded)
                    except (OSError, ValueError, Image.DecompressionBombError):
                        skipped.append(name)
                        continue
                    if min(photo.shape[:2]) < smallest:
                        skipped.append(name)
                        continue
                    out.write(photo.tobytes())
                    shapes.append(photo.shape[:2])
        partial.replace(pixel_file)
        index_file.write_text(json.dumps({"key": key, "shapes": shapes, "skipped": skipped}))

    def __len__(self) -> int:
        return len(self.shapes)

    def photo(self, i: int) -> NDArray[np.uint8]:
        """Photo number `i`, uint8 (H, W, 3) RGB, read-only."""
        return self.pixels[self.offsets[i] : self.offsets[i + 1]].reshape(*self.shapes[i], 3)

    def crop(self, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
        """A random square cut of a random photo at a random scale, mirrored half of the time.

        Returns:
            uint8 (size, size, 3) RGB.
        """
        photo = self.photo(int(rng.integers(len(self))))
        height, width = photo.shape[:2]
        shortest = min(height, width)
        side = min(shortest, round(np.exp(rng.uniform(np.log(size), np.log(max(size, shortest) + 1)))))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        cut = photo[top : top + side, left : left + side]
        if side != size:
            method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
            cut = cv2.resize(cut, (size, size), interpolation=method).astype(np.uint8)
        return cut[:, ::-1] if rng.random() < 0.5 else cut
