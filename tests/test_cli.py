import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main


def run(folder, *extra, photo="photo.png", mask="mask.png", out="out.png"):
    return main(["fill", str(folder / photo), str(folder / mask), "-o", str(folder / out), *extra])


def test_fill_writes_a_photo_and_a_report(photo_files, capsys):
    assert run(photo_files, "--report", str(photo_files / "report.json")) == 0
    before, after = (np.array(Image.open(photo_files / name)) for name in ("photo.png", "out.png"))
    mask = np.array(Image.open(photo_files / "mask.png")) > 127
    assert np.array_equal(before[~mask], after[~mask]) and not np.array_equal(before[mask], after[mask])
    assert json.loads((photo_files / "report.json").read_text())["filled_pixels"] == 900
    assert "900 pixels filled by detail" in capsys.readouterr().out
    assert sorted(p.name for p in photo_files.iterdir()) == ["mask.png", "out.png", "photo.png", "report.json"]


def failures(folder):
    photo = (folder / "photo.png").read_bytes()
    (folder / "text.png").write_text("hello")
    (folder / "empty.png").write_bytes(b"")
    (folder / "short.png").write_bytes(photo[: len(photo) // 2])
    Image.fromarray(np.zeros((72, 96), np.uint8)).save(folder / "black.png")
    Image.fromarray(np.full((72, 96), 255, np.uint8)).save(folder / "white.png")
    Image.fromarray(np.full((50, 96), 255, np.uint8)).save(folder / "other.png")
    Image.fromarray(np.tile(np.arange(96) % 10 < 6, (72, 1)).astype(np.uint8) * 255).save(folder / "half.png")
    (folder / "taken.png").write_bytes(b"mine")


@pytest.mark.parametrize(
    ("names", "code", "file", "words"),
    [
        ({"photo": "none.png"}, 1, "none.png", "file not found"),
        ({"mask": "none.png"}, 1, "none.png", "file not found"),
        ({"photo": "text.png"}, 1, "text.png", "is not a picture"),
        ({"photo": "empty.png"}, 1, "empty.png", "is not a picture"),
        ({"photo": "short.png"}, 1, "short.png", "is damaged or incomplete"),
        ({"mask": "half.png"}, 1, "half.png", "say which with --mask-is"),
        ({"photo": "."}, 1, "", "cannot be read"),
        ({"mask": "black.png"}, 3, "black.png", "the mask is empty"),
        ({"mask": "white.png"}, 1, "white.png", "covers the whole photo"),
        ({"mask": "other.png"}, 1, "other.png", "the mask is 96x50 and the photo 96x72"),
        ({"out": "taken.png"}, 1, "taken.png", "exists already"),
        ({"out": "nowhere/out.png"}, 1, "out.png", "the folder does not exist"),
        ({"out": "out.xyz"}, 1, "out.xyz", "cannot tell the format"),
    ],
)
def test_bad_input(photo_files, capsys, names, code, file, words):
    failures(photo_files)
    before = {p.name: p.read_bytes() for p in photo_files.iterdir()}
    assert run(photo_files, **names) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and file in error and words in error and error.count("\n") == 1
    assert {p.name: p.read_bytes() for p in photo_files.iterdir()} == before


def test_overwrite_replaces(photo_files):
    (photo_files / "out.png").write_bytes(b"old")
    assert run(photo_files, "--overwrite") == 0
    assert Image.open(photo_files / "out.png").size == (96, 72)


def test_unwritable_folder(photo_files, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert run(photo_files) == 1
    assert "the folder cannot be written to" in capsys.readouterr().err


def test_failed_write_leaves_nothing(photo_files, capsys, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inpaint.photo.staging.os.fdopen", full)
    assert run(photo_files) == 1
    assert "out.png: cannot be written (No space left on device)" in capsys.readouterr().err
    assert sorted(p.name for p in photo_files.iterdir()) == ["mask.png", "photo.png"]


@pytest.mark.parametrize("extra", [["--dilate", "-1"], ["--dilate", "x"], ["--engine", "magic"], ["--threads", "0"]])
def test_wrong_usage_is_2(photo_files, extra):
    try:
        code = run(photo_files, *extra)
    except SystemExit as stop:
        code = stop.code
    assert code == 2 and not (photo_files / "out.png").exists()


def test_mask_of_another_size_is_resized_and_said(photo_files, capsys):
    mask = Image.open(photo_files / "mask.png").resize((48, 36), Image.Resampling.NEAREST)
    mask.save(photo_files / "half.png")
    assert run(photo_files, mask="half.png") == 0
    assert "resized with nearest neighbour" in capsys.readouterr().out


def test_wrong_weights(photo_files, capsys):
    (photo_files / "bad.safetensors").write_bytes(b"nothing")
    assert run(photo_files, "--weights", str(photo_files / "bad.safetensors")) == 1
    assert "bad.safetensors: is not a whole safetensors file" in capsys.readouterr().err


def test_help_does_not_load_torch():
    code = "import sys; from inpaint.cli import build_parser; build_parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_module_runs_as_a_process(photo_files):
    command = [sys.executable, "-m", "inpaint", "fill", "none.png", "mask.png", "-o", "x.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr == "error: none.png: file not found\n"


def test_a_photo_that_may_take_more_memory_is_refused(photo_files, capsys):
    Image.new("RGB", (6000, 4000)).save(photo_files / "photo.png")
    assert run(photo_files, "--max-memory", "1500M") == 1
    error = capsys.readouterr().err
    assert "photo.png: needs about 1,516 MiB of memory, --max-memory allows 1,500 MiB" in error
    assert not (photo_files / "out.png").exists()
    assert run(photo_files, "--max-memory", "lots") == 2


def test_a_photo_within_its_memory_is_filled(photo_files):
    assert run(photo_files, "--max-memory", "1G") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fill_that_is_asked_to_stop_says_so_and_leaves_nothing(photo_files, number):
    code = (
        "import os, signal, sys\n"
        "from inpaint import cli, fill_file\n"
        "def killed(staging):\n"
        f"    assert len(os.listdir({str(photo_files)!r})) == 3, 'the photo waits under its hidden name'\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "fill_file.Staging.commit = killed\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    photo, mask, out = (str(photo_files / name) for name in ("photo.png", "mask.png", "out.png"))
    words = ["fill", photo, mask, "-o", out, "--engine", "telea"]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "error: fill: stopped before it was done\n")
    assert sorted(p.name for p in photo_files.iterdir()) == ["mask.png", "photo.png"]


def test_without_a_name_the_output_has_the_format_of_the_contents(photo_files, capsys):
    (photo_files / "photo.png").rename(photo_files / "photo.jpg")
    words = [str(photo_files / name) for name in ("photo.jpg", "mask.png")]
    assert main(["fill", *words, "--engine", "telea"]) == 0
    assert "photo_filled.png" in capsys.readouterr().out and (photo_files / "photo_filled.png").is_file()
    Image.open(photo_files / "photo_filled.png").save(photo_files / "other.JPG")
    words[0] = str(photo_files / "other.JPG")
    assert main(["fill", *words, "--engine", "telea"]) == 0
    assert (photo_files / "other_filled.JPG").is_file()
