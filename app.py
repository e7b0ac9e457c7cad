"""`python app.py`: the inpainting page on this machine."""

import argparse
import sys

import gradio as gr
import uvicorn
from fastapi import FastAPI

from inpaint.errors import InpaintError
from inpaint.inpainter import Inpainter
from inpaint.web.page import build_page


def build_app(inpainter: Inpainter) -> FastAPI:
    """The page at `/`, and `/health`, which answers as soon as fills are possible."""
    app = FastAPI(title="Inpaint")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    page = build_page(inpainter).queue(max_size=32)
    return gr.mount_gradio_app(app, page, path="/")


def main() -> int:
    """Parse, load, serve; returns the exit code."""
    parser = argparse.ArgumentParser(description="Serve the inpainting page.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--model", default="dilated")
    parser.add_argument("--weights", metavar="FILE")
    args = parser.parse_args()
    try:
        inpainter = Inpainter.load(args.model, args.weights)
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"Inpaint is at http://{args.host}:{args.port}", flush=True)
    uvicorn.run(build_app(inpainter), host=args.host, port=args.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
