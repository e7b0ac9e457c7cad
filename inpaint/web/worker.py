"""Processes that do the HTTP API's tasks: one that crashes or hangs is replaced, and the server goes on."""

import multiprocessing
import queue
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from inpaint.errors import Cancelled, InpaintError
from inpaint.web.worker_process import Died, WorkerSettings, work

if TYPE_CHECKING:
    from inpaint.filling.progress import Listener
    from inpaint.web.tasks import Outcome, Task

GRACE = 5.0  # seconds from asking a task to stop until its process is ended
PATIENCE = 300.0  # seconds until a worker must be ready


class Late(InpaintError):
    """A request took longer than this server allows."""


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
