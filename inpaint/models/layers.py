"""Building blocks of the networks, and the one function that makes any input fit a network's size rule."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.models.part import Box, conv_in, cut, grow, reach


@dataclass(frozen=True)
class SizeRule:
    """Sizes a network accepts: height and width are at least `minimum` and multiples of `multiple_of` (pixels)."""

    multiple_of: int = 1
    minimum: int = 1

    def fit(self, length: int) -> int:
        """Smallest accepted length that is not below `length` (pixels)."""
        length = torch.sym_max(length, self.minimum)  # as max, and for the symbolic lengths of an export too
        return (length + self.multiple_of - 1) // self.multiple_of * self.multiple_of


class InpaintingNetwork(nn.Module):
    """What every generator promises: `network(photo, mask)` is a fill of the same size, whatever the size.

    A network writes `compute`, for sizes that obey its `size_rule`; padding to that rule and cutting back stands here
    once, for all of them. What stands in the hole of the photo never matters.

    Attributes:
        config: the frozen dataclass it was built from.
        size_rule: sizes that `compute` accepts.
        takes_guide: whether it takes a coarser fill as third argument.
        takes_box: whether it saves work where only a rectangle of its output is wanted.
        mixes_precision: whether its weights may be bfloat16 while what goes in and comes out stays float32.
    """

    config: Any
    size_rule: SizeRule = SizeRule()
    takes_guide: bool = False
    takes_box: bool = False
    mixes_precision: bool = False

    def compute(self, photo: Tensor, mask: Tensor) -> list[Tensor]:
        """Every stage's output (B, 3, H, W) in order, for H and W that obey the size rule; `forward` says the rest."""
        raise NotImplementedError

    @property
    def receptive_field(self) -> int | None:
        """Side of the square of input pixels that one output pixel depends on, or None where it is not known (pixels).

        Parts that see the whole picture (attention, a global mean) are left aside.
        """
        from inpaint.models.receptive_field import theoretical_field

        return theoretical_field(self).field

    def forward(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None,
        box: Box | None = None,
    ) -> Tensor:
        """Fill the hole of each photo; known pixels are reconstructed too and are for the caller to discard.

        Args:
            photo: float (B, 3, H, W) in [-1, 1]; what stands in the hole is ignored.
            mask: float (B, 1, H, W), 1 = hole, 0 = known.
            guide: float (B, 3, H, W) in [-1, 1], a coarser fill at this size, or None; for networks that take one.
            guided: float (B, 1, 1, 1), 1 where a sample's guide counts; None means all of them.
            box: where the output is wanted; a network that `takes_box` may leave anything elsewhere.

        Returns:
            float (B, 3, H, W), about [-1, 1] (clamp it), before compositing.
        """
        return self._run(photo, mask, guide, guided, box)[-1]

    def stages(self, photo: Tensor, mask: Tensor) -> list[Tensor]:
        """Every stage's output (B, 3, H, W) in order, the last being `forward`'s; arguments as there."""
        return self._run(photo, mask, None, None)

    def _run(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None, guided: Tensor | None, box: Box | None = None
    ) -> list[Tensor]:
        height, width = photo.shape[-2:]
        if photo.ndim != 4 or photo.shape[1] != 3 or mask.shape != (photo.shape[0], 1, height, width):
            got = f"{tuple(photo.shape)} and {tuple(mask.shape)}"
            raise ValueError(f"photo must be (B, 3, H, W) and mask (B, 1, H, W) of the same size, got {got}")
        if guide is not None and not self.takes_guide:
            raise ValueError(f"{type(self).__name__} takes no guide")
        inputs = [pad_to_rule(x, self.size_rule) for x in (photo, mask, guide) if x is not None]
        named: dict[str, Any] = {} if guided is None or guide is None else {"guided": guided}
        if self.takes_box and box is not None:
            named["box"] = box
        outputs = self.compute(*inputs, **named)
        return [output[..., :height, :width] for output in outputs]


def composite(prediction: Tensor, photo: Tensor, mask: Tensor) -> Tensor:
    """The prediction in the hole, the photo elsewhere, both float (B, 3, H, W)."""
    return prediction * mask + photo * (1 - mask)


def pad_to_rule(x: Tensor, rule: SizeRule) -> Tensor:
    """Extend a batch at its right and lower edge by repetition until it obeys a size rule.

    Args:
        x: float (B, C, H, W).
        rule: what the network accepts.

    Returns:
        float (B, C, H', W') with H' >= H and W' >= W; cut back with `[..., :H, :W]`.
    """
    height, width = x.shape[-2:]
    if isinstance(height, int) and isinstance(width, int) and (rule.fit(height), rule.fit(width)) == (height, width):
        return x
    rows = torch.arange(rule.fit(height), device=x.device).clamp(max=height - 1)
    columns = torch.arange(rule.fit(width), device=x.device).clamp(max=width - 1)
    return x[:, :, rows][..., columns]


class GatedConv(nn.Module):
    """Gated convolution: features times a learnt soft selection of them (Yu 2019, section 3.1)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        feature, gate = self.conv(x).chunk(2, dim=1)
        return F.silu(feature) * torch.sigmoid(gate)


class DilatedBlock(nn.Module):
    """Residual block of one dilated 3x3 convolution and a 1x1 mix; adds 2 * dilation feature pixels of view."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.normal_(self.mix.weight, std=0.1 / channels**0.5)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, channels, H, W) to the same shape."""
        return x + self.mix(F.silu(self.dilated(F.silu(x))))

    def forward_in(self, x: Tensor, have: Box, want: Box, size: tuple[int, int]) -> Tensor:
        """As `forward` in the box `want` alone; the arguments are those of `conv_in`."""
        seen = grow(want, reach(self.dilated), size)
        inner = conv_in(self.dilated, F.silu(cut(x, have, seen)), seen, want, size)
        mixed: Tensor = self.mix(F.silu(inner))
        return cut(x, have, want) + mixed


class GlobalContext(nn.Module):
    """Scales and shifts every channel by what the known part of the whole picture looks like.

    The mean over known pixels stands in for the global branch that Iizuka 2017 gives only to the discriminator:
    overall colour and light reach every pixel at once, however wide the hole.
    """

    sees_everything = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels)
        self.excite = nn.Linear(channels, 2 * channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Features (B, C, h, w) and the known share of each cell (B, 1, h, w) in [0, 1] to features."""
        weight = known / known.sum(dim=(2, 3), keepdim=True).clamp_min(1e-3)  # (B, 1, h, w)
        mean = (x * weight).sum(dim=(2, 3))  # (B, C), float32 even where the features are bfloat16
        scale, shift = self.excite(F.silu(self.squeeze(mean.to(self.squeeze.weight.dtype)))).chunk(2, dim=1)
        return x * (1 + scale[..., None, None]) + shift[..., None, None]
