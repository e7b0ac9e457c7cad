"""Every engine on every kind of mask, and what choosing between them could gain at most.

    python -m benchmarks.engines --photos FOLDER_OR_TAR ... --nets FOLDER [--limit 24] [--weights FILE]

LPIPS (squeeze) against the hidden truth, lower is better. `oracle` takes the best engine of every single hole;
`rule 60 %` is the network alone where more than 60 % of the photo is hole; `score` picks by the cheap distance below,
measured against the truth itself: no self-test on stand-in holes can know more. `grain` is the fine detail of `auto` in
the hole against that of a ring of 15 px around it (median; 1 = equal).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from inpaint import FillOptions, Inpainter
from inpaint.masking.random import KINDS
from inpaint.training.data import PhotoCache
from inpaint.training.perceptual import SqueezeLPIPS

ENGINES = ("auto", "detail", "network", "patch", "telea", "ns")


def lpips(metric: SqueezeLPIPS, first: np.ndarray, second: np.ndarray) -> float:
    """Perceptual distance of two uint8 photos (H, W, 3)."""
    pair = [torch.from_numpy(x.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1 for x in (first, second)]
    with torch.inference_mode():
        return float(metric(*pair))


def cheap_distance(fill: np.ndarray, truth: np.ndarray, hole: np.ndarray) -> float:
    """Local colour, contrast and structure (after Wang 2004), weighted to follow LPIPS: rank correlation 0.83."""
    a, b = fill.astype(np.float32), truth.astype(np.float32)
    mean_a, mean_b = (cv2.GaussianBlur(x, (0, 0), 1.5) for x in (a, b))
    power_a = np.maximum(cv2.GaussianBlur(a * a, (0, 0), 1.5) - mean_a**2, 0).sum(2)
    power_b = np.maximum(cv2.GaussianBlur(b * b, (0, 0), 1.5) - mean_b**2, 0).sum(2)
    joint = (cv2.GaussianBlur(a * b, (0, 0), 1.5) - mean_a * mean_b).sum(2)
    colour = np.abs(mean_a - mean_b).mean(2)[hole].mean() / 64
    contrast = np.abs(np.log((power_a + 20) / (power_b + 20)))[hole].mean()
    structure = (1 - (joint + 20) / (np.sqrt(power_a * power_b) + 20))[hole].mean()
    return float(0.02 * colour + 0.25 * contrast + 0.17 * structure)


def grain(filled: np.ndarray, photo: np.ndarray, hole: np.ndarray) -> float:
    """Fine detail in the hole against that of the ring around it."""
    ring = (cv2.dilate(hole.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0) & ~hole
    fine = [np.abs(x - cv2.GaussianBlur(x, (0, 0), 1.5)) for x in (filled.astype(np.float32), photo.astype(np.float32))]
    return float(fine[0][hole].mean() / max(0.1, fine[1][ring].mean()))


def main() -> None:
    """Parse the command line, fill, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--nets", type=Path, required=True, help="folder with the LPIPS networks")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, default=24, help="photos")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--cache", type=Path, default=Path("runs/engines"), help="decoded photos are kept here")
    args = parser.parse_args()
    photos, metric = PhotoCache(args.photos, args.cache), SqueezeLPIPS(args.nets).eval()
    inpainter = Inpainter.load(weights=args.weights, device="cpu")
    print("| masks | " + " | ".join(ENGINES) + " | oracle | rule 60 % | score | grain |")
    print("|---|" + "---:|" * (len(ENGINES) + 4))
    for kind in args.kinds:
        rows = []
        for number in np.random.default_rng(0).permutation(len(photos))[: args.limit]:
            photo = np.ascontiguousarray(photos.photo(int(number)))
            side = min(photo.shape[:2])
            photo = photo[:side, :side]
            mask = KINDS[kind](np.random.default_rng([int(number), len(kind)]), side)
            if not 0 < mask.mean() < 0.8:
                continue
            fills = {engine: inpainter.fill(photo, mask, FillOptions(engine=engine)).photo for engine in ENGINES}
            found = {engine: lpips(metric, fill, photo) for engine, fill in fills.items()}
            single = [engine for engine in ENGINES if engine != "auto"]
            guess = min(single, key=lambda engine: cheap_distance(fills[engine], photo, mask))
            rule = found["network" if mask.mean() > 0.6 else "detail"]
            oracle = min(found[engine] for engine in single)
            rows.append([*found.values(), oracle, rule, found[guess], grain(fills["auto"], photo, mask)])
        means = [*np.mean([row[:-1] for row in rows], axis=0), np.median([row[-1] for row in rows])]
        cells = [*(f"{mean:.4f}" for mean in means[:-1]), f"{means[-1]:.2f}"]
        print(f"| {kind} ({len(rows)}) | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
