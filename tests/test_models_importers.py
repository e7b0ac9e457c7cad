"""Published checkpoints: the reference outputs of two ports, and every refusal.

The reference outputs lie beside the project in ../shared/golden, or where INPAINT_GOLDEN says; without them those
tests are skipped.
"""

import importlib.util
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inpaint.errors import OptionError, WeightsError
from inpaint.models import build_network, load_network
from inpaint.models.deepfill_v2 import DeepFillV2Config
from inpaint.models.importers import load_checkpoint
from inpaint.models.ports import PORTS
from inpaint.models.weights import load_weights, save_weights

GOLDEN = Path(os.environ.get("INPAINT_GOLDEN", Path(__file__).parents[2] / "shared" / "golden"))
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="no reference outputs: set INPAINT_GOLDEN")


def golden(file):
    """The file's arrays as tensors, and the checkpoint that its reference was run with."""
    spec = importlib.util.spec_from_file_location("golden", GOLDEN / "golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arrays = dict(np.load(GOLDEN / file))
    weights = module.state_dict(arrays["keys"], arrays["shapes"], int(arrays.get("salt", 0)))
    tensors = {k: torch.from_numpy(v) for k, v in arrays.items() if k.startswith(("in_", "out_"))}
    return tensors, {k: torch.from_numpy(np.array(v)) for k, v in weights.items()}


def published(port_index, seed=0):
    """A state dict as a port would save it, with random values."""
    port = PORTS[port_index]
    generator = torch.Generator().manual_seed(seed)
    ours = build_network(port.name, port.config).state_dict()
    keys = port.keys()
    return {
        keys[key]: torch.rand(value.shape, generator=generator) * 0.1 if value.is_floating_point() else value
        for key, value in ours.items()
    }


@needs_golden
def test_deepfill_v2_gives_the_reference_outputs(tmp_path):
    data, state = golden("deepfillv2_pytorch.npz")
    torch.save({"G": state}, tmp_path / "states_pt.pth")
    network = load_network("deepfill-v2", tmp_path / "states_pt.pth")
    mask = data["in_mask"]
    photo = torch.where(mask > 0, 0.7, data["in_x"][:, :3])
    with torch.no_grad():
        coarse, refined = network.stages(photo, mask)
        assert (network(photo, mask) - data["out_refined"]).abs().max() < 1e-4
    assert (coarse - data["out_coarse"]).abs().max() < 1e-4
    assert (refined - data["out_refined"]).abs().max() < 1e-4


@needs_golden
def test_glcic_gives_the_reference_output(tmp_path):
    data, state = golden("glcic_pytorch.npz")
    torch.save(state, tmp_path / "model_cn")
    network = load_network("glcic", tmp_path / "model_cn", hole_value=0.45)
    photo, mask = data["in_x"][:, :3] * 2 - 1, data["in_x"][:, 3:]
    with torch.no_grad():
        output = network(torch.where(mask > 0, -0.3, photo), mask)
    assert ((output + 1) / 2 - data["out_y"]).abs().max() < 1e-4


@needs_golden
@pytest.mark.parametrize(("file", "index"), [("deepfillv2_pytorch.npz", 0), ("glcic_pytorch.npz", 3)])
def test_keys_and_shapes_are_the_ports(file, index):
    arrays = np.load(GOLDEN / file)
    ours = {key: ",".join(map(str, value.shape)) for key, value in published(index).items()}
    assert ours == dict(zip(map(str, arrays["keys"]), map(str, arrays["shapes"]), strict=True))


@pytest.mark.parametrize("index", range(len(PORTS)), ids=lambda i: PORTS[i].source)
def test_every_form_round_trips(tmp_path, index):
    port, state = PORTS[index], published(index)
    torch.save(state, tmp_path / "net.pth")
    network, found = load_checkpoint(tmp_path / "net.pth", port.name)
    keys = port.keys()
    assert found is port and not network.training
    assert all(torch.equal(value, state[keys[key]]) for key, value in network.state_dict().items())


def test_names_of_the_converted_official_weights():
    keys = PORTS[2].keys()
    assert keys["coarse.3.conv.weight"] == "conv4_downsample.conv.weight"
    assert keys["coarse.12.conv.bias"] == "conv13_upsample.conv.conv.bias"
    assert keys["dilated_branch.9.conv.weight"] == "xconv10_atrous.conv.weight"
    assert keys["attention_branch.5.conv.weight"] == "pmconv6.conv.weight"
    assert keys["attended.0.conv.weight"] == "pmconv9.conv.weight"
    assert keys["merged.6.conv.weight"] == "allconv17.conv.weight"
    assert len(keys) == 84  # no fusion kernel
    assert PORTS[2].config == DeepFillV2Config(tensorflow=True)


@pytest.mark.parametrize("wrap", [
    lambda s: s, lambda s: {"G": s, "D": {"conv1.weight": torch.zeros(1)}}, lambda s: {"epoch": 3, "state_dict": s},
    lambda s: {f"module.{k}": v for k, v in s.items()}, lambda s: {"model": {f"netG.{k}": v for k, v in s.items()}},
    lambda s: {f"generator.{k}": v for k, v in s.items()} | {"discriminator.conv1.weight": torch.zeros(1)},
    lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
])  # fmt: skip
def test_whatever_the_wrapper(tmp_path, wrap):
    state = published(3)
    torch.save(wrap(state), tmp_path / "net.pth")
    network = load_network("glcic", tmp_path / "net.pth")
    weight = network.state_dict()["encoder.0.conv.weight"]
    assert weight.dtype == torch.float32 and torch.allclose(weight, state["conv1.weight"], atol=1e-4)


def test_old_file_format_and_safetensors(tmp_path):
    state = published(3)
    torch.save(state, tmp_path / "model_cn", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "net.safetensors")
    for file in ("model_cn", "net.safetensors"):
        assert torch.equal(load_network("glcic", tmp_path / file).exit.bias, state["conv17.bias"])


def test_hole_value_belongs_to_glcic(tmp_path):
    torch.save(published(3), tmp_path / "net.pth")
    assert load_network("glcic", tmp_path / "net.pth", hole_value=0.45).config.hole_value == (0.45, 0.45, 0.45)
    network = load_network("glcic", tmp_path / "net.pth", hole_value=(0.1, 0.2, 0.3))
    save_weights(network, "glcic", tmp_path / "own.safetensors", {}, torch.float32)
    again, _ = load_weights(tmp_path / "own.safetensors")
    assert again.config.hole_value == (0.1, 0.2, 0.3)
    photo, mask = torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(photo, mask), again(photo, mask))
    with pytest.raises(OptionError, match="holds what it puts into the hole already"):
        load_network("glcic", tmp_path / "own.safetensors", hole_value=0.5)
    with pytest.raises(OptionError, match=r"three numbers in \[0, 1\], got \(7, 7, 7\)"):
        load_network("glcic", tmp_path / "net.pth", hole_value=7)
    torch.save(published(0), tmp_path / "df.pth")
    with pytest.raises(OptionError, match=r"hole_value does not apply to deepfill-v2, got 0\.5"):
        load_network("deepfill-v2", tmp_path / "df.pth", hole_value=0.5)


def test_bad_checkpoints_are_refused_in_one_sentence(tmp_path):
    good, file = published(3), tmp_path / "net.pth"

    def refused(words, contents, name="glcic"):
        torch.save(contents, file)
        with pytest.raises(WeightsError, match=words) as caught:
            load_network(name, file)
        assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)

    less = {key: value for key, value in good.items() if key != "conv7.bias"}
    refused("does not fit glcic, bottleneck.0.conv.bias is missing", less)
    refused("does not fit glcic, zebra is unknown", good | {"zebra": torch.zeros(1)})
    refused(r"encoder.0.conv.weight has shape \(64, 3, 5, 5\) instead of \(64, 4, 5, 5\)",
            good | {"conv1.weight": torch.zeros(64, 3, 5, 5)})  # fmt: skip
    refused("holds values that are not finite, in exit.bias", good | {"conv17.bias": torch.full((3,), torch.nan)})
    refused("holds weights of glcic, expected deepfill-v2", good, "deepfill-v2")
    refused("is a checkpoint of no known network, its first tensor is layer1.weight", {"layer1.weight": torch.zeros(2)})
    refused("is a checkpoint of no known network, it holds no named tensors", {"epoch": 3})
    refused("is a checkpoint of no known network, it holds no named tensors", torch.zeros(3))
    with pytest.raises(WeightsError, match=r"none\.pth: file not found"):
        load_network("glcic", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="file not found"):
        load_network("glcic", tmp_path)
    with pytest.raises(OptionError, match="got 'zebra'"):
        load_network("zebra", file)


@pytest.mark.parametrize("contents", [b"", b"hello", b"PK\x03\x04broken", b"\x80\x02}q\x00."])
def test_files_that_are_no_checkpoints(tmp_path, contents):
    file = tmp_path / "net.pth"
    file.write_bytes(contents)
    with pytest.raises(WeightsError, match=r"net\.pth: (is not a whole|does not hold)"):
        load_network("glcic", file)


def test_cut_checkpoints(tmp_path):
    torch.save(published(3), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for length in (len(whole) // 2, len(whole) - 7, 100):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.pth: is not"):
            load_network("glcic", tmp_path / "cut.pth")


class Trap:
    """Pickles into a call that would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "old torch", "pickle"])
def test_nothing_of_an_untrusted_pickle_is_run(tmp_path, how):
    trap, file = Trap(tmp_path / "sprung"), tmp_path / "net.pth"
    contents = published(3) | {"extra": trap}
    if how == "pickle":
        file.write_bytes(pickle.dumps(contents["extra"]))
    else:
        torch.save(contents, file, _use_new_zipfile_serialization=how == "torch")
    what = "it is another kind of pickle" if how == "pickle" else r"it asks for posix\.mkdir"
    with pytest.raises(WeightsError, match=f"does not hold weights alone, {what}; nothing of it was run"):
        load_network("glcic", file)
    assert not (tmp_path / "sprung").exists()
