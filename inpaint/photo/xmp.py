"""XMP packets, edited as text so that everything else in them stays byte by byte."""

import re

# http://cv.iptc.org/newscodes/digitalsourcetype
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = TERMS + "compositeWithTrainedAlgorithmicMedia"
SYNTHETIC = TERMS + "compositeSynthetic"  # composite with generated parts, no trained network involved
_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
# Pictures inside: base64 of a JPEG, PNG or WebP under any name, and what Google's cameras call the photo before its
# blur and its depth. Each of these is in the place of an attribute, or between the tags of an element.
_DATA, _BASE64 = rb"(?:GImage|GDepth):(?:Data|Confidence)", rb"(?:/9j/|iVBORw0KGgo|UklGR)"
_THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails\s*>", re.DOTALL)
_PICTURES = (
    (re.compile(rb"\s" + _DATA + rb"""\s*=\s*(["'])[^"']*\1"""), b""),
    (re.compile(rb"""\s[\w.:-]+\s*=\s*(["'])\s*""" + _BASE64 + rb"""[^"']*\1"""), b""),
    (re.compile(rb"(<" + _DATA + rb"\b[^<>]*>)[^<]*"), rb"\1"), (re.compile(rb">\s*" + _BASE64 + rb"[^<]*"), b">"),
)  # fmt: skip
_MORE = (
    (re.compile(rb"""\sxmpNote:HasExtendedXMP\s*=\s*(["'])[^"']*\1"""), b""),
    (re.compile(rb"(<xmpNote:HasExtendedXMP\b[^<>]*>)[^<]*"), rb"\1"),
)
_SIZES = ((b"exif:PixelXDimension", b"exif:PixelYDimension"), (b"tiff:ImageWidth", b"tiff:ImageLength"))


def clean_xmp(xmp: bytes, turned: bool) -> bytes:
    """XMP for a picture that is upright now and whose content has changed.

    The orientation becomes 1, recorded sizes are exchanged where the sides were, thumbnails and other pictures are
    dropped, and what says that a video follows in the file is taken back.

    Args:
        xmp: the packet.
        turned: width and height were exchanged.
    """
    xmp = without_pictures(oriented_xmp(xmp, 1, turned))
    return re.sub(rb"""(GCamera:(?:MotionPhoto|MicroVideo)\s*(?:=\s*["']|>)\s*)1\b""", rb"\g<1>0", xmp)


def without_pictures(xmp: bytes) -> bytes:
    """XMP without thumbnails and other pictures inside, which would show the photo as it was."""
    xmp = _THUMBNAILS.sub(b"", xmp)
    for pattern, rest in _PICTURES:
        xmp = pattern.sub(rest, xmp)
    return xmp


def without_extension(xmp: bytes) -> bytes:
    """XMP that does not say that more of it follows in segments of their own."""
    for pattern, rest in _MORE:
        xmp = pattern.sub(rest, xmp)
    return xmp


def oriented_xmp(xmp: bytes, orientation: int, turned: bool) -> bytes:
    """XMP with another orientation where it states one, and its recorded sizes exchanged if `turned`."""
    xmp = re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)\d+""", rb"\g<1>%d" % orientation, xmp)
    if turned:
        for first, second in _SIZES:
            parts = [re.search(re.escape(n) + rb"""\s*(?:=\s*["']|>)\s*(\d+)""", xmp) for n in (first, second)]
            if parts[0] and parts[1]:
                spans = sorted((m.span(1), other.group(1)) for m, other in ((parts[0], parts[1]), (parts[1], parts[0])))
                for (start, end), value in reversed(spans):
                    xmp = xmp[:start] + value + xmp[end:]
    return xmp


def states_orientation(xmp: bytes) -> bool:
    """Whether a packet says how the picture is turned."""
    return bool(re.search(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*\d""", xmp))


def source_type(xmp: bytes | None) -> str | None:
    """The IPTC digital source type that a packet states, or None."""
    found = re.search(rb"""DigitalSourceType\s*(?:=\s*["']|>)\s*([^"'<\s]+)""", xmp or b"")
    return found.group(1).decode("ascii", "replace") if found else None


def mark_xmp(xmp: bytes | None, term: str) -> bytes:
    """State the IPTC digital source type, replacing an earlier statement.

    Args:
        xmp: the packet, or None for a new one.
        term: address of the term, such as `TRAINED`.

    Returns:
        the packet; a new one where the old is not RDF that can be extended.
    """
    packet = xmp if xmp and b"</rdf:RDF>" in xmp else _EMPTY
    packet = re.sub(rb"""\s+[\w.-]+:DigitalSourceType\s*=\s*("[^"]*"|'[^']*')""", b"", packet)
    packet = re.sub(rb"<([\w.-]+:DigitalSourceType)\b[^>]*?(/>|>.*?</\1\s*>)", b"", packet, flags=re.DOTALL)
    about = re.search(rb"""rdf:about\s*=\s*("[^"]*"|'[^']*')""", packet)
    statement = (
        b"<rdf:Description rdf:about=" + (about.group(1) if about else b'""')
        + f' xmlns:Iptc4xmpExt="{_EXTENSION}" Iptc4xmpExt:DigitalSourceType="{term}"/>'.encode()
    )  # fmt: skip
    head, end, tail = packet.rpartition(b"</rdf:RDF>")
    return head + statement + end + tail
