"""The tab about networks: what each is, how far it can see, where it really looks, and its card."""

import re
from html import escape
from pathlib import Path

import cv2
import gradio as gr
import numpy as np

from inpaint.errors import InpaintError
from inpaint.models.effective_field import EffectiveField, effective_field
from inpaint.models.receptive_field import Field, theoretical_field
from inpaint.models.weights import shipped_weights, spec_of
from inpaint.options import DEFAULT_MODEL
from inpaint.web.i18n import PAGE_TEXTS, Texts, language_of
from inpaint.web.networks import Networks

SIZE, HOLE = 256, 32  # of the photos with which it is measured where a network looks, in pixels
PICTURE = re.compile(r"!\[([^\]]*)\]\((?:\.\./)*([^)]+)\)")  # in Markdown, a path below the project's folder
DECADES = 4  # of the gradient that the picture shows


def add_models_tab(networks: Networks, folder: Path, words: gr.I18n, tab: gr.Tab) -> None:
    """Add the tab's contents to the Blocks that are being built; a network is loaded when it is asked for.

    Args:
        networks: what there is.
        folder: where pictures for the page may be kept.
        words: the page's texts.
        tab: where it stands; what takes long is done when it is opened.
    """
    choice = gr.Radio(networks.names, value=networks.names[0], label=words("model"), visible=len(networks.names) > 1)
    about = gr.HTML()
    with gr.Row():
        with gr.Column(min_width=300):
            growth = gr.HTML()
        with gr.Column(min_width=300):
            looks = gr.Image(
                label=words("field_looks"), format="png", interactive=False, buttons=[], height=300, visible=False,
                elem_id="looks",
            )  # fmt: skip
            looks_said = gr.Markdown(visible=False)
    card = gr.Markdown()
    measured: dict[str, EffectiveField | None] = {}

    def show(name: str, request: gr.Request) -> tuple[str, str, str]:
        texts = PAGE_TEXTS[language_of(request.headers.get("accept-language", ""))]
        network = networks.get(name).network
        count = sum(parameter.numel() for parameter in network.parameters())
        own = network.config is not None  # else it is a program, of which nothing is known
        said = texts["model_about"].format(paper=spec_of(name).paper if own else Path(name).name, count=f"{count:,}")
        head = f"<h2>{escape(Path(name).name)}</h2><p>{escape(said)}</p>"
        field = field_picture(theoretical_field(network), texts) if own else ""
        return head, field, card_text(name, networks.weights[name], texts)

    def measure(name: str, request: gr.Request) -> tuple[object, object]:
        texts = PAGE_TEXTS[language_of(request.headers.get("accept-language", ""))]
        path = folder / f"looks-{networks.names.index(name)}.png"
        if name not in measured:
            measured[name] = where_it_looks(networks, name, path)
        field = measured[name]
        if field is None:
            return gr.update(visible=False), gr.update(visible=False)
        said = texts["field_looks_said"].format(size=field.size, hole=field.hole, field=field.field)
        return gr.update(value=str(path), visible=True), gr.update(value=said, visible=True)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    inference = {"concurrency_id": "inference", "concurrency_limit": 16}
    shown = gr.on([choice.change, tab.select], show, choice, [about, growth, card], **quiet, **inference)
    shown.then(measure, choice, [looks, looks_said], **quiet, **inference)


def where_it_looks(networks: Networks, name: str, path: Path) -> EffectiveField | None:
    """Measure a network's effective field and draw it; None where it lets no gradient through.

    Args:
        networks: where the network is.
        name: of the network.
        path: PNG to write, brighter where the network looks more, logarithmic.
    """
    try:
        field = effective_field(networks.get(name).network, SIZE, HOLE, samples=2)
    except (InpaintError, RuntimeError):  # a network of another device, or one that cannot be differentiated
        return None
    logs = np.log10(np.maximum(field.gradient, 1e-30))
    values = np.clip((logs - logs.max()) / DECADES + 1, 0, 1)
    colours = cv2.applyColorMap((values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    picture = cv2.resize(colours, (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
    for side, colour in ((field.field, (120, 220, 120)), (HOLE, (255, 255, 255))):
        corner, other = SIZE - side, SIZE + side
        cv2.rectangle(picture, (corner, corner), (other - 1, other - 1), colour, 1)
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return field


def card_text(name: str, weights: Path | None, texts: Texts = PAGE_TEXTS["en"]) -> str:
    """The model card beside the weights, as Markdown, its pictures by name; a sentence where there is none."""
    shipped = shipped_weights().get(name) if weights is None else None
    # README.md beside its weights is the default's card, NAME.md is that of others.
    card = shipped and shipped.with_name("README.md" if name == DEFAULT_MODEL else f"{name}.md")
    if card is None or not card.is_file():
        return texts["no_card"].format(name=(weights or shipped or Path(name)).name)
    return PICTURE.sub(r"*\1* (`\2`)", card.read_text(encoding="utf-8"))  # the page does not serve them


def field_picture(field: Field, texts: Texts = PAGE_TEXTS["en"]) -> str:
    """How the view of one output pixel grows layer by layer, as an SVG of bars.

    Args:
        field: of a network.
        texts: of the page.

    Returns:
        HTML.
    """
    steps, seen = [], 0
    for layer in field.layers:
        if layer.field > seen:
            steps.append(layer)
            seen = layer.field
    width, height = 14, 120
    bars = "".join(
        f'<rect x="{i * width}" y="{height - height * step.field / field.field:.1f}" width="{width - 3}" '
        f'height="{height * step.field / field.field:.1f}" rx="2">'
        f"<title>{escape(step.name)}: {step.field} px</title></rect>"
        for i, step in enumerate(steps)
    )
    said = texts["field_said"].format(field=field.field)
    if field.global_parts:
        said += " " + texts["field_global"].format(count=len(field.global_parts))
    style = f"width:100%;max-width:{len(steps) * width * 2}px;fill:var(--color-accent)"
    return (
        f'<svg viewBox="0 0 {len(steps) * width} {height}" style="{style}" '
        f'role="img" aria-label="{escape(texts["field_growth"])}">{bars}</svg><p>{escape(said)}</p>'
    )
