"""How the time of a fill grows: with the photo, with the hole, and with the number of holes.

    python -m benchmarks.growth [--threads 2] [--repeats 3] [--json FILE]

The fastest of the repeats counts. An exponent is the slope of a line through the logarithms of seconds and pixels (or
holes): 1 is in proportion, 0 not at all. Fills of one row take turns, so that a busy machine disturbs all alike.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import fastest
from inpaint import FillOptions, Inpainter
from inpaint.evaluation.timing import synthetic_photo
from inpaint.filling.threads import set_threads

SIDES = (512, 1024, 2048, 4096)  # of the photo with one hole of always the same size, pixels
RADII = (16, 32, 64, 128, 256)  # of the hole in the middle of a photo of 2048 px, pixels
COUNTS = (1, 2, 4, 8, 16)  # of holes of 24 px radius, too far apart to share a window, in a photo of 4096 px
SMALL = 24  # radius, pixels


def discs(side: int, radius: int, count: int) -> NDArray[np.bool_]:
    """A mask bool (side, side) with `count` discs on a grid, the first alone in the middle."""
    mask = np.zeros((side, side), np.uint8)
    rows = 1 if count == 1 else 4
    for number in range(count):
        at = tuple(round(side * (place + 0.5) / rows) for place in (number % rows, number // rows))
        cv2.circle(mask, at, radius, 1, -1)
    return mask.astype(bool)


def cases() -> dict[str, dict[int, tuple[int, NDArray[np.bool_]]]]:
    """Rows of (side of the photo, mask) by what grows: pixels of the photo, pixels of the hole, or holes."""
    holes = {radius: discs(2048, radius, 1) for radius in RADII}
    return {
        "photo": {side * side: (side, discs(side, 48, 1)) for side in SIDES},
        "hole": {int(mask.sum()): (2048, mask) for mask in holes.values()},
        "holes": {count: (4096, discs(4096, SMALL, count)) for count in COUNTS},
    }


def exponent(seconds: dict[int, float]) -> float:
    """The slope of log seconds over the logarithm of what grows."""
    sizes = np.log(np.array(list(seconds), float))
    return float(np.polyfit(sizes, np.log(np.array(list(seconds.values()))), 1)[0])


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    set_threads(args.threads)
    inpainter, options, found = Inpainter.load(device="cpu"), FillOptions(engine=args.engine), {}
    photos = {side: synthetic_photo(side, side) for side in SIDES}
    for what, row in cases().items():
        seconds = fastest({
            str(size): lambda side=side, mask=mask: inpainter.fill(photos[side], mask, options)
            for size, (side, mask) in row.items()
        }, args.repeats)  # fmt: skip
        measured = {int(size): value for size, value in seconds.items()}
        found[what] = {"seconds": measured, "exponent": round(exponent(measured), 2)}
        print(f"| {what} | seconds |\n|---:|---:|")
        for size, value in measured.items():
            print(f"| {size:,} | {value:.3f} |")
        print(f"exponent {found[what]['exponent']}\n", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
