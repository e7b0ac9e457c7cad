"""Contextual attention: every place of the picture is rebuilt from patches of the known part that look like it.

Follows: Yu 2018, "Generative image inpainting with contextual attention", section 4.1 (matching and attending,
attention propagation) and figure 4. Official code: github.com/JiahuiYu/generative_inpainting.
Deviates, as the official code does: only the known patch is normalised, not the place that looks for it. Own: each
picture of a batch has its own mask (the official code takes the first one for all); matching is one matrix product of
unfolded patches, where the official code convolves with the patches as kernels: the same numbers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ContextualAttention(nn.Module):
    """Attention from every place to the known patches, at half the resolution, fused along both axes.

    The scores of all places against all patches take 4 (H W / 64)^2 bytes for a photo of H x W and features at a
    quarter of it: 64 MB at 512 px, 1 GB at 1024 px, and a few times that on the way.

    Args:
        rate: matching is done on features this many times smaller, pasting on patches of 2 * rate.
        scale: the softmax's, lambda in section 4.1.
        fuse: let matches support their neighbours' matches (attention propagation).
        aligned: sample coarser grids from the first to the last cell, as TensorFlow's `align_corners` does.
    """

    sees_everything = True

    fuse_weight: Tensor

    def __init__(self, rate: int = 2, scale: float = 10.0, fuse: bool = True, aligned: bool = False) -> None:
        super().__init__()
        self.rate, self.scale, self.fuse, self.aligned = rate, scale, fuse, aligned
        if fuse:
            self.register_buffer("fuse_weight", torch.eye(3)[None, None])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Rebuild features from known patches.

        Args:
            x: float (B, C, h, w), h and w multiples of `rate`.
            mask: float (B, 1, H, W) at the photo's size, 1 = hole; H / h is a whole number.

        Returns:
            float (B, C, h, w); zero where nothing is known.
        """
        height, width = x.shape[-2] // self.rate, x.shape[-1] // self.rate
        small = self._shrink(x, self.rate)  # (B, C, h/2, w/2)
        patches = F.unfold(small, 3, padding=1)  # (B, 9C, L), L = height * width
        length = patches.square().sum(1, keepdim=True).clamp_min(1e-8).sqrt()  # clamped first: sqrt has no slope at 0
        scores = (patches / length).transpose(1, 2) @ patches  # (B, L known, L places), cosine times the place's length
        if self.fuse:
            scores = self._fuse(scores, height, width)
        hole = self._shrink(mask, self.rate * (mask.shape[-1] // x.shape[-1]))
        known = (F.max_pool2d(hole, 3, 1, 1) == 0).to(x.dtype).flatten(1)[..., None]  # (B, L, 1): patch without hole
        attention = torch.softmax(scores * known * self.scale, dim=1) * known
        large = F.unfold(x, 2 * self.rate, padding=self.rate // 2, stride=self.rate)  # (B, C (2 rate)^2, L)
        pasted = large @ attention
        return F.fold(pasted, x.shape[-2:], 2 * self.rate, padding=self.rate // 2, stride=self.rate) / 4

    def _fuse(self, scores: Tensor, height: int, width: int) -> Tensor:
        """Add to each match those of the next places along rows, then along columns."""
        count = scores.shape[0]
        for rows, columns in ((height, width), (width, height)):
            scores = F.conv2d(scores[:, None], self.fuse_weight, padding=1)
            scores = scores.view(count, rows, columns, rows, columns).permute(0, 2, 1, 4, 3)
            scores = scores.reshape(count, rows * columns, rows * columns)
        return scores

    def _shrink(self, x: Tensor, factor: int) -> Tensor:
        """Every `factor`-th cell."""
        if not self.aligned:
            return x[..., ::factor, ::factor]
        rows, columns = (
            torch.linspace(0, n - 1, n // factor, device=x.device).add(0.5).floor().long() for n in x.shape[-2:]
        )
        return x[:, :, rows][..., columns]
