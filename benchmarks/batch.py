"""Photos per second of `inpaint batch` by workers and threads, where the time goes, and the memory of all processes.

    python -m benchmarks.batch [--photos 100] [--side 1024] [--hole 0.03] [--cases 1x1 1x2 2x1 2x2] [SOURCES ...]

Every case is the whole command, in processes of its own, on the same files: JPEG photos (from folders and tar files,
cut to squares, with grain; synthetic without sources), and a PNG mask with one blob for each. `2x1` is two workers of
one thread each. Memory is the proportional set size of the whole tree of processes: shared pages count once.
`others'` is what the rest of the machine took meanwhile, in cores: where it is not about 0 no ratio means much.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photos import photos
from inpaint.evaluation.machine import describe_machine
from inpaint.evaluation.timing import blob_mask, synthetic_photo

TICKS = os.sysconf("SC_CLK_TCK")
STAGES = ("read", "fill", "write", "total")
COLUMNS = ("steady_photos_per_second", "first_photo_seconds", "busy_cores", "cores_of_others")
GRAIN = 3.0  # sigma in levels: photos that were enlarged have none of their own


def processes(leader: int) -> dict[int, float]:
    """A process and all below it, with the processor seconds of each so far (Linux)."""
    children, seconds = defaultdict(list), {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            children[int(fields[1])].append(int(folder.name))
            seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    found, left = {}, [leader]
    while left:
        process = left.pop()
        if process in seconds:
            found[process] = seconds[process]
        left += children[process]
    return found


def busy_seconds() -> float:
    """Processor seconds that the whole machine has spent on anything so far."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return (sum(map(int, fields[:3])) + sum(map(int, fields[5:8]))) / TICKS


def resident(process: int) -> tuple[int, int]:
    """Bytes of memory of a process: its share (pages shared by n count as 1/n), and everything it sees."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # it has ended
        return 0, 0
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return fields.get("Pss", 0), fields.get("Rss", 0)


class Watch(threading.Thread):
    """Looks at a process and all below it until they end: peaks of memory, processor seconds."""

    def __init__(self, leader: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.pause, self.leader, self.peak, self.peak_rss, self.most = pause, leader, 0, 0, 0
        self.seconds: dict[int, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Look again and again; begun by `start`."""
        while not self.over.wait(self.pause):
            found = processes(self.leader)
            self.seconds.update(found)
            sizes = [resident(process) for process in found]
            self.peak = max(self.peak, sum(share for share, _ in sizes))
            self.peak_rss = max(self.peak_rss, sum(seen for _, seen in sizes))
            self.most = max(self.most, len(found))


def watched(command: list[str], pause: float = 0.1) -> tuple[subprocess.CompletedProcess[str], Watch]:
    """Run a command and look at it after every `pause` seconds."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True)
        watch = Watch(process.pid, pause)
        watch.start()
        code = process.wait()
        watch.over.set()
        watch.join()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read()), watch


def pictures(sources: list[Path], count: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """`count` photos of side x side pixels."""
    rng = np.random.default_rng(0)
    made = photos(sources, count, side) if sources else (synthetic_photo(side, side, k) for k in range(count))
    for photo in made:
        yield np.clip(photo + rng.normal(0, GRAIN, photo.shape), 0, 255).astype(np.uint8)


def write_files(root: Path, sources: list[Path], count: int, side: int, hole: float, ending: str = "jpg") -> None:
    """Photos and masks in `root/photos` and `root/masks`."""
    for folder in ("photos", "masks"):
        (root / folder).mkdir(parents=True)
    for k, photo in enumerate(pictures(sources, count, side)):
        Image.fromarray(photo).save(root / f"photos/{k:05}.{ending}", quality=90)
        Image.fromarray(blob_mask(side, side, hole, k)).save(root / f"masks/{k:05}.png")


def measure(root: Path, workers: int, threads: int, extra: list[str], pause: float) -> dict[str, Any]:
    """One whole command, and what its journal says of it."""
    output = root / f"out-{workers}x{threads}"
    command = [sys.executable, "-m", "inpaint", "batch", str(root / "photos"), "-m", str(root / "masks")]
    command += ["-o", str(output), "--workers", str(workers), "--threads", str(threads), "--json", *extra]
    began, start, busy = time.time(), time.perf_counter(), busy_seconds()
    ended, watch = watched(command, pause)
    wall, busy = time.perf_counter() - start, busy_seconds() - busy
    if ended.returncode:
        raise SystemExit(ended.stderr)
    done = json.loads(ended.stdout)["outputs"]
    times = sorted(record["time"] for record in done)
    cpu = sum(watch.seconds.values())
    found = {
        "workers": workers, "threads": threads, "photos": len(done), "seconds": wall,
        "photos_per_second": len(done) / wall,
        "steady_photos_per_second": (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None,
        "first_photo_seconds": times[0] - began, "cpu_seconds": cpu, "busy_cores": cpu / wall,
        "cores_of_others": max(0.0, busy - cpu) / wall,
        "peak_mib": watch.peak / 2**20, "peak_rss_mib": watch.peak_rss / 2**20, "processes": watch.most,
        "stages": {name: float(np.mean([r["seconds"][name] for r in done])) for name in STAGES},
        "hashes": {Path(record["output"]).name: record["sha256"] for record in done},
    }  # fmt: skip
    shutil.rmtree(output)
    return found


def table(cases: list[dict[str, Any]]) -> str:
    """The cases as Markdown."""
    def rate(workers: int, threads: int) -> float | None:
        match = [c["photos_per_second"] for c in cases if (c["workers"], c["threads"]) == (workers, threads)]
        return match[0] if match else None

    cores = len(os.sched_getaffinity(0))
    one, all_cores = rate(1, 1), rate(1, cores)
    lines = [f"| workers x threads | photos/s | against 1 x 1 | against 1 x {cores} | steady photos/s | "
             "first photo s | busy cores | others' | read s | fill s | write s | peak MiB |",
             "|---|" + "---:|" * 11]  # fmt: skip
    for case in cases:
        against = [f"{case['photos_per_second'] / base:.2f}" if base else "" for base in (one, all_cores)]
        cells = [f"{case['workers']} x {case['threads']}", f"{case['photos_per_second']:.2f}", *against]
        cells += [f"{case[key] or 0:.2f}" for key in COLUMNS]
        cells += [f"{case['stages'][name]:.2f}" for name in ("read", "fill", "write")] + [f"{case['peak_mib']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure every case, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCES", help="folders and tar files of photos")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024, help="of the square photos, pixels")
    parser.add_argument("--hole", type=float, default=0.03, help="share of each photo")
    parser.add_argument("--cases", nargs="+", default=["1x1", "1x2", "2x1", "2x2"], metavar="WORKERSxTHREADS")
    parser.add_argument("--ending", default="jpg", help="format of the photos")
    parser.add_argument("--max-memory", metavar="SIZE", help="as for `inpaint batch`")
    parser.add_argument("--engine", default="auto", help="as for `inpaint batch`")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two looks at the memory; "
                        "each look holds the processes up for some milliseconds (default: 1)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    wrong = [case for case in args.cases if not re.fullmatch(r"\d+x\d+", case)]
    if wrong:
        parser.error(f"a case is written like 2x1, got {wrong[0]} (sources go before --cases)")
    extra = ["--engine", args.engine, *(["--max-memory", args.max_memory] if args.max_memory else [])]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, args.sources, args.photos, args.side, args.hole, args.ending)
        cases = [measure(root, *map(int, case.split("x")), extra, args.pause) for case in args.cases]
    for case in cases:
        like = next(other for other in cases if other["threads"] == case["threads"])
        if case["hashes"] != like["hashes"]:
            raise SystemExit(f"{case['workers']} and {like['workers']} workers did not write the same bytes")
    print(f"{args.photos} photos of {args.side} x {args.side} pixels, holes of {100 * args.hole:g} %; "
          "the same bytes from as many threads\n")  # fmt: skip
    print(table(cases))
    if args.output:
        for case in cases:
            del case["hashes"]
        values = {"photos": args.photos, "side": args.side, "hole": args.hole, "engine": args.engine}
        found = {**values, "max_memory": args.max_memory, "machine": describe_machine(), "cases": cases}
        args.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
