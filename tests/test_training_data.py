import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.errors import OptionError, OutputError, PhotoError
from inpaint.training.batches import HostBatches
from inpaint.training.config import PRESETS
from inpaint.training.data import PhotoCache, cut_square, draw_square
from inpaint.training.run import run_training
from tests.conftest import scene


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for i, suffix in enumerate(["png", "jpg", "webp"] * 6):
        options = {"lossless": True} if suffix == "webp" else {}
        Image.fromarray(scene(70, 90, i)).save(tmp_path / "photos" / f"{i:02}.{suffix}", **options)
    return tmp_path


def test_cache_reads_back_the_photos_and_lists_the_broken(folder):
    (folder / "photos" / "broken.png").write_text("no")
    Image.fromarray(scene(40, 90)).save(folder / "photos" / "small.png")
    whole = (folder / "photos" / "00.png").read_bytes()
    (folder / "photos" / "short.png").write_bytes(whole[: len(whole) // 2])
    photos = PhotoCache([folder / "photos"], folder / "cache", smallest=64)
    assert len(photos) == 18 and [s.split("/")[-1] for s in photos.skipped] == ["broken.png", "short.png", "small.png"]
    assert np.array_equal(photos.photo(3), scene(70, 90, 3)) and photos.names[3].endswith("03.png")
    assert np.array_equal(photos.photo(2), scene(70, 90, 2))


def test_tars_and_single_photos_are_sources_too(folder):
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for path in sorted((folder / "photos").iterdir())[:10]:
            tar.add(path, path.name)
        tar.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    singles = sorted((folder / "photos").iterdir())[10:]
    photos = PhotoCache([folder / "shard.tar", *singles], folder / "cache", smallest=64)
    assert len(photos) == 18 and photos.names[0].endswith("shard.tar:00.png")
    (folder / "torn.tar").write_bytes((folder / "shard.tar").read_bytes()[:300])
    with pytest.raises(PhotoError, match=r"torn\.tar: is not a whole tar file"):
        PhotoCache([folder / "torn.tar"], folder / "other", smallest=64)


def test_the_map_is_reused_rebuilt_on_change_and_verified(folder):
    def build():
        return PhotoCache([folder / "photos"], folder / "cache", smallest=64)

    build()
    pixels = folder / "cache" / "photos.u8"
    first = pixels.stat().st_ino
    build()
    assert pixels.stat().st_ino == first
    damaged = bytearray(pixels.read_bytes())
    damaged[1000] ^= 1
    pixels.write_bytes(damaged)
    assert np.array_equal(build().photo(0), scene(70, 90, 0)) and pixels.read_bytes() != damaged
    Image.fromarray(scene(80, 80, 99)).save(folder / "photos" / "00.png")
    assert np.array_equal(build().photo(0), scene(80, 80, 99))


def test_too_few_photos(tmp_path):
    Image.fromarray(scene(200, 200)).save(tmp_path / "a.png")
    with pytest.raises(PhotoError, match="only 1 usable photos, need at least 16"):
        PhotoCache([tmp_path], tmp_path / "cache")
    with pytest.raises(PhotoError, match=r"missing: is neither a folder, a photo, nor a \.tar"):
        PhotoCache([tmp_path / "missing"], tmp_path / "other")


def test_a_list_names_photos_by_their_file_names(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in "abc":
        Image.fromarray(scene(70, 90)).save(tmp_path / "photos" / f"{name}.png")
    photos = PhotoCache([tmp_path / "photos"], tmp_path / "cache", smallest=64, minimum=1)
    names = tmp_path / "names.txt"
    names.write_text("c.png\nelsewhere.png\na.png\n")
    assert [photos.names[i].rpartition("/")[2] for i in sorted(photos.listed(names))] == ["a.png", "c.png"]
    assert capsys.readouterr().err.endswith(f"note: {names}: 1 of its 3 names are of no photo here, elsewhere.png\n")
    names.write_text("a\n")
    with pytest.raises(OptionError, match=r"names\.txt: names none of the photos"):
        photos.listed(names)
    with pytest.raises(OptionError, match=r"none\.txt: cannot be read \(No such file"):
        photos.listed(tmp_path / "none.txt")


def test_rotated_photos_are_decoded_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(70, 90)).save(tmp_path / "a.png", exif=exif)
    assert PhotoCache([tmp_path / "a.png"], tmp_path / "cache", smallest=64, minimum=1).shapes == [(90, 70)]


def test_greyscale_photos_of_sixteen_bits_keep_their_shades(tmp_path):
    grey = scene(70, 90)[..., 1]
    low = np.random.default_rng(0).integers(0, 256, grey.shape, np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey.astype(np.uint16) * 256 + low).save(tmp_path / "a.png", exif=exif)
    photos = PhotoCache([tmp_path / "a.png"], tmp_path / "cache", smallest=64, minimum=1)
    assert np.array_equal(photos.photo(0), np.repeat(np.rot90(grey, -1)[..., None], 3, axis=2))


def test_squares_lie_inside_and_cover_all_scales():
    rng = np.random.default_rng(0)
    squares = [draw_square(rng, (100, 200), 32) for _ in range(400)]
    assert all(t >= 0 and left >= 0 and t + s <= 100 and left + s <= 200 for t, left, s in squares)
    sides = np.array([s for _, _, s in squares])
    assert sides.min() == 32 and sides.max() == 100 and 0.4 < (sides < np.sqrt(32 * 100)).mean() < 0.6
    photo = scene(100, 200)
    assert np.array_equal(cut_square(photo, (3, 5, 32), 32, True), photo[3:35, 5:37][:, ::-1])


def test_a_run_learns_from_the_listed_photos_alone_and_goes_on_so(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    for i in range(20):
        Image.fromarray(scene(70, 90, i)).save(tmp_path / "photos" / f"{i:02}.png")
    names, output = tmp_path / "names.txt", tmp_path / "run"
    names.write_text("".join(f"{i:02}.png\n" for i in range(1, 4)))
    drawn = []
    monkeypatch.setattr(
        "inpaint.training.run.HostBatches", lambda photos, config, indices, *a, **k: drawn.append(indices) or
        HostBatches(photos, config, indices, *a, **k),
    )  # fmt: skip
    config = replace(PRESETS["smoke"], steps=1, validate_steps=0)
    assert run_training([tmp_path / "photos"], output, config, device="cpu", only=names).step == 1
    names.unlink()
    run_training([tmp_path / "photos"], output, replace(config, steps=2), device="cpu", resume=True)
    assert drawn == [[1, 2, 3]] * 2 and "3 photos" in (output / "last.md").read_text()
    with pytest.raises(OutputError, match=r"names\.txt: cannot be copied to .*only\.txt \(No such file"):
        run_training([tmp_path / "photos"], tmp_path / "other", config, device="cpu", only=names)


def test_minutes_count_before_the_steps_of_a_preset(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("inpaint.training.run.run_training", lambda photos, output, config, *rest: asked.append(config))
    for length in ([], ["--minutes", "3"], ["--steps", "7"]):
        with pytest.raises(AttributeError):  # nothing was trained
            main(["train", "--photos", "x", "--output", str(tmp_path), "--preset", "dilated-long", *length])
    assert [(c.steps, c.minutes) for c in asked] == [(22_000, 60), (None, 3.0), (7, 60)]


def test_a_list_of_nothing_but_held_out_photos_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(20):
        Image.fromarray(scene(70, 90, i)).save(tmp_path / "photos" / f"{i:02}.png")
    (tmp_path / "names.txt").write_text("00.png\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inpaint.training.run.held_out", lambda count: [0])
        with pytest.raises(OptionError, match=r"only\.txt: names no photo but such as are held out of training"):
            run_training(
                [tmp_path / "photos"], tmp_path / "run", PRESETS["smoke"], device="cpu", only=tmp_path / "names.txt"
            )
