"""PIL pictures to photos and back, as far as PIL can hold them."""

import numpy as np
from PIL import Image

from inpaint.photo.encode import grey_of, shallow
from inpaint.photo.load import array_of
from inpaint.photo.picture import Photo, Pixels


def photo_of(picture: Image.Image) -> Photo:
    """A photo with the pixels of a PIL picture as they lie, in 16 bits for mode I;16; without its metadata."""
    if picture.mode.startswith("I;16"):
        values: Pixels = np.array(picture).astype(np.uint16)
        return Photo(np.repeat(values[..., None], 3, axis=2), greyscale=True)
    greyscale = picture.mode in ("L", "LA")
    if "A" in picture.getbands() or "transparency" in picture.info:
        values = array_of(picture.convert("RGBA"))
        return Photo(np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3]), greyscale)
    return Photo(array_of(picture.convert("RGB")), greyscale=greyscale)


def picture_of(photo: Photo) -> Image.Image:
    """A PIL picture of a photo: I;16, L, LA, RGB or RGBA; 16-bit colours, which PIL cannot hold, are rounded to 8."""
    if photo.depth == 16 and photo.greyscale and photo.alpha is None:
        return Image.fromarray(grey_of(photo.pixels))
    colours = shallow(photo.pixels)
    picture = Image.fromarray(grey_of(colours) if photo.greyscale else colours)
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(shallow(photo.alpha)))
    return picture
