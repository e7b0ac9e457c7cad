"""How long people wait for the page: until it is there, until it is drawn, and from click to picture.

    python -m benchmarks.page [--rounds 3] [--json FILE]

Starts `python app.py` as a person would and drives it with Chromium. Sizes in pixels of the photo; a click is that on
Fill, a picture the moment at which the canvas holds the result.
"""

import argparse
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GOALS = {"server_ready": 10.0, "first_load": 3.0, "click_to_picture_512": 2.5}  # seconds, by the issue
LARGE = {"24 MP": (4000, 6000), "50 MP": (6000, 8400)}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(port: int, *options: str) -> Iterator[float]:
    """The server as a process of its own; gives the seconds until `/health` answered."""
    start = time.perf_counter()
    command = [sys.executable, "app.py", "--port", str(port), *options]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                    if reply.status == 200:
                        break
            except OSError:
                if server.poll() is not None or time.perf_counter() - start > 120:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.02)
        yield time.perf_counter() - start
    finally:
        server.terminate()
        server.wait(20)


def photo(height: int, width: int) -> np.ndarray[Any, Any]:
    """A made-up photo, uint8 (H, W, 3): slopes of colour, an edge, and grain."""
    rng = np.random.default_rng(0)
    tile = rng.integers(-12, 12, (256, 256, 3))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    base = np.stack([90 + 110 * y, 120 + 70 * x, 210 - 130 * y], axis=2)
    base[x > 0.55 + 0.2 * y] *= 0.65
    grain = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    return np.clip(base + grain, 0, 255).astype(np.uint8)


def fill_seconds(page: Any, path: Path, hole: tuple[float, float], rounds: int) -> tuple[float, list[float], str]:
    """Seconds to open a photo, seconds of each fill of a square hole in its middle, and what the page said of it.

    Args:
        page: of Playwright.
        path: the photo.
        hole: (width, height) as a share of the photo.
        rounds: fills, each of the opened photo.
    """
    start = time.perf_counter()
    page.set_input_files('[data-part="file"]', str(path))
    page.wait_for_function(
        f"document.querySelector('.mc-status').textContent.includes('{path.name}')", timeout=180_000
    )
    opened = time.perf_counter() - start
    page.evaluate(f"""() => {{
        const canvas = document.querySelector('.mc').parentElement.maskCanvas, {{ width, height }} = canvas.state;
        const [left, right] = [width * {0.5 - hole[0] / 2}, width * {0.5 + hole[0] / 2}];
        const [top, bottom] = [height * {0.5 - hole[1] / 2}, height * {0.5 + hole[1] / 2}];
        window.hole = {{ tool: "polygon", points: [left, top, right, top, right, bottom, left, bottom] }};
    }}""")
    times, said = [], ""
    for _ in range(rounds):
        seconds = page.evaluate("""() => new Promise((resolve) => {
            const canvas = document.querySelector('.mc').parentElement.maskCanvas;
            const steps = canvas.state.steps.length, before = canvas.photo;
            canvas.commit(window.hole);
            const start = performance.now();
            document.querySelector('[data-action="fill"]').click();
            const look = () => canvas.state.steps.length > steps && canvas.photo !== before
                ? resolve((performance.now() - start) / 1000) : requestAnimationFrame(look);
            look();
        })""")
        times.append(seconds)
        said = page.inner_text(".mc-status")
        page.wait_for_selector('[data-part="progress"]', state="hidden")
        page.click('[data-action="undo-fill"]')
        page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
        page.click('[data-action="clear"]')
    return opened, times, said


def measure(rounds: int) -> dict[str, Any]:
    """All figures, in seconds."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise SystemExit("no Chromium was found")
    figures: dict[str, Any] = {}
    port = free_port()
    with served(port) as ready, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        figures["server_ready"] = ready
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        loads = []
        for _ in range(rounds):  # each in a browser without a cache; the first also meets a cold server
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            start = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}")
            page.wait_for_selector(".mc-drop:not([hidden])")
            loads.append(time.perf_counter() - start)
        figures["first_load"], figures["loads"] = loads[0], loads
        time.sleep(20)  # what the server compiles at its start is not what a fill costs
        path = Path(folder) / "p512.png"
        Image.fromarray(photo(512, 512)).save(path)
        opened, times, said = fill_seconds(page, path, (0.2, 0.2), rounds + 1)
        figures |= {"open_512": opened, "first_click_512": times[0], "clicks_512": times[1:], "said_512": said}
        figures["click_to_picture_512"] = statistics.median(times[1:])
        for name, (height, width) in LARGE.items():
            path = Path(folder) / f"p{height}.jpg"
            Image.fromarray(photo(height, width)).save(path, quality=92)
            opened, times, said = fill_seconds(page, path, (0.08, 0.08), 1)
            figures |= {f"open {name}": opened, f"click_to_picture {name}": times[0], f"said {name}": said}
        browser.close()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long people wait for the page.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    figures = measure(args.rounds)
    for name, value in figures.items():
        shown = ", ".join(f"{v:.2f}" for v in value) if isinstance(value, list) else value
        goal = f"   (goal: below {GOALS[name]:g})" if name in GOALS else ""
        print(f"{name:24} {shown:.2f}{goal}" if isinstance(shown, float) else f"{name:24} {shown}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
