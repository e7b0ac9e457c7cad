"""`inpaint fit PHOTO... -o WEIGHTS`: fine-tune weights on the known pixels of your own photos."""

import argparse
import os
from pathlib import Path

from inpaint.commands.shared import add_threads, set_threads


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("fit", help="fine-tune weights on your own photos", description=__doc__)
    command.add_argument("photos", type=Path, nargs="+", metavar="PHOTO", help="photos, or folders of them")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="WEIGHTS", help="weights file to write")
    command.add_argument("-m", "--masks", type=Path, help="mask, or folder of masks named like the photos: not learnt")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights to start from (default: the shipped)")
    command.add_argument("--minutes", type=float, default=5, help="training time (default: 5)")
    command.add_argument("--nets", type=Path, metavar="DIR", help="SqueezeNet and LPIPS files (or INPAINT_NETS)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_threads(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Fine-tune, and say what it did to fixed holes in the same photos."""
    from inpaint.errors import InpaintError, NothingToDo, shown
    from inpaint.training.fit import fit
    from inpaint.training.run import NETS_VARIABLE

    set_threads(args.threads)
    nets = args.nets or (Path(os.environ[NETS_VARIABLE]) if os.environ.get(NETS_VARIABLE) else None)
    photos: list[Path] = args.photos
    masks: dict[str, list[Path]] = {}
    if args.masks:
        photos, masks = _masked(args.photos, args.masks)
        if not masks:
            raise NothingToDo(f"{shown(args.masks)}: no photo has a mask there")
        print(f"{len(masks)} of {len(photos)} photos have masks, which are not learnt")
    result = fit(photos, args.output, masks, args.weights, args.minutes, nets, args.device, args.seed, args.overwrite)
    name = "L1 in the hole" if result.before.lpips is None else "LPIPS"
    change = f"{name} {result.before.loss:.4f} -> {result.after.loss:.4f} after {result.steps} steps"
    if not args.output.exists() or result.after.loss >= result.before.loss:
        raise InpaintError(f"{args.output}: not written, training made the fills of these photos no better ({change})")
    print(f"{args.output}: fitted to {result.photos} photos, {change}")


def _masked(photos: list[Path], masks: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """Photos of the inputs, and the masks of those that have some, paired as `batch` does it."""
    from inpaint.batch.plan import mask_pairs
    from inpaint.errors import MaskError
    from inpaint.training.data import SUFFIXES

    if not masks.exists():
        raise MaskError(f"{masks}: file not found")
    pairs = mask_pairs([str(photo) for photo in photos], str(masks))
    found = {Path(pair.photo.place): [Path(mask.place) for mask in pair.masks] for pair in pairs}
    # what is named and cannot be learnt from is kept: `fit` refuses it
    learnt = {photo: files for photo, files in found.items() if photo in photos or photo.suffix.lower() in SUFFIXES}
    return list(learnt), {str(photo): files for photo, files in learnt.items() if files}
