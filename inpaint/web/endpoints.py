"""Endpoints of the page for programs, usable by `gradio_client`: `/fill`, `/mask_text`, `/mask_object`."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio import FileData
from gradio.context import LocalContext
from PIL import Image

from inpaint.errors import EmptyMask, InpaintError
from inpaint.fill_file import FillJob, fill_file
from inpaint.options import FillOptions
from inpaint.web.actions import Actions, explain, output_name, without_folders
from inpaint.web.finding import find_object, find_text
from inpaint.web.pictures import Mask
from inpaint.web.session import safe_name


def add_endpoints(actions: Actions, queueing: dict[str, Any]) -> None:
    """Add the endpoints to the Blocks that are being built.

    Args:
        actions: networks, limits, and where files may lie.
        queueing: concurrency settings shared by all inference.
    """

    def fill(
        photo: FileData, mask: FileData, engine: str = "auto", dilate: int = 0, seed: int = 0, model: str = "",
        lossless: bool = False,
    ) -> tuple[FileData, dict]:  # type: ignore[type-arg]
        """Fill the hole that a mask marks in a photo; every other pixel stays as it is.

        Args:
            photo: the file.
            mask: a picture of its size, white where the photo is to be filled.
            engine: auto, detail, network, patch, telea or ns.
            dilate: pixels by which the mask is widened.
            seed: another seed gives another fill.
            model: name of the network; empty: the default.
            lossless: write PNG whatever the photo's format, so that no kept pixel moves.

        Returns:
            the filled file, in the photo's own format unless `lossless`, and a report.
        """
        with _told(), actions.turns.turn(_caller()):
            source, name = _file(actions, photo), _name(photo)
            options = FillOptions(engine=engine, dilate=int(dilate), seed=int(seed))
            files, limits = actions.store.decoders, actions.store.limits
            output = actions.store.scratch() / output_name(Path(name), files.form(source, limits), lossless, True)
            job = FillJob(source, _file(actions, mask), output, options, limits=limits)
            made = fill_file(job, lambda: actions.networks.get(model), files=files)
            proof = made.verification.sentence if made.verification else ""
            report = {
                "engines": made.fill.engines, "filled": made.fill.filled_pixels, "proof": proof,
                "notes": [without_folders(note) for note in made.notes], "seconds": made.seconds, "sha256": made.sha256,
            }  # fmt: skip
            return _sent(output), report

    def mask_text(photo: FileData, sensitivity: float = 0.5) -> FileData:
        """Find text; returns a mask of the photo's size, white on what was found."""
        with _told(), actions.turns.turn(_caller()):
            pixels = actions.store.decoders.photo(_file(actions, photo), actions.store.limits).pixels
            return _mask_file(actions, find_text(pixels, sensitivity), _name(photo), "text")

    def mask_object(
        photo: FileData, points: list[list[float]], labels: list[int] | None = None, box: list[float] | None = None
    ) -> FileData:
        """Find the outline of an object.

        Args:
            photo: the file.
            points: x, y in pixels of the upright photo.
            labels: for each point 1 where it is on the object, 0 where it is not; none: all are.
            box: x, y, width, height around the object.
        """
        with _told(), actions.turns.turn(_caller()):
            pixels = actions.store.decoders.photo(_file(actions, photo), actions.store.limits).pixels
            request = {"points": points, "labels": labels or [1] * len(points), "box": box}
            return _mask_file(actions, find_object(pixels, request), _name(photo), "object")

    for function in (fill, mask_text, mask_object):
        gr.api(function, api_name=function.__name__, **queueing)


def _caller() -> str:
    """The name under which a program waits: one for each of its sessions."""
    request = LocalContext.request.get(None)
    return f"page:{getattr(request, 'session_hash', None) or 'program'}"


class _told:
    """Turns an InpaintError into the error that Gradio passes on to the caller."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, InpaintError):
            raise gr.Error(explain(error, None)["error"]["text"], print_exception=False) from None


def _file(actions: Actions, data: Any) -> Path:
    value = data if isinstance(data, dict) else data.model_dump()
    return actions.uploaded(value.get("path"))


def _name(data: Any) -> str:
    value = data if isinstance(data, dict) else data.model_dump()
    return safe_name(value.get("orig_name") or Path(str(value.get("path"))).name)


def _mask_file(actions: Actions, mask: Mask, name: str, what: str) -> FileData:
    if not mask.any():
        raise EmptyMask(f"no {what} was found")
    path = actions.store.scratch() / f"{Path(name).stem}_mask.png"
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return _sent(path)


def _sent(path: Path) -> Any:
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
