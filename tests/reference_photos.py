"""The photos of the small evaluation that CI runs: `python -m tests.reference_photos FOLDER` writes them.

Four come with scikit-image (astronaut: NASA, public domain; chelsea, coffee, rocket: CC0), two are generated.
"""

import sys
from pathlib import Path

import skimage.data
from PIL import Image

from inpaint.evaluation.timing import synthetic_photo

SIDE = 192  # pixels
BUNDLED = ("astronaut", "chelsea", "coffee", "rocket")


def write_reference_photos(folder: Path) -> None:
    """Write six square photos of 192 px as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BUNDLED:
        photo = Image.fromarray(getattr(skimage.data, name)())
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        cut = photo.crop((left, top, left + side, top + side))
        cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(folder / f"{name}.png")
    for seed in (1, 2):
        Image.fromarray(synthetic_photo(SIDE, SIDE, seed)).save(folder / f"scene{seed}.png")


if __name__ == "__main__":
    write_reference_photos(Path(sys.argv[1]))
