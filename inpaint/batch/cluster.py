"""The same run on a Ray cluster: actors hold the network, a lost one's photos are done by others.

Ray's driver (this process) writes the journal, as it does with processes. An actor that is about to give an output its
name leaves word at a `Desk` actor and waits there; the driver reads the desk, notes it and answers. So an output can be
recognised wherever the run is cut off, and a photo whose actor died after its output appeared is not done twice.
"""

import asyncio
import socket
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from inpaint.batch.plan import Task
from inpaint.batch.pool import DEPTH, LIVES, Event
from inpaint.batch.work import Filler, Settings
from inpaint.errors import InpaintError
from inpaint.fill_file import weights_hash

_remote: Any = ray.remote
START = 300.0  # seconds for the first actor to be ready


class Desk:
    """Where actors ask whether an output may appear; an asyncio actor."""

    def __init__(self) -> None:
        self._asked: list[tuple[str, str]] = []
        self._news = asyncio.Event()
        self._answers: dict[str, asyncio.Event] = {}

    async def ask(self, output: str, sha256: str) -> bool:
        """Wait for leave; called by actors."""
        answer = self._answers[output] = asyncio.Event()
        self._asked.append((output, sha256))
        self._news.set()
        await answer.wait()
        return True

    async def questions(self) -> list[tuple[str, str]]:
        """Wait for questions and take them; called by the driver."""
        await self._news.wait()
        self._news.clear()
        asked, self._asked = self._asked, []
        return asked

    async def allow(self, output: str) -> None:
        """Answer a question; called by the driver."""
        if output in self._answers:
            self._answers.pop(output).set()


class Worker:
    """An actor that fills photos, `DEPTH` of them at a time."""

    def __init__(self, settings: Settings, desk: Any) -> None:
        self._filler, self._desk = Filler(settings), desk

    def prepare(self) -> str:
        """Load the network; returns the SHA-256 of its weights file."""
        template = self._filler.settings.template
        self._filler.prepare()
        return weights_hash(template.model, template.weights)

    def do(self, task: Task, known: list[str]) -> dict[str, Any]:
        """As `Filler.do`."""
        return self._filler.do(task, known, lambda sha256: ray.get(self._desk.ask.remote(task.output, sha256)))


class _Actor:
    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.prepared: Any = handle.prepare.remote()
        self.in_hand: dict[str, Any] = {}
        self.alone = False


class Cluster:
    """Actors on a Ray cluster, as a `Pool`.

    Args:
        settings: of the run.
        address: `local` starts a cluster of this machine, `auto` finds a running one, else its address.
        workers: actors; None: one per GPU where there are any and the device allows, else as many as the cores feed.

    Raises:
        InpaintError: there is no cluster, or its actors cannot start.
    """

    def __init__(self, settings: Settings, address: str, workers: int | None) -> None:
        self._settings, self._local = settings, address == "local"
        self._weights = weights_hash(settings.template.model, settings.template.weights)
        self._joined = not ray.is_initialized()
        if self._joined:
            _connect(address, workers and workers * (settings.threads or 1))
        have = ray.cluster_resources()
        device = settings.template.device
        self._gpus = 1 if device == "cuda" or (device == "auto" and have.get("GPU", 0) >= 1) else 0
        self._threads = settings.threads or 1
        most = int(have.get("GPU", 0)) if self._gpus else max(1, int(have.get("CPU", 1)) // self._threads)
        self._deaths = 0
        self._desk: Any = _remote(num_cpus=0, max_concurrency=100_000)(Desk).remote()
        self._questions: Any = self._desk.questions.remote()
        self._actors = [self._start() for _ in range(workers or most)]

    def _start(self) -> _Actor:
        kind = _remote(
            num_cpus=self._threads if not self._gpus else 1, num_gpus=self._gpus, max_concurrency=DEPTH, max_restarts=0
        )(Worker)
        settings = replace(self._settings, threads=self._threads if not self._gpus else None)
        return _Actor(kind.remote(settings, self._desk))

    def _free(self, alone: bool) -> _Actor | None:
        limit = 1 if alone else DEPTH
        free = [a for a in self._actors if not a.alone and a.prepared is None and len(a.in_hand) < limit]
        return min(free, key=lambda actor: len(actor.in_hand), default=None)

    def room(self, alone: bool) -> bool:
        """See `Pool`."""
        deadline = time.monotonic() + START
        while not any(actor.prepared is None for actor in self._actors):
            if time.monotonic() > deadline:
                raise InpaintError(f"no actor of the Ray cluster was ready within {START:.0f} s")
            self._look([a.prepared for a in self._actors], 1.0)
        return self._free(alone) is not None

    def submit(self, task: Task, known: list[str], alone: bool = False) -> None:
        """See `Pool`."""
        actor = self._free(alone)
        assert actor is not None
        actor.in_hand[task.output], actor.alone = actor.handle.do.remote(task, known), alone

    def allow(self, output: str) -> None:
        """See `Pool`."""
        self._desk.allow.remote(output)

    def wait(self, seconds: float) -> list[Event]:
        """See `Pool`."""
        pending = [ref for actor in self._actors for ref in actor.in_hand.values()]
        return self._look([*pending, *(a.prepared for a in self._actors if a.prepared is not None)], seconds)

    def _look(self, pending: list[Any], seconds: float) -> list[Event]:
        watched = [self._questions, *pending]
        ready, _ = ray.wait(watched, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(watched, num_returns=len(watched), timeout=0)
        events: list[Event] = []
        if self._questions in ready:
            try:
                asked = ray.get(self._questions)
            except RayError as error:  # this process's own node, or the one that held the desk
                raise InpaintError(f"the Ray cluster was lost ({_cause(error)}); --resume continues") from None
            events += [Event("ready", output, sha256) for output, sha256 in asked]
            self._questions = self._desk.questions.remote()
        for actor in list(self._actors):
            if actor.prepared is not None and actor.prepared in ready:
                self._welcome(actor)
            events += self._finished(actor, [output for output, ref in actor.in_hand.items() if ref in ready])
        return events

    def _welcome(self, actor: _Actor) -> None:
        try:
            found = ray.get(actor.prepared)
        except RayActorError as error:
            self._replace(actor, error)
            return
        except RayError as error:
            raise InpaintError(f"an actor of the Ray cluster cannot start: {_cause(error)}") from None
        if found != self._weights:
            raise InpaintError("a machine of the Ray cluster has other weights, install the same version everywhere")
        actor.prepared, self._deaths = None, 0

    def _finished(self, actor: _Actor, outputs: list[str]) -> list[Event]:
        """What became of photos whose references are ready; where one was lost, all that are still in hand were."""
        events: list[Event] = []
        failure: Exception | None = None
        for output in outputs:
            try:
                record = ray.get(actor.in_hand[output], timeout=60)
            except (RayError, GetTimeoutError) as error:
                failure = error
                continue
            del actor.in_hand[output]
            actor.alone = False
            events.append(Event("finished", output, record=record))
        if failure is None or actor not in self._actors:
            return events
        self._replace(actor, failure)
        reason = f"its Ray actor was lost ({_cause(failure)})"
        return [*events, *(Event("lost", output, reason=reason) for output in actor.in_hand)]

    def _replace(self, actor: _Actor, error: Exception) -> None:
        if actor.prepared is not None:
            self._deaths += 1
            if self._deaths >= LIVES:
                raise InpaintError(f"the actors of the Ray cluster cannot start: {_cause(error)}")
        ray.kill(actor.handle)
        self._actors[self._actors.index(actor)] = self._start()

    def close(self) -> None:
        """See `Pool`."""
        for actor in self._actors:
            ray.kill(actor.handle)
        ray.kill(self._desk)
        if self._joined:
            ray.shutdown()


def _connect(address: str, cores: int | None) -> None:
    """Join a cluster, or start one of this machine with so many cores (None: all of them)."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    try:
        if address == "local":
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
        raise InpaintError(f"there is no Ray cluster at {address!r} ({_cause(error)})") from None


def _knock(address: str) -> None:
    """Fail within seconds where nobody listens; Ray itself would try for many minutes."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=10).close()


def _cause(error: BaseException) -> str:
    """The last line of a Ray error, which holds the cause; the rest is a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
