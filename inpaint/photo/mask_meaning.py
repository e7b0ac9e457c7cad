"""What a mask picture marks: which side of it is the hole, decided only where there is no doubt."""

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint.errors import MaskError, OptionError
from inpaint.options import MASK_IS

Mask = NDArray[np.bool_]
THRESHOLD = 127  # what is brighter counts as white: the middle of 0..255
COLOURFUL = 64  # difference of the largest and smallest channel from which a pixel counts as coloured
GREYS_ALLOWED = 0.25  # share of pixels that may be neither black nor white, as the rims of soft masks are


def picture_to_mask(
    picture: Image.Image, mask_is: str = "auto", notes: list[str] | None = None, name: str = "the mask"
) -> Mask:
    """The hole that a picture marks.

    Args:
        picture: black and white in any mode, a painted layer with alpha, or one colour on black or white.
        mask_is: `white`, `black`, `alpha` (what is painted) or `transparent` is the hole; `auto` decides.
        notes: a sentence about what was decided is added here.
        name: for messages.

    Returns:
        bool (H, W), True = hole.

    Raises:
        MaskError: `auto` cannot tell, or there is no alpha where `mask_is` asks for it.
        OptionError: another `mask_is`.
    """
    if mask_is not in MASK_IS:
        raise OptionError(f"mask-is must be one of {', '.join(MASK_IS)}, got {mask_is!r}")
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray(eight_bits(np.array(picture)))
    if mask_is in ("alpha", "transparent") and not has_alpha:
        raise MaskError(f"{name}: has no transparency, which --mask-is {mask_is} needs")
    if picture.mode in ("1", "L") and not has_alpha:
        grey = np.array(picture.convert("L"))
        if mask_is != "auto":
            return grey > THRESHOLD if mask_is == "white" else grey <= THRESHOLD
        hole, sentence = _decide_grey(grey, name)
    else:
        rgba = np.array(picture.convert("RGBA"))
        colours, opaque = rgba[..., :3], rgba[..., 3] > THRESHOLD
        if mask_is in ("alpha", "transparent"):
            return opaque if mask_is == "alpha" else ~opaque
        if mask_is == "white":
            return (colours.max(axis=2) > THRESHOLD) & opaque
        if mask_is == "black":
            return (colours.min(axis=2) <= THRESHOLD) & opaque
        hole, sentence = _decide(colours, opaque, name)
    if notes is not None:
        notes.append(f"{name}: {sentence} ({100 * hole.mean():.3g} % of the picture)")
    return hole


def array_to_mask(values: NDArray) -> Mask:
    """The hole that an array marks: True, or white, which is never guessed.

    Args:
        values: (H, W), (H, W, 1), or (H, W, 3) of equal channels: bool; or numbers, where what is above the middle of 0
            to 255 is the hole, of 0 to 1 where none is larger, and of 0 to 65535 for uint16.

    Returns:
        bool (H, W), True = hole.

    Raises:
        MaskError: another shape or kind.
    """
    kinds = np.issubdtype(values.dtype, np.number) and not np.issubdtype(values.dtype, np.complexfloating)
    if not (values.dtype == np.bool_ or kinds) or values.ndim not in (2, 3) or values.size == 0:
        raise MaskError(f"a mask must be an array of bools or numbers (H, W), got {values.dtype} of {values.shape}")
    if values.ndim == 3:
        if values.shape[2] not in (1, 3) or (values != values[..., :1]).any():
            raise MaskError(f"a mask must have one channel, or three that are equal, got shape {values.shape}")
        values = values[..., 0]
    if values.dtype == np.bool_:
        return values
    most = values.max()
    return values > (0.5 if most <= 1 else 32767 if values.dtype == np.uint16 and most > 255 else THRESHOLD)


def eight_bits(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16-bit values as 8 bits: the upper eight, or all where no more are used."""
    return (values if values.max() <= 255 else values >> 8).astype(np.uint8)


def _decide(colours: NDArray[np.uint8], opaque: Mask, name: str) -> tuple[Mask, str]:
    if not opaque.all():
        return _decide_alpha(colours, opaque, name)
    red, green, blue = np.moveaxis(colours, 2, 0)  # numpy is slow along an axis of three
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    chroma = highest.astype(np.int16) - lowest
    coloured = chroma > COLOURFUL
    if coloured.mean() > 1e-4:
        return _decide_colour(colours, chroma, coloured, name)
    return _decide_grey(np.array(Image.fromarray(colours).convert("L")), name)


def _decide_alpha(colours: NDArray[np.uint8], opaque: Mask, name: str) -> tuple[Mask, str]:
    painted = colours[opaque].astype(int)
    if len(painted) and int(np.ptp(painted, axis=0).max()) >= COLOURFUL:
        _doubt(name, "has transparency and several colours, so the painted or the transparent part may be the hole")
    side = minor_side(opaque)
    if side is None:
        share = f"{100 * opaque.mean():.3g} %"
        _doubt(name, f"is painted over {share}, so the painted or the transparent part may be the hole")
    return (opaque, "what is painted is the hole") if side else (~opaque, "the transparent part is the hole")


def _decide_colour(colours: NDArray[np.uint8], chroma: NDArray, coloured: Mask, name: str) -> tuple[Mask, str]:
    rest = colours[chroma <= COLOURFUL // 2].max(axis=1, initial=0)
    hue = (colours[coloured] - colours[coloured].min(axis=1, keepdims=True)) / chroma[coloured][:, None]
    low, high = np.percentile(hue, (2, 98), axis=0)
    one_tone = len(rest) and np.ptp(np.percentile(rest, (0.5, 99.5))) < COLOURFUL
    if (high - low).max() > 0.35 or not one_tone or minor_side(coloured) is not True:
        _doubt(name, "is a colour picture, not one colour painted on black or white")
    hole = chroma > np.median(chroma[coloured]) / 2
    return hole, "what is painted in colour is the hole"


def _decide_grey(grey: NDArray[np.uint8], name: str) -> tuple[Mask, str]:
    levels = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
    bright = grey > THRESHOLD
    if len(levels) == 2:
        bright = grey == levels[1]
    elif ((grey >= 64) & (grey < 192)).mean() > GREYS_ALLOWED:
        _doubt(name, "is neither black nor white over more than a quarter of its pixels")
    side = minor_side(bright)
    if side is None:
        _doubt(name, f"is white over {100 * bright.mean():.3g} %, so the white or the black part may be the hole")
    odd = f" (the values are {levels[0]} and {levels[1]}, the higher counts as white)" if (
        len(levels) == 2 and (levels[0] > 63 or levels[1] < 192)
    ) else ""  # fmt: skip
    return (bright, f"white is the hole{odd}") if side else (~bright, f"black is the hole{odd}")


def minor_side(first: Mask) -> bool | None:
    """Which side of a two-sided mask is the hole, judged by area and border.

    A hole is smaller than its surroundings, and the surroundings make up most of the border. White over half or less
    is the hole unless it frames the picture; black on white needs three quarters of white and a mainly white border.

    Args:
        first: bool (H, W), the side that convention calls the hole (white, painted).

    Returns:
        True: it is the hole; False: the other side is; None: there is doubt.
    """
    share = float(first.mean())
    border = float(np.concatenate([first[0], first[-1], first[:, 0], first[:, -1]]).mean())
    if share in (0.0, 1.0) or (share <= 0.5 and border < 0.9):
        return True
    return False if share >= 0.75 and border >= 0.5 else None


def _doubt(name: str, reason: str) -> NoReturn:
    raise MaskError(f"{name}: {reason}; say which with --mask-is white, black, alpha or transparent")
