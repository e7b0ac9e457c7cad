"""`inpaint evaluate --photos DIR --output OUT`: compare engines on photos whose truth is known."""

import argparse
from pathlib import Path

from inpaint.commands.shared import add_threads, check_installed, set_threads

KINDS = "thin,medium,thick,strokes,boxes,objects"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser(
        "evaluate", help="compare engines on photos", description="Punch holes into photos, fill them, score the fills."
    )
    command.add_argument("--photos", type=Path, metavar="DIR", help="folder of whole photos")
    command.add_argument("--output", type=Path, metavar="DIR", help="folder for results.json and report.html")
    command.add_argument("--masks", type=_names, metavar="KINDS", help=f"mask kinds to draw (default: {KINDS})")
    command.add_argument("--mask-dir", type=Path, metavar="DIR", help="mask files, one of each photo's stem")
    command.add_argument(
        "--engines", type=_names, metavar="NAMES", help="engines, by comma (default: all, biharmonic included)"
    )
    command.add_argument(
        "--models", type=_names, default=[], metavar="NAMES", help="networks or weights files, or NAME=FILE, by comma"
    )
    command.add_argument(
        "--results", action="append", default=[], metavar="NAME=DIR", help="filled pictures of another tool"
    )
    command.add_argument("--limit", type=int, metavar="N", help="only the first N photos by name")
    command.add_argument("--seed", type=int, default=0, help="of the masks (default: 0)")
    command.add_argument("--baseline", metavar="NAME", help="what differences are taken against (default: telea)")
    command.add_argument("--longest", type=int, default=1024, metavar="PX", help="make larger photos smaller")
    command.add_argument("--nets", type=Path, metavar="DIR", help="SqueezeNet and LPIPS files (or INPAINT_NETS)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    command.add_argument("--keep", action="store_true", help="also write all masks and filled pictures at full size")
    command.add_argument("--resume", action="store_true", help="keep what the output folder holds already")
    command.add_argument("--overwrite", action="store_true", help="discard what the output folder holds")
    add_threads(command)
    command.set_defaults(run=run)
    _add_compare(command)


def _add_compare(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(metavar="compare", help="compare two results files: compare A.json B.json")
    action = actions.add_parser(
        "compare", description="What got better or worse from A to B; exit code 1 if something regressed."
    )
    action.add_argument("first", type=Path, metavar="A.json")
    action.add_argument("second", type=Path, metavar="B.json")
    action.add_argument(
        "--metric", type=_names, default=[], metavar="NAMES", help="metrics that decide (default: lpips, else l1)"
    )
    action.add_argument("--engines", dest="only", type=_names, default=[], metavar="NAMES", help="only these, by comma")
    action.add_argument(
        "--tolerance", type=float, default=0.0, metavar="SHARE", help="what a regression must exceed too"
    )
    action.add_argument("--json", action="store_true", help="print the changes as JSON")
    action.set_defaults(run=run_compare)


def run_compare(args: argparse.Namespace) -> None:
    """Compare two results files; fails if a chosen metric regressed."""
    import json

    from inpaint.errors import InpaintError, OptionError
    from inpaint.evaluation.compare import changes_json, changes_text, compare, regressions
    from inpaint.evaluation.results import read_results

    if not 0 <= args.tolerance < 1:
        raise OptionError(f"tolerance must be a share from 0 to below 1, got {args.tolerance}")
    changes = compare(read_results(args.first), read_results(args.second), args.metric, args.only, args.tolerance)
    print(json.dumps(changes_json(changes), indent=2) if args.json else changes_text(changes))
    if sentence := regressions(changes):
        raise InpaintError(f"{args.second}: {sentence}")


def run(args: argparse.Namespace) -> None:
    """Evaluate and show the means."""
    check_installed("evaluate", "tqdm", "skimage", "matplotlib")
    from inpaint.errors import InpaintError, OptionError
    from inpaint.evaluation.candidates import ALL_ENGINES
    from inpaint.evaluation.evaluate import REPORT, RESULTS, Settings, run_evaluation
    from inpaint.evaluation.report import build_report
    from inpaint.evaluation.results import write_text
    from inpaint.evaluation.text import summary_text

    for name in ("photos", "output"):
        if getattr(args, name) is None:
            raise OptionError(f"--{name} DIR is needed")
    if args.limit is not None and args.limit < 1:
        raise OptionError(f"limit must be at least 1, got {args.limit}")
    if args.seed < 0:
        raise OptionError(f"seed must be 0 or more, got {args.seed}")
    if args.longest < 32:
        raise OptionError(f"longest must be at least 32 pixels, got {args.longest}")
    if args.resume and args.overwrite:
        raise OptionError("--resume does not go with --overwrite")
    set_threads(args.threads)
    kinds = args.masks if args.masks is not None else ([] if args.mask_dir else _names(KINDS))
    engines = args.engines if args.engines is not None else list(ALL_ENGINES)
    settings = Settings(
        args.photos, args.output, kinds, args.mask_dir, engines, args.models, args.results, args.limit, args.seed,
        args.baseline, args.longest, args.nets, args.device, args.resume, args.overwrite, args.keep,
    )  # fmt: skip
    results = run_evaluation(settings)
    print(summary_text(results))
    write_text(args.output / REPORT, build_report(results, args.output))
    print(f"{args.output / RESULTS}, {args.output / REPORT}")
    if results["failures"]:
        raise InpaintError(f"{len(results['failures'])} of the cases above could not be evaluated, the rest was")
