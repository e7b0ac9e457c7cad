"""Losses on masked regions: plain functions of predictions, targets and masks, each returning a scalar.

Pictures are float (B, C, H, W) in [-1, 1]; masks are float (B, 1, H, W), 1 where the loss counts.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error where the mask is 1; a mask between 0 and 1 weighs pixels; 0 for an empty mask."""
    return ((prediction - target).abs() * mask).sum() / (mask.sum() * prediction.shape[1]).clamp_min(1)


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error where the mask is 1 (Iizuka 2017, eq. 2, per pixel); 0 for an empty mask."""
    return ((prediction - target).square() * mask).sum() / (mask.sum() * prediction.shape[1]).clamp_min(1)


def hole_distance(mask: Tensor, limit: int = 256) -> Tensor:
    """How many pixels each hole pixel is away from the nearest known one, in chessboard steps.

    Args:
        mask: float (B, 1, H, W), 1 = hole.
        limit: distances are counted up to this many pixels.

    Returns:
        float (B, 1, H, W): 0 where known, 1 at the rim of the hole and more inside.
    """
    rest, distance = mask, torch.zeros_like(mask)
    for _ in range(limit):
        if not rest.any():
            break
        distance = distance + rest
        rest = -F.max_pool2d(-rest, 3, stride=1, padding=1)  # the hole without its rim
    return distance


def discounted_l1(prediction: Tensor, target: Tensor, mask: Tensor, gamma: float = 0.99) -> Tensor:
    """L1 in the hole, each pixel weighed by gamma to the power of its distance to the known (Yu 2018, section 4.2).

    The middle of a wide hole has many right answers, so it is held less to this one.
    """
    return ((prediction - target).abs() * mask * gamma ** hole_distance(mask)).sum() / (
        mask.sum() * prediction.shape[1]
    ).clamp_min(1)


def total_variation(picture: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute step between neighbours of which one at least is hole (Liu 2018, eq. 6); 0 if none is."""
    total, count = picture.new_zeros(()), mask.new_zeros(())
    for axis in (2, 3):
        step = picture.diff(dim=axis).abs()
        first = mask.narrow(axis, 0, mask.shape[axis] - 1)
        counts = torch.maximum(first, mask.narrow(axis, 1, mask.shape[axis] - 1))
        total, count = total + (step * counts).sum(), count + counts.sum() * picture.shape[1]
    return total / count.clamp_min(1)


def band_contrasts(picture: Tensor, cell: int = 8) -> Tensor:
    """Standard deviations of the two finest bands of a picture (B, C, H, W) in cells half overlapping: (B, 2C, h, w).

    Args:
        picture: H and W multiples of half a cell.
        cell: side of a cell, pixels.
    """
    fine = F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    coarse = F.avg_pool2d(fine, 5, 1, 2, count_include_pad=False)
    bands = torch.cat([picture - fine, fine - coarse], dim=1)
    return (F.avg_pool2d(bands.square(), cell, cell // 2) + 1e-5).sqrt()


def local_contrast(prediction: Tensor, target: Tensor, mask: Tensor, cell: int = 8) -> Tensor:
    """Mean difference of the contrasts of the two finest bands, cells weighed by their share of hole.

    Holds texture to the strength of the target's wherever its edges lie, against the softness of means (after Heeger &
    Bergen 1995, who match the histograms of bands); 0 for an empty mask.
    """
    share = F.avg_pool2d(mask, cell, cell // 2)
    contrasts = band_contrasts(prediction.float(), cell), band_contrasts(target.float(), cell)
    difference = (contrasts[0] - contrasts[1]).abs()
    return (difference * share).sum() / (share.sum() * difference.shape[1]).clamp_min(1)


def touches_hole(mask: Tensor, verdict: Tensor) -> Tensor:
    """Cells of a verdict map (B, 1, h, w) whose pixels touch the hole of a mask (B, 1, H, W), as 0 / 1."""
    return F.adaptive_max_pool2d(mask, verdict.shape[-2:])


def hinge_discriminator(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Hinge loss of a patch discriminator (Yu 2019, eq. 3) over the cells that touch the hole, in real photos too.

    Real photos are judged at the same cells: were they judged everywhere, a discriminator that is shown the mask would
    do best by calling fake whatever lies in a hole, without looking at it.
    """
    cells = touches_hole(mask, fake)
    wrong = F.relu(1 - real) + F.relu(1 + fake)
    return (wrong * cells).sum() / cells.sum().clamp_min(1)


def hinge_generator(fake: Tensor, mask: Tensor) -> Tensor:
    """What the generator adds: the mean negative verdict over cells touching the hole (Yu 2019, eq. 4)."""
    cells = touches_hole(mask, fake)
    return -(fake * cells).sum() / cells.sum().clamp_min(1)


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of real and filled photos, from logits (B, 1) (Iizuka 2017, eq. 3)."""
    return F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) + F.binary_cross_entropy_with_logits(
        fake, torch.zeros_like(fake)
    )


def bce_generator(fake: Tensor) -> Tensor:
    """Cross entropy of passing off fills as real, from logits (B, 1): the non-saturating form of Iizuka 2017, eq. 4."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """Negative Wasserstein estimate of a critic's verdicts (B, 1) (Yu 2018, eq. 4)."""
    return fake.mean() - real.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Penalty on critic gradients inside the hole whose norm is not 1 (Gulrajani 2017; masked as in Yu 2018, eq. 5).

    Args:
        critic: photos (B, 3, H, W) to verdicts (B, 1), differentiable twice.
        real: real photos.
        fake: filled photos.
        mask: 1 = hole; gradients elsewhere do not count.
    """
    share = torch.rand(real.shape[0], 1, 1, 1, device=real.device)
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = ((gradient * mask).flatten(1).square().sum(1) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def r1_penalty(judge: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Half the mean squared gradient of the verdicts at real photos (Mescheder 2018, eq. 9, gamma = 1)."""
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(judge(real).sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2


def feature_matching(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean L1 distance of discriminator features, averaged over layers (Wang 2018, pix2pixHD, eq. 4)."""
    return torch.stack([(f - r.detach()).abs().mean() for f, r in zip(fake, real, strict=True)]).mean()
