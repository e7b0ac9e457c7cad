"""Batches that were cut short go on, and refuse to where something changed."""

import json
import os

import pytest

from inpaint.batch.journal import Journal, JournalError, read_journal
from inpaint.cli import main
from tests.batches import JOURNAL, batch, folders, journal, tree, write_logos, write_mask, write_photo


def cut_short(root, done):
    """Run, then make the journal and the outputs look as if only `done` photos had come out."""
    folders(root, 6)
    assert batch(root) == 0
    kept = []
    for record in journal(root):
        if record["kind"] == "done" and sum(r["kind"] == "done" for r in kept) == done:
            break
        kept.append(record)
    names = {r["output"] for r in kept if r["kind"] == "done"}
    for record in journal(root, "done"):
        if record["output"] not in names:
            os.unlink(record["output"])
    (root / JOURNAL).write_text("".join(json.dumps(r) + "\n" for r in kept))
    return names


def test_resume_does_only_what_is_left(tmp_path, capsys):
    done = cut_short(tmp_path, 2)
    times = {name: os.stat(name).st_mtime_ns for name in done}
    assert batch(tmp_path) == 1
    assert "holds a run that did not end (2 of 6 done); continue it with --resume" in capsys.readouterr().err
    assert batch(tmp_path, "--resume") == 0
    assert "6 photos: 4 done, 2 done before, 0 failed" in capsys.readouterr().out
    assert {name: os.stat(name).st_mtime_ns for name in done} == times
    assert batch(tmp_path, "--resume") == 0
    assert "0 done, 6 done before" in capsys.readouterr().out
    os.unlink(sorted(done)[0])
    assert batch(tmp_path, "--resume") == 0
    assert "1 done, 5 done before" in capsys.readouterr().out


def test_resume_keeps_the_threads_of_the_run(tmp_path, capsys):
    folders(tmp_path, 2)
    assert batch(tmp_path, "--threads", "2") == 0
    os.unlink(tmp_path / "out/a/photo00.png")
    assert batch(tmp_path, "--resume", "--threads", "1") == 1
    assert "options changed: threads was 2 and is 1" in capsys.readouterr().err
    assert batch(tmp_path, "--resume", workers="1") == 0  # alone it would take all cores
    assert {r["options"]["threads"] for r in journal(tmp_path, "run")} == {2}


def test_resume_recognises_an_output_that_was_not_noted(tmp_path):
    cut_short(tmp_path, 2)
    begun = {r["output"]: r for r in journal(tmp_path, "ready")}
    done = {r["output"] for r in journal(tmp_path, "done")}
    waiting = next(o for o in begun if o not in done)
    mask = os.path.splitext(waiting.replace("/out/", "/masks/"))[0] + ".png"
    assert main(["fill", waiting.replace("/out/", "/photos/"), mask, "-o", waiting, "--engine", "telea"]) == 0
    assert batch(tmp_path, "--resume") == 0
    assert next(r for r in journal(tmp_path, "done") if r["output"] == waiting)["recovered"] is True


def add_a_photo(root):
    write_photo(root / "photos/a/new.png")
    write_mask(root / "masks/a/new.png")


def name_a_mask_otherwise(root):
    write_mask(root / "masks/a/photo00.tif")
    os.unlink(root / "masks/a/photo00.png")


def change_an_output(root):
    with open(root / "out/a/photo00.png", "ab") as file:
        file.write(b"!")


@pytest.mark.parametrize(
    ("change", "extra", "words"),
    [
        (None, ["--seed", "3"], "options changed: seed was 0 and is 3"),
        (None, ["--engine", "ns"], "options changed: engine was 'telea' and is 'ns'"),
        (add_a_photo, [], "photos were added: "),
        (lambda root: os.unlink(root / "photos/a/photo00.png"), [], "photos are gone: "),
        (lambda root: write_mask(root / "masks/a/photo00.png", (1, 9, 1, 9)), [], "files were changed: "),
        (lambda root: write_photo(root / "photos/c/photo05.jpg", 77), [], "files were changed: "),
        (name_a_mask_otherwise, [], "other masks belong to: "),
        (change_an_output, [], "outputs were changed: "),
    ],
)
def test_resume_refuses_what_changed_and_says_which(tmp_path, capsys, change, extra, words):
    cut_short(tmp_path, 2)
    if change:
        change(tmp_path)
    before = tree(tmp_path / "out")
    assert batch(tmp_path, "--resume", *extra) == 1
    error = capsys.readouterr().err
    assert f"cannot be resumed, since {words}" in error and tree(tmp_path / "out") == before


def test_a_touched_photo_with_the_same_contents_is_the_same(tmp_path):
    done = cut_short(tmp_path, 2)
    os.utime(sorted(done)[0].replace("/out/", "/photos/"))
    assert batch(tmp_path, "--resume") == 0


def test_a_failed_photo_may_be_mended(tmp_path, capsys):
    folders(tmp_path, 2)
    good = (tmp_path / "photos/a/photo00.png").read_bytes()
    (tmp_path / "photos/a/photo00.png").write_bytes(good[:-200])
    assert batch(tmp_path) == 1
    (tmp_path / "photos/a/photo00.png").write_bytes(good)
    assert batch(tmp_path, "--resume") == 0
    assert "1 done, 1 done before, 0 failed" in capsys.readouterr().out


def test_journal_survives_a_torn_line_and_refuses_a_damaged_one(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path) as first:
        first.write([{"kind": "run", "version": 1, "id": "x", "options": {}}, {"kind": "begin", "tasks": 0}])
        with pytest.raises(JournalError, match="another batch is writing it"):
            Journal(path)
    whole = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b'{"kind": "done", "outp')
    assert read_journal(path).size == whole and read_journal(path).run["id"] == "x"
    with open(path, "ab") as file:
        file.write(b"\n")
    with pytest.raises(JournalError, match="line 3 is not a record"):
        read_journal(path)


def test_a_finished_run_is_not_forgotten_for_want_of_resume(tmp_path, capsys):
    folders(tmp_path, 3)
    bad = tmp_path / "photos/a/photo00.png"
    good = bad.read_bytes()
    bad.write_bytes(b"no picture")
    assert batch(tmp_path) == 1
    bad.write_bytes(good)
    capsys.readouterr()
    assert batch(tmp_path) == 1
    assert "holds a run that is done in part (2 of 3 done); continue it with --resume" in capsys.readouterr().err
    assert batch(tmp_path, "--resume") == 0 and "1 done, 2 done before" in capsys.readouterr().out
    made = tree(tmp_path / "out")
    assert batch(tmp_path) == 1 and "holds a run that has ended (3 of 3 done)" in capsys.readouterr().err
    assert batch(tmp_path, "--resume") == 0 and tree(tmp_path / "out") == made
    for name in made:
        (tmp_path / "out" / name).unlink()
    assert batch(tmp_path) == 0 and tree(tmp_path / "out") == made  # nothing of it is left to be told


@pytest.fixture
def logos(tmp_path):
    write_logos(tmp_path / "photos")
    return tmp_path


def repeated(root, *extra, output="out"):
    where = ["-m", "repeated", "-o", str(root / output), "--engine", "telea", "--workers", "0"]
    return main(["batch", str(root / "photos"), *where, *extra])


def test_what_a_rule_has_learnt_is_kept_for_resume(logos, capsys, monkeypatch):
    """A mended photo would teach it something else, and the photos may be filled by now."""
    photo = logos / "photos/03.png"
    good = photo.read_bytes()
    photo.write_bytes(good[:200])
    assert repeated(logos) == 1
    photo.write_bytes(good)
    monkeypatch.setattr("inpaint.masking.repeated.repeated_masks", lambda *_, **__: pytest.fail("must not learn again"))
    assert repeated(logos, "--resume") == 0 and "1 done, 11 done before" in capsys.readouterr().out
    lines = [line for line in journal(logos) if line["kind"] == "masks"]
    assert len(lines) == 1 and list(lines[0]["masks"]) == ["96x128"]
    path = logos / JOURNAL
    path.write_text(path.read_text().replace(lines[0]["masks"]["96x128"], "AAAA"))
    assert repeated(logos, "--resume") == 1 and "the masks in it are damaged" in capsys.readouterr().err


def test_a_run_in_place_by_a_learnt_rule_goes_on(logos, capsys):
    places = [str(path) for path in sorted((logos / "photos").iterdir())]
    how = ["-m", "repeated", "-o", str(logos / "photos"), "--engine", "telea", "--workers", "0", "--overwrite"]
    assert main(["batch", *places, *how]) == 0
    done, path = tree(logos / "photos"), logos / "photos/inpaint-batch.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(k for k, line in enumerate(lines) if b'"done"' in line)
    path.write_bytes(b"".join(lines[:last]))  # killed before the last was noted
    assert main(["batch", *places, *how, "--resume"]) == 0
    assert tree(logos / "photos") == done


def test_sizes_that_could_not_be_read_are_learnt_when_they_can(logos, capsys):
    places = sorted((logos / "photos").iterdir())
    kept = [path.read_bytes() for path in places]
    for path in places[:6]:
        path.write_bytes(b"no picture")
    assert repeated(logos) == 1 and "too few photos of 128x96 pixels" in capsys.readouterr().err
    for path, data in zip(places, kept, strict=True):
        path.write_bytes(data)
    assert repeated(logos, "--resume") == 0 and "12 done" in capsys.readouterr().out
    assert [list(line["masks"]) for line in journal(logos) if line["kind"] == "masks"] == [[], ["96x128"]]
