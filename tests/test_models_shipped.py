"""Weights under names of their own, beside a network's default ones."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inpaint import FillOptions, Inpainter
from inpaint.cli import main
from inpaint.errors import OptionError, WeightsError
from inpaint.models import load_network
from inpaint.models.dilated import Dilated
from inpaint.models.registry import NETWORKS
from inpaint.models.weights import save_weights, shipped_weights, spec_of
from inpaint.web.models_tab import card_text
from inpaint.web.networks import Networks
from inpaint.web.worker_process import describe
from tests.conftest import scene
from tests.test_models_papers import SMALL


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project's folder with weights of `dilated` and, under a name of their own, others of it."""
    (tmp_path / "weights").mkdir()
    for seed, name in enumerate(("dilated", "gardens")):
        torch.manual_seed(seed)
        save_weights(Dilated(SMALL["dilated"]), "dilated", tmp_path / f"weights/{name}.safetensors", {})
    monkeypatch.setattr("inpaint.models.weights.resources.files", lambda package: tmp_path / "inpaint")
    return tmp_path / "weights"


def test_they_are_found_by_their_name(folder):
    assert shipped_weights() == {name: folder / f"{name}.safetensors" for name in ("dilated", "gardens")}
    assert spec_of("gardens") is spec_of("dilated") is NETWORKS["dilated"]
    gardens, usual = load_network("gardens"), load_network("dilated")
    assert gardens.config == usual.config and not torch.equal(gardens.exit.weight, usual.exit.weight)
    mask = np.zeros((48, 64), bool)
    mask[10:30, 20:40] = True
    options = FillOptions(engine="network")
    fills = [Inpainter.load(*of).fill(scene(48, 64), mask, options).photo for of in (
        ("gardens",), ("dilated", folder / "gardens.safetensors"), ("dilated",),
    )]  # fmt: skip
    assert np.array_equal(fills[0], fills[1]) and not np.array_equal(fills[0], fills[2])


def test_what_is_wrong_is_said(folder):
    with pytest.raises(OptionError, match=r"gardens stands for weights already, so x\.safetensors cannot be given too"):
        load_network("gardens", "x.safetensors")
    with pytest.raises(OptionError, match=r"model must be one of dilated, .*, gardens, or a file ending in"):
        load_network("garden")
    save_file({"a": torch.zeros(1)}, folder / "odd.safetensors")
    with pytest.raises(WeightsError, match=r"odd\.safetensors: does not say which network it belongs to"):
        spec_of("odd")


def test_they_are_listed_and_verified(folder, capsys):
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == [*NETWORKS, "gardens"] and rows["gardens"]["weights"] == str(folder / "gardens.safetensors")
    assert rows["gardens"]["parameters"] == rows["dilated"]["parameters"] < 1e5
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out.splitlines() == ["dilated: whole, and fills", "gardens: whole, and fills"]
    assert main(["receptive-field", "gardens"]) == 0
    assert "weights of gardens" in capsys.readouterr().out


def test_the_page_shows_each_its_own_card(folder):
    (folder / "README.md").write_text("card of dilated")
    assert card_text("dilated", None) == "card of dilated" and "gardens.safetensors" in card_text("gardens", None)
    (folder / "gardens.md").write_text("card of gardens")
    assert card_text("gardens", None) == "card of gardens"
    assert "other.onnx" in card_text("other.onnx", None) and "own" in card_text("gardens", folder / "own")
    about = describe(Networks({"gardens": None, "dilated": None, "other.onnx": None}))
    paper = NETWORKS["dilated"].paper
    assert [row["paper"] for row in about] == [paper, paper, ""] and about[0]["default"]


@pytest.mark.parametrize("name", ["dilated", "dilated-permissive"])
def test_a_card_on_the_page_names_its_pictures(name):
    """The page does not serve them: they would be broken images."""
    card = card_text(name, None)
    assert "![" not in card and "docs/failures" in card and "(`docs/models/validation" in card
