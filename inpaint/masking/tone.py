"""The gradient of a mark that many pictures share, given the tone of its paint: white, grey, black.

A mark of tone T and opacity a changes what is beneath it from I to I + a (T - I): white paint shows on dark ground and
not on white, grey paint darkens light ground and lightens dark ground. So the pictures tell of the mark by as much as
T - I says, and a gradient weighs what its surroundings are quiet. The method is ours.
"""

import numpy as np

from inpaint.masking.pixels import Floats, Mask


def mark_gradient(
    steps: Floats, weight: Floats, amount: Floats, needed: float, least: float
) -> tuple[Floats, Floats, Mask, Floats]:
    """The mark's gradient along one direction, by weighted means that outliers count little in.

    Args:
        steps: float32 (K, h, w), how much each picture changes to the next pixel.
        weight: float32 (K, h, w), one over the variance of such a change among its surroundings; 0 where unknown.
        amount: float32 (K, h, w), T - I: how much the mark's tone differs from the ground.
        needed: standard errors of a gradient that is sure.
        least: pictures that must tell of a gradient that is sure, counted by their weights.

    Returns:
        The mean of `steps / amount` float32 (h, w), its standard error float32 (h, w), where it is sure bool (h, w),
        and how much better than nothing the sure gradients predict each picture from the others, float32 (K,).
    """
    missed = np.zeros_like(steps)
    for _ in range(3):  # heavy tails: a photo's own edges count for little (Cauchy)
        weighed = weight / (1 + missed * missed * weight / 2)
        power = weighed * amount * amount
        total, sums = power.sum(axis=0) + np.float32(1e-6), (weighed * amount * steps).sum(axis=0)
        mean = sums / total
        missed = steps - mean * amount
    told = total * total / ((power * power).sum(axis=0) + np.float32(1e-12))
    error = np.sqrt(((weighed * amount * missed) ** 2).sum(axis=0)) / total
    error = np.maximum(error * np.sqrt(told / np.maximum(told - 1, 0.3)), 0.7 / np.sqrt(total))
    sure = np.asarray((np.abs(mean) > needed * error) & (told >= least))
    others = total - power
    told_by_others = sure & (others > 0.2 * total)
    left_out = np.where(told_by_others, (sums - weighed * amount * steps) / np.maximum(others, 1e-6), 0) * amount
    gain = (weighed * (2 * steps * left_out - left_out * left_out)).sum(axis=(1, 2))
    return np.asarray(mean, np.float32), np.asarray(error, np.float32), sure, np.asarray(gain, np.float32)
