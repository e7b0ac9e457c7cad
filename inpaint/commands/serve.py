"""`inpaint serve`: the page and the HTTP API, or with `--no-page` the API alone."""

import argparse


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    from inpaint.web.serve_options import add_options

    text = "Serve the page and the HTTP API."
    command = commands.add_parser("serve", help="serve the page and the HTTP API", description=text)
    add_options(command)
    command.add_argument("--no-page", action="store_true", help="only the API")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from inpaint.web.serving import serve

    return serve(args, needs_api=True)
