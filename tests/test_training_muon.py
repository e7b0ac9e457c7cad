import pytest
import torch
from torch import nn

from inpaint.training import muon
from inpaint.training.muon import RMS, Muon, orthogonal


@pytest.mark.parametrize(("bf16", "most"), [(False, 1e-3), (True, 2e-2)])
@pytest.mark.parametrize("shape", [(3, 16, 90), (2, 90, 16), (1, 24, 24)])
def test_singular_values_become_about_one_and_directions_stay(shape, bf16, most, monkeypatch):
    monkeypatch.setattr(muon, "multiplies_bf16", lambda device: bf16)
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    found = orthogonal(matrices)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.3 and values.median() > 0.6
    inner = left.mT @ found @ right.mT
    off = inner - torch.diag_embed(torch.diagonal(inner, dim1=1, dim2=2))
    assert off.abs().max() < most and found.dtype == torch.float32
    assert torch.equal(orthogonal(torch.zeros(1, 4, 6)), torch.zeros(1, 4, 6))


def kernels(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 8, 1)).to(
        memory_format=torch.channels_last
    )


def learn(network, optimizer, steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.randn(2, 8, 9, 9, generator=generator)).square().mean().backward()
        optimizer.step()


def test_a_kernels_step_has_the_size_of_adamws_and_biases_take_adamws():
    network, other = kernels(), kernels()
    before = network[2].weight.detach().clone()
    learn(network, Muon(network.parameters(), 1e-2, weight_decay=0.0), 1)
    step = (network[2].weight - before).detach()
    assert 0.7 * RMS * 1e-2 < step.square().mean().sqrt() < 1.2 * RMS * 1e-2
    learn(other, torch.optim.AdamW(other.parameters(), 1e-2, (0.5, 0.95), weight_decay=0.0), 1)
    assert torch.allclose(network[1].bias, other[1].bias, atol=1e-6)


def test_it_learns_and_goes_on_exactly_from_a_kept_state():
    whole, parted = kernels(), kernels()
    optimizer = Muon(whole.parameters(), 1e-2)
    learn(whole, optimizer, 3, seed=1)
    learn(whole, optimizer, 3, seed=2)
    first = Muon(parted.parameters(), 1e-2)
    learn(parted, first, 3, seed=1)
    second = Muon(parted.parameters(), 1e-2)
    second.load_state_dict(first.state_dict())
    learn(parted, second, 3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parted.parameters(), strict=True))
    x = torch.randn(4, 8, 9, 9, generator=torch.Generator().manual_seed(9))
    assert whole(x).square().mean() < 0.9 * kernels()(x).square().mean()


def test_weights_without_a_gradient_stay():
    network = kernels()
    network[2].requires_grad_(False)
    before = network[2].weight.detach().clone()
    learn(network, Muon(network.parameters(), 1e-2), 1)
    assert torch.equal(network[2].weight, before)
