"""One training run, from photos to weights: everything that `inpaint train` does."""

import copy
import os
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from inpaint.errors import OptionError, OutputError, WeightsError
from inpaint.masking.silhouettes import Silhouettes, kinds_with, read_silhouettes
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import DISCRIMINATORS
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.precision import pick_precision
from inpaint.models.registry import NETWORKS
from inpaint.models.weights import load_weights
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import Batches, HostBatches
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.scenes import SceneBatches, Scenes
from inpaint.training.trainer import Trainer, read_state
from inpaint.training.validation import Validation, held_out
from inpaint.training.watch import Watch
from inpaint.training.widen import widen

NETS_VARIABLE = "INPAINT_NETS"


def nets_folder(given: Path | None) -> Path:
    """The folder with the SqueezeNet and LPIPS files: the one given, or what INPAINT_NETS names.

    Raises:
        WeightsError: neither is set.
    """
    if given is None and not os.environ.get(NETS_VARIABLE):
        raise WeightsError(f"the SqueezeNet and LPIPS files are needed: give --nets FOLDER or set {NETS_VARIABLE}")
    return given or Path(os.environ[NETS_VARIABLE])


def pick_accelerator(device: str) -> Accelerator:
    """Accelerate on a device: `auto` takes what is there, `cpu` and `cuda` and `mps` only that.

    Raises:
        OptionError: the device is not available on this machine.
    """
    accelerator = Accelerator(cpu=device == "cpu")
    if device not in ("auto", accelerator.device.type):
        raise OptionError(f"device {device} is not available on this machine, it has {accelerator.device.type}")
    if accelerator.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # crops have three sizes at most
        torch.set_float32_matmul_precision("high")
    return accelerator


def build_generator(config: TrainingConfig, init: Path | None, wider: bool = False) -> InpaintingNetwork:
    """The network of a run: fresh; or a weights file's, whatever its size, or with `wider` widened to the config's.

    Raises:
        OptionError: unknown network or config, or one to which the file's network cannot be widened.
        WeightsError: the file does not fit.
    """
    if init is not None:
        network = load_weights(init, config.network)[0].train().requires_grad_(True)
        if not wider:
            return network
        if not isinstance(network, Dilated):
            raise OptionError(f"{init}: holds the network {config.network}, only dilated can be widened")
        try:
            return widen(network, DilatedConfig(**config.network_config))
        except OptionError as error:
            raise OptionError(f"{init}: {error}") from None
    if config.network not in NETWORKS:
        raise OptionError(f"network must be one of {', '.join(NETWORKS)}, got {config.network!r}")
    spec = NETWORKS[config.network]
    try:
        return spec.network(spec.config(**config.network_config))
    except TypeError as error:
        raise OptionError(f"network_config does not fit {config.network} ({error})") from None


def keep_silhouettes(given: Path | None, output: Path, config: TrainingConfig, resume: bool) -> Silhouettes | None:
    """The silhouettes of a run: read from the path given and kept in the run's folder, or those kept there.

    Raises:
        OptionError: the run draws no object masks.
        MaskError: they cannot be read.
        OutputError: they cannot be written.
    """
    kept = output / "silhouettes.npz"
    if given is None:
        return Silhouettes.load(kept) if resume and kept.is_file() else None
    if "objects" not in config.mix:
        raise OptionError("--silhouettes needs a preset that draws object masks, this one draws none")
    silhouettes = read_silhouettes(given)
    try:
        output.mkdir(parents=True, exist_ok=True)
        silhouettes.save(kept)
    except OSError as error:
        raise OutputError(f"{kept}: cannot be written ({error.strerror})") from None
    return silhouettes


def keep_list(given: Path | None, output: Path, resume: bool) -> Path | None:
    """The list of the photos that a run learns from: the one given, kept in the run's folder, or that kept there.

    Raises:
        OutputError: it cannot be copied there.
    """
    kept = output / "only.txt"
    if given is None:
        return kept if resume and kept.is_file() else None
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not kept.exists() or not kept.samefile(given):
            shutil.copyfile(given, kept)
    except OSError as error:
        raise OutputError(f"{given}: cannot be copied to {kept} ({error.strerror})") from None
    return kept


def run_training(
    photos: list[Path], output: Path, config: TrainingConfig, nets: Path | None = None, resume: bool = False,
    init: Path | None = None, device: str = "auto", silhouettes: Path | None = None, only: Path | None = None,
    wider: bool = False,
) -> Trainer:
    """Train until the run is over or a signal asks to stop; state and weights lie in `output`.

    Args:
        photos: folders, photos and .tar files of photos.
        output: folder of the run.
        config: settings.
        nets: folder of the SqueezeNet and LPIPS files, or None for INPAINT_NETS; needed only by the perceptual loss.
        resume: go on from the state in `output`.
        init: weights file to start from.
        device: `auto`, `cpu`, `cuda` or `mps`.
        silhouettes: a file or a folder of masks (`read_silhouettes`) whose shapes half of the object masks have; a run
            that goes on without a new one keeps its own.
        only: text file with the names of the photos that are learnt from, one a line; kept in the same way. Those that
            are held out are the same with and without it.
        wider: give the network of `init` the config's channels; it starts with the same fills (`widen`).

    Raises:
        InpaintError: photos, nets or state cannot be used; the text names the file.
    """
    if resume and (init is not None or wider):
        other = "--widen" if init is None else "--init"
        raise OptionError(f"--resume goes on from a run's own state, so it does not go with {other}")
    if wider and init is None:
        raise OptionError("--widen needs a trained network to widen: give --init WEIGHTS")
    state = output / "state.pt"
    if resume and not state.is_file():
        raise OutputError(f"{state}: not found, there is nothing to resume")
    if not resume and state.exists():
        raise OutputError(f"{state}: exists already, use --resume to go on or another --output")
    if config.scene_share and init is None and not resume:
        raise OptionError("scene_share needs a trained network, which fills the scenes: give --init WEIGHTS")
    wants_nets = config.perceptual > 0 or nets is not None or bool(os.environ.get(NETS_VARIABLE))
    perceptual = SqueezeLPIPS(nets_folder(nets)) if wants_nets else None
    accelerator = pick_accelerator(device)
    torch.manual_seed(config.seed)
    if accelerator.device.type != "cuda":
        config = replace(config, compile=False)
    kept = read_state(state, config) if resume else {}
    built = replace(config, network_config=kept.get("architecture", config.network_config))  # as --init had it
    filled_by = kept.get("averaged") if config.scene_share else None
    del kept  # `Trainer.resume` reads the rest
    generator = build_generator(built, init, wider)
    if config.scene_share and not generator.takes_guide:
        raise OptionError(f"scene_share needs a network that takes a guide, {config.network} takes none")
    adversary = ADVERSARIES[config.discriminator](DISCRIMINATORS[config.discriminator](config.size))
    with accelerator.main_process_first():
        cache = PhotoCache(photos, output, smallest=config.size)
        shapes, chosen = keep_silhouettes(silhouettes, output, config, resume), keep_list(only, output, resume)
    apart = held_out(len(cache))
    wanted = set(range(len(cache))) if chosen is None else cache.listed(chosen)
    indices = sorted(wanted - set(apart))
    if not indices:
        raise OptionError(f"{chosen}: names no photo but such as are held out of training")
    batches: Batches
    rank = accelerator.process_index
    if accelerator.device.type == "cuda":
        batches = DeviceBatches(cache, config, indices, generator.takes_guide, accelerator.device, rank, shapes)
    else:
        batches = HostBatches(cache, config, indices, generator.takes_guide, rank=rank, silhouettes=shapes)
    if config.scene_share:
        filler = copy.deepcopy(generator).eval().requires_grad_(False)
        if filled_by is not None:
            filler.load_state_dict(filled_by)
        filler.to(accelerator.device)
        filler.to(pick_precision(filler, accelerator.device))
        with accelerator.main_process_first():
            scenes = Scenes(cache, config, indices, filler, accelerator.device, output, kinds_with(shapes))
        batches = SceneBatches(cache, scenes, config, batches, rank)
    trainer = Trainer(generator, adversary, perceptual, batches, output, config, accelerator)
    if resume:
        trainer.resume()
    data = f"{len(indices):,} photos from {', '.join(p.name for p in photos)}"
    watched(trainer, data, Validation(cache, apart) if apart else None)
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()  # a process that leaves while another still talks to it may be aborted
        accelerator.end_training()
    return trainer


def watched(trainer: Trainer, data: str, validation: Validation | None) -> None:
    """Run a trainer with bar, log and validation in the first process, and export its last weights."""
    if not trainer.accelerator.is_main_process:
        trainer.run()
        return
    watch = Watch(trainer.folder, data, validation, trainer)
    try:
        trainer.run(watch)
        scores = vars(watch.validate(trainer)) if validation else {}
        watch.export(trainer, "last", scores)
        trainer.save()  # with the best score so far
    finally:
        watch.close()
