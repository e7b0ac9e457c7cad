from dataclasses import replace

import pytest
import torch

from inpaint.cli import main
from inpaint.errors import OptionError
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.weights import load_weights, save_weights
from inpaint.training.config import PRESETS
from inpaint.training.run import build_generator, run_training
from inpaint.training.widen import widen
from tests.trainings import SMALL, same

pytest_plugins = ["tests.trainings"]

NARROW = DilatedConfig(12, 6, (1, 2, 1))
WIDE = {"channels": 20, "shallow": 10, "dilations": (1, 2, 1)}


@pytest.fixture
def narrow():
    """A network none of whose weights is 0."""
    torch.manual_seed(3)
    network = Dilated(NARROW)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


def sample():
    photo, mask = torch.rand(2, 3, 32, 48) * 2 - 1, (torch.rand(2, 1, 32, 48) > 0.6).float()
    return photo, mask, torch.rand(2, 3, 32, 48) * 2 - 1


@pytest.mark.parametrize("size", [(20, 10), (20, 6), (12, 10), (12, 6)])
def test_a_wider_network_gives_the_same_fills(narrow, size):
    wider = widen(narrow.eval(), DilatedConfig(*size, (1, 2, 1)))
    assert wider.config == DilatedConfig(*size, (1, 2, 1)) and not wider.training
    given = sample()
    torch.testing.assert_close(wider(*given), narrow(*given), rtol=1e-4, atol=1e-5)


def test_what_is_new_learns(narrow):
    """Weights that read fresh channels start at 0 and would stay there if no gradient reached them."""
    wider = widen(narrow, DilatedConfig(20, 10, (1, 2, 1)))
    assert wider.training
    optimizer = torch.optim.SGD(wider.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        wider(*sample()).pow(2).mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    wider(*sample()).pow(2).mean().backward()
    for name, weight in wider.named_parameters():
        if weight.ndim == 4 and not name.startswith("entry"):
            outside = weight.grad.clone()
            outside[:, :6] = 0  # no layer had fewer inputs
            assert outside.abs().amax(dim=(0, 2, 3)).gt(0).sum() > weight.shape[1] // 3, name


@pytest.mark.parametrize(
    ("config", "words"),
    [(DilatedConfig(8, 6, (1, 2, 1)), "12 and 6 channels cannot be widened to 8 and 6"),
     (DilatedConfig(20, 4, (1, 2, 1)), "12 and 6 channels cannot be widened to 20 and 4"),
     (DilatedConfig(20, 10, (1, 2)), "only channels and shallow may differ"),
     (DilatedConfig(20, 10, (1, 2, 1), "context"), "only channels and shallow may differ")],
)  # fmt: skip
def test_other_networks_are_refused(narrow, config, words):
    with pytest.raises(OptionError, match=words):
        widen(narrow, config)


def test_a_run_starts_from_a_narrower_network(folder, narrow, monkeypatch, capsys):
    config = replace(SMALL, network_config=WIDE, perceptual=0, steps=2, learning_rate=1e-9)
    monkeypatch.setitem(PRESETS, "smoke", config)
    file = folder / "narrow.safetensors"
    save_weights(narrow, "dilated", file, {})
    words = ["train", "--preset", "smoke", "--photos", folder / "photos", "--device", "cpu", "--steps", "1"]
    assert main([*map(str, [*words, "--output", folder / "run", "--init", file, "--widen"])]) == 0
    wide = load_weights(folder / "run" / "last.safetensors")[0]
    assert wide.config == DilatedConfig(**WIDE)
    given = sample()
    torch.testing.assert_close(wide(*given), load_weights(file)[0](*given), rtol=0.02, atol=0.02)  # float16 in the file
    assert main([*map(str, [*words, "--output", folder / "other", "--widen"])]) == 2
    assert "--widen needs a trained network to widen: give --init WEIGHTS" in capsys.readouterr().err
    monkeypatch.setitem(PRESETS, "smoke", replace(config, network_config={**WIDE, "channels": 8}))
    assert main([*map(str, [*words, "--output", folder / "other", "--init", file, "--widen"])]) == 2
    assert f"{file}: 12 and 6 channels cannot be widened to 8 and 10" in capsys.readouterr().err
    assert not (folder / "other").exists()


def test_only_the_dilated_network_is_widened(tmp_path):
    config = replace(SMALL, network="glcic", network_config={})
    save_weights(build_generator(config, None), "glcic", tmp_path / "glcic.safetensors", {})
    with pytest.raises(OptionError, match=r"glcic\.safetensors: holds the network glcic, only dilated can be widened"):
        build_generator(config, tmp_path / "glcic.safetensors", wider=True)


def test_a_run_from_a_file_of_another_size_goes_on(folder, narrow):
    config = replace(SMALL, network_config=WIDE, perceptual=0, steps=1)
    save_weights(narrow, "dilated", folder / "narrow.safetensors", {})
    photos, output = [folder / "photos"], folder / "run"
    first = run_training(photos, output, config, device="cpu", init=folder / "narrow.safetensors")
    assert first.generator.config == NARROW
    again = run_training(photos, output, replace(config, steps=1), device="cpu", resume=True)
    assert again.step == 1 and same(first.averaged, again.averaged)
    assert run_training(photos, output, replace(config, steps=2), device="cpu", resume=True).step == 2
