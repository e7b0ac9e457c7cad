"""`inpaint fill PHOTO MASK -o OUT`: fill one photo."""

import argparse
from dataclasses import fields
from pathlib import Path

from inpaint.commands.shared import add_threads, set_threads
from inpaint.options import FillOptions


def add_fill_options(command: argparse.ArgumentParser) -> None:
    """Every setting of `FillOptions`, and the network that fills."""
    for option in fields(FillOptions):
        command.add_argument(
            f"--{option.name}", type=type(option.default), default=option.default,
            choices=option.metadata.get("choices"), help=f"{option.metadata['help']} (default: {option.default})",
        )  # fmt: skip
    command.add_argument("--model", default="dilated", help="network, or a .pt, .pth or .onnx file (default: dilated)")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights file in place of the shipped one")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add_threads(command)


def fill_options(args: argparse.Namespace) -> FillOptions:
    """The settings that `add_fill_options` parsed."""
    return FillOptions(**{option.name: getattr(args, option.name) for option in fields(FillOptions)})


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("fill", help="fill one photo", description="Fill the hole that a mask marks.")
    command.add_argument("photo", type=Path, metavar="PHOTO")
    command.add_argument("mask", type=Path, metavar="MASK", help="picture whose white (or painted layer) is the hole")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    add_fill_options(command)
    command.add_argument("--report", type=Path, metavar="FILE.json", help="write what was done as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace an existing output")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Fill one photo and say what was done."""
    from inpaint.errors import EmptyMask, MaskError, OutputError
    from inpaint.inpainter import Inpainter
    from inpaint.photo.files import check_output, load_photo, save_photo
    from inpaint.photo.masks import check_mask, load_mask

    options = fill_options(args)
    set_threads(args.threads)
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
    seconds = report.seconds["total"]
    print(f"{args.output}: {report.filled_pixels:,} pixels filled by {report.engines} in {seconds:.2f} s")
