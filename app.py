"""`python app.py`: the inpainting page on this machine, with the HTTP API beside it."""

import sys

from inpaint.errors import InpaintError
from inpaint.filling.threads import wait_asleep
from inpaint.web.serve_options import model_choices, parser
from inpaint.web.serving import build_app, serve

__all__ = ["build_app", "main", "model_choices", "parser"]


def main() -> int:
    """Parse, load, serve; returns the exit code."""
    args = parser().parse_args()
    wait_asleep()
    try:
        return serve(args, needs_api=False)
    except KeyboardInterrupt:  # before it serves; after that it ends by itself
        print("error: stopped before it was ready", file=sys.stderr)
        return 130
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
