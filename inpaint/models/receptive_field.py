"""Receptive fields by the layers: how far a network can see, read off its own modules.

One forward pass is recorded, so that branches, skips, pixel-(un)shuffle and resizing are counted as they are, and no
network writes its field down by hand. Then the record is walked backwards from a pixel of the output: a layer whose
kernel has k taps, d cells apart, and stride s needs (n - 1) s + (k - 1) d + 1 cells of its input for n of its output.

Follows: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", equation 1 and
section "Arbitrary computation graphs". Layers that enlarge are added: what they need depends on where a pixel stands on
the coarser grid, and the field is that of the place that sees farthest.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from inpaint.models.layers import InpaintingNetwork

Needs = Callable[[int], int]  # cells of a layer's output, in a row, to the cells of its input that they depend on
Rule = tuple[Needs, float]  # ..., and how many input cells lie between neighbouring output cells


@dataclass(frozen=True)
class LayerView:
    """One layer that can change the view.

    Args:
        name: of the module, or of the function where no module stands behind it.
        kind: the function.
        field: side of the square of photo pixels that its output sees (pixels).
        stride: distance between the views of neighbouring cells of its output (pixels).
    """

    name: str
    kind: str
    field: int
    stride: float


@dataclass(frozen=True)
class Field:
    """A network's receptive field by its layers.

    Args:
        field: side of the square that an output pixel depends on (pixels).
        stride: coarsest distance between the views of neighbouring cells (pixels).
        layers: every layer that can change the view, in order.
        global_parts: names of the parts that see the whole picture, left aside in `field`.
    """

    field: int
    stride: float
    layers: tuple[LayerView, ...]
    global_parts: tuple[str, ...]


def theoretical_field(network: InpaintingNetwork) -> Field:
    """How far a network can see, from its own modules; the network is left as it is.

    Args:
        network: any network that was built from a config.
    """
    key = (type(network), network.config)
    if key not in _FIELDS:
        side = network.size_rule.fit(32)
        photo, mask = torch.zeros(1, 3, side, side), torch.zeros(1, 1, side, side)
        _FIELDS[key] = walk(copy.deepcopy(network).cpu().float(), photo, mask)
    return _FIELDS[key]


_FIELDS: dict[tuple[type[InpaintingNetwork], Any], Field] = {}  # a walk takes as long as a small fill


def widest_hole(field: Field, size: int) -> int:
    """Width of the widest square hole whose middle still sees known pixels on both sides (pixels, at most `size`).

    Args:
        field: what the network sees.
        size: longest side at which it works (pixels).
    """
    return min(size, max(0, field.field - 2))


def walk(module: nn.Module, photo: Tensor, *others: Tensor) -> Field:
    """Record one forward pass and count how far each layer sees.

    Args:
        module: called as `module(photo, *others)`; is set to evaluation, and hooks are left on it.
        photo: float (B, C, H, W).
        others: further arguments, whose part in the view is not counted.

    Raises:
        NotImplementedError: a function changes the size of a feature map in a way that is not known here.
    """
    record = _Record(module.eval(), photo)
    with record, torch.no_grad():
        output = module(photo, *others)
    layers = tuple(
        LayerView(step.name, step.kind, record.field_of(step.output), record.strides[step.output])
        for step in record.steps if step.name
    )  # fmt: skip
    coarsest = max((layer.stride for layer in layers), default=1)
    return Field(record.field_of(record.nodes[output]), coarsest, layers, tuple(record.global_parts))


@dataclass(frozen=True)
class _Step:
    """One function call: numbers of its tensors, what it needs, and its name where it can change the view."""

    inputs: tuple[int, ...]
    output: int
    needs: Needs
    name: str
    kind: str


class _Record(TorchFunctionMode):
    """Every function call on what comes from the photo, tensors being numbered as they appear."""

    def __init__(self, module: nn.Module, photo: Tensor) -> None:
        super().__init__()
        self.nodes: Any = WeakIdKeyDictionary()  # tensor -> number
        self.strides: list[float] = []
        self.steps: list[_Step] = []
        self.global_parts: list[str] = []
        self.paused = False
        self._number(photo, 1)
        self.names = {id(p): name.removesuffix(".weight") for name, p in module.named_parameters()}
        for name, part in module.named_modules():
            if getattr(part, "sees_everything", False):
                self.global_parts.append(name)
                part.register_forward_pre_hook(self._pause)
                part.register_forward_hook(self._go_on)

    def field_of(self, node: int) -> int:
        """Side of the square of the photo that one cell of a tensor depends on (pixels)."""
        needed = {node: 1}
        for step in reversed(self.steps):
            if step.output in needed:
                for parent in step.inputs:
                    needed[parent] = max(needed.get(parent, 0), step.needs(needed[step.output]))
        return needed[0]

    def _number(self, tensor: Tensor, stride: float) -> int:
        self.nodes[tensor] = len(self.strides)
        self.strides.append(stride)
        return self.nodes[tensor]

    def _pause(self, *_: object) -> None:
        self.paused = True

    def _go_on(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.paused = False
        parent = self.nodes[inputs[0]]
        self.steps.append(_Step((parent,), self._number(output, self.strides[parent]), _same, "", "global"))

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        kind = getattr(func, "__name__", "")
        if self.paused or kind.startswith(("new_", "zeros_like", "ones_like", "empty_like")):
            return output
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and t in self.nodes]
        outputs = [t for t in tree_leaves(output) if isinstance(t, Tensor)]
        for result in outputs if inputs else ():
            self._add(kind, inputs, result, args, kwargs)
        return output

    def _add(
        self, kind: str, inputs: list[Tensor], output: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        x, name = inputs[0], ""
        needs: Needs = _same
        scale = 1.0
        ratio = x.shape[-1] / output.shape[-1] if output.ndim == 4 else 0.0  # input cells to an output cell
        if kind in RULES:
            needs, scale = RULES[kind](ratio, dict(zip(SIGNATURES.get(kind, ()), args, strict=False)) | kwargs)
            name = self.names.get(id(args[1]), kind) if len(args) > 1 else kind
        elif output.ndim != 4 or (ratio != 1 and kind not in ("pad", "_pad", "__getitem__")):
            raise NotImplementedError(f"what {kind} sees is not known, from {tuple(x.shape)} to {tuple(output.shape)}")
        parents = tuple(self.nodes[t] for t in inputs)
        node = self._number(output, self.strides[parents[0]] * scale)
        self.steps.append(_Step(parents, node, needs, name, kind))


def _same(cells: int) -> int:
    return cells


def _gathering(taps: int, dilation: int, stride: int) -> Needs:
    return lambda cells: (cells - 1) * stride + (taps - 1) * dilation + 1


def _spreading(taps: int, factor: float) -> Needs:
    """`taps` input cells overlap in each output cell, and input cells lie `factor` output cells apart."""
    return lambda cells: int((cells - 1 + taps * factor - 1) // factor) + 1


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


def _convolution(ratio: float, settings: dict[str, Any]) -> Rule:
    stride, dilation = _one(settings.get("stride", 1)), _one(settings.get("dilation", 1))
    return _gathering(settings["weight"].shape[-1], dilation, stride), stride


def _transposed(ratio: float, settings: dict[str, Any]) -> Rule:
    stride = _one(settings.get("stride", 1))
    return _spreading(settings["weight"].shape[-1] / stride, stride), 1 / stride


def _pooling(ratio: float, settings: dict[str, Any]) -> Rule:
    kernel = _one(settings["kernel_size"])
    stride = _one(settings.get("stride") or kernel)
    return _gathering(kernel, 1, stride), stride


def _resized(ratio: float, settings: dict[str, Any]) -> Rule:
    return _spreading(1 if settings.get("mode", "nearest") == "nearest" else 2, 1 / ratio), ratio


RULES: dict[str, Callable[[float, dict[str, Any]], Rule]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "avg_pool2d": _pooling,
    "max_pool2d": _pooling,
    "interpolate": _resized,
    "pixel_shuffle": lambda ratio, _: (_spreading(1, 1 / ratio), ratio),
    "pixel_unshuffle": lambda ratio, _: (lambda cells: cells * round(ratio), ratio),
}
SIGNATURES = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose2d": ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "avg_pool2d": ("input", "kernel_size", "stride"),
    "max_pool2d": ("input", "kernel_size", "stride"),
    "interpolate": ("input", "size", "scale_factor", "mode"),
}
