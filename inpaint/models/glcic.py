"""The completion network of Iizuka 2017: an encoder, dilated convolutions at a quarter of the size, a decoder.

Follows: Iizuka, Simo-Serra & Ishikawa 2017, "Globally and locally consistent image completion", Table 1 (completion
network: 17 layers, dilations 2, 4, 8, 16) and section 3.2 (the hole is painted with the mean colour of the training
photos). Official code: github.com/satoshiiizuka/siggraph2017_inpainting.
Deviates, as the widely used PyTorch port (github.com/otenim/GLCIC-PyTorch) does, so that its weights fit: batch
normalisation stands after the ReLU. Own: photos are [-1, 1] outside and [0, 1] inside; layers 7 to 10 may be replaced
by the context module of Yu & Koltun 2016.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import OptionError
from inpaint.models.context_module import ContextModule
from inpaint.models.layers import InpaintingNetwork, SizeRule, composite


@dataclass(frozen=True)
class GLCICConfig:
    """Shape of a `GLCIC` network, 64 channels at full size in the paper.

    Args:
        width: channels of the first layer.
        hole_value: colour R, G, B in [0, 1] that the network sees in the hole: the mean of its training photos
            (default: ImageNet's).
        bottleneck: `dilated` as in the paper, or `context` or `context-large` (Yu & Koltun 2016).
    """

    width: int = 64
    hole_value: tuple[float, float, float] = (0.485, 0.456, 0.406)
    bottleneck: str = "dilated"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hole_value", tuple(self.hole_value))
        if self.width < 2 or self.width % 2:
            raise OptionError(f"width must be even and at least 2, got {self.width}")
        if len(self.hole_value) != 3 or not all(0 <= v <= 1 for v in self.hole_value):
            raise OptionError(f"hole_value must be three numbers in [0, 1], got {self.hole_value}")
        if self.bottleneck not in ("dilated", "context", "context-large"):
            raise OptionError(f"bottleneck must be dilated, context or context-large, got {self.bottleneck!r}")


class ConvNorm(nn.Module):
    """Convolution, or twofold transposed convolution, then ReLU, then batch normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, up: bool = False
    ) -> None:
        super().__init__()
        self.conv: nn.Module
        if up:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        else:
            self.conv = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, inputs, H, W) to (B, outputs, H / stride, W / stride), or twice the size."""
        return self.norm(F.relu(self.conv(x)))


class GLCIC(InpaintingNetwork):
    """Photo and hole in, fill out, in one pass."""

    size_rule = SizeRule(multiple_of=4, minimum=4)
    hole_colour: Tensor

    def __init__(self, config: GLCICConfig = GLCICConfig()) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.encoder = nn.Sequential(
            ConvNorm(4, w, kernel=5),  # layer 1 of Table 1
            ConvNorm(w, 2 * w, stride=2), ConvNorm(2 * w, 2 * w),
            ConvNorm(2 * w, 4 * w, stride=2), ConvNorm(4 * w, 4 * w), ConvNorm(4 * w, 4 * w),
        )  # fmt: skip
        self.bottleneck: nn.Module
        if config.bottleneck == "dilated":
            self.bottleneck = nn.Sequential(*(ConvNorm(4 * w, 4 * w, dilation=d) for d in (2, 4, 8, 16)))
        else:
            self.bottleneck = ContextModule(4 * w, large=config.bottleneck == "context-large")
        self.decoder = nn.Sequential(
            ConvNorm(4 * w, 4 * w), ConvNorm(4 * w, 4 * w),
            ConvNorm(4 * w, 2 * w, up=True), ConvNorm(2 * w, 2 * w),
            ConvNorm(2 * w, w, up=True), ConvNorm(w, w // 2),
        )  # fmt: skip
        self.exit = nn.Conv2d(w // 2, 3, 3, padding=1)  # layer 17
        self.register_buffer("hole_colour", torch.tensor(config.hole_value).view(1, 3, 1, 1), persistent=False)

    def compute(self, photo: Tensor, mask: Tensor) -> list[Tensor]:
        """See `InpaintingNetwork.compute`."""
        seen = composite(self.hole_colour.expand_as(photo), (photo + 1) / 2, mask)
        x = self.encoder(torch.cat([seen, mask], dim=1))  # (B, 4w, H/4, W/4)
        x = self.decoder(self.bottleneck(x))  # (B, w/2, H, W)
        return [torch.sigmoid(self.exit(x)) * 2 - 1]
