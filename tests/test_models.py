import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from inpaint.errors import OptionError, WeightsError
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.layers import SizeRule, pad_to_rule
from inpaint.models.weights import default_weights, load_weights, save_weights

SMALL = DilatedConfig(channels=16, shallow=8, dilations=(1, 2))


@pytest.mark.parametrize("size", [(16, 16), (32, 20), (64, 128)])
def test_output_has_the_input_size(size):
    photo, mask = torch.rand(2, 3, *size) * 2 - 1, (torch.rand(2, 1, *size) > 0.5).float()
    for guide in (None, torch.zeros_like(photo)):
        assert Dilated(SMALL)(photo, mask, guide).shape == photo.shape


def test_hole_content_is_ignored():
    network = Dilated(SMALL).eval()
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    photo = torch.rand(1, 3, 32, 32)
    assert torch.equal(network(photo, mask), network(photo * (1 - mask) - 0.7 * mask, mask))


def test_receptive_field_is_what_gradients_say():
    network = Dilated(DilatedConfig(channels=8, shallow=8, dilations=(1, 2, 4))).double()
    torch.nn.init.normal_(network.exit.weight)
    photo = torch.rand(1, 3, 256, 256, dtype=torch.double, requires_grad=True)
    mask = torch.zeros(1, 1, 256, 256, dtype=torch.double)
    network(photo, mask)[0, :, 128, 128].sum().backward()
    reached = (photo.grad[0].abs().sum(0).sum(0) > 0).nonzero()
    span = int(reached.max() - reached.min()) + 1
    assert network.receptive_field - 8 <= span <= network.receptive_field


def test_guided_samples_in_a_batch_are_independent():
    network = Dilated(SMALL).eval()
    torch.nn.init.normal_(network.exit.weight)
    photo, mask, guide = torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16), torch.rand(2, 3, 16, 16)
    mixed = network(photo, mask, guide, torch.tensor([0.0, 1.0]).view(2, 1, 1, 1))
    assert torch.allclose(mixed[:1], network(photo[:1], mask[:1]), atol=1e-5)
    assert torch.allclose(mixed[1:], network(photo[1:], mask[1:], guide[1:]), atol=1e-5)


def test_config_is_checked():
    with pytest.raises(OptionError, match="got 0 and 32"):
        DilatedConfig(channels=0)
    with pytest.raises(OptionError, match="dilations must be positive"):
        DilatedConfig(dilations=(1, 0))


def test_padding_obeys_the_rule():
    x = torch.rand(1, 3, 13, 18)
    padded = pad_to_rule(x, SizeRule(multiple_of=4, minimum=16))
    assert padded.shape == (1, 3, 16, 20) and torch.equal(padded[..., :13, :18], x)


def test_weights_round_trip(tmp_path):
    network = Dilated(SMALL)
    save_weights(network, "dilated", tmp_path / "w.safetensors", {"steps": 3})
    again, training = load_weights(tmp_path / "w.safetensors", "dilated")
    assert training == {"steps": 3} and again.config == SMALL and not again.training
    for key, value in network.state_dict().items():
        assert torch.equal(value.half().float(), again.state_dict()[key])


def test_shipped_weights_say_what_they_are():
    network, training = load_weights(default_weights("dilated"), "dilated")
    assert network.receptive_field == Dilated().receptive_field
    assert training["steps"] > 0 and training["images"] > 0 and training["data"]


def test_wrong_weights_are_refused(tmp_path):
    file, good = tmp_path / "w.safetensors", tmp_path / "good.safetensors"
    save_weights(Dilated(SMALL), "dilated", good, {})
    tensors = load_file(good)
    header = {"architecture": "dilated", "config": json.dumps({"channels": 16, "shallow": 8, "dilations": [1, 2]})}
    header |= {"training": "{}", "sha256": "0"}

    def refused(words, contents=tensors, **changes):
        save_file(contents, file, metadata=header | changes)
        with pytest.raises(WeightsError, match=words) as caught:
            load_weights(file, "dilated")
        assert str(file) in str(caught.value)

    refused("is damaged, its checksum")
    refused("down.conv.bias is missing", {k: v for k, v in tensors.items() if k != "down.conv.bias"})
    refused("zebra is unknown", tensors | {"zebra": torch.zeros(1)})
    refused(r"up.bias has shape \(2,\) instead of \(32,\)", tensors | {"up.bias": torch.zeros(2)})
    refused("names the architecture 'other'", architecture="other")
    refused("does not describe a dilated network", config='{"depth": 3}')
    with pytest.raises(WeightsError, match="file not found"):
        load_weights(tmp_path / "none")
    file.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        load_weights(file)
    damaged = bytearray(good.read_bytes())
    damaged[-50] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(WeightsError, match="is damaged"):
        load_weights(file)
    with pytest.raises(WeightsError, match="no weights are shipped"):
        default_weights("zebra")
