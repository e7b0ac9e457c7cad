"""One training run of the default generator, from photos to a state that can be exported or gone on from."""

import os
from pathlib import Path

import torch

from inpaint.errors import OptionError, OutputError, WeightsError
from inpaint.models.dilated import Dilated
from inpaint.models.discriminators import PatchDiscriminator
from inpaint.models.weights import load_weights
from inpaint.training.data import PhotoCache
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.trainer import Trainer, TrainingConfig

NETS_VARIABLE = "INPAINT_NETS"


def nets_folder(given: Path | None) -> Path:
    """The folder with the SqueezeNet and LPIPS files: the one given, or what INPAINT_NETS names.

    Raises:
        WeightsError: neither is set.
    """
    if given is None and not os.environ.get(NETS_VARIABLE):
        raise WeightsError(f"the SqueezeNet and LPIPS files are needed: give --nets FOLDER or set {NETS_VARIABLE}")
    return given or Path(os.environ[NETS_VARIABLE])


def run_training(
    photos: list[Path], output: Path, config: TrainingConfig, nets: Path | None = None, resume: bool = False,
    init: Path | None = None,
) -> Trainer:
    """Train until the minutes are over or a signal asks to stop; the state lies in `output`.

    Args:
        photos: folders and .tar files of photos.
        output: folder of the run.
        config: settings.
        nets: folder of the SqueezeNet and LPIPS files, or None for INPAINT_NETS.
        resume: go on from the state in `output`.
        init: weights file to start from.

    Raises:
        InpaintError: photos, nets or state cannot be used; the text names the file.
    """
    if resume and init is not None:
        raise OptionError("--resume goes on from a run's own state, so it does not go with --init")
    state = output / "state.pt"
    if resume and not state.is_file():
        raise OutputError(f"{state}: not found, there is nothing to resume")
    if not resume and state.exists():
        raise OutputError(f"{state}: exists already, use --resume to go on or another --output")
    torch.manual_seed(config.seed)
    generator = load_weights(init, "dilated")[0].train() if init else Dilated()
    perceptual = SqueezeLPIPS(nets_folder(nets))
    cache = PhotoCache(photos, output, smallest=config.size)
    trainer = Trainer(generator, PatchDiscriminator(), perceptual, cache, output, config)
    if resume:
        trainer.resume()
    trainer.run()
    return trainer
