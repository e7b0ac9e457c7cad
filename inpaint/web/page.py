"""The page: upload a photo, paint, fill, see both, download."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from inpaint.errors import InpaintError, MaskError
from inpaint.inpainter import Inpainter
from inpaint.options import ENGINES, FillOptions
from inpaint.photo.files import FORMATS, load_photo, save_photo
from inpaint.photo.masks import Mask, check_mask, resize_mask


def painted(editor: dict[str, Any] | None, shape: tuple[int, int]) -> Mask:
    """The mask that a person painted: only the layers' alpha counts, never the editor's copy of the photo.

    Args:
        editor: value of a `gr.ImageEditor` of type numpy.
        shape: (height, width) of the photo in pixels.

    Returns:
        bool (height, width), True = hole.
    """
    mask = np.zeros(shape, bool)
    for layer in (editor or {}).get("layers", []):
        if layer is not None and layer.ndim == 3 and layer.shape[2] == 4:
            mask |= resize_mask(layer[..., 3] > 0, shape)
    return mask


def fill_painted(
    inpainter: Inpainter, path: str | None, editor: dict[str, Any] | None, engine: str, dilate: float
) -> tuple[tuple[str, str], str, str]:
    """Fill what was painted into the uploaded file.

    Returns:
        paths for the comparison (original and filled, PNG), the path to download, in the photo's own format, and a
        sentence about what was done.

    Raises:
        InpaintError: no photo, nothing painted, or a photo that cannot be read.
    """
    if not path:
        raise InpaintError("upload a photo first")
    source = Path(path)
    photo = load_photo(source)
    mask = painted(editor, photo.pixels.shape[:2])
    if not mask.any():
        raise MaskError("paint over what should go first")
    check_mask(mask)
    result = inpainter.fill(photo.pixels, mask, FillOptions(engine=engine, dilate=int(dilate)))
    folder = Path(tempfile.mkdtemp(prefix="inpaint-"))
    suffix = source.suffix.lower() if source.suffix.lower() in FORMATS else ".png"
    download = folder / f"{source.stem}_filled{suffix}"
    filled = photo.with_pixels(result.photo)
    save_photo(filled, download)
    before, after = folder / "before.png", folder / "after.png"
    save_photo(photo, before)
    save_photo(filled, after)
    report = result.report
    kept = report.width * report.height - report.filled_pixels
    changed = int((result.photo != photo.pixels).any(axis=2)[~mask].sum()) if not dilate else 0
    text = f"{report.filled_pixels:,} pixels filled by {report.engines} in {report.seconds['total']:.1f} s"
    proof = f"; {changed} of {kept:,} kept pixels changed" if not dilate else f"; {kept:,} pixels kept"
    return (str(before), str(after)), str(download), text + proof


def build_page(inpainter: Inpainter) -> gr.Blocks:
    """The Gradio page around one inpainter."""

    def show(path: str | None) -> dict[str, Any] | None:
        if not path:
            return None
        try:
            load_photo(path)
        except InpaintError as error:
            raise gr.Error(str(error).replace(path, Path(path).name)) from None
        return {"background": path, "layers": [], "composite": None}

    def run(path: str | None, editor: dict[str, Any] | None, engine: str, dilate: float) -> tuple[Any, str, str]:
        try:
            return fill_painted(inpainter, path, editor, engine, dilate)
        except InpaintError as error:
            raise gr.Error(str(error)) from None

    with gr.Blocks(title="Inpaint", analytics_enabled=False) as page:
        gr.Markdown("# Inpaint\nUpload a photo, paint over what should go, press **Fill**.")
        upload = gr.File(label="Photo", file_types=["image"], type="filepath", height=120)
        with gr.Row():
            with gr.Column(min_width=360):
                editor = gr.ImageEditor(
                    label="Paint", type="numpy", sources=(), transforms=(), layers=False, height=560,
                    brush=gr.Brush(default_size=24, colors=["#ff3b6b"], color_mode="fixed"),
                )  # fmt: skip
            with gr.Column(min_width=360):
                result = gr.ImageSlider(label="Before and after", type="filepath", format="png", height=560)
        with gr.Row():
            engine = gr.Dropdown(list(ENGINES), value="auto", label="Engine")
            dilate = gr.Slider(0, 32, value=0, step=1, label="Widen the hole (pixels)")
            button = gr.Button("Fill", variant="primary")
        status = gr.Textbox(label="What was done", interactive=False)
        download = gr.File(label="Download at full size", interactive=False)
        upload.change(show, upload, editor, api_visibility="private")
        button.click(
            run, [upload, editor, engine, dilate], [result, download, status], concurrency_id="fill",
            concurrency_limit=1, api_visibility="private",
        )  # fmt: skip
    return page
