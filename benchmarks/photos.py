"""Photos for the benchmarks: from folders and tar files, a fixed choice, cut to one size."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def _all(source: Path) -> list[tuple[Path, str]]:
    if source.is_dir():
        return [(f, "") for f in sorted(source.rglob("*")) if f.suffix.lower() in ENDINGS]
    with tarfile.open(source) as tar:
        return [(source, name) for name in sorted(tar.getnames()) if name.lower().endswith(ENDINGS)]


def spread(there: int, count: int, first: int = 0) -> list[int]:
    """Up to `count` of the numbers below `there`, evenly spread, shifted by `first`; see `photos`."""
    if first and first >= there // count:
        sets = max(1, there // count)
        raise SystemExit(f"{there} photos hold {sets} sets of {count}, so the first must be below {sets}, got {first}")
    wanted = min(count, there)
    return [k * there // wanted + first for k in range(wanted)]


def photos(sources: list[Path], count: int, size: int | None = 512, first: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Up to `count` photos, evenly spread over all there are.

    Args:
        sources: folders and tar files.
        count: how many at most.
        size: side of the square that is cut from the middle after scaling the short side to it; None leaves photos.
        first: by how many photos the even spread is shifted; two calls with one count and another `first` share none.

    Yields:
        uint8 (size, size, 3) RGB.

    Raises:
        SystemExit: there are too few photos for a set of its own from `first` on.
    """
    names = [name for source in sources for name in _all(source)]
    for path, member in [names[k] for k in spread(len(names), count, first)]:
        if member:
            with tarfile.open(path) as tar:
                file = tar.extractfile(member)
                assert file is not None
                picture = Image.open(io.BytesIO(file.read())).convert("RGB")
        else:
            picture = Image.open(path).convert("RGB")
        if size is not None:
            scale = size / min(picture.size)
            scaled = round(picture.width * scale), round(picture.height * scale)
            picture = picture.resize(scaled, Image.Resampling.LANCZOS)
            left, top = (picture.width - size) // 2, (picture.height - size) // 2
            picture = picture.crop((left, top, left + size, top + size))
        yield np.array(picture)
