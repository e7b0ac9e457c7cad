"""The networks behind one contract: `network(photo, mask)` gives a fill, `network.stages(photo, mask)` every stage's.

    from inpaint.models import build_network, load_network
    network = load_network("deepfill-v2", "states_pt_places2.pth")

Both functions import torch and the networks only when called, so that importing this package costs nothing.
"""

import os
from typing import TYPE_CHECKING, Any

from inpaint.errors import OptionError

if TYPE_CHECKING:
    from inpaint.models.layers import InpaintingNetwork

__all__ = ["build_network", "load_network"]


def build_network(name: str, config: Any = None) -> "InpaintingNetwork":
    """A network with fresh weights, in training mode.

    Args:
        name: a name from the registry: `dilated`, `glcic`, `deepfill-v1`, `deepfill-v2`.
        config: its frozen config (`GLCICConfig`, ...); None means the paper's.

    Raises:
        OptionError: unknown name, or a config of another network.
    """
    from inpaint.models.registry import find_spec

    spec = find_spec(name)
    if config is not None and not isinstance(config, spec.config):
        raise OptionError(f"config of {name} must be a {spec.config.__name__}, got {config!r}")
    return spec.network(spec.config() if config is None else config)


def load_network(
    name: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    hole_value: float | tuple[float, float, float] | None = None,
) -> "InpaintingNetwork":
    """A network with trained weights, in evaluation mode on the CPU.

    Args:
        name: a name from the registry or of shipped weights, or a file that is a network by itself: TorchScript
            `(image, mask)` (.pt), ONNX (.onnx), or weights that say or show what they belong to (.safetensors, .pth).
        weights: our safetensors or a published checkpoint (.pth), told apart by what they hold; None means the shipped
            weights.
        hole_value: `glcic` only: the colour in [0, 1] that the checkpoint was trained to see in the hole, one number or
            one for each of R, G, B.

    Raises:
        OptionError: unknown name, or a `hole_value` that does not apply.
        WeightsError: missing, damaged, not weights, or of another architecture; names the first mismatch.
    """
    from inpaint.models.loading import load_any

    return load_any(name, weights, hole_value)
