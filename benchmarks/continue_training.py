"""Train the shipped generator further on a CPU, each octave as filling meets it, and average weights.

    python -m benchmarks.continue_training run --photos PHOTOS... --nets DIR --output RUN [--minutes 60] [--rate 1e-4]
        [--init WEIGHTS] [--seed 1] [--threads 1] [--adversarial 0.1] [--judge RUN/SEED.judge.pt]
    python -m benchmarks.continue_training mix OUT.safetensors 1:A.safetensors 1:B.safetensors [--record FILE]
    python -m benchmarks.continue_training score --photos PHOTOS... --nets DIR --output RUN WEIGHTS...

What differs from `inpaint train --init`: the guides of the two finest octaves are the shipped network's fills of whole
scenes, made once, and crops of 128 px lie around the holes; LPIPS weighs more than L1, and is taken of a random cut, so
that no fixed grid pays; the local contrast of two fine bands is held to the truth's, wherever its edges lie, so that
fills do not get soft (after Heeger & Bergen 1995, who match histograms of bands); with `--adversarial` a discriminator
judges as well. The weights that count are the mean of all steps, later ones weighing more (Shamir & Zhang 2013,
polynomial decay). `mix` takes the mean of weights files: with where a run began, and with other runs (Wortsman 2022,
model soups). Look at the fills: `docs/training-notes.md` says why.
"""

import argparse
import copy
import json
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.evaluation.metrics import load_perceptual
from inpaint.filling.blend import paste, working_scale
from inpaint.filling.engines import WindowEngines
from inpaint.filling.structure import fill_octaves, octave_sizes, shrink_known
from inpaint.filling.threads import set_threads
from inpaint.inpainter import Inpainter
from inpaint.masking.random import KINDS, TRAINING_MIX, random_mask
from inpaint.models.dilated import Dilated
from inpaint.models.discriminators import DISCRIMINATORS
from inpaint.models.layers import composite
from inpaint.models.precision import pick_precision
from inpaint.models.weights import default_weights, load_weights, save_weights
from inpaint.training.adversarial import HingePatch
from inpaint.training.batches import HostBatches
from inpaint.training.config import PRESETS
from inpaint.training.data import PhotoCache
from inpaint.training.guides import halve, own_fill
from inpaint.training.losses import masked_l1
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.validation import held_out

SIDE, BATCH = 128, 8  # pixels and number of the crops of a step
FIRST, THIRD = 0.15, 0.2  # shares of the steps on the first octave (scenes of 64 px), and on the next (128 px)
PERCEPTUAL, HOLE_L1, KNOWN_L1, CONTRAST, MATCHING = 10.0, 0.3, 0.3, 5.0, 5.0
CELL = 8  # side of the cells whose contrasts are compared, pixels
R1_EVERY, R1 = 16, 1e-3
JITTER = 8  # the judges see crops cut by a random offset up to this, pixels
WARM = 30  # steps over which the rate rises; then it stays
SKIPPED = 20  # steps before the averaging begins
DECAY = 3.0  # how much later steps count: the newest has this share over the number of steps
LARGEST = 700  # photos with a longer side above it are left out, pixels
LAST_OCTAVES = 2  # whose guides are kept

Case = tuple[int, NDArray[np.bool_], list[NDArray[np.uint8]]]
Crop = list[NDArray[np.float32]]


def scene_mask(
    draw: Callable[[np.random.Generator, int], NDArray[np.bool_]], rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """A mask over a whole photo, the middle of a square one; None where twenty draws were too small or too large."""
    longest = max(shape)
    top, left = (longest - shape[0]) // 2, (longest - shape[1]) // 2
    for _ in range(20):
        mask = draw(rng, longest)[top : top + shape[0], left : left + shape[1]]
        if 0.005 < mask.mean() < 0.6:
            return np.ascontiguousarray(mask)
    return None


def make_cases(photos: PhotoCache, learnt: list[int], file: Path, seed: int = 0) -> list[Case]:
    """One hole in every photo, and the shipped network's fills of the octaves before the last two; kept in a file.

    Returns:
        number of the photo, mask bool (H, W), and fills uint8 (h, w, 3), the finest last.
    """
    if file.is_file():
        with open(file, "rb") as kept:
            return pickle.load(kept)  # our own file
    inpainter = Inpainter.load(device="cpu")
    cases: list[Case] = []
    for i in learnt:
        photo = photos.photo(i)
        rng = np.random.default_rng([seed, i])
        mask = scene_mask(lambda rng, side: random_mask(rng, side, dict(TRAINING_MIX)), rng, photo.shape[:2])
        if mask is None or not 200 <= max(mask.shape) <= LARGEST:
            continue
        holed = np.where(mask[..., None], 0, photo).astype(np.float32)
        *coarser, _ = octave_sizes(*mask.shape)
        fills = fill_octaves(inpainter.network, holed, mask, inpainter.device, finest=max(coarser[-1]))
        composited = []
        for fill in fills[-LAST_OCTAVES:]:
            small, hole = shrink_known(holed, mask, fill.shape[:2])
            composited.append(np.where(hole[..., None], fill, small).round().clip(0, 255).astype(np.uint8))
        cases.append((i, mask, composited))
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as kept:
        pickle.dump(cases, kept, protocol=5)
    return cases


def draw_crop(photos: PhotoCache, cases: list[Case], rng: np.random.Generator) -> Crop:
    """Truth, known pixels, hole and guide, float32 (S, S, C), around a hole pixel in one of the two finest octaves."""
    while True:
        i, mask, fills = cases[int(rng.integers(len(cases)))]
        back = int(rng.integers(LAST_OCTAVES))
        sizes = octave_sizes(*mask.shape)
        if len(sizes) < back + 2:
            continue
        height, width = size = sizes[-1 - back]
        if min(size) < SIDE:
            continue
        scaled = photos.photo(i).astype(np.float32) / 127.5 - 1
        truth = scaled if size == mask.shape else cv2.resize(scaled, (width, height), interpolation=cv2.INTER_AREA)
        known, hole = shrink_known(np.where(mask[..., None], np.float32(0), scaled), mask, size)
        rows, columns = np.nonzero(hole)
        if not len(rows):
            continue
        k, reach = int(rng.integers(len(rows))), SIDE // 3
        top, left = (
            int(np.clip(at - SIDE // 2 + rng.integers(-reach, reach + 1), 0, length - SIDE)) // 4 * 4
            for at, length in ((rows[k], height), (columns[k], width))
        )
        part = slice(top, top + SIDE), slice(left, left + SIDE)
        if not 0.01 < hole[part].mean() < 0.97:
            continue
        coarse = torch.from_numpy(fills[-1 - back].astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        guide = F.interpolate(coarse, size=size, mode="bilinear")[0].permute(1, 2, 0).numpy()
        crop = [truth[part], known[part], hole[part][..., None].astype(np.float32), guide[part]]
        mirrored = rng.random() < 0.5
        return [np.ascontiguousarray(x[:, ::-1] if mirrored else x) for x in crop]


def draw_batches(
    photos: PhotoCache, learnt: list[int], cases: list[Case], averaged: nn.Module, seed: int
) -> Iterator[list[Tensor]]:
    """Truth, known pixels, hole and, after the first octave, guide: float (B, C, S, S) for ever."""
    rng = np.random.default_rng(seed)
    first = HostBatches(photos, replace(PRESETS["dilated"], coarse_share=1.0, seed=seed), learnt, False)
    third = HostBatches(photos, replace(PRESETS["dilated"], coarse_share=0.0, seed=seed + 50), learnt, False)
    while True:
        chance = rng.random()
        if chance < FIRST + THIRD:
            batch = (first if chance < FIRST else third).draw()
            drawn = [batch.photo, batch.photo * (1 - batch.mask), batch.mask]
            if chance >= FIRST:
                with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                    coarse = own_fill(averaged, *halve(batch.photo, batch.mask), SIDE // 2)
                drawn.append(F.interpolate(coarse, size=batch.photo.shape[-2:], mode="bilinear"))
        else:
            crops = [draw_crop(photos, cases, rng) for _ in range(BATCH)]
            drawn = [torch.from_numpy(np.stack([crop[k] for crop in crops])).permute(0, 3, 1, 2) for k in range(4)]
        yield [x.contiguous(memory_format=torch.channels_last) for x in drawn]


def band_contrasts(photo: Tensor) -> Tensor:
    """Standard deviation of the two finest bands in cells of `CELL` px at half their distance, (B, 6, h, w)."""
    fine = F.avg_pool2d(photo, 3, 1, 1, count_include_pad=False)
    coarse = F.avg_pool2d(fine, 5, 1, 2, count_include_pad=False)
    bands = torch.cat([photo - fine, fine - coarse], dim=1)
    return (F.avg_pool2d(bands.square(), CELL, CELL // 2) + 1e-5).sqrt()


def contrast_loss(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean difference of the contrasts of two pictures (B, 3, H, W), cells weighted by their share of hole."""
    share = F.avg_pool2d(mask, CELL, CELL // 2)
    difference = (band_contrasts(filled.float()) - band_contrasts(truth.float())).abs()
    return (difference * share).sum() / (share.sum() * difference.shape[1]).clamp_min(1)


class Judge:
    """A discriminator with its optimizer: the trainer's small patch discriminator with R1."""

    def __init__(self, file: Path | None) -> None:
        self.adversary = HingePatch(DISCRIMINATORS["patch-r1"](128))
        self.optimizer = torch.optim.AdamW(self.adversary.discriminator.parameters(), 4e-4, (0.5, 0.95))
        self.steps = 0
        if file:
            self.adversary.discriminator.load_state_dict(torch.load(file, weights_only=True))

    def losses(self, filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """What it tells the generator."""
        self.adversary.discriminator.requires_grad_(False)
        losses = self.adversary.generator_losses(filled, truth, mask)
        self.adversary.discriminator.requires_grad_(True)
        return losses

    def learn(self, filled: Tensor, truth: Tensor, mask: Tensor) -> None:
        """One step."""
        with torch.autocast("cpu", torch.bfloat16):
            losses = self.adversary.discriminator_losses(filled.detach(), truth, mask)
        loss = losses["discriminator"].float()
        if self.steps % R1_EVERY == 0:
            loss = loss + R1 * R1_EVERY * self.adversary.r1(truth, mask)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.adversary.discriminator.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1


def run(args: argparse.Namespace) -> None:
    """Train, and write the averaged weights every ten minutes and at the end."""
    judge = Judge(args.judge) if args.adversarial else None
    photos = PhotoCache(args.photos, args.output)
    kept = held_out(len(photos))
    learnt = [i for i in range(len(photos)) if i not in kept]
    cases = make_cases(photos, learnt, args.output / "cases.pkl")
    perceptual = SqueezeLPIPS(args.nets).eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = load_weights(args.init or default_weights("dilated"), "dilated")[0].train().requires_grad_(True)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), args.rate, (0.5, 0.95), weight_decay=1e-4)
    start = written = time.monotonic()
    parts: dict[str, list[float]] = {}
    seen, rng = 0, np.random.default_rng(args.seed)
    for step, (truth, *given) in enumerate(draw_batches(photos, learnt, cases, averaged, args.seed)):
        optimizer.param_groups[0]["lr"] = args.rate * min(1, (step + 1) / WARM)
        mask = given[1]
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(*given)
            top, left = (int(x) for x in rng.integers(0, JITTER + 1, 2))
            side = truth.shape[-1] - JITTER
            cut = [x[..., top : top + side, left : left + side] for x in (composite(guess, truth, mask), truth, mask)]
            losses = {
                "hole": HOLE_L1 * masked_l1(guess, truth, mask),
                "known": KNOWN_L1 * masked_l1(guess, truth, 1 - mask),
                "lpips": PERCEPTUAL * perceptual(*cut[:2]).mean(),
                "contrast": CONTRAST * contrast_loss(*cut),
            }
            if judge:
                told = judge.losses(*cut)
                losses["adversarial"] = args.adversarial * told["adversarial"]
                losses["matching"] = MATCHING * told["matching"]
            loss = torch.stack([x.float() for x in losses.values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        new = 1.0 if step < SKIPPED else DECAY / (step + DECAY)
        with torch.no_grad():
            for slow, fast in zip(averaged.parameters(), network.parameters(), strict=True):
                slow.lerp_(fast, new)
        if judge:
            judge.learn(*cut)
        for name, value in losses.items():
            parts.setdefault(name, []).append(float(value.detach()))
        seen += len(truth)
        now = time.monotonic()
        over = now - start > 60 * args.minutes
        if over or now - written > 600:
            written = now
            record = {"steps": step + 1, "images": seen, "minutes": round((now - start) / 60, 1), "rate": args.rate}
            save_weights(averaged, "dilated", args.output / f"{args.seed}.safetensors", record)
            if judge:
                torch.save(judge.adversary.discriminator.state_dict(), args.output / f"{args.seed}.judge.pt")
            print(json.dumps(record | {name: round(float(np.mean(x)), 4) for name, x in parts.items()}), flush=True)
            parts = {}
        if over:
            return


def mix(args: argparse.Namespace) -> None:
    """Write the weighted mean of weights files of one architecture."""
    pairs = [part.partition(":")[::2] for part in args.parts]
    parts = [(float(share), load_weights(Path(file), "dilated")[0]) for share, file in pairs]
    total = sum(share for share, _ in parts)
    result: Dilated = copy.deepcopy(parts[0][1])  # type: ignore[assignment]
    state = {
        name: torch.stack([share / total * network.state_dict()[name].float() for share, network in parts]).sum(dim=0)
        for name in result.state_dict()
    }
    result.load_state_dict(state)
    record: dict[str, Any] = json.loads(args.record.read_text()) if args.record else {"mixed": args.parts}
    save_weights(result, "dilated", args.output, record)


def score(args: argparse.Namespace) -> None:
    """Print LPIPS of whole fills by the network alone of the held-out photos, two holes of each kind."""
    photos = PhotoCache(args.photos, args.output)
    distance = load_perceptual(args.nets, torch.device("cpu"))
    for file in args.weights:
        network = load_weights(file, "dilated")[0].eval()
        network = network.to(pick_precision(network, torch.device("cpu")))
        found: dict[str, list[float]] = {"objects": [], "thick": []}
        for i in held_out(len(photos)):
            photo = np.ascontiguousarray(photos.photo(i))
            for kind, values in found.items():
                for seed in (0, 1):
                    rng = np.random.default_rng([seed, i, list(KINDS).index(kind)])
                    mask = scene_mask(KINDS[kind], rng, photo.shape[:2])
                    if mask is not None:
                        engines = WindowEngines(network, torch.device("cpu"), working_scale(photo), mask)
                        values.append(float(distance(photo, paste(engines.alone(), photo, mask))))
        print(file, {kind: round(float(np.mean(values)), 5) for kind, values in found.items()}, flush=True)


def main() -> None:
    """Parse the command line and run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, does in (("run", run), ("score", score)):
        command = commands.add_parser(name, description=does.__doc__)
        command.add_argument("--photos", type=Path, nargs="+", required=True)
        command.add_argument("--nets", type=Path, required=True)
        command.add_argument("--output", type=Path, required=True, help="folder for decoded photos, cases and weights")
        command.add_argument("--threads", type=int, default=1)
        command.set_defaults(does=does)
        if does is score:
            command.add_argument("weights", type=Path, nargs="+")
            continue
        command.add_argument("--minutes", type=float, default=60)
        command.add_argument("--rate", type=float, default=1e-4)
        command.add_argument("--init", type=Path, help="weights to begin with (default: the shipped ones)")
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--adversarial", type=float, default=0.0, help="weight of a discriminator's verdict")
        command.add_argument("--judge", type=Path, help="state of a discriminator to begin with")
    command = commands.add_parser("mix", description=mix.__doc__)
    command.add_argument("output", type=Path)
    command.add_argument("parts", nargs="+", metavar="SHARE:FILE")
    command.add_argument("--record", type=Path, help="JSON text file, the record of training in the result's header")
    command.set_defaults(does=mix, threads=1)
    args = parser.parse_args()
    set_threads(args.threads)
    args.does(args)


if __name__ == "__main__":
    main()
