"""What every request passes first: names of the server, sizes, times; and for the API keys, rates and what is noted."""

import asyncio
import ipaddress
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from urllib.parse import urlsplit

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inpaint.web.replies import error_reply
from inpaint.web.service import LOG, Service

GUARDED = ("/v1/", "/api/v1/", "/cleanup/v1")
UPLOADS, TOOLS = "/gradio_api/upload", "/gradio_api/mcp"  # of the page; its tools for the Model Context Protocol
FILES = re.compile(r"/gradio_api/file[=/]")  # what the page shows and hands out
ELSEWHERE = re.compile(FILES.pattern + r"\s*https?:", re.IGNORECASE)  # which Gradio would fetch and pass on
# Of every such file, whatever it calls itself: opened on its own it is a page without script and without an origin.
HARMLESS = ((b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff"))
AT_ONCE = 4  # requests of the largest size whose bytes may lie in memory together
CLIENTS = 10_000  # whose rates are remembered
PAGE_BYTES = 8 << 20  # of a request to the page that uploads no file: strokes, settings, a login
FIELD_BYTES = 1 << 20  # of an upload, beside its files
GRACE, RATE = 30.0, 32 << 10  # a body may keep the server waiting for GRACE seconds, and one more for each RATE bytes

CROWDED = "too many large requests at once, try again later"


class Refused(HTTPException):
    """A body is not received to its end.

    Args:
        status: HTTP status.
        kind: a short name.
        text: one sentence.
        headers: further ones.
    """

    def __init__(self, status: int, kind: str, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, text, headers)
        self.kind = kind


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


class Gate:
    """ASGI middleware around everything, the page included.

    Args:
        app: what comes next.
        names: of the server, beside `localhost` and this machine's own addresses; requests to others are refused, since
            a web page could have given its own name the address of this machine. None: any.
        origins: whose web pages may use the page, beside its own; `*`: all.
        keyed: the API asks for keys, so that it may be called under any name.
        tool_bytes: of a request to a tool of the page, which brings its photos in it; 0: there are none.
    """

    def __init__(
        self, app: ASGIApp, names: frozenset[str] | None = None, origins: tuple[str, ...] = (), keyed: bool = False,
        tool_bytes: int = 0,
    ) -> None:
        self.app, self.names, self.origins, self.keyed, self.tool_bytes = app, names, origins, keyed, tool_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, headers, begun = _path(scope), Headers(scope=scope), False
        cut: Refused | None = None

        async def watched(message: Message) -> None:
            nonlocal begun
            if begun or cut is None:  # else the refusal below takes the place of what the page makes of half a body
                begun = True
                if message["type"] == "http.response.start" and FILES.match(path):
                    message = {**message, "headers": [*message.get("headers", ()), *HARMLESS]}
                await send(message)

        if text := self._forbidden(path, headers):
            await error_reply(path, 403, "Forbidden", text)(scope, receive, send)
            return
        bounded = receive if path.startswith(GUARDED) else self._bounded(receive, path, headers)

        async def noted() -> Message:
            nonlocal cut
            try:
                return await bounded()
            except Refused as error:
                cut = error
                raise

        try:
            await self.app(scope, noted, watched)
        except Exception:
            if begun or cut is None:
                raise
        if cut is not None and not begun:
            await _refusal(path, cut)(scope, receive, send)

    def _forbidden(self, path: str, headers: Headers) -> str:
        """Why a request is refused, or ""."""
        api = path.startswith(GUARDED) or path == "/metrics"
        named = self.names is None or (api and self.keyed) or _own_name(headers.get("host", "localhost"), self.names)
        if not named:
            return "this server is open to this machine alone, as localhost; --cors ORIGIN lets another name in"
        if not api and not _same_origin(headers, self.origins):  # the API has rules of its own, see `Guard`
            return "web pages of other origins may not use this page"
        if ELSEWHERE.match(path):
            return "nothing is fetched from elsewhere"
        return ""

    def _bounded(self, receive: Receive, path: str, headers: Headers) -> Receive:
        if path.rstrip("/") == UPLOADS:  # Gradio bounds each file, and keeps all that is no file in memory
            fields = _Fields(headers.get("content-type", ""))
            return _received(receive, None, lambda body, _: fields.take(body))
        tools = self.tool_bytes and path.startswith(TOOLS)
        return _received(receive, self.tool_bytes if tools else PAGE_BYTES)


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
        path = _path(scope)
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
        headers, held = Headers(scope=scope), 0
        chunked = "chunked" in headers.get("transfer-encoding", "")
        on_disk = headers.get("content-type", "").startswith("multipart/form-data")  # Starlette puts its files there

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self.service.bytes_coming += size

        def came(body: bytes, ended: bool) -> None:
            if chunked and self._full(len(body)):
                raise Refused(503, "Full", CROWDED, {"Retry-After": "5"})
            hold(len(body) if chunked else 0)
            if ended and on_disk:
                hold(-held)

        if refused is None and not chunked:
            hold(int(headers.get("content-length", "0")))
        try:
            if refused is not None:
                await refused(scope, receive, watched)
            else:
                await self.app(scope, _received(receive, self.service.limits.body_bytes, came), watched)
        except Refused as error:
            if not status:
                await _refusal(path, error)(scope, receive, watched)
        except Exception:
            LOG.exception("%s %s failed", scope["method"], path)
            if not status:
                text = "something went wrong on the server, its log says what"
                await error_reply(path, 500, "ServerError", text)(scope, receive, watched)
        finally:
            hold(-held)
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
            return error_reply(path, 413, "TooLarge", _too_large(service.limits.body_bytes))
        if self._full(int(length)):
            return error_reply(path, 503, "Full", CROWDED, {"Retry-After": "5"})
        return None

    def _full(self, more: int) -> bool:
        return self.service.bytes_coming + more > AT_ONCE * self.service.limits.body_bytes


class _Fields:
    """Counts what of an upload belongs to no file, read as Gradio reads it."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        self._total, self._file, self._name, self._value = 0, False, b"", b""
        self._disposition: bytes | None = None
        self._parser: MultipartParser | None = None
        if kind == b"multipart/form-data" and options.get(b"boundary"):
            self._parser = MultipartParser(options[b"boundary"], {
                "on_part_begin": self._begin, "on_part_data": self._data, "on_header_field": self._header_name,
                "on_header_value": self._header_value, "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
            })  # fmt: skip

    def take(self, body: bytes) -> None:
        """Count a part of the body; raises Refused."""
        if self._parser is None:
            self._count(len(body))
        elif body:
            try:
                self._parser.write(body)
            except ValueError:  # Gradio's own parser says what is wrong
                self._parser = None

    def _count(self, size: int) -> None:
        self._total += size
        if self._total > FIELD_BYTES:
            raise Refused(413, "TooLarge", _too_large(FIELD_BYTES, " beside its files"))

    def _begin(self) -> None:
        self._file, self._disposition = False, None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        self._file = b"filename" in parse_options_header(self._disposition)[1]

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._file:
            self._count(end - start)


def _received(receive: Receive, most: int | None, came: Callable[[bytes, bool], None] = lambda *_: None) -> Receive:
    """A request's body as it comes; one that is too large or too slow raises Refused.

    Args:
        receive: ASGI's.
        most: bytes; None: any number.
        came: told each piece of the body, and whether it was the last.
    """
    total, waited, ended = 0, 0.0, False

    async def bounded() -> Message:
        nonlocal total, waited, ended
        if ended:
            return await receive()
        start = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, GRACE + total / RATE - waited)):
                message = await receive()
        except TimeoutError:
            text = f"the request came too slowly, less than {RATE:,} bytes a second after {GRACE:g} seconds"
            raise Refused(408, "TooSlow", text, {"Connection": "close"}) from None
        waited += time.monotonic() - start
        body = message.get("body", b"")
        total += len(body)
        ended = not message.get("more_body", False)
        if most is not None and total > most:
            raise Refused(413, "TooLarge", _too_large(most))
        came(body, ended)
        return message

    return bounded


def _path(scope: Scope) -> str:
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path") or "") or path


def _own_name(host: str, names: frozenset[str]) -> bool:
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")
    try:
        return name == "localhost" or name in names or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _too_large(most: int, beside: str = "") -> str:
    return f"a request may have {most:,} bytes at most{beside}"


def _refusal(path: str, error: Refused) -> Response:
    return error_reply(path, error.status_code, error.kind, error.detail, dict(error.headers or {}))


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
