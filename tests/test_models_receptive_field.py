"""Receptive fields: the walk over the layers against the papers, and against the gradients of the real networks."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from inpaint.cli import main
from inpaint.errors import InpaintError, OptionError
from inpaint.models import build_network
from inpaint.models.attention import ContextualAttention
from inpaint.models.context_module import ContextModule
from inpaint.models.deepfill_v1 import DeepFillV1Config
from inpaint.models.deepfill_v2 import DeepFillV2Config
from inpaint.models.dilated import DilatedConfig
from inpaint.models.effective_field import effective_field, square_of
from inpaint.models.glcic import GLCICConfig
from inpaint.models.layers import GlobalContext
from inpaint.models.receptive_field import Field, theoretical_field, walk, widest_hole
from tests.test_models_papers import SMALL


def fields(module, side=16):
    return [layer.field for layer in walk(module, torch.zeros(1, 1, side, side)).layers]


def test_context_module_sees_what_table_1_says():
    assert [layer.field for layer in walk(ContextModule(2), torch.zeros(1, 2, 16, 16)).layers] == [
        3, 5, 9, 17, 33, 65, 67, 67
    ]  # fmt: skip


def conv(kernel=3, **settings):
    return nn.Conv2d(1, 1, kernel, padding=settings.get("dilation", 1) * (kernel // 2), **settings)


def test_three_small_layers_see_what_one_large_one_sees():
    assert fields(nn.Sequential(conv(), conv(), conv()))[-1] == fields(conv(7))[-1] == 7


def test_known_chains():
    pooled = nn.Sequential(conv(), nn.MaxPool2d(2), conv(), nn.AvgPool2d(2), conv())
    assert fields(pooled) == [3, 4, 8, 10, 18]
    strided = nn.Sequential(conv(stride=2), conv(stride=2), conv(dilation=4), nn.ConvTranspose2d(1, 1, 4, 2, 1), conv())
    assert fields(strided) == [3, 7, 39, 43, 47]
    shuffled = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2), conv())
    assert fields(shuffled) == [2, 6, 6, 8]
    resized = nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2, mode="bilinear"), conv())
    assert fields(resized) == [3, 5, 7]


def test_the_wider_branch_counts():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.near, self.far = conv(), conv(5)

        def forward(self, x):
            return torch.cat([self.far(x), self.near(x), x], dim=1)

    assert walk(Branches(), torch.zeros(1, 1, 16, 16)).field == 5


def test_unknown_functions_are_not_guessed():
    class Rolled(nn.Module):
        def forward(self, x):
            return F.fold(F.unfold(x, 2, stride=2), (8, 8), 1)[..., :4, :4].reshape(1, -1, 2, 8)

    with pytest.raises(NotImplementedError, match="what unfold sees is not known"):
        walk(Rolled(), torch.zeros(1, 1, 8, 8))


def test_walking_leaves_the_network_alone():
    network = build_network("glcic", SMALL["glcic"]).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert theoretical_field(network).field == 303 and network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(m._forward_hooks for m in build_network("dilated", SMALL["dilated"]).modules())


def transparent(network):
    """Let every gradient through: averaging kernels, no global parts, batch norm as it starts."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.constant_(module.bias, 0.01)
        if isinstance(module, ContextualAttention | GlobalContext):
            module.forward = lambda x, *_: x
    return network.double().eval()


@pytest.mark.parametrize(("name", "config", "field"), [
    ("glcic", GLCICConfig(width=2), 303), ("deepfill-v1", DeepFillV1Config(width=2), 603),
    ("deepfill-v2", DeepFillV2Config(width=2), 603), ("dilated", DilatedConfig(4, 2, (1, 2, 4, 8)), 146),
    ("dilated", DilatedConfig(4, 2, bottleneck="context"), 290), ("glcic", GLCICConfig(2, bottleneck="context"), 327),
])  # fmt: skip
def test_the_walk_is_what_gradients_say(name, config, field):
    network = transparent(build_network(name, config))
    assert theoretical_field(build_network(name, config)).field == network.receptive_field == field
    height, size = network.size_rule.fit(72), network.size_rule.fit(field + 40)
    photo = (torch.rand(1, 3, height, size, dtype=torch.double) / 2).requires_grad_(True)
    half_known = torch.full((1, 1, height, size), 0.5, dtype=torch.double)  # lets both photo and coarse output through
    output = network(photo, half_known)
    widest = 0
    for column in range(size // 2, size // 2 + 4):  # every place on the grid of the coarsest layer
        (gradient,) = torch.autograd.grad(output[0, :, height // 2, column].sum(), photo, retain_graph=True)
        reached = gradient[0].abs().sum((0, 1)).nonzero()
        widest = max(widest, int(reached.max() - reached.min()) + 1)
    assert widest == field


@pytest.mark.parametrize("name", list(SMALL))
def test_strides_are_whole_and_end_at_one(name):
    field = theoretical_field(build_network(name, SMALL[name]))
    assert field.stride == 4 and {layer.stride for layer in field.layers} == {1, 2, 4} and field.layers[-1].stride == 1


def test_parts_that_see_everything_are_named():
    assert theoretical_field(build_network("deepfill-v2", SMALL["deepfill-v2"])).global_parts == ("attention",)
    assert theoretical_field(build_network("dilated", SMALL["dilated"])).global_parts == ("context",)
    assert theoretical_field(build_network("glcic", SMALL["glcic"])).global_parts == ()


def test_widest_hole_is_seen_across_and_a_wider_one_is_not():
    module = nn.Conv2d(1, 1, 9, padding=4)
    nn.init.constant_(module.weight, 1)
    field = walk(module, torch.zeros(1, 1, 16, 16))
    across = widest_hole(field, 64)
    assert across == 7 and widest_hole(field, 5) == 5 and widest_hole(Field(1, 1, (), ()), 64) == 0
    for hole, sides in ((across, 2), (across + 2, 0)):
        known = torch.ones(1, 1, 1, 33)
        known[..., 16 - hole // 2 : 17 + hole // 2] = 0
        photo = torch.ones(1, 1, 1, 33, requires_grad=True)
        module(photo * known)[0, 0, 0, 16].backward()
        assert int((photo.grad != 0).sum()) == sides


def test_square_of():
    weights = np.zeros((9, 9))
    weights[4, 4], weights[4, 6], weights[0, 4] = 0.9, 0.06, 0.04
    assert square_of(weights, 0.9) == 1 and square_of(weights, 0.95) == 5 and square_of(weights, 1.0) == 9


def test_effective_field_of_known_functions():
    def mean_of_five(photo, mask):
        return F.avg_pool2d(photo, 5, 1, 2)

    measured = effective_field(mean_of_five, 32, hole=0, samples=2)
    assert measured.field == measured.reached == 5
    assert np.allclose(measured.gradient[14:19, 14:19], 1 / 25) and np.isclose(measured.gradient.sum(), 1)
    with pytest.raises(InpaintError, match="no gradient comes through"):
        effective_field(lambda photo, mask: photo.detach(), 32, 4)
    with pytest.raises(InpaintError, match="no gradient comes through"):
        effective_field(lambda photo, mask: photo * (1 - mask), 32, 4)
    with pytest.raises(OptionError, match="got 32 and 4"):
        effective_field(mean_of_five, 32, 32)


def test_networks_look_around_the_hole_and_not_into_it():
    measured = effective_field(build_network("glcic", SMALL["glcic"]).eval(), 64, 16, samples=1)
    assert (measured.gradient[24:40, 24:40] == 0).all() and 17 <= measured.field <= 65


def run(capsys, *arguments):
    assert main(["receptive-field", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_command_prints_table_1(capsys):
    out = run(capsys, "context-module", "--size", 96)
    assert [int(line.split()[-2]) for line in out.splitlines()[1:9]] == [3, 5, 9, 17, 33, 65, 67, 67]
    assert "a pixel sees 67 x 67 px" in out and "holes up to 65 px wide" in out


def test_command_on_the_default_network(capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    plot = tmp_path / "field.png"
    out = run(capsys, "dilated", "--size", 64, "--plot", plot)
    assert "dilated: a pixel sees 522 x 522 px, coarsest stride 4" in out and "with shipped weights" in out
    assert "besides, context sees the whole picture" in out and "up to 64 px wide (the whole picture)" in out
    pixels = np.asarray(Image.open(plot).convert("RGB"))
    assert pixels.shape[1] > 900 and pixels.std() > 20
    assert main(["receptive-field", "dilated", "--size", "64", "--plot", str(plot)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_command_for_machines(capsys):
    row = json.loads(run(capsys, "glcic", "--size", 64, "--json", "--hole", 20))
    assert row["field"] == 303 and row["hole"] == 20 and row["weights"] == "untrained weights"
    assert len(row["layers"]) == 17 and row["layers"][0]["field"] == 5 and row["widest_hole"] == 64


def test_command_scales_holes_to_a_photo(capsys):
    assert "up to 65 px wide, 650 px of a photo of 1000 px" in run(
        capsys, "context-module", "--size", 100, "--photo", 1000
    )


def test_command_on_a_program(capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    class Blur(nn.Module):
        def forward(self, image, mask):
            return F.avg_pool2d(image * (1 - mask), 9, 1, 4)

    torch.jit.script(Blur()).save(str(tmp_path / "blur.pt"))
    out = run(capsys, tmp_path / "blur.pt", "--size", 64, "--hole", 3, "--plot", tmp_path / "x.png")
    assert "its layers are not known" in out and "95 % of the gradient within 9 px" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["zebra"], 2, "got 'zebra'"), (["dilated", "--size", "4"], 2, "--size must be at least 16"),
        (["dilated", "--hole", "300"], 2, "hole must be from 0 to below 256 px"),
        (["context-module", "--weights", "x.pth"], 2, "context-module takes no weights"),
        (["dilated", "--plot", "x.txt"], 1, "the name must end in .png"),
        (["dilated", "--size", "64", "--photo", "32"], 2, "--photo not below it, got 64 and 32"),
        (["none.pt"], 1, "none.pt: file not found"),
    ],
)  # fmt: skip
def test_refusals(capsys, arguments, code, words):
    assert main(["receptive-field", *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
