"""Weights files and their cards from a run: `python -m inpaint.training.export RUN OUT` for its last state."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from inpaint.errors import WeightsError
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.registry import NETWORKS
from inpaint.models.weights import save_weights

if TYPE_CHECKING:
    from inpaint.training.trainer import Trainer


def training_record(trainer: "Trainer", data: str, scores: dict[str, Any]) -> dict[str, Any]:
    """What a weights file says of its training: data, length, settings, and validation scores."""
    return {
        "data": data, "steps": trainer.step, "images": trainer.seen, "minutes": round(trainer.seconds / 60, 1),
        "device": str(trainer.device), "precision": trainer.precision, "validation": scores,
        "settings": asdict(trainer.config),
    }  # fmt: skip


def write_card(path: Path, network: InpaintingNetwork, name: str, record: dict[str, Any]) -> None:
    """Write a model card as Markdown next to its weights."""
    parameters = sum(p.numel() for p in network.parameters())
    lines = [f"# {name}", "", "| | |", "|---|---|", f"| parameters | {parameters:,} |"]
    lines += [f"| receptive field | {network.receptive_field} px |", f"| config | `{asdict(network.config)}` |"]
    for key in ("data", "steps", "images", "minutes", "device", "precision", "validation"):
        if key in record:
            lines.append(f"| {key} | {record[key]} |")
    settings = "\n".join(f"- {key}: {value}" for key, value in record["settings"].items())
    path.write_text("\n".join(lines) + "\n\n## Settings\n\n" + settings + "\n", encoding="utf-8")


def export(run: Path, output: Path, data: str) -> dict[str, Any]:
    """Write the averaged generator of a run's last state.

    Args:
        run: folder with `state.pt`.
        output: file to write; its card is written beside it with the ending `.md`.
        data: what the run was trained on, for the file's header.

    Returns:
        the training record that was put into the header.

    Raises:
        WeightsError: the run has no state, or one of an unknown network.
    """
    if not (run / "state.pt").is_file():
        raise WeightsError(f"{run / 'state.pt'}: not found, train first")
    state = torch.load(run / "state.pt", map_location="cpu", weights_only=True)
    config = state["config"]
    name = config.get("network", "dilated")
    if name not in NETWORKS:
        raise WeightsError(f"{run / 'state.pt'}: holds a network {name!r}, known are {', '.join(NETWORKS)}")
    spec = NETWORKS[name]
    network = spec.network(spec.config(**state.get("architecture", config.get("network_config", {}))))
    network.load_state_dict(state["averaged"], strict=True)
    record = {
        "data": data, "steps": state["step"], "images": state["seen"], "minutes": round(state["seconds"] / 60, 1),
        "settings": config,
    }  # fmt: skip
    save_weights(network, name, output, record)
    write_card(output.with_suffix(".md"), network, name, record)
    return record


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m inpaint.training.export", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", required=True, help="what it was trained on")
    args = parser.parse_args()
    record = export(args.run, args.output, args.data)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
