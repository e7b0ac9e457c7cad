"""`/v1/jobs`: big work without an open connection, its progress as server-sent events."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from inpaint.web.api_native import PICTURE, FillForm, read
from inpaint.web.jobs import ENDED, Job, Jobs
from inpaint.web.replies import error_reply, file_reply
from inpaint.web.service import Service, client_of
from inpaint.web.tasks import Outcome

LOOK = 0.2  # seconds between two looks at a job
ALIVE = 15.0  # seconds of silence after which a comment keeps the connection open


def job_routes(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    def jobs() -> Jobs:
        assert service.jobs is not None
        return service.jobs

    @routes.post("", status_code=202, summary="Begin a fill")
    async def begin(request: Request, form: Annotated[FillForm, Depends()]) -> dict[str, Any]:
        """As `/v1/fill`; answers at once with the job's id."""
        folder = jobs().new_folder()
        try:
            return jobs().add(client_of(request), await form.task(folder, service)).public()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @routes.get("/{name}", summary="How far a job is")
    async def state(request: Request, name: str) -> dict[str, Any]:
        """`state` is waiting, running, done, failed or cancelled."""
        return jobs().get(name, client_of(request)).public()

    @routes.get("/{name}/events", summary="Progress as server-sent events", response_class=StreamingResponse,
                responses={200: {"content": {"text/event-stream": {}}}})  # fmt: skip
    async def events(request: Request, name: str) -> Response:
        """An event for each change, the last of them `done`, `failed` or `cancelled`."""
        job = jobs().get(name, client_of(request))
        quiet = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_changes(service, job), media_type="text/event-stream", headers=quiet)

    @routes.get("/{name}/result", responses=PICTURE, response_class=Response, summary="The filled file")
    async def result(request: Request, name: str) -> Response:
        """409 while there is none."""
        job = jobs().get(name, client_of(request))
        if job.state != "done":
            error = job.error or {"error": "NotDone", "detail": f"the job is {job.state}"}
            return error_reply(request.url.path, 409, error["error"], error["detail"])
        data = await read(jobs().folder(name), Outcome(job.file, job.media))
        return file_reply(data, job.media, job.report)

    @routes.delete("/{name}", summary="Cancel a job and remove its files")
    async def remove(request: Request, name: str) -> dict[str, Any]:
        """Stops it where it runs."""
        job = jobs().get(name, client_of(request))
        jobs().remove(job)
        return job.public()

    return routes


async def _changes(service: Service, job: Job) -> AsyncIterator[str]:
    last, silent = "", 0.0
    while True:
        told = job.public()
        text = json.dumps(told)
        if text != last:
            last, silent = text, 0.0
            yield f"event: {told['state'] if told['state'] in ENDED else 'progress'}\ndata: {text}\n\n"
        if told["state"] in ENDED or service.closing:
            return
        await asyncio.sleep(LOOK)
        silent += LOOK
        if silent >= ALIVE:
            silent = 0.0
            yield ": waiting\n\n"


