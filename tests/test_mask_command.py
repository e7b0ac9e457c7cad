import numpy as np
import pytest
from PIL import Image

from inpaint import cli, masking
from tests.test_mask_tools import disc, marked, photo


def mask_of(path):
    return np.array(Image.open(path).convert("L")) > 127


def run(capsys, *words):
    status = cli.main(["mask", *map(str, words)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.fixture
def ball(tmp_path):
    picture = photo()
    picture[disc((160, 200), (110, 80), 36)] = (220, 30, 50)
    Image.fromarray(picture).save(tmp_path / "ball.png")
    return tmp_path / "ball.png"


def test_an_object_with_margin_limit_and_preview(ball, tmp_path, capsys):
    out, wide, part, shown = (tmp_path / name for name in ("m.png", "w.png", "p.png", "v.jpg"))
    assert run(capsys, "object", ball, "--box", "68,40,84,80", "--engine", "embedded", "-o", out)[0] == 0
    status, text, _ = run(capsys, "object", ball, "--box", "34%,25%,42%,50%", "--engine", "embedded", "--dilate", 4,
                          "--preview", shown, "-o", wide)  # fmt: skip
    assert status == 0 and "% of the photo" in text
    run(capsys, "object", ball, "--click", "110,80", "--minus", "10,10", "--engine", "embedded", "--within",
        "0,0,50%,100%", "-o", part)  # fmt: skip
    tight, mask, left = mask_of(out), mask_of(wide), mask_of(part)
    assert np.array_equal(mask, masking.grow(tight, 4)) and not left[:, 100:].any() and left[:, :100].any()
    preview, picture = np.array(Image.open(shown)), np.array(Image.open(ball))
    assert (np.abs(preview.astype(int) - picture).max(axis=2) > 8)[mask].mean() > 0.9


@pytest.mark.parametrize(("words", "status", "why"), [
    (["--click", "900,100"], 2, "ball.png: the click 900,100 lies outside the photo of 200x160 pixels"),
    (["--box", "10,10,0,10"], 2, "a box must have a width and a height"), ([], 2, "say where the object is"),
    (["--click", "-1,5"], 2, "ball.png: the click -1,5 lies outside"),
    (["--click", "9,9", "--minus", "-.5,5"], 2, "ball.png: the click -0.5,5 lies outside"),
    (["--box", "-9,-9,5,5"], 2, "ball.png: the box -9,-9,5,5 lies outside"),
    (["--box", "9,9,5,5", "--within", "-9,0,5,5"], 2, "the box -9,0,5,5 lies outside"),
    (["--click", "1"], 2, "a click is x, y"), (["--click", "a,b"], 2, "must be a number"),
    (["--box", "1,2,3"], 2, "X,Y,W,H"), (["--scribble", "no.png"], 1, "no.png"),
    (["--scribble", "black.png"], 1, "black.png: the scribble is empty"),
])  # fmt: skip
def test_pointing_at_nothing_is_one_sentence(ball, tmp_path, capsys, monkeypatch, words, status, why):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (200, 160)).save("black.png")
    found = run(capsys, "object", ball, *words, "-o", tmp_path / "m.png")
    assert found[0] == status and why in found[2] and found[2].startswith("error: ") and found[2].count("\n") == 1
    assert not (tmp_path / "m.png").exists()


def test_a_scribble_file_points_at_the_object(ball, tmp_path, capsys):
    Image.fromarray(disc((160, 200), (110, 80), 15)).save(tmp_path / "s.png")
    words = ("object", ball, "--scribble", tmp_path / "s.png", "--engine", "embedded", "--shadow", "-o")
    assert run(capsys, *words, tmp_path / "m.png")[0] == 0
    assert (mask_of(tmp_path / "m.png") & disc((160, 200), (110, 80), 36)).sum() > 0.9 * np.pi * 36**2


def test_regions_of_a_folder_whatever_its_format(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.jpg", "b.avif", "c.gif"):  # formats that the project reads
        Image.fromarray(photo(0, 50, 100)).save(photos / name)
    (photos / "notes.txt").write_text("no picture")
    assert run(capsys, "region", photos, "--region", "bottom-right 20%x10%", "-o", tmp_path / "masks")[0] == 0
    assert sorted(f.name for f in (tmp_path / "masks").iterdir()) == ["a.png", "b.png", "c.png"]
    for file in (tmp_path / "masks").iterdir():
        assert np.array_equal(mask_of(file), masking.region_mask((50, 100), "box 80,45,20,5"))
    nowhere = run(capsys, "region", photos, "--region", "nowhere", "-o", tmp_path / "other")
    assert nowhere[0] == 2 and "3 of 3 photos failed" in nowhere[2]
    existing = run(capsys, "region", photos, "--region", "top 5x5", "-o", tmp_path / "masks")
    assert existing[0] == 1 and "exists" in existing[2]


def test_a_broken_photo_does_not_stop_the_others(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(photo()).save(photos / "b.png")
    (photos / "a.png").write_bytes(b"no picture")
    status, out, err = run(capsys, "region", photos, "--region", "top 9x9", "-o", tmp_path / "masks")
    assert status == 1 and "a.png" in err and "1 of 2 photos failed" in err and "b.png" in out
    assert (tmp_path / "masks" / "b.png").exists()


def test_a_file_is_read_or_written_never_both(ball, tmp_path, capsys):
    before, mask = ball.read_bytes(), tmp_path / "m.png"
    region = ("region", ball, "--region", "top 9x9", "--overwrite")
    assert run(capsys, *region, "-o", mask)[0] == 0
    for words, why in (
        ((*region, "-o", ball), "is named as photo and as mask"),
        ((*region, "-o", mask, "--preview", ball), "is named as photo and as preview"),
        ((*region, "-o", mask, "--preview", mask), "is named as mask and as preview"),
        (("edit", mask, "--photo", ball, "-o", mask, "--preview", mask, "--overwrite"), "as mask and as preview"),
    ):
        status, _, err = run(capsys, *words)
        assert status == 1 and why in err and err.count("\n") == 1
    assert ball.read_bytes() == before and mask_of(mask).sum() == 81
    assert run(capsys, "edit", mask, "--grow", 1, "-o", mask, "--overwrite")[0] == 0 and mask_of(mask).sum() > 81


def test_a_folder_without_pictures_is_nothing_to_do(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for kind in (("scratches",), ("region", "--region", "all"), ("repeated",)):
        status, _, err = run(capsys, kind[0], tmp_path / "empty", *kind[1:], "-o", tmp_path / "m.png")
        assert status == 3 and "empty: the folder holds no picture" in err


def test_no_scratches_are_exit_3_and_no_file(tmp_path, capsys):
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(tmp_path / "flat.png")
    status, _, err = run(capsys, "scratches", tmp_path / "flat.png", "-o", tmp_path / "m.png")
    assert status == 3 and "nothing found" in err and not (tmp_path / "m.png").exists()
    assert run(capsys, "scratches", tmp_path / "flat.png", "-o", tmp_path / "m.jpg")[2].count("keep a mask exact") == 1
    assert run(capsys, "scratches", tmp_path / "flat.png", "--sensitivity", 3, "-o", tmp_path / "m.png")[0] == 2
    lined = np.full((90, 120, 3), 120, np.uint8)
    lined[:, 60:62] = 250
    Image.fromarray(lined).save(tmp_path / "lined.png")
    assert run(capsys, "scratches", tmp_path / "lined.png", "--only", "light", "-o", tmp_path / "m.png")[0] == 0
    assert mask_of(tmp_path / "m.png")[:, 60].mean() > 0.9
    assert run(capsys, "scratches", tmp_path / "lined.png", "--only", "dark", "-o", tmp_path / "d.png")[0] == 3


def test_repeated_groups_by_size_and_says_so(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for k, picture in enumerate([*marked(10, opacity=0.9)[0], photo(3, 40, 50), *marked(9, (100, 150), 0.9, 40)[0]]):
        Image.fromarray(picture).save(photos / f"{k:02}.png")
    status, out, _ = run(capsys, "repeated", photos, "-o", tmp_path / "masks", "--preview", tmp_path / "shown")
    assert status == 0 and "1 of 50x40 pixels left out: 8 of one size or more are needed" in out
    names = ["repeated-150x100.png", "repeated-160x120.png"]
    assert sorted(f.name for f in (tmp_path / "masks").iterdir()) == names
    assert sorted(f.name for f in (tmp_path / "shown").iterdir()) == names
    status, _, err = run(capsys, "repeated", photos, "-o", tmp_path / "one.png")
    assert status != 0 and "name a folder to get one mask each" in err
    for words, why in (
        (("--dilate", -5), "dilate must be between"), (("--within", "1,2"), "X,Y,W,H"),
        (("--within", "145,105,9,9"), "lies outside the photo of 150x100"),  # of the other size, not of both
    ):
        status, _, err = run(capsys, "repeated", photos, *words, "-o", tmp_path / "none")
        assert status == 2 and why in err and not list(tmp_path.glob("none/*"))
    for words, why in (
        (("-o", tmp_path / "new", "--preview", tmp_path / "v.png"), "need a folder for their previews"),
        (("-o", tmp_path / "one.png", "--preview", tmp_path / "v.txt"), "end the name with one of"),
        (("-o", tmp_path / "new", "--preview", tmp_path / "new"), "is named as mask and as preview"),
    ):
        status, _, err = run(capsys, "repeated", photos, *words)
        assert status == 1 and why in err
    (tmp_path / "masks" / names[1]).unlink()
    status, _, err = run(capsys, "repeated", photos, "-o", tmp_path / "masks")  # one size's exists
    assert status == 1 and f"{names[0]}: exists" in err and not (tmp_path / "masks" / names[1]).exists()
    few = run(capsys, "repeated", photos / "00.png", photos / "01.png", "-o", tmp_path / "few.png")
    assert few[0] == 1 and "no size has 8 photos or more" in few[2]


def test_edits_of_mask_files(ball, tmp_path, capsys):
    for name, centre in (("a", (70, 80)), ("b", (110, 80))):
        Image.fromarray(disc((160, 200), centre, 30)).save(tmp_path / f"{name}.png")
    a, b = disc((160, 200), (70, 80), 30), disc((160, 200), (110, 80), 30)
    files = tmp_path / "a.png", tmp_path / "b.png"
    both = tmp_path / "both.png"
    assert run(capsys, "edit", *files, "--combine", "intersection", "--grow", 3, "-o", both)[0] == 0
    assert np.array_equal(mask_of(both), masking.grow(a & b, 3))
    most = tmp_path / "most.png"
    assert run(capsys, "edit", files[0], "--invert", "-o", most)[0] == 0 and np.array_equal(mask_of(most), ~a)
    # White stays the hole, even where most of a mask is white.
    assert run(capsys, "edit", files[0], most, "--combine", "intersection", "-o", tmp_path / "none.png")[0] == 3
    assert run(capsys, "edit", most, "--mask-is", "black", "-o", tmp_path / "black.png")[0] == 0
    assert np.array_equal(mask_of(tmp_path / "black.png"), a)
    shown = tmp_path / "v.png"
    assert run(capsys, "edit", files[1], "--photo", ball, "--preview", shown, "-o", tmp_path / "c.png")[0] == 0
    assert np.array_equal(np.array(Image.open(shown)), masking.overlay(np.array(Image.open(ball)), b))
    assert run(capsys, "edit", files[1], "--preview", tmp_path / "w.png", "-o", tmp_path / "d.png")[0] == 2
    assert not (tmp_path / "d.png").exists()
    status, _, err = run(capsys, "edit", files[0], "--dilate", -5, "-o", tmp_path / "d.png")
    assert status == 2 and "dilate must be between 0 and 10000 pixels, got -5" in err
    Image.new("L", (50, 40), 255).save(tmp_path / "small.png")
    status, _, err = run(capsys, "edit", files[0], tmp_path / "small.png", "-o", tmp_path / "d.png")
    assert status == 1 and f"small.png: the mask is 50x40 pixels, {files[0]} 200x160" in err
    words = ("--photo", tmp_path / "small.png", "--preview", tmp_path / "w.png", "-o", tmp_path / "d.png")
    status, _, err = run(capsys, "edit", files[0], *words)
    assert status == 1 and "small.png: the photo is 50x40 pixels, the mask 200x160" in err
    assert not (tmp_path / "d.png").exists()


def test_silhouettes_become_a_file(ball, tmp_path, capsys):
    status, out, _ = run(capsys, "silhouettes", ball, "-o", tmp_path / "s.npz", "--seed", 2)
    assert status in (0, 3)
    if status == 0:
        assert len(masking.Silhouettes.load(tmp_path / "s.npz").shapes) >= 1 and "silhouettes" in out
    assert run(capsys, "silhouettes", ball, "-o", tmp_path / "s.png")[0] == 1
    flat = tmp_path / "flat.png"
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(flat)
    assert run(capsys, "silhouettes", flat, "-o", tmp_path / "none.npz")[0] == 3
