"""Seconds by stage and peak memory of whole fills, each case in a process of its own.

    python -m benchmarks.fill [--threads 2] [--photo FILE] [CASE ...]

Telea on the same photo and mask, in the same process, is the yardstick for the machine's speed of the minute; so are
the windows of the fill as photos of their own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

CASES = {
    "512": "512 x 512, object hole of 10 %",
    "512-deep": "the same with 16 bits a channel",
    "24mp-1": "6000 x 4000, object hole of 1 %",
    "24mp-47": "6000 x 4000, object hole of 47 %",
    "100mp-20": "12000 x 8400, 20 object holes",
    "24mp-specks": "6000 x 4000, 4,000 specks",
}


def make_case(name: str, photo_file: Path) -> tuple:
    """A photo (the file's, scaled and with grain) and a mask."""
    import cv2
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    height, width = {"512": (512, 512), "100": (8400, 12000)}.get(name[:3], (4000, 6000))
    photo = cv2.resize(np.array(Image.open(photo_file).convert("RGB")), (width, height), interpolation=cv2.INTER_CUBIC)
    for top in range(0, height, 500):  # in strips: the grain must not decide the peak of memory
        part = photo[top : top + 500]
        part[:] = np.clip(part + rng.normal(0, 4, part.shape).astype(np.float32), 0, 255)
    if name == "512-deep":
        photo = photo.astype(np.uint16) * 257
    mask = np.zeros((height, width), np.uint8)
    if name == "24mp-specks":
        for y, x in zip(rng.integers(0, height, 4000), rng.integers(0, width, 4000), strict=True):
            cv2.circle(mask, (int(x), int(y)), int(rng.integers(0, 3)), 1, -1)
    elif name == "100mp-20":
        for n in range(20):
            at = 1200 + 2400 * (n % 5) + int(rng.integers(-600, 600)), 1050 + 2100 * (n // 5)
            axes = int(rng.integers(60, 260)), int(rng.integers(60, 260))
            cv2.ellipse(mask, at, axes, int(rng.integers(180)), 0, 360, 1, -1)
    else:
        share = {"512": 0.1, "512-deep": 0.1, "24mp-1": 0.01, "24mp-47": 0.47}[name]
        radius = (share * height * width / np.pi) ** 0.5
        axes = round(radius * 1.2), round(radius / 1.2)
        cv2.ellipse(mask, (round(width * 0.48), round(height * 0.5)), axes, 0 if share > 0.4 else 25, 0, 360, 1, -1)
    return photo, mask.astype(bool)


def peak() -> float:
    """Peak resident memory of this process so far (MB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def measure(name: str, photo_file: Path, threads: int) -> None:
    """Run one case and print its figures as JSON."""
    from inpaint.filling.threads import wait_asleep

    wait_asleep()
    import cv2
    import numba
    import numpy as np
    import torch

    from inpaint import Inpainter

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    cv2.setNumThreads(threads)
    photo, mask = make_case(name, photo_file)
    before = peak()
    inpainter = Inpainter.load(device="cpu")
    runs = []
    for _ in range(1 + (3 if name.startswith("512") else 1)):
        result = None  # the last fill's photo is not this one's memory
        start = time.perf_counter()
        result = inpainter.fill(photo, mask)
        runs.append((time.perf_counter() - start, result.report))
    used = peak()  # before the comparison, which copies the photo
    assert np.array_equal(result.photo[~mask], photo[~mask])
    result = None
    seconds, report = min(runs[1:], key=lambda run: run[0])
    shallow = photo if photo.dtype == np.uint8 else (photo // 257).astype(np.uint8)
    start = time.perf_counter()
    if name in ("24mp-47", "100mp-20"):
        telea = float("nan")  # minutes, or more memory than all the rest
    else:
        cv2.inpaint(shallow, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        telea = time.perf_counter() - start
    start = time.perf_counter()
    for hole in report.holes:
        left, top, right, bottom = hole.box
        part = np.ascontiguousarray(photo[top:bottom, left:right])
        inpainter.fill(part, np.ascontiguousarray(mask[top:bottom, left:right]))
    alone = time.perf_counter() - start
    bound = 4 * photo.nbytes / 1024**2 + 700
    print(json.dumps({
        "case": CASES[name], "first": runs[0][0], "warm": seconds, "telea": telea, "alone": alone,
        "peak": used, "before": before, "bound": bound, "stages": report.seconds, "engines": report.engines,
        "windows": len(report.holes), "shrunk": max(hole.shrunk for hole in report.holes),
    }))  # fmt: skip


def main() -> None:
    """Parse the command line, run every case in its own process, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--photo", type=Path, default=Path(__file__).parent.parent / "docs" / "before.png")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.photo, args.threads)
        return
    root = Path(__file__).parent.parent
    path = os.pathsep.join(p for p in (str(root), os.environ.get("PYTHONPATH")) if p)
    stages = ["windows", "self-test", "diffusion", "structure", "detail", "blend"]
    heads = [*stages, "warm s", "first s", "x its windows alone", "x Telea", "peak MB", "bound MB"]
    print("| case | " + " | ".join(heads) + " |")
    print("|---|" + "---:|" * len(heads))
    for name in args.cases or CASES:
        command = [sys.executable, __file__, "--measure", name, "--photo", str(args.photo)]
        command += ["--threads", str(args.threads)]
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        cells = [f"{found['stages'].get(stage, 0):.2f}" for stage in stages]
        cells += [f"{found[key]:.2f}" for key in ("warm", "first")]
        cells += [f"{found['warm'] / found[key]:.1f}" for key in ("alone", "telea")]
        cells += [f"{found['peak']:.0f}", f"{found['bound']:.0f}"]
        print(f"| {found['case']} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
