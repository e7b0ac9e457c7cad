"""Make the pictures of docs/masks.md: PYTHONPATH=. python docs/masks/make_pictures.py. Photos are scikit-image's."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from benchmarks.mask_truth import logo, scratch_case, text_case, watermark_case
from inpaint import masking

FOLDER = Path(__file__).parent
HEIGHT = 220  # pixels


def save(name: str, *pictures: np.ndarray) -> None:
    """Pictures side by side, all of one height."""
    rows = []
    for picture in pictures:
        if picture.dtype == bool:
            picture = np.repeat(picture[..., None].astype(np.uint8) * 255, 3, axis=2)
        width = round(picture.shape[1] * HEIGHT / picture.shape[0])
        rows.append(cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA))
    Image.fromarray(np.hstack(rows)).save(FOLDER / f"{name}.jpg", quality=82)


def main() -> None:
    """One picture a kind."""
    cat, astronaut, coffee = data.chelsea(), data.astronaut(), data.coffee()
    rng = np.random.default_rng(5)
    written = text_case(rng, coffee, []).photo
    tiled = watermark_case(rng, astronaut, []).photo
    save("text", masking.overlay(written, masking.text_mask(written)), tiled,
         masking.overlay(tiled, masking.text_mask(tiled)))  # fmt: skip
    boxed = coffee.copy()
    cv2.rectangle(boxed, (160, 12), (430, 330), (255, 255, 0), 3)
    thing = masking.object_mask(coffee, box=(160, 12, 270, 318), engine="embedded")
    save("object", boxed, masking.overlay(coffee, thing))
    print_ = scratch_case(rng, cat).photo
    save("scratches", print_, masking.overlay(print_, masking.scratch_mask(print_)))
    place = masking.region_mask((cat.shape[0], cat.shape[1]), "bottom-right 30%x12%; top-left 90x40+10+10", cat)
    save("region", masking.overlay(cat, place))
    pool = [cat, astronaut, coffee, data.rocket()]
    cover = logo(rng, (200, 260), [])[..., None] * 0.4
    photos = []
    for k in range(30):
        source = pool[k % len(pool)]
        y, x = rng.integers(source.shape[0] - 200), rng.integers(source.shape[1] - 260)
        crop = source[y : y + 200, x : x + 260]
        photos.append((crop * (1 - cover) + 255 * cover).round().astype(np.uint8))
    save("repeated", photos[0], photos[1], photos[2], masking.repeated_mask(photos))
    shapes = masking.cut_silhouettes(pool, tries=30)
    drawn = masking.Silhouettes(shapes)
    save("silhouettes", *(drawn(np.random.default_rng(k), 200) for k in range(5)))
    other = masking.region_mask(thing.shape, "box 300,20,200,200")
    save("edit", thing, other, masking.combine(thing, other, operation="difference"), masking.grow(thing, 12),
         masking.invert(thing))  # fmt: skip


if __name__ == "__main__":
    main()
