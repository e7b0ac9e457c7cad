"""Jobs: fills that nobody waits for at the end of a connection. Each is a folder, so that a restart loses none."""

import asyncio
import json
import logging
import re
import secrets
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import Cancelled, InpaintError
from inpaint.options import FillOptions
from inpaint.photo.limits import Limits
from inpaint.photo.staging import Staging
from inpaint.web.turns import Full, Turn

if TYPE_CHECKING:
    from inpaint.web.service import Service
    from inpaint.web.tasks import FillTask

LOG = logging.getLogger("inpaint.api")
ENDED = ("done", "failed", "cancelled")
SWEEP = 30.0  # seconds between two looks for what is too old


class NoJob(InpaintError):
    """There is no job of this name, or it is somebody else's."""


@dataclass
class Job:
    """One job.

    Args:
        name: unguessable.
        client: whose it is.
        wanted: fields of its `FillTask`, as JSON values.
        state: `waiting`, `running`, `done`, `failed` or `cancelled`.
        created, ended: seconds since 1970.
        stage, progress: how far it is, 0 to 1.
        error: `{"error": kind, "detail": sentence}`.
        file, media, report: the result.
    """

    name: str
    client: str
    wanted: dict[str, Any]
    state: str = "waiting"
    created: float = field(default_factory=time.time)
    ended: float = 0.0
    stage: str = ""
    progress: float = 0.0
    error: dict[str, str] | None = None
    file: str = ""
    media: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def public(self) -> dict[str, Any]:
        """What its owner is told."""
        told = {"id": self.name, "state": self.state, "stage": self.stage, "progress": round(self.progress, 3)}
        return told | {"created": round(self.created, 3), "error": self.error, "report": self.report or None}

    def to_json(self) -> bytes:
        """All of it, for its folder."""
        return json.dumps({k: v for k, v in self.__dict__.items() if k != "stop"}).encode()


class Jobs:
    """All jobs of a server.

    Args:
        service: what does them.
        root: the folder of their folders.
    """

    def __init__(self, service: "Service", root: Path) -> None:
        self.service, self.root = service, root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for folder in sorted(root.iterdir()):
            self._found(folder)

    def _found(self, folder: Path) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{32}", folder.name):
            return
        try:
            job = Job(**json.loads((folder / "job.json").read_bytes()))
        except (OSError, ValueError, TypeError):  # its upload was never finished
            shutil.rmtree(folder, ignore_errors=True)
            return
        if job.state not in ENDED:
            job.state, job.stage, job.progress = "waiting", "", 0.0
        self._jobs[job.name] = job

    def resume(self) -> None:
        """Queue again what was accepted before a restart."""
        for job in sorted(self._jobs.values(), key=lambda job: job.created):
            if job.state == "waiting" and not job.stop.is_set():
                self._begin(job, self.service.turns.ask(job.client, always=True))

    def folder(self, name: str) -> Path:
        """The folder of a job."""
        return self.root / name

    def new_folder(self) -> Path:
        """A folder for the files of a job that is about to be added."""
        folder = self.folder(secrets.token_urlsafe(24))
        folder.mkdir(mode=0o700)
        return folder

    def add(self, client: str, task: "FillTask") -> Job:
        """Accept a job, whose files are in its folder, and queue it.

        Raises:
            Full: the queue is full, or too many jobs are kept.
        """
        if len(self._jobs) >= self.service.limits.jobs:
            raise Full(f"{len(self._jobs)} jobs are kept already, delete some or wait until they expire")
        wanted = {"options": asdict(task.options), "model": task.model, "rule": task.rule, "mask_is": task.mask_is,
                  "form": task.form, "lossless": task.lossless}  # fmt: skip
        turn = self.service.turns.ask(client)
        job = Job(task.folder.name, client, wanted)
        self._jobs[job.name] = job
        try:
            self._keep(job)
            self._begin(job, turn)
        except BaseException:
            turn.done()
            del self._jobs[job.name]
            raise
        return job

    def get(self, name: str, client: str) -> Job:
        """A client's job.

        Raises:
            NoJob: there is none.
        """
        job = self._jobs.get(name)
        if job is None or job.client != client:
            raise NoJob("there is no such job, or it has expired")
        return job

    def remove(self, job: Job) -> None:
        """Cancel a job where it is not done, and forget it."""
        job.stop.set()
        if job.state not in ENDED:
            self._end(job, "cancelled")
        self._jobs.pop(job.name, None)
        shutil.rmtree(self.folder(job.name), ignore_errors=True)

    def _begin(self, job: Job, turn: Turn) -> None:
        task = asyncio.get_running_loop().create_task(self._do(job, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, job: Job, turn: Turn) -> None:
        from inpaint.web.tasks import FillTask

        def tell(stage: str, done: float) -> None:
            if job.state in ("waiting", "running"):
                job.state, job.stage, job.progress = "running", stage, done

        limits = self.service.limits
        try:
            wanted = job.wanted | {"options": FillOptions(**job.wanted["options"])}
            task = FillTask(self.folder(job.name), **wanted, limits=Limits(limits.pixels, limits.body_bytes))
            outcome = await self.service.serve(turn, task, tell, job.stop, limits.job_seconds, wait=float("inf"))
            job.file, job.media, job.report = outcome.file, outcome.media, outcome.report
            self._end(job, "done")
        except Cancelled as error:
            if not (self.service.closing and job.name in self._jobs):  # else it is taken up after the restart
                self._end(job, "cancelled", error)
        except InpaintError as error:
            self._end(job, "failed", error)
        except Exception:  # a job of another version, or no process can be started
            LOG.exception("job %s failed", job.name)
            self._end(job, "failed", InpaintError("something went wrong on the server, its log says what"))
        finally:
            turn.done()

    def _end(self, job: Job, state: str, error: InpaintError | None = None) -> None:
        job.state, job.stage, job.ended = state, "", time.time()
        job.progress = 1.0 if state == "done" else job.progress
        job.error = None if error is None else {"error": type(error).__name__, "detail": str(error)}
        if job.name in self._jobs:
            try:
                self._keep(job)
            except InpaintError as fault:  # it is done again after a restart
                LOG.warning("job %s: %s", job.name, fault)

    def _keep(self, job: Job) -> None:
        folder = self.folder(job.name)
        if folder.is_dir():
            with Staging(durable=True) as staging:
                staging.add(folder / "job.json", job.to_json())
                staging.commit()

    async def keep_sweeping(self) -> None:
        """Remove results that are too old, now and then."""
        while True:
            await asyncio.sleep(min(SWEEP, self.service.limits.keep_seconds))
            self.sweep()

    def sweep(self) -> None:
        """Remove results that are too old."""
        old = time.time() - self.service.limits.keep_seconds
        for job in [job for job in self._jobs.values() if job.state in ENDED and job.ended < old]:
            self.remove(job)

    async def finish(self) -> None:
        """Let what runs finish; what waits stays on the disk."""
        for job in self._jobs.values():
            if job.state == "waiting":
                job.stop.set()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
