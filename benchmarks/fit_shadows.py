"""Fit the network of `inpaint.masking.shadow`: python -m benchmarks.fit_shadows PHOTOS... --cutouts FOLDER.

Cut-outs are RGBA PNG files, as for `benchmarks.fit_objects`. Each photo gets objects whose shadow `shadow_truth`
throws.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from benchmarks.photos import photos
from benchmarks.shadow_truth import Kind, shadow_case
from inpaint.masking.shadow_scene import CHANNELS, SIDE, inputs, look_at

WIDTHS = (16, 24, 32, 48)
KINDS: tuple[Kind, ...] = ("sun", "soft", "sun", "none")
PHOTO = 384  # pixels of a photo's sides


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Shadows(nn.Module):
    """Four halvings and three doublings with the finer level beside; logits of twice the finest level's size."""

    def __init__(self) -> None:
        super().__init__()
        before = (CHANNELS, *WIDTHS)
        self.down = nn.ModuleList(_layer(a, b, 2) for a, b in zip(before[:-1], WIDTHS, strict=True))
        self.same = nn.ModuleList(_layer(width, width) for width in WIDTHS)
        self.up = nn.ModuleList(_layer(WIDTHS[k + 1] + WIDTHS[k], WIDTHS[k]) for k in (2, 1, 0))
        self.head = nn.Conv2d(WIDTHS[0], 4, 3, 1, 1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(N, CHANNELS, SIDE, SIDE) to logits (N, SIDE, SIDE)."""
        kept = []
        for down, same in zip(self.down, self.same, strict=True):
            seen = same(down(seen))
            kept.append(seen)
        for fine, up in zip(kept[-2::-1], self.up, strict=True):
            seen = up(torch.cat([functional.interpolate(seen, scale_factor=2.0, mode="nearest"), fine], 1))
        return functional.pixel_shuffle(self.head(seen), 2)[:, 0]

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """The weights with the normalisation folded in, float16, as `shadow` reads them."""
        found = {"head.weight": self.head.weight, "head.bias": self.head.bias}
        for name in ("down", "same", "up"):
            for k, (convolution, norm, _) in enumerate(getattr(self, name)):
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                found[f"{name}{k}.weight"] = convolution.weight * scale[:, None, None, None]
                found[f"{name}{k}.bias"] = norm.bias - norm.running_mean * scale
        return {name: values.detach().numpy().astype(np.float16) for name, values in found.items()}


def samples(args: argparse.Namespace) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """What the network sees, float16 (N, CHANNELS, SIDE, SIDE), and where the shadow is, float16 (N, SIDE, SIDE)."""
    rng = np.random.default_rng(args.seed)
    cutouts = [np.array(Image.open(file)) for file in sorted(args.cutouts.glob("*.png"))]
    seen, truths = [], []
    for photo in photos(args.photos, args.count, PHOTO):
        for _ in range(2):
            cutout = cutouts[int(rng.integers(len(cutouts)))][:, :: int(rng.choice((-1, 1)))]
            case = shadow_case(rng, photo, np.ascontiguousarray(cutout), KINDS[int(rng.integers(len(KINDS)))])
            around = look_at(case.photo, case.truth)
            if around is None:
                continue
            truth = np.zeros((SIDE, SIDE), np.float16)
            if case.shadow is not None:
                part = case.shadow[around.part].astype(np.float32)
                height, width = around.shape
                truth[:height, :width] = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
            seen.append(inputs(around).astype(np.float16))
            truths.append(truth)
    return np.stack(seen), np.stack(truths)


def loss(logits: torch.Tensor, truth: torch.Tensor, clear: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the ground's pixels, and one minus Dice of each case; all (N, SIDE, SIDE)."""
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none") * clear
    likely, wanted = torch.sigmoid(logits) * clear, truth * clear
    both = (likely * wanted).sum((1, 2))
    dice = 1 - (2 * both + 40) / (likely.sum((1, 2)) + wanted.sum((1, 2)) + 40)
    return 4 * entropy.sum() / clear.sum() + dice.mean()


def main() -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders and tar files")
    parser.add_argument("--cutouts", type=Path, required=True, help="folder of RGBA PNG files")
    parser.add_argument("-o", "--output", type=Path, default=Path("inpaint/masking/shadows.npz"))
    parser.add_argument("--count", type=int, default=2000, help="photos")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    seen, truths = samples(args)
    net = Shadows()
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-3)
    start, steps, total = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - start) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, steps / 100) * 0.5 * (1 + np.cos(np.pi * passed)) + 1e-5
        chosen = rng.choice(len(seen), args.batch)
        way = int(rng.choice((-1, 1)))
        batch, truth = (np.ascontiguousarray(a[chosen][..., ::way], np.float32) for a in (seen, truths))
        clear = batch[:, 6]
        batch[:, 0] += clear * rng.normal(0, 0.08, (args.batch, 1, 1))  # the ground's light is never known exactly
        optimiser.zero_grad()
        value = loss(net(torch.from_numpy(batch)), torch.from_numpy(truth), torch.from_numpy(clear))
        value.backward()
        optimiser.step()
        steps, total = steps + 1, 0.99 * total + 0.01 * value.item()
        if steps % 200 == 0:
            print(f"{steps} steps, {passed:.0%}: loss {total:.3f}", flush=True)
    np.savez_compressed(args.output, **net.eval().arrays())


if __name__ == "__main__":
    main()
