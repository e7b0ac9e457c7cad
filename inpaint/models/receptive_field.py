"""Receptive fields: how far a network sees, layer by layer from its own modules, and in fact by gradients.

A layer whose kernel spans k cells with dilation d widens the view by (k - 1) d cells; a cell is as many photo pixels
wide as the strides before it multiply to (Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional
neural networks", equation 2). The walk below follows the tensors of one real forward pass, so that branches, skips,
pixel-(un)shuffle and resizing are counted as they are, and no network writes its field down by hand.
"""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from inpaint.models.layers import InpaintingNetwork


@dataclass(frozen=True)
class View:
    """What one cell of a feature map sees of the photo.

    Args:
        field: side of the square that it depends on (pixels).
        stride: distance between the views of neighbouring cells (pixels).
    """

    field: float = 1
    stride: float = 1

    def grown(self, cells: float) -> "View":
        """The view of a layer that joins this many cells more than one in each direction."""
        return View(self.field + cells * self.stride, self.stride)


@dataclass(frozen=True)
class LayerView:
    """One layer that changes the view: its name, what it is, and the view behind it."""

    name: str
    kind: str
    field: int
    stride: float


@dataclass(frozen=True)
class Field:
    """A network's theoretical receptive field.

    Args:
        field: side of the square that an output pixel depends on (pixels).
        stride: coarsest distance between the views of neighbouring cells (pixels).
        layers: every layer that changes the view, in order.
        global_parts: names of the parts that see the whole picture, left aside in `field`.
    """

    field: int
    stride: float
    layers: tuple[LayerView, ...]
    global_parts: tuple[str, ...]


def theoretical_field(network: InpaintingNetwork) -> Field:
    """How far a network can see, from its own modules.

    Args:
        network: any network that was built from a config.

    Returns:
        the field of the last stage; it is the largest over all output positions.
    """
    key = (type(network), network.config)
    if key not in _FIELDS:
        side = network.size_rule.fit(32)
        photo, mask = torch.zeros(1, 3, side, side), torch.zeros(1, 1, side, side)
        _FIELDS[key] = walk(copy.deepcopy(network).cpu().float(), photo, mask)
    return _FIELDS[key]


_FIELDS: dict[tuple[type[InpaintingNetwork], Any], Field] = {}  # a walk takes as long as a small fill


def walk(module: nn.Module, photo: Tensor, *others: Tensor) -> Field:
    """Follow one forward pass and count how far each layer sees.

    Args:
        module: called as `module(photo, *others)`; hooks are left on it.
        photo: float (B, C, H, W).
        others: further arguments, whose part in the view is not counted.

    Raises:
        NotImplementedError: a function changes the size of a feature map in a way that is not known here.
    """
    recorder = _Recorder(module.eval())
    recorder.views[photo] = View()
    with recorder, torch.no_grad():
        output = module(photo, *others)
    strides = [layer.stride for layer in recorder.layers]
    return Field(
        math.ceil(recorder.views[output].field), max(strides, default=1), tuple(recorder.layers),
        tuple(recorder.global_parts),
    )  # fmt: skip


class _Recorder(TorchFunctionMode):
    """Keeps the view of every tensor that comes from the photo."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.views: Any = WeakIdKeyDictionary()
        self.layers: list[LayerView] = []
        self.global_parts: list[str] = []
        self.paused = False
        self.names = {id(p): name.removesuffix(".weight") for name, p in module.named_parameters()}
        for name, part in module.named_modules():
            if getattr(part, "sees_everything", False):
                self.global_parts.append(name)
                part.register_forward_pre_hook(self._pause)
                part.register_forward_hook(self._go_on)

    def _pause(self, *_: object) -> None:
        self.paused = True

    def _go_on(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.paused = False
        self.views[output] = self.views[inputs[0]]

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if self.paused:
            return output
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and t in self.views]
        results = [t for t in tree_leaves(output) if isinstance(t, Tensor) and t.ndim == 4]
        name = getattr(func, "__name__", "")
        if tensors and results and not name.startswith(("new_", "zeros_like", "ones_like", "empty_like")):
            widest = max(tensors, key=lambda t: self.views[t].field)
            view = self._behind(name, widest, results[0], args, kwargs)
            for result in results:
                self.views[result] = view
        return output

    def _behind(self, name: str, x: Tensor, y: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> View:
        view: View = self.views[x]
        ratio = x.shape[-1] / y.shape[-1]
        if name not in RULES:
            if x.shape[-2:] != y.shape[-2:] and name not in ("pad", "_pad", "__getitem__"):
                raise NotImplementedError(f"the view behind {name} is not known")
            return view
        behind = RULES[name](view, ratio, dict(zip(SIGNATURES.get(name, ()), args, strict=False)) | kwargs)
        layer = self.names.get(id(args[1]), name) if len(args) > 1 else name
        self.layers.append(LayerView(layer, name, math.ceil(behind.field), behind.stride))
        return behind


def _convolution(view: View, ratio: float, settings: dict[str, Any]) -> View:
    stride, dilation = _one(settings.get("stride", 1)), _one(settings.get("dilation", 1))
    kernel = settings["weight"].shape[-1]
    return View(view.field + (kernel - 1) * dilation * view.stride, view.stride * stride)


def _transposed(view: View, ratio: float, settings: dict[str, Any]) -> View:
    stride = _one(settings.get("stride", 1))
    taps = -(-settings["weight"].shape[-1] // stride)  # input cells that one output cell joins
    return View(view.grown(taps - 1).field, view.stride / stride)


def _pooling(view: View, ratio: float, settings: dict[str, Any]) -> View:
    kernel = _one(settings["kernel_size"])
    stride = _one(settings.get("stride") or kernel)
    return View(view.grown(kernel - 1).field, view.stride * stride)


def _resized(view: View, ratio: float, settings: dict[str, Any]) -> View:
    joined = 0 if settings.get("mode", "nearest") == "nearest" else 1
    return View(view.grown(joined).field, view.stride * ratio)


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


RULES: dict[str, Callable[[View, float, dict[str, Any]], View]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "avg_pool2d": _pooling,
    "max_pool2d": _pooling,
    "interpolate": _resized,
    "pixel_shuffle": lambda view, ratio, _: View(view.field, view.stride * ratio),
    "pixel_unshuffle": lambda view, ratio, _: View(view.grown(ratio - 1).field, view.stride * ratio),
}
SIGNATURES = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose2d": ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "avg_pool2d": ("input", "kernel_size", "stride"),
    "max_pool2d": ("input", "kernel_size", "stride"),
    "interpolate": ("input", "size", "scale_factor", "mode"),
}
