"""Starting the server: its options, and what they make of page and API. Doors are `app.py` and `inpaint serve`."""

import argparse
import contextlib
import getpass
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import OptionError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from inpaint.web.actions import Actions
    from inpaint.web.service import Service

LOCAL = ("127.0.0.1", "localhost", "::1")


def parser() -> argparse.ArgumentParser:
    """The options of `app.py`."""
    options = argparse.ArgumentParser(description="Serve the inpainting page.")
    add_options(options)
    return options


def add_options(options: argparse.ArgumentParser) -> None:
    """All options of a server."""
    add = options.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    add("--port", type=int, default=7860)
    add("--root-path", metavar="PATH", help="where a proxy shows the page, such as /inpaint")
    add(
        "--model", action="append", metavar="NAME[=FILE]",
        help="a network, with its weights file unless they are shipped; may be given again, the first is the default",
    )  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="weights of the first --model")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--max-pixels", type=int, default=178_956_970, metavar="N", help="refuse larger photos")
    add("--queue", type=int, default=32, metavar="N", help="page fills and requests that may wait (default: 32)")
    page = options.add_argument_group("page")
    page.add_argument("--auth-file", type=Path, metavar="FILE", help="let only the people in this file in")
    page.add_argument("--add-user", metavar="NAME", help="ask for a password, add it to --auth-file, and end")
    page.add_argument("--max-megabytes", type=int, default=256, metavar="N", help="refuse larger files")
    page.add_argument("--keep-hours", type=float, default=6, metavar="H", help="remove photos unused for so long")
    page.add_argument("--mcp", action="store_true", help="offer fill and mask tools over MCP")
    _add_api_options(options.add_argument_group("HTTP API"))


def _add_api_options(group: Any) -> None:
    add = group.add_argument
    add("--api-keys", type=Path, metavar="FILE", help="let only the keys in this file, or INPAINT_API_KEYS, in")
    add("--add-key", metavar="NAME", help="make a key, add its hash to --api-keys, show it this once, and end")
    add("--insecure", action="store_true", help="offer the API without keys even beyond this machine")
    add("--cors", action="append", default=[], metavar="ORIGIN", help="let web pages of this origin call")
    add("--api-megabytes", type=int, default=64, metavar="N", help="refuse larger requests (default: 64)")
    add("--seconds", type=float, default=120, metavar="S", help="that a request may take (default: 120)")
    add("--per-minute", type=int, default=120, metavar="N", help="requests of a key or address (default: 120; 0: any)")
    add("--slots", type=int, default=1, metavar="N", help="fills at a time, a process each (default: 1)")
    add("--threads", type=int, metavar="N", help="CPU threads of a fill (default: all cores, shared by the slots)")
    add("--jobs", type=Path, metavar="DIR", help="keep jobs there, so that a restart loses none")
    add("--job-hours", type=float, default=1, metavar="H", help="keep results of jobs for so long (default: 1)")


def model_choices(given: list[str] | None, weights: Path | None) -> dict[str, Path | None]:
    """Networks and weights files from `--model` and `--weights`.

    Raises:
        OptionError: a network twice.
    """
    choices: dict[str, Path | None] = {}
    for text in given or ["dilated"]:
        name, _, file = text.partition("=")
        if name in choices:
            raise OptionError(f"--model {name} is given twice")
        choices[name] = Path(file) if file else weights if not choices else None
    return choices


def make_actions(args: argparse.Namespace) -> "Actions":
    """What the page can do, with the first network loaded.

    Raises:
        InpaintError: a wrong option, or weights that cannot be used.
    """
    from gradio.utils import get_upload_folder

    from inpaint.photo.limits import Limits
    from inpaint.web.actions import Actions
    from inpaint.web.networks import Networks
    from inpaint.web.session import SessionStore

    if args.queue < 1 or args.keep_hours <= 0:
        raise OptionError(f"--queue and --keep-hours must be above 0, got {args.queue} and {args.keep_hours}")
    limits = Limits(args.max_pixels, args.max_megabytes << 20)
    networks = Networks(model_choices(args.model, args.weights), args.device)
    networks.get()
    return Actions(SessionStore(limits, max_age=args.keep_hours * 3600), networks, get_upload_folder)


def make_service(args: argparse.Namespace, lazy: bool) -> "Service":
    """The API.

    Args:
        args: of `add_options`.
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
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.slots)
    settings = WorkerSettings(model_choices(args.model, args.weights), args.device, threads)
    return Service(settings, limits, load_keys(args.api_keys), tuple(args.cors), args.jobs, lazy=lazy)


def keys_needed(args: argparse.Namespace) -> bool:
    """Whether these options may offer the API only to those who have a key."""
    return not args.insecure and bool(args.host not in LOCAL or args.auth_file)


def build_app(
    actions: "Actions", *, auth: Callable[[str, str], bool] | None = None, root_path: str | None = None,
    queue_size: int = 32, mcp: bool = False, service: "Service | None" = None,
) -> "FastAPI":  # fmt: skip
    """The page at `/`, the HTTP API beside it, and `/health`, which answers as soon as fills are possible.

    Args:
        actions: what the page can do.
        auth: `(name, password) -> bool`; None lets everyone in.
        root_path: where a proxy shows the page, such as `/inpaint`.
        queue_size: jobs that may wait; more are refused.
        mcp: offer the endpoints as tools over the Model Context Protocol.
        service: the API; None for the page alone.
    """
    import gradio as gr
    from fastapi import FastAPI

    from inpaint.web.api import api_app
    from inpaint.web.i18n import page_texts
    from inpaint.web.page import TRIM, build_page

    if service is not None:
        app = api_app(service)
        actions.turns = service.turns
    else:
        app = FastAPI(title="Inpaint")

        @app.get("/health")
        def health() -> dict[str, str]:
            return {"status": "ok"}

    return gr.mount_gradio_app(
        app, build_page(actions, queue_size), path="/", auth=auth, root_path=root_path, i18n=page_texts(),
        allowed_paths=[str(actions.store.root)], max_file_size=actions.store.limits.file_bytes, run_history=False,
        footer_links=[], enable_monitoring=False, mcp_server=mcp, css=TRIM, ssr_mode=False, pwa=False,
        theme=gr.themes.Default(
            primary_hue="blue", neutral_hue="slate", font=("ui-sans-serif", "system-ui", "sans-serif"),
            font_mono=("ui-monospace", "Consolas", "monospace"),
        ),
    )  # fmt: skip


def serve(args: argparse.Namespace, needs_api: bool) -> int:
    """Do what the options say until interrupted; returns the exit code.

    Args:
        args: of `add_options`.
        needs_api: refuse options under which the API cannot be offered, in place of leaving it away.

    Raises:
        InpaintError: a wrong option, or weights that cannot be used.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if args.add_user or args.add_key:
        return _add_person(args)
    from inpaint.web.api import api_app
    from inpaint.web.auth import Passwords

    page = not getattr(args, "no_page", False)
    service: Service | None = make_service(args, lazy=not needs_api)
    if service is not None and service.keys is None and keys_needed(args):
        how = "make a key with --add-key NAME --api-keys FILE, or say --insecure"
        if needs_api:
            raise OptionError(f"the API needs keys when it is reached from elsewhere: {how}")
        print(f"note: the HTTP API is off, because it would be open to everyone; {how}", flush=True)
        service = None
    if not page:
        assert service is not None
        _run(api_app(service), args, service)
        return 0
    auth = Passwords(args.auth_file) if args.auth_file else None
    actions = make_actions(args)
    if args.host not in LOCAL and auth is None:
        print("note: everyone who reaches this address can use the page; --auth-file asks for a password", flush=True)
    actions.store.keep_sweeping()
    threading.Thread(target=actions.networks.warm_up, daemon=True, name="warm-up").start()
    app = build_app(
        actions, auth=auth, root_path=args.root_path, queue_size=args.queue, mcp=args.mcp, service=service
    )  # fmt: skip
    try:
        _run(app, args, service)
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
    add_user(args.auth_file, args.add_user, getpass.getpass(f"Password for {args.add_user}: "))
    return 0


def _run(app: "FastAPI", args: argparse.Namespace, service: "Service | None") -> None:
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
    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run()
