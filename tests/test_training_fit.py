from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.models.weights import load_weights
from inpaint.training import fit
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
