"""Weights files: float16 safetensors that say themselves what they are, loaded strictly."""

import contextlib
import hashlib
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from inpaint.errors import OptionError, OutputError, WeightsError, shown
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.registry import NETWORKS, ModelSpec, find_spec


def shipped_weights() -> dict[str, Path]:
    """Every weights file that is shipped or was put beside those, by its name: in a checkout or an installed wheel.

    A name is a network's, whose default the file is, or one of its own.
    """
    package = Path(str(resources.files("inpaint")))
    inside = package / "weights"  # of a wheel; what lies beside a package there is another's
    folder = inside if inside.is_dir() else package.parent / "weights"
    return {file.stem: file for file in sorted(folder.glob("*.safetensors"), key=lambda file: file.stem)}


def known_names() -> list[str]:
    """The networks, and the names of their own that shipped weights have."""
    return list(dict.fromkeys([*NETWORKS, *shipped_weights()]))


def default_weights(name: str) -> Path:
    """Where the shipped weights of a name lie.

    Raises:
        WeightsError: nothing is shipped under this name.
    """
    shipped = shipped_weights()
    if name not in shipped:
        raise WeightsError(f"{name}: no weights are shipped for this network, name a file with --weights")
    return shipped[name]


def read_header(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself; nothing of its tensors is read.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is not a whole safetensors file ({error})") from None


def spec_of(name: str) -> ModelSpec:
    """The record of a network, or of the network that shipped weights of this name belong to.

    Raises:
        OptionError: neither has this name.
        WeightsError: the file does not say what it belongs to.
    """
    path = None if name in NETWORKS else shipped_weights().get(name)
    if path is None:
        return find_spec(name)
    try:
        return find_spec(read_header(path).get("architecture", ""))
    except OptionError as error:
        raise WeightsError(f"{path}: does not say which network it belongs to ({error})") from None


def digest(tensors: dict[str, Tensor]) -> str:
    """sha256 over names and bytes of all tensors in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def check_fit(path: Path, name: str, wanted: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Compare a file's tensors with a network's.

    Raises:
        WeightsError: names the first key, in alphabetical order, that is missing, unknown or of another shape.
    """
    for key in sorted(set(wanted) | set(tensors)):
        if key not in tensors:
            raise WeightsError(f"{path}: does not fit {name}, {key} is missing")
        if key not in wanted:
            raise WeightsError(f"{path}: does not fit {name}, {key} is unknown")
        if tensors[key].shape != wanted[key].shape:
            got, want = tuple(tensors[key].shape), tuple(wanted[key].shape)
            raise WeightsError(f"{path}: does not fit {name}, {key} has shape {got} instead of {want}")


def save_weights(
    network: InpaintingNetwork, name: str, path: Path, training: dict[str, Any], dtype: torch.dtype = torch.float16
) -> None:
    """Write a network with its architecture, config, training record and checksum in the header.

    Args:
        network: what is written; counters stay whole numbers.
        name: its name in the registry.
        path: file to write; replaced only when the new one is complete.
        training: the record of its training or origin.
        dtype: of the numbers, float16 unless they must stay exact.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {
        k: (v.detach().to(dtype) if v.is_floating_point() else v).contiguous().cpu()
        for k, v in network.state_dict().items()
    }
    metadata = {
        "architecture": name, "config": json.dumps(asdict(network.config)), "training": json.dumps(training),
        "sha256": digest(tensors),
    }  # fmt: skip
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        partial.chmod(0o644)
        partial.replace(path)
    except (SafetensorError, OSError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{shown(path)}: cannot be written ({getattr(error, 'strerror', None) or error})") from None


def load_weights(path: Path, name: str | None = None) -> tuple[InpaintingNetwork, dict[str, Any]]:
    """Build the network that a weights file names and load it strictly.

    Args:
        path: a file written by `save_weights`.
        name: the architecture that is expected, or None for any.

    Returns:
        the network in evaluation mode, float32 on the CPU, and the training record.

    Raises:
        WeightsError: missing, damaged, another architecture, or a key or shape that does not fit; names the first.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, IsADirectoryError):
        raise WeightsError(f"{path}: file not found") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is not a whole safetensors file ({error})") from None
    found = metadata.get("architecture")
    if found not in NETWORKS:
        raise WeightsError(f"{path}: names the architecture {found!r}, known are {', '.join(NETWORKS)}")
    if name is not None and found != name:
        raise WeightsError(f"{path}: holds weights of {found}, expected {name}")
    spec = NETWORKS[found]
    try:
        network = spec.network(spec.config(**json.loads(metadata["config"])))
        training = json.loads(metadata["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its header does not describe a {found} network ({error})") from None
    check_fit(path, found, network.state_dict(), tensors)
    if digest(tensors) != metadata.get("sha256"):
        raise WeightsError(f"{path}: is damaged, its checksum does not match its contents")
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise WeightsError(f"{path}: holds values that are not finite")
    network.load_state_dict(tensors, strict=True)  # copies into float32
    return network.eval(), training
