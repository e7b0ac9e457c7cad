"""Guides for a generator that works octave by octave: what a coarser octave would have handed up."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.models.layers import composite
from inpaint.training.batches import OWN, TRUE, Batch


def halve(photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Make photos and holes half as large; known pixels are averaged without the hole.

    Args:
        photo: float (B, 3, H, W), H and W even.
        mask: float (B, 1, H, W), 1 = hole.

    Returns:
        photo (B, 3, H/2, W/2) and mask (B, 1, H/2, W/2), 1 where less than half of a pixel was known.
    """
    share = F.avg_pool2d(1 - mask, 2)
    small = F.avg_pool2d(photo * (1 - mask), 2) / share.clamp_min(1e-3)
    return small, (share < 0.5).float()


def own_fill(averaged: nn.Module, photo: Tensor, mask: Tensor, coarsest: int) -> Tensor:
    """Photos float (B, 3, S, S) with their holes filled octave by octave, the first at most `coarsest` pixels wide."""
    if photo.shape[-1] <= coarsest:
        prediction = averaged(photo, mask)
    else:
        coarse = own_fill(averaged, *halve(photo, mask), coarsest)
        prediction = averaged(photo, mask, F.interpolate(coarse, size=photo.shape[-2:], mode="bilinear"))
    return composite(prediction.float().clamp(-1, 1), photo, mask)


@torch.no_grad()
def make_guides(averaged: nn.Module, batch: Batch, coarsest: int) -> tuple[Tensor, Tensor]:
    """Guides of a batch.

    Args:
        averaged: the averaged generator, called as `averaged(photo, mask[, guide])`.
        batch: photos, masks, and which guide each sample has; no guide depends on what the batch hides.
        coarsest: largest side of a first octave, pixels.

    Returns:
        guides float (B, 3, S, S) in [-1, 1], and float (B, 1, 1, 1), 1 where a guide counts. `OWN` guides are the
        network's fill at half size, upsampled; `TRUE` ones stand for a coarser level that saw more context: the
        photo itself, smaller and back, in slightly other colours; a photo with a hole of its own gets an `OWN` one in
        their place. Guides that a batch brings stay as they are.
    """
    if batch.given is not None:
        return batch.given, batch.given.new_ones(len(batch.given), 1, 1, 1)
    size, kinds = batch.photo.shape[-2:], batch.guides
    kind = kinds.view(-1, 1, 1, 1)
    guide = torch.zeros_like(batch.photo)
    if (kinds == OWN).any():
        chosen = torch.nonzero(kinds == OWN)[:, 0]
        coarse = own_fill(averaged, *halve(batch.photo[chosen], batch.hidden[chosen]), coarsest)
        guide[chosen] = F.interpolate(coarse, size=size, mode="bilinear").to(guide.dtype)
    if (kinds == TRUE).any():
        small = F.avg_pool2d(batch.photo, batch.factor)
        true = F.interpolate(small, size=size, mode="bilinear") * batch.gain + batch.shift
        guide = torch.where(kind == TRUE, true.clamp(-1, 1), guide)
    return guide, (kind > 0).to(guide.dtype)
