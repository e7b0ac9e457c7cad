"""Discriminators for adversarial training."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Small spectral-norm patch discriminator: says of every 8x8 px cell whether its surroundings look real.

    The idea of Yu 2019 (SN-PatchGAN, section 3.3) at a size that trains on a CPU: it starts from pixel-unshuffled
    photo and mask, and has two strided stages instead of six.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        widths = [4 * 4, channels, 2 * channels, 2 * channels, 2 * channels]
        strides = [1, 2, 2, 1]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3 if s == 1 else 4, s, 1))
            for a, b, s in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.verdict = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge photos.

        Args:
            photo: float (B, 3, H, W) in [-1, 1], H and W multiples of 8.
            mask: float (B, 1, H, W), 1 = hole.

        Returns:
            verdicts float (B, 1, H/8, W/8), higher = more real, and the features of every layer.
        """
        x = F.pixel_unshuffle(torch.cat([photo, mask], dim=1), 2)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.verdict(x), features
