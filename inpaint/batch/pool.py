"""Who does the tasks: threads of this process, or processes of this machine; `cluster.py` adds other machines.

Every pool answers with the same events, so that one loop (`run.py`) leads them all. A task that is about to give its
output its name asks first (`ready`) and waits for `allow`, so that the journal knows of it before it can be seen.
"""

import contextlib
import os
import queue
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from inpaint.batch.forkserver import worker_context
from inpaint.batch.plan import Task
from inpaint.batch.work import Filler, Host, Settings
from inpaint.errors import InpaintError

DEPTH = 2  # photos a worker has in hand: one is filled while the other is read or written
LIVES = 3  # workers that may die before they are ready, one after another, until the run is given up


@dataclass(frozen=True)
class Event:
    """What happened to a task: `ready` (with `sha256`), `finished` (with `record`) or `lost` (with `reason`)."""

    kind: str
    output: str
    sha256: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


class Pool(Protocol):
    """Workers that do tasks."""

    def room(self, alone: bool) -> bool:
        """Whether a task can be taken now; `alone`: by a worker that does nothing else meanwhile."""

    def submit(self, task: Task, known: list[str], alone: bool = False) -> None:
        """Take a task; `known` as for `Filler.do`."""

    def allow(self, output: str) -> None:
        """Let a `ready` output appear."""

    def wait(self, seconds: float) -> list[Event]:
        """Events since the last call; waits for one at most so long. Raises InpaintError if no worker can be had."""

    def close(self) -> None:
        """End the workers, in the middle of their work if they have any."""


class Gates:
    """The tasks of one process that wait for leave to let their output appear."""

    def __init__(self) -> None:
        self._open: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def pass_through(self, output: str) -> bool:
        """Wait until the output is allowed."""
        self._gate(output).wait()
        with self._lock:
            self._open.pop(output, None)
        return True

    def open(self, output: str) -> None:
        """Allow an output."""
        self._gate(output).set()

    def _gate(self, output: str) -> threading.Event:
        with self._lock:
            return self._open.setdefault(output, threading.Event())


class Threads:
    """Threads of this process, which end with it."""

    def __init__(self, settings: Settings, host: Host = Host()) -> None:
        self._filler, self._gates = Filler(settings, host), Gates()
        self._filler.prepare()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._tasks: queue.SimpleQueue[tuple[Task, list[str]]] = queue.SimpleQueue()
        self._in_hand = 0
        for _ in range(DEPTH):  # daemons: a second Ctrl-C must not wait for a fill
            threading.Thread(target=self._work, daemon=True).start()

    def room(self, alone: bool) -> bool:
        """See `Pool`."""
        return self._in_hand < (1 if alone else DEPTH)

    def submit(self, task: Task, known: list[str], alone: bool = False) -> None:
        """See `Pool`."""
        self._in_hand += 1
        self._tasks.put((task, known))

    def _work(self) -> None:
        while True:
            self._do(*self._tasks.get())

    def _do(self, task: Task, known: list[str]) -> None:
        def ask(sha256: str) -> bool:
            self._events.put(Event("ready", task.output, sha256))
            return self._gates.pass_through(task.output)

        self._events.put(Event("finished", task.output, record=self._filler.do(task, known, ask)))

    def allow(self, output: str) -> None:
        """See `Pool`."""
        self._gates.open(output)

    def wait(self, seconds: float) -> list[Event]:
        """See `Pool`."""
        events = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=seconds))
            while True:
                events.append(self._events.get_nowait())
        self._in_hand -= sum(event.kind == "finished" for event in events)
        return events

    def close(self) -> None:
        """See `Pool`."""


@dataclass
class _Worker:
    process: Any
    connection: Connection
    in_hand: dict[str, None] = field(default_factory=dict)
    alone: bool = False
    ready: bool = False


class Processes:
    """Processes of this machine; one that dies is replaced, and what it had in hand is reported lost."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._context = worker_context()
        self._settings, self._deaths, self._lost = settings, 0, list[Event]()
        self._workers = [self._start() for _ in range(workers)]

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(  # type: ignore[attr-defined]
            target=serve, args=(there, self._settings), daemon=True
        )  # fmt: skip
        process.start()
        there.close()
        return _Worker(process, here)

    def _free(self, alone: bool) -> _Worker | None:
        free = [w for w in self._workers if not w.alone and len(w.in_hand) < (1 if alone else DEPTH)]
        return min(free, key=lambda worker: len(worker.in_hand), default=None)

    def room(self, alone: bool) -> bool:
        """See `Pool`."""
        return self._free(alone) is not None

    def submit(self, task: Task, known: list[str], alone: bool = False) -> None:
        """See `Pool`."""
        worker = self._free(alone)
        assert worker is not None
        worker.in_hand[task.output], worker.alone = None, alone
        with contextlib.suppress(OSError):  # it has died, and `wait` will say so
            worker.connection.send(("task", task, known))

    def allow(self, output: str) -> None:
        """See `Pool`."""
        for worker in self._workers:
            if output in worker.in_hand:
                with contextlib.suppress(OSError):
                    worker.connection.send(("allow", output))

    def wait(self, seconds: float) -> list[Event]:
        """See `Pool`."""
        events: list[Event] = []
        readable = wait([worker.connection for worker in self._workers], timeout=seconds)
        for worker in [w for w in self._workers if w.connection in readable]:
            try:
                while worker.connection.poll():
                    events += self._heard(worker, worker.connection.recv())
            except (EOFError, OSError):
                events += self._buried(worker)
        return events

    def _heard(self, worker: _Worker, message: Any) -> list[Event]:
        if isinstance(message, InpaintError):
            raise message
        if message == "prepared":
            worker.ready, self._deaths = True, 0
            return []
        event: Event = message
        if event.kind == "finished":
            worker.in_hand.pop(event.output, None)
            worker.alone = False
        return [event]

    def _buried(self, worker: _Worker) -> list[Event]:
        worker.process.join()
        worker.connection.close()
        code = worker.process.exitcode
        reason = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        if not worker.ready:
            self._deaths += 1
            if self._deaths >= LIVES:
                raise InpaintError(f"the worker processes cannot start: each {reason}")
        self._workers[self._workers.index(worker)] = self._start()
        return [Event("lost", output, reason=f"its worker process {reason}") for output in worker.in_hand]

    def close(self) -> None:
        """See `Pool`."""
        for worker in self._workers:
            worker.connection.close()  # an idle worker ends by itself
        deadline = time.monotonic() + 2
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()) if not worker.in_hand else 0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def serve(connection: Connection, settings: Settings) -> None:
    """A worker process: do the tasks that come through the connection until it closes.

    Args:
        connection: to the process that leads the run.
        settings: of the run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the leader decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    filler, gates, speak = Filler(settings), Gates(), threading.Lock()

    def send(message: Any) -> None:
        with speak, contextlib.suppress(OSError):
            connection.send(message)

    def do(task: Task, known: list[str]) -> None:
        def ask(sha256: str) -> bool:
            send(Event("ready", task.output, sha256))
            return gates.pass_through(task.output)

        send(Event("finished", task.output, record=filler.do(task, known, ask)))

    try:
        filler.prepare()
    except InpaintError as error:
        send(error)
        return
    send("prepared")
    threads, futures = ThreadPoolExecutor(DEPTH), list[Future[None]]()
    while True:
        try:
            action, *values = connection.recv()
        except (EOFError, OSError):
            break
        if action == "allow":
            gates.open(*values)
        else:
            futures = [f for f in futures if not f.done()] + [threads.submit(do, *values)]
    if not all(f.done() for f in futures):
        os._exit(1)  # the leader is gone: nothing may appear any more
