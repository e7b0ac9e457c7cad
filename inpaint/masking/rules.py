"""Mask rules: one way to say which mask a photo gets, for the command line, folders, the page and the HTTP API.

As text, terms joined by ` + ` are united:

    text                                        text:sensitivity=0.7 dilate=3
    region:bottom-right 18%x6%                  scratches:dark=no within=0,50%,100%,50%
    repeated                                    text + region:bottom 100%x5%

As a dict: `{"kind": "text", "sensitivity": 0.7, "dilate": 3}`; a list of dicts is united. `dilate` (pixels) and
`within` (a box, in pixels or per cent) belong to every kind.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError, OptionError, shown
from inpaint.masking.edit import grow
from inpaint.masking.pixels import Mask
from inpaint.masking.regions import box_mask, parse_box, region_mask
from inpaint.photo.masks import load_mask

MaskPhoto = NDArray[Any]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(f"must be a number, got {value!r}") from None


def _yes(value: Any) -> bool:
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise OptionError(f"must be yes or no, got {value!r}")
    return words[str(value).lower()]


def _word(value: Any) -> str:
    return str(value)


def _points(value: Any) -> list[list[float]]:
    """`10,20` or `10,20/30,40`, or a list of lists."""
    rows = value.split("/") if isinstance(value, str) else value
    if not isinstance(rows, Sequence) or not all(isinstance(row, Iterable) for row in rows):
        raise OptionError(f"must be a list of points, got {value!r}")
    return [[_number(n) for n in (row.split(",") if isinstance(row, str) else row)] for row in rows]


def _box(value: Any) -> str:
    """`x,y,w,h`, or a list of four numbers, as text."""
    if not isinstance(value, Iterable):
        raise OptionError(f"must be a box X,Y,W,H, got {value!r}")
    return value if isinstance(value, str) else ",".join(str(part) for part in value)


def _as_given(value: Any) -> Any:
    return value


SETTINGS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "text": {"sensitivity": _number, "boxes": _yes, "repeats": _yes},
    "object": {
        "clicks": _points, "minus": _points, "box": _box, "scribble": _as_given, "shadow": _yes, "engine": _word,
    },
    "scratches": {"sensitivity": _number, "light": _yes, "dark": _yes},
    "region": {"region": _word},
    "repeated": {"sensitivity": _number},
}
COMMON: dict[str, Callable[[Any], Any]] = {"dilate": _number, "within": _box}


@dataclass(frozen=True)
class Term:
    """One kind of mask with its settings, as `SETTINGS` types them."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    dilate: float = 0
    within: str | None = None


@dataclass(frozen=True)
class MaskRule:
    """A callable that gives a photo its mask.

    Args:
        terms: whose masks are united.
        learned: for `repeated`, the mask of each (height, width), from `learn`.
    """

    terms: tuple[Term, ...]
    learned: Mapping[tuple[int, int], Mask] | None = None

    @property
    def needs_folder(self) -> bool:
        """Whether `learn` must see all photos before the first mask is asked for."""
        return any(term.kind == "repeated" for term in self.terms)

    def learn(self, photos: Iterable[MaskPhoto]) -> "MaskRule":
        """The same rule, knowing what the photos of a folder share.

        Args:
            photos: each uint8 or uint16 (H, W, 3) RGB; read one after the other, 60 of each size are used.

        Raises:
            MaskError: no photos.
        """
        if not self.needs_folder:
            return self
        from inpaint.masking.repeated import repeated_masks

        settings = next(term.settings for term in self.terms if term.kind == "repeated")
        return replace(self, learned=repeated_masks(photos, **settings)[0])

    def __call__(self, photo: MaskPhoto) -> Mask:
        """The mask of one photo.

        Args:
            photo: uint8 or uint16 (H, W, 3) RGB.

        Returns:
            bool (H, W), True = hole; empty where nothing is found.

        Raises:
            OptionError: a setting does not fit the photo, or `repeated` was not told the folder.
            MaskError: `repeated` saw too few photos of this size, or a scribble is empty or of another size.
        """
        mask = np.zeros(photo.shape[:2], bool)
        for term in self.terms:
            piece = grow(self._piece(term, photo), term.dilate)
            if term.within is not None:
                piece &= box_mask(parse_box(term.within, photo.shape[:2]), photo.shape[:2])
            mask |= piece
        return mask

    def _piece(self, term: Term, photo: MaskPhoto) -> Mask:
        shape = (photo.shape[0], photo.shape[1])
        if term.kind == "region":
            return region_mask(shape, term.settings["region"], photo)
        if term.kind == "repeated":
            if self.learned is None:
                raise OptionError("the rule `repeated` needs all photos of a folder first: MaskRule.learn")
            if shape not in self.learned:
                from inpaint.masking.repeated import LEAST

                size = f"{shape[1]}x{shape[0]}"
                raise MaskError(f"too few photos of {size} pixels to tell what they share, {LEAST} are needed")
            return self.learned[shape]
        if term.kind == "scratches":
            from inpaint.masking.scratches import scratch_mask

            return scratch_mask(photo, **term.settings)
        if term.kind == "object":
            from inpaint.masking.object import object_mask

            settings = dict(term.settings)
            if "box" in settings:
                settings["box"] = parse_box(settings["box"], shape)
            if isinstance(settings.get("scribble"), str | os.PathLike):
                scribble = load_mask(file := settings["scribble"], shape)
                if not scribble.any():
                    raise MaskError(f"{shown(file)}: the scribble is empty")
                settings["scribble"] = scribble
            return object_mask(photo, **settings)
        from inpaint.masking.text import text_mask

        return text_mask(photo, **term.settings)


def parse_rule(rule: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> MaskRule:
    """A rule from text, a dict or a list of dicts.

    Raises:
        OptionError: an unknown kind or setting, or a value that does not fit; the text holds it.
    """
    if isinstance(rule, str):
        return MaskRule(tuple(_term(_split(part)) for part in rule.split(" + ")))
    rules = [rule] if isinstance(rule, Mapping) else rule
    if not isinstance(rules, Sequence) or not all(isinstance(part, Mapping) for part in rules):
        raise OptionError("a mask rule is text, an object, or a list of objects")
    if not rules:
        raise OptionError("a mask rule is empty")
    return MaskRule(tuple(_term(dict(part)) for part in rules))


def _split(text: str) -> dict[str, Any]:
    """`kind:words key=value ...` as a dict."""
    kind, _, rest = text.strip().partition(":")
    settings: dict[str, Any] = {"kind": kind.strip()}
    words = []
    for word in rest.split():
        name, equals, value = word.partition("=")
        if equals:
            settings[name] = value
        else:
            words.append(word)
    if words:
        if kind.strip() != "region":
            raise OptionError(f"mask rule {text.strip()!r}: {words[0]!r} is no setting, say name=value")
        settings["region"] = " ".join(words)
    return settings


def _term(settings: dict[str, Any]) -> Term:
    kind = settings.pop("kind", None)
    if not isinstance(kind, str) or kind not in SETTINGS:
        raise OptionError(f"a mask rule's kind is one of {', '.join(SETTINGS)}, got {kind!r}")
    known = {**SETTINGS[kind], **COMMON}
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in known:
            raise OptionError(f"mask rule {kind!r} has no setting {name!r}, only {', '.join(known)}")
        try:
            values[name] = known[name](value)
        except OptionError as error:
            raise OptionError(f"mask rule {kind!r}: {name} {error}") from None
    if kind == "region" and "region" not in values:
        raise OptionError("mask rule 'region' needs words, such as region:bottom-right 18%x6%")
    dilate, within = values.pop("dilate", 0), values.pop("within", None)
    if not 0 <= dilate <= 10_000:
        raise OptionError(f"mask rule {kind!r}: dilate must be between 0 and 10000 pixels, got {dilate:g}")
    if within is not None:
        parse_box(within, (1_000_000, 1_000_000))
    return Term(kind, values, dilate, within)
