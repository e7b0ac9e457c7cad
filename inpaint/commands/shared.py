"""Arguments and settings that several commands take."""

import argparse
from importlib.util import find_spec

from inpaint.errors import InpaintError, OptionError


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


def set_threads(threads: int | None) -> None:
    """Let torch, OpenCV and the patch search use this many CPU threads; None leaves their choice.

    Raises:
        OptionError: below 1.
    """
    if threads is None:
        return
    if threads < 1:
        raise OptionError(f"threads must be at least 1, got {threads}")
    import cv2
    import numba
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
