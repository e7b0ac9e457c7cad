"""What an evaluation reads and what it takes from an earlier run."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.errors import OptionError
from inpaint.evaluation.cases import open_photo, refuse_same_stems
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
