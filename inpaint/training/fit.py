"""Fine-tuning on a user's own photos: weights that know the material of one series, such as scans or product shots."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from inpaint.errors import MaskError, OutputError, PhotoError, shown
from inpaint.models.discriminators import DISCRIMINATORS
from inpaint.models.weights import default_weights, load_weights, save_weights
from inpaint.photo.files import load_photo
from inpaint.photo.masks import load_mask
from inpaint.photo.staging import check_writable
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import HostBatches
from inpaint.training.config import PRESETS, TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.export import training_record, write_card
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.run import pick_accelerator
from inpaint.training.trainer import Trainer
from inpaint.training.validation import Scores, Validation

LONGEST_SHORT_SIDE = 1024  # pixels: a user's few photos are kept larger than a training pack's
LEAST_KNOWN = 0.2  # of a photo
ENDING = ".safetensors"
LANCZOS = 3  # pixels that Pillow's filter reaches when it makes photos smaller
FIT = replace(
    PRESETS["dilated"], optimizer="adamw", minutes=5, learning_rate=3e-4, discriminator_rate=4e-4, warmup_steps=20,
    adversarial_from=60, ema=0.97, validate_steps=0,
)  # fmt: skip


@dataclass(frozen=True)
class FitResult:
    """Scores of the weights before and after, on fixed holes in the known pixels of the same photos."""

    before: Scores
    after: Scores
    steps: int
    photos: int


def known_pixels(photos: PhotoCache, masks: Mapping[str, Sequence[Path]]) -> list[NDArray[np.bool_]]:
    """For each photo a bool (H, W) map at the cache's size, True where it may be learnt from.

    Args:
        photos: decoded.
        masks: mask files of each photo by its name in the cache; their union is not learnt.

    Raises:
        MaskError: a mask does not fit its photo, or leaves less than a fifth of it.
    """
    known = []
    for name, shape in zip(photos.names, photos.shapes, strict=True):
        if not masks.get(name):
            known.append(np.ones(shape, bool))
            continue
        photo = load_photo(name)
        turned = photo.source.orientation if photo.source else 1
        holes = [load_mask(file, photo.pixels.shape[:2], orientation=turned) for file in masks[name]]
        hole, mask_file = np.logical_or.reduce(holes), masks[name][0]
        share = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(hole)[None, None].float(), shape)
        part = share[0, 0].numpy() == 0
        if hole.shape != shape:  # a smaller photo's pixels are drawn from three of its own on each side
            reach = np.ones((2 * LANCZOS + 1, 2 * LANCZOS + 1), np.uint8)
            part = cv2.erode(part.astype(np.uint8), reach) > 0
        if part.mean() < LEAST_KNOWN:
            raise MaskError(f"{mask_file}: leaves only {part.mean():.0%} of {Path(name).name} to learn from")
        known.append(part)
    return known


def fit(
    photos: list[Path], output: Path, masks: Mapping[str, Sequence[Path]] | None = None, weights: Path | None = None,
    minutes: float = 5, nets: Path | None = None, device: str = "auto", seed: int = 0, overwrite: bool = False,
    config: TrainingConfig = FIT,
) -> FitResult:
    """Train a weights file further on the known pixels of some photos.

    Holes of the photos themselves are hidden from the network and count in no loss. The scores before and after are
    of other holes, with other seeds, in the same photos: they say whether the weights learnt this material, not
    whether they became better at photos in general.

    Args:
        photos: files or folders, one photo at least.
        output: weights file to write.
        masks: mask files of each photo by its path as text; the others have no holes.
        weights: file to start from; None = the shipped weights of the config's network.
        minutes: of training.
        nets: folder of the SqueezeNet and LPIPS files; without it there is no perceptual loss.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: of everything random.
        overwrite: whether an existing output may be replaced.
        config: recipe.

    Returns:
        scores before and after. When training made them worse, nothing is written.

    Raises:
        InpaintError: photos, masks or weights cannot be used, or the output or its card exists.
    """
    if output.suffix.lower() != ENDING:
        raise OutputError(f"{shown(output)}: weights are written to a file ending in {ENDING}")
    for place in (output, output.with_suffix(".md")):
        check_writable(place, overwrite)
    perceptual = SqueezeLPIPS(nets) if nets else None
    config = replace(config, minutes=minutes, seed=seed, perceptual=config.perceptual if nets else 0.0)
    network, _ = load_weights(weights or default_weights(config.network), config.network)
    base = hashlib.sha256((weights or default_weights(config.network)).read_bytes()).hexdigest()[:16]
    network.train().requires_grad_(True)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory(prefix="inpaint-fit-") as folder:
        cache = PhotoCache(photos, Path(folder), config.size, LONGEST_SHORT_SIDE, minimum=1)
        if cache.skipped:
            raise PhotoError(f"{cache.skipped[0]}: cannot be read or is smaller than {config.size} px")
        known = known_pixels(cache, masks or {})
        everything = list(range(len(cache)))
        batches = HostBatches(cache, config, everything, network.takes_guide, known)
        adversary = ADVERSARIES[config.discriminator](DISCRIMINATORS[config.discriminator](config.size))
        accelerator = pick_accelerator(device)
        trainer = Trainer(network, adversary, perceptual, batches, Path(folder), config, accelerator)
        validation = Validation(cache, everything[:16], seed + 1, known)
        before, _ = validation.score(trainer.averaged, trainer.device, perceptual)
        trainer.run()
        after, _ = validation.score(trainer.averaged, trainer.device, perceptual)
    if after.loss < before.loss:
        named = {"before": vars(before), "after": vars(after)}
        record = training_record(trainer, f"{len(cache)} photos of a user, from weights {base}", named)
        save_weights(trainer.averaged, config.network, output, record)
        write_card(output.with_suffix(".md"), trainer.averaged, config.network, record)
    return FitResult(before, after, trainer.step, len(cache))
