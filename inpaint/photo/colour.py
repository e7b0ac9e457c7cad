"""Photos in CMYK and Lab: seen as sRGB for the fill, kept in their own numbers wherever nothing was filled."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from inpaint.errors import PhotoError, shown

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


def srgb_profile() -> bytes:
    """The ICC profile of sRGB."""
    return _srgb().tobytes()


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _profile(mode: str, icc: bytes | None) -> ImageCms.ImageCmsProfile:
    if mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))


def to_rgb(picture: Image.Image, icc: bytes | None, path: Path) -> NDArray[np.uint8]:
    """The sRGB colours of a CMYK or Lab picture.

    Args:
        picture: mode CMYK or LAB.
        icc: the embedded profile; Lab needs none.
        path: for messages.

    Raises:
        PhotoError: CMYK without a usable profile, whose colours are therefore not defined.
    """
    advice = "convert it to RGB with the program that made it"
    if picture.mode == "CMYK" and not icc:
        raise PhotoError(f"{shown(path)}: is stored as CMYK without a profile, so its colours are open; {advice}")
    try:
        profile = _profile(picture.mode, icc)
        found = str(profile.profile.xcolor_space).strip()
        if picture.mode == "CMYK" and found != "CMYK":
            raise PhotoError(f"{shown(path)}: is stored as CMYK for {found}; {advice}")
        seen = _converted(picture, profile, _srgb(), "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise PhotoError(f"{shown(path)}: is {picture.mode} with a damaged colour profile ({error})") from None
    return np.array(seen)


def from_rgb(pixels: NDArray[np.uint8], mode: str, icc: bytes | None) -> NDArray[np.uint8]:
    """The CMYK or Lab numbers (H, W, channels) of sRGB colours (H, W, 3), through the same profile."""
    return np.array(_converted(Image.fromarray(pixels), _srgb(), _profile(mode, icc), mode))


def _converted(
    picture: Image.Image, source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile, mode: str
) -> Image.Image:
    """A picture's colours in another profile, relative to white, with black mapped to black."""
    transform = ImageCms.buildTransform(source, target, picture.mode, mode, _INTENT, _FLAGS)
    transform.output_profile = _srgb()  # Pillow would write the target anew, and not every profile can be written
    return transform.apply(picture)
