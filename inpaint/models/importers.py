"""Other people's weights: published checkpoints, found by their keys and mapped to our names.

A checkpoint is only ever unpickled by torch's restricted reader (`weights_only=True`), which knows tensors and plain
containers: a pickle that would run something is refused, unrun. No code of the ports is used; `ports.py` describes each
by the names of its layers.
"""

import pickle
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inpaint.errors import OptionError, WeightsError
from inpaint.models import build_network
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.ports import PORTS, Port
from inpaint.models.registry import find_spec
from inpaint.models.weights import check_fit

HoleValue = float | tuple[float, float, float]
Tensors = dict[str, Tensor]


def load_checkpoint(
    path: Path, name: str | None = None, hole_value: HoleValue | None = None
) -> tuple[InpaintingNetwork, Port]:
    """Build the network that a published checkpoint belongs to and load it strictly.

    Args:
        path: a file written by `torch.save` or a safetensors file, of any of `PORTS`, in whatever wrapper.
        name: the network that is expected, or None for any.
        hole_value: `glcic` only: colour in [0, 1] that it was trained to see in the hole.

    Returns:
        the network in evaluation mode, float32 on the CPU, and the form that it was published in.

    Raises:
        OptionError: unknown name, or a `hole_value` that does not apply.
        WeightsError: missing, damaged, not weights, of another network; names the first key that does not fit.
    """
    if name is not None:
        find_spec(name)
    port, tensors = find_port(path, read_checkpoint(path), name)
    network = build_network(port.name, configured(port, hole_value))
    wanted = network.state_dict()
    tensors = {key: wanted[key] for key in wanted if key.endswith(port.optional)} | tensors
    check_fit(path, port.name, wanted, tensors)
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"{path}: holds values that are not finite, in {key}")
    network.load_state_dict(tensors, strict=True)
    return network.eval(), port


def configured(port: Port, hole_value: HoleValue | None) -> Any:
    """The config that a network of this form is built with.

    Raises:
        OptionError: the network has no `hole_value`.
    """
    config = find_spec(port.name).config() if port.config is None else port.config
    if hole_value is None:
        return config
    if not hasattr(config, "hole_value"):
        raise OptionError(f"hole_value does not apply to {port.name}, got {hole_value!r}")
    return replace(config, hole_value=hole_value if isinstance(hole_value, tuple | list) else (hole_value,) * 3)


def read_checkpoint(path: Path) -> Any:
    """What a checkpoint file holds: tensors in dicts, in whatever wrapper.

    Raises:
        WeightsError: missing, damaged, or holding anything but tensors and plain containers.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError:
        pass  # not safetensors, so what torch.save writes
    except FileNotFoundError:
        raise WeightsError(f"{path}: file not found") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks about unusual pickles; the refusal below says enough
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        alien = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it asks for {alien[1]}" if alien else "it is another kind of pickle"
        raise WeightsError(f"{path}: does not hold weights alone, {what}; nothing of it was run") from None
    except Exception as error:  # the reader fails in many ways on damaged files, and each means the same here
        raise WeightsError(f"{path}: is not a whole checkpoint ({type(error).__name__})") from None


def state_dicts(checkpoint: Any) -> Iterator[Tensors]:
    """Every dict of tensors inside a checkpoint."""
    if not isinstance(checkpoint, dict):
        return
    tensors = {str(key): value for key, value in checkpoint.items() if isinstance(value, Tensor)}
    if tensors:
        yield tensors
    for value in checkpoint.values():
        yield from state_dicts(value)


def find_port(path: Path, checkpoint: Any, name: str | None) -> tuple[Port, Tensors]:
    """Which published form a checkpoint has, and its tensors under our keys.

    Args:
        path: of the file, for the errors.
        checkpoint: what it holds.
        name: the network that is expected, or None for any.

    Raises:
        WeightsError: none fits well enough to say what is wrong with it.
    """
    best: tuple[tuple[int, int], Port | None, Tensors] = ((0, 0), None, {})
    first = ""
    for tensors in state_dicts(checkpoint):
        first = first or next(iter(tensors))
        for port in PORTS:
            if best[1] is not None and best[0][1] == len(best[1].shapes()):
                break  # every key and every shape is there already
            ours = {theirs: our for our, theirs in port.keys().items()}
            prefix = common_prefix(tensors, ours)
            own = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            renamed = {ours.get(key, key): value for key, value in own.items()}
            shapes = port.shapes()
            names = sum(key in ours for key in own)
            score = (names, sum(shapes.get(key) == value.shape for key, value in renamed.items()))
            if 2 * names > len(ours) and score > best[0]:
                best = (score, port, renamed)
    _, found, renamed = best
    if found is None:
        what = f"its first tensor is {first}" if first else "it holds no named tensors"
        raise WeightsError(f"{path}: is a checkpoint of no known network, {what}")
    if name is not None and found.name != name:
        raise WeightsError(f"{path}: holds weights of {found.name}, expected {name}")
    return found, renamed


def common_prefix(tensors: Tensors, keys: Iterable[str]) -> str:
    """What stands before most of these keys in a file, such as `module.` or `generator.`."""
    wanted = set(keys)
    counts: Counter[str] = Counter()
    for key in tensors:
        dots = [0, *(i + 1 for i, letter in enumerate(key) if letter == ".")]
        counts.update(key[:dot] for dot in dots if key[dot:] in wanted)
    return counts.most_common(1)[0][0] if counts else ""
