import pytest
import torch
from torch.nn import functional as F

from inpaint.models.discriminators import (
    DISCRIMINATORS,
    GlobalLocalDiscriminator,
    SNPatchGAN,
    WGANCritics,
    around_hole,
)  # fmt: skip
from inpaint.training.batches import close_up
from inpaint.training.guides import halve
from inpaint.training.losses import (
    band_contrasts,
    bce_discriminator,
    bce_generator,
    discounted_l1,
    feature_matching,
    gradient_penalty,
    hinge_discriminator,
    hinge_generator,
    hole_distance,
    local_contrast,
    masked_l1,
    masked_mse,
    r1_penalty,
    total_variation,
    wasserstein_critic,
)  # fmt: skip

MASK = torch.tensor([[[[1.0, 0.0]]]])
A, B = torch.tensor([[[[3.0, 9.0]]]]), torch.tensor([[[[1.0, 1.0]]]])


def test_losses_by_hand():
    assert masked_l1(A, B, MASK) == 2 and masked_l1(A, B, MASK * 0) == 0
    assert masked_mse(A, B, MASK) == 4 and masked_mse(A, B, MASK * 0) == 0
    assert hinge_generator(A, MASK) == -3
    assert hinge_discriminator(real=B * 0.5, fake=A, mask=MASK) == 0.5 + 4
    assert feature_matching([A, B], [B, B]) == (2 + 8) / 2 / 2
    assert wasserstein_critic(B, A) == 6 - 1
    logit = torch.tensor([[0.0]])
    assert bce_generator(logit).item() == pytest.approx(0.6931, abs=1e-4)
    assert bce_discriminator(logit, logit).item() == pytest.approx(2 * 0.6931, abs=1e-4)


def test_hole_distance_counts_chessboard_steps():
    mask = torch.zeros(1, 1, 7, 7)
    mask[..., 1:6, 1:6] = 1
    distance = hole_distance(mask)[0, 0]
    assert distance[0, 0] == 0 and distance[1, 1] == distance[1, 3] == 1 and distance[2, 2] == 2 and distance[3, 3] == 3
    assert hole_distance(torch.ones(1, 1, 4, 4), limit=9).max() == 9  # no known pixel in reach: it stops at the limit


def test_discounted_l1_weighs_the_middle_less():
    mask = torch.zeros(1, 1, 7, 7)
    mask[..., 1:6, 1:6] = 1
    rim, middle = torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 7, 7)
    rim[..., 1, 1] = middle[..., 3, 3] = 1
    zero = torch.zeros_like(rim)
    assert discounted_l1(rim, zero, mask, 0.5).item() == pytest.approx(0.5 / 25)
    assert discounted_l1(middle, zero, mask, 0.5).item() == pytest.approx(0.125 / 25)


def test_total_variation_counts_steps_that_touch_the_hole():
    picture = torch.tensor([[[[0.0, 1.0, 5.0, 5.0]]]])
    assert total_variation(picture, torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])) == 1
    assert total_variation(picture, torch.tensor([[[[0.0, 1.0, 0.0, 0.0]]]])) == (1 + 4) / 2
    assert total_variation(picture, torch.zeros(1, 1, 1, 4)) == 0


def test_penalties_of_a_linear_judge():
    """D(x) = sum(w x) has the gradient w everywhere, so that both penalties can be written down."""
    w = torch.full((1, 3, 4, 4), 0.5)

    def judge(x):
        return (x * w).sum(dim=(1, 2, 3))[:, None]

    real, fake, mask = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
    mask[..., :2, :] = 1
    norm = (0.25 * 3 * 8) ** 0.5
    assert gradient_penalty(judge, real, fake, mask).item() == pytest.approx((norm - 1) ** 2, rel=1e-4)
    assert r1_penalty(judge, real).item() == pytest.approx(0.25 * 48 / 2, rel=1e-4)


def test_local_contrast_is_that_of_texture_wherever_its_edges_lie():
    generator = torch.Generator().manual_seed(0)
    texture, other = (0.3 * torch.randn(1, 3, 64, 64, generator=generator) for _ in range(2))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    soft = F.avg_pool2d(texture, 3, 1, 1)
    assert local_contrast(texture, texture, mask) == 0 and local_contrast(soft, texture, mask * 0) == 0
    alike, softer, rougher = (local_contrast(x, texture, mask).item() for x in (other, soft, 2 * texture))
    assert 3 * alike < min(softer, rougher)
    outside = torch.where(mask > 0, texture, soft)
    assert local_contrast(outside, texture, mask) < 0.3 * softer
    contrasts = band_contrasts(texture)
    assert contrasts.shape == (1, 6, 15, 15)
    assert contrasts[:, :3].mean().item() == pytest.approx(0.3 * (8 / 9) ** 0.5, rel=0.05)


@pytest.mark.parametrize("loss", [masked_l1, masked_mse, discounted_l1])
def test_gradients_are_right(loss):
    generator = torch.Generator().manual_seed(1)
    prediction = torch.rand(1, 2, 4, 4, generator=generator, dtype=torch.double, requires_grad=True)
    target = torch.rand(1, 2, 4, 4, generator=generator, dtype=torch.double)
    mask = (torch.rand(1, 1, 4, 4, generator=generator) > 0.5).double()
    assert torch.autograd.gradcheck(lambda p: loss(p, target, mask), prediction)
    (gradient,) = torch.autograd.grad(loss(prediction, target, mask), prediction)
    assert (gradient * (1 - mask) == 0).all()


def test_halving_ignores_the_hole():
    photo, mask = torch.full((1, 3, 4, 4), 0.25), torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = mask[..., 2:, 2:] = 1
    photo = torch.where(mask > 0, 9.0, photo)
    small, hole = halve(photo, mask)
    assert hole[0, 0].tolist() == [[0, 0], [0, 1]] and torch.allclose(small * (1 - hole), 0.25 * (1 - hole))


def test_close_ups_are_larger_holes_around_the_chosen_pixel():
    mask = torch.zeros(2, 1, 32, 32)
    mask[:, :, 4:12, 20:26] = 1
    near = close_up(mask, torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.5]))
    assert near[1].mean() > 4 * mask[1].mean() and near[1, 0, 16, 16] == 1
    wide = torch.ones(1, 1, 32, 32)
    wide[..., 0] = 0  # seen from nearer, nothing known would be left
    assert torch.equal(close_up(wide, torch.tensor([1.5]), torch.tensor([0.55])), wide)


def test_the_papers_discriminators():
    photo, mask = torch.rand(2, 3, 256, 256), torch.zeros(2, 1, 256, 256)
    mask[..., 100:150, 100:150] = 1
    verdict, features = SNPatchGAN(8)(photo, mask)
    assert verdict.shape == (2, 1, 4, 4) and len(features) == 6
    judge = GlobalLocalDiscriminator(256)
    assert judge.whole_out.in_features == judge.local_out.in_features == 4 * 4 * 512  # Iizuka 2017, table 2
    assert judge(photo, mask).shape == (2, 1)
    critics = WGANCritics(256)
    assert critics.whole[-1].in_features == 16 * 16 * 256 and critics.local[-1].in_features == 8 * 8 * 512
    assert [v.shape for v in critics(photo, mask)] == [(2, 1), (2, 1)]
    assert SNPatchGAN().layers[0].weight.shape == (64, 4, 5, 5) and set(DISCRIMINATORS) >= {"patch", "sn-patchgan"}


def test_the_local_square_lies_around_the_hole_and_inside_the_photo():
    rows = torch.arange(16.0).view(1, 1, 16, 1).expand(2, 1, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 7:9, 7:9] = 1
    mask[1, :, 15, 15] = 1
    squares = around_hole(rows, mask, 8)
    assert squares.shape == (2, 1, 8, 8) and squares[0, 0, :, 0].tolist() == list(range(4, 12))
    assert squares[1, 0, :, 0].tolist() == list(range(8, 16))
    assert around_hole(rows, mask * 0, 8)[0, 0, 0, 0] == 4


def test_a_discriminator_gains_nothing_from_the_mask_alone():
    """Whatever verdict goes with the mask and not with the content, it costs as much on real photos as it saves."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:6, 2:6] = 1
    blind = torch.zeros(1, 1, 8, 8)
    for verdict in (-0.8, 0.3, 0.9):
        reading = blind + verdict * mask
        assert hinge_discriminator(reading, reading, mask).item() == pytest.approx(2)
    assert hinge_discriminator(blind + 0.5, blind - 0.5, mask).item() == pytest.approx(1)
