"""Classical diffusion engines from OpenCV, for comparison and for hairlines."""

import cv2
import numpy as np
from numpy.typing import NDArray

RADIUS = 3  # neighbourhood of a pixel, pixels
_METHODS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}


def fill_classical(engine: str, photo: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill a window with Telea 2004 (`telea`) or Navier-Stokes (Bertalmio 2001, `ns`).

    Returns:
        float32 (H, W, 3) in [0, 255]; equal to the photo where it is known.
    """
    return cv2.inpaint(photo, mask.astype(np.uint8), RADIUS, _METHODS[engine]).astype(np.float32)
