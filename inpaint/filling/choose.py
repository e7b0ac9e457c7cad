"""Which engine fills a hole, when nobody names one."""

import numpy as np
from numpy.typing import NDArray

SCARCE = 0.6  # share of a window that is hole beyond which there is too little to copy from


def choose_engine(hole: NDArray[np.bool_]) -> str:
    """Choose by how much of the window is known: the network's structure with copied detail, or the network alone.

    Args:
        hole: bool (H, W), the window's mask.

    Returns:
        `detail`, or `network` where more than 60 % of the window is hole.
    """
    return "network" if hole.mean() > SCARCE else "detail"
