import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from inpaint.batch import places
from inpaint.batch.inputs import find
from inpaint.batch.memory import picture_size
from inpaint.cli import main
from inpaint.errors import OptionError, OutputError, PhotoError
from tests.batches import folders, tree, upload


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Six photos and masks in `memory://`, and the same in files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    system = fsspec.filesystem("memory")
    system.store.clear()
    upload(system, tmp_path)
    yield system
    system.store.clear()


def run(photos, masks, output, *extra):
    return main(["batch", photos, "-m", masks, "-o", output, "--engine", "telea", *extra])


def test_photos_masks_and_output_at_urls(tmp_path, store, capsys):
    assert run("memory://bucket/photos", "memory://bucket/masks", "memory://bucket/out") == 0
    assert "6 done, 0 failed" in capsys.readouterr().out
    assert run(str(tmp_path / "photos"), str(tmp_path / "masks"), str(tmp_path / "out"), "--workers", "0") == 0
    local = tree(tmp_path / "out")
    assert {name: store.cat_file(f"/bucket/out/{name}") for name in local} == local
    assert len(store.find("/bucket/out")) == 6
    journals = list((tmp_path / "state/inpaint").glob("batch-*.jsonl"))
    assert len(journals) == 1


def test_nothing_at_a_url_is_overwritten(store, capsys):
    store.pipe_file("/bucket/out/a/photo00.png", b"mine")
    assert run("memory://bucket/photos", "memory://bucket/masks", "memory://bucket/out") == 1
    assert "memory://bucket/out/a/photo00.png: exists already" in capsys.readouterr().err.replace("memory:///", "memory://")
    assert store.cat_file("/bucket/out/a/photo00.png") == b"mine" and len(store.find("/bucket/out")) == 6


def test_failures_carry_the_url(store, capsys):
    store.pipe_file("/bucket/photos/a/photo00.png", b"no picture")
    store.pipe_file("/bucket/masks/b/photo01.png", b"no picture")
    assert run("memory://bucket/photos", "memory://bucket/masks", "memory://bucket/out") == 1
    errors = capsys.readouterr().err.replace("memory:///", "memory://")
    assert "error: memory://bucket/photos/a/photo00.png: is not a picture" in errors
    assert "memory://bucket/masks/b/photo01.png: is not a picture" in errors and "/tmp" not in errors


def test_resume_at_urls(store, capsys):
    places_of = ("memory://bucket/photos", "memory://bucket/masks", "memory://bucket/out")
    assert run(*places_of) == 0
    store.rm_file("/bucket/out/a/photo00.png")
    assert run(*places_of, "--resume") == 0
    assert "1 done, 5 done before" in capsys.readouterr().out
    store.pipe_file("/bucket/photos/b/photo01.jpg", store.cat_file("/bucket/photos/b/photo04.png"))
    assert run(*places_of, "--resume") == 1
    assert "files were changed" in capsys.readouterr().err


def test_file_urls_are_paths(tmp_path):
    folders(tmp_path, 2)
    url = tmp_path.as_uri()
    assert run(f"{url}/photos", f"{url}/masks", f"{url}/out", "--workers", "0") == 0
    assert sorted(tree(tmp_path / "out")) == ["a/photo00.png", "b/photo01.jpg"]


PROBE = """
import sys, fsspec
from inpaint.batch.memory import picture_size
name, place = sys.argv[1:]
fsspec.filesystem("memory").pipe_file("/" + name, open(place, "rb").read())
print(picture_size("memory://" + name))
"""


@pytest.mark.parametrize("ending", ["heic", "avif", "png"])
def test_the_size_of_a_picture_at_a_url_is_known_before_it_is_filled(tmp_path, ending):
    if ending == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", (70, 52)).save(tmp_path / f"a.{ending}")
    command = [sys.executable, "-c", PROBE, f"a.{ending}", str(tmp_path / f"a.{ending}")]  # no reader is registered yet
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(70, 52)\n"


def test_a_picture_at_a_url_has_a_size_however_large(tmp_path, store):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "large.png")
    store.pipe_file("/bucket/large.png", (tmp_path / "large.png").read_bytes())
    assert picture_size("memory://bucket/large.png") == (20_000, 20_000)


def test_patterns_at_urls(store):
    found = find(["memory://bucket/photos/*/*.png"], []).pictures
    assert [f.relative for f in found] == ["a/photo00.png", "b/photo04.png"]


@pytest.mark.parametrize(
    ("photos", "output", "extra", "words"),
    [
        ("memory://bucket/photos", "nowhere://x/y", [], "nowhere://x/y: is not a place that can be reached"),
        ("memory://none", "memory://out", [], "memory://none: does not exist"),
        ("memory://bucket/photos", "memory://out", ["--mark"], "--mark writes a recipe"),
    ],
)
def test_wrong_urls(store, capsys, photos, output, extra, words):
    assert run(photos, "memory://bucket/masks", output, *extra) == 2
    assert words in capsys.readouterr().err


def test_a_file_of_another_machine_is_refused():
    with pytest.raises(OptionError, match="names a file of another machine"):
        places.normal("file://server/photos")


def test_a_file_that_is_not_there():
    with pytest.raises(PhotoError, match="file not found"):
        places.read("memory://nothing/here.png")
    assert places.digest("memory://nothing/here.png") is None and places.stamp("memory://nothing/here.png") is None


def test_a_file_that_a_service_did_not_take_whole_is_removed(tmp_path, monkeypatch):
    system = fsspec.filesystem("file")

    def half(self, path, data, **_):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(system), "pipe_file", half)
    with pytest.raises(OutputError, match=r"a\.png: cannot be written \(No space left on device\)"):
        places.publish(f"local://{tmp_path}/out/a.png", b"12345678")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_recipe_of_a_photo_at_a_url_names_it(tmp_path, store, capsys):
    places_of = ("memory://bucket/photos", "memory://bucket/masks", str(tmp_path / "out"))
    assert run(*places_of, "--mark", "--workers", "0") == 0
    recipe = sorted((tmp_path / "out").rglob("*.inpaint.json"))[0]
    output = recipe.name.removesuffix(".inpaint.json")
    url = json.loads(recipe.read_text())["photo"]
    assert url.startswith("memory://bucket/photos/")
    again = tmp_path / f"again{Path(output).suffix}"
    capsys.readouterr()
    assert main(["fill", "--recipe", str(recipe), "-o", str(again)]) == 1
    assert f"its photo lies at {url}; fetch it and name the copy as PHOTO" in capsys.readouterr().err
    copy = tmp_path / f"copy{Path(url).suffix}"
    copy.write_bytes(store.cat_file(url.removeprefix("memory:/")))
    assert main(["fill", str(copy), "--recipe", str(recipe), "-o", str(again)]) == 0
    assert again.read_bytes() == (recipe.parent / output).read_bytes()
