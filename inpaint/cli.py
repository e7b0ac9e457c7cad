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
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    command.add_argument("--report", type=Path, metavar="FILE.json", help="write what was done as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace an existing output")
    command.set_defaults(run=run_fill)
    command = commands.add_parser("train", help="train the generator on your photos")
    command.add_argument("--photos", type=Path, nargs="+", required=True, help="folders and .tar files of photos")
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    command.add_argument("--size", type=int, default=128, help="side of the crops in pixels (default: 128)")
    command.add_argument("--batch", type=int, default=8, help="crops a step (default: 8)")
    command.add_argument("--minutes", type=float, default=60, help="training time, earlier parts included")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    command.add_argument("--nets", type=Path, help="folder of the SqueezeNet and LPIPS files (or INPAINT_NETS)")
    command.add_argument("--init", type=Path, metavar="WEIGHTS", help="weights file to start from")
    command.add_argument("--resume", action="store_true", help="go on from the state in the run's folder")
    command.set_defaults(run=run_train)
    return parser


def run_fill(args: argparse.Namespace) -> None:
    """Fill one photo and say what was done."""
    from inpaint.errors import EmptyMask, MaskError, OutputError
    from inpaint.inpainter import Inpainter
    from inpaint.photo.files import check_output, load_photo, save_photo
    from inpaint.photo.masks import check_mask, load_mask

    options = FillOptions(**{option.name: getattr(args, option.name) for option in fields(FillOptions)})
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


def run_train(args: argparse.Namespace) -> None:
    """Train until the time is over, or until Ctrl+C, which saves."""
    from inpaint.training.run import run_training
    from inpaint.training.trainer import TrainingConfig

    set_threads(args.threads)
    config = TrainingConfig(size=args.size, batch=args.batch, minutes=args.minutes, seed=args.seed)
    trainer = run_training(args.photos, args.output, config, args.nets, args.resume, args.init)
    print(f"{args.output / 'state.pt'}: step {trainer.step}, {trainer.seconds / 60:.1f} minutes trained")


def set_threads(threads: int | None) -> None:
    """Let torch use this many CPU threads; None leaves its choice.

    Raises:
        OptionError: below 1.
    """
    if threads is None:
        return
    if threads < 1:
        from inpaint.errors import OptionError

        raise OptionError(f"threads must be at least 1, got {threads}")
    import torch

    torch.set_num_threads(threads)


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
