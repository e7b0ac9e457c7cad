"""`MaskCanvas`: a photo to paint on, as one Gradio component without a build step.

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


def _read(name: str) -> str:
    return files("inpaint.web").joinpath(name).read_text(encoding="utf-8")


class MaskCanvas(gr.HTML):
    """The canvas.

    Args:
        ask: what the canvas calls for quick answers, one dictionary in and one out.
        settings: further settings of `gr.HTML`.
    """

    def __init__(self, ask: Callable[[dict[str, Any]], dict[str, Any]], **settings: Any) -> None:
        texts = json.dumps(CANVAS_TEXTS, ensure_ascii=True)
        script = (
            f"{_read('strokes.js')}\n{_read('canvas.js')}\n"
            f"startCanvas(element, {texts}, {{ trigger, props, server, upload, watch }});"
        )
        super().__init__(
            html_template=_read("canvas.html"), css_template=_read("canvas.css"), js_on_load=script,
            apply_default_css=False, server_functions=[ask], **settings,
        )  # fmt: skip

    def postprocess(self, value: Any) -> Any:
        """Messages are dictionaries, which `gr.HTML` passes on as they are."""
        return value

    def api_info(self) -> dict[str, Any]:
        """The canvas holds messages for itself only."""
        return {"type": "object"}
