"""Whole batches from the command line: outputs, failures, masks, rules, reports."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from tests.batches import HEIGHT, WIDTH, batch, folders, journal, tree, write_logos, write_mask, write_photo
from tests.conftest import scene


def test_every_format_comes_out_as_from_fill(tmp_path, capsys):
    folders(tmp_path, 4)
    assert batch(tmp_path, "--dilate", "2") == 0
    assert "4 photos: 4 done, 0 failed" in capsys.readouterr().out
    made = tree(tmp_path / "out")
    assert sorted(made) == ["a/photo00.png", "a/photo03.tif", "b/photo01.jpg", "c/photo02.webp"]
    for name, data in made.items():
        mask = (tmp_path / "masks" / name).with_suffix(".png")
        single = tmp_path / f"single{os.path.splitext(name)[1]}"
        fill = ["fill", str(tmp_path / "photos" / name), str(mask), "-o", str(single), "--engine", "telea"]
        assert main([*fill, "--dilate", "2"]) == 0 and single.read_bytes() == data
    for record in journal(tmp_path, "done"):
        assert record["engine"] == "telea" and record["verification"]["kept"] and record["seconds"]["total"] > 0
        assert len(record["inputs"]) == 2 and all(len(h) == 64 for h in record["inputs"].values())
    assert [r["kind"] for r in journal(tmp_path)][:6] == ["run", *["plan"] * 4, "begin"]
    assert len(journal(tmp_path, "run")[0]["options"]["weights_sha256"]) == 64


def test_the_default_engine_gives_the_bytes_of_fill(tmp_path):
    folders(tmp_path, 1)
    assert batch(tmp_path, engine="auto") == 0
    photo, mask = tmp_path / "photos/a/photo00.png", tmp_path / "masks/a/photo00.png"
    assert main(["fill", str(photo), str(mask), "-o", str(tmp_path / "single.png")]) == 0
    assert tree(tmp_path / "out")["a/photo00.png"] == (tmp_path / "single.png").read_bytes()
    assert journal(tmp_path, "done")[0]["engine"] in ("detail", "network", "patch")


def test_nothing_is_overwritten_unasked(tmp_path, capsys):
    folders(tmp_path, 3)
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/photo00.png").write_bytes(b"mine")
    assert batch(tmp_path) == 1
    errors = capsys.readouterr().err
    assert "photo00.png: exists already, use --overwrite to replace it" in errors and errors.count("error:") == 1
    assert tree(tmp_path / "out")["a/photo00.png"] == b"mine" and len(tree(tmp_path / "out")) == 3
    before = tree(tmp_path / "out")
    assert batch(tmp_path) == 1 and tree(tmp_path / "out") == before
    assert batch(tmp_path, "--overwrite") == 0 and tree(tmp_path / "out")["a/photo00.png"] != b"mine"


def test_failures_are_listed_and_leave_nothing(tmp_path, capsys):
    folders(tmp_path, 2)
    (tmp_path / "photos/bad").mkdir()
    (tmp_path / "photos/bad/x.png").write_bytes(b"no picture")
    write_mask(tmp_path / "masks/bad/x.png")
    assert batch(tmp_path, "--report", str(tmp_path / "report.json")) == 1
    shown = capsys.readouterr()
    assert f"error: {tmp_path / 'photos/bad/x.png'}: is not a picture" in shown.err
    assert not (tmp_path / "out/bad").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["done"] == 2 and [f["photo"] for f in report["failed"]] == [str(tmp_path / "photos/bad/x.png")]


def test_empty_masks_and_missing_ones_are_told(tmp_path, capsys):
    folders(tmp_path, 2)
    write_mask(tmp_path / "masks/a/photo00.png", (0, 0, 0, 0))
    write_photo(tmp_path / "photos/alone.png")
    assert batch(tmp_path) == 0
    shown = capsys.readouterr()
    assert "1 done, 0 failed, 1 with nothing to fill, 1 without a mask" in shown.out
    assert "warning: without a mask:" in shown.err and "the mask is empty" in shown.err
    shutil.rmtree(tmp_path / "out")
    assert batch(tmp_path, "--strict") == 1


@pytest.mark.parametrize(
    ("names", "extra", "code", "words"),
    [
        ({"masks": "none"}, [], 2, "none: does not exist"),
        ({"photos": "none"}, [], 2, "none: does not exist"),
        ({"photos": "empty"}, [], 3, "no photos were found"),
        ({"masks": "empty"}, [], 3, "no photo has a mask"),
        ({"output": "photos"}, [], 2, "must not be that of the photos"),
        ({"output": "masks/a/photo00.png"}, [], 2, "is not a folder"),
        ({}, ["--report", "x.txt"], 2, "ends in .html or .json"),
        ({}, ["--max-memory", "lots"], 2, "written like 6G or 800M"),
        ({}, ["--max-memory", "1M"], 2, "must be at least"),
        ({"workers": "-1"}, [], 2, "workers must be 0 or more"),
        ({}, ["--threads", "0"], 2, "threads must be between 1 and 1024"),
        ({}, ["--format", "psd"], 2, "format must be one of"),
        ({}, ["--format", "jpg", "--lossless"], 2, "is not lossless"),
        ({}, ["--weights", "none.safetensors"], 1, "none.safetensors"),
    ],
)
def test_wrong_usage(tmp_path, capsys, names, extra, code, words):
    folders(tmp_path, 1)
    (tmp_path / "empty").mkdir()
    assert batch(tmp_path, *extra, **names) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and not (tmp_path / "out/a").exists()


def test_the_photos_own_transparency(tmp_path):
    pixels = np.dstack([scene(HEIGHT, WIDTH), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[8:20, 10:24, 3] = 0
    pixels[8:20, 10:24, :3] = 0
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos/a.png")
    assert ruled(tmp_path, "alpha") == 0
    after = np.array(Image.open(tmp_path / "out/a.png"))
    kept = pixels[..., 3] == 255
    assert np.array_equal(after[kept], pixels[kept]) and (after[..., 3] == 255).all()
    assert after[~kept][:, :3].min() > 0


def test_several_masks_are_united(tmp_path):
    write_photo(tmp_path / "photos/a.png")
    write_mask(tmp_path / "masks/a_mask1.png", (4, 10, 4, 10))
    write_mask(tmp_path / "masks/a_mask2.png", (20, 26, 30, 36))
    assert batch(tmp_path) == 0
    before, after = np.array(Image.open(tmp_path / "photos/a.png")), np.array(Image.open(tmp_path / "out/a.png"))
    changed = (before != after).any(axis=2)
    hole = np.zeros(changed.shape, bool)
    hole[4:10, 4:10] = hole[20:26, 30:36] = True
    assert not changed[~hole].any() and changed[4:10, 4:10].any() and changed[20:26, 30:36].any()


def test_one_mask_for_all_is_scaled(tmp_path, capsys):
    folders(tmp_path, 3)
    write_mask(tmp_path / "one.png", (4, 10, 5, 12), (HEIGHT // 2, WIDTH // 2))
    assert batch(tmp_path, masks="one.png") == 0
    assert "3 done" in capsys.readouterr().out
    assert all("resized with nearest neighbour" in " ".join(r["notes"]) for r in journal(tmp_path, "done"))


def test_contact_sheet(tmp_path):
    folders(tmp_path, 2)
    (tmp_path / "photos/a/<b>.png").write_bytes(b"bad")
    write_mask(tmp_path / "masks/a/<b>.png")
    assert batch(tmp_path, "--report", str(tmp_path / "out/sheet.html")) == 1
    page = (tmp_path / "out/sheet.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert "&lt;b&gt;.png: is not a picture" in page and "<b>" not in page
    assert "2 done, 0 done before, 1 failed" in page


def test_contact_sheet_of_fills_in_place(tmp_path):
    photo, mask = write_photo(tmp_path / "a.png"), write_mask(tmp_path / "a_mask.png")
    sheet = tmp_path / "sheet.html"
    words = ["-m", str(mask), "-o", str(tmp_path), "--engine", "telea", "--workers", "0", "--report", str(sheet)]
    before = photo.read_bytes()
    assert main(["batch", str(photo), *words, "--overwrite"]) == 0 and photo.read_bytes() != before
    page = sheet.read_text()
    assert page.count("data:image/jpeg;base64,") == 1 and "replaced by its fill" in page


def test_json_and_quiet(tmp_path, capsys):
    folders(tmp_path, 1)
    assert batch(tmp_path, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["done"] == 1 and values["outputs"][0]["output"] == str(tmp_path / "out/a/photo00.png")
    write_photo(tmp_path / "photos/alone.png")
    assert batch(tmp_path, "--quiet", "--overwrite") == 0
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""
    assert batch(tmp_path, "--quiet", "--overwrite", "--strict") == 1
    assert "without a mask:" in capsys.readouterr().err


def ruled(root, rule, *extra):
    command = ["batch", str(root / "photos"), "-m", rule, "-o", str(root / "out"), "--engine", "telea", *extra]
    return main([*command, "--workers", "0"])


def changed(root, name):
    before, after = (np.array(Image.open(root / folder / name)).astype(int) for folder in ("photos", "out"))
    return np.abs(before - after).max(axis=2) > 0


def test_a_region_of_every_photo(tmp_path, capsys):
    for k in range(3):
        write_photo(tmp_path / f"photos/{k}.png", k)
    assert ruled(tmp_path, "region:bottom-right 50%x25%") == 0
    assert "3 done" in capsys.readouterr().out
    for k in range(3):
        where = changed(tmp_path, f"{k}.png")
        hole = np.zeros(where.shape, bool)
        hole[HEIGHT * 3 // 4 :, WIDTH // 2 :] = True
        assert where[hole].mean() > 0.9 and not where[~hole].any()
    assert journal(tmp_path, "run")[0]["options"]["masks"] == "region:bottom-right 50%x25%"


def test_wrong_rules_are_wrong_usage(tmp_path, capsys):
    write_photo(tmp_path / "photos/a.png")
    assert ruled(tmp_path, "scratches:colour=red") == 2
    assert "has no setting 'colour'" in capsys.readouterr().err


def test_what_all_photos_share(tmp_path):
    marked = write_logos(tmp_path / "photos")
    (tmp_path / "photos/bad.png").write_bytes(b"bad")
    assert ruled(tmp_path, "repeated") == 1  # the bad one
    assert len(journal(tmp_path, "done")) == 12
    where = changed(tmp_path, "03.png")
    assert where[marked].mean() > 0.8 and where[~marked].mean() < 0.05
