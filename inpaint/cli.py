"""The command line: parse, run one command, turn an error into one line and an exit code."""

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inpaint.commands import batch, benchmark, evaluate, fill, fit, mask, models, receptive_field, serve, train
from inpaint.errors import InpaintError, shown
from inpaint.filling.threads import wait_asleep

COMMANDS = (fill, batch, mask, train, fit, evaluate, benchmark, models, receptive_field, serve)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(prog="inpaint", description="Fill holes in photos, changing nothing else.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def settle_streams() -> None:
    """Whatever is printed can be: closed streams lead nowhere, and what an encoding lacks appears as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it stays open)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_of_stdout(error: OSError) -> bool:
    if error.filename is not None:
        return False
    try:
        print(flush=True)  # fails again if it was to blame: an unbuffered stream has nothing left to flush
    except OSError:
        return True
    return False


def _give_up_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the end


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
    settle_streams()
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
        _give_up_stdout()
        return 1
    except OSError as error:
        if not _is_of_stdout(error):
            if not isinstance(error.filename, str | bytes):
                raise
            print(f"error: {shown(os.fsdecode(error.filename))}: {error.strerror or error}", file=sys.stderr)
            return 1
        _give_up_stdout()
        print(f"error: the standard output cannot be written ({error.strerror or error})", file=sys.stderr)
        return 1
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def console() -> None:
    """The installed `inpaint` command."""
    sys.exit(main())
