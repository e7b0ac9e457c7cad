"""The guided filter, which draws soft values to the edges of a picture."""

import cv2
import numpy as np

from inpaint.masking.pixels import Floats


def guided_filter(guide: Floats, values: Floats, radius: int, smoothness: float) -> Floats:
    """Values made to follow the edges of a picture (He, Sun, Tang 2010, "Guided Image Filtering", colour guide).

    Args:
        guide: float32 (H, W, 3), about in [0, 1].
        values: float32 (H, W).
        radius: of the windows, in pixels.
        smoothness: the paper's epsilon.

    Returns:
        float32 (H, W).
    """
    side = (2 * radius + 1, 2 * radius + 1)
    mean, level = cv2.blur(guide, side), cv2.blur(values, side)
    with_values = cv2.blur(guide * values[..., None], side) - mean * level[..., None]
    products = (guide[..., :, None] * guide[..., None, :]).reshape(*values.shape, 9)
    squares = np.dstack([cv2.blur(np.ascontiguousarray(products[..., k]), side) for k in range(9)])
    covariance = squares.reshape(*values.shape, 3, 3) - mean[..., :, None] * mean[..., None, :]
    slope = np.linalg.solve(covariance + smoothness * np.eye(3, dtype=np.float32), with_values[..., None])[..., 0]
    offset = level - (slope * mean).sum(axis=2)
    slope = cv2.blur(slope.astype(np.float32), side)
    return np.asarray((slope * guide).sum(axis=2) + cv2.blur(offset.astype(np.float32), side), np.float32)
