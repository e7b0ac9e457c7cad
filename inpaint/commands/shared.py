"""Arguments and settings that several commands take."""

import argparse
from importlib.util import find_spec

from inpaint.errors import InpaintError
from inpaint.filling.threads import check_threads, set_threads

__all__ = ["add_threads", "check_installed", "check_threads", "set_threads"]


def check_installed(extra: str, *modules: str) -> None:
    """Refuse a command whose optional packages are missing.

    Raises:
        InpaintError: a module cannot be found; the text says how to install it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise InpaintError(f"{module} is not installed: pip install 'inpaint-dilated[{extra}]'")


def add_threads(command: argparse.ArgumentParser) -> None:
    """The `--threads` argument, for `set_threads`."""
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
