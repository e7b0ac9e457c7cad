"""What would still show the picture as it was leaves the file, and more than a thumbnail does so with a note."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaint.photo import segments
from inpaint.photo.exif import without_previews
from inpaint.photo.files import load_photo, save_photo
from tests import samples as s
from tests.conftest import scene

OLD = s.jpeg_bytes(scene(s.HEIGHT, s.WIDTH), quality=80)


def written(tmp_path, name, data, after=""):
    """A file through loading and saving: the bytes that come out, and the notes."""
    (tmp_path / name).write_bytes(data)
    photo = load_photo(tmp_path / name)
    target = tmp_path / f"out{after or (tmp_path / name).suffix}"
    save_photo(photo, target, hole=np.zeros(photo.pixels.shape[:2], bool))
    return target.read_bytes(), " | ".join(photo.notes)


@pytest.mark.parametrize("after", [".tif", ".png"])
@pytest.mark.parametrize("tag", [37724, 50255, 50828])
def test_layers_of_a_tiff_are_left_out_and_said(tmp_path, tag, after):
    layers = b"Adobe Photoshop Document Data Block\0" + bytes(range(200))
    tags = [(tag, "B", len(layers), layers, True), (65000, "s", 0, "private", True)]
    tifffile.imwrite(tmp_path / "in.tif", scene(48, 64), photometric="rgb", extratags=tags)
    data, notes = written(tmp_path, "a.tif", (tmp_path / "in.tif").read_bytes(), after)
    assert layers not in data and b"private" in data
    assert "a.tif: layers, annotations or a raw file inside it hold the old picture and were left out" in notes


def test_previews_in_private_tags_of_a_tiff_are_blanked(tmp_path):
    tags = ImageFileDirectory_v2()
    tags[65000], tags[34665] = b"before" + OLD + b"behind", {0x927C: s.MAKER + OLD + s.MAKER}
    tags.tagtype.update({65000: 7, 34665: 4})
    given = s.encoded(Image.fromarray(scene(48, 64)), "TIFF", tiffinfo=tags)
    data, notes = written(tmp_path, "a.tif", given)
    assert given.count(OLD) == 2 and OLD[200:-2] not in data and not notes
    with Image.open(tmp_path / "out.tif") as picture:
        assert picture.tag_v2[65000] == b"before" + bytes(len(OLD)) + b"behind"
        assert picture.getexif().get_ifd(34665)[0x927C] == s.MAKER + bytes(len(OLD)) + s.MAKER


def test_a_preview_with_a_thumbnail_of_its_own_is_blanked_whole():
    preview = s.with_jpeg_segments(OLD, (0xE1, b"Exif\0\0" + s.exif_block(1, s.THUMBNAIL)))
    assert without_previews(b"a" + preview + b"z") == b"a" + bytes(len(preview)) + b"z"
    assert without_previews(preview[:-9] + b"\0" * 9) == bytes(len(preview))
    assert without_previews(b"\xff\xd8\xff no picture") == b"\xff\xd8\xff no picture"
    assert segments.picture_end(preview) == len(preview) and segments.bytes_behind(preview) == 0
    assert segments.picture_end(preview[:-2]) == -1
