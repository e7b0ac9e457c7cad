"""The mask canvas: a photo to paint on, as one Gradio component without a build step.

The page never sends pixels back: `work` events and `ask` calls carry strokes as vectors (see `strokes.js`), and the
server paints them at full size. Messages to the canvas are its `value`; the template does not depend on it, so that
Gradio leaves the live canvas alone.
"""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import gradio as gr

from inpaint.web.i18n import CANVAS_TEXTS

# In this order: a later one uses what earlier ones define.
SCRIPTS = ("strokes", "canvas_texts", "canvas_painter", "canvas_tools", "canvas_panels", "canvas_work", "canvas")


def _read(name: str) -> str:
    return files("inpaint.web").joinpath(name).read_text(encoding="utf-8")


def mask_canvas(ask: Callable[[dict[str, Any]], dict[str, Any]], **settings: Any) -> gr.HTML:
    """The canvas as a component; its `work` event carries a request for something slow.

    Args:
        ask: what the canvas calls for quick answers, one dictionary in and one out.
        settings: further settings of `gr.HTML`.
    """
    texts = json.dumps(CANVAS_TEXTS, ensure_ascii=True)
    parts = [_read(f"{name}.js") for name in SCRIPTS]
    script = "\n".join([*parts, f"startCanvas(element, {texts}, {{ trigger, props, server, upload, watch }});"])

    def server_ask(request: dict[str, Any]) -> dict[str, Any]:
        return ask(request)

    server_ask.__name__ = "ask"
    return gr.HTML(
        html_template=_read("canvas.html"), css_template=_read("canvas.css"), js_on_load=script,
        apply_default_css=False, server_functions=[server_ask], **settings,
    )  # fmt: skip
