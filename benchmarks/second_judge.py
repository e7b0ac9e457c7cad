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
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.lite0 import Lite0
from inpaint.evaluation.cases import find_photos, open_photo
from inpaint.evaluation.summary import CLASSICAL


def tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """A picture uint8 (H, W, 3) as float (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@torch.inference_mode()
def main() -> None:
    """Parse the command line and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the whole photos")
    parser.add_argument("--filled", type=Path, required=True, help="`filled` of an evaluation with --keep")
    parser.add_argument("--longest", type=int, default=1024, help="that of the evaluation (default: 1024)")
    parser.add_argument("--lite0", type=Path, required=True, help="EfficientNet-Lite0's weights file")
    args = parser.parse_args()
    judge = Lite0(args.lite0).eval()
    folders = sorted(folder for folder in args.filled.glob("*/*") if folder.is_dir())  # ENGINE/KIND
    engines = sorted({folder.parent.name for folder in folders})
    found: dict[tuple[str, str], list[float]] = {}
    for name in find_photos(args.photos):
        files = [(folder, folder / name.with_suffix(".png")) for folder in folders]
        kept = [(folder, file) for folder, file in files if file.is_file()]
        if not kept:
            continue
        fills = torch.cat([tensor(np.array(Image.open(file).convert("RGB"))) for _, file in kept])
        distances = judge.distance(fills, tensor(open_photo(args.photos / name, args.longest)[0]))
        for (folder, _), distance in zip(kept, distances, strict=True):
            found.setdefault((folder.name, folder.parent.name), []).append(float(distance))
    for kind in sorted({kind for kind, _ in found}):
        means = {engine: float(np.mean(found[kind, engine])) for engine in engines if (kind, engine) in found}
        best = min((mean for engine, mean in means.items() if engine in CLASSICAL), default=0.0)
        ratio = f"; auto {means['auto'] / best:.2f} of the best classical" if best and "auto" in means else ""
        print(f"{kind}: {', '.join(f'{engine} {mean:.4f}' for engine, mean in means.items())}{ratio}", flush=True)


if __name__ == "__main__":
    main()
