"""The command line: parse, call one function, show the result."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from inpaint.errors import InpaintError
from inpaint.options import FillOptions


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; fill settings come from `FillOptions`."""
    parser = argparse.ArgumentParser(prog="inpaint", description="Fill holes in photos, changing nothing else.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("fill", help="fill one photo", description="Fill the hole that a mask marks.")
    command.add_argument("photo", type=Path, metavar="PHOTO")
    command.add_argument("mask", type=Path, metavar="MASK", help="picture whose white (or painted layer) is the hole")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    for option in fields(FillOptions):
        command.add_argument(
            f"--{option.name}", type=type(option.default), default=option.default,
            choices=option.metadata.get("choices"), help=f"{option.metadata['help']} (default: {option.default})",
        )  # fmt: skip
    command.add_argument("--model", default="dilated", help="network (default: dilated)")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights file in place of the shipped one")
    command.add_argument("--seed", type=int, default=0, help="accepted for scripts; today's engines draw no numbers")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    command.add_argument("--report", type=Path, metavar="FILE.json", help="write what was done as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace an existing output")
    command.set_defaults(run=run_fill)
    return parser


def run_fill(args: argparse.Namespace) -> None:
    """Fill one photo and say what was done."""
    import torch

    from inpaint.errors import EmptyMask, MaskError, OptionError, OutputError
    from inpaint.inpainter import Inpainter
    from inpaint.photo.files import check_output, load_photo, save_photo
    from inpaint.photo.masks import check_mask, load_mask

    options = FillOptions(**{option.name: getattr(args, option.name) for option in fields(FillOptions)})
    if args.threads is not None:
        if args.threads < 1:
            raise OptionError(f"threads must be at least 1, got {args.threads}")
        torch.set_num_threads(args.threads)
    check_output(args.output, args.overwrite)
    notes: list[str] = []
    photo = load_photo(args.photo)
    mask = load_mask(args.mask, photo.pixels.shape[:2], notes)
    try:
        check_mask(mask)
    except EmptyMask as error:
        raise EmptyMask(f"{args.mask}: {error}") from None
    except MaskError as error:
        raise MaskError(f"{args.mask}: {error}") from None
    result = Inpainter.load(args.model, args.weights, args.device).fill(photo.pixels, mask, options, notes)
    save_photo(photo.with_pixels(result.photo), args.output, args.overwrite)
    report = result.report
    if args.report:
        try:
            args.report.write_text(report.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{args.report}: cannot be written ({error.strerror})") from None
    for note in report.notes:
        print(note)
    engines = ", ".join(sorted({hole.engine for hole in report.holes}))
    print(f"{args.output}: {report.filled_pixels:,} pixels filled by {engines} in {report.seconds['total']:.2f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 nothing to do."""
    args = build_parser().parse_args(arguments)
    try:
        args.run(args)
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def console() -> None:
    """The installed `inpaint` command."""
    sys.exit(main())
