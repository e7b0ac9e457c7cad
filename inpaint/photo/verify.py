"""Proof that a written file keeps what was not to change: it is decoded and compared with the decoded source."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OutputError, PhotoError, shown
from inpaint.photo.decode import errors_named, identify
from inpaint.photo.encode import shallow
from inpaint.photo.formats import FORMATS
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.load import load_photo
from inpaint.photo.picture import Photo, Pixels
from inpaint.photo.stored import stores
from inpaint.photo.threads import in_threads

BAND = 64  # rows compared at once: about what a core's cache holds
MEAN_ALLOWED = 8.0  # of 255: lossy coding moves kept pixels, but a mean residual beyond this is another picture
ALPHA_ALLOWED = 24  # of 255: AVIF and HEIC compress alpha, too


@dataclass(frozen=True)
class Verification:
    """What comparing a written file with its source found outside the hole.

    Args:
        kept: pixels outside the hole.
        changed: how many of them differ.
        mean: mean absolute difference over all kept values, in levels.
        worst: largest difference, in levels.
        exact: none was allowed to differ.
        depth: bits of the levels.
    """

    kept: int
    changed: int
    mean: float
    worst: int
    exact: bool
    depth: int

    @property
    def sentence(self) -> str:
        """The result for people."""
        if self.exact or not self.changed:
            return f"{self.changed:,} of {self.kept:,} kept pixels changed"
        share = 100 * self.changed / self.kept
        scale = f"{self.depth}-bit levels"
        return (
            f"{self.changed:,} of {self.kept:,} kept pixels ({_figure(share)} %) moved by lossy coding, "
            f"mean residual {_figure(self.mean)}, worst {self.worst} {scale}"
        )


def _figure(value: float) -> str:
    """A number above 0 and up to some hundreds, for people."""
    return f"{value:.3g}" if value >= 0.001 else "under 0.001"


def verify_photo(path: Path, written: Path, photo: Photo, hole: NDArray[np.bool_], exact: bool) -> Verification:
    """Decode a written file and compare every pixel outside the hole with the decoded source.

    Args:
        path: the name for messages.
        written: the file to decode.
        photo: what was written, with its source; a photo without one is its own source.
        hole: bool (H, W), what was allowed to change.
        exact: the format keeps every pixel.

    Raises:
        OutputError: it cannot be decoded, has another size, a kept pixel changed in an exact format, or moved too far
            in a lossy one.
    """
    height, width = hole.shape
    limits = Limits(max(Limits().pixels, height * width), max(Limits().file_bytes, written.stat().st_size))
    source = photo if photo.source is None else photo.with_pixels(photo.source.pixels)
    kept = hole.size - int(np.count_nonzero(hole))
    try:
        if exact and _stores(path, written, photo, limits):
            found = compare(source.pixels, photo.pixels, hole, exact, kept)
            if not found.changed:
                return found
        after = load_photo(written, limits, thorough=False)
    except PhotoError as error:
        reason = str(error).partition(": ")[2]
        raise OutputError(f"{shown(path)}: was not kept, since the written file cannot be read ({reason})") from None
    if after.pixels.shape != source.pixels.shape:
        raise OutputError(f"{shown(path)}: was not kept, since the written file has another size")
    before = source.pixels if after.depth == source.depth else shallow(source.pixels)
    hidden = None
    assert after.source is not None
    if after.source.format == "GIF" and after.alpha is not None:
        hidden = after.alpha == 0  # one colour stands for all transparent pixels of a GIF
    found = compare(before, after.pixels, hole if hidden is None else hole | hidden, exact, kept)
    native = _native_differences(source, after, hole, exact, kept)
    if native is not None and native.changed > found.changed:
        found = native  # inks that look alike are other numbers
    _check_alpha(path, source, after, exact)
    if exact and found.changed:
        raise OutputError(f"{shown(path)}: was not kept, since {found.sentence}")
    if found.mean > MEAN_ALLOWED * (257 if found.depth == 16 else 1):
        raise OutputError(f"{shown(path)}: was not kept, since the kept pixels moved too far ({found.sentence})")
    return found


def _native_differences(
    source: Photo, after: Photo, hole: NDArray[np.bool_], exact: bool, kept: int
) -> Verification | None:
    """How CMYK or Lab numbers differ outside the hole, where both files hold them; None elsewhere."""
    before = source.source
    assert after.source is not None
    if before is None or before.native is None or before.native_mode != after.source.native_mode:
        return None
    assert after.source.native is not None
    return compare(before.native, after.source.native, hole, exact, kept)


def _stores(path: Path, written: Path, photo: Photo, limits: Limits) -> bool:
    """Whether a file is known to hold exactly the photo's pixels and alpha, the hole's included."""
    if FORMATS.get(path.suffix.lower()) not in ("PNG", "TIFF", "BMP") or photo.greyscale or photo.palette:
        return False
    if photo.source is not None and photo.source.native is not None:
        return False
    data = read_bytes(written, limits)
    with errors_named(path):
        values = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
        return stores(identify(path, data, limits, thorough=False), data, values)


def compare(before: Pixels, after: Pixels, hole: NDArray[np.bool_], exact: bool, kept: int) -> Verification:
    """Differences outside the hole of two pictures of the same shape (at most four channels) and dtype."""
    changed, total, worst = 0, 0, 0
    channels = before.shape[2]
    nothing = (0,) * channels

    def band(top: int) -> tuple[int, int, int]:
        rows = slice(top, top + BAND)
        one, other = np.ascontiguousarray(before[rows]), np.ascontiguousarray(after[rows])
        if not cv2.norm(one, other, cv2.NORM_INF):
            return 0, 0, 0
        difference = cv2.absdiff(one, other)
        if hole[rows].any():
            difference[hole[rows]] = 0
        most = int(cv2.norm(difference, cv2.NORM_INF))
        if not most:
            return 0, 0, 0
        equal = cv2.inRange(difference, nothing, nothing)
        return equal.size - cv2.countNonZero(equal), round(cv2.norm(difference, cv2.NORM_L1)), most

    for moved, sums, most in in_threads(band, range(0, len(hole), BAND)):
        changed, total, worst = changed + moved, total + sums, max(worst, most)
    return Verification(kept, changed, total / (channels * max(kept, 1)), worst, exact, before.dtype.itemsize * 8)


def _check_alpha(path: Path, source: Photo, after: Photo, exact: bool) -> None:
    """Alpha may not change anywhere, the hole included; where the format has none it is not compared."""
    assert after.source is not None
    form = after.source.format
    unstated = source.source is not None and source.source.extra_channel and form != "TIFF"
    if source.alpha is None or form in ("JPEG", "BMP") or unstated:
        return
    before = source.alpha if after.depth == source.depth else shallow(source.alpha)
    if form == "GIF":
        before = np.where(before < 128, 0, 255).astype(before.dtype)
    alpha = np.full_like(before, np.iinfo(before.dtype).max) if after.alpha is None else after.alpha
    worst = int(cv2.absdiff(before, np.ascontiguousarray(alpha)).max())
    if worst > (0 if exact or form == "WEBP" else ALPHA_ALLOWED):
        raise OutputError(f"{shown(path)}: was not kept, since its transparency changed by up to {worst} levels")
