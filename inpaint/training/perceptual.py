"""LPIPS (squeeze, v0.1; Zhang 2018) as a perceptual loss, from files that the user names."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import WeightsError

_FIRES = {3, 4, 6, 7, 9, 10, 11, 12}
_POOLS = {2, 5, 8}
_TAPS = (1, 4, 7, 9, 10, 11, 12)


class SqueezeLPIPS(nn.Module):
    """Learned perceptual distance on SqueezeNet 1.1 features.

    Args:
        folder: holds `squeezenet1_1_torchvision_fp16.npz` and `lpips_squeeze_v0.1.pth`.

    Raises:
        WeightsError: a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        backbone, heads = folder / "squeezenet1_1_torchvision_fp16.npz", folder / "lpips_squeeze_v0.1.pth"
        for file in (backbone, heads):
            if not file.is_file():
                raise WeightsError(f"{file}: not found, needed for the perceptual loss and LPIPS")
        with np.load(backbone) as arrays:
            for name in arrays.files:
                if name.startswith("features."):
                    self.register_buffer(self._safe(name), torch.from_numpy(arrays[name].astype(np.float32)))
        for k, (_, weight) in enumerate(sorted(torch.load(heads, map_location="cpu", weights_only=True).items())):
            self.register_buffer(f"head{k}", weight.float())
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    @staticmethod
    def _safe(name: str) -> str:
        return name.replace(".", "_")

    def _conv(self, x: Tensor, name: str, **options: int) -> Tensor:
        weight = self.get_buffer(self._safe(f"features.{name}.weight"))
        bias = self.get_buffer(self._safe(f"features.{name}.bias"))
        return F.relu(F.conv2d(x, weight, bias, **options))

    def features(self, photo: Tensor) -> list[Tensor]:
        """Unit-normalised features at the seven taps of photos (B, 3, H, W) in [-1, 1]."""
        x = (photo - self.get_buffer("shift")) / self.get_buffer("scale")
        taps = []
        for layer in range(13):
            if layer == 0:
                x = self._conv(x, "0", stride=2)
            elif layer in _POOLS:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            elif layer in _FIRES:
                x = self._conv(x, f"{layer}.squeeze")
                x = torch.cat(
                    [self._conv(x, f"{layer}.expand1x1"), self._conv(x, f"{layer}.expand3x3", padding=1)], dim=1
                )
            if layer in _TAPS:
                taps.append(x.float() / (x.float().pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
        return taps

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Distance of each pair of photos (B, 3, H, W) in [-1, 1]: float (B,), 0 = alike."""
        with torch.no_grad():
            truth = self.features(target)
        total = prediction.new_zeros(prediction.shape[0], dtype=torch.float32)
        for k, (a, b) in enumerate(zip(self.features(prediction), truth, strict=True)):
            total = total + F.conv2d((a - b).pow(2), self.get_buffer(f"head{k}")).mean(dim=(1, 2, 3))
        return total
