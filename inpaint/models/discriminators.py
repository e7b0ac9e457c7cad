"""Discriminators for adversarial training: ours for a CPU, and those of the papers as in their tables.

| name | paper | judges |
|---|---|---|
| `patch` | the idea of Yu 2019 at a size that trains on a CPU | 8 px cells |
| `patch-r1` | the same without spectral norm: learns far faster, needs R1 (Mescheder 2018) | 8 px cells |
| `patch-r1-wide` | the same with twice the channels, for a GPU | 8 px cells |
| `sn-patchgan` | Yu 2019, section 3.3 and figure 3 | cells of 1/64 of the size, over photo and mask |
| `global-local` | Iizuka 2017, tables 2 and 3 | the photo and a square half its size around the hole, one logit |
| `wgan-critics` | Yu 2018, section 4.1 and its supplementary | the same two, each with a critic of its own |
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Small patch discriminator: says of every 8x8 px cell whether its surroundings look real.

    The idea of Yu 2019 (SN-PatchGAN, section 3.3) at a size that trains on a CPU: it starts from pixel-unshuffled
    photo and mask, and has two strided stages instead of six.

    Args:
        channels: of the first layer; the others have twice as many.
        spectral: bound every layer by spectral norm (Miyato 2018); without it, train with the R1 penalty.
    """

    def __init__(self, channels: int = 48, spectral: bool = True) -> None:
        super().__init__()
        widths = [4 * 4, channels, 2 * channels, 2 * channels, 2 * channels]
        strides = [1, 2, 2, 1]
        bound: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else nn.Identity()
        self.layers = nn.ModuleList(
            bound(nn.Conv2d(a, b, 3 if s == 1 else 4, s, 1))
            for a, b, s in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.verdict = bound(nn.Conv2d(widths[-1], 1, 3, padding=1))

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


class SNPatchGAN(nn.Module):
    """Six strided 5x5 convolutions with spectral norm; every cell of the last map is a verdict (Yu 2019, figure 3).

    Deviates: no channel for a user's sketch. The verdict is the mean over the last layer's channels of each cell, so
    that one map of verdicts serves the same losses as the small discriminator.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        widths = [4, channels, 2 * channels, 4 * channels, 4 * channels, 4 * channels, 4 * channels]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 5, 2, 2)) for a, b in pairwise(widths)
        )

    def forward(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Photos (B, 3, H, W) in [-1, 1] and masks (B, 1, H, W) to verdicts (B, 1, H/64, W/64) and all features."""
        x = torch.cat([photo, mask], dim=1)
        features = []
        for k, layer in enumerate(self.layers):
            x = layer(x)
            if k < len(self.layers) - 1:
                x = F.leaky_relu(x, 0.2)
            features.append(x)
        return x.mean(dim=1, keepdim=True), features


def around_hole(x: Tensor, mask: Tensor, side: int) -> Tensor:
    """A square of every picture around the middle of its hole, moved inside the picture where it would leave it.

    Args:
        x: float (B, C, H, W).
        mask: float (B, 1, H, W), 1 = hole; an empty one counts as the picture's middle.
        side: of the square, pixels, not above H and W.

    Returns:
        float (B, C, side, side).
    """
    height, width = x.shape[-2:]
    squares = []
    for picture, hole in zip(x, mask[:, 0], strict=True):
        ys, xs = torch.nonzero(hole > 0.5, as_tuple=True)
        if not len(ys):
            ys, xs = torch.tensor([height / 2]), torch.tensor([width / 2])
        top = min(max(round(float(ys.float().mean()) - side / 2), 0), height - side)
        left = min(max(round(float(xs.float().mean()) - side / 2), 0), width - side)
        squares.append(picture[:, top : top + side, left : left + side])
    return torch.stack(squares)


def _strided(widths: list[int], norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers.append(nn.Conv2d(a, b, 5, 2, 2))
        layers += [nn.BatchNorm2d(b), nn.ReLU()] if norm else [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten())


def _flat(side: int, stages: int, channels: int) -> int:
    for _ in range(stages):
        side = (side + 1) // 2
    return side * side * channels


class GlobalLocalDiscriminator(nn.Module):
    """Iizuka 2017, table 2: six strided 5x5 convolutions see the photo, five see a square around the hole; one logit.

    Deviates: at other sizes than 256 px the fully connected layers take what the convolutions leave.

    Args:
        size: side of the photos (pixels); the local square is half of it.
    """

    def __init__(self, size: int = 256) -> None:
        super().__init__()
        self.side = size // 2
        self.whole = _strided([3, 64, 128, 256, 512, 512, 512], norm=True)
        self.local = _strided([3, 64, 128, 256, 512, 512], norm=True)
        self.whole_out = nn.Linear(_flat(size, 6, 512), 1024)
        self.local_out = nn.Linear(_flat(self.side, 5, 512), 1024)
        self.verdict = nn.Linear(2048, 1)

    def forward(self, photo: Tensor, mask: Tensor) -> Tensor:
        """Photos (B, 3, S, S) in [-1, 1] and masks (B, 1, S, S) to logits (B, 1), higher = more real."""
        whole = F.relu(self.whole_out(self.whole(photo)))
        local = F.relu(self.local_out(self.local(around_hole(photo, mask, self.side))))
        return self.verdict(torch.cat([whole, local], dim=1))


class WGANCritics(nn.Module):
    """Yu 2018: a critic for the photo and one for a square around the hole, four strided 5x5 convolutions each.

    Args:
        size: side of the photos (pixels); the local square is half of it.
    """

    def __init__(self, size: int = 256) -> None:
        super().__init__()
        self.side = size // 2
        self.whole = nn.Sequential(_strided([3, 64, 128, 256, 256], norm=False), nn.Linear(_flat(size, 4, 256), 1))
        self.local = nn.Sequential(_strided([3, 64, 128, 256, 512], norm=False), nn.Linear(_flat(self.side, 4, 512), 1))

    def forward(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (B, 3, S, S) and masks (B, 1, S, S) to the verdicts (B, 1) of the global and the local critic."""
        return self.whole(photo), self.local(around_hole(photo, mask, self.side))


DISCRIMINATORS: dict[str, Callable[[int], nn.Module]] = {
    "patch": lambda size: PatchDiscriminator(),
    "patch-r1": lambda size: PatchDiscriminator(spectral=False),
    "patch-r1-wide": lambda size: PatchDiscriminator(96, spectral=False),
    "sn-patchgan": lambda size: SNPatchGAN(),
    "global-local": GlobalLocalDiscriminator,
    "wgan-critics": WGANCritics,
}
