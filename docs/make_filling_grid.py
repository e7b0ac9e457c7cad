"""Makes docs/filling.jpg: eight fills of scikit-image's sample photos, each as photo with hole, and filled.

    PYTHONPATH=. python docs/make_filling_grid.py
    PYTHONPATH=. python docs/make_filling_grid.py --failures    # docs/failures.jpg: eight that show the limits

The photos are in the public domain or CC0 (scikit-image names each one's source).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from inpaint import Inpainter

CELL = 256  # side of a picture in the grid, pixels
# name, hole as centre x, centre y, half width, half height, angle (shares of the side; degrees)
HOLES = [
    ("brick", 0.5, 0.5, 0.17, 0.17, 0), ("gravel", 0.45, 0.55, 0.2, 0.14, 30), ("grass", 0.5, 0.5, 0.16, 0.2, 0),
    ("coffee", 0.83, 0.72, 0.1, 0.16, 25), ("rocket", 0.5, 0.42, 0.06, 0.38, 0), ("astronaut", 0.16, 0.3, 0.15, 0.3, 0),
    ("chelsea", 0.44, 0.42, 0.09, 0.08, 0), ("camera", 0.42, 0.5, 0.17, 0.36, -8),
]  # fmt: skip
FAILURES = [
    ("astronaut", 0.42, 0.22, 0.13, 0.16, 0), ("chelsea", 0.45, 0.45, 0.3, 0.28, 0),
    ("coffee", 0.5, 0.45, 0.3, 0.12, 0),
    ("camera", 0.45, 0.3, 0.12, 0.14, 0), ("astronaut", 0.72, 0.78, 0.24, 0.16, 0), ("brick", 0.4, 0.5, 0.3, 0.3, 0),
    ("text", 0.5, 0.5, 0.25, 0.14, 0), ("cat", 0.5, 0.5, 0.2, 0.3, 20),
]  # fmt: skip


def square(name: str) -> np.ndarray:
    """The middle square of a sample photo, uint8 RGB (512, 512, 3)."""
    photo = getattr(data, name)()
    photo = np.stack([photo] * 3, axis=2) if photo.ndim == 2 else photo[..., :3]
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    return cv2.resize(photo[top : top + side, left : left + side], (512, 512), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Fill eight photos and write the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="weights file in place of the shipped one")
    parser.add_argument("--failures", action="store_true", help="holes that are filled badly")
    parser.add_argument("--output", type=Path, help="default: filling.jpg or failures.jpg beside this program")
    args = parser.parse_args()
    output = args.output or Path(__file__).parent / ("failures.jpg" if args.failures else "filling.jpg")
    inpainter = Inpainter.load(weights=args.weights, device="cpu")
    rows = []
    for name, x, y, wide, high, angle in FAILURES if args.failures else HOLES:
        photo, canvas = square(name), np.zeros((512, 512), np.uint8)
        axes = round(512 * wide), round(512 * high)
        cv2.ellipse(canvas, (round(512 * x), round(512 * y)), axes, angle, 0, 360, 1, -1)
        filled = inpainter.fill(photo, canvas > 0).photo
        holed = photo.copy()
        holed[canvas > 0] = (255, 59, 107)
        pair = [cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA) for picture in (holed, filled)]
        rows.append(np.concatenate(pair, axis=1))
    grid = np.concatenate([np.concatenate(rows[i : i + 2], axis=1) for i in range(0, 8, 2)], axis=0)
    Image.fromarray(grid).save(output, quality=80)


if __name__ == "__main__":
    main()
