"""Classical diffusion engines from OpenCV, for comparison and for hairlines."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.blend import paste, working_scale
from inpaint.filling.report import Pixels

RADIUS = 3  # neighbourhood of a pixel, pixels
SLIVER = 8  # narrower windows are widened by repeating their edge, pixels
DUST = 9  # pixels of a connected hole up to which it is a speck, which the network has not met in training
METHODS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}


def fill_classical(
    engine: str, photo: NDArray[np.float32], mask: NDArray[np.bool_], deep: bool = False
) -> NDArray[np.float32]:
    """Fill a window with Telea 2004 (`telea`) or Navier-Stokes (Bertalmio 2001, `ns`).

    Args:
        engine: `telea` or `ns`.
        photo: float32 (H, W, 3) in [0, 255].
        mask: bool (H, W), True = hole.
        deep: work with 16 bits a channel instead of 8.

    Returns:
        float32 (H, W, 3) in [0, 255]; equal to the photo where it is known.
    """
    if min(mask.shape) < SLIVER:  # OpenCV leaves the outermost pixels of very narrow pictures to chance
        edge = ((SLIVER, SLIVER), (SLIVER, SLIVER))
        wide = np.pad(photo, (*edge, (0, 0)), mode="edge"), np.pad(mask, edge, mode="edge")
        return fill_classical(engine, *wide, deep)[SLIVER:-SLIVER, SLIVER:-SLIVER]
    hole, method = mask.astype(np.uint8), METHODS[engine]
    if not deep:
        return cv2.inpaint(np.rint(photo).astype(np.uint8), hole, RADIUS, method).astype(np.float32)
    levels = np.rint(photo * (65535 / 255)).astype(np.uint16)
    channels = [cv2.inpaint(np.ascontiguousarray(levels[..., c]), hole, RADIUS, method) for c in range(3)]
    fill = np.stack(channels, axis=2).astype(np.float32) * np.float32(255 / 65535)
    return np.where(mask[..., None], fill, photo).astype(np.float32)


def find_dust(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The specks of a mask bool (H, W): its connected parts of at most 9 pixels (diagonal neighbours are connected)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    small = stats[:, cv2.CC_STAT_AREA] <= DUST
    small[0] = False
    return np.asarray(small[labels] if small.any() else np.zeros_like(mask))


def fill_dust(photo: Pixels, dust: NDArray[np.bool_]) -> Pixels:
    """A photo uint8 or uint16 (H, W, 3) without its specks, bool (H, W), each filled from its neighbours by `ns`."""
    if not dust.any():
        return photo
    fill = fill_classical("ns", working_scale(photo), dust, photo.dtype == np.uint16)
    return paste(fill, photo, dust)
