"""`python app.py`: the inpainting page on this machine."""

import argparse
import getpass
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaint.errors import InpaintError, OptionError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from inpaint.web.actions import Actions

LOCAL = ("127.0.0.1", "localhost", "::1")


def build_app(
    actions: "Actions", *, auth: Callable[[str, str], bool] | None = None, root_path: str | None = None,
    queue_size: int = 32, mcp: bool = False,
) -> "FastAPI":  # fmt: skip
    """The page at `/`, and `/health`, which answers as soon as fills are possible.

    Args:
        actions: what the page can do.
        auth: `(name, password) -> bool`; None lets everyone in.
        root_path: where a proxy shows the page, such as `/inpaint`.
        queue_size: jobs that may wait; more are refused.
        mcp: offer the endpoints as tools over the Model Context Protocol.
    """
    import gradio as gr
    from fastapi import FastAPI

    from inpaint.web.i18n import page_texts
    from inpaint.web.page import build_page, page_style

    app = FastAPI(title="Inpaint")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return gr.mount_gradio_app(
        app, build_page(actions, queue_size), path="/", auth=auth, root_path=root_path, i18n=page_texts(),
        allowed_paths=[str(actions.store.root)], max_file_size=actions.store.limits.file_bytes, run_history=False,
        footer_links=[], enable_monitoring=False, mcp_server=mcp, css=page_style(), ssr_mode=False, pwa=False,
        theme=gr.themes.Default(
            primary_hue="blue", neutral_hue="slate", font=("ui-sans-serif", "system-ui", "sans-serif"),
            font_mono=("ui-monospace", "Consolas", "monospace"),
        ),
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description="Serve the inpainting page.")
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    options.add_argument("--port", type=int, default=7860)
    options.add_argument("--root-path", metavar="PATH", help="where a proxy shows the page, such as /inpaint")
    options.add_argument("--photos", type=Path, metavar="DIR", help="a folder of photos that the page may show")
    options.add_argument(
        "--model", action="append", metavar="NAME[=FILE]",
        help="a network, with its weights file unless they are shipped; may be given again, the first is the default",
    )  # fmt: skip
    options.add_argument("--weights", type=Path, metavar="FILE", help="weights of the first --model")
    options.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    options.add_argument("--auth-file", type=Path, metavar="FILE", help="let only the people in this file in")
    options.add_argument("--add-user", metavar="NAME", help="ask for a password, add it to --auth-file, and end")
    options.add_argument("--max-pixels", type=int, default=178_956_970, metavar="N", help="refuse larger photos")
    options.add_argument("--max-megabytes", type=int, default=256, metavar="N", help="refuse larger files")
    options.add_argument("--queue", type=int, default=32, metavar="N", help="jobs that may wait (default: 32)")
    options.add_argument("--keep-hours", type=float, default=6, metavar="H", help="remove photos unused for so long")
    options.add_argument("--mcp", action="store_true", help="offer fill and mask tools over MCP")
    return options


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


def main() -> int:
    """Parse, load, serve; returns the exit code."""
    args = parser().parse_args()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        from inpaint.web.auth import Passwords, add_user

        if args.add_user:
            if not args.auth_file:
                raise OptionError("--add-user needs --auth-file FILE")
            add_user(args.auth_file, args.add_user, getpass.getpass(f"Password for {args.add_user}: "))
            return 0
        auth = Passwords(args.auth_file) if args.auth_file else None
        actions = make_actions(args)
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    serve(build_app(actions, auth=auth, root_path=args.root_path, queue_size=args.queue, mcp=args.mcp), args, actions)
    return 0


def serve(app: Any, args: argparse.Namespace, actions: "Actions") -> None:
    """Listen until interrupted; all photos are removed at the end."""
    import uvicorn

    if args.host not in LOCAL and not args.auth_file:
        print("note: everyone who reaches this address can use the page; --auth-file asks for a password", flush=True)
    print(f"Inpaint is at http://{args.host}:{args.port}{args.root_path or ''}", flush=True)
    actions.store.keep_sweeping()
    threading.Thread(target=actions.networks.warm_up, daemon=True, name="warm-up").start()
    try:
        uvicorn.run(app, host=args.host, port=args.port, log_level="warning", proxy_headers=True)
    finally:
        actions.store.close()


if __name__ == "__main__":
    sys.exit(main())
