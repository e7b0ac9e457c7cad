"""`python -m inpaint.training`: train the default generator on a CPU; the first, small training script."""

import argparse
from pathlib import Path

import torch

from inpaint.models.dilated import Dilated
from inpaint.models.discriminators import PatchDiscriminator
from inpaint.training.data import PhotoCache
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.trainer import Trainer, TrainingConfig


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m inpaint.training", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders and .tar files of photos")
    parser.add_argument("--nets", type=Path, required=True, help="folder of the SqueezeNet and LPIPS files")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the state in the folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    trainer = Trainer(
        Dilated(), PatchDiscriminator(), SqueezeLPIPS(args.nets), PhotoCache(args.photos, args.output),
        args.output, TrainingConfig(minutes=args.minutes, batch=args.batch),
    )  # fmt: skip
    if args.resume:
        trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
