"""Sentences of the program in Simplified Chinese, with their values: errors, notes, and why an engine was chosen.

The program speaks English everywhere else; `translate` recognises its sentences by their wording. A test reads all
sentences that the page can show off the source and asks for each of them here.
"""

import functools
import re
from importlib.resources import files
from typing import Any

SHOWN = frozenset({"text", "reason", "proof", "notes"})  # fields of a reply that hold sentences of the program
_OPTION = re.compile(
    r" \(see --[a-z-]+\)|, --[a-z-]+ raises it| \(--[a-z-]+ raises it\)|, use --overwrite to replace it"
)
_CHOICE = re.compile(r"say which with --mask-is white, black, alpha or transparent")


LONGEST = 4000  # characters of a sentence that is looked at; real ones are far shorter, but may hold a person's words
COLONS = 16  # of one sentence, after which a known one may begin
DEPTH = 4  # of sentences that are values of sentences


@functools.cache
def templates() -> tuple[tuple[tuple[str, ...], str], ...]:
    """What stands between the values of English sentences and their Chinese wording, those that say most first."""
    lines = files("inpaint.web").joinpath("messages.zh-CN.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" = ", 1) for line in lines if line and not line.startswith("#")]
    most_first = sorted(pairs, key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple((tuple(english.split("{}")), chinese) for english, chinese in most_first)


def translate(text: str, language: str) -> str:
    """A sentence of the program in a language of the page; as it is where nobody translated it.

    Args:
        text: with or without a file's name and a colon in front.
        language: `en` or `zh-CN`.
    """
    text = _CHOICE.sub("say which beside the upload", _OPTION.sub("", text))
    return _chinese(text) or text if language == "zh-CN" else text


def translate_reply(reply: Any, language: str, key: str = "") -> Any:
    """An answer to the page with its sentences in a language; JSON values in and out."""
    if isinstance(reply, dict):
        return {name: translate_reply(value, language, name) for name, value in reply.items()}
    if isinstance(reply, list):
        return [translate_reply(value, language, key) for value in reply]
    return translate(reply, language) if isinstance(reply, str) and key in SHOWN else reply


def _chinese(text: str, depth: int = DEPTH) -> str | None:
    """The Chinese of a sentence, or of its end after one of the first colons; None where nobody translated it."""
    if len(text) > LONGEST or not depth:
        return None
    start = 0
    for _ in range(COLONS + 1):
        for pieces, chinese in templates():
            values = _values(pieces, text, start)
            if values is not None:
                said = chinese.format(*(_chinese(value, depth - 1) or value for value in values))
                return text[:start].replace(": ", "：") + said  # noqa: RUF001
        colon = text.find(": ", start)
        if colon < 0:
            break
        start = colon + 2
    return None


def _values(pieces: tuple[str, ...], text: str, start: int) -> list[str] | None:
    """What stands between some pieces that make up a text from `start` on, each as short as can be; None: they do not.

    No value is empty. Time grows with the length of the text, whatever it holds, unlike that of a regular expression.
    """
    first, last = pieces[0], pieces[-1]
    if not text.startswith(first, start) or not text.endswith(last):
        return None
    if len(pieces) == 1:
        return [] if len(text) - start == len(first) else None
    values, place, end = [], start + len(first), len(text) - len(last)
    for piece in pieces[1:-1]:
        found = text.find(piece, place + 1, end)
        if found < 0:
            return None
        values.append(text[place:found])
        place = found + len(piece)
    return [*values, text[place:end]] if place < end else None
