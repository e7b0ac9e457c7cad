"""`inpaint benchmark`: seconds and memory of every engine and size, each in a new process."""

import argparse
from pathlib import Path

from inpaint.commands.shared import add_threads, check_threads, set_threads
from inpaint.options import DEFAULT_MODEL, ENGINES


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("benchmark", help="time the engines and measure their memory")
    command.add_argument(
        "--engines", type=_names, default=list(ENGINES), metavar="NAMES",
        help="by comma, biharmonic too; telea and ns are always timed (default: all but biharmonic)",
    )  # fmt: skip
    command.add_argument("--sizes", type=_names, default=["256", "512", "1024"], metavar="SIZES",
                         help="of the photo in pixels, as 512,6000x4000 (default: 256,512,1024)")  # fmt: skip
    command.add_argument("--area", type=float, default=0.1, help="share of the photo that is hole (default: 0.1)")
    command.add_argument("--repeats", type=int, default=3, help="fills after the first one (default: 3)")
    command.add_argument("--photo", type=Path, metavar="FILE", help="photo to scale (default: a synthetic scene)")
    command.add_argument("--model", default=DEFAULT_MODEL, help="network (default: %(default)s)")
    command.add_argument("--weights", type=Path, metavar="FILE", help="weights file in place of the shipped one")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    command.add_argument("--seed", type=int, default=0, help="of the scene and the hole (default: 0)")
    command.add_argument("--output", type=Path, metavar="FILE.json", help="write the results as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace an existing output")
    command.add_argument("--json", action="store_true", help="print the results as JSON")
    command.add_argument("--task", action="store_true", help=argparse.SUPPRESS)  # one engine, for run_task
    add_threads(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Time every engine and show a table."""
    import json
    import sys

    if args.task:
        from inpaint.evaluation.timing import time_engine

        set_threads(args.threads)
        json.dump(time_engine(json.load(sys.stdin)), sys.stdout)
        return
    from inpaint.errors import InpaintError, NothingToDo
    from inpaint.evaluation.benchmark import BenchmarkSettings, benchmark_text, parse_size, run_benchmark
    from inpaint.evaluation.candidates import known_engines
    from inpaint.evaluation.results import to_text, write_text
    from inpaint.photo.files import load_photo
    from inpaint.photo.staging import check_writable

    known_engines(args.engines)
    check_threads(args.threads)
    if not args.sizes:
        raise NothingToDo("no size is named")
    if args.output:
        check_writable(args.output, args.overwrite)
    if args.photo:
        load_photo(args.photo)  # says now what is wrong with it, not once per engine
    settings = BenchmarkSettings(
        args.engines, [parse_size(size) for size in args.sizes], args.area, args.repeats, args.model, args.weights,
        args.device, args.threads, args.photo, args.seed,
    )  # fmt: skip
    results = run_benchmark(settings, lambda line: print(line, file=sys.stderr))
    print(json.dumps(results, indent=2) if args.json else benchmark_text(results))
    if args.output:
        write_text(args.output, to_text(results))
    for failure in results["failures"]:
        print(f"error: {failure}", file=sys.stderr)
    if results["failures"]:
        raise InpaintError(f"{len(results['failures'])} of the processes failed, the others are in the table")
