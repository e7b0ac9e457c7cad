"""Which engine fills a hole, when nobody names one.

The rule is as simple as the measurements allow (`docs/filling.md`): patches guided by the network were best for every
kind of mask. A self-test, filling stand-in holes in the known surroundings and scoring them, is not used: even when the
cheap score was given the true photo under the real hole, choosing by it was no better than not choosing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.detail import MIN_SOURCES, valid_sources

HAIRLINE = 8.0  # depth up to which diffusion guides the patches at least as well as the network does, pixels


@dataclass(frozen=True)
class Choice:
    """The engine for one window, what guides its patches, the figures the choice rests on, and why, in one sentence."""

    engine: str
    guide: str
    scores: dict[str, float]
    reason: str


def hole_depth(hole: NDArray[np.bool_]) -> float:
    """Distance of the innermost hole pixel of a window from a known one (pixels); a window's edge is not known."""
    padded = np.pad(hole, 1, mode="edge").astype(np.uint8)
    return float(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1].max())


def choose_engine(hole: NDArray[np.bool_], depth: float, reach: float | None) -> Choice:
    """Choose by how deep the hole is and how much there is to copy.

    Args:
        hole: bool (H, W), the window's mask.
        depth: of the hole (pixels).
        reach: how far the network sees (pixels); None where that is not known.

    Returns:
        `network` where fewer than 50 known patches can be copied; else `detail`, guided by diffusion where the hole is
        a hairline and by the network otherwise.
    """
    sources = int(valid_sources(hole).sum())
    scores = {
        "known_share": round(float(1 - hole.mean()), 3), "sources_per_hole_pixel": round(sources / int(hole.sum()), 2),
    }  # fmt: skip
    if reach is not None:
        scores["depth_to_reach"] = round(depth / reach, 3)
    if sources < MIN_SOURCES:
        return Choice("network", "network", scores, f"only {sources} known patches to copy from")
    if depth <= HAIRLINE:
        return Choice("detail", "diffusion", scores, f"a hairline, {depth:.1f} pixels deep: diffusion guides it")
    if reach is not None and depth > reach:
        return Choice("detail", "network", scores, "patches, though the hole is deeper than the network sees")
    return Choice("detail", "network", scores, "patches guided by the network measured best for such holes")
