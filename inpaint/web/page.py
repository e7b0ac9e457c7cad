"""The page: the canvas, the panels beside it, and what connects them with the server."""

import itertools
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import gradio as gr

from inpaint.options import ENGINES
from inpaint.web.actions import Actions
from inpaint.web.canvas import mask_canvas
from inpaint.web.endpoints import add_endpoints
from inpaint.web.folder_tab import add_folder_tab
from inpaint.web.i18n import page_texts
from inpaint.web.models_tab import add_models_tab

INFERENCE: dict[str, Any] = {"concurrency_id": "inference", "concurrency_limit": 16}  # Actions.turns orders them
REGIONS = (
    "bottom-right 18%x6%", "bottom-left 18%x6%", "top-right 18%x6%", "top-left 18%x6%", "bottom 100%x8%", "top 100%x8%",
    "bottom-right 30%x10% colour #ff8c28~70",
)  # fmt: skip
FAILED = "() => document.dispatchEvent(new Event('inpaint-failed'))"


def page_style() -> str:
    """CSS of the page outside the canvas."""
    return files("inpaint.web").joinpath("page.css").read_text(encoding="utf-8")


def page_head() -> str:
    """HTML for the head of the page: the style of what lies around Gradio's frame."""
    return f"<style>{files('inpaint.web').joinpath('frame.css').read_text(encoding='utf-8')}</style>"


def ask_canvas(work: str, *names: str) -> str:
    """JavaScript that hands values of Gradio components to the canvas, as a request for some work."""
    arguments = ", ".join(names)
    return (
        f"({arguments}) => {{ document.dispatchEvent(new CustomEvent('inpaint-ask', "
        f"{{detail: {{work: '{work}', {arguments}}}}})); }}"
    )


def build_page(actions: Actions, queue_size: int = 32) -> gr.Blocks:
    """The Gradio page.

    Args:
        actions: what the server can do.
        queue_size: jobs that may wait; more are refused.
    """
    words, serial, kept = page_texts(), itertools.count(), max(1, int(actions.store.max_age))

    def work(
        engine: str, dilate: float, seed: float, candidates: float, model: str, event: gr.EventData
    ) -> Iterator[dict[str, Any]]:
        options = {"engine": engine, "dilate": int(dilate), "seed": int(seed or 0), "candidates": int(candidates)}
        for message in actions.work(event._data, options, model):
            yield message | {"serial": next(serial)}

    with gr.Blocks(title="Inpaint", analytics_enabled=False, delete_cache=(min(600, kept), kept)) as page:
        gr.Markdown("# Inpaint", elem_id="title")
        with gr.Tabs() as tabs:
            with gr.Tab(words("tab_photo"), id="photo"), gr.Row():
                with gr.Column(scale=4, min_width=320):
                    canvas = mask_canvas(actions.ask, elem_id="canvas")
                with gr.Column(scale=1, min_width=300):
                    settings = _fill_settings(words, actions)
                    _find_panel(words)
                    with gr.Accordion(words("keys"), open=False):
                        gr.Markdown(words("keys_text"))
            with gr.Tab(words("tab_folder"), id="folder"):
                add_folder_tab(actions, words, REGIONS, tabs)
            with gr.Tab(words("tab_models"), id="models") as models:
                add_models_tab(actions.networks, actions.store.root, words, models)
        done = canvas.work(
            work, settings, canvas, show_progress="hidden", api_visibility="private", trigger_mode="multiple",
            **INFERENCE,
        )  # fmt: skip
        done.failure(None, None, None, js=FAILED, api_visibility="private")
        add_endpoints(actions, INFERENCE)
    page.queue(max_size=queue_size)
    return page


def _fill_settings(words: gr.I18n, actions: Actions) -> list[Any]:
    names = actions.networks.names
    with gr.Accordion(words("how"), open=True):
        engine = gr.Dropdown(list(ENGINES), value="auto", label=words("engine"), info=words("engine_info"))
        candidates = gr.Slider(1, 4, value=1, step=1, label=words("candidates"))
        dilate = gr.Slider(0, 64, value=0, step=1, label=words("dilate"))
        seed = gr.Number(value=0, precision=0, label=words("seed"))
        model = gr.Dropdown(names, value=names[0], label=words("model"), visible=len(names) > 1)
    return [engine, dilate, seed, candidates, model]


def _find_panel(words: gr.I18n) -> None:
    with gr.Accordion(words("find"), open=True):
        sensitivity = gr.Slider(0, 1, value=0.5, step=0.05, label=words("sensitivity"))
        margin = gr.Slider(0, 20, value=2, step=1, label=words("margin"))
        with gr.Row():
            text = gr.Button(words("find_text"), size="sm", elem_id="find-text")
            scratches = gr.Button(words("find_scratches"), size="sm", elem_id="find-scratches")
        gr.Checkbox(False, label=words("shadow"), elem_id="shadow")
        region = gr.Dropdown(
            list(REGIONS), value=REGIONS[0], allow_custom_value=True, label=words("region"), info=words("region_info")
        )
        mark = gr.Button(words("mark_region"), size="sm", elem_id="mark-region")
    for button, kind in ((text, "text"), (scratches, "scratches")):
        js = ask_canvas(kind, "sensitivity", "margin")
        button.click(None, [sensitivity, margin], None, js=js, api_visibility="private")
    mark.click(None, [region], None, js=ask_canvas("region", "region"), api_visibility="private")
