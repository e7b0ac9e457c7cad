# ruff: noqa: RUF001
"""Every sentence of the program that the page can show has a Chinese wording with the same values."""

import re
import time
from pathlib import Path

import pytest

from inpaint.web.messages import templates, translate, translate_reply
from tests.message_templates import ROOT, sentences

# What the page runs. Not in it: recipes, clusters and places of other machines, which no page asks for, and the weights
# files of networks, of which the page only says that the model cannot be used.
REACHED = [
    *(f"photo/{f.name}" for f in (ROOT / "photo").glob("*.py") if f.stem != "provenance"),
    *(f"filling/{f.name}" for f in (ROOT / "filling").glob("*.py")),
    *(f"masking/{f.name}" for f in (ROOT / "masking").glob("*.py")),
    *(f"batch/{name}.py" for name in ("inputs", "masks", "plan", "run", "work")),
    *(f"web/{name}.py" for name in (
        "actions", "decoding", "endpoints", "finding", "folder", "networks", "session", "strokes", "trust", "turns",
        "work",
    )),
    "inpainter.py", "options.py",
]  # fmt: skip
CHINESE = re.compile("[\u4e00-\u9fff]")
ALL = sentences(REACHED)


def test_the_source_was_read():
    assert len(ALL) > 150 and "is damaged or incomplete ({})" in ALL and "paint something first" in ALL


@pytest.mark.parametrize("sentence", ALL, ids=lambda text: text[:60])
def test_every_sentence_is_translated_with_its_values(sentence):
    values = [f"v{number}x" for number in range(sentence.count("{}"))]
    said = translate(sentence.format(*values) if values else sentence, "zh-CN")
    assert CHINESE.search(said), f"{ALL[sentence]}: {sentence!r} has no translation in messages.zh-CN.txt"
    told = [v for v in values if v in said]
    assert len(told) == len(values) or "支持 PNG" in said, f"{said!r} lacks a value of {sentence!r}"


def test_no_translation_names_values_that_its_sentence_lacks():
    for pieces, chinese in templates():
        named = {int(number) for number in re.findall(r"\{(\d+)\}", chinese)}
        assert named <= set(range(len(pieces) - 1)), chinese


@pytest.mark.parametrize(("english", "chinese"), [
    ("broken.jpg: is damaged or incomplete (broken data stream)", "broken.jpg：已损坏或不完整（broken data stream）"),
    ("a.png: has 9x8 pixels, too many to be opened safely (the limit is 5, --max-pixels raises it)",
     "a.png：有 9x8 像素，过多而无法安全打开（上限为 5）"),
    ("a.png: b: is damaged or incomplete (a: b)", "a.png：b：已损坏或不完整（a: b）"),
    ("a x b.png: has 1 x 2x3 pixels, too many to be opened safely (the limit is 5)",
     "a x b.png：有 1 x 2x3 像素，过多而无法安全打开（上限为 5）"),
    ("only 12 known patches to copy from", "周围只有 12 个可供复制的已知图块"),
    ("m.png: white is the hole (3 % of the picture)", "m.png：白色为空洞（占图片的 3 %）"),
    ("PNG: 16 bits per channel were rounded to 8", "PNG：每通道 16 位已舍入为 8 位"),
    ("upload at least one photo first", "请先至少上传一个照片文件"),
])  # fmt: skip
def test_wording(english, chinese):
    assert translate(english, "zh-CN") == chinese


@pytest.mark.parametrize("text", [
    ": " * 21, "a: b: " * 600, " x " * 1300, "has {}x{} pixels, " * 200, "is damaged or incomplete (" * 150,
    ": " * 10**6,
], ids=range(6))  # fmt: skip
def test_no_words_of_a_visitor_take_long(text):
    start = time.perf_counter()
    assert translate(f"{text}{text!r}", "zh-CN") == f"{text}{text!r}" and time.perf_counter() - start < 2


def test_english_stays_and_loses_options_of_the_command_line():
    text = "a.png: has 9x8 pixels, too many to be opened safely (the limit is 5, --max-pixels raises it)"
    assert translate(text, "en") == text.replace(", --max-pixels raises it", "")
    assert translate("nobody said this", "zh-CN") == "nobody said this"


def test_only_sentences_of_a_reply_are_translated():
    reply = {"state": {"name": "text", "notes": ["the EXIF block is damaged and was left out"]}, "kind": "object"}
    told = translate_reply(reply, "zh-CN")
    assert told["state"]["name"] == "text" and told["kind"] == "object"
    assert told["state"]["notes"] == ["EXIF 已损坏，未保留"]


def test_the_file_of_translations_is_shipped():
    assert "web/*.txt" in Path("pyproject.toml").read_text() or "*.txt" in Path("pyproject.toml").read_text()
