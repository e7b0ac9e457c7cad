"""How well the mask tools do on pictures whose truth was made here: python -m benchmarks.masks PHOTOS...

Prints a table and writes everything as JSON. `--cutouts` names a folder of RGBA pictures of objects (made by
`benchmarks.mask_cutouts`), `--sam` MobileSAM's folder; without them what needs them is left out. Scratches and logos
need 30 photos or more.
"""

import argparse
import json
import os
import platform
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks import mask_scores as scores
from benchmarks.mask_truth import font_files
from benchmarks.photos import photos
from benchmarks.shadow_truth import shadow_cases
from inpaint.masking.text import text_mask

SIDE = 512
BARS = (
    # section, figure, bar, at least (or at most)
    ("text, opaque", "recall", 0.95, True), ("text, opaque", "area ratio", 2.5, False),
    ("objects, cutouts", "box", 0.8, True), ("objects, pictograms", "box", 0.8, True),
    ("objects, blobs", "box", 0.8, True), ("objects, cutouts", "box, MobileSAM", 0.85, True),
    ("objects, pictograms", "box, MobileSAM", 0.85, True), ("objects, blobs", "box, MobileSAM", 0.85, True),
    ("scratches", "F1", 0.7, True), ("repeated", "IoU", 0.8, True),
    ("CPU seconds at 2 MP", "text", 2, False), ("CPU seconds at 2 MP", "scratches", 2, False),
    ("CPU seconds at 2 MP", "object, box", 2, False), ("CPU seconds at 2 MP", "object, click", 2, False),
    ("CPU seconds at 2 MP", "repeated", 2, False), ("CPU seconds at 2 MP", "MobileSAM, click", 0.5, False),
)  # fmt: skip
SECTIONS = ("text", "objects", "scratches", "repeated", "speed")


def sheet(seen: scores.Seen, path: Path, count: int = 24) -> None:
    """The worst answers side by side with their pictures: green is right, red too much, blue missed."""
    tiles = []
    for _, case, found in sorted(seen, key=lambda row: row[0])[:count]:
        shown = case.photo.copy()
        shown[found & case.truth] = shown[found & case.truth] // 2 + np.array((0, 127, 0), np.uint8)
        shown[found & ~case.truth] = (255, 0, 0)
        shown[~found & case.truth] = (0, 0, 255)
        if case.box is not None:
            x, y, w, h = case.box
            cv2.rectangle(shown, (x, y), (x + w, y + h), (255, 255, 0), 2)
        tiles.append(cv2.resize(np.hstack([case.photo, shown]), (SIDE, SIDE // 2), interpolation=cv2.INTER_AREA))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 3)
    rows = [np.hstack(tiles[k : k + 3]) for k in range(0, len(tiles), 3)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def measure(args: argparse.Namespace) -> dict[str, scores.Figures]:
    """All sections asked for."""
    pictures = list(photos(args.photos, args.count, SIDE, args.first))
    fonts = font_files(args.fonts)
    results: dict[str, scores.Figures] = {}
    worst: dict[str, scores.Seen] = {}
    if "text" in args.only:
        owns = [text_mask(picture) for picture in pictures]
        for name, cases in (
            ("text, opaque", scores.text_cases(pictures, fonts, args.seed, 1.0)),
            ("text, half opaque", scores.text_cases(pictures, fonts, args.seed + 1, 0.5)),
            ("text, tiled watermark", scores.watermark_cases(pictures, fonts, args.seed + 2)),
            ("text, faint tiled mark", scores.faint_mark_cases(pictures, fonts, args.seed + 3)),
        ):
            results[name] = scores.text_scores(cases, owns, worst.setdefault(name, []))
        results["tiled marks, unmarked photos"] = scores.tiled_alarms(pictures)
    if "objects" in args.only:
        cutouts = sorted(args.cutouts.glob("*.png")) if args.cutouts else []
        for kind in ("cutouts", "pictograms", "blobs") if cutouts else ("pictograms", "blobs"):
            cases = scores.object_cases(kind, pictures, fonts, cutouts, args.seed)
            name = f"objects, {kind}"
            results[name] = scores.object_scores(cases, args.sam, worst.setdefault(name, []))
            results[f"shadows, {kind}"] = scores.shadow_scores(cases)
        if cutouts:
            pieces = [np.array(Image.open(file)) for file in cutouts]
            results["shadows, thrown"] = scores.shadow_scores(shadow_cases(pictures, pieces, args.seed))
    if "scratches" in args.only:
        results["scratches"] = scores.scratch_scores(pictures, args.seed, worst.setdefault("scratches", []))
    if "repeated" in args.only:
        seen = worst.setdefault("repeated", [])
        results["repeated"] = scores.repeated_scores(pictures, fonts, args.seed, args.logos, seen)
    if "speed" in args.only:
        results["CPU seconds at 2 MP"] = scores.speeds(pictures, fonts, args.sam, args.seed)
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
        for name, seen in worst.items():
            sheet(seen, args.sheets / f"{name.replace(', ', '-').replace(' ', '-')}.png")
    return results


def print_table(results: dict[str, scores.Figures]) -> None:
    """All figures; those with a bar say whether they hold it."""
    bars = {(section, figure): (bar, least) for section, figure, bar, least in BARS}
    print("| what | figure | value | bar |\n|---|---|---:|---|")
    for section, figures in results.items():
        for figure, value in figures.items():
            text = f"{value:.0f}" if float(value).is_integer() and value > 1 else f"{value:.3f}"
            verdict = ""
            if (section, figure) in bars:
                bar, least = bars[section, figure]
                held = value >= bar if least else value <= bar
                verdict = f"{'>=' if least else '<='} {bar:g}: {'holds' if held else 'MISSED'}"
            print(f"| {section} | {figure} | {text} | {verdict} |")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders and tar files")
    parser.add_argument("--count", type=int, default=64, help="photos")
    parser.add_argument("--first", type=int, default=0, help="the first of them, in the even spread over all")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[Path("/usr/share/fonts")], help="folders of fonts")
    parser.add_argument("--cutouts", type=Path, help="folder of RGBA pictures")
    parser.add_argument("--sam", type=Path, help="folder with encoder.onnx and sam.onnx")
    parser.add_argument("--logos", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="write the worst answers as pictures")
    args = parser.parse_args()
    results = measure(args)
    print_table(results)
    if args.json:
        machine = {"machine": platform.machine(), "threads": os.environ.get("OMP_NUM_THREADS", "all"),
                   "opencv": cv2.__version__, "photos": args.count, "seed": args.seed}  # fmt: skip
        args.json.write_text(json.dumps({"made with": machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
