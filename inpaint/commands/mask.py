"""`inpaint mask KIND PHOTO... -o OUT`: make masks instead of painting them."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.commands.shared import add_threads, set_threads
from inpaint.options import MASK_IS

if TYPE_CHECKING:
    from inpaint.masking.pixels import Mask

EXACT = (".png", ".tif", ".tiff", ".bmp", ".webp")
WHY = ", which keep a mask exact"


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


def _files(paths: list[Path]) -> list[Path]:
    """The named files, and the pictures of the named folders.

    Raises:
        PhotoError: a folder holds no picture.
    """
    from inpaint.errors import PhotoError
    from inpaint.photo.formats import FORMATS

    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.suffix.lower() in FORMATS and not f.name.startswith("."))
            if not inside:
                raise PhotoError(f"{path}: the folder holds no picture")
            files += inside
        else:
            files.append(path)
    return files


def _outputs(
    files: list[Path], output: Path, overwrite: bool, endings: tuple[str, ...] = EXACT, why: str = WHY
) -> list[Path]:
    """One output a file, refused before any work is done.

    Raises:
        OutputError: two inputs would have one output, it exists, or cannot be written.
    """
    from inpaint.errors import OutputError
    from inpaint.photo.files import check_output

    if len(files) == 1 and not output.is_dir() and output.suffix:
        outputs = [output]
    else:
        if output.suffix and not output.is_dir():
            raise OutputError(f"{output}: several photos need a folder as output")
        output.mkdir(parents=True, exist_ok=True)
        outputs = [output / f"{file.stem}.png" for file in files]
    taken: dict[Path, Path] = {}
    for file, out in zip(files, outputs, strict=True):
        if out in taken:
            raise OutputError(f"{out}: {taken[out]} and {file} would both be written there")
        taken[out] = file
        if out.suffix.lower() not in endings:
            raise OutputError(f"{out}: end the name with one of {' '.join(endings)}{why}")
        check_output(out, overwrite)
    return outputs


def _save_mask(mask: "Mask", path: Path, overwrite: bool) -> None:
    import numpy as np

    from inpaint.photo.files import Photo, save_photo

    grey = np.repeat(mask.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)
    save_photo(Photo(grey, greyscale=True), path, overwrite)


def _save_preview(pixels: Any, mask: "Mask", path: Path, overwrite: bool) -> None:
    from inpaint.masking.preview import overlay
    from inpaint.photo.files import Photo, save_photo

    save_photo(Photo(overlay(pixels, mask)), path, overwrite)


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
    """Make one mask a photo; a bad photo is named and does not stop the others."""
    from inpaint.photo.files import load_photo

    rule = _rule(args)
    _each(args, lambda file: (pixels := load_photo(file).pixels, rule(pixels)))


def run_repeated(args: argparse.Namespace) -> None:
    """Make one mask for all photos of a size."""
    from inpaint.errors import EmptyMask, InpaintError, MaskError, OutputError
    from inpaint.masking.edit import grow
    from inpaint.masking.regions import box_mask, parse_box
    from inpaint.masking.repeated import LEAST, repeated_masks
    from inpaint.photo.files import check_output, load_photo

    set_threads(args.threads)
    files = _files(args.photos)
    folder = args.output.is_dir() or not args.output.suffix
    if not folder:
        _outputs(files[:1], args.output, args.overwrite)
    failures: list[str] = []
    samples: dict[tuple[int, int], Any] = {}

    def photos() -> Iterator[Any]:
        for file in files:
            try:
                pixels = load_photo(file).pixels
            except InpaintError as error:
                failures.append(str(error))
                print(f"error: {error}", file=sys.stderr)
                continue
            samples.setdefault((pixels.shape[0], pixels.shape[1]), pixels)
            yield pixels

    masks, left_out = repeated_masks(photos(), args.sensitivity)
    for (height, width), count in left_out.items():
        print(f"{count} of {width}x{height} pixels left out: {LEAST} of one size or more are needed")
    if not masks:
        raise MaskError(f"{args.output}: not written, no size has {LEAST} photos or more")
    if len(masks) > 1 and not folder:
        sizes = ", ".join(f"{width}x{height}" for height, width in masks)
        raise OutputError(f"{args.output}: the photos have the sizes {sizes}, name a folder to get one mask each")
    found = 0
    if folder:
        args.output.mkdir(parents=True, exist_ok=True)
    for shape, mask in masks.items():
        name = f"repeated-{shape[1]}x{shape[0]}.png"
        output = args.output / name if folder else args.output
        mask = grow(mask, args.dilate)
        if args.within:
            mask &= box_mask(parse_box(args.within, shape), shape)
        if not mask.any():
            print(f"{output}: nothing that the photos of {shape[1]}x{shape[0]} share, not written")
            continue
        found += 1
        check_output(output, args.overwrite)
        _save_mask(mask, output, args.overwrite)
        if args.preview:
            preview = args.preview / name if folder else args.preview
            preview.parent.mkdir(parents=True, exist_ok=True)
            _save_preview(samples[shape], mask, preview, args.overwrite)
        print(f"{output}: {mask.mean():.2%} of the photo")
    if failures:
        raise InpaintError(f"{len(failures)} of {len(files)} photos could not be read")
    if not found:
        raise EmptyMask("nothing found, no mask was written")


def run_edit(args: argparse.Namespace) -> None:
    """Combine masks, then change the result."""
    from inpaint.errors import EmptyMask, MaskError, OptionError, PhotoError
    from inpaint.masking import edit
    from inpaint.masking.preview import overlay
    from inpaint.masking.regions import box_mask, parse_box
    from inpaint.photo.decode import open_upright
    from inpaint.photo.files import load_photo
    from inpaint.photo.formats import FORMATS
    from inpaint.photo.masks import picture_to_mask

    if (args.preview is None) != (args.photo is None):
        raise OptionError("a preview of edited masks needs both --preview and --photo")
    files = _files(args.photos)
    output = _outputs(files[:1], args.output, args.overwrite)[0]
    preview = _outputs(files[:1], args.preview, args.overwrite, tuple(FORMATS), "")[0] if args.preview else None
    masks, notes = [], list[str]()
    for file in files:
        try:
            masks.append(picture_to_mask(open_upright(file)[0], args.mask_is, notes, str(file)))
        except PhotoError as error:
            raise MaskError(str(error)) from None
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
        raise EmptyMask(f"{output}: the mask is empty, it was not written")
    shown = None
    if preview is not None:
        shown = load_photo(args.photo).pixels
        overlay(shown, mask)  # refuses a photo of another size before anything is written
    _save_mask(mask, output, args.overwrite)
    if preview is not None:
        _save_preview(shown, mask, preview, args.overwrite)
    print(f"{output}: {mask.mean():.2%} of the photo")


def run_silhouettes(args: argparse.Namespace) -> None:
    """Cut shapes from photos and write them as one file."""
    from inpaint.errors import EmptyMask, InpaintError, OutputError
    from inpaint.masking.silhouettes import Silhouettes, cut_silhouettes
    from inpaint.photo.files import load_photo

    set_threads(args.threads)
    if args.output.suffix != ".npz":
        raise OutputError(f"{args.output}: silhouettes are written as .npz")
    if args.output.exists() and not args.overwrite:
        raise OutputError(f"{args.output}: exists already, use --overwrite to replace it")
    failures: list[str] = []

    def photos() -> Iterator[Any]:
        for file in _files(args.photos):
            try:
                yield load_photo(file).pixels
            except InpaintError as error:
                failures.append(str(error))
                print(f"error: {error}", file=sys.stderr)

    shapes = cut_silhouettes(photos(), seed=args.seed)
    if not shapes:
        raise EmptyMask(f"{args.output}: not written, no object stands out in these photos")
    try:
        Silhouettes(shapes).save(args.output)
    except OSError as error:
        raise OutputError(f"{args.output}: cannot be written ({error.strerror})") from None
    print(f"{args.output}: {len(shapes)} silhouettes")
    if failures:
        raise InpaintError(f"{len(failures)} photos could not be read")


def _each(args: argparse.Namespace, make: Callable[[Path], tuple[Any, "Mask"]]) -> None:
    """Make, write and show one mask a file; failures are listed and counted at the end."""
    from inpaint.errors import EmptyMask, InpaintError, OptionError
    from inpaint.photo.formats import FORMATS

    set_threads(args.threads)
    files = _files(args.photos)
    outputs = _outputs(files, args.output, args.overwrite)
    previews: list[Any] = [None] * len(files)
    if args.preview:
        previews = _outputs(files, args.preview, args.overwrite, tuple(FORMATS), "")
    failed, empty = [], 0
    for file, output, preview in zip(files, outputs, previews, strict=True):
        try:
            pixels, mask = make(file)
            if not mask.any():
                empty += 1
                print(f"{file}: nothing found, no mask was written")
                continue
            _save_mask(mask, output, args.overwrite)
            if preview is not None:
                _save_preview(pixels, mask, preview, args.overwrite)
        except InpaintError as error:
            text = str(error) if str(file) in str(error) else f"{file}: {error}"
            if len(files) == 1:
                raise OptionError(text) if isinstance(error, OptionError) else error from None
            failed.append(text)
            print(f"error: {text}", file=sys.stderr)
            continue
        print(f"{output}: {mask.mean():.2%} of the photo")
    if failed:
        raise InpaintError(f"{len(failed)} of {len(files)} photos failed")
    if empty == len(files):
        raise EmptyMask("nothing found, no mask was written")
