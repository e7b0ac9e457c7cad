"""Networks that come as programs: real small TorchScript and ONNX files of each published form, and every refusal."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from inpaint import FillOptions, Inpainter
from inpaint.cli import main
from inpaint.errors import OptionError, WeightsError
from inpaint.models import build_network, load_network
from inpaint.models.deepfill_v2 import DeepFillV2Config
from inpaint.models.dilated import DilatedConfig
from inpaint.models.glcic import GLCICConfig
from inpaint.models.weights import save_weights
from tests.conftest import scene

onnx = pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")
from onnx import TensorProto, helper  # noqa: E402

SIZE = ["batch", "height", "width"]


class LaMaLike(nn.Module):
    """LaMa's contract: image [0, 1], mask 1 = hole, composited output; paints the hole with a blur."""

    def forward(self, image, mask):
        known = image * (1 - mask)
        assert image.shape[2] % 8 == 0 and image.shape[3] % 8 == 0
        blur = F.avg_pool2d(known, 33, 1, 16) / F.avg_pool2d(1 - mask, 33, 1, 16).clamp(min=1e-3)
        return known + blur * mask


@pytest.fixture(scope="module")
def lama(tmp_path_factory):
    file = tmp_path_factory.mktemp("lama") / "tiny-lama.pt"
    torch.jit.script(LaMaLike()).save(str(file))
    return file


def onnx_file(path, nodes, inputs, output, **metadata):
    """An ONNX file of these nodes; `inputs` and `output` are (name, type, channels[, height, width])."""
    def value(name, kind, channels, *size):
        return helper.make_tensor_value_info(name, kind, ["batch", channels, *(size or SIZE[1:])])

    graph = helper.make_graph(nodes, "tiny", [value(*i) for i in inputs], [value(*output)], CONSTANTS)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


CONSTANTS = [
    helper.make_tensor("white", TensorProto.FLOAT, [], [255.0]),
    helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
    helper.make_tensor("red", TensorProto.FLOAT, [1, 3, 1, 1], [200.0, 10.0, 20.0]),
]
RED = np.array([200, 10, 20])


def migan_like(path):
    """MI-GAN's contract: uint8 in and out, mask 255 = known, composited; paints the hole red."""
    nodes = [
        helper.make_node("Cast", ["image"], ["photo"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mask"], ["white_known"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["white_known", "white"], ["known"]),
        helper.make_node("Sub", ["one", "known"], ["hole"]),
        helper.make_node("Mul", ["photo", "known"], ["kept"]), helper.make_node("Mul", ["red", "hole"], ["painted"]),
        helper.make_node("Add", ["kept", "painted"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["result"], to=TensorProto.UINT8),
    ]  # fmt: skip
    image, mask = ("image", TensorProto.UINT8, 3), ("mask", TensorProto.UINT8, 1)
    return onnx_file(path, nodes, [mask, image], ("result", TensorProto.UINT8, 3))


def lama_like_onnx(path, white=False):
    """LaMa's contract in ONNX: keeps what is known, leaves the hole black; output in [0, 1] or [0, 255]."""
    nodes = [helper.make_node("Sub", ["one", "mask"], ["known"]), helper.make_node("Mul", ["image", "known"], ["kept"])]
    nodes.append(helper.make_node("Mul", ["kept", "white" if white else "one"], ["output"]))
    image, mask = ("image", TensorProto.FLOAT, 3), ("mask", TensorProto.FLOAT, 1)
    return onnx_file(path, nodes, [image, mask], ("output", TensorProto.FLOAT, 3))


def sample(height, width):
    torch.manual_seed(0)
    mask = torch.zeros(1, 1, height, width)
    mask[..., 10:30, 20:40] = 1
    return torch.rand(1, 3, height, width) * 2 - 1, mask


def test_torchscript_keeps_the_contract(lama):
    network = load_network(lama)
    photo, mask = sample(100, 75)
    with torch.no_grad():
        fill = network(photo, mask)
        assert torch.equal(fill, network(torch.where(mask > 0, 55.0, photo), mask))
        assert torch.equal(network.stages(photo, mask)[0], fill)
    known = mask.expand_as(photo) == 0
    assert fill.shape == photo.shape and torch.allclose(fill[known], photo[known], atol=1e-6)
    inside = fill[:, :, 12:28, 22:38]
    assert inside.abs().max() < 0.5 and inside.std() > 0  # a mean of noise, not the noise
    assert network.receptive_field is None and not network.takes_guide


def test_uint8_onnx_keeps_the_contract(tmp_path):
    network = load_network(migan_like(tmp_path / "tiny-migan.onnx"))
    photo, mask = sample(61, 47)
    both = torch.cat([photo, -photo])
    with torch.no_grad():
        fill = network(both, torch.cat([mask, mask]))
        assert torch.equal(fill[:1], network(torch.where(mask > 0, -9.0, photo), mask))
    known = mask.expand_as(photo) == 0
    assert torch.allclose(fill[:1][known], photo[known], atol=1.01 / 127.5)
    assert np.allclose((fill[0, :, 20, 30].numpy() + 1) * 127.5, RED, atol=0.01)


@pytest.mark.parametrize("white", [False, True])
def test_float_onnx_keeps_the_contract(tmp_path, white):
    network = load_network(lama_like_onnx(tmp_path / "tiny.onnx", white))
    photo, mask = sample(70, 80)
    with torch.no_grad():
        fill = network(photo, mask)
    known = mask.expand_as(photo) == 0
    assert torch.allclose(fill[known], photo[known], atol=1e-5) and torch.allclose(fill[~known], torch.tensor(-1.0))


@pytest.mark.parametrize("form", ["torchscript", "uint8", "float"])
def test_photos_are_filled_end_to_end(photo_files, lama, form):
    file = photo_files / "net.onnx"
    makers = {"torchscript": lambda _: lama, "uint8": migan_like, "float": lama_like_onnx}
    model = makers[form](file)
    options = ["--model", str(model), "--engine", "network", "--report", str(photo_files / "report.json")]
    names = [str(photo_files / name) for name in ("photo.png", "mask.png")]
    assert main(["fill", *names, "-o", str(photo_files / "out.png"), *options]) == 0
    before, after = (np.array(Image.open(photo_files / name)).astype(int) for name in ("photo.png", "out.png"))
    hole = np.array(Image.open(photo_files / "mask.png")) > 127
    assert np.array_equal(before[~hole], after[~hole])
    centre = after[35, 45]
    if form == "torchscript":
        assert np.abs(centre - before[35, 45]).max() < 40
    else:
        assert np.abs(centre - (RED if form == "uint8" else 0)).max() < 120  # moved by the seam correction
    report = json.loads((photo_files / "report.json").read_text())
    assert report["holes"][0]["engine"] == "network" and report["holes"][0]["network_reach"] is None


def test_a_program_fills_from_python_too(lama):
    photo, mask = scene(90, 110), np.zeros((90, 110), bool)
    mask[30:60, 40:70] = True
    filled = Inpainter.load(str(lama), device="cpu").fill(photo, mask).photo
    assert np.array_equal(filled[~mask], photo[~mask]) and not np.array_equal(filled[mask], photo[mask])


class Wrong(nn.Module):
    def forward(self, image, mask):
        return image[:, :, ::2]


class Lonely(nn.Module):
    def forward(self, image):
        return image


def test_programs_that_do_not_fill_are_refused(tmp_path, lama):
    def refused(words, file, **arguments):
        with pytest.raises(WeightsError, match=words) as caught:
            load_network(file, **arguments)
        assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)

    for name, module in (("wrong", Wrong()), ("lonely", Lonely())):
        torch.jit.script(module).save(str(tmp_path / f"{name}.pt"))
    refused(r"gives \(1, 3, 32, 64\) in place of a finite \(1, 3, 64, 64\)", tmp_path / "wrong.pt")
    refused("does not fill a photo", tmp_path / "lonely.pt")
    (tmp_path / "cut.pt").write_bytes(lama.read_bytes()[:-300])
    refused("cut.pt: ", tmp_path / "cut.pt")
    (tmp_path / "text.onnx").write_text("hello")
    refused("cannot be loaded as ONNX", tmp_path / "text.onnx")
    refused("file not found", tmp_path / "none.onnx")
    identity = [helper.make_node("Identity", ["image"], ["output"])]
    image, output = ("image", TensorProto.FLOAT, 3), ("output", TensorProto.FLOAT, 3)
    refused("takes image tensor.float. .*; needed are an image of 3 channels and a mask of 1",
            onnx_file(tmp_path / "one.onnx", identity, [image], output))  # fmt: skip
    fixed = [(*image, 512, 512), ("mask", TensorProto.FLOAT, 1, 512, 512)]
    refused("takes photos of 512 px only", onnx_file(tmp_path / "fixed.onnx", identity, fixed, (*output, 512, 512)))
    with pytest.raises(WeightsError, match="is a program and not weights of glcic"):
        load_network("glcic", lama)
    with pytest.raises(OptionError, match="as a model it holds its own weights"):
        load_network(lama, "other.pth")
    with pytest.raises(OptionError, match="no hole_value can be given"):
        load_network(lama, hole_value=0.5)
    with pytest.raises(OptionError, match=r"or a file ending in \.pt, \.pth, \.onnx, \.safetensors, got 'zebra'"):
        load_network("zebra")


def test_weights_files_are_models_too(tmp_path):
    network = build_network("glcic", GLCICConfig(width=4)).eval()
    save_weights(network, "glcic", tmp_path / "mine.safetensors", {})
    assert load_network(tmp_path / "mine.safetensors").config == network.config


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two small networks by name, and the folder where the command wrote them as ONNX."""
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    folder = tmp_path_factory.mktemp("export")
    torch.manual_seed(0)
    configs = {"dilated": DilatedConfig(channels=16, shallow=8, dilations=(1, 2)), "deepfill-v2": DeepFillV2Config(4)}
    networks = {name: build_network(name, config).eval() for name, config in configs.items()}
    nn.init.normal_(networks["dilated"].exit.weight, std=0.1)
    for name, network in networks.items():
        save_weights(network, name, folder / f"{name}.safetensors", {}, torch.float32)
        guide = ["--guide"] if network.takes_guide else []
        command = ["models", "export", str(folder / f"{name}.safetensors"), "--onnx", str(folder / f"{name}.onnx")]
        assert main([*command, *guide]) == 0
    return networks, folder


def test_export_takes_any_size(exported):
    networks, folder = exported
    for name, network in networks.items():
        other = load_network(folder / f"{name}.onnx")
        assert other.takes_guide == network.takes_guide
        for value in onnx.load(folder / f"{name}.onnx").graph.input[:2]:
            dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            assert dims == ["batch", 1 if value.name == "mask" else 3, "height", "width"]
        for size in ((64, 64), (67, 130), (5, 9)):
            photo, mask = torch.rand(2, 3, *size) * 2 - 1, (torch.rand(2, 1, *size) > 0.6).float()
            guide, counts = torch.rand(2, 3, *size), torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
            cases = [(), (guide,), (guide, counts)] if network.takes_guide else [()]
            with torch.no_grad():
                for extra in cases:
                    assert (other(photo, mask, *extra) - network(photo, mask, *extra)).abs().max() < 1e-4


def test_exported_file_fills_octave_by_octave(exported):
    networks, folder = exported
    photo, mask = scene(300, 260), np.zeros((300, 260), bool)
    mask[100:200, 80:160] = True
    ours = Inpainter(networks["dilated"], torch.device("cpu")).fill(photo, mask, FillOptions(engine="network"))
    theirs = Inpainter.load(str(folder / "dilated.onnx"), device="cpu").fill(photo, mask, FillOptions(engine="network"))
    assert np.abs(ours.photo.astype(int) - theirs.photo.astype(int)).max() <= 1
