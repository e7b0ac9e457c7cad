"""Which engine fills a hole, when nobody names one.

What was measured (`docs/filling.md`) leaves little open: patches alone where all surroundings are one even texture,
which the network has lost, or one flat colour, which it does not meet exactly; everywhere else its fill with the fine
detail of patches where both agree: in photos of the size it was trained for the network is shown that detail and
decides itself; in larger ones, whose grain it has not learnt, three quarters are added to what it fills. Where a photo
of the first kind has grain half of the detail is added as well, unless that did worse in a self-test (`self_test.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.filling.classical import DUST
from inpaint.filling.detail import MIN_SOURCES, valid_sources
from inpaint.filling.structure import FINEST

PARTS = 4  # rows and columns of parts into which a window is divided to see whether it is one texture
LEAST_PARTS = 8  # of them must be known for the most part
EVEN = 0.04  # share of the colours' variance that lies between parts, up to which they have one colour
ALIKE = 0.15  # spread of the parts' contrasts against their mean, up to which they have one texture
CONTRAST = 100.0  # variance of the colours (sum of three channels) from which on there is a texture
RIM = 8  # width of the rim that is looked at for one flat colour, pixels
FLAT = 1.5  # standard deviation of every channel up to which it is one, of 255
SHALLOW = 16.0  # depth up to which a hole has no inside whose grain could be missing, pixels
MOST = 0.75  # share of the patches' detail in large photos
SHARES = {"none": 0.0, "half": 0.5}  # of the patches' detail that may be added in smaller ones
GRAIN = 2.0  # standard deviation from which on a photo has grain, of 255
QUIET = 10  # percentile of the blocks' standard deviations that tells: there is nothing but grain in the quietest
BLOCK = 8  # side of these blocks, pixels
WORSE = 1.25  # times the error without added detail, from which on that with half of it speaks against it
DIAGONAL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
HAIRLINE = 8.0  # depth up to which a hole is a hairline: the network's fill at a smaller size would not show it; with
# nothing to copy around it diffusion is best, pixels


@dataclass(frozen=True)
class Choice:
    """The engine for one window, what guides its patches, the figures the choice rests on, and why, in one sentence.

    And the share of the patches' detail that is added, where the guide is `both` or `refined`.
    """

    engine: str
    guide: str
    scores: dict[str, float]
    reason: str
    share: float = 0.0


def hole_depth(hole: NDArray[np.bool_]) -> float:
    """Distance of the innermost hole pixel of a window from a known one (pixels); a window's edge is not known."""
    padded = np.pad(hole, 1, mode="edge").astype(np.uint8)
    return float(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1].max())


def is_sieve(hole: NDArray[np.bool_]) -> bool:
    """Whether a hole, bool (H, W), is shallow everywhere and leaves hardly a patch to copy: pixels hidden at random."""
    return int(valid_sources(hole).sum()) < MIN_SOURCES and hole_depth(hole) <= HAIRLINE


def network_suffices(photo: tuple[int, ...], window: tuple[int, ...]) -> bool:
    """Whether the network fills every pixel of a window itself, in a photo about as large as those it was trained on.

    Args:
        photo: height and width of the photo, and perhaps more (pixels).
        window: height and width of the window (pixels).

    Returns:
        True for windows of at most 512 px in photos of at most 1,024 px. Larger windows it would fill at a smaller
        size; larger photos have finer grain than it has learnt, of which patches copy more.
    """
    return max(window[:2]) <= FINEST and max(photo[:2]) <= 2 * FINEST


def texture(photo: NDArray[np.float32], hole: NDArray[np.bool_]) -> tuple[float, float] | None:
    """How much the parts of a window differ from each other: near 0 and 0 in gravel, grass or brick that fills it.

    Args:
        photo: float32 (H, W, 3) in [0, 255], the window.
        hole: bool (H, W), True = hole.

    Returns:
        the share of the known colours' variance that lies between the parts' means, and the standard deviation of the
        parts' contrasts over their mean; None where too little is known, or there is no contrast.
    """
    means, contrasts = [], []
    height, width = hole.shape
    for row in range(PARTS):
        for column in range(PARTS):
            rows = slice(row * height // PARTS, (row + 1) * height // PARTS)
            part = rows, slice(column * width // PARTS, (column + 1) * width // PARTS)
            known = ~hole[part]
            if known.size == 0 or known.mean() < 0.5:
                continue
            mean, deviation = cv2.meanStdDev(photo[part], mask=known.astype(np.uint8))
            means.append(mean)
            contrasts.append(float(np.linalg.norm(deviation)))
    if len(means) < LEAST_PARTS:
        return None
    between = float(np.var(means, axis=0).sum())
    total = between + float(np.mean(np.square(contrasts)))
    if total < CONTRAST:
        return None
    return between / total, float(np.std(contrasts) / np.mean(contrasts))


def rim_spread(photo: NDArray[np.float32], hole: NDArray[np.bool_]) -> float:
    """How far the known pixels around a hole are from one flat colour.

    Args:
        photo: float32 (H, W, 3) in [0, 255], the window.
        hole: bool (H, W), True = hole.

    Returns:
        the largest standard deviation of a channel among known pixels at most 8 px from the hole; infinite where there
        are none.
    """
    rim = (cv2.dilate(hole.astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0) & ~hole
    return float(photo[rim].std(axis=0).max()) if rim.any() else float("inf")


def grain(photo: NDArray[np.float32], hole: NDArray[np.bool_]) -> float:
    """How strong the grain or noise of a photo is, from its known pixels.

    What a second difference in both directions leaves in the quietest blocks of 8 x 8 px; scaled as it is (Immerkaer
    1996, section 2) it has the noise's standard deviation.

    Args:
        photo: float32 (H, W, 3) in [0, 255].
        hole: bool (H, W), True = hole.

    Returns:
        standard deviation of the grain (root of the mean square of the channels), of 255; 0 where no block is known.
    """
    known = cv2.erode((~hole).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    size = max(1, hole.shape[1] // BLOCK), max(1, hole.shape[0] // BLOCK)
    fine = np.square(cv2.filter2D(photo, -1, DIAGONAL)).mean(axis=2) * known
    variance, share = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (fine, known))
    full = share > 0.9
    return float(np.percentile(np.sqrt(variance[full] / share[full]), QUIET)) if full.any() else 0.0


def choose_engine(
    photo: NDArray[np.float32], hole: NDArray[np.bool_], depth: float, reach: float | None, alone: bool = False,
    test: Callable[[dict[str, float]], dict[str, float] | None] = lambda shares: None, specks: bool = False,
) -> Choice:
    """Choose by how deep the hole is, how much there is to copy, whether it is all one texture, its size, and a test.

    Args:
        photo: float32 (H, W, 3) in [0, 255], the window.
        hole: bool (H, W), the window's mask.
        depth: of the hole (pixels).
        reach: how far the network sees (pixels); None where that is not known.
        alone: whether photo and window are small enough for the network to fill them itself (`network_suffices`).
        test: gives the errors with some shares of the patches' detail in a stand-in hole by the shares' names, or
            None; asked only where they decide.
        specks: the hole is nothing but specks (`classical.find_dust`).

    Returns:
        `ns` where the hole is nothing but specks, or where fewer than 50 known patches can be copied, but one flat
        colour is all around or every hole pixel is near a known one; `network` where few can be copied otherwise;
        `detail` guided by diffusion in hairlines of windows that the network would fill at a smaller size, and where
        one flat colour is all around, which the network misses by 2 to 4 levels; `patch` in an even texture, unless the
        hole is a hairline; in all other places `detail`: with `both` and three quarters of the patches' detail; or,
        where the network may fill alone, `refined`, and in grain, if the hole is not shallow, and it did not do worse
        in a stand-in, with half of the detail added.
    """
    sources = int(valid_sources(hole).sum())
    scores = {
        "known_share": round(float(1 - hole.mean()), 3), "sources_per_hole_pixel": round(sources / int(hole.sum()), 2),
    }  # fmt: skip
    if reach is not None:
        scores["depth_to_reach"] = round(depth / reach, 3)
    if specks:
        return Choice("ns", "network", scores, f"specks of at most {DUST} pixels, which their neighbours tell best")
    if sources < MIN_SOURCES:
        if depth <= HAIRLINE or rim_spread(photo, hole) <= FLAT:
            reason = f"only {sources} known patches to copy from, but known pixels are near"
            return Choice("ns", "network", scores, reason)
        return Choice("network", "network", scores, f"only {sources} known patches to copy from")
    if depth <= HAIRLINE and max(hole.shape) > FINEST:
        return Choice("detail", "diffusion", scores, f"a hairline, {depth:.1f} pixels deep: diffusion guides it")
    even = texture(photo, hole) if depth > HAIRLINE else None
    if even is not None:
        scores["colour_between_parts"], scores["contrast_spread"] = round(even[0], 3), round(even[1], 3)
        if even[0] <= EVEN and even[1] <= ALIKE:
            return Choice("patch", "network", scores, "all around is one texture, which patches alone go on best")
    if rim_spread(photo, hole) <= FLAT:
        return Choice("detail", "diffusion", scores, "all around is one flat colour, which patches copy exactly")
    if not alone:
        reason = "the network, with most of the detail of patches"
        if reach is not None and depth > reach:
            reason = "the network, with most of the detail of patches, though the hole is deeper than the network sees"
        return Choice("detail", "both", scores, reason, MOST)
    if depth > SHALLOW:
        scores["grain"] = round(grain(photo, hole), 2)
    reason = "the network, which is shown the detail of patches where both agree"
    if scores.get("grain", 0.0) < GRAIN:
        return Choice("detail", "refined", scores, reason)
    errors = test(SHARES)
    scores |= {f"self_test_{name}": round(error, 3) for name, error in (errors or {}).items()}
    if errors is not None and errors["half"] >= WORSE * errors["none"]:
        return Choice("detail", "refined", scores, reason + "; with half of it added a self-test was worse")
    return Choice("detail", "refined", scores, reason + ", and half of it added for the grain", SHARES["half"])
