"""The HTTP API, put beside the page or served alone: native, IOPaint's, Clipdrop's, jobs, health and counters."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response

from inpaint.errors import InpaintError
from inpaint.web.api_clipdrop import clipdrop_routes
from inpaint.web.api_iopaint import iopaint_routes
from inpaint.web.api_jobs import job_routes
from inpaint.web.api_native import native_routes
from inpaint.web.docs_page import docs_page
from inpaint.web.guard import Gate, Guard, Refused
from inpaint.web.jobs import NoJob
from inpaint.web.replies import error_reply, failure_reply
from inpaint.web.service import Service

ABOUT = """Fills holes in photos and changes nothing else. Errors are `{"error": kind, "detail": sentence}`; IOPaint's
and Clipdrop's paths use the words of their clients. 429 and 503 carry `Retry-After`."""
KEY_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"}, "bearer": {"type": "http", "scheme": "bearer"},
}  # fmt: skip
ERRORS = {
    400: "a file cannot be used", 401: "no key, or one that is not known", 408: "the request came too slowly",
    413: "too many bytes",
    422: "a setting is wrong", 429: "too many requests in a minute", 500: "a fault of the server",
    503: "the queue is full", 504: "it took too long",
}  # fmt: skip


def api_app(service: Service, names: frozenset[str] | None = None, tool_bytes: int = 0) -> FastAPI:
    """The API as an application of its own; a page may be mounted on it.

    Args:
        service: what it does.
        names, tool_bytes: as for `Gate`.
    """
    from inpaint import __version__

    app = FastAPI(
        title="Inpaint", version=__version__, description=ABOUT, lifespan=service.lifespan, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    errors: dict[int | str, dict[str, Any]] = {code: {"description": text} for code, text in ERRORS.items()}
    for routes in (native_routes, job_routes, iopaint_routes, clipdrop_routes):
        app.include_router(routes(service), responses=errors)
    _add_probes(app, service)
    _add_errors(app)
    app.add_middleware(Guard, service=service)
    if service.origins:
        shown = ["X-Seed", "X-Inpaint-Report", "Retry-After"]
        app.add_middleware(
            CORSMiddleware, allow_origins=list(service.origins), allow_methods=["*"], allow_headers=["*"],
            expose_headers=shown,
        )  # fmt: skip
    app.add_middleware(
        Gate, names=names, origins=service.origins, keyed=service.keys is not None, tool_bytes=tool_bytes
    )
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()
        if service.keys is not None:
            schema.setdefault("components", {})["securitySchemes"] = KEY_SCHEMES
            schema["security"] = [{name: []} for name in KEY_SCHEMES]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["server"], summary="Whether the server lives")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["server"], summary="Whether fills are possible now",
             responses={503: {"description": "not yet, or no more"}})  # fmt: skip
    async def ready() -> JSONResponse:
        if service.ready:
            return JSONResponse({"status": "ready"})
        why = "closing" if service.closing else service.failure or "starting"
        return JSONResponse({"status": why}, 503, {"Retry-After": "2"})

    @app.get("/metrics", tags=["server"], summary="Counters for Prometheus", response_class=Response,
             responses={200: {"content": {"text/plain": {}}}})  # fmt: skip
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi(), str(request.base_url).rstrip("/")))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(InpaintError)
    async def failed(request: Request, error: InpaintError) -> JSONResponse:
        if isinstance(error, NoJob):
            return error_reply(request.url.path, 404, "NoJob", str(error))
        return failure_reply(_path(request), error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors()]
        return error_reply(_path(request), 422, "RequestValidationError", "; ".join(parts)[:2000])

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        kind = error.kind if isinstance(error, Refused) else "HTTPException"
        return error_reply(_path(request), error.status_code, kind, str(error.detail), headers)


def _path(request: Request) -> str:
    path = request.scope.get("path", "")
    return path.removeprefix(request.scope.get("root_path") or "") or path
