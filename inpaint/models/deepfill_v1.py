"""DeepFill v1: a coarse network, then a refinement network that copies from the surroundings by attention.

Follows: Yu, Lin, Yang, Shen, Lu & Huang 2018, "Generative image inpainting with contextual attention", section 3.1 and
4.2, figures 3 and 5, and the layer list of its supplement: ELU, mirror padding everywhere, no normalisation, outputs
clipped in place of tanh. Official code: github.com/JiahuiYu/generative_inpainting, branch v1.0.0.
Deviates: contextual attention takes each picture's own mask (`attention.py`). This layer list, the official code's, has
3,601,542 parameters; the paper's text speaks of 2.9 million.

The layers are those of the official code, in its order and under its numbers: conv1 to conv17 (coarse), xconv1 to 10
(dilated branch), pmconv1 to 6 and 9 to 10 (attention branch), allconv11 to 17 (both together).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import OptionError
from inpaint.models.attention import ContextualAttention
from inpaint.models.layers import InpaintingNetwork, SizeRule, composite


@dataclass(frozen=True)
class DeepFillV1Config:
    """Shape of a `DeepFillV1` network.

    Args:
        width: channels of the first layer, 32 in the paper.
    """

    width: int = 32

    def __post_init__(self) -> None:
        if self.width < 2 or self.width % 2:
            raise OptionError(f"width must be even and at least 2, got {self.width}")


class MirrorConv(nn.Module):
    """Convolution with mirrored borders and ELU, after doubling the size where asked for."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, up: bool = False,
        activation: Callable[[Tensor], Tensor] | None = F.elu,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, padding_mode="reflect")
        self.up, self.activation = up, activation

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, inputs, H, W) to (B, outputs, H / stride, W / stride), or twice the size."""
        x = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)
        return x if self.activation is None else self.activation(x)


class CoarseToFine(InpaintingNetwork):
    """What both DeepFills share: figure 3 of Yu 2018, with the convolution of either paper as building block.

    Args:
        layer: builds one layer: `layer(inputs, outputs, kernel, stride, dilation, up, activation)`.
        width: channels of the first layer.
        inputs: channels that the refinement sees.
        attention: the contextual attention.
    """

    def __init__(self, layer: Callable[..., nn.Module], width: int, inputs: int, attention: nn.Module) -> None:
        super().__init__()
        w = width
        self.coarse = nn.Sequential(
            layer(5, w, kernel=5), layer(w, 2 * w, stride=2), layer(2 * w, 2 * w), layer(2 * w, 4 * w, stride=2),
            layer(4 * w, 4 * w), layer(4 * w, 4 * w), *(layer(4 * w, 4 * w, dilation=d) for d in (2, 4, 8, 16)),
            layer(4 * w, 4 * w), layer(4 * w, 4 * w), *self._decoder(layer, w),
        )  # fmt: skip
        self.dilated_branch = nn.Sequential(
            layer(inputs, w, kernel=5), layer(w, w, stride=2), layer(w, 2 * w), layer(2 * w, 2 * w, stride=2),
            layer(2 * w, 4 * w), layer(4 * w, 4 * w), *(layer(4 * w, 4 * w, dilation=d) for d in (2, 4, 8, 16)),
        )  # fmt: skip
        self.attention_branch = nn.Sequential(
            layer(inputs, w, kernel=5), layer(w, w, stride=2), layer(w, 2 * w), layer(2 * w, 4 * w, stride=2),
            layer(4 * w, 4 * w), layer(4 * w, 4 * w, activation=F.relu),
        )  # fmt: skip
        self.attention = attention
        self.attended = nn.Sequential(layer(4 * w, 4 * w), layer(4 * w, 4 * w))
        self.merged = nn.Sequential(layer(8 * w, 4 * w), layer(4 * w, 4 * w), *self._decoder(layer, w))

    @staticmethod
    def _decoder(layer: Callable[..., nn.Module], w: int) -> list[nn.Module]:
        """Layers 13 to 17: from a quarter of the size to a picture."""
        up = [layer(4 * w, 2 * w, up=True), layer(2 * w, 2 * w), layer(2 * w, w, up=True), layer(w, w // 2)]
        return [*up, layer(w // 2, 3, activation=None)]

    def limit(self, x: Tensor) -> Tensor:
        """Bring a picture into [-1, 1]."""
        raise NotImplementedError

    def refinement_input(self, picture: Tensor, mask: Tensor) -> Tensor:
        """What the refinement sees: the coarse composite (B, 3, H, W), and what else the paper adds."""
        raise NotImplementedError

    def compute(self, photo: Tensor, mask: Tensor) -> list[Tensor]:
        """Coarse and refined output; see `InpaintingNetwork.compute`."""
        known, ones = photo * (1 - mask), torch.ones_like(mask)
        coarse = self.limit(self.coarse(torch.cat([known, ones, mask], dim=1)))
        x = self.refinement_input(composite(coarse, known, mask), mask)
        dilated = self.dilated_branch(x)  # (B, 4w, H/4, W/4)
        attended = self.attended(self.attention(self.attention_branch(x), mask))  # (B, 4w, H/4, W/4)
        return [coarse, self.limit(self.merged(torch.cat([dilated, attended], dim=1)))]


class DeepFillV1(CoarseToFine):
    """Coarse and refined fill of a photo."""

    size_rule = SizeRule(multiple_of=8, minimum=72)  # at a quarter of the size, a mirror of 16 pixels needs 17

    def __init__(self, config: DeepFillV1Config = DeepFillV1Config()) -> None:
        super().__init__(MirrorConv, config.width, 5, ContextualAttention())
        self.config = config

    def limit(self, x: Tensor) -> Tensor:
        """Clip to [-1, 1]."""
        return x.clamp(-1, 1)

    def refinement_input(self, picture: Tensor, mask: Tensor) -> Tensor:
        """The coarse composite, ones and the mask, float (B, 5, H, W)."""
        return torch.cat([picture, torch.ones_like(mask), mask], dim=1)
