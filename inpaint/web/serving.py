"""Starting the server: what its options make of page and API. Doors are `app.py` and `inpaint serve`."""

import argparse
import contextlib
import errno
import getpass
import ipaddress
import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inpaint.errors import InpaintError, OptionError, OutputError, shown
from inpaint.web.serve_options import model_choices

if TYPE_CHECKING:
    from fastapi import FastAPI

    from inpaint.web.actions import Actions
    from inpaint.web.service import Service

TOOL_BYTES = 64 << 20  # of a request to a tool, where no API says how many
LOCAL = ("127.0.0.1", "localhost", "::1")


def make_actions(args: argparse.Namespace) -> "Actions":
    """What the page can do, with the first network loaded.

    Raises:
        InpaintError: a wrong option, or weights that cannot be used.
    """
    from gradio.utils import get_upload_folder

    from inpaint.photo.limits import Limits
    from inpaint.web.actions import Actions
    from inpaint.web.folder import PhotoFolder
    from inpaint.web.networks import Networks
    from inpaint.web.session import SessionStore

    if args.queue < 1 or args.keep_hours <= 0:
        raise OptionError(f"--queue and --keep-hours must be above 0, got {args.queue} and {args.keep_hours}")
    limits = Limits(args.max_pixels, args.max_megabytes << 20)
    networks = Networks(model_choices(args.model, args.weights), args.device)
    networks.get()
    photos = PhotoFolder(args.photos) if args.photos else None
    return Actions(SessionStore(limits, max_age=args.keep_hours * 3600), networks, get_upload_folder, photos)


def make_service(args: argparse.Namespace, lazy: bool) -> "Service":
    """The API.

    Args:
        args: of `serve_options.add_options`.
        lazy: its workers start with the first request, so that a page alone needs no memory for them.

    Raises:
        OptionError: a wrong option, or unusable keys.
    """
    from inpaint.filling.threads import check_threads
    from inpaint.web.keys import load_keys
    from inpaint.web.service import ApiLimits, Service
    from inpaint.web.worker import WorkerSettings

    check_threads(args.threads)
    limits = ApiLimits(
        args.max_pixels, args.api_megabytes << 20, args.seconds, per_minute=args.per_minute, waiting=args.queue,
        slots=args.slots, keep_seconds=args.job_hours * 3600,
    )  # fmt: skip
    if args.jobs:
        try:
            args.jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"{shown(args.jobs)}: jobs cannot be kept there ({error.strerror})") from None
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.slots)
    settings = WorkerSettings(model_choices(args.model, args.weights), args.device, threads)
    return Service(settings, limits, load_keys(args.api_keys), tuple(args.cors), args.jobs, lazy=lazy)


def keys_needed(args: argparse.Namespace) -> bool:
    """Whether these options may offer the API only to those who have a key."""
    return not args.insecure and bool(args.host not in LOCAL or args.auth_file)


def own_names(args: argparse.Namespace, keys: bool) -> frozenset[str] | None:
    """Names under which a server may be called that asks nobody who they are, being for this machine alone.

    Without them a web page could give its own name the address of this machine, and use the server of its visitor.

    Args:
        args: of `serve_options.add_options`.
        keys: whether everything that is served asks for a key.

    Returns:
        names for `Gate`; None: any, where others may come or a login keeps them out.
    """
    try:
        here = args.host == "localhost" or ipaddress.ip_address(args.host).is_loopback
    except ValueError:
        here = False
    if not here or keys or args.auth_file or args.root_path or "*" in args.cors:
        return None
    return frozenset({args.host, *(urlsplit(origin).hostname or "" for origin in args.cors)} - {""})


def build_app(
    actions: "Actions", *, auth: Callable[[str, str], bool] | None = None, root_path: str | None = None,
    queue_size: int = 32, mcp: bool = False, service: "Service | None" = None, names: frozenset[str] | None = None,
    origins: tuple[str, ...] = (),
) -> "FastAPI":  # fmt: skip
    """The page at `/`, the HTTP API beside it, and `/health`, which answers as soon as fills are possible.

    Args:
        actions: what the page can do.
        auth: `(name, password) -> bool`; None lets everyone in.
        root_path: where a proxy shows the page, such as `/inpaint`.
        queue_size: jobs that may wait; more are refused.
        mcp: offer the endpoints as tools over the Model Context Protocol.
        service: the API, which brings `origins` of its own; None for the page alone.
        names, origins: as for `Gate`.
    """
    import gradio as gr
    from fastapi import FastAPI

    from inpaint.web.api import api_app
    from inpaint.web.guard import Gate
    from inpaint.web.i18n import page_texts
    from inpaint.web.page import build_page, page_head, page_style

    if service is not None:
        app = api_app(service, names, service.limits.body_bytes if mcp else 0)
        actions.turns = service.turns
    else:
        app = FastAPI(title="Inpaint", docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(Gate, names=names, origins=origins, tool_bytes=TOOL_BYTES if mcp else 0)

        @app.get("/health")
        def health() -> dict[str, str]:
            return {"status": "ok"}

    return gr.mount_gradio_app(
        app, build_page(actions, queue_size), path="/", auth=auth, root_path=root_path, i18n=page_texts(),
        allowed_paths=[str(actions.store.root)], max_file_size=actions.store.limits.file_bytes, run_history=False,
        footer_links=[], enable_monitoring=False, mcp_server=mcp, css=page_style(), head=page_head(), ssr_mode=False,
        pwa=False,
        theme=gr.themes.Default(
            primary_hue="blue", neutral_hue="slate", font=("ui-sans-serif", "system-ui", "sans-serif"),
            font_mono=("ui-monospace", "Consolas", "monospace"),
        ),
    )  # fmt: skip


def serve(args: argparse.Namespace, needs_api: bool) -> int:
    """Do what the options say until interrupted; returns the exit code.

    Args:
        args: of `serve_options.add_options`.
        needs_api: refuse options under which the API cannot be offered, in place of leaving it away.

    Raises:
        InpaintError: a wrong option, or weights that cannot be used.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if args.add_user or args.add_key:
        return _add_person(args)
    if not 0 < args.port < 1 << 16:
        raise OptionError(f"--port must be from 1 to 65535, got {args.port}")
    for name in ("seconds", "job_hours", "keep_hours"):
        if not math.isfinite(getattr(args, name)):
            raise OptionError(f"--{name.replace('_', '-')} must be a number, got {getattr(args, name)}")
    if args.mcp and args.auth_file:
        raise OptionError("--mcp cannot be had with --auth-file: its tools have no way to log in")
    page = not getattr(args, "no_page", False)
    with contextlib.ExitStack() as doors:
        sockets = [doors.enter_context(door) for door in listening(args.host, args.port)]
        return _serve(args, needs_api, page, sockets)


def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host; who calls waits until a server takes them over.

    Raises:
        InpaintError: the name has no address here, or the port is in use or not allowed.
    """
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                bound.append(socket.socket(family, kind, protocol))
                if os.name == "posix":
                    bound[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound[-1].bind(address)
            except OSError as error:  # this machine may know an address that it does not have, such as ::1
                if error.errno == errno.EADDRNOTAVAIL:
                    bound.pop().close()
                elif error.errno != errno.EAFNOSUPPORT:
                    raise
        for door in bound:
            door.listen()  # or a second server could bind the port, too
    except (OSError, UnicodeError) as error:
        for door in bound:
            door.close()
        reason = getattr(error, "strerror", None) or error
        raise InpaintError(f"--host {host} --port {port}: cannot be listened on ({reason})") from None
    if not bound:
        raise InpaintError(f"--host {host} --port {port}: cannot be listened on (no address of this machine)")
    return bound


def _serve(args: argparse.Namespace, needs_api: bool, page: bool, sockets: list[socket.socket]) -> int:
    from inpaint.web.api import api_app
    from inpaint.web.auth import Passwords

    service: Service | None = make_service(args, lazy=not needs_api)
    names = own_names(args, keys=not page and service is not None and service.keys is not None)
    if service is not None and service.keys is None and keys_needed(args):
        how = "make a key with --add-key NAME --api-keys FILE, or say --insecure"
        if needs_api:
            raise OptionError(f"the API needs keys when it is reached from elsewhere: {how}")
        print(f"note: the HTTP API is off, because it would be open to everyone; {how}", flush=True)
        service = None
    if not page:
        assert service is not None
        _run(api_app(service, names), args, service, sockets)
        return 0
    auth = Passwords(args.auth_file) if args.auth_file else None
    actions = make_actions(args)
    if args.host not in LOCAL and auth is None:
        print("note: everyone who reaches this address can use the page; --auth-file asks for a password", flush=True)
    actions.store.keep_sweeping()
    for warm_up in (actions.store.decoders.start, actions.networks.warm_up):
        threading.Thread(target=warm_up, daemon=True, name="warm-up").start()
    app = build_app(
        actions, auth=auth, root_path=args.root_path, queue_size=args.queue, mcp=args.mcp, service=service,
        names=names, origins=tuple(args.cors),
    )  # fmt: skip
    try:
        _run(app, args, service, sockets)
    finally:
        actions.store.close()
    return 0


def _add_person(args: argparse.Namespace) -> int:
    from inpaint.web.auth import add_user
    from inpaint.web.keys import add_key

    if args.add_key:
        if not args.api_keys:
            raise OptionError("--add-key needs --api-keys FILE")
        print(add_key(args.api_keys, args.add_key))
        return 0
    if not args.auth_file:
        raise OptionError("--add-user needs --auth-file FILE")
    try:
        password = getpass.getpass(f"Password for {args.add_user}: ")
    except EOFError:
        raise OptionError(f"{shown(args.auth_file)}: nobody was added, no password was given") from None
    add_user(args.auth_file, args.add_user, password)
    return 0


def _run(
    app: "FastAPI", args: argparse.Namespace, service: "Service | None", sockets: list[socket.socket]
) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            if service is not None:
                service.closing = True  # streams end, new requests are refused, what runs is finished
            super().handle_exit(sig, frame)

    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("inpaint.api").addHandler(log)
    logging.getLogger("inpaint.api").setLevel(logging.INFO)
    print(f"Inpaint is at http://{args.host}:{args.port}{args.root_path or ''}", flush=True)
    config = uvicorn.Config(
        app, host=args.host, port=args.port, log_level="warning", proxy_headers=True,
        timeout_graceful_shutdown=int(args.seconds) + 10,
    )  # fmt: skip
    # uvicorn repeats the signal that ended it: this way the caller still cleans up, and the exit code is 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(config)
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        if end.code and not server.started:
            raise InpaintError("the server could not start, the lines above say why") from None
        raise
