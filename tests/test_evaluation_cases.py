"""What an evaluation reads and what it takes from an earlier run."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.errors import OptionError
from inpaint.evaluation.cases import find_photos, open_photo, refuse_same_stems
from tests.conftest import scene
from tests.test_evaluation import evaluate, photos, results, scores_of

__all__ = ["photos"]  # a fixture


@pytest.mark.parametrize("longest", [1024, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_photos_of_sixteen_bits_are_read_as_eight(tmp_path, channels, longest):
    eight = scene(80, 96) if channels == 3 else scene(80, 96)[..., 1]
    low = np.random.default_rng(0).integers(0, 256, eight.shape, np.uint16)
    deep = eight.astype(np.uint16) * 256 + low
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1] if channels == 3 else deep)
    Image.fromarray(eight).save(tmp_path / "eight.png")
    photo, stored = open_photo(tmp_path / "deep.png", longest)
    assert photo.dtype == np.uint8 and stored == (80, 96)
    assert np.array_equal(photo, open_photo(tmp_path / "eight.png", longest)[0])


def test_sixteen_bits_are_evaluated_and_kept_results_of_them_too(photos):
    for i, name in enumerate(("a.png", "b.png", "more/c.png")):
        cv2.imwrite(str(photos / name), scene(80, 96, i).astype(np.uint16)[..., ::-1] * 257)
    given = photos.parent / "given"
    given.mkdir()
    for i, name in enumerate(("a.png", "b.png")):
        cv2.imwrite(str(given / name), scene(80, 96, i).astype(np.uint16)[..., ::-1] * 257)
    (given / "more").mkdir()
    Image.fromarray(scene(80, 96, 2)).save(given / "more" / "c.png")
    assert evaluate(photos, "--results", f"same={given}", masks="objects", engines="telea") == 0
    found = results(photos)
    assert [r["psnr"] for r in found["records"] if r["engine"] == "same"] == [100, 100, 100]
    assert all(r["outside_changed"] == 0 for r in found["records"] if r["engine"] == "same")


def test_equal_photos_and_masks_keep_their_own_records(photos):
    (photos / "b.png").write_bytes((photos / "a.png").read_bytes())
    masks = photos.parent / "masks"
    (masks / "more").mkdir(parents=True)
    mask = np.zeros((80, 96), np.uint8)
    mask[10:30, 10:40] = 255
    for name in ("a.png", "b.png", "more/c.png"):
        Image.fromarray(mask).save(masks / name)
    given = "--mask-dir", str(masks)
    assert evaluate(photos, *given, masks=None) == 0
    first = scores_of(results(photos))
    journal = (photos.parent / "out" / "records.jsonl").read_text()
    assert evaluate(photos, *given, "--resume", masks=None) == 0
    assert scores_of(results(photos)) == first and [r["photo"] for r in first[::2]] == ["a.png", "b.png", "more/c.png"]
    assert (photos.parent / "out" / "records.jsonl").read_text() == journal


def test_kept_masks_of_another_kind_are_not_taken_for_it(photos):
    assert evaluate(photos, "--keep", masks="boxes", engines="telea") == 0
    given = "--mask-dir", str(photos.parent / "out" / "masks" / "boxes")
    assert evaluate(photos, "--resume", *given, masks="boxes", engines="telea") == 0
    assert evaluate(photos, "--resume", *given, masks="boxes", engines="telea") == 0
    kinds = [r["kind"] for r in results(photos)["records"]]
    assert kinds == ["boxes", "given"] * 3


def test_photos_whose_fills_would_have_one_name_are_refused(tmp_path):
    names = [Path("a.jpg"), Path("sub/a.png"), Path("b.png")]
    refuse_same_stems(names)
    with pytest.raises(OptionError, match=r"^a\.png: a\.jpg differs in its ending alone"):
        refuse_same_stems([*names, Path("a.png")])
    (tmp_path / "photos").mkdir()
    for name in ("a.bmp", "a.png"):
        Image.fromarray(scene(40, 50)).save(tmp_path / "photos" / name)
    words = ["evaluate", "--photos", str(tmp_path / "photos"), "--engines", "telea", "--masks", "thin"]
    assert main([*words, "--output", str(tmp_path / "kept"), "--keep"]) == 2
    assert not (tmp_path / "kept").exists()
    assert main([*words, "--output", str(tmp_path / "scored")]) == 0


def test_an_evaluations_own_pictures_and_masks_are_no_photos(photos):
    masks = photos / "masks"
    for name in ("a", "b", "more/c"):
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((80, 96), np.uint8)
        mask[20:50, 30:60] = 255
        Image.fromarray(mask).save(masks / f"{name}.png")
    extra = ["--mask-dir", str(masks), "--keep"]
    for again in ([], ["--resume"], ["--overwrite"]):
        assert evaluate(photos, *extra, *again, out="photos/eval", masks="objects", engines="telea") == 0
        assert [p["name"] for p in results(photos, "photos/eval")["photos"]] == ["a.png", "b.png", "more/c.png"]
    shutil.rmtree(photos / "eval")
    for again in ([], ["--resume"]):
        assert evaluate(photos, *extra, *again, out="photos", masks="objects", engines="telea") == 0
        assert [p["name"] for p in results(photos, "photos")["photos"]] == ["a.png", "b.png", "more/c.png"]


def test_folders_above_the_photos_leave_none_out(photos):
    assert len(find_photos(photos, [photos.parent, photos])) == 3
    assert find_photos(photos, [photos / "more"]) == [Path("a.png"), Path("b.png")]


def test_overwriting_leaves_no_pictures_of_the_run_before(photos):
    assert evaluate(photos, "--keep", masks="objects") == 0
    out = photos.parent / "out"
    (out / "filled" / "mine.png").write_bytes(b"mine")
    assert evaluate(photos, "--keep", "--overwrite", masks="objects", engines="telea") == 0
    assert not list((out / "filled" / "ns").rglob("*.png")) and list((out / "filled" / "telea").rglob("*.png"))
    assert not list((out / "pictures").rglob("ns.jpg")) and (out / "filled" / "mine.png").exists()


@pytest.mark.parametrize("name", ["results.json", "report.html", "records.jsonl"])
def test_nothing_of_an_evaluation_is_replaced_unasked(photos, capsys, name):
    out = photos.parent / "out"
    out.mkdir()
    (out / name).write_text("mine")
    assert evaluate(photos) == 1 and "holds an evaluation already, use --resume" in capsys.readouterr().err
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize("inside", ["results", "photos", "masks"])
def test_overwriting_keeps_what_the_run_itself_reads(photos, capsys, inside):
    assert evaluate(photos, "--keep", masks="objects", engines="telea") == 0
    out = photos.parent / "out"
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    filled, extra = out / "filled" / "telea", []
    if inside == "results":
        extra = ["--results", f"mine={filled}"]
    elif inside == "masks":
        extra = ["--mask-dir", str(out / "masks" / "objects")]
    words = ["--photos", str(filled)] if inside == "photos" else []
    assert evaluate(photos, *extra, *words, "--overwrite", masks="objects", engines="ns") == 2
    assert "lies in what --overwrite discards, move it or use another --output" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before


def test_a_folder_of_the_users_with_the_name_of_an_own_one_is_not_left_out(photos, capsys):
    (photos / "more").rename(photos / "pictures")
    assert evaluate(photos, out="photos") == 2
    error = capsys.readouterr().err
    assert "pictures: the evaluation's own pictures would go there, use another --output" in error
    assert evaluate(photos, out="elsewhere") == 0
    assert [p["name"] for p in results(photos, "elsewhere")["photos"]] == ["a.png", "b.png", "pictures/c.png"]


def test_overwriting_removes_what_is_left_of_cases_that_failed_and_of_a_damaged_journal(photos, monkeypatch):
    def fail(*_):
        raise ValueError("no")

    out = photos.parent / "out"
    with monkeypatch.context() as patch:
        patch.setattr("inpaint.evaluation.evaluate.score", fail)
        assert evaluate(photos, "--keep", masks="thin") == 1
    assert len(list((out / "masks" / "thin").rglob("*.png"))) == 3
    damaged = b'{"identity": "a", "record": null}\n\xff\n{"identity": "b", "record": {"photo": 1}}\n[]\n'
    (out / "records.jsonl").write_bytes(damaged)
    assert evaluate(photos, "--overwrite", masks="objects") == 0
    assert not [file for file in out.rglob("*") if "thin" in file.parts and file.is_file()]
    assert len(results(photos)["records"]) == 6
