"""Short, controlled comparisons of training recipes: the same steps and seeds, one thing changed.

    python -m benchmarks.recipes --photos PHOTOS... --nets DIR [--steps 400] [--only NAME...]
        [--lite0 FILE] [--some LIST]

Every variant learns the first octave, whole scenes at 64 px, from the same start for as many steps, without a
discriminator; its averaged weights then fill the same holes in photos that are held out. Two runs of the baseline that
differ in their seed alone tell how much of a difference is chance. Judges: LPIPS (also a loss), L1 in the hole, and
with --lite0 the distance of EfficientNet-Lite0's features, which no loss uses. Lines are printed, and kept with --json,
as they come.
"""

import argparse
import copy
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lite0 import Lite0
from inpaint.filling.threads import set_threads
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.layers import composite
from inpaint.models.weights import default_weights, load_weights
from inpaint.training.batches import Batch, HostBatches
from inpaint.training.config import PRESETS, TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.losses import masked_l1
from inpaint.training.muon import Muon
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.validation import held_out

WARM = 40  # steps over which the rate rises
CASES = 8  # batches of 32 holes that are judged
WIDE = {"thick": 0.6, "objects": 0.4}
ROUND = (1, 2, 4, 8, 16, 16, 8, 4, 2, 1)


@dataclass(frozen=True)
class Recipe:
    """What a variant changes of the baseline.

    Args:
        channels, shallow, dilations: of the network.
        rate: peak learning rate.
        ema: decay of the averaged weights.
        perceptual, known_l1: weights of losses; the hole's L1 has 2.
        taps: of LPIPS that count as a loss, of 0 to 6.
        config: changes of the training config.
        seed: of batches and network.
        jpeg: share of the photos that are compressed as JPEG of quality 30 to 90 first.
        encoder: ImageNet features (`Lite0`) of the photo stand beside its own at 1/4 size.
        some: only photos of the list given with --some are learnt from.
        taught: weight of L1 to what the shipped network puts in the hole.
        momentum: of Muon; None means AdamW.
    """

    channels: int = 96
    shallow: int = 32
    dilations: tuple[int, ...] = ROUND
    rate: float = 5e-4
    ema: float = 0.99
    perceptual: float = 5.0
    known_l1: float = 1.0
    taps: tuple[int, ...] = tuple(range(7))
    config: tuple[tuple[str, object], ...] = ()
    seed: int = 0
    jpeg: float = 0.0
    encoder: bool = False
    some: bool = False
    taught: float = 0.0
    momentum: float | None = None


RECIPES = {
    "baseline": Recipe(),
    "baseline, another seed": Recipe(seed=1),
    "permissive photos alone": Recipe(some=True),
    "64 channels": Recipe(channels=64, shallow=24),
    "128 channels": Recipe(channels=128, shallow=48),
    "one round of dilations (1 to 16)": Recipe(dilations=(1, 2, 4, 8, 16)),
    "dilations 1 to 8, twice": Recipe(dilations=(1, 2, 4, 8, 8, 4, 2, 1)),
    "no dilation, as many layers": Recipe(dilations=(1,) * 10),
    "LPIPS weight 2": Recipe(perceptual=2.0),
    "LPIPS weight 15": Recipe(perceptual=15.0),
    "LPIPS taps 1 to 3 alone": Recipe(taps=(0, 1, 2)),
    "LPIPS taps 4 to 7 alone": Recipe(taps=(3, 4, 5, 6)),
    "no L1 outside the hole": Recipe(known_l1=0.0),
    "wide holes alone": Recipe(config=(("mix", WIDE),)),
    "colours varied by 0.08": Recipe(config=(("colour", 0.08),)),
    "half of the photos as JPEG": Recipe(jpeg=0.5),
    "twice the rate": Recipe(rate=1e-3),
    "four times the rate": Recipe(rate=2e-3),
    "eight times the rate": Recipe(rate=4e-3),
    "EMA 0.9": Recipe(ema=0.9),
    "taught by the shipped network": Recipe(taught=2.0),
    "ImageNet features beside (Lite0)": Recipe(encoder=True),
    "permissive photos alone, four times the rate": Recipe(some=True, rate=2e-3),
    "ImageNet features beside (Lite0), four times the rate": Recipe(encoder=True, rate=2e-3),
    "Muon": Recipe(rate=1e-2, momentum=0.9),
    "Muon, rate 6e-3": Recipe(rate=6e-3, momentum=0.9),
    "Muon, momentum 0.8": Recipe(rate=1e-2, momentum=0.8),
    "Muon, momentum 0.95": Recipe(rate=1e-2, momentum=0.95),
    "Muon, permissive photos alone": Recipe(some=True, rate=1e-2, momentum=0.9),
}


class Encoded(nn.Module):
    """A generator whose features at 1/4 size get ImageNet features of the photo, mixed to as many channels, added."""

    def __init__(self, network: Dilated, encoder: Lite0) -> None:
        super().__init__()
        self.network, self.encoder, wide = network, encoder, network.config.channels
        self.mix = nn.Sequential(nn.Conv2d(177, wide, 1), nn.SiLU(), nn.Conv2d(wide, wide, 3, padding=1))
        nn.init.zeros_(self.mix[2].weight)
        network.down.register_forward_hook(lambda layer, _, out: out + layer.extra)

    def forward(self, photo: Tensor, mask: Tensor) -> Tensor:
        """As the generator's."""
        size = photo.shape[-2] // 4, photo.shape[-1] // 4
        with torch.no_grad():
            large = F.interpolate(photo * (1 - mask), scale_factor=4, mode="bicubic")
            found = [F.interpolate(x, size=size, mode="area") / 2 for x in self.encoder(large).values()]
        self.network.down.extra = self.mix(torch.cat([*found, F.avg_pool2d(mask, 4)], dim=1))
        filled: Tensor = self.network(photo, mask)
        return filled


def compressed(photo: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Photos (B, 3, H, W) in [-1, 1], a share of them through JPEG."""
    rows = []
    for one in photo:
        if rng.random() < share:
            file = io.BytesIO()
            pixels = ((one.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
            Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(30, 91)))
            one = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 127.5 - 1
        rows.append(one)
    return torch.stack(rows)


def perceptual_loss(net: SqueezeLPIPS, taps: Sequence[int], filled: Tensor, photo: Tensor) -> Tensor:
    """LPIPS of some of its taps, mean over the batch."""
    with torch.no_grad():
        truth = net.features(photo)
    ours = net.features(filled)
    apart = [F.conv2d((ours[k] - truth[k]).square(), net.get_buffer(f"head{k}")).mean() for k in taps]
    return torch.stack(apart).sum()


def train(
    recipe: Recipe, batches: HostBatches, network: nn.Module, net: SqueezeLPIPS, steps: int
) -> tuple[nn.Module, float]:
    """The averaged network after so many steps, and processor seconds a step."""
    averaged, rng = copy.deepcopy(network), np.random.default_rng(recipe.seed)
    teacher = load_weights(default_weights("dilated"), "dilated")[0].eval() if recipe.taught else None
    weights = [p for p in network.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if recipe.momentum is None:
        optimizer = torch.optim.AdamW(weights, recipe.rate, (0.5, 0.95), weight_decay=1e-4)
    else:
        optimizer = Muon(weights, recipe.rate, recipe.momentum)
    start = time.process_time()
    for step in range(steps):
        fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = recipe.rate * min(1, (step + 1) / WARM) * fall
        batch = batches.draw()
        photo = compressed(batch.photo, rng, recipe.jpeg) if recipe.jpeg else batch.photo
        photo = photo.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(photo, batch.mask)
            loss = 2 * masked_l1(guess, photo, batch.mask)
            if recipe.known_l1:
                loss = loss + recipe.known_l1 * masked_l1(guess, photo, 1 - batch.mask)
            filled = composite(guess, photo, batch.mask)
            loss = loss + recipe.perceptual * perceptual_loss(net, recipe.taps, filled, photo)
            if teacher:
                with torch.no_grad():
                    taught = teacher(photo, batch.mask)
                loss = loss + recipe.taught * masked_l1(guess, taught, batch.mask)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        decay = min(recipe.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(averaged.parameters(), network.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
    return averaged, (time.process_time() - start) / steps


@torch.inference_mode()
def judge(network: nn.Module, cases: list[Batch], judges: dict[str, Callable[[Tensor, Tensor], Tensor]]) -> dict:
    """Mean distances from the truth over all cases."""
    found: dict[str, list[float]] = {"l1": []} | {name: [] for name in judges}
    for batch in cases:
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(batch.photo, batch.mask).float().clamp(-1, 1)
        filled = composite(guess, batch.photo, batch.mask)
        found["l1"].append(float(masked_l1(filled, batch.photo, batch.mask)))
        for name, distance in judges.items():
            found[name].append(float(distance(filled, batch.photo).mean()))
    return {name: round(float(np.mean(values)), 5) for name, values in found.items()}


def main() -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--nets", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/recipes"), help="where decoded photos are kept")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES))
    parser.add_argument("--lite0", type=Path, help="EfficientNet-Lite0's weights file")
    parser.add_argument("--some", type=Path, help="text file with the names of permissive photos, one a line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file to which each result is appended, a line each")
    args = parser.parse_args()
    set_threads(args.threads)
    photos = PhotoCache(args.photos, args.cache)
    kept = held_out(len(photos))
    learnt = [i for i in range(len(photos)) if i not in kept]
    permissive = photos.listed(args.some) if args.some else set()
    net = SqueezeLPIPS(args.nets).eval()
    judges: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"lpips": net}
    lite = Lite0(args.lite0).eval() if args.lite0 else None
    if lite:
        judges["lite0"] = lambda *pair: lite.distance(*(F.interpolate(x, scale_factor=2, mode="bicubic") for x in pair))
    first = replace(PRESETS["dilated"], coarse_share=1.0)
    unseen = HostBatches(photos, replace(first, seed=99), kept, True)
    cases = [unseen.draw() for _ in range(CASES)]
    for name in args.only:
        recipe = RECIPES[name]
        if (recipe.encoder and not lite) or (recipe.some and not args.some):
            print(f"{name}: left out, it needs {'--lite0' if recipe.encoder else '--some'}", flush=True)
            continue
        config: TrainingConfig = replace(first, seed=recipe.seed, **dict(recipe.config))  # type: ignore[arg-type]
        torch.manual_seed(recipe.seed)
        network: nn.Module = Dilated(DilatedConfig(recipe.channels, recipe.shallow, recipe.dilations))
        if recipe.encoder and lite:
            network = Encoded(network, lite)  # type: ignore[arg-type]
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        chosen = [i for i in learnt if i in permissive] if recipe.some else learnt
        batches = HostBatches(photos, config, chosen, True)
        averaged, seconds = train(recipe, batches, network, net, args.steps)
        row = {"recipe": name, "steps": args.steps, "cpu_s_a_step": round(seconds, 3), **judge(averaged, cases, judges)}
        print(json.dumps(row), flush=True)
        if args.json:
            with open(args.json, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
