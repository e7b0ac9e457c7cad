"""`inpaint fill PHOTO MASK -o OUT`: fill one photo."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inpaint.commands.shared import add_threads, set_threads
from inpaint.errors import OptionError, shown
from inpaint.options import DEFAULT_MODEL, MASK_IS, FillOptions
from inpaint.photo.limits import Limits

if TYPE_CHECKING:
    from inpaint.fill_file import FillJob


def add_fill_options(command: argparse.ArgumentParser) -> None:
    """Every setting of `FillOptions`, and the network that fills."""
    for option in fields(FillOptions):
        command.add_argument(
            f"--{option.name}", type=type(option.default), default=option.default,
            choices=option.metadata.get("choices"), help=f"{option.metadata['help']} (default: {option.default})",
        )  # fmt: skip
    command.add_argument(
        "--model", default=DEFAULT_MODEL,
        help=f"network, name of shipped weights, or a .pt, .pth, .onnx or .safetensors file (default: {DEFAULT_MODEL})",
    )  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights file in place of the shipped one")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add_threads(command)


def fill_options(args: argparse.Namespace) -> FillOptions:
    """The settings that `add_fill_options` parsed."""
    return FillOptions(**{option.name: getattr(args, option.name) for option in fields(FillOptions)})


def add_file_options(command: argparse.ArgumentParser) -> None:
    """How photos and masks are read and outputs written, for `file_options`."""
    command.add_argument("--mask-is", choices=MASK_IS, default="auto", help="which part of the mask is the hole")
    command.add_argument("--lossless", action="store_true", help="never move a kept pixel: PNG where a format would")
    command.add_argument(
        "--verify", action=argparse.BooleanOptionalAction, default=True,
        help="decode the output and compare every pixel outside the hole with the photo (default: yes)",
    )  # fmt: skip
    command.add_argument("--mark", action="store_true", help="state the fill in XMP, write a recipe beside the output")
    command.add_argument("--keep-time", action="store_true", help="give the output the photo's file times")
    for name, value, what in (("pixels", Limits.pixels, "pictures"), ("bytes", Limits.file_bytes, "files")):
        text = f"refuse {what} of more {name} (default: {value:,})"
        command.add_argument(f"--max-{name}", type=int, metavar="N", default=value, help=text)
    command.add_argument("--overwrite", action="store_true", help="replace existing files")


def file_options(args: argparse.Namespace, job: "FillJob") -> "FillJob":
    """A job with the settings that `add_file_options` parsed."""
    return replace(
        job, mask_is=args.mask_is, lossless=args.lossless, verify=args.verify, mark=args.mark, keep_time=args.keep_time,
        overwrite=args.overwrite, limits=Limits(args.max_pixels, args.max_bytes),
    )  # fmt: skip


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("fill", help="fill one photo", description="Fill the hole that a mask marks.")
    command.add_argument("photo", type=Path, metavar="PHOTO", nargs="?")
    command.add_argument("mask", type=Path, metavar="MASK", nargs="?", help="picture that marks the hole")
    command.add_argument("-o", "--output", type=Path, metavar="OUT", help="default: PHOTO's name with _filled")
    command.add_argument("--recipe", type=Path, metavar="FILE", help="do again what a recipe describes")
    command.add_argument("--report", type=Path, metavar="FILE.json", help="write what was done as JSON")
    command.add_argument("--max-memory", metavar="SIZE", help="refuse a photo that may take more, such as 2G")
    add_fill_options(command)
    add_file_options(command)
    names = (*(option.name for option in fields(FillOptions)), "model", "device", "mask_is")
    usual = {name: command.get_default(name) for name in names}
    command.set_defaults(run=run, usual=usual, **dict.fromkeys(usual))  # what is None then was not named


def run(args: argparse.Namespace) -> None:
    """Fill one photo and say what was done."""
    from inpaint.batch.memory import check_memory, parse_bytes
    from inpaint.fill_file import compare_with_recipe, fill_file
    from inpaint.inpainter import Inpainter

    most = parse_bytes(args.max_memory) if args.max_memory else None
    job = _recipe_job(args) if args.recipe else _job(args)
    if most is not None:
        check_memory(job.photo, most)
    made = fill_file(job, lambda: Inpainter.load(job.model, job.weights, job.device))
    for note in made.notes:
        print(note)
    proof = f"; {made.verification.sentence}" if made.verification else ""
    pixels, engines, seconds = made.fill.filled_pixels, made.fill.engines, made.fill.seconds["total"]
    print(f"{shown(job.output)}: {pixels:,} pixels filled by {engines} in {seconds:.2f} s{proof}")
    for one in made.alternatives:
        proof = f"; {one.verification.sentence}" if one.verification else ""
        print(f"{shown(one.path)}: an alternative by {one.engines}{proof}")
    if job.expected:
        print(f"{shown(job.output)}: {compare_with_recipe(made, job.expected)}")


def _job(args: argparse.Namespace) -> "FillJob":
    from inpaint.fill_file import FillJob

    if args.photo is None or args.mask is None:
        raise OptionError("fill needs a PHOTO and a MASK, or --recipe FILE")
    _set_usual(args)
    set_threads(args.threads)
    output = args.output or default_output(args.photo, args.lossless)
    job = FillJob(
        args.photo, args.mask, output, fill_options(args), report=args.report, model=args.model, weights=args.weights,
        device=args.device,
    )  # fmt: skip
    return file_options(args, job)


def _set_usual(args: argparse.Namespace) -> None:
    """Give each option that was not named its usual value."""
    for name, value in args.usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def default_output(photo: Path, lossless: bool) -> Path:
    """`holiday.jpg` -> `holiday_filled.jpg`; `.png` where `lossless` is asked of a format that is not.

    A file whose name says another format than its contents, such as a PNG named `.jpg`, keeps its contents' format.
    """
    from inpaint.photo.decode import format_inside
    from inpaint.photo.formats import BY_NAME, FORMATS

    named, inside = FORMATS.get(photo.suffix.lower(), ""), format_inside(photo)
    form = BY_NAME.get(inside or named)
    suffix = photo.suffix if form is None or form.name == named else form.suffixes[0]
    if form is None or (lossless and (form.lossless is not True or form.palette_only)):
        suffix = ".png"
    return photo.with_name(f"{photo.stem}_filled{suffix}")


def _recipe_job(args: argparse.Namespace) -> "FillJob":
    from inpaint.fill_file import job_of_recipe
    from inpaint.photo.provenance import read_recipe

    if args.mask is not None:
        raise OptionError("--recipe holds the mask, so no MASK can be named beside it")
    settled = [name for name in args.usual if getattr(args, name) is not None]
    settled += [n for n in ("lossless", "mark", "keep_time") if getattr(args, n)]
    if settled:
        raise OptionError(f"--{settled[0].replace('_', '-')} is part of the recipe and cannot be named beside it")
    _set_usual(args)
    recipe = read_recipe(args.recipe)
    set_threads(args.threads or recipe.threads)
    output = args.output or default_output(args.photo or Path(recipe.output), False)
    job = job_of_recipe(recipe, args.recipe, args.photo, output, args.weights)
    from_args = file_options(args, job)
    return replace(job, verify=args.verify, overwrite=args.overwrite, limits=from_args.limits, report=args.report)
