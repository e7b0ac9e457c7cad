"""Text, watermarks, date stamps, subtitles: RapidOCR finds the lines, colour finds the strokes in them."""

import os
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import InpaintError, OptionError
from inpaint.masking.pixels import Floats, Mask, eight_bits
from inpaint.masking.strokes import line_height, line_length, line_strokes, polygon_mask
from inpaint.masking.tiled import tiled_mask

LONGEST = 1280  # pixels of the longer side that the detector looks at: a 2 MP photo stays under two seconds
SHORTEST = 960  # smaller photos are enlarged for the detector
SCALES = (1.0, 0.7, 0.47)  # of that size: a line is missed at one scale and found at another
TALL, SOLID = 0.15, 0.24  # of the photo's shorter side: a tall line; of its height: half a stroke, at most
WORD = 3.0  # of its height: how long a line is that no single thing is taken for
LINE, BOX = 0.6, 0.8  # least confidence at sensitivity 0 in a line, and in one whose strokes cannot be told apart
INSTALL = (
    "finding text needs RapidOCR, install it with: pip install --no-deps rapidocr && "
    "pip install onnxruntime pyclipper shapely colorlog omegaconf pyyaml requests six"
)


def check_detector() -> None:
    """Raise InpaintError, with how to install it, where RapidOCR is missing."""
    if find_spec("rapidocr") is None or find_spec("onnxruntime") is None:
        raise InpaintError(INSTALL)


@lru_cache(maxsize=1)
def _detector() -> Any:
    """RapidOCR's detector, made once a process.

    Raises:
        InpaintError: it, or what it needs, is not installed.
    """
    check_detector()
    try:
        from rapidocr import RapidOCR
    except ImportError as error:  # it was installed alone, as its own dependencies would replace OpenCV
        raise InpaintError(INSTALL) from error
    settings: dict[str, Any] = {
        "Global.use_cls": False, "Global.use_rec": False, "Global.log_level": "error", "Global.max_side_len": 4000,
        "Det.limit_type": "max", "Det.limit_side_len": 4000, "Det.thresh": 0.2, "Det.box_thresh": 0.05,
        "EngineConfig.onnxruntime.intra_op_num_threads": int(os.environ.get("OMP_NUM_THREADS", "-1")),
    }  # fmt: skip
    return RapidOCR(params=settings)


def text_lines(photo: NDArray[Any], sensitivity: float = 0.5) -> tuple[Floats, Floats]:
    """The lines of text in a photo, as boxes that may be turned.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        sensitivity: 0 finds only what is surely text, 1 also faint suspicions.

    Returns:
        Corners (x, y) in pixels in order around each box, float32 (N, 4, 2), and the detector's confidence in each,
        float32 (N,) in [0, 1], surest first.

    Raises:
        InpaintError: RapidOCR is not installed; the text holds the command that installs it.
        OptionError: sensitivity outside 0 to 1.
    """
    if not 0 <= sensitivity <= 1:
        raise OptionError(f"sensitivity must be between 0 and 1, got {sensitivity}")
    pixels, detector = eight_bits(photo), _detector()
    height, width = pixels.shape[:2]
    full = min(max(SHORTEST, max(height, width)), LONGEST) / max(height, width)
    boxes, scores = [np.zeros((0, 4, 2), np.float32)], [np.zeros(0, np.float32)]
    for share in SCALES:
        size = (max(32, round(width * full * share)), max(32, round(height * full * share)))
        how = cv2.INTER_AREA if size[0] < width else cv2.INTER_CUBIC
        seen = np.ascontiguousarray(cv2.resize(pixels, size, interpolation=how)[..., ::-1])
        found = detector(seen, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is not None:
            boxes.append(np.asarray(found.boxes, np.float32) * (np.array((width, height), np.float32) / size))
            scores.append(np.asarray(found.scores, np.float32))
    corners, confidence = np.concatenate(boxes), np.concatenate(scores)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= LINE - 0.5 * sensitivity]
    return corners[order], confidence[order]


def text_mask(photo: NDArray[Any], sensitivity: float = 0.5, boxes: bool = False, repeats: bool = True) -> Mask:
    """The strokes of all text in a photo.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        sensitivity: 0 finds only what is surely text, 1 also faint suspicions.
        boxes: take the lines' whole boxes instead of their strokes.
        repeats: also find a mark that stands again and again on a grid (a tiled watermark), however faint.

    Returns:
        bool (H, W), True = hole; empty where nothing is found.

    Raises:
        InpaintError: RapidOCR is not installed.
        OptionError: sensitivity outside 0 to 1.
    """
    pixels = eight_bits(photo)
    corners, confidence = text_lines(pixels, sensitivity)
    shape = (pixels.shape[0], pixels.shape[1])
    mask = np.zeros(shape, bool)
    repeated = tiled_mask(pixels, sensitivity) if repeats else mask.copy()
    covered, lines = mask.copy(), mask.copy()
    for line in corners[confidence >= BOX - 0.5 * sensitivity]:
        lines |= polygon_mask(line, shape)
    for line, sure in zip(corners, confidence, strict=True):
        area = polygon_mask(line, shape)
        if not area.any() or (area & covered).sum() > 0.8 * area.sum():
            continue
        strokes = line_strokes(pixels, line, lines)
        if not strokes.clean:
            if sure < BOX - 0.5 * sensitivity or line_height(line) > 0.25 * min(shape):
                continue
            if (area & repeated).sum() > 0.08 * area.sum():  # the mark's own strokes say it better than its box
                continue
        if not strokes.mask.any() or _is_a_thing(strokes.mask, line, shape):
            continue
        covered |= area
        mask[strokes.part] |= area[strokes.part] if boxes else strokes.mask
    return mask | repeated


def _is_a_thing(strokes: Mask, line: Floats, shape: tuple[int, int]) -> bool:
    """Whether the strokes of a tall and short line are too thick for letters: an animal taken for a character."""
    height = line_height(line)
    if height <= TALL * min(shape) or line_length(line) >= WORD * height:
        return False
    depth = cv2.distanceTransform(np.pad(strokes.astype(np.uint8), 1), cv2.DIST_L2, 3)
    return float(depth.max()) > SOLID * height
