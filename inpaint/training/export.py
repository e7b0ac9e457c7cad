"""`python -m inpaint.training.export RUN OUT`: write a run's averaged generator as a weights file."""

import argparse
from pathlib import Path

import torch

from inpaint.models.dilated import Dilated
from inpaint.models.weights import save_weights


def export(run: Path, output: Path, data: str) -> dict[str, object]:
    """Write the averaged generator of a run's last state.

    Args:
        run: folder with `state.pt`.
        output: file to write.
        data: what the run was trained on, for the file's header.

    Returns:
        the training record that was put into the header.
    """
    state = torch.load(run / "state.pt", map_location="cpu", weights_only=True)
    network = Dilated()
    network.load_state_dict(state["averaged"], strict=True)
    record = {
        "data": data, "steps": state["step"], "images": state["seen"], "minutes": round(state["seconds"] / 60, 1),
        "settings": state["config"],
    }  # fmt: skip
    save_weights(network, "dilated", output, record)
    return record


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m inpaint.training.export", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", required=True, help="what it was trained on")
    args = parser.parse_args()
    print(export(args.run, args.output, args.data))


if __name__ == "__main__":
    main()
