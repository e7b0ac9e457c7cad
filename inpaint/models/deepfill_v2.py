"""DeepFill v2: the two networks of DeepFill v1 with gated convolutions, for holes of any form.

Follows: Yu, Lin, Yang, Shen, Lu & Huang 2019, "Free-form image inpainting with gated convolution", section 3.1
(features times a sigmoid gate) and 3.2 (two-branch refinement with contextual attention), figures 2 and 3.
Official code: github.com/JiahuiYu/generative_inpainting. The flow from coarse to refined is `CoarseToFine`'s.
Deviates, as the widely used PyTorch port (github.com/nipponjo/deepfillv2-pytorch) does, so that its weights fit: one
convolution gives features and gates, in this order; the fusion kernel of the attention is stored with the weights.
`tensorflow=True` is the port's second network, for weights converted from the official ones: strided layers pad only
below and to the right, coarser grids are sampled corner to corner, and the attention is not fused. Its keys are
covered by tests, its output could not be compared with a reference here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import OptionError
from inpaint.models.attention import ContextualAttention
from inpaint.models.deepfill_v1 import CoarseToFine
from inpaint.models.layers import SizeRule


@dataclass(frozen=True)
class DeepFillV2Config:
    """Shape of a `DeepFillV2` network.

    Args:
        width: channels of the first layer after gating, 24 in the paper.
        tensorflow: pad and sample as the official TensorFlow code does.
    """

    width: int = 24
    tensorflow: bool = False

    def __post_init__(self) -> None:
        if self.width < 2 or self.width % 2:
            raise OptionError(f"width must be even and at least 2, got {self.width}")


class GatedLayer(nn.Module):
    """Gated convolution (section 3.1), after doubling the size where asked for; plain where it has no activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, up: bool = False,
        activation: Callable[[Tensor], Tensor] | None = F.elu, tensorflow: bool = False,
    ) -> None:
        super().__init__()
        self.late = tensorflow and stride == 2  # pad below and to the right only
        padding = 0 if self.late else dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, 2 * outputs if activation else outputs, kernel, stride, padding, dilation)
        self.up, self.activation = up, activation

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, inputs, H, W) to (B, outputs, H / stride, W / stride), or twice the size."""
        if self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.conv(F.pad(x, (0, 1, 0, 1)) if self.late else x)
        if self.activation is None:
            return x
        feature, gate = x.chunk(2, dim=1)
        return self.activation(feature) * torch.sigmoid(gate)


class DeepFillV2(CoarseToFine):
    """Coarse and refined fill of a photo."""

    size_rule = SizeRule(multiple_of=8, minimum=8)

    def __init__(self, config: DeepFillV2Config = DeepFillV2Config()) -> None:
        attention = ContextualAttention(fuse=not config.tensorflow, aligned=config.tensorflow)
        super().__init__(partial(GatedLayer, tensorflow=config.tensorflow), config.width, 3, attention)
        self.config = config

    def limit(self, x: Tensor) -> Tensor:
        """Tanh."""
        return torch.tanh(x)

    def refinement_input(self, picture: Tensor, mask: Tensor) -> Tensor:
        """The coarse composite alone, float (B, 3, H, W)."""
        return picture
