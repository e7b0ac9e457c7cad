"""One engine timed at one size, in the process that calls it: `benchmark` starts a new one for each."""

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

BIHARMONIC = "biharmonic"
REFERENCES = ("telea", "ns")


def synthetic_photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A photo-like scene of any size: shaded ground, overlapping shapes and texture at several scales.

    Returns:
        uint8 (height, width, 3) RGB.
    """
    import cv2

    rng = np.random.default_rng(seed)
    scene = np.empty((height, width, 3), np.float32)
    scene[:] = np.linspace(200, 90, height, dtype=np.float32)[:, None, None]
    for _ in range(24):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(int(max(2, a)) for a in rng.uniform(0.03, 0.25, 2) * min(height, width))
        cv2.ellipse(scene, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.uniform(30, 230, 3).tolist(), -1)
    for cell in (1, 4, 16):
        noise = rng.normal(0, 9, (-(-height // cell), -(-width // cell), 1)).astype(np.float32)
        scene += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(scene, 0, 255).astype(np.uint8)


def blob_mask(height: int, width: int, area: float, seed: int = 0) -> NDArray[np.bool_]:
    """An `objects` mask stretched to the photo and to a share of it as near to `area` as whole steps allow."""
    import cv2

    from inpaint.masking.random import KINDS

    blob = KINDS["objects"](np.random.default_rng(seed), 512)
    ys, xs = np.nonzero(blob)
    shape = blob[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = float(np.sqrt(area / shape.mean()))
    size = (max(1, min(width, round(width * scale))), max(1, min(height, round(height * scale))))
    mask = np.zeros((height, width), bool)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    small = cv2.resize(shape.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    mask[top : top + size[1], left : left + size[0]] = small
    return mask


def memory() -> dict[str, float]:
    """Resident memory of this process in MiB: `now` (where the system tells) and `peak`."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return {"now": int(fields["VmRSS"].split()[0]) / 1024, "peak": int(fields["VmHWM"].split()[0]) / 1024}
    except (OSError, KeyError):  # not Linux; on a Mac ru_maxrss counts bytes, and not the parent's peak
        try:
            import resource
        except ImportError:  # Windows
            return {"now": 0.0, "peak": 0.0}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        return {"now": peak, "peak": peak}


def time_engine(task: dict[str, Any]) -> dict[str, Any]:
    """Fill one photo once cold and then several times, in turn with Telea and NS.

    On a machine that does other work as well, only what ran within the same seconds can be compared.

    Args:
        task: `engine`, `model`, `weights`, `device`, `height`, `width`, `area`, `photo` (file or None), `repeats`,
            `seed`, and `launched`, when this process was started (seconds since 1970).

    Returns:
        seconds: `load` (from start to ready), `first` fill, and the median of each later stage; `runs`, the totals;
        `cpu`, the median processor seconds of all threads; `ratio` of the medians to `telea` and `ns`;
        `memory` in MiB once loaded and at its peak; `used`, what filled; `hole`, its share of the photo.
    """
    import cv2

    from inpaint.evaluation.machine import describe_machine
    from inpaint.inpainter import Inpainter
    from inpaint.masking.pixels import eight_bits
    from inpaint.options import FillOptions
    from inpaint.photo.files import load_photo

    inpainter = Inpainter.load(task["model"], task["weights"], task["device"])
    load = time.time() - task["launched"]
    shape = (task["height"], task["width"])
    photo = synthetic_photo(*shape, task["seed"])
    if task["photo"]:
        pixels = eight_bits(load_photo(task["photo"]).pixels)
        photo = np.asarray(cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    mask = blob_mask(*shape, task["area"], task["seed"])
    loaded = memory()["now"]

    def fill(engine: str) -> tuple[dict[str, float], str]:
        if engine == BIHARMONIC:
            from skimage.restoration import inpaint_biharmonic

            begin = time.perf_counter()
            inpaint_biharmonic(photo / 255.0, mask, channel_axis=-1, split_into_regions=True)
            return {"total": time.perf_counter() - begin}, BIHARMONIC
        report = inpainter.fill(photo, mask, FillOptions(engine=engine)).report
        return report.seconds, report.engines

    first, used = fill(task["engine"])
    for reference in REFERENCES:
        fill(reference)
    stages, cpu = [], []
    beside: dict[str, list[float]] = {reference: [] for reference in REFERENCES}
    for _ in range(task["repeats"]):
        begin = time.process_time()
        stages.append(fill(task["engine"])[0])
        cpu.append(time.process_time() - begin)
        for reference in REFERENCES:
            beside[reference].append(fill(reference)[0]["total"])
    seconds = {name: median(s[name] for s in stages) for name in stages[0]}
    ratio = {reference: seconds["total"] / median(values) for reference, values in beside.items()}
    return {
        "seconds": {"load": load, "first": first["total"], **seconds}, "runs": [s["total"] for s in stages],
        "cpu": median(cpu), "ratio": ratio, "memory": {"loaded": loaded, "peak": memory()["peak"]}, "used": used,
        "hole": float(mask.mean()), "machine": describe_machine(),
    }  # fmt: skip
