"""Losses on masked regions: plain functions of predictions, targets and masks, each returning a scalar."""

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error where the mask is 1.

    Args:
        prediction: float (B, C, H, W).
        target: float (B, C, H, W).
        mask: float (B, 1, H, W), 1 where the error counts.

    Returns:
        scalar; 0 for an empty mask.
    """
    return ((prediction - target).abs() * mask).sum() / (mask.sum() * prediction.shape[1]).clamp_min(1)


def touches_hole(mask: Tensor, verdict: Tensor) -> Tensor:
    """Cells of a verdict map (B, 1, h, w) whose pixels touch the hole of a mask (B, 1, H, W), as 0 / 1."""
    return F.adaptive_max_pool2d(mask, verdict.shape[-2:])


def hinge_discriminator(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Hinge loss of a patch discriminator (Yu 2019, eq. 3); of a filled photo only cells touching the hole are fake."""
    cells = touches_hole(mask, fake)
    return F.relu(1 - real).mean() + (F.relu(1 + fake) * cells).sum() / cells.sum().clamp_min(1)


def hinge_generator(fake: Tensor, mask: Tensor) -> Tensor:
    """What the generator adds: the mean negative verdict over cells touching the hole (Yu 2019, eq. 4)."""
    cells = touches_hole(mask, fake)
    return -(fake * cells).sum() / cells.sum().clamp_min(1)


def feature_matching(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean L1 distance of discriminator features, averaged over layers (Wang 2018, pix2pixHD, eq. 4)."""
    return torch.stack([(f - r.detach()).abs().mean() for f, r in zip(fake, real, strict=True)]).mean()
