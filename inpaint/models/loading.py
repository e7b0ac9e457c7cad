"""One door for networks with weights: ours, published checkpoints, and programs (TorchScript, ONNX)."""

import os
from pathlib import Path

from inpaint.errors import OptionError, WeightsError, shown
from inpaint.models.importers import HoleValue, load_checkpoint
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.registry import NETWORKS
from inpaint.models.runtime import OnnxNetwork, TorchScriptNetwork, is_torchscript
from inpaint.models.weights import default_weights, known_names, load_weights, read_header, shipped_weights

ENDINGS = (".pt", ".pth", ".onnx", ".safetensors")


def load_any(
    name: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None, hole_value: HoleValue | None = None
) -> InpaintingNetwork:
    """See `inpaint.models.load_network`."""
    path = weights_path(name, weights)
    return load_file(path, str(name) if name in NETWORKS else None, hole_value)


def weights_path(name: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Path:
    """The file that a model stands for: that of a network, of shipped weights, or the model itself.

    Raises:
        OptionError: an unknown model, or `weights` beside one that has its own.
        WeightsError: nothing is shipped for this network.
    """
    if name in NETWORKS:
        return default_weights(str(name)) if weights is None else Path(weights)
    shipped = shipped_weights()
    if str(name) in shipped:
        if weights is not None:
            raise OptionError(f"{name} stands for weights already, so {weights} cannot be given too")
        return shipped[str(name)]
    path = Path(name)
    if path.suffix.lower() not in ENDINGS:
        known = f"{', '.join(known_names())}, or a file ending in {', '.join(ENDINGS)}"
        raise OptionError(f"model must be one of {known}, got {str(name)!r}")
    if weights is not None:
        raise OptionError(f"{path}: as a model it holds its own weights, so {weights} cannot be given too")
    return path


def load_file(path: Path, name: str | None, hole_value: HoleValue | None = None) -> InpaintingNetwork:
    """The network in a file, which says or shows what it is.

    Args:
        path: weights of ours, a published checkpoint, a TorchScript or an ONNX file.
        name: the architecture that is expected, or None for any.
        hole_value: see `load_network`.

    Raises:
        OptionError: a `hole_value` that does not apply.
        WeightsError: it cannot be used; the text says why.
    """
    if not os.path.isfile(path):
        raise WeightsError(f"{shown(path)}: file not found")
    program = OnnxNetwork if path.suffix.lower() == ".onnx" else TorchScriptNetwork if is_torchscript(path) else None
    if program is None and not says_what_it_is(path):
        return load_checkpoint(path, name, hole_value)[0]
    if hole_value is not None:
        raise OptionError(f"{path}: holds what it puts into the hole already, so no hole_value can be given")
    if program is None:
        return load_weights(path, name)[0]
    if name is not None:
        raise WeightsError(f"{path}: is a program and not weights of {name}; give it as the model itself")
    return program(path)


def says_what_it_is(path: Path) -> bool:
    """Whether a file is one of our safetensors, with its architecture in the header.

    Raises:
        WeightsError: it ends in .safetensors and cannot be read.
    """
    try:
        return "architecture" in read_header(path)
    except WeightsError:
        if path.suffix == ".safetensors":
            raise
        return False
