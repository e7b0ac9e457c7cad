"""Seconds and peak memory of every engine and size, each in a new process, beside OpenCV's engines in the same run."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inpaint import __version__
from inpaint.errors import InpaintError, OptionError
from inpaint.evaluation.text import columns
from inpaint.evaluation.timing import REFERENCES
from inpaint.options import DEFAULT_MODEL

SCHEMA = 1
STAGES = ("load", "first", "total")  # shown before an engine's own stages


@dataclass(frozen=True)
class BenchmarkSettings:
    """What to time.

    Args:
        engines: names; Telea and NS are always timed as well.
        sizes: (width, height) of the photo in pixels.
        area: share of the photo that is hole.
        repeats: fills after the first; their median counts.
        model, weights, device: as in `Inpainter.load`.
        threads: CPU threads, or None for all cores.
        photo: file to scale to each size, or None for a synthetic scene.
        seed: of the scene and the hole.
    """

    engines: list[str]
    sizes: list[tuple[int, int]]
    area: float = 0.1
    repeats: int = 3
    model: str = DEFAULT_MODEL
    weights: Path | None = None
    device: str = "auto"
    threads: int | None = None
    photo: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.area <= 0.8:
            raise OptionError(f"area must be above 0 and at most 0.8 of the photo, got {self.area}")
        if self.repeats < 1:
            raise OptionError(f"repeats must be at least 1, got {self.repeats}")
        if self.seed < 0:
            raise OptionError(f"seed must be 0 or more, got {self.seed}")


def parse_size(text: str) -> tuple[int, int]:
    """`512` or `6000x4000` as (width, height); raises OptionError."""
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if not found or min(int(n or found[1]) for n in found.groups()) < 16:
        raise OptionError(f"a size is pixels, as 512 or 6000x4000, at least 16, got {text!r}")
    return int(found[1]), int(found[2] or found[1])


def run_task(task: dict[str, Any], threads: int | None) -> dict[str, Any]:
    """Time one engine in a new process.

    Raises:
        InpaintError: the process failed or was killed; the text says how.
    """
    command = [sys.executable, "-m", "inpaint", "benchmark", "--task"]
    command += ["--threads", str(threads)] if threads else []
    task = {**task, "launched": time.time()}
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    where = f"{task['engine']} at {task['width']}x{task['height']}"
    if done.returncode < 0:
        raise InpaintError(f"{where}: was ended by signal {-done.returncode}, perhaps for want of memory")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InpaintError(f"{where}: {last.removeprefix('error: ')}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def run_benchmark(settings: BenchmarkSettings, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time every engine at every size.

    Args:
        settings: what to time.
        progress: called with a line before each process.

    Returns:
        `machine`, `settings`, `rows` with seconds, memory and ratios to Telea and NS, and `failures`.
    """
    engines = list(dict.fromkeys([*settings.engines, *REFERENCES]))
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    machine: dict[str, Any] = {}
    for width, height in settings.sizes:
        for engine in engines:
            progress(f"{width}x{height} {engine}")
            task = {
                "engine": engine, "model": settings.model, "weights": settings.weights and str(settings.weights),
                "device": settings.device, "width": width, "height": height, "area": settings.area,
                "photo": settings.photo and str(settings.photo), "repeats": settings.repeats, "seed": settings.seed,
            }  # fmt: skip
            try:
                answer = run_task(task, settings.threads)
            except InpaintError as error:
                failures.append(str(error))
                continue
            machine = answer.pop("machine")
            rows.append({"width": width, "height": height, "engine": engine, **answer})
    described = asdict(settings)
    described["weights"] = settings.weights and settings.weights.name
    described["photo"] = settings.photo and settings.photo.name
    return {
        "schema": SCHEMA, "inpaint": __version__, "date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine,
        "settings": described, "failures": failures, "rows": rows,
    }  # fmt: skip


def benchmark_text(results: dict[str, Any]) -> str:
    """The benchmark as a table for the terminal: seconds per stage, memory in MiB, ratios."""
    machine = results["machine"]
    lines = []
    if machine:
        threads = ", ".join(f"{name} {n}" for name, n in machine["threads"].items())
        versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
        lines += [
            f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; threads: {threads}; {versions}"
        ]
    stages = [*STAGES, *dict.fromkeys(k for row in results["rows"] for k in row["seconds"] if k not in STAGES)]
    rows = [["size", "engine", *stages, "cpu", "loaded MiB", "peak MiB", *(f"x {name}" for name in REFERENCES)]]
    for row in results["rows"]:
        seconds = [f"{row['seconds'][s]:.3f}" if s in row["seconds"] else "-" for s in stages]
        ratios = [f"{row['ratio'][name]:.2f}" for name in REFERENCES]
        size = f"{row['width']}x{row['height']}"
        megabytes = [f"{row['memory'][k]:.0f}" for k in ("loaded", "peak")]
        rows.append([size, row["engine"], *seconds, f"{row['cpu']:.3f}", *megabytes, *ratios])
    return "\n".join([*lines, columns(rows)])
