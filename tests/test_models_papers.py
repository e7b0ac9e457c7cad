"""The networks of the papers: one contract for all of them, and what each paper says of its own."""

import pytest
import torch
from torch.nn import functional as F

from inpaint.errors import OptionError
from inpaint.models import build_network
from inpaint.models.attention import ContextualAttention
from inpaint.models.context_module import ContextModule, initialise_as_identity
from inpaint.models.deepfill_v1 import DeepFillV1Config
from inpaint.models.deepfill_v2 import DeepFillV2Config
from inpaint.models.dilated import DilatedConfig
from inpaint.models.glcic import GLCICConfig
from inpaint.models.registry import NETWORKS

SMALL = {
    "dilated": DilatedConfig(channels=16, shallow=8, dilations=(1, 2)), "glcic": GLCICConfig(width=8),
    "deepfill-v1": DeepFillV1Config(width=4), "deepfill-v2": DeepFillV2Config(width=4),
}  # fmt: skip
STAGES = {"dilated": 1, "glcic": 1, "deepfill-v1": 2, "deepfill-v2": 2}


@pytest.fixture(params=list(NETWORKS))
def small(request):
    torch.manual_seed(0)
    return build_network(request.param, SMALL[request.param]).eval()


def sample(height, width, count=1):
    torch.manual_seed(1)
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2 + 1] = 1
    return torch.rand(count, 3, height, width) * 2 - 1, mask


@pytest.mark.parametrize("size", [(64, 96), (100, 75), (17, 33), (1, 1)])
def test_any_size_comes_back_as_it_went_in(small, size):
    photo, mask = sample(*size)
    kept = photo.clone(), mask.clone()
    with torch.no_grad():
        output, stages = small(photo, mask), small.stages(photo, mask)
    assert output.shape == photo.shape and torch.isfinite(output).all()
    assert all(s.shape == photo.shape for s in stages) and torch.equal(stages[-1], output)
    assert torch.equal(photo, kept[0]) and torch.equal(mask, kept[1])


def test_number_of_stages():
    assert {name: len(build_network(name, SMALL[name]).eval().stages(*sample(64, 64))) for name in NETWORKS} == STAGES


@pytest.mark.parametrize("value", [0.0, 1.0, -1e6, 1e30])
def test_hole_content_is_ignored(small, value):
    photo, mask = sample(64, 72)
    with torch.no_grad():
        assert torch.equal(small(photo, mask), small(torch.where(mask > 0, value, photo), mask))


def test_all_known_and_all_hole_are_finite(small):
    photo, mask = sample(48, 48)
    with torch.no_grad():
        for m in (torch.zeros_like(mask), torch.ones_like(mask)):
            assert torch.isfinite(torch.cat(small.stages(photo, m))).all()


def test_samples_of_a_batch_are_independent(small):
    photo, mask = sample(72, 72, count=2)
    mask[1] = mask[1].flip(-1)
    with torch.no_grad():
        both = small(photo, mask)
        for i in range(2):
            assert torch.allclose(both[i : i + 1], small(photo[i : i + 1], mask[i : i + 1]), atol=1e-5)


def test_every_weight_is_trained(small):
    photo, mask = sample(72, 72)
    for stage in small.train().stages(photo, mask):
        stage.square().mean().backward(retain_graph=True)
    silent = [name for name, p in small.named_parameters() if p.grad is None]
    assert not silent


def test_wrong_shapes_are_refused(small):
    photo, mask = sample(64, 64)
    with pytest.raises(ValueError, match=r"got \(1, 3, 64, 64\) and \(1, 1, 64, 32\)"):
        small(photo, mask[..., :32])
    with pytest.raises(ValueError, match=r"photo must be \(B, 3, H, W\)"):
        small(photo[:, :2], mask)


def test_a_guide_is_refused_where_none_is_taken():
    photo, mask = sample(64, 64)
    with pytest.raises(ValueError, match="GLCIC takes no guide"):
        build_network("glcic", SMALL["glcic"])(photo, mask, photo)


def test_sizes_are_the_papers():
    def count(name):
        network = build_network(name)
        values = network.state_dict().values()
        return sum(p.numel() for p in network.parameters()), sum(v.numel() for v in values)

    assert count("glcic") == (6_072_131, 6_078_099)  # the second with batch norm's running statistics
    assert count("deepfill-v2") == (4_052_478, 4_052_487)  # the second with the fusion kernel
    assert count("deepfill-v1") == (3_601_542, 3_601_551)


def test_unknown_names_and_configs_are_refused():
    with pytest.raises(OptionError, match="model must be one of dilated, glcic, deepfill-v1, deepfill-v2, got 'zebra'"):
        build_network("zebra")
    with pytest.raises(OptionError, match="config of glcic must be a GLCICConfig, got DilatedConfig"):
        build_network("glcic", DilatedConfig())
    for bad, words in [
        (lambda: GLCICConfig(width=3), "even and at least 2, got 3"),
        (lambda: GLCICConfig(hole_value=(0, 0, 2)), r"three numbers in \[0, 1\], got \(0, 0, 2\)"),
        (lambda: GLCICConfig(bottleneck="deep"), "got 'deep'"),
        (lambda: DilatedConfig(bottleneck="deep"), "got 'deep'"),
        (lambda: DeepFillV1Config(width=1), "got 1"),
        (lambda: DeepFillV2Config(width=5), "got 5"),
    ]:
        with pytest.raises(OptionError, match=words):
            bad()


@pytest.mark.parametrize("large", [False, True])
def test_context_module_starts_as_identity(large):
    x = torch.rand(2, 3, 40, 40)
    module = ContextModule(3, large=large, noise=0.0)
    assert torch.allclose(module(x), x, atol=1e-6)
    widths = [layer.out_channels for layer in module.layers]
    assert widths == ([6, 6, 12, 24, 48, 96, 96, 3] if large else [3] * 8)


def test_large_context_module_starts_near_identity():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 32, 32)
    module = ContextModule(3, large=True)
    assert not torch.equal(module(x), x) and (module(x) - x).abs().mean() < 0.1


def test_identity_initialisation_is_equation_5():
    layer = torch.nn.Conv2d(2, 4, 3)
    initialise_as_identity(layer, 2, noise=0.0)
    expected = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert torch.equal(layer.weight[:, :, 1, 1], expected / 2) and layer.weight.abs().sum() == 2
    back = torch.nn.Conv2d(4, 2, 1)
    initialise_as_identity(back, 2, noise=0.0)
    assert torch.equal(back.weight[:, :, 0, 0], expected.T)


@pytest.mark.parametrize("config", [
    DilatedConfig(channels=8, shallow=4, bottleneck="context"), GLCICConfig(width=4, bottleneck="context"),
    GLCICConfig(width=2, bottleneck="context-large"),
])  # fmt: skip
def test_context_module_as_bottleneck(config):
    network = build_network("dilated" if isinstance(config, DilatedConfig) else "glcic", config).eval()
    assert sum(isinstance(m, ContextModule) for m in network.modules()) == 1
    assert network(*sample(50, 60)).shape == (1, 3, 50, 60)


def slow_attention(x, mask, scale=10.0):
    """Contextual attention without fusion, place by place, as section 4.1 of Yu 2018 says it."""
    step = 2 * (mask.shape[-1] // x.shape[-1])
    small, hole = x[:, :, ::2, ::2], mask[..., ::step, ::step]
    height, width = small.shape[-2:]
    padded, holes, wide = F.pad(small, (1,) * 4)[0], F.pad(hole, (1,) * 4)[0, 0], F.pad(x, (1,) * 4)[0]
    places = [(i, j) for i in range(height) for j in range(width)]
    patches = {(i, j): padded[:, i : i + 3, j : j + 3] for i, j in places}
    known = torch.tensor([float(holes[i : i + 3, j : j + 3].sum() == 0) for i, j in places])
    result = torch.zeros_like(wide)
    for i, j in places:
        cosines = torch.stack([(patches[i, j] * patches[p]).sum() / patches[p].norm().clamp_min(1e-4) for p in places])
        weights = torch.softmax(cosines * known * scale, 0) * known
        for weight, (k, m) in zip(weights, places, strict=True):
            result[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += weight * wide[:, 2 * k : 2 * k + 4, 2 * m : 2 * m + 4]
    return result[None, :, 1:-1, 1:-1] / 4


def test_attention_is_what_the_paper_says():
    torch.manual_seed(0)
    x, mask = torch.randn(1, 3, 12, 8) * 0.3, torch.zeros(1, 1, 24, 16)
    mask[..., 8:14, 4:9] = 1
    assert torch.allclose(ContextualAttention(fuse=False)(x, mask), slow_attention(x, mask), atol=1e-5)


def test_attention_copies_from_the_known_part_only():
    x = torch.rand(1, 2, 16, 16)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :, 8:] = 1
    black = torch.where(mask > 0, x, 0.0)
    pasted = ContextualAttention(fuse=False)(black, mask)  # the known part is black, so nothing else can be pasted
    assert torch.equal(pasted, torch.zeros_like(pasted))
    assert torch.equal(ContextualAttention()(x, torch.ones_like(mask)), torch.zeros_like(x))


def test_attention_to_black_patches_has_finite_gradients():
    x, mask = torch.zeros(1, 2, 8, 8, requires_grad=True), torch.zeros(1, 1, 8, 8)
    ContextualAttention()(x, mask).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_train_in_bfloat16(name):
    network = build_network(name, SMALL[name]).to(memory_format=torch.channels_last)
    photo, mask = sample(72, 72, count=2)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network.stages(photo.contiguous(memory_format=torch.channels_last), mask)
    torch.stack([output.float().square().mean() for output in outputs]).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_fusion_rewards_neighbouring_matches():
    attention = ContextualAttention()
    scores = torch.zeros(1, 12, 12)  # 3 x 4 places
    scores[0, 5, 6] = 1  # place (1, 2) likes patch (1, 1)
    fused = attention._fuse(scores, 3, 4)[0]
    liked = {(int(a), int(b)) for a, b in fused.nonzero()}
    assert {(4, 5), (5, 6), (6, 7), (1, 2), (9, 10)} <= liked  # left, itself, right, above, below, moved alike
    assert fused[5, 6] == 1 and fused.sum() == 9


def test_gates_and_features_are_split_in_this_order():
    from inpaint.models.deepfill_v2 import GatedLayer

    layer = GatedLayer(1, 1, kernel=1)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.tensor([2.0, 0]).view(2, 1, 1, 1))
        layer.conv.bias.copy_(torch.tensor([0.0, 3.0]))
    x = torch.tensor([[[[1.0, -1.0]]]])
    assert torch.allclose(layer(x), F.elu(2 * x) * torch.sigmoid(torch.tensor(3.0)))


def test_tensorflow_layers_pad_below_and_to_the_right():
    from inpaint.models.deepfill_v2 import GatedLayer

    layer = GatedLayer(1, 1, stride=2, activation=None, tensorflow=True)
    with torch.no_grad():
        layer.conv.weight.fill_(1)
        layer.conv.bias.fill_(0)
    assert layer(torch.ones(1, 1, 4, 4)).flatten().tolist() == [9, 6, 6, 4]
