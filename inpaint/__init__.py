"""Fill holes in photos with a dilated-convolution network, changing nothing else."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Inpainter": "inpaint.inpainter", "fill": "inpaint.inpainter", "FillOptions": "inpaint.options",
    "load_photo": "inpaint.photo.files", "save_photo": "inpaint.photo.files", "load_mask": "inpaint.photo.masks",
}  # fmt: skip
__all__ = ["FillOptions", "Inpainter", "fill", "load_mask", "load_photo", "save_photo"]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `python -m inpaint --help` does not wait for torch.
    if name in _HOMES:
        import_module("inpaint.filling.threads").wait_asleep()
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'inpaint' has no attribute {name!r}")
