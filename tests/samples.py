"""Small files of every format with every feature, for the tests of `inpaint.photo`."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaint.photo import png
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.metadata import Metadata
from inpaint.photo.segments import iptc_resource, segment
from inpaint.photo.tiff import encode_tiff
from tests.conftest import scene

HEIGHT, WIDTH = 48, 64
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IPTC = b"\x1c\x02\x05\x00\x05title\x1c\x02\x78\x00\x07caption"
MAKER = b"MAKR" + bytes(range(40))


def jpeg_bytes(pixels, **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    return file.getvalue()


THUMBNAIL = jpeg_bytes(scene(12, 16), quality=40)


def exif_block(orientation=1, thumbnail=b"", order="<"):
    """An EXIF block: orientation, description, a private MakerNote, sizes, and a thumbnail directory."""
    text = b"a description\0"
    main, count = 8, 3
    sub = main + 2 + 12 * count + 4
    after = sub + 2 + 12 * 3 + 4
    maker_at, text_at = after, after + len(MAKER)
    second = text_at + len(text)
    entry = lambda tag, kind, number, value: struct.pack(order + "HHI", tag, kind, number) + value  # noqa: E731
    short = lambda value: struct.pack(order + "HH", value, 0)  # noqa: E731
    long = lambda value: struct.pack(order + "I", value)  # noqa: E731
    block = ({"<": b"II*\0", ">": b"MM\0*"}[order] + long(main) + struct.pack(order + "H", count)
             + entry(0x010E, 2, len(text), long(text_at)) + entry(0x0112, 3, 1, short(orientation))
             + entry(0x8769, 4, 1, long(sub)) + long(second if thumbnail else 0)
             + struct.pack(order + "H", 3) + entry(0x927C, 7, len(MAKER), long(maker_at))
             + entry(0xA002, 4, 1, long(WIDTH)) + entry(0xA003, 4, 1, long(HEIGHT)) + long(0) + MAKER + text)
    assert len(block) == second
    if thumbnail:
        at = second + 2 + 12 * 2 + 4
        block += (struct.pack(order + "H", 2) + entry(0x0201, 4, 1, long(at))
                  + entry(0x0202, 4, 1, long(len(thumbnail))) + long(0) + thumbnail)
    return block


def xmp_packet(orientation=1, thumbnail=False):
    picture = "<xmp:Thumbnails><rdf:Alt><rdf:li>/9j/4AAQ</rdf:li></rdf:Alt></xmp:Thumbnails>" if thumbnail else ""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="uuid:1" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'tiff:Orientation="{orientation}" xmp:Label="a label">{picture}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def deep(seed=0):
    """uint16 (H, W, 3): every value uses its lower eight bits."""
    low = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    return scene(HEIGHT, WIDTH, seed).astype(np.uint16) * 256 + low


def alpha_plane(dtype=np.uint8):
    plane = np.full((HEIGHT, WIDTH), np.iinfo(dtype).max, dtype)
    plane[:, : WIDTH // 4] = 0
    plane[:8] = np.iinfo(dtype).max // 3
    return plane


def few_colours(count=40):
    """uint8 (H, W) indices and uint8 (count, 3) colours."""
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((y // 3 * 7 + x // 4) % count).astype(np.uint8), colours


def indexed(transparent=False):
    indices, colours = few_colours()
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colours.tobytes())
    if transparent:
        picture.info["transparency"] = bytes([0, 90, 255] + [255] * 37)
    return picture


def bilevel():
    return Image.fromarray(scene(HEIGHT, WIDTH)[..., 1] > 150)


def encoded(picture, form, **settings):
    file = io.BytesIO()
    picture.save(file, form, **settings)
    return file.getvalue()


def deep_png(channels):
    values = deep()[..., ::-1] if channels > 1 else deep()[..., 0]
    if channels == 4:
        values = np.dstack([values, alpha_plane(np.uint16)])
    return cv2.imencode(".png", np.ascontiguousarray(values))[1].tobytes()


def grey_alpha_png():
    """16-bit greyscale with alpha, which neither Pillow nor OpenCV writes."""
    values = np.dstack([deep()[..., 0], alpha_plane(np.uint16)]).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, png.GREY_ALPHA, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return png.SIGNATURE + b"".join(png.chunk(*one) for one in chunks)


def with_jpeg_segments(data, *segments):
    return data[:2] + b"".join(segment(*one) for one in segments) + data[2:]


def photoshop(thumbnail=b""):
    """An APP13 payload with IPTC and, if given, a thumbnail resource."""
    picture = b"8BIM" + struct.pack(">HHI", 0x040C, 0, 28 + len(thumbnail)) + bytes(28) + thumbnail
    picture += bytes(len(picture) % 2)
    return b"Photoshop 3.0\0" + (picture if thumbnail else b"") + iptc_resource(IPTC)


def cmyk_profile():
    """A small but real CMYK profile: a printer described by a 2-point table in each channel (ICC.1, lut8Type)."""
    grid = 2
    corners = np.array([[c, m, y, k] for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)], float)
    lightness = (1 - corners[:, 3]) * (1 - 0.3 * corners[:, 0] - 0.4 * corners[:, 1] - 0.1 * corners[:, 2])
    a = (128 + 60 * (corners[:, 1] - corners[:, 0]) * (1 - corners[:, 3])).astype(int)
    b = (128 + 70 * (corners[:, 2] - 0.6 * corners[:, 0]) * (1 - corners[:, 3])).clip(0, 255).astype(int)
    device_to_lab = np.stack([(255 * lightness).astype(int), a, b], 1).astype(np.uint8).tobytes()
    light, red, yellow = np.meshgrid([0, 1], [-1, 1], [-1, 1], indexing="ij")
    inks = np.stack([red < 0, red > 0, yellow > 0, light == 0], -1).reshape(-1, 4)
    lab_to_device = (inks * 255).astype(np.uint8).tobytes()
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))

    def table(inputs, outputs, values):
        head = b"mft1" + bytes(4) + bytes((inputs, outputs, grid, 0)) + identity
        return head + ramp * inputs + values + ramp * outputs

    text = b"text" + bytes(4) + b"no rights reserved\0"
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": description, b"cprt": text, b"wtpt": white,
            b"A2B0": table(4, 3, device_to_lab), b"B2A0": table(3, 4, lab_to_device)}
    body, entries, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        entries += name + struct.pack(">II", offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + entries + body


def display_p3():
    """A Display P3 profile as Apple's devices write it: matrix and curve, version 4."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))

    def text(value):
        content = value.encode("utf-16-be")
        return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(content), 28) + content

    white = (0.9642, 1, 0.82491)
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    places = {b"wtpt": white, b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189),
              b"bXYZ": (0.1571, 0.06657, 0.78407)}
    adapted = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01706, -0.00925, 0.01508, 0.75168)
    tags = {b"desc": text("Display P3"), b"cprt": text("no rights reserved")}
    tags[b"chad"] = b"sf32" + bytes(4) + fixed(*adapted)
    tags |= {name: b"XYZ " + bytes(4) + fixed(*place) for name, place in places.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    body, entries, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        entries += name + struct.pack(">II", offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", 0x04000000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*white)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + entries + body


def cmyk():
    return Image.fromarray(np.dstack([scene(HEIGHT, WIDTH), np.full((HEIGHT, WIDTH), 20, np.uint8)]), "CMYK")


def tiff(values, photometric="rgb", extra=None, compress=True, **about):
    return encode_tiff(values, photometric, Metadata(**about), "PNG", extra, None, compress)


def tagged_tiff(orientation=1):
    """A TIFF from Pillow with the tags and directories of a camera."""
    tags = ImageFileDirectory_v2()
    tags[270], tags[271], tags[274], tags[305] = "a description", "a maker", orientation, "a program"
    tags[33723] = IPTC
    tags.tagtype[33723] = 7
    tags[700] = xmp_packet(orientation)
    tags.tagtype[700] = 1
    tags[34665] = {0x9003: "2026:01:02 03:04:05", 0x829A: 0.01}
    tags.tagtype[34665] = 4
    return encoded(Image.fromarray(scene(HEIGHT, WIDTH)), "TIFF", tiffinfo=tags, icc_profile=ICC, dpi=(300, 300))


def frames(form, **settings):
    first, second = (Image.fromarray(scene(HEIGHT, WIDTH, seed)) for seed in (0, 1))
    return encoded(first, form, save_all=True, append_images=[second], **settings)


def hole_of(photo):
    hole = np.zeros(photo.pixels.shape[:2], bool)
    hole[5:12, 9:17] = True
    return hole


def refilled(photo, hole):
    """The photo with random values in the hole."""
    pixels = photo.pixels.copy()
    top = np.iinfo(pixels.dtype).max
    pixels[hole] = np.random.default_rng(5).integers(0, top, (int(hole.sum()), 3), dtype=pixels.dtype, endpoint=True)
    return photo.with_pixels(pixels)


def through(tmp_path, data, before, after, **settings):
    """Write bytes, load, refill, save with proof; the loaded photo, what was saved, and the loaded result."""
    (tmp_path / before).write_bytes(data)
    photo = load_photo(tmp_path / before)
    saved = save_photo(refilled(photo, hole_of(photo)), tmp_path / after, hole=hole_of(photo), **settings)
    return photo, saved, load_photo(tmp_path / after)
