"""Printing never undoes what was done: odd names, closed and full outputs."""

import os
import subprocess
import sys

import pytest

from inpaint.cli import main
from tests.batches import write_mask, write_photo

FULL = "/dev/full"


@pytest.fixture
def pair(tmp_path):
    write_photo(tmp_path / "照片.png")
    write_mask(tmp_path / "m.png")
    return tmp_path


def run(folder, *words, encoding="utf-8", shell="", unbuffered=""):
    command = [sys.executable, "-m", "inpaint", *words]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.getcwd()}
    environment["PYTHONUNBUFFERED"] = unbuffered
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True)


FILL = ["fill", "照片.png", "m.png", "-o", "出.png", "--engine", "telea"]
BATCH = ["batch", "照片.png", "-m", "m.png", "-o", "出", "--engine", "telea", "--workers", "0"]


@pytest.mark.parametrize(("words", "made"), [(FILL, "出.png"), (BATCH, "出/照片.png")], ids=["fill", "batch"])
def test_a_name_that_the_encoding_lacks_is_escaped(pair, words, made):
    ended = run(pair, *words, encoding="cp1252:strict")
    assert ended.returncode == 0 and (pair / made).is_file() and not ended.stderr
    assert b"\\u51fa" in ended.stdout


@pytest.mark.parametrize("kind", ["region", "edit"])
def test_a_name_that_is_not_text_is_escaped(pair, kind):
    odd = os.fsdecode(b"odd\xff\n")
    write_mask(pair / f"{odd}.png")
    extra = ["--region", "all"] if kind == "region" else ["--dilate", "1"]
    ended = run(pair, "mask", kind, f"{odd}.png", "-o", f"{odd}_m.png", *extra)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith(rb"odd\xff\n_m.png: ")


@pytest.mark.parametrize(
    ("words", "shell", "code"),
    [(FILL, ">&-", 0), (BATCH, "2>&-", 0), (BATCH, ">&- 2>&-", 0), (["fill", "none.png", "m.png"], ">&- 2>&-", 1)],
)
def test_closed_outputs_are_nothing_to_fail_at(pair, words, shell, code):
    ended = run(pair, *words, shell=shell)
    assert ended.returncode == code and b"Traceback" not in ended.stderr


@pytest.mark.skipif(not os.path.exists(FULL), reason=f"needs {FULL}")
@pytest.mark.parametrize("words", [FILL, ["models", "list", "--json"]], ids=["fill", "models"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_output_is_one_sentence(pair, words, unbuffered):
    ended = run(pair, *words, shell=f">{FULL}", unbuffered=unbuffered)
    assert ended.returncode == 1
    sentence = b"error: the standard output cannot be written (No space left on device)"
    assert ended.stderr.splitlines()[-1] == sentence and b"Traceback" not in ended.stderr


def test_other_errors_of_the_system_are_not_taken_for_those_of_the_output(monkeypatch):
    from inpaint import cli

    def broken(args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("inpaint.commands.serve.run", broken)
    with pytest.raises(OSError, match="Input/output error"):
        cli.main(["serve"])


def test_an_error_of_the_system_that_names_a_file_is_one_sentence(monkeypatch, capsys):
    def refuse(args):
        raise PermissionError(13, "Permission denied", "a/b.png")

    monkeypatch.setattr("inpaint.commands.models.run_list", refuse)
    assert main(["models", "list"]) == 1
    assert capsys.readouterr().err == "error: a/b.png: Permission denied\n"
