"""Processes that do the HTTP API's tasks: one that crashes or hangs is replaced, and the server goes on."""

import contextlib
import ctypes
import multiprocessing
import os
import queue
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import Cancelled, InpaintError, PhotoError

if TYPE_CHECKING:
    from inpaint.filling.progress import Listener
    from inpaint.web.tasks import Outcome, Task

GRACE = 5.0  # seconds from asking a task to stop until its process is ended
PATIENCE = 300.0  # seconds until a worker must be ready
TELL = 0.1  # seconds between two messages about progress


class Died(InpaintError):
    """The process that worked on a request came to an end in the middle of it."""


class Late(InpaintError):
    """A request took longer than this server allows."""


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs: networks and weights as for `Networks`, and how many CPU threads it may use."""

    weights: Mapping[str, Path | None]
    device: str = "auto"
    threads: int | None = None


class Worker:
    """One process; `do` is called from one thread at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings, self.models, self.deaths = settings, list[dict[str, Any]](), 0
        self._process: Any = None
        self._connection: Connection | None = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """Of the process, None where there is none."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def start(self) -> None:
        """Start the process unless it lives, and wait until it is ready.

        Raises:
            InpaintError: it cannot start; the text says why.
        """
        if self.pid is not None:
            return
        # A fork server imports torch once, so that a worker that died is replaced quickly.
        context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        if sys.platform == "linux":
            context.set_forkserver_preload(["inpaint.web.tasks"])
        self._connection, there = context.Pipe()
        self._process = context.Process(target=work, args=(there, self.settings), daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        there.close()
        try:
            if not self._connection.poll(PATIENCE):
                raise EOFError
            kind, value = self._connection.recv()
        except (EOFError, OSError):
            raise Died(f"a worker process could not start ({self._end()})") from None
        if kind == "error":
            self._end()
            raise value
        self.models = value

    def do(self, task: "Task", tell: "Listener", deadline: float, stop: threading.Event) -> "Outcome":
        """Do a task.

        Args:
            task: what to do.
            tell: hears of progress.
            deadline: `time.monotonic()` at which it must be done.
            stop: set by whoever no longer wants the result.

        Raises:
            Died, Late, Cancelled: as they say.
            InpaintError: what the task raised.
        """
        begun = time.monotonic()
        self.start()
        deadline += time.monotonic() - begun  # of the first request after a start only the work counts
        assert self._connection is not None
        self._number += 1
        try:
            self._connection.send((self._number, task))
            asked = 0.0
            while True:
                now = time.monotonic()
                if not asked and (stop.is_set() or now > deadline):
                    asked = now
                    self._connection.send((self._number, None))
                if asked and now - asked > GRACE:
                    raise EOFError
                if self._connection.poll(0.05 if not asked else GRACE / 10):
                    kind, number, value = self._connection.recv()
                    if number == self._number and kind == "done":
                        return value
                    if number == self._number and kind == "error":
                        raise value
                    if number == self._number:
                        tell(*value)
        except Cancelled:
            raise self._stopped(stop) from None
        except (EOFError, OSError):
            ended = asked != 0.0
            reason = self._end()
            raise self._stopped(stop) if ended else Died(f"the process that worked on this {reason}") from None

    def _stopped(self, stop: threading.Event) -> InpaintError:
        return Cancelled("the work was cancelled") if stop.is_set() else Late("this took longer than the server allows")

    def _end(self) -> str:
        """End the process and say how it ended."""
        if self._connection is not None:
            self._connection.close()
        process, self._process, self._connection = self._process, None, None
        process.join(0.5)  # one that crashed is about to be gone
        if process.is_alive():
            process.kill()
            process.join()
        self.deaths += 1
        return f"was ended by signal {-process.exitcode}" if process.exitcode < 0 else f"ended ({process.exitcode})"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end()


class Workers:
    """As many workers as there are slots.

    Args:
        settings: of each.
        count: how many.
    """

    def __init__(self, settings: WorkerSettings, count: int = 1) -> None:
        self.all = [Worker(settings) for _ in range(count)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self.all:
            self._idle.put(worker)

    def start(self) -> None:
        """Start all; raises InpaintError."""
        for worker in self.all:
            worker.start()

    def do(self, task: "Task", tell: "Listener", deadline: float, stop: threading.Event) -> "Outcome":
        """Do a task on an idle worker, waiting for one; as `Worker.do`."""
        worker = self._idle.get()
        try:
            return worker.do(task, tell, deadline, stop)
        finally:
            if worker.pid is None:
                threading.Thread(target=self._revive, args=(worker,), daemon=True, name="revive").start()
            else:
                self._idle.put(worker)

    def _revive(self, worker: Worker) -> None:
        try:
            worker.start()
        except InpaintError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            time.sleep(1)  # the next task tries again
        finally:
            self._idle.put(worker)

    @property
    def models(self) -> list[dict[str, Any]]:
        """What the first worker said about its networks; empty before it was ready."""
        return self.all[0].models

    def close(self) -> None:
        """End all."""
        for worker in self.all:
            worker.close()


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
    from inpaint.models.registry import NETWORKS

    network = networks.get().network
    about: list[dict[str, Any]] = [
        {"name": name, "default": name == networks.names[0], "paper": NETWORKS[name].paper if name in NETWORKS else ""}
        for name in networks.names
    ]
    about[0]["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    about[0]["receptive_field"] = network.receptive_field
    return about


def memory_trimmer() -> Callable[[], None]:
    """Gives freed memory back to the system, where its C library can (glibc)."""
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return lambda: None
    return lambda: trim(0)
