"""Fit the perceptron of `inpaint.masking.scratches` on damage drawn on photos: python -m benchmarks.fit_scratches PHOTOS..."""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.mask_truth import scratch_case
from benchmarks.photos import photos
from inpaint.masking.pixels import lab
from inpaint.masking.scratches import LAYERS, measures

HIDDEN = (16, 8)


def samples(sources: list[Path], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures float32 (N, 12) and truth bool (N,) of all candidates, on photos of two sharpnesses."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for size, first in ((512, 0), (352, 3)):
        for photo in photos(sources, count // 2, size, first):
            case = scratch_case(rng, photo)
            lightness = lab(case.photo)[..., 0]
            for sign in (1, -1):
                found, candidates = measures(sign * lightness)
                known = case.truth[candidates]
                kept = known | (rng.random(len(known)) < 0.5)
                rows.append(found[kept])
                truth.append(known[kept])
    return np.concatenate(rows), np.concatenate(truth)


def fit(
    rows: np.ndarray, truth: np.ndarray, steps: int, seed: int, hidden: tuple[int, int], balance: float
) -> dict[str, np.ndarray]:
    """Adam on the cross entropy; returns the layers, with the measures' mean and spread folded into the first.

    Args:
        rows: float32 (N, F), measures.
        truth: bool (N,).
        steps: of 4096 rows each.
        seed: of the first weights and the batches.
        hidden: widths of the two hidden layers.
        balance: weight of the True rows.
    """
    torch.manual_seed(seed)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-4
    inputs, wanted = torch.tensor((rows - mean) / spread), torch.tensor(truth.astype(np.float32))
    linear = [torch.nn.Linear(a, b) for a, b in zip((rows.shape[1], *hidden), (*hidden, 1), strict=True)]
    network = torch.nn.Sequential(linear[0], torch.nn.Tanh(), linear[1], torch.nn.Tanh(), linear[2])
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    weight = torch.tensor(balance)
    for _ in range(steps):
        batch = torch.randint(0, len(inputs), (4096,))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            network(inputs[batch])[:, 0], wanted[batch], pos_weight=weight
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = [p.detach().numpy() for layer in linear for p in (layer.weight.T, layer.bias)]
    layers[1] = layers[1] - (mean / spread) @ layers[0]
    layers[0] = layers[0] / spread[:, None]
    return {name: layer.astype(np.float32) for name, layer in zip(LAYERS, layers, strict=True)}


def main() -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders and tar files")
    parser.add_argument("-o", "--output", type=Path, default=Path("inpaint/masking/scratches.npz"))
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows, truth = samples(args.photos, args.count, args.seed)
    print(f"{len(rows):,} candidates, {truth.mean():.1%} damage")
    np.savez(args.output, **fit(rows, truth, args.steps, args.seed, HIDDEN, balance=0.5))  # half of the False rows were left out


if __name__ == "__main__":
    main()
