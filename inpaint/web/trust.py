"""Where a fill is to be trusted: how deep the hole is against what the network sees, and where candidates disagree."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError
from inpaint.photo.encode import shallow
from inpaint.web.session import Session

DISAGREES = 32.0  # mean difference in 8-bit levels at which two fills show different things


def depth_doubt(session: Session, number: int) -> NDArray[np.float32]:
    """Depth of each hole pixel as a share of the network's reach in its window, float32 (H, W); 1 and more is blind.

    Holes that no network filled (Telea, Navier-Stokes, patches alone) count as 1: nothing saw across them.
    """
    hole = session.hole(number)
    depth = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    doubt = np.zeros(hole.shape, np.float32)
    for window in session.steps[number].report["holes"]:
        left, top, right, bottom = window["box"]
        part = (slice(top, bottom), slice(left, right))
        reach = window["network_reach"]
        share = hole[part].astype(np.float32) if reach is None else depth[part] / max(reach, 1.0)
        np.maximum(doubt[part], share, out=doubt[part])
    return doubt * hole


def disagreement(session: Session, number: int) -> NDArray[np.float32]:
    """How far the alternatives of a fill differ at each pixel, float32 (H, W); 1 and more is another picture.

    Raises:
        MaskError: the fill has no alternatives.
    """
    group = session.steps[number].group
    numbers = [s.number for s in session.steps if s.kind == "fill" and s.group == group]
    if len(numbers) < 2:
        raise MaskError("this fill has no alternatives to compare; ask for two or more, then fill again")
    mine = shallow(session.pixels(number)).astype(np.float32)
    total = np.zeros(session.shape, np.float32)
    for other in numbers:
        if other != number:
            total += np.abs(mine - shallow(session.pixels(other))).mean(axis=2)
    smooth = cv2.GaussianBlur(total / (len(numbers) - 1), (0, 0), 3)
    return np.asarray(smooth * session.hole(number) / DISAGREES, np.float32)


def paint_doubt(doubt: NDArray[np.float32], hole: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Doubt as colours over the hole: blue is sure, yellow is in doubt, red is a guess.

    Args:
        doubt: float32 (H, W), 0 sure, 1 a guess.
        hole: bool (H, W).
        size: (width, height) of the picture in pixels.

    Returns:
        uint8 (height, width, 4) RGBA, transparent outside the hole.
    """
    shown = cv2.resize(doubt, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(hole.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    stops = np.array([[44, 105, 200], [250, 220, 70], [215, 35, 40]], np.float32)
    t = np.clip(shown, 0, 1) * 2
    colours = np.stack([np.interp(t, [0, 1, 2], stops[:, channel]) for channel in range(3)], axis=2)
    return np.dstack([colours.round(), np.where(inside > 0, 190, 0)]).astype(np.uint8)


def summary(doubt: NDArray[np.float32], hole: NDArray[np.bool_]) -> dict[str, Any]:
    """The largest doubt, and the share of the hole where it is 1 or more."""
    values = doubt[hole]
    return {"largest": round(float(values.max(initial=0)), 3), "blind": round(float((values >= 1).mean()), 4)}
