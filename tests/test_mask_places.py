"""Where `inpaint mask` cannot write, and names that are not text: one sentence, never a traceback."""

import os

import pytest

from inpaint.cli import main
from tests.batches import write_photo


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
