"""`inpaint models list|import|verify|export`: the networks, their weights, and other programs' forms of them."""

import argparse
import json
import sys
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("models", help="list networks; import, verify and export their weights")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="all networks, and whether weights of them are shipped")
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(run=run_list)

    convert = actions.add_parser("import", help="turn a published checkpoint into a weights file")
    convert.add_argument("file", type=Path, metavar="FILE", help="checkpoint (.pth, .pt, .safetensors)")
    convert.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.safetensors")
    convert.add_argument("--model", metavar="NAME", help="network that it must be of (default: found by its keys)")
    convert.add_argument(
        "--hole-value", type=float, nargs="+", metavar="V",
        help="glcic: colour in [0, 1] that it was trained to see in the hole, one number or three",
    )  # fmt: skip
    convert.add_argument("--overwrite", action="store_true", help="replace an existing output")
    convert.set_defaults(run=run_import)

    verify = actions.add_parser("verify", help="check weights: whole, of their network, able to fill")
    verify.add_argument("what", nargs="*", metavar="NAME|FILE", help="networks or files (default: all shipped weights)")
    verify.set_defaults(run=run_verify)

    export = actions.add_parser("export", help="write a network as ONNX")
    export.add_argument("what", metavar="NAME|FILE")
    export.add_argument("--onnx", type=Path, required=True, metavar="FILE.onnx")
    export.add_argument("--weights", type=Path, metavar="FILE", help="weights in place of the shipped ones")
    export.add_argument("--guide", action="store_true", help="with the inputs for filling octave by octave")
    export.add_argument("--overwrite", action="store_true", help="replace an existing output")
    export.set_defaults(run=run_export)


def check_output(path: Path, ending: str, overwrite: bool) -> None:
    """Refuse an output path before any work is done.

    Raises:
        OutputError: another ending, a missing or read-only folder, or the file exists and `overwrite` is False.
    """
    from inpaint.errors import OutputError, shown
    from inpaint.photo.staging import check_writable

    if path.suffix != ending:
        raise OutputError(f"{shown(path)}: the name must end in {ending}")
    check_writable(path, overwrite)


def run_list(args: argparse.Namespace) -> None:
    """Show every network, as its shipped weights have it, else as it is built by default, and all other weights."""
    from inpaint.masking.sam import sam_status
    from inpaint.models import build_network
    from inpaint.models.receptive_field import theoretical_field
    from inpaint.models.registry import NETWORKS
    from inpaint.models.weights import known_names, load_weights, shipped_weights, spec_of

    rows, files = [], shipped_weights()
    for name in known_names():
        shipped = files.get(name)
        known = name if name in NETWORKS else None
        network = build_network(name) if shipped is None else load_weights(shipped, known)[0]
        field, paper = theoretical_field(network), spec_of(name).paper
        rows.append({
            "name": name, "parameters": sum(p.numel() for p in network.parameters()), "receptive_field": field.field,
            "sees_everything": list(field.global_parts), "weights": shipped and str(shipped), "follows": paper,
        })  # fmt: skip
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'name':18} {'parameters':>11} {'sees':>7}  {'weights':8} follows")
    for row in rows:
        weights = "shipped" if row["weights"] else "-"
        print(f"{row['name']:18} {row['parameters']:>11,} {row['receptive_field']:>4} px  {weights:8} {row['follows']}")
    print(sam_status(), file=sys.stderr)  # no network of ours, so no row of the table


def run_import(args: argparse.Namespace) -> None:
    """Turn a published checkpoint into a weights file."""
    import hashlib

    import torch
    from safetensors import SafetensorError

    from inpaint.errors import OptionError, OutputError
    from inpaint.models.importers import load_checkpoint
    from inpaint.models.weights import save_weights

    check_output(args.output, ".safetensors", args.overwrite)
    value = args.hole_value
    if value is not None and len(value) not in (1, 3):
        raise OptionError(f"--hole-value takes one number or three, got {len(value)}")
    colour = None if value is None else value[0] if len(value) == 1 else tuple(value)
    network, port = load_checkpoint(args.file, args.model, colour)
    origin = {"file": args.file.name, "sha256": hashlib.sha256(args.file.read_bytes()).hexdigest(), "form": port.source}
    try:
        save_weights(network, port.name, args.output, {"imported": origin}, torch.float32)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{args.output}: cannot be written ({error})") from None
    print(f"{args.output}: {port.name}, in the form of {port.source}")


def run_verify(args: argparse.Namespace) -> None:
    """Load weights strictly and fill a small photo with them."""
    from inpaint.errors import InpaintError
    from inpaint.models.loading import load_any
    from inpaint.models.runtime import try_out
    from inpaint.models.weights import shipped_weights

    failures: list[InpaintError] = []
    for what in args.what or shipped_weights():
        try:
            network = load_any(what)
            try_out(network, Path(what))
            print(f"{what}: whole, and fills")
        except InpaintError as error:
            failures.append(error)
    for failure in failures[:-1]:
        print(f"error: {failure}", file=sys.stderr)
    if failures:
        raise failures[-1]


def run_export(args: argparse.Namespace) -> None:
    """Write a network as ONNX and compare the two."""
    import torch

    from inpaint.errors import InpaintError, OptionError
    from inpaint.models.export import export_onnx
    from inpaint.models.loading import load_any
    from inpaint.models.runtime import OnnxNetwork

    check_output(args.onnx, ".onnx", args.overwrite)
    network = load_any(args.what, args.weights)
    if network.config is None:
        raise OptionError(f"{args.what}: is a program already, only networks of this project are exported")
    if args.guide and not network.takes_guide:
        raise OptionError(f"{args.what} takes no guide")
    difference = 0.0

    def compare(file: Path) -> None:
        nonlocal difference
        torch.manual_seed(0)
        photo, mask = torch.rand(1, 3, 100, 75) * 2 - 1, (torch.rand(1, 1, 100, 75) > 0.7).float()
        with torch.no_grad():
            difference = float((network(photo, mask) - OnnxNetwork(file)(photo, mask)).abs().max())
        if difference > 1e-4:
            raise InpaintError(f"{args.onnx}: gives another fill than the network (by {difference:.1e})")

    export_onnx(network, args.onnx, args.guide, compare, args.overwrite)
    print(f"{args.onnx}: gives the network's fill (largest difference {difference:.1e})")
