"""Ways to make a mask: each kind is a plain function from a photo to a bool mask (H, W), True = hole."""

from importlib import import_module
from typing import Any

_HOMES = {
    "text_mask": "text", "text_lines": "text", "object_mask": "object", "shadow_mask": "shadow",
    "scratch_mask": "scratches", "region_mask": "regions", "colour_mask": "regions", "repeated_mask": "repeated",
    "repeated_masks": "repeated", "cut_silhouettes": "silhouettes", "read_silhouettes": "silhouettes",
    "Silhouettes": "silhouettes", "MaskRule": "rules", "parse_rule": "rules", "combine": "edit", "invert": "edit",
    "grow": "edit", "shrink": "edit", "smooth": "edit", "fill_holes": "edit", "remove_specks": "edit",
    "random_mask": "random", "overlay": "preview",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import inpaint.masking` does not wait for OpenCV or ONNX Runtime.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
