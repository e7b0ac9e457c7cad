"""All networks by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.layers import InpaintingNetwork


@dataclass(frozen=True)
class ModelSpec:
    """A network's class, its config class, and what it follows."""

    network: Callable[[Any], InpaintingNetwork]
    config: Callable[..., Any]
    paper: str


NETWORKS: dict[str, ModelSpec] = {
    "dilated": ModelSpec(Dilated, DilatedConfig, "dilated bottleneck after Iizuka 2017 and Yu & Koltun 2016"),
}
