"""Files that appear together or not at all, and never in the place of others unasked."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.errors import OutputError
from inpaint.fill_file import FillJob, fill_file
from inpaint.options import FillOptions
from inpaint.photo import staging as staging_module
from inpaint.photo.files import save_photo
from inpaint.photo.picture import Photo
from inpaint.photo.staging import Staging
from tests.conftest import scene


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def links(request, monkeypatch):
    """A file system with hard links, and one without."""
    if not request.param:

        def refuse(*_, **__):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(staging_module.os, "link", refuse)
    return request.param


def failing(monkeypatch, name, kind=OSError(1, "Operation not permitted"), times=1):
    """Let putting a file of this name fail so many times."""
    failed = []
    for call in ("replace", "rename", "link"):
        real = getattr(os, call)

        def put(source, target, *rest, real=real, **more):
            if Path(target).name == name and len(failed) < times:
                failed.append(name)
                raise kind
            return real(source, target, *rest, **more)

        monkeypatch.setattr(staging_module.os, call, put)


def stage(folder, *names, overwrite):
    with Staging(overwrite=overwrite) as staging:
        for name in names:
            staging.add(folder / name, f"new {name}".encode())
        yield staging
        staging.commit()


def commit(folder, *names, overwrite, meanwhile=None):
    for _ in stage(folder, *names, overwrite=overwrite):
        if meanwhile:
            (folder / meanwhile).write_bytes(b"mine")


@pytest.mark.parametrize("overwrite", [True, False])
def test_all_appear(tmp_path, links, overwrite):
    if overwrite:
        (tmp_path / "b").write_bytes(b"old b")
    commit(tmp_path, "a", "b", "c", overwrite=overwrite)
    assert contents(tmp_path) == {n: f"new {n}".encode() for n in "abc"}
    assert {p.stat().st_nlink for p in tmp_path.iterdir()} == {1}


@pytest.mark.parametrize("meanwhile", "abc")
def test_what_appears_meanwhile_is_not_overwritten(tmp_path, links, meanwhile):
    with pytest.raises(OutputError, match=f"{meanwhile}: exists already, use --overwrite to replace it"):
        commit(tmp_path, "a", "b", "c", overwrite=False, meanwhile=meanwhile)
    assert contents(tmp_path) == {meanwhile: b"mine"}


@pytest.mark.parametrize("error", [OSError(1, "Operation not permitted"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", "abc")
@pytest.mark.parametrize("older", ["", "abc", "b"])
def test_a_failure_leaves_every_place_as_it_was(tmp_path, monkeypatch, links, older, name, error):
    for each in older:
        (tmp_path / each).write_bytes(f"old {each}".encode())
    before = contents(tmp_path)
    failing(monkeypatch, name, error)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        commit(tmp_path, "a", "b", "c", overwrite=True)
    monkeypatch.undo()
    assert contents(tmp_path) == before


def test_a_failure_without_overwriting_leaves_nothing(tmp_path, monkeypatch, links):
    failing(monkeypatch, "a", times=2)  # a link, then a renaming
    with pytest.raises(OutputError, match="a: cannot be written"):
        commit(tmp_path, "a", "b", "c", overwrite=False)
    assert contents(tmp_path) == {}


def test_a_report_that_cannot_be_written_keeps_the_photo(photo_files, capsys, monkeypatch):
    (photo_files / "r.json").write_bytes(b"old report")
    before = contents(photo_files)
    failing(monkeypatch, "r.json")
    words = [str(photo_files / name) for name in ("photo.png", "mask.png", "photo.png", "r.json")]
    assert main(["fill", *words[:2], "-o", words[2], "--report", words[3], "--engine", "telea", "--overwrite"]) == 1
    assert "r.json: cannot be written (Operation not permitted)" in capsys.readouterr().err
    monkeypatch.undo()
    assert contents(photo_files) == before


@pytest.mark.parametrize("given", [None, Staging(".mine-", durable=True)], ids=["fill", "batch"])
def test_a_fill_never_overwrites_what_appeared_while_it_ran(photo_files, inpainter, given):
    photo, out = photo_files / "photo.png", photo_files / "out.png"
    job = FillJob(photo, photo_files / "mask.png", out, FillOptions(engine="telea"), mark=True)
    with pytest.raises(OutputError, match=r"out\.png: exists already"):
        fill_file(job, lambda: inpainter, given, lambda _: out.write_bytes(b"mine") and None)
    assert out.read_bytes() == b"mine" and sorted(contents(photo_files)) == ["mask.png", "out.png", "photo.png"]


def test_of_two_processes_with_one_output_one_fails(photo_files):
    code = (
        "import pathlib, sys, time\n"
        "from inpaint import cli, fill_file\n"
        "real = fill_file.Staging.commit\n"
        "def later(staging):\n"
        "    pathlib.Path(sys.argv[0] + str(time.time_ns())).touch()\n"
        "    while len(list(pathlib.Path(sys.argv[0]).parent.glob('ready*'))) < 2: time.sleep(0.01)\n"
        "    real(staging)\n"
        "fill_file.Staging.commit = later\n"
        "ready, *words = sys.argv[1:]\n"
        "sys.argv[0] = ready\n"
        "sys.exit(cli.main(words))\n"
    )
    photo, mask, out = (str(photo_files / name) for name in ("photo.png", "mask.png", "out.png"))
    words = [sys.executable, "-c", code, str(photo_files / "ready"), "fill", photo, mask, "-o", out, "--engine"]
    running = [subprocess.Popen([*words, engine], stderr=subprocess.PIPE, text=True) for engine in ("telea", "ns")]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in running]
    assert sorted(code for _, code in ended) == [0, 1]
    assert [text for text, code in ended if code] == [f"error: {out}: exists already, use --overwrite to replace it\n"]


def test_a_saved_photo_overwrites_only_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("inpaint.photo.files.check_output", lambda *_: None)  # it looked before the file appeared
    Image.fromarray(scene(8, 8)).save(tmp_path / "a.png")
    with pytest.raises(OutputError, match="exists already"):
        save_photo(Photo(np.zeros((8, 8, 3), np.uint8)), tmp_path / "a.png")
    save_photo(Photo(np.zeros((8, 8, 3), np.uint8)), tmp_path / "a.png", overwrite=True)
    assert not np.array(Image.open(tmp_path / "a.png")).any()
