import re
from importlib.resources import files

import pytest

from inpaint.web.canvas import SCRIPTS
from inpaint.web.i18n import CANVAS_TEXTS, PAGE_TEXTS

HTML = files("inpaint.web").joinpath("canvas.html").read_text()
SCRIPT = "".join(files("inpaint.web").joinpath(f"{name}.js").read_text() for name in SCRIPTS)


@pytest.mark.parametrize("texts", [CANVAS_TEXTS, PAGE_TEXTS])
def test_both_languages_say_the_same_with_the_same_values(texts):
    assert texts["en"].keys() == texts["zh-CN"].keys()
    for key, english in texts["en"].items():
        chinese = texts["zh-CN"][key]
        assert chinese and sorted(re.findall(r"\{(\w+)\}", english)) == sorted(re.findall(r"\{(\w+)\}", chinese)), key


def test_every_text_that_the_canvas_names_exists():
    named = set(re.findall(r'data-(?:text|hint|label)="([^"]+)"', HTML))
    named |= set(re.findall(r'this\.text\("([a-z_-]+)"[,)]', SCRIPT))
    assert len(named) > 60
    assert named <= CANVAS_TEXTS["en"].keys(), named - CANVAS_TEXTS["en"].keys()


def test_the_template_stays_out_of_gradios_template_language():
    style = files("inpaint.web").joinpath("canvas.css").read_text()
    for text in (HTML, style):
        assert "${" not in text and "{{" not in text and "`" not in text and "\\" not in text


def test_every_icon_exists():
    icons = set(re.findall(r'data-icon="([^"]+)"', HTML))
    assert icons and all(re.search(rf"\b{icon}: \"M", SCRIPT) for icon in icons)
