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
from inpaint.models.context_module import ContextModule
from inpaint.models.layers import DilatedBlock, GatedConv, GlobalContext, InpaintingNetwork, SizeRule


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
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)
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
        self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None
    ) -> list[Tensor]:
        """See `InpaintingNetwork.forward`."""
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
        return [guide + F.pixel_shuffle(self.exit(half), 2)]
