import json
import os

import pytest

from inpaint.batch.inputs import Found, find
from inpaint.batch.pairing import is_mask_name, pair_by_name
from inpaint.batch.plan import Request, make_plan
from inpaint.errors import OptionError
from tests.batches import batch, write_mask, write_photo


def found(*relatives, root="m"):
    return [Found(f"{root}/{r}", r) for r in relatives]


@pytest.mark.parametrize(
    ("photo", "masks", "expected", "why"),
    [
        ("x/a.png", ["x/a.png", "x/a_mask.png"], ["x/a.png"], "same path"),
        ("x/a.jpg", ["x/a.png", "y/a.png"], ["x/a.png"], "same stem"),
        ("x/a.jpg", ["x/a_mask.png"], ["x/a_mask.png"], "mask suffix"),
        ("x/a.jpg", ["x/a-mask.png"], ["x/a-mask.png"], "mask suffix"),
        ("x/a.jpg", ["x/a.mask.png"], ["x/a.mask.png"], "mask suffix"),
        ("x/a.jpg", ["x/a.jpg.png"], [], ""),
        ("a.jpg", ["a_mask000.png", "a_mask001.png"], ["a_mask000.png", "a_mask001.png"], "mask suffix"),
        ("a.jpg", ["a/1.png", "a/2.png"], ["a/1.png", "a/2.png"], "folder named like the photo"),
        ("x/y/a.jpg", ["a.png"], ["a.png"], "same name in another folder"),
        ("x/y/a.jpg", ["a_mask.png"], ["a_mask.png"], "same name in another folder"),
        ("x/y/a.jpg", ["u/a.png", "v/a.png"], [], ""),
        ("A.JPG", ["a.png"], ["a.png"], "same stem"),
        ("caf\u00e9.jpg", ["cafe\u0301.png"], ["cafe\u0301.png"], "same stem"),
        ("two\nlines.jpg", ["two\nlines_mask.png"], ["two\nlines_mask.png"], "mask suffix"),
        ("a.jpg", ["ab_mask.png", "b.png"], [], ""),
    ],
)
def test_pairs(photo, masks, expected, why):
    pairs = pair_by_name(found(photo, root="p"), found(*masks))
    assert [m.relative for m in pairs.pairs[0].masks] == expected and pairs.pairs[0].why == why
    assert sorted(m.relative for m in pairs.unused) == sorted(set(masks) - set(expected))


def test_upper_and_lower_case_are_told_apart_where_both_exist():
    pairs = pair_by_name(found("A.png", "a.png", root="p"), found("a.png", "A.png"))
    assert [p.photo.relative for p in pairs.pairs] == ["A.png", "a.png"]
    assert [[m.relative for m in p.masks] for p in pairs.pairs] == [["A.png"], ["a.png"]]


def test_a_name_in_two_photo_folders_takes_no_mask_from_a_third():
    pairs = pair_by_name(found("x/a.png", "y/a.png", root="p"), found("a.png"))
    assert not any(p.masks for p in pairs.pairs) and len(pairs.unused) == 1


def test_mask_names():
    assert all(is_mask_name(name, ("_mask",)) for name in ("a_mask.png", "a_MASK2.png", "a_mask-sky.png"))
    assert not any(is_mask_name(name, ("_mask",)) for name in ("a.png", "mask.png", "a_masked.png"))


def plan(tmp_path, masks="masks", **more):
    masks = str(tmp_path / masks) if "/" not in masks and (tmp_path / masks).exists() else masks
    return make_plan(Request((str(tmp_path / "photos"),), masks, str(more.pop("output", tmp_path / "out")), **more))


def test_photos_and_masks_in_one_folder(tmp_path):
    for name in ("a.png", "a_mask.png", "b.png"):
        write_photo(tmp_path / "photos" / name)
    made = plan(tmp_path, "photos")
    assert [(t.photo, t.masks) for t in made.tasks] == [
        (str(tmp_path / "photos/a.png"), (str(tmp_path / "photos/a_mask.png"),))
    ]
    assert made.unmasked == [str(tmp_path / "photos/b.png")]


def test_masks_below_the_photos(tmp_path):
    write_photo(tmp_path / "photos" / "a.png")
    write_mask(tmp_path / "photos" / "masks" / "a.png")
    made = make_plan(Request((str(tmp_path / "photos"),), str(tmp_path / "photos/masks"), str(tmp_path / "out")))
    assert len(made.tasks) == 1 and not made.unmasked and not made.unused
    assert made.tasks[0].output == str(tmp_path / "out/a.png")


def test_hidden_files_and_the_output_folder_are_left_out(tmp_path):
    for name in ("a.png", ".b.png", ".cache/c.png", "out/d.png"):
        write_photo(tmp_path / "photos" / name)
    (tmp_path / "photos/notes.txt").write_text("x")
    write_mask(tmp_path / "m.png")
    made = plan(tmp_path, "m.png", output=tmp_path / "photos/out")
    assert [t.photo for t in made.tasks] == [str(tmp_path / "photos/a.png")] and made.tasks[0].why == "one mask for all"
    assert sorted(os.path.basename(p) for p, _ in made.left_out) == [".b.png", ".cache", "notes.txt", "out"]


def test_several_masks_united_or_each(tmp_path):
    write_photo(tmp_path / "photos" / "a.jpg")
    for k in "12":
        write_mask(tmp_path / "masks" / f"a_mask{k}.png")
    united, each = plan(tmp_path).tasks, plan(tmp_path, several="each").tasks
    assert len(united) == 1 and len(united[0].masks) == 2 and united[0].why == "mask suffix, 2 united"
    assert [os.path.basename(t.output) for t in each] == ["a_a_mask1.jpg", "a_a_mask2.jpg"]


def test_two_photos_with_one_output_are_refused(tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        write_photo(tmp_path / "photos" / name)
    write_mask(tmp_path / "m.png")
    made = plan(tmp_path, "m.png", suffix=".png")
    assert [os.path.basename(t.photo) for t in made.tasks] == ["b.png"]
    assert sorted(os.path.basename(p) for p, _ in made.refused) == ["a.jpg", "a.png"]
    assert all("would have the same output as" in reason for _, reason in made.refused)


@pytest.mark.parametrize(
    ("lossless", "suffix", "expected"), [(False, "", "a.jpg"), (True, "", "a.png"), (False, ".webp", "a.webp")]
)
def test_output_formats(tmp_path, lossless, suffix, expected):
    write_photo(tmp_path / "photos" / "a.jpg")
    write_mask(tmp_path / "m.png")
    assert os.path.basename(plan(tmp_path, "m.png", lossless=lossless, suffix=suffix).tasks[0].output) == expected


def test_patterns_lists_and_single_files(tmp_path, monkeypatch):
    for name in ("a.png", "x/b.png", "x/c.jpg"):
        write_photo(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert [f.relative for f in find(["x/*.jpg"], []).pictures] == ["c.jpg"]
    assert [f.relative for f in find(["**/*.png"], []).pictures] == ["a.png", "x/b.png"]
    (tmp_path / "list.txt").write_text("a.png\nx\nnone.png\n")
    listing = find(["@list.txt", "a.png"], [])
    assert [f.relative for f in listing.pictures] == ["a.png", "b.png", "c.jpg"]
    assert [(os.path.basename(p), why) for p, why in listing.broken] == [("none.png", "does not exist")]
    (tmp_path / "names").write_bytes(b"x/b.png\0")
    assert [f.relative for f in find(["@names"], []).pictures] == ["b.png"]


@pytest.mark.parametrize("name", ["none", "none/*.png"])
def test_inputs_that_are_not_there(tmp_path, name):
    with pytest.raises(OptionError, match="none"):
        find([str(tmp_path / name)], [])


def test_links_that_lead_back_are_not_followed(tmp_path):
    write_photo(tmp_path / "a.png")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/back").symlink_to(tmp_path)
    listing = find([str(tmp_path)], [])
    assert [f.relative for f in listing.pictures] == ["a.png"]
    reason = "is a link to a folder that it lies in, so it is not followed"
    assert listing.broken == [(str(tmp_path / "sub/back"), reason)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"several": "some"}, "several must be unite or each, got 'some'"),
        ({"suffix": ".psd"}, "format must be one of"),
        ({"markers": ("",)}, "a mask suffix must not be empty"),
        ({"output": "photos"}, "must not be that of the photos"),
        ({"masks": "nowhere"}, "nowhere: does not exist"),
    ],
)
def test_wrong_requests(tmp_path, change, words):
    write_photo(tmp_path / "photos" / "a.png")
    write_mask(tmp_path / "m.png")
    values = {"photos": (str(tmp_path / "photos"),), "masks": str(tmp_path / "m.png"), "output": str(tmp_path / "out")}
    change = {k: str(tmp_path / v) if k in ("output", "masks") else v for k, v in change.items()}
    with pytest.raises(OptionError, match=words):
        make_plan(Request(**{**values, **change}))


def test_plan_is_shown_and_nothing_is_done(tmp_path, capsys):
    write_photo(tmp_path / "photos" / "a.png")
    write_photo(tmp_path / "photos" / "b.png")
    write_mask(tmp_path / "masks" / "a.png")
    write_mask(tmp_path / "masks" / "c.png")
    assert batch(tmp_path, "--plan") == 0
    text = capsys.readouterr().out
    assert "same path" in text and "40x32" in text and "1 to do, 0 refused, 1 without a mask" in text
    assert f"without a mask: {tmp_path / 'photos/b.png'}" in text
    assert f"mask without a photo: {tmp_path / 'masks/c.png'}" in text
    assert batch(tmp_path, "--plan", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["tasks"] == [
        {
            "photo": str(tmp_path / "photos/a.png"), "masks": [str(tmp_path / "masks/a.png")], "rule": "",
            "why": "same path", "output": str(tmp_path / "out/a.png"), "size": [40, 32], "exists": False,
        }
    ]  # fmt: skip
    assert values["photos_without_mask"] == [str(tmp_path / "photos/b.png")]
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links")
def test_a_pattern_does_not_follow_a_link_round_and_round(tmp_path):
    write_photo(tmp_path / "photos" / "x" / "a.png")
    (tmp_path / "elsewhere").mkdir()
    write_photo(tmp_path / "elsewhere" / "b.png")
    os.symlink("..", tmp_path / "photos" / "x" / "loop")
    os.symlink(tmp_path / "elsewhere", tmp_path / "photos" / "linked")
    listing = find([str(tmp_path / "photos" / "**" / "*.png")], [])
    assert sorted(picture.relative for picture in listing.pictures) == ["linked/b.png", "x/a.png"]
    assert [place for place, _ in listing.broken] == [str(tmp_path / "photos" / "x" / "loop")]


def test_no_output_takes_the_place_of_another_photo_or_mask(tmp_path, capsys):
    for name in ("2024/x.png", "2024/2024/x.png", "2024/2024/y.png"):
        write_photo(tmp_path / "photos" / name, len(name))
    write_mask(tmp_path / "photos/y.png")
    before = (tmp_path / "photos/2024/x.png").read_bytes()
    photos, mask, output = (str(tmp_path / name) for name in ("photos/2024", "photos/y.png", "photos"))
    plan = make_plan(Request((photos,), mask, output))
    assert [os.path.relpath(task.output, tmp_path) for task in plan.tasks] == ["photos/2024/y.png", "photos/x.png"]
    assert [reason for _, reason in plan.refused] == [
        f"would take the place of another photo or mask: {tmp_path / 'photos/2024/x.png'}"
    ]
    extra = ("--overwrite",)
    assert batch(tmp_path, *extra, photos="photos/2024", masks="photos/y.png", output="photos") == 1
    assert "would take the place of another" in capsys.readouterr().err
    assert (tmp_path / "photos/2024/x.png").read_bytes() == before
    places = ["photos/2024/x.png", "photos/2024/2024/y.png"]  # in place, each may replace itself
    own = Request(tuple(str(tmp_path / p) for p in places), "region:bottom 100%x20%", str(tmp_path / "photos/2024"))
    assert [os.path.basename(task.output) for task in make_plan(own).tasks] == ["x.png", "y.png"]


def test_a_pattern_finds_photos_below_the_output_folder_but_no_outputs(tmp_path, monkeypatch):
    write_photo(tmp_path / "photos/a.png")
    write_photo(tmp_path / "photos/out/a.png")
    monkeypatch.chdir(tmp_path)
    rule = "region:bottom 100%x20%"
    with pytest.raises(OptionError, match=r"photos/\*: lies in the output folder"):
        make_plan(Request(("photos/*",), rule, "photos", suffix=".jpg"))
    assert [t.photo for t in make_plan(Request(("photos/*",), rule, ".")).tasks] == ["photos/a.png"]
    plan = make_plan(Request(("photos/**/*.png",), rule, "photos/out"))
    assert [t.photo for t in plan.tasks] == ["photos/a.png"]
    assert plan.left_out == [("photos/out/a.png", "is in the output folder")]


def test_strict_counts_photos_without_masks_even_where_none_has_one(tmp_path, capsys):
    write_photo(tmp_path / "photos/a.png")
    write_mask(tmp_path / "masks/b.png")
    assert batch(tmp_path) == 3 and "no photo has a mask" in capsys.readouterr().err
    report = tmp_path / "report.json"
    assert batch(tmp_path, "--strict", "--json", "--report", str(report)) == 1
    assert json.loads(capsys.readouterr().out) == json.loads(report.read_text())
    assert json.loads(report.read_text())["photos_without_mask"] == [str(tmp_path / "photos/a.png")]
