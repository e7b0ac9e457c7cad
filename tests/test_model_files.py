"""`--model FILE` everywhere that a model is named: batch, marks, recipes."""

import json

import pytest
import torch

from inpaint.cli import main
from inpaint.errors import OptionError, WeightsError
from inpaint.fill_file import weights_hash
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.weights import save_weights
from inpaint.photo.provenance import read_recipe, sha256_of
from tests.batches import batch, folders


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    save_weights(Dilated(DilatedConfig(16, 8, (1, 2))), "dilated", tmp_path / "mine.safetensors", {})
    return tmp_path / "mine.safetensors"


def test_a_batch_with_a_model_of_ones_own(tmp_path, model, capsys):
    folders(tmp_path, 2)
    assert batch(tmp_path, "--model", str(model), engine="network") == 0
    assert "2 photos: 2 done, 0 failed" in capsys.readouterr().out
    assert batch(tmp_path, "--model", str(tmp_path / "none.onnx"), output="other") == 1
    assert "none.onnx: cannot be read (No such file" in capsys.readouterr().err
    assert batch(tmp_path, "--model", "nothing", output="other") == 2
    assert "model must be one of dilated" in capsys.readouterr().err


def test_a_marked_fill_with_a_model_of_ones_own_is_made_again(tmp_path, model, capsys):
    folders(tmp_path, 1)
    photo, mask = tmp_path / "photos" / "a" / "photo00.png", tmp_path / "masks" / "a" / "photo00.png"
    output, recipe = tmp_path / "out.png", tmp_path / "out.png.inpaint.json"
    words = ["fill", str(photo), str(mask), "-o", str(output), "--model", str(model), "--engine", "network", "--mark"]
    assert main(words) == 0
    assert read_recipe(recipe).weights_sha256 == sha256_of(model)
    assert main(["fill", "--recipe", str(recipe), "-o", str(tmp_path / "again.png")]) == 0
    moved = model.rename(tmp_path / "elsewhere.safetensors")
    named = ["--recipe", str(recipe), "--weights", str(moved), "-o", str(tmp_path / "third.png")]
    assert main(["fill", *named]) == 0
    assert output.read_bytes() == (tmp_path / "again.png").read_bytes() == (tmp_path / "third.png").read_bytes()
    values = json.loads(recipe.read_text())
    recipe.write_text(json.dumps({**values, "weights_sha256": "0"}))
    capsys.readouterr()
    assert main(["fill", *named[:-1], str(tmp_path / "fourth.png")]) == 1
    assert "was made with other weights" in capsys.readouterr().err and not (tmp_path / "fourth.png").exists()


def test_a_recipe_finds_the_weights_that_lie_beside_it(tmp_path, model, capsys, monkeypatch):
    folders(tmp_path, 1)
    photo, mask = tmp_path / "photos" / "a" / "photo00.png", tmp_path / "masks" / "a" / "photo00.png"
    monkeypatch.chdir(tmp_path)
    words = ["fill", str(photo), str(mask), "-o", "out.png", "--model", model.name, "--engine", "network", "--mark"]
    assert main(words) == 0
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    again = ["fill", "--recipe", str(tmp_path / "out.png.inpaint.json"), "--overwrite", "-o"]
    assert main([*again, "again.png"]) == 0
    (tmp_path / "cwd" / model.name).write_bytes(b"other")  # of two files the one with the hash
    assert main([*again, "again.png"]) == 0
    recipe = tmp_path / "out.png.inpaint.json"
    values = json.loads(recipe.read_text())
    recipe.write_text(json.dumps({**values, "model": "/gone/mine.safetensors"}))
    assert main([*again, "again.png"]) == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "cwd" / "again.png").read_bytes()
    named = [*again[:-1], "--weights", "none.safetensors", "-o", "third.png"]
    model.unlink()
    capsys.readouterr()
    for words, code, sentence in (
        ([*again, "third.png"], 1, "its weights '/gone/mine.safetensors' are not there, name them with --weights"),
        (named, 1, "none.safetensors: cannot be read"),
    ):
        assert main(words) == code and sentence in capsys.readouterr().err
    for strange in ("lama", "\ud800", "a" * 300):
        recipe.write_text(json.dumps({**values, "model": strange}))
        assert main([*again, "third.png"]) == 2 and "model must be one of dilated" in capsys.readouterr().err
    recipe.write_text(json.dumps({**values, "model": "\ud800" * 300 + ".onnx"}))
    assert main([*again, "third.png"]) == 1 and "are not there" in capsys.readouterr().err


def test_what_a_model_stands_for(model):
    assert weights_hash(str(model), None) == sha256_of(model) == weights_hash("dilated", model)
    with pytest.raises(OptionError, match="as a model it holds its own weights"):
        weights_hash(str(model), model)
    with pytest.raises(WeightsError, match="no weights are shipped"):
        weights_hash("glcic", None)
