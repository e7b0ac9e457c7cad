"""Quality and cost beside other tools: the same photos, holes, threads and process for everyone.

    python -m benchmarks.peers --photos DIR --nets NETS [--masks objects,thick] [--limit 16] [--threads 2] \
        [--json FILE] [--plot FILE.png]

OpenCV's Telea and NS, scikit-image's biharmonic, patchmatch-cython (`pip install patchmatch-cython`; left out where it
is missing), our engines, and for their time alone the generators of DeepFill v2 and GLCIC with random weights, whose
seconds do not depend on the weights. Seconds are medians over the photos; every tool runs once before it is timed.
Memory is what the process's peak rose by during the first photo (Linux); multiply-adds are those of networks alone.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.soak import resident
from inpaint import FillOptions, Inpainter
from inpaint.evaluation.candidates import fill_biharmonic
from inpaint.evaluation.cases import draw_mask, find_photos, open_photo
from inpaint.evaluation.machine import describe_machine
from inpaint.evaluation.metrics import load_perceptual, score
from inpaint.filling.blend import paste
from inpaint.filling.memory import LARGE, give_back
from inpaint.filling.structure import fill_structure
from inpaint.models import build_network

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
RANDOM = ("deepfill-v2", "glcic")
OURS = ("auto", "detail", "network", "patch")
LONGEST = 512  # pixels


def tools(inpainter: Inpainter) -> dict[str, Callable[[Photo, Mask], Photo]]:
    """Every tool by name, photo and hole to the filled photo; known pixels are put back afterwards."""
    found: dict[str, Callable[[Photo, Mask], Photo]] = {}
    for engine in OURS:
        found[engine] = lambda photo, mask, name=engine: inpainter.fill(photo, mask, FillOptions(engine=name)).photo
    for name, flag in (("cv2.INPAINT_TELEA", cv2.INPAINT_TELEA), ("cv2.INPAINT_NS", cv2.INPAINT_NS)):
        found[name] = lambda photo, mask, flag=flag: cv2.inpaint(photo, mask.astype(np.uint8), 3, flag)
    if find_spec("skimage"):
        found["biharmonic"] = fill_biharmonic
    else:
        print("scikit-image is not installed: biharmonic is left out")
    try:
        from patchmatch_cython import inpaint_pyramid

        found["patchmatch-cython"] = lambda photo, mask: np.asarray(
            inpaint_pyramid(photo, (mask * 255).astype(np.uint8), seed=0), np.uint8
        )
    except ImportError:
        print("patchmatch-cython is not installed: it is left out")
    for name in RANDOM:
        network = build_network(name).eval()

        def run(photo: Photo, mask: Mask, network: torch.nn.Module = network) -> Photo:
            fill = fill_structure(network, photo.astype(np.float32), mask, torch.device("cpu"))  # type: ignore[arg-type]
            return np.rint(fill).astype(np.uint8)

        found[f"{name}, random weights"] = run
    return found


def peak_of(call: Callable[[], object]) -> float | None:
    """MB by which resident memory rose at its peak during a call; None where the system does not say."""
    try:
        before = resident()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        return None
    call()
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024 - before


def network_work(call: Callable[[], object]) -> float:
    """Multiplications with an addition of the networks in a call, in thousand millions."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e9


def measure(photos: Path, nets: Path | None, kinds: list[str], limit: int, threads: int) -> dict:
    """Figures of every tool: `seconds`, and `lpips` and `psnr` by mask kind (None for random weights)."""
    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    perceptual = load_perceptual(nets, torch.device("cpu")) if nets else None
    runners = tools(Inpainter.load(device="cpu"))
    cases = []
    for index, name in enumerate(find_photos(photos)[:limit]):
        photo, _ = open_photo(photos / name, LONGEST)
        cases += [(kind, photo, draw_mask(kind, 0, index, photo.shape[:2])) for kind in kinds]
    results = {}
    for tool, run in runners.items():
        work = network_work(lambda run=run: run(cases[0][1], cases[0][2]))  # compiles, loads
        gc.collect()
        give_back(LARGE)  # else the peak would hide in what is free
        memory = peak_of(lambda run=run: run(cases[0][1], cases[0][2]))
        random = tool.endswith("random weights")
        seconds, scores = [], {kind: [] for kind in kinds}
        for kind, photo, mask in cases[:3] if random else cases:
            start = time.perf_counter()
            filled = run(photo, mask)
            seconds.append(time.perf_counter() - start)
            scores[kind].append(score(photo, paste(filled.astype(np.float32), photo, mask), mask, perceptual))
        figures = {"seconds": round(statistics.median(seconds), 3), "work": round(work, 1)}
        figures["memory"] = None if memory is None else round(memory)
        results[tool] = figures | {
            name: {} if random else {
                kind: round(float(np.mean([row[name] for row in rows])), 4)
                for kind, rows in scores.items() if all(row.get(name) is not None for row in rows)
            } for name in ("lpips", "psnr")
        }  # fmt: skip
        print(tool, json.dumps(results[tool]), flush=True)
    machine = describe_machine()
    count = len(cases) // max(1, len(kinds))
    return {"machine": machine, "threads": threads, "photos": count, "masks": kinds, "tools": results}


def table(results: dict) -> str:
    """Markdown, the fastest first; seconds also as a multiple of Telea's in this run."""
    kinds, rows = results["masks"], results["tools"]
    telea = rows["cv2.INPAINT_TELEA"]["seconds"]
    head = ["tool", "seconds", "x Telea", "MB", "G multiply-adds"]
    head += [f"{name} {kind}" for name in ("LPIPS", "PSNR") for kind in kinds]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for tool, row in sorted(rows.items(), key=lambda item: item[1]["seconds"]):
        cells = [tool, f"{row['seconds']:.2f}", f"{row['seconds'] / telea:.1f}"]
        cells.append("" if row["memory"] is None else str(row["memory"]))
        cells.append(f"{row['work']:.1f}" if row["work"] else "")
        cells += [str(row[name].get(kind, "")) for name in ("lpips", "psnr") for kind in kinds]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: dict, file: Path) -> None:
    """LPIPS against seconds, one panel a mask kind; names stand in a column of their own, so that none overlap."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = results["masks"]
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(5.4 * len(kinds), 3.8), squeeze=False, layout="constrained")
    for axis, kind in zip(axes[0], kinds, strict=True):
        rows = [(tool, row["seconds"], row["lpips"][kind]) for tool, row in results["tools"].items()
                if kind in row["lpips"]]  # fmt: skip
        rows.sort(key=lambda row: row[2])
        lowest, highest = rows[0][2], rows[-1][2]
        for number, (tool, seconds, lpips) in enumerate(rows):
            colour = "tab:red" if tool in OURS else "tab:gray"
            axis.scatter(seconds, lpips, color=colour, zorder=3)
            place = number / max(1, len(rows) - 1)
            axis.annotate(
                tool.removeprefix("cv2.INPAINT_"), (seconds, lpips), xytext=(1.04, 0.04 + 0.92 * place),
                textcoords="axes fraction", fontsize=8, color=colour, va="center",
                arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.35, "linewidth": 0.8, "relpos": (0, 0.5)},
            )  # fmt: skip
        axis.set(xscale="log", xlabel="seconds a photo", ylabel="LPIPS (lower is better)", title=f"holes: {kind}")
        margin = 0.1 * (highest - lowest)
        axis.set_ylim(lowest - margin, highest + margin)
        axis.grid(alpha=0.3)
        axis.margins(x=0.15)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Measure, print a table, write what was asked for."""
    parser = argparse.ArgumentParser(description="Quality and cost beside other tools.")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--nets", type=Path, help="folder of the LPIPS nets; without it PSNR alone")
    parser.add_argument("--masks", default="objects,thick")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.plot and not args.nets:
        parser.error("--plot shows LPIPS, so it needs --nets")
    results = measure(args.photos, args.nets, args.masks.split(","), args.limit, args.threads)
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
