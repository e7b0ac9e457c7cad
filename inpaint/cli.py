"""The command line: parse, run one command, turn an error into one line and an exit code."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inpaint.commands import batch, benchmark, evaluate, fill, fit, mask, models, receptive_field, serve, train
from inpaint.errors import InpaintError
from inpaint.filling.threads import wait_asleep

COMMANDS = (fill, batch, mask, train, fit, evaluate, benchmark, models, receptive_field, serve)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(prog="inpaint", description="Fill holes in photos, changing nothing else.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


@contextmanager
def asked_to_stop() -> Iterator[None]:
    """SIGTERM is as Ctrl+C: what is not finished is removed. Commands that have handlers of their own use those."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: it was not set from Python


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 nothing to do, 130 asked to stop."""
    args = build_parser().parse_args(arguments)
    wait_asleep()
    try:
        with asked_to_stop():
            code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"error: {args.command}: stopped before it was done", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the end
        return 1
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def console() -> None:
    """The installed `inpaint` command."""
    sys.exit(main())
