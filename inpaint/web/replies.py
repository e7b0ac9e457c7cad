"""Answers of the API: files with their report, and errors in the form that each kind of client knows."""

import base64
import json
import secrets
from typing import Any

from starlette.responses import JSONResponse, Response

from inpaint.errors import Cancelled, EmptyMask, InpaintError, OptionError, OutputError, WeightsError
from inpaint.web.turns import Full
from inpaint.web.worker import Died, Late

STATUSES: tuple[tuple[type[InpaintError], int], ...] = (
    (Full, 503), (Late, 504), (Died, 500), (WeightsError, 500), (Cancelled, 409), (OptionError, 422),
    (OutputError, 422), (EmptyMask, 400), (InpaintError, 400),
)  # fmt: skip
HEADER = 4000  # characters of a report in a header; notes and holes that do not fit are left out of it


def error_reply(path: str, status: int, kind: str, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in the words that the clients of a path know.

    Args:
        path: of the request.
        status: HTTP status.
        kind: a short name.
        text: one sentence.
        headers: further ones.
    """
    body: dict[str, Any] = {"error": kind, "detail": text}
    if path.startswith("/api/v1"):
        body |= {"body": "", "errors": text}
    elif path.startswith("/cleanup"):
        body = {"error": text}
    return JSONResponse(body, status, headers)


def failure_reply(path: str, error: InpaintError) -> JSONResponse:
    """The answer to a request that failed."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {"Retry-After": str(Full.retry_after)} if status == 503 else None
    return error_reply(path, status, type(error).__name__, str(error), headers)


def file_reply(data: bytes, media: str, report: dict[str, Any], how: str = "file") -> Response:
    """A file and its report.

    Args:
        data: the file.
        media: its MIME type.
        report: JSON values.
        how: `file`: the bare file, a short report in a header; `json`: both, the file as base64; `multipart`: both.
    """
    if how == "json":
        return JSONResponse({"report": report, "media_type": media, "file": base64.b64encode(data).decode("ascii")})
    headers = {"X-Inpaint-Report": short_report(report)}
    if how == "file":
        return Response(data, media_type=media, headers=headers)
    boundary = secrets.token_hex(16)
    head = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="filled"\r\n'
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="report"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(report)}{head}Content-Type: {media}\r\n\r\n"
    ).encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return Response(body, media_type=f"multipart/form-data; boundary={boundary}", headers=headers)


def short_report(report: dict[str, Any]) -> str:
    """A report as one line of ASCII that every proxy lets through."""
    wanted = ("width", "height", "pixels", "filled_pixels", "engines", "seconds", "output_sha256", "notes")
    short = {name: report[name] for name in wanted if name in report}
    if isinstance(short.get("seconds"), dict):
        short["seconds"] = {stage: round(spent, 3) for stage, spent in short["seconds"].items()}
    if report.get("verification"):
        short["proof"] = report["verification"].get("sentence", "")
    text = json.dumps(short)
    return text if len(text) <= HEADER else json.dumps({k: v for k, v in short.items() if k != "notes"})
