"""Judge kept fills by ImageNet features that no loss uses: does a gain in LPIPS hold elsewhere?

    python -m inpaint evaluate --photos VAL --nets NETS --output RUN --keep
    python -m benchmarks.second_judge --photos VAL --filled RUN/filled --lite0 FILE

LPIPS (squeeze) is one of the losses that the shipped weights learnt by. Here the distance is that of the features of
EfficientNet-Lite0 (`benchmarks/lite0.py`), of whole photos after compositing; printed are means for each engine and
mask kind, and what `auto` has of the best classical engine.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.lite0 import Lite0
from inpaint.evaluation.summary import CLASSICAL


def read(file: Path) -> Tensor:
    """A picture file as float (1, 3, H, W) in [-1, 1]."""
    pixels = np.array(Image.open(file).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@torch.inference_mode()
def main() -> None:
    """Parse the command line and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the whole photos")
    parser.add_argument("--filled", type=Path, required=True, help="`filled` of an evaluation with --keep")
    parser.add_argument("--lite0", type=Path, required=True, help="EfficientNet-Lite0's weights file")
    args = parser.parse_args()
    judge = Lite0(args.lite0).eval()
    engines = sorted(folder.name for folder in args.filled.iterdir())
    found: dict[tuple[str, str], list[float]] = {}
    for engine in engines:
        for file in sorted((args.filled / engine).rglob("*.png")):
            kind, *name = file.relative_to(args.filled / engine).parts
            truth = args.photos.joinpath(*name)
            found.setdefault((kind, engine), []).append(float(judge.distance(read(file), read(truth))))
    for kind in sorted({kind for kind, _ in found}):
        means = {engine: float(np.mean(found[kind, engine])) for engine in engines if (kind, engine) in found}
        best = min((mean for engine, mean in means.items() if engine in CLASSICAL), default=0.0)
        ratio = f"; auto {means['auto'] / best:.2f} of the best classical" if best and "auto" in means else ""
        print(f"{kind}: {', '.join(f'{engine} {mean:.4f}' for engine, mean in means.items())}{ratio}", flush=True)


if __name__ == "__main__":
    main()
