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


@functools.cache
def templates() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of English sentences and their Chinese wording, those that say most first."""
    lines = files("inpaint.web").joinpath("messages.zh-CN.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" = ", 1) for line in lines if line and not line.startswith("#")]
    found = []
    for english, chinese in sorted(pairs, key=lambda pair: -len(pair[0].replace("{}", ""))):
        pattern = "(.+?)".join(map(re.escape, english.split("{}")))
        found.append((re.compile(pattern, re.DOTALL), chinese))
    return tuple(found)


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


def _chinese(text: str) -> str | None:
    for pattern, chinese in templates():
        if found := pattern.fullmatch(text):
            return chinese.format(*(_chinese(value) or value for value in found.groups()))
    for colon in re.finditer(": ", text):
        rest = _chinese(text[colon.end() :])
        if rest is not None:
            return f"{text[: colon.start()]}：{rest}"  # noqa: RUF001
    return None
