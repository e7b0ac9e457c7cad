"""The tab about networks: what each is, where its weights come from, how far it sees."""

from html import escape
from pathlib import Path

import gradio as gr

from inpaint.models.receptive_field import Field, theoretical_field
from inpaint.models.registry import find_spec
from inpaint.models.weights import default_weights
from inpaint.web.networks import Networks


def add_models_tab(networks: Networks) -> None:
    """Add the tab's contents to the Blocks that are being built; a network is loaded when it is asked for."""
    choice = gr.Radio(networks.names, value=networks.names[0], label="Model", visible=len(networks.names) > 1)
    picture = gr.HTML()
    card = gr.Markdown()

    def show(name: str) -> tuple[str, str]:
        network = networks.get(name).network
        count = sum(parameter.numel() for parameter in network.parameters())
        head = f"<h2>{escape(name)}</h2><p>{escape(find_spec(name).paper)}; {count:,} parameters.</p>"
        return head + field_picture(theoretical_field(network)), card_text(name, networks.weights[name])

    choice.change(
        show, choice, [picture, card], api_visibility="private", concurrency_id="inference", concurrency_limit=16
    )
    gr.on(None, show, choice, [picture, card], api_visibility="private", show_progress="hidden")


def card_text(name: str, weights: Path | None) -> str:
    """The model card beside the weights, as Markdown; a sentence where there is none."""
    path = (weights or default_weights(name)).with_name("README.md")
    if weights is not None or not path.is_file():
        return f"Weights: `{(weights or path).name}`; there is no card beside them."
    return path.read_text(encoding="utf-8")


def field_picture(field: Field) -> str:
    """How the view of one output pixel grows layer by layer, as an SVG of bars.

    Args:
        field: of a network.

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
    whole = f"; it also has parts that see everything ({len(field.global_parts)})" if field.global_parts else ""
    style = f"width:100%;max-width:{len(steps) * width * 2}px;fill:var(--color-accent)"
    return (
        f'<svg viewBox="0 0 {len(steps) * width} {height}" style="{style}" '
        f'role="img" aria-label="receptive field layer by layer">{bars}</svg>'
        f"<p>Receptive field, layer by layer: a pixel sees {field.field} x {field.field} pixels{escape(whole)}.</p>"
    )
