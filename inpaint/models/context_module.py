"""The context module: eight convolutions whose dilation grows, so that the view grows and the size does not.

Follows: Yu & Koltun 2016, "Multi-scale context aggregation by dilated convolutions", section 3, Table 1 (basic and
large), equations 4 and 5 (identity initialisation). Official code: github.com/fyu/dilation.
Deviates: borders are padded with zeros, so that height and width stay.

    layer           1    2    3    4    5    6    7    8
    kernel         3x3  3x3  3x3  3x3  3x3  3x3  3x3  1x1
    dilation        1    1    2    4    8   16    1    1
    sees            3    5    9   17   33   65   67   67   pixels
    basic           C    C    C    C    C    C    C    C
    large          2C   2C   4C   8C  16C  32C  32C    C
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 1, 2, 4, 8, 16, 1, 1)
KERNELS = (3, 3, 3, 3, 3, 3, 3, 1)
BASIC = (1, 1, 1, 1, 1, 1, 1, 1)
LARGE = (2, 2, 4, 8, 16, 32, 32, 1)


class ContextModule(nn.Module):
    """Context aggregation that starts as the identity for what is not negative.

    Args:
        channels: C, channels in and out.
        large: widths of the large module in place of the basic one; with C = 96 its inner layers have 3,072 channels.
        noise: standard deviation of the values that equation 5 puts where the identity has none; only large has such.
    """

    def __init__(self, channels: int, large: bool = False, noise: float = 1e-3) -> None:
        super().__init__()
        widths = [channels, *(factor * channels for factor in (LARGE if large else BASIC))]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel, padding=dilation * (kernel // 2), dilation=dilation)
            for a, b, kernel, dilation in zip(widths[:-1], widths[1:], KERNELS, DILATIONS, strict=True)
        )
        for layer in self.layers:
            initialise_as_identity(layer, channels, noise if large else 0.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Float (B, C, H, W) to the same shape; every layer but the last truncates at zero."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


@torch.no_grad()
def initialise_as_identity(layer: nn.Conv2d, channels: int, noise: float) -> None:
    """Let a layer pass on what it gets: equation 4 where widths are equal, else equation 5.

    Each of the C input channels of the module owns an equal share of a layer's channels, and a layer spreads the sum of
    one share evenly over the same share of the next: sums stay, so the last layer gives back what the first one got.

    Args:
        layer: convolution with c_i input and c_(i+1) output channels, both multiples of C; changed in place.
        channels: C.
        noise: standard deviation of all other weights.
    """
    outputs, inputs = layer.weight.shape[:2]
    owner_in = torch.arange(inputs, device=layer.weight.device) * channels // inputs  # floor(a C / c_i)
    owner_out = torch.arange(outputs, device=layer.weight.device) * channels // outputs
    same = (owner_out[:, None] == owner_in[None]).to(layer.weight.dtype)
    nn.init.normal_(layer.weight, std=noise) if noise else nn.init.zeros_(layer.weight)
    middle = layer.weight.shape[-1] // 2
    centre = layer.weight[:, :, middle, middle]
    centre.mul_(1 - same).add_(same * channels / outputs)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
