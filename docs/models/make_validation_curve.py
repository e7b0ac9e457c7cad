"""Makes docs/models/validation.png: LPIPS, L1 and PSNR of the shipped weights' run on held-out training photos.

    python docs/models/make_validation_curve.py [RUN/validation.jsonl] [--output FILE]

A training run writes such a file into its folder (`inpaint train`); validation-permissive.jsonl is one.
"""

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
PANELS = {"lpips": "LPIPS (lower is better)", "l1": "L1 in the hole (lower)", "psnr": "PSNR, dB (higher)"}


def main() -> None:
    """Read the scores and draw one panel a metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, nargs="?", default=HERE / "validation.jsonl")
    parser.add_argument("--output", type=Path, default=HERE / "validation.png")
    args = parser.parse_args()
    scores = [json.loads(line) for line in args.scores.read_text().splitlines()]
    figure = Figure(figsize=(9.6, 2.8), dpi=100, layout="constrained")
    for axes, (metric, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        axes.plot([s["minutes"] for s in scores], [s[metric] for s in scores], marker="o", markersize=4)
        axes.set(title=title, xlabel="minutes of training")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(args.output)


if __name__ == "__main__":
    main()
