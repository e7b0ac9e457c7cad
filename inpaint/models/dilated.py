"""The default generator: a dilated-convolution bottleneck at a quarter of the size, guided by its own coarser fill.

Why dilation: a hole can be filled only by a network that sees beyond it. Stacked 3x3 convolutions widen the view by
two pixels each; pooling widens it faster but throws position away. A 3x3 kernel whose taps stand d pixels apart
widens it by 2d at the same cost and at full resolution, so dilations 1, 2, 4, 8, 16 widen it exponentially
(Yu & Koltun 2016, eq. 4). Two such rounds at a quarter of the size see about 500 px. The second round falls again: what
a layer of dilation 16 leaves is a lattice whose points do not know of each other, and the smaller dilations after it
join them (Yu, Koltun & Funkhouser 2017, Dilated Residual Networks, section 4).

Follows: the bottleneck between a strided encoder and a decoder of Iizuka 2017 (Table 1), the gated convolutions of
Yu 2019 (eq. 2) where the mask enters, the coarse-to-fine idea of Yu 2018 (one set of weights for every octave).
Deviates: pixel-(un)shuffle in place of full-size convolutions, residual blocks, a global-context term, no
normalisation layers (batches are small on a CPU).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import OptionError
from inpaint.models.context_module import ContextModule
from inpaint.models.layers import DilatedBlock, GatedConv, GlobalContext, InpaintingNetwork, SizeRule
from inpaint.models.part import Box, conv_in, cut, enlarge, grow, reach, shrink


@dataclass(frozen=True)
class DilatedConfig:
    """Shape of a `Dilated` network.

    Args:
        channels: channels of the bottleneck at 1/4 of the size.
        shallow: channels at 1/2 of the size.
        dilations: dilation of each residual block, in order.
        bottleneck: `residual` blocks with these dilations, or in their place the context module of Yu & Koltun 2016:
            `context` or `context-large`.
    """

    channels: int = 96
    shallow: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 16, 8, 4, 2, 1)
    bottleneck: str = "residual"

    def __post_init__(self) -> None:
        if self.channels < 1 or self.shallow < 1:
            raise OptionError(f"channels and shallow must be at least 1, got {self.channels} and {self.shallow}")
        if not self.dilations or min(self.dilations) < 1:
            raise OptionError(f"dilations must be positive and not empty, got {self.dilations}")
        if self.bottleneck not in ("residual", "context", "context-large"):
            raise OptionError(f"bottleneck must be residual, context or context-large, got {self.bottleneck!r}")
        object.__setattr__(self, "dilations", tuple(self.dilations))


class Dilated(InpaintingNetwork):
    """Photo and hole in, fill out, optionally guided by a coarser fill of the same photo."""

    size_rule = SizeRule(multiple_of=4, minimum=16)
    takes_guide = True
    takes_box = True
    mixes_precision = True

    def __init__(self, config: DilatedConfig = DilatedConfig()) -> None:
        super().__init__()
        self.config = config
        wide, shallow = config.channels, config.shallow
        self.entry = GatedConv(8 * 4, shallow)
        self.down = GatedConv(shallow, wide, stride=2)
        blocks: list[nn.Module] = [DilatedBlock(wide, d) for d in config.dilations]
        if config.bottleneck != "residual":
            blocks = [ContextModule(wide, large=config.bottleneck == "context-large")]
        self.blocks_before = nn.ModuleList(blocks[: len(blocks) // 2])
        self.context = GlobalContext(wide)
        self.blocks_after = nn.ModuleList(blocks[len(blocks) // 2 :])
        self.up = nn.Conv2d(wide, 4 * shallow, 3, padding=1)
        self.merge = nn.Conv2d(2 * shallow, 2 * shallow, 3, padding=1)
        self.exit = nn.Conv2d(2 * shallow, 3 * 4, 3, padding=1)
        nn.init.normal_(self.exit.weight, std=0.01)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    def compute(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None,
        box: Box | None = None,
    ) -> list[Tensor]:
        """See `InpaintingNetwork.forward`; outside the box stands the guide, or zeros."""
        known = 1 - mask
        if guide is None:
            guide, guided = torch.zeros_like(photo), photo.new_zeros(photo.shape[0], 1, 1, 1)
        elif guided is None:
            guided = photo.new_ones(photo.shape[0], 1, 1, 1)
        guide = guide * guided
        x = torch.cat([photo * known, mask, guide, guided.expand_as(mask)], dim=1)  # (B, 8, H, W)
        x = x.to(self.entry.conv.weight.dtype)
        half = self.entry(F.pixel_unshuffle(x, 2))  # (B, shallow, H/2, W/2)
        quarter = self.down(half)  # (B, wide, H/4, W/4)
        for block in self.blocks_before:
            quarter = block(quarter)
        quarter = self.context(quarter, F.avg_pool2d(known, 4))
        if box is not None:
            return [self._finish_in(grow(box, 0, (photo.shape[2], photo.shape[3])), quarter, half, guide)]
        for block in self.blocks_after:
            quarter = block(quarter)
        up = F.pixel_shuffle(self.up(F.silu(quarter)), 2)  # (B, shallow, H/2, W/2)
        half = F.silu(self.merge(torch.cat([F.silu(up), half], dim=1)))
        return [guide + F.pixel_shuffle(self.exit(half), 2)]

    def _finish_in(self, box: Box, quarter: Tensor, half: Tensor, guide: Tensor) -> Tensor:
        """What follows the global context, in a box of the output alone: each layer where the next one looks.

        Args:
            box: of the output, pixels.
            quarter, half: float (B, wide, H/4, W/4) and (B, shallow, H/2, W/2), whole.
            guide: float (B, 3, H, W), what stands outside the box.

        Returns:
            float (B, 3, H, W).
        """
        size, size_half = (quarter.shape[2], quarter.shape[3]), (half.shape[2], half.shape[3])
        everywhere = (0, 0, *size)
        at_exit = shrink(box, 2)
        at_merge = grow(at_exit, 1, size_half)
        at_up = shrink(grow(at_merge, 1, size_half), 2)
        wants = [grow(at_up, 1, size)]  # of the blocks, last first
        for block in list(self.blocks_after)[:0:-1]:
            wide = reach(block.dilated) if isinstance(block, DilatedBlock) else max(size)
            wants.append(grow(wants[-1], wide, size))
        have = everywhere
        for block, want in zip(self.blocks_after, reversed(wants), strict=True):
            if isinstance(block, DilatedBlock):
                quarter, have = block.forward_in(quarter, have, want, size), want
            else:
                quarter = block(quarter)
        up = F.pixel_shuffle(conv_in(self.up, F.silu(quarter), have, at_up, size), 2)
        both = torch.cat([F.silu(up), cut(half, (0, 0, *size_half), enlarge(at_up, 2))], dim=1)
        merged = F.silu(conv_in(self.merge, both, enlarge(at_up, 2), at_merge, size_half))
        change = F.pixel_shuffle(conv_in(self.exit, merged, at_merge, at_exit, size_half), 2)
        result = guide.clone()
        top, left, bottom, right = enlarge(at_exit, 2)
        result[:, :, top:bottom, left:right] += change
        return result
