"""All networks by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inpaint.errors import OptionError
from inpaint.models.deepfill_v1 import DeepFillV1, DeepFillV1Config
from inpaint.models.deepfill_v2 import DeepFillV2, DeepFillV2Config
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.glcic import GLCIC, GLCICConfig
from inpaint.models.layers import InpaintingNetwork


@dataclass(frozen=True)
class ModelSpec:
    """A network's class, its config class, and what it follows."""

    network: Callable[[Any], InpaintingNetwork]
    config: type[Any]
    paper: str


NETWORKS: dict[str, ModelSpec] = {
    "dilated": ModelSpec(Dilated, DilatedConfig, "dilated bottleneck after Iizuka 2017 and Yu & Koltun 2016"),
    "glcic": ModelSpec(GLCIC, GLCICConfig, "Iizuka 2017"),
    "deepfill-v1": ModelSpec(DeepFillV1, DeepFillV1Config, "Yu 2018"),
    "deepfill-v2": ModelSpec(DeepFillV2, DeepFillV2Config, "Yu 2019"),
}


def find_spec(name: str) -> ModelSpec:
    """The record of a network.

    Raises:
        OptionError: no network has this name.
    """
    if name not in NETWORKS:
        raise OptionError(f"model must be one of {', '.join(NETWORKS)}, got {name!r}")
    return NETWORKS[name]
