"""More channels for a trained `Dilated` network that fills as before: what a narrow one knows is not learnt again.

After Chen, Goodfellow & Shlens 2016, "Net2Net: Accelerating Learning via Knowledge Transfer". Deviates from their
section 2.3: new channels are not copies of old ones but fresh ones that nothing reads yet, so that they need no noise
to become different, and the old ones keep their scale.
"""

from dataclasses import replace

import torch
from torch import Tensor

from inpaint.errors import OptionError
from inpaint.models.dilated import Dilated, DilatedConfig


def widen(network: Dilated, config: DilatedConfig) -> Dilated:
    """A wider network that gives the same fills.

    Args:
        network: trained.
        config: of the wider network; differs in `channels` and `shallow` alone, and neither is smaller.

    Returns:
        On the same device and in the same mode. Weights from old channels to old ones are the old ones; fresh channels
        read everything and are read with weight 0.

    Raises:
        OptionError: the config is of another network, or a smaller one.
    """
    old = network.config
    if replace(config, channels=old.channels, shallow=old.shallow) != old or old.bottleneck != "residual":
        raise OptionError(f"{old} cannot be widened to {config}: only channels and shallow may differ")
    if config.channels < old.channels or config.shallow < old.shallow:
        raise OptionError(
            f"{old.channels} and {old.shallow} channels cannot be widened to {config.channels} and {config.shallow}"
        )
    wider = Dilated(config)
    places = _places(old, config)
    weights = wider.state_dict()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            outputs, inputs = places[name.rpartition(".")[0]]
            _put(weights[name], value.to(weights[name]), outputs, inputs, closed=".mix." in name or "excite" in name)
    wider.load_state_dict(weights)
    return wider.to(next(network.parameters()).device).train(network.training)


def _places(old: DilatedConfig, new: DilatedConfig) -> dict[str, tuple[Tensor, Tensor]]:
    """Where every layer's old outputs and inputs lie among the wider layer's, by the layer's name."""

    def wide(parts: int = 1) -> Tensor:
        return _parts(old.channels, new.channels, parts)

    def shallow(parts: int = 1) -> Tensor:
        return _parts(old.shallow, new.shallow, parts)

    merged = torch.arange(2 * old.shallow)  # in no order that anything after it knows of
    places = {
        "entry.conv": (shallow(2), torch.arange(8 * 4)), "down.conv": (wide(2), shallow()),
        "context.squeeze": (wide(), wide()), "context.excite": (wide(2), wide()),
        "up": (torch.arange(4 * old.shallow), wide()),  # pixel_shuffle: four after each other make a channel
        "merge": (merged, shallow(2)), "exit": (torch.arange(3 * 4), merged),
    }  # fmt: skip
    half = len(old.dilations) // 2
    for k in range(len(old.dilations)):
        block = f"blocks_before.{k}" if k < half else f"blocks_after.{k - half}"
        places |= {f"{block}.dilated": (wide(), wide()), f"{block}.mix": (wide(), wide())}
    return places


def _parts(old: int, new: int, parts: int) -> Tensor:
    """Where `old` channels lie in each of the `parts` of a layer whose parts have `new`."""
    return torch.cat([torch.arange(old) + part * new for part in range(parts)])


def _put(weight: Tensor, old: Tensor, outputs: Tensor, inputs: Tensor, closed: bool) -> None:
    """Put old weights at their places in fresh ones; old outputs read no new input, and `closed` ones give nothing new.

    Args:
        weight: float (O, I, ...) or bias (O,), fresh; changed.
        old: float (o, i, ...) or (o,).
        outputs, inputs: places of the old ones, long (o,) and (i,).
        closed: whether new outputs start as 0: what is added to a sum, or scales it.
    """
    if closed:
        weight.zero_()
    if weight.ndim == 1:
        weight[outputs] = old
        return
    weight[outputs] = 0
    weight[outputs[:, None], inputs[None]] = old
