"""Structure: the generator fills a window octave by octave, each with the coarser result as its guide.

A network that takes no guide, as those of the papers, fills the window in one pass at the last octave's size.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inpaint.filling.boxes import Box, bounding_box, overlap, unite
from inpaint.filling.progress import Progress
from inpaint.models.layers import InpaintingNetwork, composite
from inpaint.models.part import grow

COARSEST = 64  # longest side of the first octave is at most that of the whole scenes of training, pixels
FINEST = 512  # longest side of the last octave, pixels
GUIDING = 128  # the same at least for a fill that only guides patches,
GUIDING_SHARE = 4  # and not less than the window's longest side over this
BEYOND = 4  # pixels around the hole's bounding box that resizing to the next octave reads
NEAR = 16  # pixels around a hole that octaves after the first look at: what is farther off, the guide has seen
GRID = 16  # the edges of what they look at lie on multiples of it, so that few shapes are prepared for, pixels
SMALLER = (0.5, 0.75)  # of the first octave's size: fills at these sizes are averaged with its own
Detailing = Callable[[list[NDArray[np.float32]], NDArray[np.float32]], NDArray[np.float32]]


def octave_sizes(height: int, width: int, guided: bool = True, finest: int = FINEST) -> list[tuple[int, int]]:
    """Sizes (height, width) at which a window is filled, coarse to fine, each about twice the one before.

    Args:
        height, width: of the window, pixels.
        guided: whether the network takes a guide; without one it fills once, at the last size.
        finest: longest side of the last octave, pixels.
    """
    longest = max(height, width)
    scale = min(1.0, finest / longest)
    scales = [scale]
    while guided and scale * longest > COARSEST:
        scale /= 2
        scales.append(scale)
    return [(max(1, round(height * s)), max(1, round(width * s))) for s in reversed(scales)]


def guiding_size(height: int, width: int) -> int:
    """Longest side of the last octave of a fill that only guides patches: it shows what a quarter of the size shows.

    Args:
        height, width: of the window, pixels.

    Returns:
        128, 256 or 512 pixels.
    """
    size = GUIDING
    while size < FINEST and GUIDING_SHARE * size < max(height, width):
        size *= 2
    return size


def octave_scale(height: int, width: int, guided: bool = True) -> float:
    """Pixels of a window per pixel of its first octave: by how much a network's view is widened there."""
    return max(height, width) / max(octave_sizes(height, width, guided)[0])


def shrink_known(
    photo: NDArray[np.float32], mask: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A photo and its hole at a smaller size; known pixels are averaged without the hole.

    Args:
        photo: float32 (H, W, 3).
        mask: bool (H, W), True = hole.
        size: (height, width) not above the photo's.

    Returns:
        photo (h, w, 3), and mask (h, w), True where less than half of the area was known.
    """
    if size == mask.shape:
        return photo, mask
    known = (~mask).astype(np.float32)
    share = cv2.resize(known, size[::-1], interpolation=cv2.INTER_AREA)
    small = cv2.resize(photo * known[..., None], size[::-1], interpolation=cv2.INTER_AREA)
    return (small / np.maximum(share, 1e-3)[..., None]).astype(np.float32), share < 0.5


def touched(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of a smaller size (height, width) that hold any of the hole, bool (h, w)."""
    if size == mask.shape:
        return mask
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0


def hole_box(hole: NDArray[np.bool_]) -> Box:
    """Where a fill is wanted: around the hole; everywhere if there is none."""
    size = (hole.shape[0], hole.shape[1])
    box = bounding_box(hole)
    return (0, 0, *size) if box is None else grow(box, BEYOND, size)


def near_parts(hole: NDArray[np.bool_]) -> list[Box]:
    """Rectangles that hold all holes with their near surroundings, no two of which overlap.

    Args:
        hole: bool (H, W), True = hole.

    Returns:
        boxes (pixels, ends excluded).
    """
    height, width = hole.shape
    side = 2 * NEAR + 1
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(hole.astype(np.uint8), np.ones((side, side))))
    boxes: list[Box] = []
    for left, top, across, down, _ in stats[1:count].tolist():
        bottom, right = -(-(top + down) // GRID) * GRID, -(-(left + across) // GRID) * GRID
        box = (top - top % GRID, left - left % GRID, min(height, bottom), min(width, right))
        while meeting := [other for other in boxes if overlap(box, other)]:
            boxes = [other for other in boxes if other not in meeting]
            box = unite([box, *meeting])
        boxes.append(box)
    return boxes


def _tensors(
    scaled: NDArray[np.float32], mask: NDArray[np.bool_], size: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """A window at a smaller size: photo float (1, 3, h, w) in [-1, 1] and hole float (1, 1, h, w), 1 = hole."""
    small, hole = shrink_known(scaled, mask, size)
    known = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].to(device)
    return known, torch.from_numpy(hole.astype(np.float32))[None, None].to(device)


def _picture(values: Tensor) -> NDArray[np.float32]:
    """Values float (1, 3, h, w) in [-1, 1] as float32 (h, w, 3) in [0, 255]."""
    return np.clip((values[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5, 0, 255).astype(np.float32)


def _run(network: InpaintingNetwork, inputs: list[Tensor], box: Box) -> Tensor:
    """The network's fill in a box, float (1, 3, h, w) in [-1, 1]; the inputs are its photo, hole and perhaps guide."""
    last = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
    return network(*last, box=box).float().clamp(-1, 1)


def _refine(network: InpaintingNetwork, known: Tensor, hole: Tensor, guide: Tensor, where: NDArray[np.bool_]) -> Tensor:
    """A fill at the guide's size, computed near the holes alone; elsewhere stands the guide.

    Args:
        network: a generator that takes a guide.
        known, hole, guide: float (1, C, h, w), its inputs.
        where: bool (h, w), pixels for which a fill is wanted.

    Returns:
        float (1, 3, h, w) in [-1, 1].
    """
    result = guide.clone()
    for top, left, bottom, right in near_parts(where):
        part = slice(top, bottom), slice(left, right)
        result[..., *part] = _run(network, [x[..., *part] for x in (known, hole, guide)], hole_box(where[part]))
    return result


def _agree(
    network: InpaintingNetwork, first: Tensor, scaled: NDArray[np.float32], mask: NDArray[np.bool_],
    smaller: tuple[float, ...],
) -> Tensor:
    """The first octave's fill averaged with fills at still smaller sizes: what is invented differs between them.

    Args:
        network: a generator that takes a guide.
        first: float (1, 3, h, w) in [-1, 1], the first octave's fill.
        scaled: float32 (H, W, 3) in [-1, 1], the window.
        mask: bool (H, W), True = hole.
        smaller: parts of the first octave's size.

    Returns:
        float (1, 3, h, w) in [-1, 1].
    """
    height, width = first.shape[-2:]
    fills = [first]
    for share in smaller:
        size = max(1, round(height * share)), max(1, round(width * share))
        fill = _run(network, [*_tensors(scaled, mask, size, first.device)], hole_box(touched(mask, size)))
        fills.append(F.interpolate(fill, size=(height, width), mode="bicubic"))
    return torch.stack(fills).mean(dim=0).clamp(-1, 1)


@torch.inference_mode()
def fill_octaves(
    network: InpaintingNetwork, photo: NDArray[np.float32], mask: NDArray[np.bool_], device: torch.device,
    progress: Progress = Progress(), finest: int = FINEST, smaller: tuple[float, ...] = SMALLER,
    detailing: Detailing | None = None,
) -> list[NDArray[np.float32]]:
    """What the network puts in the hole of a window octave by octave, and something like it just around.

    Args:
        network: a generator `(photo, mask[, guide]) -> photo`.
        photo: float32 (H, W, 3) RGB in [0, 255].
        mask: bool (H, W), True = hole.
        device: where the network lies.
        progress: told before every octave.
        finest: longest side of the last octave, pixels.
        smaller: parts of the first octave's size at which fills are made too and averaged with it.
        detailing: gives the guide of the last octave, float32 (h, w, 3) in [0, 255], what else it shall know: called
            with the fills of the octaves before, and that guide, if there are any.

    Returns:
        float32 (h, w, 3) in [0, 255] of every octave at its own size, coarse to fine, before compositing; far from the
        hole it means nothing.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    height, width = mask.shape
    scaled = photo / np.float32(127.5) - 1
    guide: Tensor | None = None
    fills: list[NDArray[np.float32]] = []
    sizes = octave_sizes(height, width, network.takes_guide, finest)
    for octave, size in enumerate(sizes):
        progress("structure", size[0] * size[1] / (4 * sizes[-1][0] * sizes[-1][1]) if octave else 0.0)
        known, hole_map = _tensors(scaled, mask, size, device)
        where = touched(mask, size)
        if guide is None:
            prediction = _run(network, [known, hole_map], hole_box(where))
            if network.takes_guide:
                prediction = _agree(network, prediction, scaled, mask, smaller)
        else:
            guide = F.interpolate(guide, size=size, mode="bilinear")
            if detailing and octave == len(sizes) - 1:
                detailed = detailing(fills, _picture(guide)) / np.float32(127.5) - 1
                guide = torch.from_numpy(detailed).permute(2, 0, 1)[None].to(device)
            prediction = _refine(network, known, hole_map, guide, where)
        guide = composite(prediction, known, hole_map)
        fills.append(_picture(prediction))
    return fills


def enlarge_fill(fill: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """An octave's fill (h, w, 3) in [0, 255] at a window's size (height, width)."""
    if fill.shape[:2] == size[:2]:
        return fill
    return np.clip(cv2.resize(fill, size[1::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.float32)


def fill_structure(
    network: InpaintingNetwork, photo: NDArray[np.float32], mask: NDArray[np.bool_], device: torch.device
) -> NDArray[np.float32]:
    """The last octave of `fill_octaves` at the window's size: float32 (H, W, 3) in [0, 255]; arguments as there."""
    return enlarge_fill(fill_octaves(network, photo, mask, device)[-1], mask.shape)
