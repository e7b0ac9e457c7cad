"""Several fills of one hole, with a time limit: PYTHONPATH=. python examples/alternatives.py PHOTO MASK SECONDS."""

import sys
import time
from pathlib import Path

from inpaint import FillOptions, Inpainter, load_mask, load_photo, save_photo
from inpaint.errors import Cancelled


def main(photo_file: str, mask_file: str, seconds: str) -> int:
    """Write up to three fills beside the photo as NAME_fill1.png, ...; returns 1 if there was not enough time."""
    inpainter = Inpainter.load()
    photo = load_photo(photo_file)
    mask = load_mask(mask_file, photo.pixels.shape[:2])
    until = time.monotonic() + float(seconds)

    def progress(stage: str, done: float) -> bool:
        print(f"{done:4.0%} {stage}")
        return time.monotonic() < until  # False stops the fill

    try:
        result = inpainter.fill(photo.pixels, mask, FillOptions(candidates=3), progress=progress)
    except Cancelled:
        print(f"stopped after {seconds} s, nothing was written")
        return 1
    for number, (pixels, about) in enumerate(zip(result.candidates, result.report.candidates, strict=True), 1):
        output = Path(photo_file).with_name(f"{Path(photo_file).stem}_fill{number}.png")
        save_photo(photo.with_pixels(pixels), output)
        print(f"{output.name}: {about.engines}, seed {about.seed}, seam {about.seam}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
