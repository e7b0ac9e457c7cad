"""The options of a server, for `app.py` and `inpaint serve`."""

import argparse
from pathlib import Path
from typing import Any

from inpaint.errors import OptionError
from inpaint.options import DEFAULT_MODEL


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
    page.add_argument("--photos", type=Path, metavar="DIR", help="a folder of photos that the page may show")
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
    for text in given or [DEFAULT_MODEL]:
        name, _, file = text.partition("=")
        if name in choices:
            raise OptionError(f"--model {name} is given twice")
        choices[name] = Path(file) if file else weights if not choices else None
    return choices
