"""Whether a network computes in bfloat16: about half the time, where the processor itself multiplies such numbers.

What decides is what the processor has, never a measured time: a time that is taken while another program runs would
change the bytes of a fill from one process to the next.
"""

import os

import torch
from torch import nn

from inpaint.errors import OptionError
from inpaint.models.layers import InpaintingNetwork

VARIABLE = "INPAINT_PRECISION"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
UNITS = ("avx512_bf16", "amx_bf16")  # of x86 processors; other kinds were not measured
CLOSE = 0.02  # largest mean difference of a convolution in bfloat16, of its outputs' mean size


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there; without units for it, it may take ten times as long."""
    if device.type != "cpu":
        return True
    ask = getattr(torch.cpu, "get_capabilities", None)  # newer than the oldest torch that we take
    return ask is not None and any(ask().get(unit) for unit in UNITS)


@torch.inference_mode()
def convolves_alike(network: nn.Module) -> bool:
    """Whether the network's largest convolution gives the same in bfloat16 as in float32, but for rounding."""
    largest = max((m for m in network.modules() if isinstance(m, nn.Conv2d)), key=lambda m: m.weight.numel())
    inputs = torch.randn(1, largest.in_channels, 24, 24, generator=torch.Generator().manual_seed(0))
    inputs = inputs.to(memory_format=torch.channels_last)
    weight, dilation, padding = largest.weight.float().cpu(), largest.dilation, largest.padding
    exact = nn.functional.conv2d(inputs, weight, None, 1, padding, dilation)
    narrow = nn.functional.conv2d(inputs.bfloat16(), weight.bfloat16(), None, 1, padding, dilation)
    return float((narrow.float() - exact).abs().mean()) <= CLOSE * float(exact.abs().mean())


def pick_precision(network: InpaintingNetwork, device: torch.device) -> torch.dtype:
    """The numbers that a network computes with.

    Args:
        network: bfloat16 is for those alone that say they keep their inputs and outputs in float32 (`mixes_precision`).
        device: where it lies.

    Returns:
        what the environment variable INPAINT_PRECISION names (`float32` or `bfloat16`); if it is not set or `auto`,
        bfloat16 on a CPU with units for it whose convolutions agree with float32, and float32 elsewhere.

    Raises:
        OptionError: the variable holds another word.
    """
    named = os.environ.get(VARIABLE) or "auto"
    if named != "auto" and named not in PRECISIONS:
        raise OptionError(f"{VARIABLE} must be auto, {' or '.join(PRECISIONS)}, got {named!r}")
    if not network.mixes_precision:
        return torch.float32
    if named != "auto":
        return PRECISIONS[named]
    pays = device.type == "cpu" and multiplies_bf16(device) and convolves_alike(network)
    return torch.bfloat16 if pays else torch.float32
