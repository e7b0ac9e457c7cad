"""`report.html` of a batch: one self-contained page with what failed and small pictures of before and after."""

import base64
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

import cv2
import numpy as np

from inpaint.batch import places
from inpaint.batch.summary import duration, failure_line
from inpaint.errors import InpaintError, shown
from inpaint.photo.access import PictureFiles
from inpaint.photo.limits import Limits
from inpaint.photo.mask_meaning import eight_bits

SHOWN = 200  # photos on one page; all are in the JSON report
SIDE = 320  # pixels of the longer side of a small picture
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 1500px;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; } .quiet, small { color: #5b6675; } li { overflow-wrap: anywhere; }
.failed { background: #fbe5e3; } .aside { background: #fff2cc; }
.failed, .aside { padding: .6rem 1rem; border-radius: 4px; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 1.2rem; }
figure { margin: 0; } figcaption { overflow-wrap: anywhere; } .pair { display: flex; gap: 4px; }
.pair div { flex: 1; min-width: 0; background: #f1f4f7; } .pair img { width: 100%; display: block; }
"""


def contact_sheet(values: dict[str, Any], files: PictureFiles = PictureFiles()) -> str:
    """The page.

    Args:
        values: as from `summary.run_json`.
        files: opens the photos.
    """
    outputs = values["outputs"][:SHOWN]
    with ThreadPoolExecutor(4) as threads:
        figures = list(threads.map(lambda output: _figure(output, files), outputs))
    body = [f"<h1>Batch</h1><p>{escape(_sentence(values))}</p>"]
    body.append(_list("failed", "Failed", [failure_line(r) for r in values["failed"]]))
    body.append(_list("aside", "Nothing to fill", [failure_line(r) for r in values["nothing_to_fill"]]))
    body.append(_list("aside", "Photos without a mask", [shown(p) for p in values["photos_without_mask"]]))
    body.append(_list("aside", "Masks without a photo", [shown(p) for p in values["masks_without_photo"]]))
    if outputs:
        of = f"the first {len(outputs)} of {len(values['outputs']):,}" if len(values["outputs"]) > SHOWN else ""
        body.append(f"<h2>Before and after {of}</h2><div class=sheet>{''.join(figures)}</div>")
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Batch</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _sentence(values: dict[str, Any]) -> str:
    done, before = values["done"], values["done_before"]
    text = f"{values['total']:,} photos: {done:,} done, {before:,} done before, {len(values['failed']):,} failed"
    return f"{text}, in {duration(values['seconds'])}" + ("; stopped before the end" if values["stopped"] else "")


def _list(kind: str, title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    return f"<h2>{title} ({len(lines):,})</h2><ul class={kind}>{''.join(f'<li>{escape(t)}</li>' for t in lines)}</ul>"


def _figure(output: dict[str, Any], files: PictureFiles) -> str:
    after, both = _small(output["output"], files), places.reals([output["photo"], output["output"]])
    replaced = both[output["photo"]] == both[output["output"]]
    before = "<div><small>replaced by its fill</small></div>" if replaced else _small(output["photo"], files)
    about = ", ".join(
        text for text in (
            output["engine"], f"{output['pixels']:,} pixels filled" if "pixels" in output else "",
            (output.get("verification") or {}).get("sentence", ""),
        ) if text
    )  # fmt: skip
    caption = f"{escape(shown(output['output']))}<br><small>{escape(about)}</small>"
    return f"<figure><div class=pair>{before}{after}</div><figcaption>{caption}</figcaption></figure>"


def _small(place: str, files: PictureFiles) -> str:
    """A small picture as an HTML element; a word where it cannot be shown."""
    try:
        with places.near_copy(place) as file:
            photo = files.photo(file, Limits())
    except (InpaintError, OSError) as error:
        return f"<div><small>cannot be shown ({escape(str(error))})</small></div>"
    pixels = photo.pixels if photo.pixels.dtype == np.uint8 else eight_bits(photo.pixels)
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
    return f"<div><img alt='' loading=lazy src='data:image/jpeg;base64,{base64.b64encode(data).decode()}'></div>"
