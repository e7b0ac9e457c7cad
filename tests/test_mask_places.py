"""Where `inpaint mask` cannot write, and names that are not text: one sentence, never a traceback."""

import os
import re

import pytest
from PIL import Image

from inpaint.cli import main
from tests.batches import write_photo
from tests.conftest import scene


@pytest.mark.parametrize("option", ["-o", "--preview"])
@pytest.mark.parametrize("place", ["plain", "plain/sub", "/proc/out"])
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, capsys, option, place):
    write_photo(tmp_path / "p.png")
    (tmp_path / "plain").write_text("mine")
    words = {"-o": "m.png" if option == "--preview" else place, "--preview": place}
    names = [word for name in {"-o", option} for word in (name, str(tmp_path / words[name]))]
    assert main(["mask", "region", str(tmp_path / "p.png"), "--region", "all", *names]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / place}: the folder cannot be made (") and error.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["p.png", "plain"] and (tmp_path / "plain").read_text() == "mine"


def test_a_file_where_the_folder_of_shared_masks_would_be(tmp_path, capsys):
    for k in range(8):
        write_photo(tmp_path / f"photos/{k}.png")
    (tmp_path / "plain").write_text("mine")
    assert main(["mask", "repeated", str(tmp_path / "photos"), "-o", str(tmp_path / "plain")]) == 1
    assert "plain: the folder cannot be made (File exists)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_listed_is_one_sentence(tmp_path, capsys, monkeypatch):
    def closed(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", closed)  # root may list everything
    assert main(["mask", "region", str(tmp_path), "-o", str(tmp_path / "m"), "--region", "all"]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: cannot be listed (Permission denied)\n"


def test_a_link_in_a_circle_does_not_stop_the_others(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.fromarray(scene(40, 50)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "loop.png").symlink_to("loop.png")
    words = ["mask", "region", str(tmp_path / "photos"), "-o", str(tmp_path / "masks"), "--region", "centre 20x20"]
    assert main(words) == 1
    assert "loop.png: cannot be read" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "masks").iterdir()] == ["a.png"]


@pytest.mark.parametrize("role", ["photo", "output"])
def test_a_name_that_is_too_long_is_one_sentence(tmp_path, capsys, role):
    Image.fromarray(scene(40, 50)).save(tmp_path / "a.png")
    photo, output = tmp_path / "a.png", tmp_path / "m.png"
    if role == "photo":
        photo = tmp_path / ("a" * 300 + ".png")
    else:
        output = tmp_path / ("a" * 300 + ".png")
    assert main(["mask", "region", str(photo), "-o", str(output), "--region", "centre 20x20"]) == 1
    assert re.fullmatch(r"error: \S+a+\.png: .*\n", capsys.readouterr().err)
