"""Images per second of a training preset, and the share of the time that goes into drawing batches.

    python -m benchmarks.training --photos PHOTOS... --nets DIR [--preset dilated] [--sizes 128 256] [--threads 1]

Prints a table and, with --json, the same as JSON. As a yardstick that moves with the machine's load, every row also
gives the time of one 1024 x 1024 float32 matrix product measured between the steps.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from inpaint.models.discriminators import DISCRIMINATORS
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import HostBatches
from inpaint.training.config import PRESETS
from inpaint.training.data import PhotoCache
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.perceptual import SqueezeLPIPS
from inpaint.training.run import build_generator, pick_accelerator
from inpaint.training.trainer import Trainer


def product_seconds(device: torch.device) -> float:
    """Seconds of one 1024 x 1024 matrix product."""
    a = torch.rand(1024, 1024, device=device)
    start = time.perf_counter()
    (a @ a).sum().item()
    return time.perf_counter() - start


def measure(preset: str, size: int, photos: list[Path], nets: Path | None, steps: int, device: str) -> dict[str, float]:
    """Figures of `steps` steps with every loss in use, after five that are not counted.

    Images a second are those of all these steps together: they differ in size and number where the preset says so.
    """
    config = replace(PRESETS[preset], size=size, adversarial_from=0, generator_phase=0, discriminator_phase=0)
    accelerator = pick_accelerator(device)
    generator = build_generator(config, None)
    adversary = ADVERSARIES[config.discriminator](DISCRIMINATORS[config.discriminator](size))
    perceptual = SqueezeLPIPS(nets) if nets else None
    with tempfile.TemporaryDirectory() as folder:
        cache = PhotoCache(photos, Path(folder), smallest=size)
        indices, guided = range(len(cache)), generator.takes_guide
        on_gpu = accelerator.device.type == "cuda"
        batches = (
            DeviceBatches(cache, config, indices, guided, accelerator.device) if on_gpu
            else HostBatches(cache, config, indices, guided)
        )  # fmt: skip
        trainer = Trainer(generator, adversary, perceptual, batches, Path(folder), config, accelerator)
        seconds, drawing, products, before = [], [], [], 0
        draw = batches.draw

        def timed_draw() -> object:
            start = time.perf_counter()
            batch = draw()
            drawing[-1] += time.perf_counter() - start
            return batch

        batches.draw = timed_draw  # type: ignore[method-assign, assignment]
        for _ in range(steps + 5):
            if len(seconds) == 5:
                before = trainer.seen
            drawing.append(0.0)
            start = time.perf_counter()
            values = trainer.train_step()
            float(next(iter(values.values())))  # waits for a GPU
            seconds.append(time.perf_counter() - start)
            products.append(product_seconds(accelerator.device))
    step, product = (float(torch.tensor(x[5:]).median()) for x in (seconds, products))
    share = sum(drawing[5:]) / sum(seconds[5:])
    return {
        "size": size, "batch": config.batch, "images_per_second": round((trainer.seen - before) / sum(seconds[5:]), 2),
        "loading_share": round(share, 4), "step_seconds": round(step, 4), "product_seconds": round(product, 5),
    }  # fmt: skip


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--nets", type=Path)
    parser.add_argument("--preset", choices=list(PRESETS), default="dilated")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(args.preset, size, args.photos, args.nets, args.steps, args.device) for size in args.sizes]
    print(f"preset {args.preset}, {args.threads} threads, {args.steps} steps, torch {torch.__version__}")
    print("| size | batch | images/s | loading | step s | 1024 matrix product s |\n|---:|---:|---:|---:|---:|---:|")
    for r in rows:
        print(
            f"| {r['size']} | {r['batch']} | {r['images_per_second']} | {r['loading_share']:.1%} | "
            f"{r['step_seconds']} | {r['product_seconds']} |"
        )
    if args.json:
        record = {"preset": args.preset, "threads": args.threads, "rows": rows}
        args.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
