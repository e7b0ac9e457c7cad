"""Average weights files, and compare weights by whole fills of held-out photos.

    python -m benchmarks.weights mix OUT.safetensors 1:A.safetensors 1:B.safetensors [--record FILE]
    python -m benchmarks.weights score --photos PHOTOS... --nets DIR --output RUN WEIGHTS...

`mix` takes the mean of weights files: with where a run began, and with other runs (Wortsman 2022, model soups). `score`
fills the photos that `inpaint train` keeps apart, by the network alone and as `auto` does where it shows the network
the detail of patches. Look at the fills, too: `docs/training-notes.md` says why.
"""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inpaint.evaluation.metrics import load_perceptual
from inpaint.filling.blend import paste, working_scale
from inpaint.filling.engines import Variant, WindowEngines
from inpaint.filling.threads import set_threads
from inpaint.masking.random import KINDS
from inpaint.models.dilated import Dilated
from inpaint.models.precision import pick_precision
from inpaint.models.weights import load_weights, save_weights
from inpaint.training.data import PhotoCache
from inpaint.training.scenes import scene_mask
from inpaint.training.validation import held_out

WAYS = {"network": Variant("network"), "refined": Variant("detail", guide="refined")}


def mix(args: argparse.Namespace) -> None:
    """Write the weighted mean of weights files of one architecture."""
    pairs = [part.partition(":")[::2] for part in args.parts]
    parts = [(float(share), load_weights(Path(file), "dilated")[0]) for share, file in pairs]
    total = sum(share for share, _ in parts)
    result: Dilated = copy.deepcopy(parts[0][1])  # type: ignore[assignment]
    state = {
        name: torch.stack([share / total * network.state_dict()[name].float() for share, network in parts]).sum(dim=0)
        for name in result.state_dict()
    }
    result.load_state_dict(state)
    record: dict[str, Any] = json.loads(args.record.read_text()) if args.record else {"mixed": args.parts}
    save_weights(result, "dilated", args.output, record)


def score(args: argparse.Namespace) -> None:
    """Print LPIPS of whole fills of the held-out photos, two holes of each kind, by way and kind."""
    photos, device = PhotoCache(args.photos, args.output), torch.device("cpu")
    distance = load_perceptual(args.nets, device)
    for file in args.weights:
        network = load_weights(file, "dilated")[0].eval()
        network = network.to(pick_precision(network, device))
        found: dict[str, list[float]] = {}
        for i in held_out(len(photos)):
            photo = np.ascontiguousarray(photos.photo(i))
            for kind in ("objects", "thick"):
                for seed in (0, 1):
                    rng = np.random.default_rng([seed, i, list(KINDS).index(kind)])
                    mask = scene_mask(KINDS[kind], rng, photo.shape[:2])
                    if mask is None:
                        continue
                    engines = WindowEngines(network, device, working_scale(photo), mask)
                    for way, variant in WAYS.items():
                        filled = paste(engines.fill(variant).fill, photo, mask)
                        found.setdefault(f"{way} {kind}", []).append(float(distance(photo, filled)))
        print(file, {name: round(float(np.mean(values)), 5) for name, values in found.items()}, flush=True)


def main() -> None:
    """Parse the command line and run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("mix", description=mix.__doc__)
    command.add_argument("output", type=Path)
    command.add_argument("parts", nargs="+", metavar="SHARE:FILE")
    command.add_argument("--record", type=Path, help="JSON text file, the record of training in the result's header")
    command.set_defaults(does=mix, threads=1)
    command = commands.add_parser("score", description=score.__doc__)
    command.add_argument("--photos", type=Path, nargs="+", required=True)
    command.add_argument("--nets", type=Path, required=True)
    command.add_argument("--output", type=Path, required=True, help="folder for the decoded photos")
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("weights", type=Path, nargs="+")
    command.set_defaults(does=score)
    args = parser.parse_args()
    set_threads(args.threads)
    args.does(args)


if __name__ == "__main__":
    main()
