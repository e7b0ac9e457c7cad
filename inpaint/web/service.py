"""The HTTP API's state: its queue, its workers, its limits, and the way of a request through them."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from inpaint.errors import Cancelled, InpaintError, OptionError
from inpaint.web.keys import Keys
from inpaint.web.metrics import Metrics
from inpaint.web.turns import Turn, Turns
from inpaint.web.worker import Late, Workers, WorkerSettings

if TYPE_CHECKING:
    from inpaint.filling.progress import Listener
    from inpaint.web.jobs import Jobs
    from inpaint.web.tasks import Outcome, Task

LOG = logging.getLogger("inpaint.api")
LOOK = 0.25  # seconds between two looks at whether the client is still there


@dataclass(frozen=True)
class ApiLimits:
    """What a client may ask for.

    Args:
        pixels: of a picture.
        body_bytes: of a request.
        seconds: of a request, its wait included.
        job_seconds: of a job's work.
        per_minute: requests of one client a minute; 0: any number.
        waiting: requests and page fills that may wait together.
        slots: that are worked on at a time.
        jobs: that are kept, waiting, running and done.
        keep_seconds: how long a job's result is kept.

    Raises:
        OptionError: not above 0.
    """

    pixels: int = 100_000_000
    body_bytes: int = 128 << 20
    seconds: float = 120.0
    job_seconds: float = 1800.0
    per_minute: int = 120
    waiting: int = 32
    slots: int = 1
    jobs: int = 200
    keep_seconds: float = 3600.0

    def __post_init__(self) -> None:
        for name in ("pixels", "body_bytes", "seconds", "job_seconds", "waiting", "slots", "jobs", "keep_seconds"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name.replace('_', ' ')} must be above 0, got {getattr(self, name)}")


@dataclass
class Service:
    """One server's API.

    Args:
        settings: of the workers.
        limits: of the clients.
        keys: who may come; None: everyone.
        origins: web pages of other origins that may call.
        jobs_folder: where jobs are kept over a restart; None: nowhere.
        workers: that exist already; None: made from the settings.
        lazy: the workers start with the first request.
    """

    settings: WorkerSettings
    limits: ApiLimits = ApiLimits()
    keys: Keys | None = None
    origins: tuple[str, ...] = ()
    jobs_folder: Path | None = None
    workers: Workers | None = None
    lazy: bool = False
    closing: bool = False
    failure: str = ""
    chosen: dict[str, str] = field(default_factory=dict)  # client -> model named over IOPaint's API

    def __post_init__(self) -> None:
        self.turns = Turns(self.limits.slots, self.limits.waiting)
        self.pool = self.workers or Workers(self.settings, self.limits.slots)
        self.metrics = Metrics(
            lambda: self.turns.queued, lambda: self.turns.running,
            lambda: [worker.pid for worker in self.pool.all if worker.pid],
            lambda: sum(worker.deaths for worker in self.pool.all),
        )  # fmt: skip
        self.root = Path(tempfile.mkdtemp(prefix="inpaint-api-")).resolve()
        self.jobs: Jobs | None = None
        self.bytes_coming = 0  # of requests that are being read or worked on
        self._threads = ThreadPoolExecutor(self.limits.slots, thread_name_prefix="api")

    @property
    def ready(self) -> bool:
        """Whether fills are possible."""
        return (self.lazy or bool(self.pool.models)) and not self.closing

    @property
    def models(self) -> list[dict[str, Any]]:
        """The networks, the default first."""
        return self.pool.models or [{"name": n, "default": i == 0} for i, n in enumerate(self.settings.weights)]

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Start the workers, take up jobs that were waiting, and at the end let what runs finish."""
        from inpaint.web.jobs import Jobs

        self.jobs = Jobs(self, self.jobs_folder or self.root / "jobs")
        starting = asyncio.create_task(self._start())
        sweeping = asyncio.create_task(self.jobs.keep_sweeping())
        try:
            yield
        finally:
            self.closing = True
            sweeping.cancel()
            await self.jobs.finish()
            await starting
            await asyncio.to_thread(self.close)

    async def _start(self) -> None:
        try:
            if not self.lazy:
                await asyncio.to_thread(self.pool.start)
            assert self.jobs is not None
            self.jobs.resume()
        except InpaintError as error:
            self.failure = str(error)
            LOG.error("%s", error)

    def close(self) -> None:
        """End the workers and remove what was uploaded; kept jobs stay."""
        self._threads.shutdown(wait=True)
        self.pool.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for one request, removed after it."""
        path = Path(tempfile.mkdtemp(dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    async def run(self, request: Request, task: "Task") -> "Outcome":
        """Wait for a turn and do a task, for as long as the client is there.

        Raises:
            Full: at once, where the queue is full.
            Late: the time of a request is over.
            InpaintError: what the task raised.
        """
        turn = self.turns.ask(client_of(request))
        stop = threading.Event()

        async def watch() -> None:
            while not await request.is_disconnected():
                await asyncio.sleep(LOOK)
            stop.set()

        watching = asyncio.create_task(watch())
        try:
            return await self.serve(turn, task, lambda *_: None, stop, self.limits.seconds)
        finally:
            stop.set()
            watching.cancel()

    async def serve(
        self, turn: Turn, task: "Task", tell: "Listener", stop: threading.Event, seconds: float,
        wait: float | None = None,
    ) -> "Outcome":
        """Do a task when its turn has come.

        Args:
            turn: from `turns.ask`; given back here.
            task: what to do.
            tell: hears of progress, in another thread.
            stop: set by whoever no longer wants the result.
            seconds: that it may take, from now.
            wait: seconds that it may wait before; None: they count as `seconds`.
        """
        asked = time.monotonic()
        try:
            granted = asyncio.wrap_future(turn.granted)
            until = asked + (seconds if wait is None else wait)
            while not granted.done():
                if stop.is_set():
                    raise Cancelled("the work was cancelled")
                if time.monotonic() > until:
                    raise Late("the server was too busy to come to this in time")
                await asyncio.wait([granted], timeout=LOOK)
            begun = time.monotonic()
            self.metrics.waited(begun - asked)
            deadline = (asked if wait is None else begun) + seconds
            future = self._threads.submit(self.pool.do, task, tell, deadline, stop)
            future.add_done_callback(lambda _: turn.done())
        except BaseException:
            turn.done()
            raise
        outcome = await asyncio.wrap_future(future)
        report = outcome.report
        stages = dict(report.get("seconds", {})) | report.get("file_seconds", {})
        self.metrics.stages({k: v for k, v in stages.items() if k not in ("total", "fill")},
                            int(report.get("filled_pixels", 0)))  # fmt: skip
        return outcome

    def choose_model(self, client: str, name: str) -> None:
        """Remember the model that a client of IOPaint's API chose."""
        self.chosen.pop(client, None)
        self.chosen[client] = name
        while len(self.chosen) > 1000:
            with contextlib.suppress(StopIteration, KeyError):
                del self.chosen[next(iter(self.chosen))]


def client_of(request: Request) -> str:
    """The name under which a client waits and is counted: of its key, or its address."""
    return str(request.scope.get("inpaint_client") or "nobody")
