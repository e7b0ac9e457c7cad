"""`inpaint mask KIND PHOTO... -o OUT`: make masks instead of painting them."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.commands.mask_files import (
    keep_apart,
    make_folder,
    named_files,
    one_place,
    outputs_of,
    save_mask,
    save_preview,
)  # fmt: skip
from inpaint.commands.shared import add_threads, set_threads
from inpaint.errors import shown
from inpaint.options import MASK_IS

if TYPE_CHECKING:
    from inpaint.masking.pixels import Mask

NUMBERS = re.compile(r"-[\d.]")  # how a word begins that is a place left of or above the photo, and no option


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its kinds."""
    command = commands.add_parser("mask", help="make a mask", description="Make masks instead of painting them.")
    kinds = command.add_subparsers(dest="kind", required=True, metavar="KIND")
    text = _kind(kinds, "text", "text, watermarks, date stamps, subtitles", run_rule)
    _sensitivity(text)
    text.add_argument("--boxes", action="store_true", help="whole boxes instead of the letters' strokes")
    thing = _kind(kinds, "object", "an object that a click, a box or a scribble points at", run_rule)
    thing.add_argument("--click", action="append", default=[], metavar="X,Y", help="a point on the object; repeatable")
    thing.add_argument("--minus", action="append", default=[], metavar="X,Y", help="a point not on it; repeatable")
    thing.add_argument("--box", metavar="X,Y,W,H", help="around the object, in pixels or per cent")
    thing.add_argument("--scribble", type=Path, metavar="FILE", help="a mask painted roughly on the object")
    thing.add_argument("--shadow", action="store_true", help="take the soft shadow beneath it, too")
    thing.add_argument(
        "--engine", choices=("auto", "sam", "embedded"), default="auto",
        help="sam is MobileSAM, whose files INPAINT_SAM names (default: auto, sam where it is found)",
    )  # fmt: skip
    scratches = _kind(kinds, "scratches", "dust, scratches and cracks of scanned prints", run_rule)
    _sensitivity(scratches)
    scratches.add_argument("--only", choices=("light", "dark"), help="only marks lighter or darker than the picture")
    region = _kind(kinds, "region", "a place said in words, the same in all photos", run_rule)
    region.add_argument("--region", required=True, metavar="WORDS", help="such as 'bottom-right 18%%x6%%'")
    repeated = _kind(kinds, "repeated", "what many photos share: a logo, sensor dust", run_repeated)
    _sensitivity(repeated)
    edit = _kind(kinds, "edit", "masks combined, then changed in the order of these options", run_edit)
    edit.add_argument("--combine", choices=("union", "intersection", "difference"), default="union")
    edit.add_argument("--invert", action="store_true")
    for name in ("shrink", "grow", "smooth"):
        edit.add_argument(f"--{name}", type=float, default=0, metavar="PX")
    edit.add_argument("--fill-holes", action="store_true")
    edit.add_argument(
        "--mask-is", choices=MASK_IS, default="white",
        help="what the hole is in the files (default: white, as the mask commands write them)",
    )  # fmt: skip
    edit.add_argument("--photo", type=Path, metavar="FILE", help="the photo that --preview shows the mask on")
    cut = _kind(kinds, "silhouettes", "object shapes cut from photos, for training (an .npz file)", run_silhouettes)
    cut.add_argument("--seed", type=int, default=0)


def _kind(kinds: Any, name: str, help_text: str, function: Callable[[argparse.Namespace], None]) -> Any:
    kind = kinds.add_parser(name, help=help_text, description=f"Mask: {help_text}.")
    kind._negative_number_matcher = NUMBERS  # argparse knows -1, but not -1,5
    kind.add_argument("photos", type=Path, nargs="+", metavar="MASK" if name == "edit" else "PHOTO",
                      help="files, or folders of them")  # fmt: skip
    kind.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                      help="a file; a folder where there are several photos")  # fmt: skip
    if name != "silhouettes":
        kind.add_argument("--preview", type=Path, metavar="FILE", help="the mask shown on its photo; or a folder")
        kind.add_argument("--dilate", type=float, default=0, metavar="PX", help="widen the mask by a margin")
        kind.add_argument("--within", metavar="X,Y,W,H", help="only there, in pixels or per cent")
    kind.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_threads(kind)
    kind.set_defaults(run=function)
    return kind


def _sensitivity(command: Any) -> None:
    command.add_argument(
        "--sensitivity", type=float, default=0.5, metavar="0..1", help="how much is taken (default: 0.5)"
    )


def _rule(args: argparse.Namespace) -> Any:
    """The command's arguments as a mask rule."""
    from inpaint.masking.rules import parse_rule

    settings: dict[str, Any] = {"kind": args.kind, "dilate": args.dilate}
    if args.within:
        settings["within"] = args.within
    if args.kind in ("text", "scratches", "repeated"):
        settings["sensitivity"] = args.sensitivity
    if args.kind == "text":
        settings["boxes"] = args.boxes
    elif args.kind == "scratches" and args.only:
        settings["dark" if args.only == "light" else "light"] = False
    elif args.kind == "region":
        settings["region"] = args.region
    elif args.kind == "object":
        settings.update(clicks="/".join(args.click) or [], minus="/".join(args.minus) or [])
        settings.update(shadow=args.shadow, engine=args.engine)
        if args.box:
            settings["box"] = args.box
        if args.scribble:
            settings["scribble"] = args.scribble
    return parse_rule(settings)


def run_rule(args: argparse.Namespace) -> None:
    """Make one mask a photo; a bad photo is named and does not stop the others.

    Raises:
        InpaintError: the kind needs something that is not installed.
    """
    from inpaint.errors import InpaintError
    from inpaint.photo.files import load_photo

    rule = _rule(args)
    if args.kind == "text":
        from inpaint.masking.text import check_detector

        check_detector()
    elif args.kind == "object" and args.engine == "sam":
        from inpaint.masking.sam import how_to_get, sam_available

        if not sam_available():
            raise InpaintError(how_to_get())
    _each(args, lambda file: (pixels := load_photo(file).pixels, rule(pixels)))


def run_repeated(args: argparse.Namespace) -> None:
    """Make one mask for all photos of a size."""
    from dataclasses import replace

    from inpaint.errors import EmptyMask, InpaintError, MaskError, OutputError
    from inpaint.masking.repeated import LEAST, repeated_masks
    from inpaint.photo.files import check_output, load_photo

    set_threads(args.threads)
    rule, files = _rule(args), named_files(args.photos)
    output, seen = one_place(args, files)
    folder = os.path.isdir(output) or not output.suffix
    failures: list[str] = []
    samples: dict[tuple[int, int], Path] = {}

    def photos() -> Iterator[Any]:
        for file in files:
            try:
                pixels = load_photo(file).pixels
            except InpaintError as error:
                failures.append(str(error))
                print(f"error: {error}", file=sys.stderr)
                continue
            samples.setdefault((pixels.shape[0], pixels.shape[1]), file)
            yield pixels

    shared, left_out = repeated_masks(photos(), args.sensitivity)
    for (height, width), count in left_out.items():
        print(f"{count} of {width}x{height} pixels left out: {LEAST} of one size or more are needed")
    if not shared:
        raise MaskError(f"{shown(output)}: not written, no size has {LEAST} photos or more")
    if len(shared) > 1 and not folder:
        sizes = ", ".join(f"{width}x{height}" for height, width in shared)
        raise OutputError(f"{shown(output)}: the photos have the sizes {sizes}, name a folder to get one mask each")
    rule = replace(rule, learned=shared)
    pictures = {shape: load_photo(samples[shape]).pixels for shape in shared}
    masks = {shape: rule(pixels) for shape, pixels in pictures.items()}  # all, before any is written
    for place in (output, seen) if folder else ():
        if place is not None:
            make_folder(place)
    names = {shape: f"repeated-{shape[1]}x{shape[0]}.png" for shape in masks}
    for shape in names if folder else ():
        for place in (output, seen) if masks[shape].any() else ():
            if place is not None:
                check_output(place / names[shape], args.overwrite)
    found = 0
    for shape, mask in masks.items():
        file, preview = (output / names[shape], seen and seen / names[shape]) if folder else (output, seen)
        if not mask.any():
            print(f"{shown(file)}: nothing that the photos of {shape[1]}x{shape[0]} share, not written")
            continue
        found += 1
        save_mask(mask, file, args.overwrite)
        if preview is not None:
            save_preview(pictures[shape], mask, preview, args.overwrite)
        print(f"{shown(file)}: {mask.mean():.2%} of the photo")
    if failures:
        raise InpaintError(f"{len(failures)} of {len(files)} photos could not be read")
    if not found:
        raise EmptyMask("nothing found, no mask was written")


def run_edit(args: argparse.Namespace) -> None:
    """Combine masks, then change the result."""
    from inpaint.errors import EmptyMask, MaskError, OptionError, PhotoError
    from inpaint.masking import edit
    from inpaint.masking.regions import box_mask, parse_box
    from inpaint.photo.decode import open_upright
    from inpaint.photo.files import load_photo
    from inpaint.photo.formats import FORMATS
    from inpaint.photo.masks import picture_to_mask

    if (args.preview is None) != (args.photo is None):
        raise OptionError("a preview of edited masks needs both --preview and --photo")
    if not 0 <= args.dilate <= 10_000:
        raise OptionError(f"dilate must be between 0 and 10000 pixels, got {args.dilate:g}")
    files = named_files(args.photos)
    output = outputs_of(files[:1], args.output, args.overwrite)[0]
    preview = outputs_of(files[:1], args.preview, args.overwrite, tuple(FORMATS), "")[0] if args.preview else None
    if preview is not None:
        keep_apart(photo=[args.photo], mask=[*files, output], preview=[preview])
    masks, notes = [], list[str]()
    for file in files:
        try:
            mask = picture_to_mask(open_upright(file)[0], args.mask_is, notes, shown(file))
        except PhotoError as error:
            raise MaskError(str(error)) from None
        masks.append(mask)
        if mask.shape != masks[0].shape:
            sizes = f"{mask.shape[1]}x{mask.shape[0]} pixels, {shown(files[0])} {masks[0].shape[1]}x{masks[0].shape[0]}"
            raise MaskError(f"{shown(file)}: the mask is {sizes}")
    print(*notes, sep="\n", end="\n" if notes else "")
    mask = edit.combine(*masks, operation=args.combine)
    if args.invert:
        mask = edit.invert(mask)
    mask = edit.smooth(edit.grow(edit.shrink(mask, args.shrink), args.grow), args.smooth)
    if args.fill_holes:
        mask = edit.fill_holes(mask)
    mask = edit.grow(mask, args.dilate)
    if args.within:
        mask &= box_mask(parse_box(args.within, mask.shape), mask.shape)
    if not mask.any():
        raise EmptyMask(f"{shown(output)}: the mask is empty, it was not written")
    pixels = None
    if preview is not None:
        pixels = load_photo(args.photo).pixels
        if pixels.shape[:2] != mask.shape:
            sizes = f"{pixels.shape[1]}x{pixels.shape[0]} pixels, the mask {mask.shape[1]}x{mask.shape[0]}"
            raise MaskError(f"{shown(args.photo)}: the photo is {sizes}")
    save_mask(mask, output, args.overwrite)
    if preview is not None:
        save_preview(pixels, mask, preview, args.overwrite)
    print(f"{shown(output)}: {mask.mean():.2%} of the photo")


def run_silhouettes(args: argparse.Namespace) -> None:
    """Cut shapes from photos and write them as one file."""
    from inpaint.errors import EmptyMask, InpaintError, OptionError, OutputError
    from inpaint.masking.silhouettes import Silhouettes, cut_silhouettes
    from inpaint.photo.files import load_photo
    from inpaint.photo.staging import Staging, check_writable

    set_threads(args.threads)
    if args.seed < 0:
        raise OptionError(f"seed must be 0 or more, got {args.seed}")
    if args.output.suffix != ".npz":
        raise OutputError(f"{shown(args.output)}: silhouettes are written as .npz")
    check_writable(args.output, args.overwrite)
    failures: list[str] = []

    def photos() -> Iterator[Any]:
        for file in named_files(args.photos):
            try:
                yield load_photo(file).pixels
            except InpaintError as error:
                failures.append(str(error))
                print(f"error: {error}", file=sys.stderr)

    shapes = cut_silhouettes(photos(), seed=args.seed)
    if not shapes:
        raise EmptyMask(f"{shown(args.output)}: not written, no object stands out in these photos")
    with Staging(overwrite=args.overwrite) as staging:
        staging.add(args.output, Silhouettes(shapes).to_bytes())
        staging.commit()
    print(f"{shown(args.output)}: {len(shapes)} silhouettes")
    if failures:
        raise InpaintError(f"{len(failures)} photos could not be read")


def _each(args: argparse.Namespace, make: Callable[[Path], tuple[Any, "Mask"]]) -> None:
    """Make, write and show one mask a file; failures are listed and counted at the end."""
    from inpaint.errors import EmptyMask, InpaintError, OptionError
    from inpaint.photo.formats import FORMATS

    set_threads(args.threads)
    files = named_files(args.photos)
    outputs = outputs_of(files, args.output, args.overwrite)
    previews: list[Any] = [None] * len(files)
    if args.preview:
        previews = outputs_of(files, args.preview, args.overwrite, tuple(FORMATS), "")
    keep_apart(photo=files, mask=outputs, preview=[preview for preview in previews if preview])
    failed, refused, empty = [], 0, 0
    for file, output, preview in zip(files, outputs, previews, strict=True):
        try:
            pixels, mask = make(file)
            if not mask.any():
                empty += 1
                print(f"{shown(file)}: nothing found, no mask was written")
                continue
            save_mask(mask, output, args.overwrite)
            if preview is not None:
                save_preview(pixels, mask, preview, args.overwrite)
        except InpaintError as error:
            text = str(error) if shown(file) in str(error) else f"{shown(file)}: {error}"
            if len(files) == 1:
                raise OptionError(text) if isinstance(error, OptionError) else error from None
            failed.append(text)
            refused += isinstance(error, OptionError)
            print(f"error: {text}", file=sys.stderr)
            continue
        print(f"{shown(output)}: {mask.mean():.2%} of the photo")
    if failed:
        kind = OptionError if refused == len(files) else InpaintError  # words that fit no photo are wrong words
        raise kind(f"{len(failed)} of {len(files)} photos failed")
    if empty == len(files):
        raise EmptyMask("nothing found, no mask was written")
