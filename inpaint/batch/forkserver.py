"""The process that worker processes are forked from: it imports everything once, for all of them."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext

PRELOADED = ["inpaint.batch.pool"]


def worker_context() -> BaseContext:
    """How this system begins worker processes; a forked one shares memory with the others until it writes to it."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def warm_up() -> None:
    """Begin with those imports now, beside whatever the caller does before its first worker; nothing elsewhere."""
    if worker_context().get_start_method() != "forkserver":
        return
    from multiprocessing.forkserver import ensure_running

    with _deaf():
        ensure_running()


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C reaches the whole group of processes; what is begun here leaves it to the leader."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
