"""Fit the perceptrons of `inpaint.masking.objectness`: python -m benchmarks.fit_objects PHOTOS... --cutouts FOLDER.

Cut-outs are RGBA PNG files whose colours are a whole photo and whose alpha is the object in it: each serves once as it
is and several times pasted on other photos.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.fit_scratches import fit
from benchmarks.mask_truth import Case, blob_cutout, loose_box, object_case
from benchmarks.photos import photos
from inpaint.masking.looks import MARGIN
from inpaint.masking.objectness import SIDE, Crop, judge

SAMPLE = 1200  # pixels of each case


def cases(sources: list[Path], cutouts: list[Path], pasted: int, seed: int) -> Iterator[Case]:
    """Every cut-out as it is, and pasted `pasted` times; blobs of photos for a fifth of the rest."""
    rng = np.random.default_rng(seed)
    backgrounds = list(photos(sources, min(400, pasted * len(cutouts) + 1), 512))
    for file in cutouts:
        rgba = np.array(Image.open(file))
        truth = rgba[..., 3] > 127
        yield Case(rgba[..., :3], truth, loose_box(rng, truth))
        for _ in range(pasted):
            source = rgba if rng.random() < 0.85 else blob_cutout(rng, backgrounds[rng.integers(len(backgrounds))])
            yield object_case(rng, backgrounds[rng.integers(len(backgrounds))], source)


def looked_at(case: Case) -> tuple[Crop, np.ndarray]:
    """What `object_mask` looks at for a case's box, and the truth there, bool."""
    assert case.box is not None
    x, y, w, h = case.box
    pad_x, pad_y = max(8, round(MARGIN * w)), max(8, round(MARGIN * h))
    part = np.s_[max(0, y - pad_y) : y + h + pad_y, max(0, x - pad_x) : x + w + pad_x]
    inside = np.zeros(case.truth.shape, bool)
    inside[y : y + h, x : x + w] = True
    crop = case.photo[part]
    scale = SIDE / max(crop.shape[:2])
    size = (max(4, round(crop.shape[1] * scale)), max(4, round(crop.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(crop, size, interpolation=how), np.uint8)
    box = cv2.resize(inside[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    truth = cv2.resize(case.truth[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return Crop(small, box), truth


def main() -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders and tar files")
    parser.add_argument("--cutouts", type=Path, required=True, help="folder of RGBA PNG files")
    parser.add_argument("-o", "--output", type=Path, default=Path("inpaint/masking/objects.npz"))
    parser.add_argument("--pasted", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    kept, rows, truths = [], [], []
    for case in cases(args.photos, sorted(args.cutouts.glob("*.png")), args.pasted, args.seed):
        crop, truth = looked_at(case)
        if crop.box.all() or crop.box.sum() < 100:
            continue
        measures = crop.first_measures()
        chosen = rng.choice(int(crop.box.sum()), min(SAMPLE, int(crop.box.sum())), replace=False)
        rows.append(measures[crop.box][chosen])
        truths.append(truth[crop.box][chosen])
        kept.append((crop, measures.astype(np.float16), chosen))
    wanted = np.concatenate(truths)
    first = fit(np.concatenate(rows), wanted, args.steps, args.seed, hidden=(24, 12), balance=1.0)
    print(f"{len(kept)} cases, {wanted.mean():.1%} object")
    again_rows = []
    for crop, half, chosen in kept:
        measures = half.astype(np.float32)
        likely = np.zeros(crop.shape, np.float32)
        likely[crop.box] = 1 / (1 + np.exp(-judge(first, measures[crop.box])))
        again_rows.append(crop.again_measures(measures, likely)[crop.box][chosen])
    again = fit(np.concatenate(again_rows), wanted, args.steps, args.seed, hidden=(24, 12), balance=1.0)
    stages = (("first", first), ("again", again))
    np.savez(args.output, **{f"{stage}_{name}": w for stage, layers in stages for name, w in layers.items()})


if __name__ == "__main__":
    main()
