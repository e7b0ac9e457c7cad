"""Palettes: colours counted exactly, and reduced only in what was filled."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.uint8]


def _packed(colours: Colours) -> NDArray[np.uint32]:
    return np.ascontiguousarray(colours).view(np.uint32)[..., 0]


def exact_palette(rgba: Colours) -> tuple[NDArray[np.uint8], Colours] | None:
    """Indices and palette of a picture of at most 256 colours, else None.

    Args:
        rgba: uint8 (H, W, 4).

    Returns:
        uint8 (H, W) and uint8 (N, 4).
    """
    packed = _packed(rgba)
    found = np.unique(packed)
    if len(found) > 256:
        return None
    return np.searchsorted(found, packed).astype(np.uint8), found.view(np.uint8).reshape(-1, 4)


def reduced_palette(rgba: Colours, free: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], Colours]:
    """Indices and palette of a picture whose colours are reduced where that is allowed.

    Where the other pixels have at most 256 colours these stay exact, and the free ones share the remaining entries
    (median cut) or take the nearest; else everything that can be seen is reduced.

    Args:
        rgba: uint8 (H, W, 4); what cannot be seen (alpha 0) has one colour.
        free: bool (H, W), visible pixels whose colours may be changed.
    """
    kept = np.unique(_packed(rgba)[~free])
    if len(kept) > 256 or not free.any():
        free = rgba[..., 3] > 0
        kept = np.unique(_packed(rgba)[~free])
    room = 256 - len(kept)
    values = rgba.copy()
    colours = rgba[free]
    if room > 0:
        strip = Image.fromarray(np.ascontiguousarray(colours[None, :, :3]))
        few = strip.quantize(room, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        values[free, :3] = np.array(few.convert("RGB"))[0]
    exact = exact_palette(values) if room > 0 else None
    if exact:
        return exact
    palette = kept.view(np.uint8).reshape(-1, 4) if len(kept) else np.zeros((1, 4), np.uint8)
    different, place = np.unique(_packed(rgba[free][:, None])[:, 0], return_inverse=True)
    wanted = different.view(np.uint8).reshape(-1, 4).astype(np.int32)
    nearest = np.concatenate([
        ((part[:, None] - palette[None].astype(np.int32)) ** 2).sum(axis=2).argmin(axis=1)
        for part in np.array_split(wanted, max(1, len(wanted) // 4096))
    ])  # fmt: skip
    values[free] = palette[nearest[place]]
    exact = exact_palette(values)
    assert exact is not None
    return exact
