"""Convolutions in a rectangle of the picture alone: what a fill needs of a layer whose other outputs nobody reads.

Near its end a network's output depends on little of its features: a rectangle and as much around it as the layers that
are left can see. Values inside are those of the whole picture but for rounding; its edge alone is padded with zeros.
"""

from torch import Tensor, nn
from torch.nn import functional as F

Box = tuple[int, int, int, int]  # top, left, bottom, right, ends excluded


def grow(box: Box, margin: int, size: tuple[int, int]) -> Box:
    """A box with a margin on every side, cut at the edges of a picture of size (height, width)."""
    top, left, bottom, right = box
    return max(0, top - margin), max(0, left - margin), min(size[0], bottom + margin), min(size[1], right + margin)


def shrink(box: Box, factor: int) -> Box:
    """The box at 1/factor of the size; every cell that it touches is in it."""
    return box[0] // factor, box[1] // factor, -(-box[2] // factor), -(-box[3] // factor)


def enlarge(box: Box, factor: int) -> Box:
    """The box at `factor` times the size."""
    return box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor


def cut(x: Tensor, have: Box, want: Box) -> Tensor:
    """The part of features (B, C, h, w) known in the box `have` that lies in the box `want` within it."""
    rows = slice(want[0] - have[0], want[2] - have[0])
    return x[:, :, rows, want[1] - have[1] : want[3] - have[1]]


def reach(conv: nn.Conv2d) -> int:
    """How far a convolution of stride 1 sees to each side (pixels)."""
    return conv.dilation[0] * (conv.kernel_size[0] - 1) // 2


def conv_in(conv: nn.Conv2d, x: Tensor, have: Box, want: Box, size: tuple[int, int]) -> Tensor:
    """A zero-padded square convolution of stride 1, computed in a box alone.

    Args:
        conv: the layer.
        x: float (B, C, h, w), its input in the box `have`.
        have: holds `want` and as much around it as the layer sees, up to the picture's edges.
        want: where the output is wanted.
        size: (height, width) of the whole picture.

    Returns:
        float (B, C', h', w') in the box `want`.
    """
    margin = reach(conv)
    seen = grow(want, margin, size)
    top, left, bottom, right = (margin - abs(a - b) for a, b in zip(want, seen, strict=True))
    part = cut(x, have, seen)
    if top or left or bottom or right:
        part = F.pad(part, (left, right, top, bottom))
    return F.conv2d(part, conv.weight, conv.bias, dilation=conv.dilation)
