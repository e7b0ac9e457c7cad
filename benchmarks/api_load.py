"""Load on a real server: API clients and page visitors together; what is answered, how fairly, and in how much memory.

    python -m benchmarks.api_load --minutes 10 --clients 32 --page 4

Each client waits for its answer before it asks again, and half a second after 429 and 503. The figures go to standard
output as JSON. Exit code 1: an answer other than 200, 429 or 503, a wrong pixel, or memory that grew by more than
`--growth` from the second quarter of the time to the last.
"""

import argparse
import io
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

ALLOWED = {200, 429, 503}
PATIENCE = 0.5  # seconds that a client waits at most after 429 and 503, so that the queue stays full


def photo_and_hole(rng: random.Random, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """A random photo of sizes, textures and holes as they come: uint8 (H, W, 3), bool (H, W)."""
    height, width = rng.randint(longest // 3, longest), rng.randint(longest // 3, longest)
    noise = np.random.default_rng(rng.randrange(1 << 30))
    y, x = np.mgrid[0:height, 0:width]
    base = 120 + 60 * np.sin(x / rng.uniform(5, 40))[..., None] + 40 * np.cos(y / rng.uniform(5, 40))[..., None]
    photo = np.clip(base + noise.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)
    hole = np.zeros((height, width), bool)
    top, left = rng.randint(0, height // 2), rng.randint(0, width // 2)
    hole[top : top + rng.randint(8, height // 3), left : left + rng.randint(8, width // 3)] = True
    return photo, hole


def png(values: np.ndarray) -> bytes:
    """A PNG of uint8 values."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", compress_level=1)
    return file.getvalue()


class Tally:
    """What all clients saw."""

    def __init__(self, until: float) -> None:
        self.until, self.lock = until, threading.Lock()
        self.codes: Counter[str] = Counter()
        self.waits: dict[str, list[float]] = {}
        self.wrong: list[str] = []

    def add(self, who: str, code: int | str, seconds: float) -> None:
        """Count an answer."""
        with self.lock:
            self.codes[str(code)] += 1
            if code == 200:
                self.waits.setdefault(who, []).append(seconds)


def ask_api(address: str, number: int, tally: Tally, longest: int) -> None:
    """One client of the native API, IOPaint's or Clipdrop's, told apart by the address that a proxy would name."""
    rng, client = random.Random(number), httpx.Client(base_url=address, timeout=300)
    client.headers["X-Forwarded-For"] = f"10.0.0.{number}"
    while time.monotonic() < tally.until:
        photo, hole = photo_and_hole(rng, longest)
        sent, mask = png(photo), png(hole.astype(np.uint8) * 255)
        start = time.monotonic()
        try:
            if number % 3 == 2:
                reply = client.post("/cleanup/v1", files={"image_file": sent, "mask_file": mask})
            else:
                reply = client.post("/v1/fill", files={"photo": sent, "mask": mask})
        except httpx.HTTPError as error:
            tally.add(f"api-{number}", type(error).__name__, 0)
            continue
        tally.add(f"api-{number}", reply.status_code, time.monotonic() - start)
        if reply.status_code == 200:
            result = np.array(Image.open(io.BytesIO(reply.content)).convert("RGB"))
            if not np.array_equal(result[~hole], photo[~hole]):
                tally.wrong.append(f"api-{number}")
        else:
            time.sleep(min(PATIENCE, float(reply.headers.get("retry-after", 1))))


def ask_page(address: str, number: int, tally: Tally, longest: int) -> None:
    """One visitor of the page, through its endpoint."""
    from gradio_client import Client, handle_file

    rng = random.Random(1000 + number)
    with tempfile.TemporaryDirectory() as folder:
        client = Client(address, verbose=False, download_files=folder)
        while time.monotonic() < tally.until:
            photo, hole = photo_and_hole(rng, longest)
            Path(folder, "p.png").write_bytes(png(photo))
            Path(folder, "m.png").write_bytes(png(hole.astype(np.uint8) * 255))
            files = {"photo": handle_file(f"{folder}/p.png"), "mask": handle_file(f"{folder}/m.png")}
            start = time.monotonic()
            try:
                client.predict(**files, api_name="/fill")
                tally.add(f"page-{number}", 200, time.monotonic() - start)
            except Exception as error:  # the page tells a full queue in a sentence
                full = "queue" in str(error) or "waiting" in str(error)
                tally.add(f"page-{number}", 503 if full else f"page: {str(error)[:80]}", 0)
                time.sleep(PATIENCE)


def resident(pid: int) -> int:
    """Resident bytes of a process and all its descendants, shared pages counted once for each."""
    import psutil

    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def start_server(page: bool, options: list[str]) -> tuple[subprocess.Popen[bytes], str]:
    """A server in a process of its own, ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inpaint", "serve", "--port", str(port), "--per-minute", "0", *options]
    command += [] if page else ["--no-page"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{address}/ready", timeout=10).status_code == 200:
                return process, address
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    process.kill()
    raise RuntimeError("the server did not get ready")


def load(minutes: float, clients: int, page: int, longest: int, growth: float, options: list[str]) -> dict:
    """Run it; the figures, with `ok`."""
    process, address = start_server(page > 0, options)
    try:
        seconds = minutes * 60
        tally, memory, start = Tally(time.monotonic() + seconds), [], time.monotonic()
        threads = [threading.Thread(target=ask_api, args=(address, n, tally, longest)) for n in range(clients)]
        threads += [threading.Thread(target=ask_page, args=(address, n, tally, longest)) for n in range(page)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append((time.monotonic() - start, resident(process.pid)))
            time.sleep(min(2.0, seconds / 20))
        restarts = [line for line in httpx.get(f"{address}/metrics", timeout=30).text.splitlines()
                    if line.startswith("inpaint_worker_deaths ")]  # fmt: skip
    finally:
        process.terminate()
        process.wait(180)
    first = [b for t, b in memory if seconds / 4 <= t < seconds / 2]
    last = [b for t, b in memory if seconds * 3 / 4 <= t <= seconds]
    grown = statistics.median(last) / statistics.median(first) - 1 if first and last else 0.0
    counts = {who: len(waits) for who, waits in sorted(tally.waits.items())}
    waits = sorted(wait for waits in tally.waits.values() for wait in waits)
    api = [n for who, n in counts.items() if who.startswith("api")]
    bad = {code: n for code, n in tally.codes.items() if code not in {str(c) for c in ALLOWED}}
    return {
        "minutes": minutes, "clients": clients, "page": page, "codes": dict(tally.codes), "bad": bad,
        "wrong_pixels": tally.wrong, "fills": len(waits), "fills_per_second": round(len(waits) / seconds, 2),
        "seconds_median": round(statistics.median(waits), 2) if waits else None,
        "seconds_95": round(waits[int(0.95 * (len(waits) - 1))], 2) if waits else None,
        "fills_of_a_client": [min(api, default=0), max(api, default=0)],
        "fills_of_a_visitor": [min((n for w, n in counts.items() if w[0] == "p"), default=0),
                               max((n for w, n in counts.items() if w[0] == "p"), default=0)],
        "resident_mb": [round(statistics.median(part) / 2**20) if part else None for part in (first, last)],
        "grown": round(grown, 4), "worker_deaths": restarts,
        "ok": not bad and not tally.wrong and grown <= growth and bool(waits),
    }  # fmt: skip


def main() -> int:
    """Parse, run, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--page", type=int, default=4, help="visitors of the page")
    parser.add_argument("--longest", type=int, default=320, help="pixels of a photo's side at most")
    parser.add_argument("--growth", type=float, default=0.05, help="of resident memory that is allowed")
    parser.add_argument("--options", default="", help="further options of the server")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    figures = load(args.minutes, args.clients, args.page, args.longest, args.growth, args.options.split())
    print(json.dumps(figures, indent=1))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
