"""`inpaint train --photos ... --output RUN`: train the generator on your photos."""

import argparse
from pathlib import Path

from inpaint.commands.shared import add_threads, set_threads


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("train", help="train the generator on your photos")
    command.add_argument("--photos", type=Path, nargs="+", required=True, help="folders and .tar files of photos")
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    command.add_argument("--size", type=int, default=128, help="side of the crops in pixels (default: 128)")
    command.add_argument("--batch", type=int, default=8, help="crops a step (default: 8)")
    command.add_argument("--minutes", type=float, default=60, help="training time, earlier parts included")
    command.add_argument("--seed", type=int, default=0)
    add_threads(command)
    command.add_argument("--nets", type=Path, help="folder of the SqueezeNet and LPIPS files (or INPAINT_NETS)")
    command.add_argument("--init", type=Path, metavar="WEIGHTS", help="weights file to start from")
    command.add_argument("--resume", action="store_true", help="go on from the state in the run's folder")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Train until the time is over, or until Ctrl+C, which saves."""
    from inpaint.training.run import run_training
    from inpaint.training.trainer import TrainingConfig

    set_threads(args.threads)
    config = TrainingConfig(size=args.size, batch=args.batch, minutes=args.minutes, seed=args.seed)
    trainer = run_training(args.photos, args.output, config, args.nets, args.resume, args.init)
    print(f"{args.output / 'state.pt'}: step {trainer.step}, {trainer.seconds / 60:.1f} minutes trained")
