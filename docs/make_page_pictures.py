"""Makes docs/page_*.webp: the page as a person meets it, at desktop and phone size, in English and Chinese.

    python -m docs.make_page_pictures [--output DIR]

The photos are in the public domain or CC0 (scikit-image names each one's source). Without a Chinese font (Debian's
fonts-noto-cjk) the Chinese pages show boxes.
"""

import argparse
import tempfile
from io import BytesIO
from math import cos, sin, tau
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data

from benchmarks.page import CHROMIUM, free_port, served

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip
HOLE = {  # around the mission's badge: x, y of 24 corners of an ellipse
    "tool": "polygon",
    "points": [
        round(value) for corner in range(24)
        for value in (170 + 47 * cos(tau * corner / 24), 381 + 50 * sin(tau * corner / 24))
    ],
}  # fmt: skip
SPLIT = 332  # of 1000, where the comparing line stands: half of the hole is shown filled
PATIENCE = 180_000  # ms
CANVAS = "document.querySelector('.mc').parentElement.maskCanvas"


def open_photo(page: Any, path: Path) -> None:
    """Choose a photo and wait until it is shown."""
    page.set_input_files('[data-part="file"]', str(path))
    page.wait_for_selector(".mc-drop", state="hidden")
    page.wait_for_function(f"{CANVAS}.photo")


def paint(page: Any) -> None:
    """Mark the hole."""
    page.evaluate(f"(hole) => {CANVAS}.commit(hole)", HOLE)


def fill(page: Any) -> None:
    """Fill, and wait for the result."""
    page.click('[data-action="fill"]')
    page.wait_for_selector('[data-part="compare"]:not([hidden]), .mc-history .mc-item >> nth=1')
    page.wait_for_selector('[data-part="progress"]', state="hidden")
    page.locator('[data-part="divider"]').fill(str(SPLIT))


def take(page: Any, path: Path, whole: bool = False) -> None:
    """A picture of the page after its animations, as WebP, a fifth of a PNG's size."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(700)
    Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB").save(path, quality=75, method=6)


def main() -> None:
    """Start the server, drive it, write the pictures."""
    parser = argparse.ArgumentParser(description="Makes docs/page_*.webp.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        for name in ("astronaut", "coffee", "cat", "rocket"):
            Image.fromarray(getattr(data, name)()).save(place / f"{name}.jpg", quality=92)
        port = free_port()
        with served(port, "--photos", folder):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

            def page(**settings: Any) -> Any:
                made = browser.new_context(**settings).new_page()
                made.set_default_timeout(PATIENCE)
                made.goto(f"http://127.0.0.1:{port}")
                made.wait_for_selector(".mc-drop:not([hidden])")
                return made

            for name, settings in (
                ("desktop", DESKTOP), ("dark_zh", DESKTOP | {"locale": "zh-CN", "color_scheme": "dark"}),
                ("phone", PHONE), ("phone_zh", PHONE | {"locale": "zh-CN", "color_scheme": "dark"}),
            ):  # fmt: skip
                shown = page(**settings)
                if name == "desktop":
                    take(shown, args.output / "page_empty.webp")
                open_photo(shown, place / "astronaut.jpg")
                paint(shown)
                if name == "phone":
                    take(shown, args.output / "page_phone_mask.webp")
                fill(shown)
                if name in ("desktop", "dark_zh"):
                    shown.click(".mc-report summary")
                take(shown, args.output / f"page_{name}.webp", whole=True)
            for name, settings in (("folder", DESKTOP), ("folder_phone_zh", PHONE | {"locale": "zh-CN"})):
                shown = page(**settings)
                shown.get_by_role("tab").nth(1).click()
                shown.wait_for_selector("#folder-browse img")
                shown.locator("#folder-rule input").fill("region:bottom-right 18%x6%")
                shown.locator("#folder-rule input").press("Enter")
                shown.click("#folder-plan")
                shown.wait_for_selector("#folder-plan-shown table")
                take(shown, args.output / f"page_{name}.webp", whole=True)
            shown = page(**DESKTOP)
            shown.get_by_role("tab").nth(2).click()
            shown.wait_for_selector("#looks img")
            take(shown, args.output / "page_models.webp", whole=True)
            browser.close()


if __name__ == "__main__":
    main()
