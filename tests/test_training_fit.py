import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import SafetensorError

from inpaint.cli import main
from inpaint.errors import OutputError
from inpaint.models import weights
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.weights import load_weights
from inpaint.training import fit
from inpaint.training.data import PhotoCache
from tests.conftest import scene


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two photos with a blot that a mask marks; without LPIPS."""
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for i in range(2):
        photo, mask = scene(160, 200, i), np.zeros((160, 200), np.uint8)
        photo[30:60, 40:90] = (255, 0, 255)
        mask[28:62, 38:92] = 255
        Image.fromarray(photo).save(tmp_path / "photos" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    return tmp_path


def run(folder, *extra):
    return main(["fit", str(folder / "photos"), "-o", str(folder / "own.safetensors"), "--threads", "1", *extra])


def test_fit_improves_on_the_material_and_writes_weights(folder, capsys, monkeypatch):
    steps = partial(fit.fit, config=replace(fit.FIT, steps=40))  # minutes would be as many as the machine is fast
    monkeypatch.setattr(fit, "fit", steps)
    assert run(folder, "-m", str(folder / "masks")) == 0
    assert "fitted to 2 photos, L1 in the hole" in capsys.readouterr().out
    _, record = load_weights(folder / "own.safetensors", "dilated")
    scores = record["validation"]
    assert scores["after"]["l1"] < scores["before"]["l1"] and record["steps"] == 40
    assert (folder / "own.md").is_file()
    assert run(folder, "--minutes", "0.01") == 1
    assert "exists already, use --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: Image.new("L", (200, 160), 255).save(f / "masks" / "1.png"), "1.png: leaves only 0% of 1.png"),
        (lambda f: Image.new("L", (100, 130), 255).save(f / "masks" / "0.png"), "0.png: the mask is 100x130"),
        (lambda f: (f / "photos" / "2.png").write_text("no"), "2.png: cannot be read or is smaller than 128 px"),
        (lambda f: (f / "photos" / "2.png").write_bytes((f / "photos" / "1.png").read_bytes()[:500]), "2.png: cannot"),
    ],
)
def test_bad_input_writes_nothing(folder, capsys, change, words):
    change(folder)
    assert run(folder, "-m", str(folder / "masks"), "--minutes", "0.05") == 1
    error = capsys.readouterr().err
    assert words in error.splitlines()[-1] and not (folder / "own.safetensors").exists()


def test_missing_masks_and_weights(folder, capsys):
    assert run(folder, "-m", str(folder / "none")) == 1
    assert "none: file not found" in capsys.readouterr().err
    assert run(folder, "--weights", str(folder / "none.safetensors")) == 1
    assert "none.safetensors: file not found" in capsys.readouterr().err


def test_masks_are_found_as_batch_finds_them(folder, capsys, monkeypatch):
    learnt = {}

    def spy(photos, masks):
        learnt.update({Path(name).name: [mask.name for mask in masks.get(name, [])] for name in photos.names})
        return known_pixels(photos, masks)

    known_pixels = fit.known_pixels
    monkeypatch.setattr(fit, "known_pixels", spy)
    (folder / "masks" / "0.png").rename(folder / "photos" / "0_mask.png")
    (folder / "masks" / "1.png").rename(folder / "photos" / "1_mask.PNG")
    Image.fromarray(scene(160, 200, 5)).save(folder / "photos" / "third.png")
    run(folder, "-m", str(folder / "photos"), "--minutes", "0.02")
    assert learnt == {"0.png": ["0_mask.png"], "1.png": ["1_mask.PNG"], "third.png": []}
    assert "2 of 3 photos have masks, which are not learnt" in capsys.readouterr().out


def test_masks_in_a_folder_of_the_photos_are_no_photos(folder, capsys):
    (folder / "masks").rename(folder / "photos" / "masks")
    run(folder, "-m", str(folder / "photos" / "masks"), "--minutes", "0.02")
    assert "2 of 2 photos have masks" in capsys.readouterr().out


def test_a_mask_over_the_stored_photo_is_turned_like_it(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo, mask = scene(160, 200), np.zeros((160, 200), np.uint8)
    mask[28:62, 38:92] = 255
    Image.fromarray(photo).save(folder / "turned.png", exif=exif)
    Image.fromarray(mask).save(folder / "stored.png")
    cache = PhotoCache([folder / "turned.png"], folder / "cache", fit.FIT.size, 1024, minimum=1)
    (known,) = fit.known_pixels(cache, {cache.names[0]: [folder / "stored.png"]})
    assert known.shape == (200, 160) and np.array_equal(known, np.rot90(mask == 0, -1))


def test_a_folder_of_masks_for_other_photos_is_refused(folder, capsys):
    for name in ("0", "1"):
        (folder / "masks" / f"{name}.png").rename(folder / "masks" / f"other{name}.png")
    assert run(folder, "-m", str(folder / "masks")) == 3
    assert "masks: no photo has a mask there" in capsys.readouterr().err


def test_nothing_is_written_over_unasked(folder, capsys):
    (folder / "own.md").write_text("mine")
    assert run(folder, "--minutes", "0.01") == 1
    assert "own.md: exists already, use --overwrite" in capsys.readouterr().err
    assert (folder / "own.md").read_text() == "mine"
    assert main(["fit", str(folder / "photos"), "-o", str(folder / "own.onnx")]) == 1
    assert "own.onnx: weights are written to a file ending in .safetensors" in capsys.readouterr().err


def test_weights_that_cannot_be_written_leave_nothing_and_say_so(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(OutputError, match=r"own\.safetensors: cannot be written \(No space left"):
        weights.save_weights(Dilated(DilatedConfig(8, 4, (1,))), "dilated", tmp_path / "own.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_learnt_from_is_refused_with_masks_too(folder, capsys, monkeypatch):
    Image.open(folder / "photos" / "1.png").save(folder / "photos" / "1.tif")
    (folder / "pack.tar").write_bytes(b"")
    words = ["-o", str(folder / "own.safetensors"), "-m", str(folder / "masks")]
    for name in ("photos/1.tif", "pack.tar"):
        assert main(["fit", str(folder / "photos" / "0.png"), str(folder / name), *words]) == 1
        assert f"error: {folder / name}: " in capsys.readouterr().err

    def closed(place):
        if str(place).endswith("inner"):
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    scandir = os.scandir
    (folder / "masks" / "inner").mkdir()
    monkeypatch.setattr("inpaint.batch.inputs.os.scandir", closed)  # root may list everything
    assert run(folder, "-m", str(folder / "masks")) == 1
    assert "inner: cannot be listed (Permission denied)" in capsys.readouterr().err
    assert not (folder / "own.safetensors").exists()
