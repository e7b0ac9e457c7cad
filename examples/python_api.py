"""Fill one photo from Python: PYTHONPATH=. python examples/python_api.py PHOTO MASK OUT."""

import sys

from inpaint import FillOptions, Inpainter, load_mask, load_photo, save_photo


def main(photo_file: str, mask_file: str, output: str) -> None:
    """Fill what the mask marks, say what was done, write the photo in the format that the output's ending names."""
    inpainter = Inpainter.load()  # once; it can fill any number of photos
    photo = load_photo(photo_file)
    mask = load_mask(mask_file, photo.pixels.shape[:2])  # bool (H, W), True = hole
    result = inpainter.fill(photo.pixels, mask, FillOptions(dilate=2))
    for hole in result.report.holes:
        print(f"{hole.hole_pixels:,} pixels at {hole.box}: {hole.engine}, because {hole.reason}")
    save_photo(photo.with_pixels(result.photo), output)  # with the metadata, colour profile and alpha it came with


if __name__ == "__main__":
    main(*sys.argv[1:])
