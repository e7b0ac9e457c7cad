"""The default generator: a dilated-convolution bottleneck at a quarter of the size, guided by its own coarser fill.

Why dilation: a hole can be filled only by a network that sees beyond it. Stacked 3x3 convolutions widen the view by
two pixels each; pooling widens it faster but throws position away. A 3x3 kernel whose taps stand d pixels apart
widens it by 2d at the same cost and at full resolution, so dilations 1, 2, 4, 8, 16 widen it exponentially
(Yu & Koltun 2016, eq. 4). Two such rounds at a quarter of the size see about 500 px.

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
from inpaint.models.layers import DilatedBlock, GatedConv, GlobalContext, InpaintingNetwork, SizeRule


@dataclass(frozen=True)
class DilatedConfig:
    """Shape of a `Dilated` network.

    Args:
        channels: channels of the bottleneck at 1/4 of the size.
        shallow: channels at 1/2 of the size.
        dilations: dilation of each residual block, in order.
    """

    channels: int = 96
    shallow: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)

    def __post_init__(self) -> None:
        if self.channels < 1 or self.shallow < 1:
            raise OptionError(f"channels and shallow must be at least 1, got {self.channels} and {self.shallow}")
        if not self.dilations or min(self.dilations) < 1:
            raise OptionError(f"dilations must be positive and not empty, got {self.dilations}")
        object.__setattr__(self, "dilations", tuple(self.dilations))


class Dilated(InpaintingNetwork):
    """Photo and hole in, fill out, optionally guided by a coarser fill of the same photo."""

    size_rule = SizeRule(multiple_of=4, minimum=16)
    takes_guide = True

    def __init__(self, config: DilatedConfig = DilatedConfig()) -> None:
        super().__init__()
        self.config = config
        wide, shallow = config.channels, config.shallow
        self.entry = GatedConv(8 * 4, shallow)
        self.down = GatedConv(shallow, wide, stride=2)
        middle = len(config.dilations) // 2
        self.blocks_before = nn.ModuleList(DilatedBlock(wide, d) for d in config.dilations[:middle])
        self.context = GlobalContext(wide)
        self.blocks_after = nn.ModuleList(DilatedBlock(wide, d) for d in config.dilations[middle:])
        self.up = nn.Conv2d(wide, 4 * shallow, 3, padding=1)
        self.merge = nn.Conv2d(2 * shallow, 2 * shallow, 3, padding=1)
        self.exit = nn.Conv2d(2 * shallow, 3 * 4, 3, padding=1)
        nn.init.normal_(self.exit.weight, std=0.01)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """Side of the square of input pixels that one output pixel depends on, the global term aside (pixels)."""
        blocks = 4 * 2 * sum(self.config.dilations)
        return 2 + 4 + 4 + blocks + 8 + 4 + 4  # unshuffle, entry, down, blocks, up, merge, exit

    def forward(self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None) -> Tensor:
        """Fill the hole of each photo; known pixels are reconstructed too and are for the caller to discard.

        Args:
            photo: float (B, 3, H, W) in [-1, 1], H and W multiples of 4; what stands in the hole is ignored.
            mask: float (B, 1, H, W), 1 = hole, 0 = known.
            guide: float (B, 3, H, W) in [-1, 1], a coarser fill at this size, or None.
            guided: float (B, 1, 1, 1), 1 where a sample's guide counts; None means all of them.

        Returns:
            float (B, 3, H, W), about [-1, 1] (clamp it), before compositing.
        """
        known = 1 - mask
        if guide is None:
            guide, guided = torch.zeros_like(photo), photo.new_zeros(photo.shape[0], 1, 1, 1)
        elif guided is None:
            guided = photo.new_ones(photo.shape[0], 1, 1, 1)
        guide = guide * guided
        x = torch.cat([photo * known, mask, guide, guided.expand_as(mask)], dim=1)  # (B, 8, H, W)
        half = self.entry(F.pixel_unshuffle(x, 2))  # (B, shallow, H/2, W/2)
        quarter = self.down(half)  # (B, wide, H/4, W/4)
        for block in self.blocks_before:
            quarter = block(quarter)
        quarter = self.context(quarter, F.avg_pool2d(known, 4))
        for block in self.blocks_after:
            quarter = block(quarter)
        up = F.pixel_shuffle(self.up(F.silu(quarter)), 2)  # (B, shallow, H/2, W/2)
        half = F.silu(self.merge(torch.cat([F.silu(up), half], dim=1)))
        return guide + F.pixel_shuffle(self.exit(half), 2)
