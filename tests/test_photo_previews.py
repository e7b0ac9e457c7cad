"""What would still show the picture as it was leaves the file, and more than a thumbnail does so with a note."""

import base64
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaint.photo import png, segments
from inpaint.photo.exif import without_previews
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.xmp import clean_xmp
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


BASE64 = base64.b64encode(OLD)
GUID = b"0123456789ABCDEF0123456789ABCDEF"


def packet(attributes=b"", elements=b""):
    spaces = b"".join(
        b' xmlns:%s="http://%s/"' % (name, name) for name in (b"GImage", b"GDepth", b"xmpNote", b"xmpGImg", b"dc")
    )
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about=""' + spaces + b' dc:format="image/jpeg" ' + attributes + b">" + elements
        + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )  # fmt: skip


PACKETS = {
    "lens blur": packet(b'GImage:Mime="image/jpeg" GImage:Data="' + BASE64 + b'"'),
    "one quote": packet(b"GImage:Data='" + BASE64 + b"'"),
    "element": packet(elements=b"<GImage:Data>" + BASE64 + b"</GImage:Data>"),
    "depth": packet(b'GDepth:Data="' + BASE64[4:] + b'" GDepth:Near="1"'),
    "any name": packet(elements=b"<xmpGImg:image>\n" + BASE64 + b"</xmpGImg:image>"),
    "any attribute": packet(b'xmpGImg:image="' + BASE64 + b'"'),
}


@pytest.mark.parametrize("xmp", PACKETS.values(), ids=PACKETS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_in_xmp_are_dropped_and_nothing_else(tmp_path, form, xmp):
    picture = Image.fromarray(scene(48, 64))
    if form == "PNG":
        given = png.with_chunks(s.encoded(picture, form), [png.xmp_chunk(xmp)])
    elif form == "TIFF":
        given = s.tiff(scene(48, 64), xmp=xmp)
    else:
        given = s.encoded(picture, form, xmp=xmp)
    data, _ = written(tmp_path, f"a.{form.lower()}", given)
    assert BASE64[40:] in given and BASE64[40:80] not in data
    assert b'dc:format="image/jpeg"' in data and (b"GDepth:Near" in data) == (b"GDepth:Near" in xmp)
    ElementTree.fromstring(clean_xmp(xmp, False))


def test_xmp_without_pictures_stays_as_it_is():
    for xmp in (packet(b'dc:title="/9 j"', b"<dc:rights>GImage:Data</dc:rights>"), s.xmp_packet()):
        assert clean_xmp(xmp, False) == xmp


@pytest.mark.parametrize("cut", [400, 90])  # 90: within the word that names the picture
def test_extended_xmp_with_the_old_picture_is_left_out_and_said(tmp_path, cut):
    whole = PACKETS["lens blur"]
    cut = whole.index(b"GImage:Data") + 4 if cut == 90 else cut
    parts = [
        segments.XMP_MORE_HEAD + GUID + struct.pack(">II", len(whole), start) + whole[start:end]
        for start, end in ((0, cut), (cut, None))
    ]
    main = packet(b'xmpNote:HasExtendedXMP="' + GUID + b'"')
    given = s.with_jpeg_segments(s.jpeg_bytes(scene(48, 64), xmp=main), *((0xE1, part) for part in reversed(parts)))
    data, notes = written(tmp_path, "a.jpg", given)
    assert BASE64[-60:-20] in given and BASE64[-60:-20] not in data and GUID not in data
    assert "a.jpg: extended XMP holds a copy of the old picture and was left out" in notes


def test_extended_xmp_without_a_picture_is_kept(tmp_path):
    part = packet(b'GDepth:Near="1"')
    extended = segments.XMP_MORE_HEAD + GUID + struct.pack(">II", len(part), 0) + part
    main = packet(b'xmpNote:HasExtendedXMP="' + GUID + b'"')
    data, notes = written(
        tmp_path, "a.jpg", s.with_jpeg_segments(s.jpeg_bytes(scene(48, 64), xmp=main), (0xE1, extended))
    )
    assert extended in data and main in data and not notes


def with_credentials(form):
    """A file with a block of content credentials, which is said to sign the picture as it was."""
    data = s.encoded(Image.fromarray(scene(48, 64)), form)
    if form == "PNG":
        return png.with_chunks(data, [(b"caBX", b"jumb manifest")])
    if form == "WEBP":
        chunks = data[8:] + b"C2PA" + struct.pack("<I", 13) + b"jumb manifest" + bytes(1)
        return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    if form == "GIF":
        return data[:-1] + b"\x21\xff\x0bC2PA_GIF\1\0\0\x0djumb manifest\0;"
    box = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"jumb manifest"
    return data + struct.pack(">I", len(box) + 4) + box


@pytest.mark.parametrize("form", ["PNG", "AVIF", "TIFF", "WEBP", "GIF"])
def test_content_credentials_are_left_out_and_said(tmp_path, form):
    if form == "TIFF":
        tags = [(52545, "B", 13, b"jumb manifest", True)]
        tifffile.imwrite(tmp_path / "in.tif", scene(48, 64), photometric="rgb", extratags=tags)
        given = (tmp_path / "in.tif").read_bytes()
    else:
        given = with_credentials(form)
    data, notes = written(tmp_path, f"a.{form.lower()}", given)
    assert b"jumb manifest" in given and b"jumb manifest" not in data
    assert notes.endswith(": content credentials (C2PA) no longer fit the picture and were left out")


def test_segments_of_other_programs_are_kept_app1_included(tmp_path):
    others = [(0xE1, b"Some\0program"), (0xE3, b"Other"), (0xE4, b"more")]
    data, notes = written(tmp_path, "a.jpg", s.with_jpeg_segments(s.jpeg_bytes(scene(48, 64)), *others))
    assert all(segments.segment(*one) in data for one in others) and not notes
    assert "data of other programs (APP1, APP3, APP4) cannot be kept" in " ".join(
        save_photo(load_photo(tmp_path / "a.jpg"), tmp_path / "b.png").notes
    )


@pytest.mark.parametrize(
    ("marker", "payloads"),
    [
        (0xE1, [b"FLIR\0\1\0\1" + bytes(300), b"FLIR\0\1\1\1" + bytes(range(200))]),
        (0xE4, [b"head" + OLD[:900], OLD[900:]]), (0xE3, [b"Other", s.encoded(Image.fromarray(scene(9, 9)), "PNG")]),
    ],
)
def test_pictures_in_segments_of_other_programs_are_left_out_and_said(tmp_path, marker, payloads):
    given = s.jpeg_bytes(scene(48, 64), xmp=s.xmp_packet(), exif=b"Exif\0\0" + s.exif_block())
    more = segments.XMP_MORE_HEAD + GUID + struct.pack(">II", 6, 0) + b"<more>"
    segs = [(marker, payload) for payload in payloads] + [(0xE5, b"kept"), (0xE1, more)]
    data, notes = written(tmp_path, "a.jpg", s.with_jpeg_segments(given, *segs))
    found = segments.read_segments(data)[0]
    assert not [1 for one in payloads if (marker, one) in found]
    assert (0xE5, b"kept") in found and (0xE1, more) in found and s.MAKER in data and b"a label" in data
    assert f"data of other programs (APP{marker - 0xE0}) hold a picture and were left out" in notes


def test_the_xmp_of_a_gif_goes_where_there_is_room_and_is_missed_elsewhere(tmp_path):
    plain = s.encoded(s.indexed(), "GIF")
    start = 13 + 3 * (2 << (plain[10] & 7))
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    given = plain[:start] + b"\x21\xff\x0bXMP DataXMP" + s.xmp_packet(1, True) + trailer + plain[start:]
    (tmp_path / "a.gif").write_bytes(given)
    photo = load_photo(tmp_path / "a.gif")
    assert photo.metadata.xmp == clean_xmp(s.xmp_packet(1, True), False)
    assert "GIF: XMP cannot be kept" in " ".join(save_photo(photo, tmp_path / "b.gif").notes)
    save_photo(photo, tmp_path / "b.png")
    assert load_photo(tmp_path / "b.png").metadata.xmp == photo.metadata.xmp
    (tmp_path / "c.gif").write_bytes(given.replace(b"XMP DataXMP", b"ABC DataABC"))
    assert load_photo(tmp_path / "c.gif").metadata.xmp is None


def iim(dataset, data, extended=False):
    size = struct.pack(">HI", 0x8004, len(data)) if extended else struct.pack(">H", len(data))
    return bytes((0x1C, 2, dataset)) + size + data


@pytest.mark.parametrize("form", ["jpg", "tif", "tif block", "png"])
@pytest.mark.parametrize("extended", [False, True])
def test_the_preview_in_iptc_records_is_dropped_and_nothing_else(tmp_path, form, extended):
    others = iim(120, b"A caption") + iim(25, b"word")
    iptc = iim(120, b"A caption") + iim(200, b"\0\x0b") + iim(202, OLD, extended) + iim(25, b"word")
    assert segments.clean_iptc(iptc) == others and segments.clean_iptc(others) == others
    picture, block = Image.fromarray(scene(48, 64)), segments.iptc_resource(iptc)
    app13 = segments.APP13, segments.PHOTOSHOP_HEAD + block
    given = {
        "jpg": lambda: s.with_jpeg_segments(s.encoded(picture, "JPEG"), app13),
        "tif": lambda: s.encoded(picture, "TIFF", tiffinfo={33723: iptc}),
        "tif block": lambda: s.encoded(picture, "TIFF", tiffinfo={34377: block}),
        "png": lambda: png.with_chunks(s.encoded(picture, "PNG"), [png.iptc_chunk(block)]),
    }[form]()
    data, _ = written(tmp_path, f"a.{form[:3]}", given)
    (tmp_path / f"again.{form[:3]}").write_bytes(data)
    found = load_photo(tmp_path / f"again.{form[:3]}").metadata
    assert OLD[-200:-2] not in data
    assert found.iptc == others or (form == "tif block" and others in data)


@pytest.mark.parametrize("cut", range(1, 40, 5))
def test_damaged_iptc_records_stay_as_they_are(cut):
    iptc = iim(120, b"A caption") + iim(25, b"a longer word than that")
    assert segments.clean_iptc(iptc[:-cut]) == iptc[:-cut]
    assert segments.clean_iptc(b"\x1c\x02\xca\xff\xff" + iptc) == b"\x1c\x02\xca\xff\xff" + iptc
