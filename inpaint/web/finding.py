"""Masks found for the person, by `inpaint.masking`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OptionError
from inpaint.web.pictures import Mask


def find_text(photo: NDArray[Any], sensitivity: float) -> Mask:
    """The strokes of all text, bool (H, W)."""
    from inpaint.masking import text_mask

    return np.asarray(text_mask(photo, sensitivity))


def find_scratches(photo: NDArray[Any], sensitivity: float) -> Mask:
    """Scratches and dust of a scanned print, bool (H, W)."""
    from inpaint.masking import scratch_mask

    return np.asarray(scratch_mask(photo, sensitivity))


def find_object(photo: NDArray[Any], request: dict[str, Any]) -> Mask:
    """The object that clicks or a box mean.

    Args:
        photo: uint8 or uint16 (H, W, 3) RGB.
        request: `points` [[x, y], ...], `labels` (1 on the object, 0 beside it), `box` [x, y, width, height] or None,
            `shadow` for its cast shadow, too; in pixels.

    Returns:
        bool (H, W).

    Raises:
        OptionError: neither a point nor a box.
    """
    from inpaint.masking import object_mask

    points, labels, box = request.get("points") or [], request.get("labels") or [], request.get("box")
    if not points and not box:
        raise OptionError("an object needs a click or a box")
    clicks = [(x, y, label) for (x, y), label in zip(points, labels, strict=True)]
    return np.asarray(object_mask(photo, clicks, box=tuple(box) if box else None, shadow=bool(request.get("shadow"))))
