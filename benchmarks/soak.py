"""Many fills of random sizes in one process: does it hold on to memory, files or descriptors?

    python -m benchmarks.soak [--fills 2000] [--settle 200] [--longest 1024] [--json FILE] [--plot FILE.png]

Sides are drawn from 64 to `--longest` px, small ones more often, holes of every kind of `inpaint.masking.random` and
specks, engines as people choose them; every fifth fill goes from file to file as the command line does it. Resident
memory is the median of every hundred fills. Exit code 1: it left the band of `--growth` around that of the first
hundred after `--settle` fills, or a descriptor or a temporary file was left over, or a pixel outside a hole changed.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

BLOCK = 100  # fills whose median counts as one reading
SHORTEST = 64  # side of a photo, pixels
ENGINES = ("auto", "auto", "auto", "auto", "network", "patch", "detail", "telea")


def resident() -> float:
    """Resident memory of this process (MB)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))


def draw_case(number: int, rng, longest: int) -> tuple:  # noqa: ANN001 (numpy is imported later, so that threads can be set before)
    """A photo uint8 (H, W, 3) with texture, and a mask bool (H, W) that marks some of it, not all."""
    import cv2
    import numpy as np

    from inpaint.masking.random import KINDS

    height, width = (int(np.exp(rng.uniform(*np.log((SHORTEST, longest))))) for _ in range(2))
    small = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    photo = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    photo = np.clip(photo + rng.normal(0, 6, photo.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((height, width), bool)
    if number % 7 == 0:
        for _ in range(int(rng.integers(1, 40))):
            at = int(rng.integers(width)), int(rng.integers(height))
            cv2.circle(mask_bytes := mask.view(np.uint8), at, int(rng.integers(0, 4)), 1, -1)
            mask = mask_bytes.view(bool)
    else:
        side = int(min(height, width) * rng.uniform(0.3, 1.0))
        part = KINDS[list(KINDS)[int(rng.integers(len(KINDS)))]](rng, max(16, side))[:height, :width]
        top, left = (int(rng.integers(0, n - m + 1)) for n, m in zip(mask.shape, part.shape, strict=True))
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
    mask[:2, :2] = False
    if not mask.any():
        mask[height // 2, width // 2] = True
    return photo, mask


def fill_files(inpainter, photo, mask, folder: Path, number: int) -> bool:  # noqa: ANN001
    """From file to file; whether every kept pixel came back."""
    import numpy as np
    from PIL import Image

    from inpaint.fill_file import FillJob, fill_file

    ending = ("png", "webp", "tif")[number % 3]
    source, hole, output = folder / f"photo.{ending}", folder / "mask.png", folder / f"out.{ending}"
    Image.fromarray(photo).save(source, **({"lossless": True} if ending == "webp" else {}))
    Image.fromarray(mask.astype(np.uint8) * 255).save(hole)
    done = fill_file(FillJob(source, hole, output, mask_is="white"), lambda: inpainter)
    for path in (source, hole, output):
        path.unlink()
    return done.verification is not None


def soak(fills: int, settle: int, threads: int, longest: int, seed: int = 0) -> dict:
    """Fill; the readings."""
    import numpy as np

    from inpaint import FillOptions, Inpainter
    from inpaint.filling.threads import set_threads

    set_threads(threads)
    inpainter, rng = Inpainter.load(device="cpu"), np.random.default_rng(seed)
    readings: list[float] = []
    block: list[float] = []
    changed, spent, begun = 0, [], time.perf_counter()
    open_files = temporary = None
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        tempfile.tempdir = folder
        for number in range(fills):
            photo, mask = draw_case(number, rng, longest)
            start = time.perf_counter()
            if number % 5 == 0:
                changed += not fill_files(inpainter, photo, mask, Path(folder), number)
            else:
                engine = ENGINES[int(rng.integers(len(ENGINES)))]
                filled = inpainter.fill(photo, mask, FillOptions(engine=engine, seed=number)).photo
                changed += not np.array_equal(filled[~mask], photo[~mask])
            spent.append(time.perf_counter() - start)
            block.append(resident())
            if number + 1 == settle:
                gc.collect()
                open_files, temporary = descriptors(), len(os.listdir(folder))
            if len(block) == BLOCK:
                readings.append(round(statistics.median(block), 1))
                seconds = time.perf_counter() - begun
                print(f"{number + 1} fills, {seconds:.0f} s, {readings[-1]:.0f} MB", file=sys.stderr, flush=True)
                block = []
        gc.collect()
        left = len(os.listdir(folder)) - (temporary or 0)
        opened = descriptors() - (open_files or 0)
        tempfile.tempdir = None
    after = readings[settle // BLOCK :]
    band = [min(after) / after[0] - 1, max(after) / after[0] - 1] if after else [0.0, 0.0]
    return {
        "fills": fills, "threads": threads, "longest": longest, "seconds": round(time.perf_counter() - begun),
        "changed_photos": changed,
        "seconds_a_fill": round(statistics.median(spent), 3), "resident_mb": readings, "settled_mb": after[:1],
        "band": [round(x, 4) for x in band], "descriptors_left": opened, "temporary_left": left,
    }  # fmt: skip


def plot(figures: dict, file: Path) -> None:
    """Resident memory against fills."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 2.4), layout="constrained")
    axis.plot([BLOCK * (n + 1) for n in range(len(figures["resident_mb"]))], figures["resident_mb"], color="tab:red")
    axis.set(xlabel="fills", ylabel="resident MB", ylim=(0, 1.2 * max(figures["resident_mb"])))
    axis.grid(alpha=0.3)
    figure.savefig(file, dpi=100)


def main() -> int:
    """Parse, run, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fills", type=int, default=2000)
    parser.add_argument("--settle", type=int, default=200, help="fills that do not count")
    parser.add_argument("--growth", type=float, default=0.05, help="of resident memory that is allowed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--longest", type=int, default=1024, help="side of a photo, pixels")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.settle >= args.fills:
        parser.error("--settle must be below --fills, else nothing is left to judge")
    figures = soak(args.fills, args.settle, args.threads, args.longest)
    held = max(map(abs, figures["band"])) <= args.growth
    left = figures["descriptors_left"] + figures["temporary_left"] + figures["changed_photos"]
    figures["ok"] = held and left == 0
    print(json.dumps(figures, indent=1))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(figures, args.plot)
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
