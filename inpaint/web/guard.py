"""What every request to the API passes first: keys, rates, sizes; and what is written down about it."""

import time
from collections import OrderedDict, deque
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inpaint.web.replies import error_reply
from inpaint.web.service import LOG, Service

GUARDED = ("/v1/", "/api/v1/", "/cleanup/v1")
AT_ONCE = 4  # requests of the largest size whose bytes may lie in memory together
CLIENTS = 10_000  # whose rates are remembered


class TooLarge(HTTPException):
    """More bytes came than a request may have."""


class Rates:
    """Requests of the last minute, by client."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Count a request; 0, or the seconds after which the next one is taken."""
        if not self.per_minute:
            return 0.0
        times = self._times.setdefault(client, deque())
        self._times.move_to_end(client)
        while len(self._times) > CLIENTS:
            self._times.popitem(last=False)
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= self.per_minute:
            return times[0] + 60 - now
        times.append(now)
        return 0.0


class Guard:
    """ASGI middleware; what is no path of the API goes by untouched.

    Args:
        app: what comes next.
        service: the API.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self.rates = Rates(service.limits.per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope.get("path", "")
        path = path.removeprefix(scope.get("root_path") or "") or path
        if scope["type"] != "http" or not (path.startswith(GUARDED) or path == "/metrics"):
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        refused = self._admit(scope, path)
        coming = 0 if refused is not None else self._coming(scope)
        self.service.bytes_coming += coming
        try:
            if refused is not None:
                await refused(scope, receive, watched)
            else:
                await self.app(scope, self._counted(receive), watched)
        except TooLarge as error:
            if not status:
                await error_reply(path, 413, "TooLarge", error.detail)(scope, receive, watched)
        except Exception:
            LOG.exception("%s %s failed", scope["method"], path)
            if not status:
                text = "something went wrong on the server, its log says what"
                await error_reply(path, 500, "ServerError", text)(scope, receive, watched)
        finally:
            self.service.bytes_coming -= coming
            route = getattr(scope.get("route"), "path", "none")
            spent = time.monotonic() - start
            self.service.metrics.request(route, status, spent)
            LOG.info("%s %s %s %d %.3fs", scope.get("inpaint_client", "?"), scope["method"], route, status, spent)

    def _admit(self, scope: Scope, path: str) -> Response | None:
        """A refusal, or None."""
        headers, service = Headers(scope=scope), self.service
        client = (scope.get("client") or ("unknown",))[0]
        if service.keys is not None:
            key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ").strip()
            name = service.keys.name(key) if key else None
            if name is None:
                waits = self.rates.wait(f"unknown:{client}", time.monotonic())
                if waits:
                    return _slow(path, waits)
                text = "this key is not known here" if key else "an API key is needed, as x-api-key or Bearer token"
                return error_reply(path, 401, "Unauthorized", text, {"WWW-Authenticate": "Bearer"})
            client = f"key:{name}"
        elif not _same_origin(headers, service.origins):
            return error_reply(path, 403, "Forbidden", "web pages of other origins may not call this server")
        scope["inpaint_client"] = client
        if path == "/metrics":
            return None
        waits = self.rates.wait(client, time.monotonic())
        if waits:
            return _slow(path, waits)
        if service.closing:
            return error_reply(path, 503, "Closing", "the server is shutting down", {"Retry-After": "10"})
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > service.limits.body_bytes:
            return error_reply(path, 413, "TooLarge", self._too_large())
        if self.service.bytes_coming + self._coming(scope) > AT_ONCE * service.limits.body_bytes:
            text = "too many large requests at once, try again later"
            return error_reply(path, 503, "Full", text, {"Retry-After": "5"})
        return None

    def _coming(self, scope: Scope) -> int:
        """Bytes that a request may bring."""
        headers = Headers(scope=scope)
        if "chunked" in headers.get("transfer-encoding", ""):
            return self.service.limits.body_bytes
        return int(headers.get("content-length", "0"))

    def _counted(self, receive: Receive) -> Receive:
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self.service.limits.body_bytes:
                raise TooLarge(413, self._too_large())
            return message

        return counted

    def _too_large(self) -> str:
        return f"a request may have {self.service.limits.body_bytes:,} bytes at most"


def _slow(path: str, seconds: float) -> Response:
    return error_reply(
        path, 429, "TooManyRequests", "too many requests in a minute", {"Retry-After": str(int(seconds) + 1)}
    )


def _same_origin(headers: Headers, allowed: tuple[str, ...]) -> bool:
    """Whether no web page of elsewhere sent this; without keys it could otherwise use the server of its visitor."""
    origin = headers.get("origin")
    if not origin or origin in allowed or "*" in allowed:
        return True
    hosts = {headers.get("host"), headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc in hosts - {None}
