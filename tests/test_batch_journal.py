"""Where a journal or a report may be written: never over a file of somebody's."""

import os

import pytest

from inpaint.batch.journal import JournalError, read_journal
from inpaint.cli import main
from tests.batches import batch, folders, records, tree, write_mask, write_photo

FIRST = b'{"kind": "run", "version": 1, "id": "abcd", '


@pytest.mark.parametrize("text", ['{"keep": "me"}', '{"kind": "mine"}\n', "x", '{"kind": "run"}\n{"kind": "begin"}\n'])
@pytest.mark.parametrize("extra", [[], ["--resume"], ["--overwrite"]])
def test_a_file_that_is_no_journal_is_kept(tmp_path, capsys, text, extra):
    folders(tmp_path, 1)
    (tmp_path / "settings.json").write_text(text)
    assert batch(tmp_path, "--journal", str(tmp_path / "settings.json"), *extra) == 1
    assert "settings.json: is not the journal of a batch" in capsys.readouterr().err
    assert (tmp_path / "settings.json").read_text() == text and not tree(tmp_path / "out")


@pytest.mark.parametrize("length", [0, 1, 9, len(FIRST)])
def test_a_journal_whose_first_line_was_cut_short_begins_anew(tmp_path, length):
    folders(tmp_path, 1)
    path = tmp_path / "j.jsonl"
    path.write_bytes(FIRST[:length])
    assert read_journal(path).size == 0
    assert batch(tmp_path, "--journal", str(path), "--resume") == 0
    assert [r["kind"] for r in records(path)][-1] == "end"


def test_a_journal_of_another_version_is_refused(tmp_path):
    (tmp_path / "j.jsonl").write_text('{"kind": "run", "version": 7}\n')
    with pytest.raises(JournalError, match="journal of another version"):
        read_journal(tmp_path / "j.jsonl")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--journal", "r.json", "--report", "./r.json"], "r.json: is written by this run, so the report cannot be"),
        (["--journal", "photos/a/photo00.png"], "photo00.png: is read by this run, so the journal cannot be"),
        (["--journal", "masks/../masks/a/photo00.png"], "photo00.png: is read by this run"),
        (["--journal", "out/photo00.png"], "photo00.png: is written by this run"),
        (["--journal", "out/photo00.png.inpaint.json", "--mark"], "inpaint.json: is written by this run"),
        (["--report", "photos.json", "--overwrite"], "photos.json: is read by this run, so the report cannot be"),
    ],
)
def test_journal_and_report_have_files_of_their_own(tmp_path, capsys, monkeypatch, extra, words):
    folders(tmp_path, 1)
    (tmp_path / "photos.json").write_text("photos/a/photo00.png\n")
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    command = ["batch", "@photos.json", "-m", "masks", "-o", "out", "--engine", "telea", "--workers", "0"]
    assert main([*command, *extra]) == 1
    assert words in capsys.readouterr().err and tree(tmp_path) == before


def in_place(root, *extra):
    """The photos `a.png` and `b.png`, filled where they lie."""
    photos = [str(root / f"photos/{name}.png") for name in "ab"]
    command = ["batch", *photos, "-m", str(root / "masks"), "-o", f"{root}/photos/../photos", "--engine", "telea"]
    return main([*command, "--workers", "0", "--overwrite", "--journal", str(root / "j.jsonl"), *extra])


@pytest.mark.parametrize("cut", [b'{"kind": "done"', b'{"kind": "end"'])
def test_a_run_that_fills_photos_where_they_lie_is_resumed(tmp_path, capsys, cut):
    """Killed after the first photo had appeared, before or after that was noted."""
    for k, name in enumerate("ab"):
        write_photo(tmp_path / f"photos/{name}.png", k)
        write_mask(tmp_path / f"masks/{name}.png")
    assert in_place(tmp_path) == 0
    wanted, path = tree(tmp_path / "photos"), tmp_path / "j.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if b"end" not in cut:
        write_photo(tmp_path / "photos/b.png", 1)
        lines = [line for line in lines if b"b.png" not in line or b'"plan"' in line]
    path.write_bytes(b"".join(lines[: next(k for k, line in enumerate(lines) if line.startswith(cut))]))
    if b"end" not in cut:  # as if it had not been touched
        stamps = {r["photo"]: r["stamps"] for r in records(path, "plan")}
        stamp = stamps[str(tmp_path / "photos/b.png")][str(tmp_path / "photos/b.png")]
        os.utime(tmp_path / "photos/b.png", ns=(stamp["mtime_ns"], stamp["mtime_ns"]))
    assert in_place(tmp_path, "--resume") == 0
    assert tree(tmp_path / "photos") == wanted
    assert in_place(tmp_path, "--resume") == 0
    write_photo(tmp_path / "photos/a.png", 7)
    capsys.readouterr()
    assert in_place(tmp_path, "--resume") == 1
    assert "a.png" in (error := capsys.readouterr().err) and "were changed" in error


@pytest.mark.parametrize("extra", [[], ["--overwrite"]])
def test_a_photo_that_appeared_without_its_recipe_gets_it(tmp_path, extra):
    """Killed between the two: the recipe is missing, or is that of an older fill."""
    folders(tmp_path, 2)
    assert batch(tmp_path, "--mark", *extra) == 0
    wanted, path = tree(tmp_path / "out"), tmp_path / "out/inpaint-batch.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"done"' not in line and b'"end"' not in line))
    recipe = tmp_path / "out/a/photo00.png.inpaint.json"
    if extra:
        recipe.write_text(recipe.read_text().replace('"output_sha256": "', '"output_sha256": "0'))
    else:
        recipe.unlink()
    assert batch(tmp_path, "--mark", "--resume", *extra) == 0
    assert tree(tmp_path / "out") == wanted
    made = {os.path.basename(r["output"]): r.get("recovered", False) for r in records(path, "done")}
    assert made == {"photo00.png": False, "photo01.jpg": True}


def test_a_recipe_that_appeared_without_its_photo_does_not_stand_in_its_way(tmp_path, capsys):
    """Killed between the two, the recipe first: the photo is made again, and a file of somebody else's stays."""
    folders(tmp_path, 2)
    assert batch(tmp_path, "--mark") == 0
    wanted, path = tree(tmp_path / "out"), tmp_path / "out/inpaint-batch.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"done"' not in line and b'"end"' not in line))
    (tmp_path / "out/a/photo00.png").unlink()
    recipe = tmp_path / "out/a/photo00.png.inpaint.json"
    kept = recipe.read_text()
    recipe.write_text(kept.replace('"output_sha256": "', '"output_sha256": "0'))
    assert batch(tmp_path, "--mark", "--resume") == 1 and "exists already" in capsys.readouterr().err
    recipe.write_text(kept)
    assert batch(tmp_path, "--mark", "--resume") == 0
    assert tree(tmp_path / "out") == wanted
