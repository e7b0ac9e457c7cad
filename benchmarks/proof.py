"""What the proof of a written file costs beside its fill: seconds by stage, several runs in one process.

    python -m benchmarks.proof [--megapixels 24] [--share 0.01] [--runs 3] [--threads N] [CASE ...]

Each run reads a photo file, fills its hole, writes it, and proves the output. Printed are medians over the runs, of the
seconds that pass and of the processor's seconds (all threads): other work on the machine lengthens only the former. The
proof's share is given of the fill alone, and of all that a person waits for without it: read, fill and write.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

CASES = {
    "jpeg": ("JPEG, quality 92, 4:2:0", ".jpg", {"quality": 92, "subsampling": 2}),
    "png": ("PNG, 8 bits", ".png", {}),
    "png16": ("PNG, 16 bits", ".png", {}),
    "tiff": ("TIFF, 8 bits, Deflate", ".tif", {"compression": "tiff_adobe_deflate"}),
    "tiff16": ("TIFF, 16 bits, Deflate", ".tif", {}),
    "bmp": ("BMP", ".bmp", {}),
    "webp": ("WebP, lossless", ".webp", {"lossless": True, "quality": 30, "method": 0}),
    "webp-lossy": ("WebP, quality 85", ".webp", {"quality": 85, "method": 2}),
    "avif": ("AVIF, quality 75", ".avif", {"quality": 75, "speed": 9}),
    "heic": ("HEIC, quality 60", ".heic", {"quality": 60, "tile_size": 512, "enc_params": {"preset": "ultrafast"}}),
}


def make_photo(file: Path, megapixels: float) -> NDArray[np.uint8]:
    """The file's photo enlarged to a 3:2 shape of so many megapixels, with grain, as a camera's has it."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    rng = np.random.default_rng(0)
    small = np.array(Image.open(file).convert("RGB"))
    photo = cv2.resize(small, (round(1.5 * height), height), interpolation=cv2.INTER_CUBIC)
    for top in range(0, height, 500):
        part = photo[top : top + 500]
        part[:] = np.clip(part + rng.normal(0, 4, part.shape).astype(np.float32), 0, 255)
    return photo


def write_case(path: Path, photo: NDArray[np.uint8], name: str) -> None:
    """The photo as a file of one case."""
    if name in ("png16", "tiff16"):
        noise = np.random.default_rng(1).integers(0, 256, photo.shape, np.uint16)  # below what 8 bits can tell
        flags = [cv2.IMWRITE_TIFF_COMPRESSION, 32946] if name == "tiff16" else []
        cv2.imwrite(str(path), photo[..., ::-1].astype(np.uint16) * 256 + noise, flags)
    else:
        if name == "heic":
            import pillow_heif

            pillow_heif.register_heif_opener()
        Image.fromarray(photo).save(path, **CASES[name][2])


def make_mask(shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """An ellipse of a share of the area, a little off the middle."""
    mask = np.zeros(shape, np.uint8)
    radius = (share * mask.size / np.pi) ** 0.5
    axes = round(radius * 1.2), round(radius / 1.2)
    cv2.ellipse(mask, (round(shape[1] * 0.48), round(shape[0] * 0.5)), axes, 25, 0, 360, 1, -1)
    return mask.astype(bool)


Seconds = tuple[float, float]  # that pass, and of the processor
STAGES = ("read", "fill", "write", "proof")


def measure(name: str, photo: NDArray[np.uint8], mask: NDArray[np.bool_], inpainter: Any, runs: int) -> str:
    """One row of the table."""
    from inpaint.photo.files import load_photo, write_photo
    from inpaint.photo.verify import verify_photo

    title, suffix, _ = CASES[name]
    taken: dict[str, list[Seconds]] = {stage: [] for stage in STAGES}

    def timed(stage: str, work: Callable[..., Any], *given: Any) -> Any:
        start = time.perf_counter(), time.process_time()
        made = work(*given)
        taken[stage].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        return made

    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, f"photo{suffix}"), Path(folder, f"out{suffix}")
        write_case(source, photo, name)
        for _ in range(runs + 1):  # the first compiles what is compiled once
            before = timed("read", load_photo, source)
            result = timed("fill", inpainter.fill, before.visible_pixels(), mask)
            filled = before.with_pixels(np.where(mask[..., None], result.photo, before.pixels))
            timed("write", write_photo, output, filled, output)
            timed("proof", verify_photo, output, output, filled, mask, before.source.lossless)
            output.unlink()
    cells = []
    for clock in (0, 1):
        spent = {stage: statistics.median(one[clock] for one in taken[stage][1:]) for stage in STAGES}
        shares = (100 * spent["proof"] / spent["fill"], 100 * spent["proof"] / sum(spent[s] for s in STAGES[:3]))
        cells += [f"{spent[stage]:.2f}" for stage in STAGES] + [f"{share:.1f}" for share in shares]
    return f"| {title} | " + " | ".join(cells) + " |"


def main() -> None:
    """Parse the command line, run every case, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--share", type=float, default=0.01, help="of the photo's area that the hole covers")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, help="default: as the program chooses")
    parser.add_argument("--photo", type=Path, default=Path(__file__).parent.parent / "docs" / "before.png")
    args = parser.parse_args()

    from inpaint import Inpainter
    from inpaint.filling.threads import set_threads

    set_threads(args.threads)
    inpainter = Inpainter.load(device="cpu")
    photo = make_photo(args.photo, args.megapixels)
    mask = make_mask(photo.shape[:2], args.share)
    inpainter.fill(photo[:512, :512], make_mask((512, 512), 0.05))  # compiles what is compiled once
    print("| case |" + 2 * " read | fill | write | proof | % of the fill | % of all 3 |" + " (passing, then processor)")
    print("|---|" + "---:|" * 12)
    for name in args.cases or CASES:
        print(measure(name, photo, mask, inpainter, args.runs), flush=True)


if __name__ == "__main__":
    main()
