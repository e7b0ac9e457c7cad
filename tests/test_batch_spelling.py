"""One folder or file that is named in two ways, and lists that lead back to themselves."""

import os

import pytest

from inpaint.batch import places
from inpaint.batch.inputs import find
from inpaint.batch.pairing import pair_by_name
from inpaint.batch.plan import Request, make_plan
from tests.batches import write_mask, write_photo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`ph` with a photo and its mask, a link to it, and the folder as working folder."""
    write_photo(tmp_path / "ph/cat.png")
    write_mask(tmp_path / "ph/cat_mask.png")
    os.symlink("ph", tmp_path / "link")
    monkeypatch.chdir(tmp_path)
    return tmp_path


SPELLINGS = ["ph", "./ph", "ph/", "ph/../ph", "link", "ph/*.png", "{}/ph", "file://{}/ph"]


@pytest.mark.parametrize("masks", SPELLINGS)
@pytest.mark.parametrize("photos", ["ph", "./ph", "link", "{}/ph"])
def test_a_folder_of_photos_and_masks_however_it_is_spelled(folder, photos, masks):
    made = make_plan(Request((photos.format(folder),), masks.format(folder), "out"))
    assert [(os.path.basename(t.photo), [os.path.basename(m) for m in t.masks]) for t in made.tasks] == [
        ("cat.png", ["cat_mask.png"])
    ]
    assert made.tasks[0].output == "out/cat.png" and not made.unmasked and not made.unused


@pytest.mark.parametrize("mask", ["ph/cat_mask.png", "./ph/cat_mask.png", "link/cat_mask.png", "{}/ph/cat_mask.png"])
def test_one_mask_for_all_is_no_photo_however_it_is_spelled(folder, mask):
    made = make_plan(Request(("ph",), mask.format(folder), "out"))
    assert [t.photo for t in made.tasks] == ["ph/cat.png"]


def test_masks_below_the_photos_however_they_are_spelled(folder):
    write_photo(folder / "deep/cat.png")
    write_mask(folder / "deep/masks/cat.png")
    made = make_plan(Request(("deep",), "./deep/../deep/masks", "out"))
    assert [t.photo for t in made.tasks] == ["deep/cat.png"] and not made.unmasked


def test_a_photo_is_no_mask_of_itself_however_it_is_spelled(folder):
    photos, masks = find(["ph"], []).pictures, find(["./ph"], []).pictures
    assert [pair.masks for pair in pair_by_name(photos, masks).pairs] == [(), ()]


def test_no_file_is_found_twice_however_its_folder_is_spelled(folder):
    names = [f.place for f in find([s.format(folder) for s in SPELLINGS], []).pictures]
    assert names == ["ph/cat.png", "ph/cat_mask.png"]
    assert len(find(["ph", "./ph/cat.png", "link/cat.png"], []).pictures) == 2


def test_links_to_one_mask_are_masks_of_their_own(folder):
    write_photo(folder / "ph/dog.png")
    write_mask(folder / "shared.png")
    (folder / "masks").mkdir()
    for name in ("cat", "dog", "cat_mask"):
        os.symlink("../shared.png", folder / f"masks/{name}.png")
    made = make_plan(Request(("ph",), "masks", "out"))
    assert len(made.tasks) == 3 and not made.unmasked


def test_real_names(folder):
    found = places.reals(["ph/..", ".", "link/cat.png", "s3://b/./x", "none/x.png"])
    root = os.path.realpath(folder)
    assert list(found.values()) == [root, root, f"{root}/ph/cat.png", "s3://b/./x", f"{root}/none/x.png"]


@pytest.mark.parametrize("lines", ["{}", "./{}", "ph/../{}", "@{}", "other.list\n@other.list"])
def test_a_list_that_names_itself_is_reported_and_the_rest_taken(folder, lines):
    (folder / "all.lst").write_text("ph/cat.png\n" + lines.format("all.lst"))
    (folder / "other.list").write_text("ph/cat_mask.png\nall.lst\n")
    found = find(["all.lst"], [])
    assert found.pictures[0].place == "ph/cat.png"
    assert found.broken and {(os.path.basename(p), r) for p, r in found.broken} == {
        ("all.lst", "is a list that names itself")
    }


def test_a_list_may_be_named_twice(folder):
    (folder / "all.lst").write_text("part.lst\npart.lst\n")
    (folder / "part.lst").write_text("ph/cat.png\n")
    found = find(["all.lst", "part.lst"], [])
    assert [f.place for f in found.pictures] == ["ph/cat.png"] and not found.broken


def test_a_list_may_name_a_list_with_an_at(folder):
    (folder / "lists").mkdir()
    (folder / "lists" / "inner.lst").write_text("../ph/cat.png\n")
    (folder / "lists" / "outer.lst").write_text("@inner.lst\n")
    found = find(["@lists/outer.lst"], [])
    assert [os.path.basename(picture.place) for picture in found.pictures] == ["cat.png"] and not found.broken
