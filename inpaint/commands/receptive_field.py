"""`inpaint receptive-field NAME`: how far a network sees, by its layers and in fact, and which holes it sees across."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from inpaint.commands.shared import add_threads, set_threads

if TYPE_CHECKING:
    from torch import nn

    from inpaint.models.receptive_field import Field

MODULES = ("context-module", "context-module-large")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("receptive-field", help="how far a network sees, and which holes it sees across")
    command.add_argument("what", metavar="NAME|FILE", help=f"network, .pt or .pth file, {' or '.join(MODULES)}")
    command.add_argument("--weights", type=Path, metavar="FILE", help="measure with these weights")
    command.add_argument("--size", type=int, default=256, help="working size in pixels (default: 256)")
    command.add_argument("--hole", type=int, metavar="PX", help="hole to measure with (default: an eighth of the size)")
    command.add_argument("--photo", type=int, metavar="PX", help="longest side of a photo, to give its holes in pixels")
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="draw both fields")
    command.add_argument("--json", action="store_true", help="for machines")
    command.add_argument("--overwrite", action="store_true", help="replace an existing plot")
    add_threads(command)
    command.set_defaults(run=run)


def find(what: str, weights: Path | None) -> "tuple[nn.Module, Field | None, str]":
    """The network of a name or file, its theoretical field, and which weights it has."""
    from inpaint.errors import OptionError, WeightsError
    from inpaint.models import build_network
    from inpaint.models.context_module import ContextModule
    from inpaint.models.loading import load_any
    from inpaint.models.receptive_field import theoretical_field, walk
    from inpaint.models.registry import NETWORKS
    from inpaint.models.weights import default_weights

    if what in MODULES:
        import torch

        if weights is not None:
            raise OptionError(f"{what} takes no weights")
        module = ContextModule(3, large=what == MODULES[1])
        return module, walk(module, torch.zeros(1, 3, 16, 16)), "identity initialisation"
    source = f"weights of {weights or what}"
    if what in NETWORKS and weights is None:
        try:
            default_weights(what)
            source = "shipped weights"
        except WeightsError:
            network = build_network(what).eval()
            return network, theoretical_field(network), "untrained weights"
    network = load_any(what, weights)
    return network, None if network.config is None else theoretical_field(network), source


def run(args: argparse.Namespace) -> None:
    """Print both fields and what follows from them."""
    import torch

    from inpaint.commands.models import check_output
    from inpaint.errors import OptionError
    from inpaint.models.effective_field import draw_fields, effective_field
    from inpaint.models.receptive_field import widest_hole

    if args.size < 16 or (args.photo is not None and args.photo < args.size):
        raise OptionError(f"--size must be at least 16 and --photo not below it, got {args.size} and {args.photo}")
    set_threads(args.threads)
    if args.plot:
        check_output(args.plot, ".png", args.overwrite)
    network, theory, weights = find(args.what, args.weights)
    torch.manual_seed(0)
    call = (lambda photo, _: network(photo)) if args.what in MODULES else network
    hole = args.size // 8 if args.hole is None else args.hole
    measured = effective_field(call, args.size, 0 if args.what in MODULES else hole)
    across = None if theory is None else widest_hole(theory, args.size)
    if args.plot:
        draw_fields(f"{args.what}, {weights}", theory, measured, args.plot, args.overwrite)
    if args.json:
        print(json.dumps({
            "name": args.what, "weights": weights, "field": theory and theory.field, "stride": theory and theory.stride,
            "layers": [vars(layer) for layer in theory.layers] if theory else None,
            "sees_everything": list(theory.global_parts) if theory else None,
            "size": args.size, "hole": measured.hole, "effective_field": measured.field, "widest_hole": across,
        }, indent=2))  # fmt: skip
        return
    if theory is None:
        print(f"{args.what}: its layers are not known, so its field is only measured")
    else:
        print(f"{'layer':32} {'kind':16} {'sees px':>8} {'stride':>7}")
        for layer in theory.layers:
            print(f"{layer.name:32} {layer.kind:16} {layer.field:>8} {layer.stride:>7g}")
        print(f"{args.what}: a pixel sees {theory.field} x {theory.field} px, coarsest stride {theory.stride:g}")
        if theory.global_parts:
            print(f"besides, {', '.join(theory.global_parts)} sees the whole picture")
    holes = f"a hole of {measured.hole} px" if measured.hole else "no hole"
    print(f"in fact, with {weights}, at {args.size} px and {holes}: 95 % of the gradient within {measured.field} px")
    if across is not None:
        whole = " (the whole picture)" if across == args.size else ""
        scaled = f", {across * args.photo // args.size} px of a photo of {args.photo} px" if args.photo else ""
        print(f"at a working size of {args.size} px it sees across holes up to {across} px wide{whole}{scaled}")
    if args.plot:
        print(f"{args.plot}: drawn")
