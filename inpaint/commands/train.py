"""`inpaint train --photos ... --output RUN`: train a generator on your photos."""

import argparse
from pathlib import Path

from inpaint.commands.shared import add_threads, set_threads

PRESET_NAMES = (  # a test compares them
    "dilated", "dilated-long", "dilated-large", "dilated-refine", "glcic", "deepfill-v1", "deepfill-v2", "smoke",
)  # fmt: skip


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("train", help="train a generator on your photos", description=__doc__)
    command.add_argument(
        "--photos", type=Path, nargs="+", required=True, metavar="PATH", help="folders, photos and .tar files of photos"
    )
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    command.add_argument("--preset", choices=PRESET_NAMES, default="dilated", help="recipe (default: dilated)")
    command.add_argument("--size", type=int, metavar="PX", help="side of the crops (default: the preset's)")
    command.add_argument("--batch", type=int, metavar="N", help="crops a step (default: the preset's)")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="length of the run, earlier parts included")
    length.add_argument("--minutes", type=float, metavar="M", help="length of the run, earlier parts included")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add_threads(command)
    command.add_argument("--nets", type=Path, metavar="DIR", help="SqueezeNet and LPIPS files (or INPAINT_NETS)")
    command.add_argument("--init", type=Path, metavar="WEIGHTS", help="weights file to start from")
    command.add_argument(
        "--widen", action="store_true", help="give the network of --init the preset's channels; its fills stay the same"
    )
    command.add_argument(
        "--silhouettes", type=Path, metavar="FILE|DIR",
        help="give half of the object masks these shapes: from `inpaint mask silhouettes` (.npz), or a folder of masks",
    )  # fmt: skip
    command.add_argument("--only", type=Path, metavar="LIST", help="learn from the photos named in a text file alone")
    command.add_argument("--resume", action="store_true", help="go on from the state in the run's folder")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Train until the run is over, or until Ctrl+C, which saves."""
    from dataclasses import replace

    from inpaint.training.config import PRESETS
    from inpaint.training.run import run_training

    set_threads(args.threads)
    named = {name: getattr(args, name) for name in ("size", "batch", "steps", "minutes")}
    given = {name: value for name, value in named.items() if value is not None}
    if args.minutes is not None:
        given["steps"] = None  # of a preset that counts them
    config = replace(PRESETS[args.preset], seed=args.seed, **given)
    trainer = run_training(
        args.photos, args.output, config, args.nets, args.resume, args.init, args.device, args.silhouettes, args.only,
        args.widen,
    )
    if trainer.accelerator.is_main_process:
        print(
            f"{args.output / 'state.pt'}: step {trainer.step}, {trainer.seconds / 60:.1f} minutes trained; "
            f"weights in {args.output / 'last.safetensors'}"
        )
