"""A photo in memory: pixels, and what its file says about them."""

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.photo.metadata import Metadata

Pixels = NDArray[Any]  # uint8 or uint16


@dataclass(frozen=True)
class Source:
    """The file a photo came from, as far as writing it back needs it.

    Args:
        format: one of `formats.BY_NAME`.
        pixels: as decoded, upright; what the written file is compared with.
        orientation: of the stored pixels, 1 to 8.
        data: the whole file where its coding is used again (JPEG).
        size: of the file in bytes.
        lossless: its coding keeps every pixel.
        compressed: for TIFF.
        native: uint8 (H, W, channels), upright, in `native_mode`, where that is CMYK or LAB.
        extra_channel: the alpha of a TIFF is a channel of unstated meaning, not transparency.
        times: last access and modification in ns.
        half_chroma: its chroma is stored at half the size in both directions (4:2:0); told for AVIF and HEIC.
    """

    format: str
    pixels: Pixels
    orientation: int = 1
    data: bytes = b""
    size: int = 0
    lossless: bool = True
    compressed: bool = True
    native: NDArray[np.uint8] | None = None
    native_mode: str = ""
    extra_channel: bool = False
    times: tuple[int, int] | None = None
    half_chroma: bool = False


@dataclass(frozen=True)
class Photo:
    """A photo.

    Args:
        pixels: uint8 or uint16 (H, W, 3) RGB, upright.
        alpha: same dtype (H, W), or None.
        greyscale: the file held one colour channel; it is written back as one.
        palette: the file held a palette; it is written back as one where that is exact.
        bilevel: the file held one bit per pixel; it is written back so where that is exact.
        metadata: profile, EXIF, XMP, IPTC, resolution and the rest.
        source: the file, or None for a photo made in memory.
        notes: sentences about what was decided on reading.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    greyscale: bool = False
    palette: bool = False
    bilevel: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = None
    notes: tuple[str, ...] = ()

    def with_pixels(self, pixels: Pixels) -> "Photo":
        """The same photo with other pixels of the same size and depth."""
        assert pixels.shape == self.pixels.shape and pixels.dtype == self.pixels.dtype
        return replace(self, pixels=pixels)

    @property
    def depth(self) -> int:
        """Bits per channel: 8 or 16."""
        return self.pixels.dtype.itemsize * 8

    def visible_pixels(self) -> Pixels:
        """Pixels to fill from: where the photo is fully transparent, the nearest colour that can be seen.

        The colour stored under transparent pixels is arbitrary (mostly black) and must not be copied into a hole. This
        is evidence for the fill only: the stored colours come back as they are.

        Returns:
            same shape and dtype; `pixels` itself where nothing or everything is transparent.
        """
        if self.alpha is None or (self.source and self.source.extra_channel):
            return self.pixels
        hidden = self.alpha == 0
        if not hidden.any() or hidden.all():
            return self.pixels
        _, label = cv2.distanceTransformWithLabels(
            hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        colours = np.zeros((int(label.max()) + 1, 3), self.pixels.dtype)
        colours[label[~hidden]] = self.pixels[~hidden]
        return np.where(hidden[..., None], colours[label], self.pixels)

    def changed(self) -> NDArray[np.bool_]:
        """Where the pixels differ from the source's: bool (H, W)."""
        if self.source is None:
            return np.ones(self.pixels.shape[:2], bool)
        red, green, blue = np.moveaxis(self.pixels != self.source.pixels, 2, 0)  # `any` is slow along an axis of three
        return red | green | blue
