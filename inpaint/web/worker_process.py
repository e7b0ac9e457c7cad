"""The inside of a worker process: takes tasks from a connection, and answers whatever happens."""

import contextlib
import ctypes
import os
import re
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import InpaintError, PhotoError

if TYPE_CHECKING:
    from inpaint.web.tasks import Task

TELL = 0.1  # seconds between two messages about progress


class Died(InpaintError):
    """The process that worked on a request came to an end in the middle of it."""


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs: networks and weights as for `Networks`, and how many CPU threads it may use."""

    weights: Mapping[str, Path | None]
    device: str = "auto"
    threads: int | None = None


def work(connection: Connection, settings: WorkerSettings) -> None:
    """A worker process: do the tasks that come through the connection until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # these reach the whole group; the server decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("900")  # where memory runs out, this ends, not the server
    from inpaint.filling.threads import set_threads
    from inpaint.web.networks import Networks

    try:
        set_threads(settings.threads)
        networks = Networks(settings.weights, settings.device)
        networks.warm_up()
        connection.send(("ready", describe(networks)))
    except InpaintError as error:
        connection.send(("error", error))
        return
    trim = memory_trimmer()
    while True:
        try:
            number, task = connection.recv()
        except (EOFError, OSError):
            return
        if task is not None:
            answered = answer(connection, networks, number, task)
            with contextlib.suppress(OSError):
                connection.send(answered)
            trim()


def answer(connection: Connection, networks: Any, number: int, task: "Task") -> tuple[str, int, Any]:
    """Do a task; what to send back."""
    told = [0.0]

    def tell(stage: str, done: float) -> bool:
        if time.monotonic() - told[0] >= TELL:
            told[0] = time.monotonic()
            connection.send(("progress", number, (stage, done)))
        while connection.poll():
            asked, nothing = connection.recv()
            if asked == number and nothing is None:
                return False
        return True

    def tell_or_end(stage: str, done: float) -> bool:
        try:
            return tell(stage, done)
        except (EOFError, OSError):  # the server has gone, so nobody wants the rest
            os._exit(1)

    folder = str(getattr(task, "folder", ""))
    try:
        return "done", number, task.perform(networks, tell_or_end)
    except InpaintError as error:
        return "error", number, type(error)(plain(str(error), folder))
    except MemoryError:
        return "error", number, PhotoError("this needs more memory than the server has")
    except Exception:  # a fault of ours: its trace goes to the log, and the worker goes on
        traceback.print_exc()
        return "error", number, Died("something went wrong on the server, its log says what")


def plain(text: str, folder: str) -> str:
    """An error without folders of the server, and with fields in place of options of the command line."""
    text = text.replace(f"{folder}{os.sep}", "") if folder else text
    text = re.sub(r" \(see --[a-z-]+\)|, --[a-z-]+ raises it| \(--[a-z-]+ raises it\)", "", text)
    return re.sub(r"--([a-z-]+)", lambda found: found[1].replace("-", "_"), text)


def describe(networks: Any) -> list[dict[str, Any]]:
    """Names of the networks, the default first, and what is known of each."""
    network = networks.get().network
    about: list[dict[str, Any]] = [
        {"name": name, "default": name == networks.names[0], "paper": _paper(name)} for name in networks.names
    ]
    about[0]["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    about[0]["receptive_field"] = network.receptive_field
    return about


def _paper(name: str) -> str:
    from inpaint.models.weights import spec_of

    try:
        return spec_of(name).paper
    except InpaintError:
        return ""  # a file


def memory_trimmer() -> Callable[[], None]:
    """Gives freed memory back to the system, where its C library can (glibc)."""
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return lambda: None
    return lambda: trim(0)
