"""The published forms of each network: a port's names for our modules, layer by layer."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from inpaint.models import build_network
from inpaint.models.deepfill_v2 import DeepFillV2Config
from inpaint.models.registry import NETWORKS


@dataclass(frozen=True)
class Port:
    """One published form of a network.

    Args:
        name: of the network in the registry.
        source: whose checkpoints have this form.
        modules: the port's name of each module of ours that has weights, by our name.
        config: what the network must be built with; None means its default.
        optional: ends of keys that a file may lack, so that they keep their initial value.
    """

    name: str
    source: str
    modules: dict[str, str]
    config: Any = None
    optional: tuple[str, ...] = ()

    def keys(self) -> dict[str, str]:
        """The port's key of each of our keys."""
        ours = [key.rpartition(".") for key in self.shapes()]
        return {f"{module}.{leaf}": f"{self.modules.get(module, module)}.{leaf}" for module, _, leaf in ours}

    def shapes(self) -> dict[str, torch.Size]:
        """The shape behind each of our keys."""
        return _shapes(self.name, self.config)


@cache
def _shapes(name: str, config: Any) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in build_network(name, config).state_dict().items()}


def _numbered(ours: str, theirs: str) -> dict[str, str]:
    """Name by name: `coarse.*.conv` with `a b` gives coarse.0.conv: a, coarse.1.conv: b."""
    return {ours.replace("*", str(i)): name for i, name in enumerate(theirs.split())}


def _deepfill_pytorch(dilated: str, attention: str) -> dict[str, str]:
    def row(prefix: str, *numbers: int) -> str:
        return " ".join(f"{prefix}conv_bn{i}.conv" for i in numbers)

    def down(prefix: str) -> str:
        return " ".join(f"{prefix}down_block{i}.{c}.conv" for i in (1, 2) for c in ("conv1_downsample", "conv2"))

    def up(prefix: str) -> str:
        return " ".join(f"{prefix}up_block{i}.{c}.conv" for i in (1, 2) for c in ("conv1_upsample.conv", "conv2"))

    one, two = "stage1.", "stage2."
    d, a = two + dilated, two + attention
    coarse = f"{one}conv1.conv {down(one)} {row(one, 1, 2, 3, 4, 5, 6, 7)} {up(one)} {one}conv_to_rgb.conv"
    return {
        **_numbered("coarse.*.conv", coarse),
        **_numbered("dilated_branch.*.conv", f"{d}conv1.conv {down(d)} {row(d, 1, 2, 3, 4, 5)}"),
        **_numbered("attention_branch.*.conv", f"{a}conv1.conv {down(a)} {row(a, 1)}"),
        "attention": f"{two}contextual_attention",
        **_numbered("attended.*.conv", row(a, 4, 5)),
        **_numbered("merged.*.conv", f"{row(two, 6, 7)} {up(two)} {two}conv_to_rgb.conv"),
    }


def _deepfill_tensorflow() -> dict[str, str]:
    ends = {2: "_downsample", 4: "_downsample", 7: "_atrous", 8: "_atrous", 9: "_atrous", 10: "_atrous"}
    ends |= {13: "_upsample.conv", 15: "_upsample.conv"}

    def row(prefix: str, numbers: range) -> str:
        return " ".join(f"{prefix}conv{i}{ends.get(i, '')}.conv" for i in numbers)

    return {
        **_numbered("coarse.*.conv", row("", range(1, 18))),
        **_numbered("dilated_branch.*.conv", row("x", range(1, 11))),
        **_numbered("attention_branch.*.conv", row("pm", range(1, 7))),
        **_numbered("attended.*.conv", "pmconv9.conv pmconv10.conv"),
        **_numbered("merged.*.conv", row("all", range(11, 18))),
    }


def _glcic() -> dict[str, str]:
    convs = [f"{'de' if i in (13, 15) else ''}conv{i}" for i in range(1, 17)]
    ours = [f"{part}.{i}" for part, count in (("encoder", 6), ("bottleneck", 4), ("decoder", 6)) for i in range(count)]
    pairs = dict(zip(ours, convs, strict=True))
    norms = {f"{our}.norm": re.sub("(de)?conv", "bn", conv) for our, conv in pairs.items()}
    return {f"{our}.conv": conv for our, conv in pairs.items()} | norms | {"exit": "conv17"}


PORTS = (
    Port("deepfill-v2", "nipponjo/deepfillv2-pytorch", _deepfill_pytorch("conv_", "ca_")),
    Port(
        "deepfill-v2", "nipponjo/deepfillv2-pytorch (its earlier names)", _deepfill_pytorch("b1_", "b2_"),
        optional=("fuse_weight",),
    ),
    Port(
        "deepfill-v2", "nipponjo/deepfillv2-pytorch (networks_tf)", _deepfill_tensorflow(),
        DeepFillV2Config(tensorflow=True),
    ),
    Port("glcic", "otenim/GLCIC-PyTorch", _glcic(), optional=("num_batches_tracked",)),
    *(Port(name, "a state dict of this project", {}) for name in NETWORKS),
)  # fmt: skip
