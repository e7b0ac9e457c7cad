"""`inpaint batch PHOTOS -m MASKS -o DIR`: fill many photos, on all cores or on a cluster."""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.commands.fill import add_file_options, add_fill_options, file_options, fill_options
from inpaint.commands.shared import check_installed
from inpaint.errors import InpaintError, OptionError, OutputError, shown

if TYPE_CHECKING:
    from inpaint.batch.plan import Plan, Request
    from inpaint.batch.run import Counts
    from inpaint.fill_file import FillJob

DESCRIPTION = """Fill many photos. What belongs to what is decided before anything runs: --plan shows it. A killed run
is continued by --resume. Exit codes: 0 all done, 1 something failed (each failure is listed), 2 wrong usage, 3 nothing
to do."""
MASKS = """folder, file (for all photos), pattern, list or URL of masks, or a rule: alpha (each photo's own
transparency), text, scratches, repeated, region:bottom-right 18%%x6%%"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    command = commands.add_parser("batch", help="fill many photos", description=DESCRIPTION)
    command.add_argument("photos", nargs="+", metavar="PHOTOS", help="folders, files, patterns, URLs, lists (@FILE)")
    command.add_argument("-m", "--masks", required=True, metavar="MASKS", help=MASKS)
    command.add_argument("-o", "--output", required=True, metavar="DIR", help="folder or URL to write into")
    command.add_argument("--plan", action="store_true", help="show what would be done, and do nothing")
    command.add_argument("--resume", action="store_true", help="go on with a run that was stopped or killed")
    command.add_argument("--journal", type=Path, metavar="FILE", help="default: inpaint-batch.jsonl in DIR")
    command.add_argument("--report", type=Path, metavar="FILE", help=".html: contact sheet, .json: all results")
    command.add_argument("--json", action="store_true", help="print the results (or the plan) as JSON")
    command.add_argument("--quiet", action="store_true", help="no progress, no summary; failures only")
    command.add_argument("--strict", action="store_true", help="photos with no mask or an empty one are failures")
    command.add_argument(
        "--several", choices=("unite", "each"), default="unite",
        help="several masks of a photo: united, or an output for each (default: unite)",
    )  # fmt: skip
    command.add_argument(
        "--mask-suffix", action="append", metavar="TEXT", help="what a mask's name has after the photo's stem, may be "
        "repeated (default: _mask -mask .mask)",
    )  # fmt: skip
    command.add_argument("--format", metavar="ENDING", help="write all outputs as this format (default: as each photo)")
    command.add_argument("--flat", action="store_true", help="do not look into sub-folders")
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0: this one (default: one per core)")
    command.add_argument("--max-memory", metavar="SIZE", help="for all workers together, such as 6G")
    command.add_argument("--ray", metavar="ADDRESS", help="use a Ray cluster: local, auto or its address")
    add_fill_options(command)
    add_file_options(command)
    command.set_defaults(run=run)


def request_of(args: argparse.Namespace) -> "Request":
    """What the arguments ask for."""
    from inpaint.batch.pairing import MARKERS
    from inpaint.batch.plan import Request

    return Request(
        tuple(args.photos), args.masks, args.output, tuple(args.mask_suffix or MARKERS), args.several,
        f".{args.format.lower().lstrip('.')}" if args.format else "", args.lossless, not args.flat,
    )  # fmt: skip


def template_of(args: argparse.Namespace) -> "FillJob":
    """How each photo is filled and written."""
    from inpaint.fill_file import FillJob

    nowhere = Path()
    job = FillJob(
        nowhere, nowhere, nowhere, fill_options(args), model=args.model, weights=args.weights, device=args.device
    )  # fmt: skip
    return file_options(args, job)


def run(args: argparse.Namespace) -> int:
    """Fill many photos; returns the exit code."""
    if args.ray is not None:
        check_installed("cluster", "ray")
    if any(term.split(":")[0].strip() == "text" for term in args.masks.split(" + ")):
        from inpaint.masking.text import check_detector

        check_detector()
    if args.ray is None and args.workers != 0 and not args.plan:
        from inpaint.batch.forkserver import warm_up

        warm_up()
    from inpaint.batch.memory import parse_bytes
    from inpaint.batch.plan import make_plan
    from inpaint.batch.run import Counts
    from inpaint.batch.session import Means, check_request, default_journal, run_batch, workers_of
    from inpaint.batch.show import Progress, Stop

    request, template = request_of(args), template_of(args)
    memory = parse_bytes(args.max_memory) if args.max_memory else None
    means = Means(args.workers, args.threads, memory, args.ray)
    _check_report(args)
    check_request(request, template, means)
    plan = make_plan(request)
    journal = args.journal or default_journal(request.output)
    _keep_apart(args, plan, journal)
    if args.plan:
        return _show_plan(plan, args.json)
    progress, start = Progress(args.quiet or args.json), time.monotonic()
    with Stop() as stop:
        try:
            counts = Counts(0)
            if plan.tasks or plan.refused or not (args.strict and plan.unmasked):  # else those without mask are told
                counts = run_batch(plan, request, template, means, journal, args.resume, progress, stop)
        except KeyboardInterrupt:
            text = f"stopped at once; --resume continues ({shown(journal)})"
            if args.ray is None and workers_of(means, request, len(plan.tasks)) == 0:
                progress.close()
                _leave_at_once(text)
            raise InpaintError(text) from None
        finally:
            progress.close()
    return _tell(args, plan, counts, time.monotonic() - start, journal)


def _leave_at_once(text: str) -> None:
    """End the process with code 1, as an exit by Python would crash: threads of its own still fill."""
    with contextlib.suppress(OSError):
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    os._exit(1)


def _check_report(args: argparse.Namespace) -> None:
    if args.report is None:
        return
    from inpaint.photo.staging import check_writable

    if args.report.suffix.lower() not in (".html", ".json"):
        raise OptionError(f"{shown(args.report)}: a report ends in .html or .json")
    if args.report.parent.is_dir() or args.report.absolute().parent != Path(args.output).absolute():
        check_writable(args.report, args.overwrite or args.resume)


def _keep_apart(args: argparse.Namespace, plan: "Plan", journal: Path) -> None:
    """Refuse to write the journal or the report over each other or over a file that the run reads or writes."""
    if args.journal is None and args.report is None:
        return
    from inpaint.batch import places
    from inpaint.photo.provenance import recipe_path

    read = {places.normal(text).removeprefix("@") for text in (*args.photos, args.masks)}
    read |= {str(name) for name in (args.weights, args.model) if name}
    read |= {place for task in plan.tasks for place in (task.photo, *task.masks)} | {*plan.unmasked, *plan.unused}
    written = {task.output for task in plan.tasks}
    if args.mark:
        written |= {str(recipe_path(Path(output))) for output in written}
    taken = dict.fromkeys(places.reals(read).values(), "read")
    taken |= dict.fromkeys(places.reals(written).values(), "written")
    for role, path in (("journal", journal), ("report", args.report)):
        if path is None:
            continue
        place = os.path.realpath(path)
        if place in taken:
            raise OutputError(f"{shown(path)}: is {taken[place]} by this run, so the {role} cannot be written there")
        taken[place] = "written"


def _show_plan(plan: "Plan", as_json: bool) -> int:
    from inpaint.batch.summary import plan_json, plan_text

    print(json.dumps(plan_json(plan), indent=2) if as_json else plan_text(plan))
    return 1 if plan.refused else 0 if plan.tasks else 3


def _tell(args: argparse.Namespace, plan: "Plan", counts: "Counts", seconds: float, journal: Path) -> int:
    from inpaint.batch.summary import asides, failure_line, run_json, run_text

    values = run_json(plan, counts, seconds, _options(args))
    if not args.quiet or args.strict:
        for line in [*asides(plan), *map(failure_line, counts.empty)]:
            print(f"warning: {line}", file=sys.stderr)
    for record in counts.failed:
        print(f"error: {failure_line(record)}", file=sys.stderr)
    if args.report:
        _write_report(args.report, values)
    if args.json:
        print(json.dumps(values, indent=2))
    elif not args.quiet:
        print(f"{run_text(plan, counts, seconds)}; journal: {shown(journal)}")
    if counts.stopped:
        left = counts.total - counts.finished
        print(f"error: stopped with {left:,} photos left; --resume continues", file=sys.stderr)
    if counts.failed or counts.stopped or (args.strict and (counts.empty or plan.unmasked)):
        return 1
    return 0 if counts.done or counts.before else 3


def _options(args: argparse.Namespace) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items() if key != "run"}


def _write_report(path: Path, values: dict[str, Any]) -> None:
    from inpaint.batch.sheet import contact_sheet
    from inpaint.photo.staging import Staging

    as_html = path.suffix.lower() == ".html"
    text = contact_sheet(values) if as_html else json.dumps(values, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
    with Staging() as staging:
        staging.add(path, text.encode("utf-8", "surrogateescape"))
        staging.commit()
