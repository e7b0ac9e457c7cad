"""Guides for a generator that works octave by octave: what a coarser octave would have handed up."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.filling.structure import SMALLER
from inpaint.models.layers import composite
from inpaint.training.batches import OWN, TRUE, Batch

HALF = 0.5 - 1e-4  # a pixel known less than this is hole; one known by half is not, whatever rounding makes of its sum


def halve(photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Make photos and holes half as large, as `shrink`."""
    return shrink(photo, mask, photo.shape[-1] // 2)


def shrink(photo: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Make photos and holes smaller; known pixels are averaged without the hole, as filling does.

    Args:
        photo: float (B, 3, S, S).
        mask: float (B, 1, S, S), 1 = hole.
        side: s, at most S.

    Returns:
        photo (B, 3, s, s) and mask (B, 1, s, s), 1 where less than half of a pixel was known.
    """
    share = _area(1 - mask, side)
    return _area(photo * (1 - mask), side) / share.clamp_min(1e-3), (share < HALF).float()


def _area(values: Tensor, side: int) -> Tensor:
    """Means over the squares (B, C, s, s) that pixels (B, C, S, S) fall into, by their share of each."""
    old = values.shape[-1]
    if old == 2 * side:
        return F.avg_pool2d(values, 2)
    edges = torch.arange(side + 1, device=values.device, dtype=values.dtype) * (old / side)
    pixels = torch.arange(old, device=values.device, dtype=values.dtype)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    weights = overlap.clamp_min(0) * (side / old)  # (s, S), rows sum to 1
    with torch.autocast(values.device.type, enabled=False):  # bfloat16 would move thresholds and colours
        return weights @ values @ weights.T


def own_fill(averaged: nn.Module, photo: Tensor, mask: Tensor, coarsest: int) -> Tensor:
    """Photos float (B, 3, S, S) with their holes filled octave by octave, the first at most `coarsest` pixels wide.

    The first is averaged with fills at still smaller sizes, as `fill_octaves` does it.
    """
    side = photo.shape[-1]
    if side <= coarsest:
        fills = [averaged(photo, mask).float().clamp(-1, 1)]
        for share in SMALLER:
            fill = averaged(*shrink(photo, mask, round(side * share))).float().clamp(-1, 1)
            fills.append(F.interpolate(fill, size=side, mode="bicubic"))
        prediction = torch.stack(fills).mean(dim=0)
    else:
        coarse = own_fill(averaged, *halve(photo, mask), coarsest)
        prediction = averaged(photo, mask, F.interpolate(coarse, size=side, mode="bilinear"))
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
