"""One door for weights of every kind: ours, and published checkpoints."""

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open

from inpaint.errors import OptionError, WeightsError
from inpaint.models.importers import HoleValue, load_checkpoint
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.registry import find_spec
from inpaint.models.weights import default_weights, load_weights


def load_any(
    name: str, weights: str | os.PathLike[str] | None = None, hole_value: HoleValue | None = None
) -> InpaintingNetwork:
    """See `inpaint.models.load_network`."""
    find_spec(name)
    path = default_weights(name) if weights is None else Path(weights)
    if not says_what_it_is(path):
        return load_checkpoint(path, name, hole_value)[0]
    if hole_value is not None:
        raise OptionError(f"{path}: its header holds its hole_value already, so none can be given")
    return load_weights(path, name)[0]


def says_what_it_is(path: Path) -> bool:
    """Whether a file is one of our safetensors, with its architecture in the header.

    Raises:
        WeightsError: it ends in .safetensors and cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return "architecture" in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        if path.suffix == ".safetensors" and path.is_file():
            raise WeightsError(f"{path}: is not a whole safetensors file ({error})") from None
        return False
