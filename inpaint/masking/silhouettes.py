"""Object-shaped masks cut from photos: what people really paint over, for training and evaluation.

`cut_silhouettes` finds shapes by itself; `read_silhouettes` takes those of masks that the mask tools (or people) made.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError, PhotoError
from inpaint.masking.looks import cut_share, segment_box
from inpaint.masking.pixels import Mask, eight_bits, shrunk
from inpaint.masking.random import KINDS, Kind, objects
from inpaint.photo.decode import open_upright
from inpaint.photo.formats import FORMATS
from inpaint.photo.masks import picture_to_mask

SIDE = 96  # pixels of the longer side at which a silhouette is kept
LOOKED_AT = 352  # pixels of the photo's longer side in which objects are looked for
CERTAIN = 0.8  # mean certainty in the box, below which a shape is not trusted
SHARE = 0.5  # of the object masks in training that are silhouettes where there are any, the others are blobs
LEAST = 64  # pixels of a silhouette that is taken from a mask
FILLED = (0.25, 0.85)  # share of its own bounding box that an object covers


def cut_silhouettes(photos: Iterable[NDArray[Any]], tries: int = 4, seed: int = 0) -> list[Mask]:
    """The shapes of things in photos, found without anybody pointing at them.

    Boxes of random place and size are tried; a shape is kept if it stands out surely, fills its box as objects do,
    and is not cut by it.

    Args:
        photos: each uint8 or uint16 (H, W, 3) RGB.
        tries: boxes a photo.
        seed: of the boxes.

    Returns:
        bool arrays cut to the shapes, the longer side 96 pixels; perhaps none.
    """
    rng = np.random.default_rng(seed)
    shapes = []
    for photo in photos:
        pixels = shrunk(eight_bits(photo), LOOKED_AT)[0]
        height, width = pixels.shape[:2]
        if min(height, width) < 48:
            continue
        for _ in range(tries):
            w, h = round(width * rng.uniform(0.2, 0.7)), round(height * rng.uniform(0.2, 0.8))
            box = int(rng.integers(0, width - w)), int(rng.integers(0, height - h)), w, h
            found, certainty = segment_box(pixels, box, [], None)
            if certainty < CERTAIN or found.sum() < 200 or cut_share(found, box) > 0.03:
                continue
            shape = _largest(found)
            if FILLED[0] < shape.mean() < FILLED[1]:
                shapes.append(_packed(shape))
    return shapes


def _largest(mask: Mask) -> Mask:
    """The largest connected part, bool, cut to its bounding box."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, w, h, _ = stats[best].tolist()
    return np.asarray(labels[y : y + h, x : x + w] == best)


def _packed(shape: Mask) -> Mask:
    """A shape at the size at which silhouettes are kept."""
    scale = SIDE / max(shape.shape)
    size = (max(1, round(shape.shape[1] * scale)), max(1, round(shape.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shape.astype(np.float32), size, interpolation=how) > 0.5)


def read_silhouettes(path: str | os.PathLike[str]) -> "Silhouettes":
    """Silhouettes from a file that `Silhouettes.save` wrote, or from a folder of masks, white on black.

    Args:
        path: an .npz file; or a folder, the largest connected part of each of its pictures becomes a silhouette.

    Raises:
        MaskError: it is missing or something else, or no mask holds a shape; the text names it.
    """
    place = Path(path)
    if not place.is_dir():
        return Silhouettes.load(place)
    shapes = []
    for file in sorted(f for f in place.rglob("*") if f.suffix.lower() in FORMATS and f.is_file()):
        try:
            mask = picture_to_mask(open_upright(file)[0], "white", [], str(file))
        except PhotoError as error:
            raise MaskError(str(error)) from None
        if mask.any() and not mask.all() and (shape := _largest(mask)).sum() >= LEAST:
            shapes.append(_packed(shape))
    shapes = [shape for shape in shapes if shape.any()]  # a scratch may be too thin to be seen at this size
    if not shapes:
        raise MaskError(f"{place}: holds no mask with a shape of {LEAST} pixels or more")
    return Silhouettes(shapes)


class Silhouettes:
    """Shapes to draw random masks from, called like the kinds of `inpaint.masking.random`.

    Args:
        shapes: bool arrays, from `cut_silhouettes`.

    Raises:
        MaskError: no shapes.
    """

    def __init__(self, shapes: list[Mask]) -> None:
        if not shapes:
            raise MaskError("no silhouettes: none of the photos has an object that stands out")
        self.shapes = shapes

    def to_bytes(self) -> bytes:
        """The shapes as one .npz file, a bit a pixel."""
        sizes = np.array([shape.shape for shape in self.shapes], np.int32)
        bits = np.packbits(np.concatenate([shape.ravel() for shape in self.shapes]))
        file = io.BytesIO()
        np.savez_compressed(file, sizes=sizes, bits=bits)
        return file.getvalue()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the shapes as one .npz file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Silhouettes":
        """Read what `save` wrote.

        Raises:
            MaskError: it is missing or something else; the text names the file.
        """
        try:
            with np.load(Path(path), allow_pickle=False) as stored:
                sizes, bits = stored["sizes"], np.unpackbits(stored["bits"]).astype(bool)
            ends = np.cumsum(sizes.prod(axis=1))
            shapes = [bits[end - h * w : end].reshape(h, w) for end, (h, w) in zip(ends, sizes, strict=True)]
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise MaskError(f"{path}: holds no silhouettes ({error})") from None
        return cls(shapes)

    def or_blob(self, rng: np.random.Generator, size: int) -> Mask:
        """A silhouette, or as often a blob (`inpaint.masking.random.objects`): the training mix's object masks."""
        return self(rng, size) if rng.random() < SHARE else objects(rng, size)

    def __call__(self, rng: np.random.Generator, size: int) -> Mask:
        """A square mask with one silhouette of 3 to 25 % of it, flipped, turned a little, perhaps at the border.

        Args:
            rng: source of randomness; the same state gives the same mask.
            size: side in pixels.

        Returns:
            bool (size, size), True = hole.
        """
        shape = self.shapes[rng.integers(len(self.shapes))].astype(np.float32)
        if rng.random() < 0.5:
            shape = shape[:, ::-1]
        scale = size * np.sqrt(rng.uniform(0.03, 0.25) / max(1.0, shape.sum()))
        turn = np.deg2rad(rng.uniform(-20, 20))
        margin = 0.05 if rng.random() < 0.25 else 0.25
        centre = rng.uniform(size * margin, size * (1 - margin), 2)
        rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        offset = centre - rotation @ (np.array(shape.shape[::-1]) / 2)
        moved = cv2.warpAffine(np.ascontiguousarray(shape), np.column_stack([rotation, offset]), (size, size))
        return np.asarray(moved > 0.5)


def kinds_with(silhouettes: Silhouettes | None) -> Mapping[str, Kind]:
    """What draws each kind of mask in training: `objects` with these shapes as well, where there are any."""
    return KINDS if silhouettes is None else {**KINDS, "objects": silhouettes.or_blob}
