"""What is drawn to learn from and to be judged by: crops, guides, colours, held-out photos."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inpaint.errors import OptionError
from inpaint.filling.structure import fill_octaves, shrink_known
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.training.batches import OWN, Batch, HostBatches, first_octave, step_size, vary_colour
from inpaint.training.data import cut_square
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.guides import make_guides, shrink
from inpaint.training.validation import Validation, held_out
from tests.conftest import scene
from tests.trainings import SMALL, Distance

pytest_plugins = ["tests.trainings"]


def test_an_empty_guide_share_means_no_guides(photos):
    batch = HostBatches(photos, replace(SMALL, guided=0.0), range(18), True).draw()
    assert not batch.guide.any()


@pytest.mark.parametrize("source", [HostBatches, DeviceBatches])
def test_the_first_octave_learns_from_more_and_smaller_crops_of_whole_scenes(photos, source):
    device = {"device": torch.device("cpu")} if source is DeviceBatches else {}
    config = replace(SMALL, coarse_share=0.5, size=64, batch=2, guided=1.0)
    batches = source(photos, config, range(18), True, **device)
    drawn = [batches.draw() for _ in range(30)]
    for batch in drawn:
        coarse = len(batch.photo) == 8
        assert batch.photo.shape[2:] == batch.mask.shape[2:] == ((32, 32) if coarse else (64, 64))
        assert coarse or len(batch.photo) == 2
        assert bool((batch.guide == 0).all()) == coarse
    assert 5 < sum(len(batch.photo) == 8 for batch in drawn) < 25
    kept = batches.state()
    after = [batches.draw().mask for _ in range(4)]
    batches.load_state(kept)
    assert all(torch.equal(a, batches.draw().mask) for a in after)


@pytest.mark.parametrize("source", [HostBatches, DeviceBatches])
def test_fine_steps_take_fewer_and_larger_crops(photos, source):
    device = {"device": torch.device("cpu")} if source is DeviceBatches else {}
    config = replace(SMALL, coarse_share=0.3, fine_share=0.4, size=64, batch=4, guided=1.0)
    batches = source(photos, config, range(18), True, **device)
    drawn = [(len(batch.photo), batch.photo.shape[-1]) for batch in (batches.draw() for _ in range(60))]
    assert set(drawn) == {(16, 32), (4, 64), (1, 128)}
    assert min(drawn.count(kind) for kind in set(drawn)) > 5
    with pytest.raises(OptionError, match="must not exceed 1 together"):
        replace(SMALL, coarse_share=0.6, fine_share=0.5, size=64)


def test_a_fine_step_is_guided_by_both_coarser_octaves():
    class Recorder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = []

        def forward(self, photo, mask, guide=None):
            self.calls.append((photo.shape[-1], guide is not None))
            return torch.full_like(photo, 0.25 if guide is None else 0.5) + (0 if guide is None else guide)

    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 32:96, 32:96] = 1
    tint = torch.zeros(1, 3, 1, 1)
    batch = Batch(torch.zeros(1, 3, 128, 128), mask, None, torch.tensor([1]), tint, tint, 2, (0, 0))
    network = Recorder()
    guide, guided = make_guides(network, batch, coarsest=32)
    assert network.calls == [(32, False), (16, False), (24, False), (64, True)] and guided.item() == 1
    assert abs(guide[0, 0, 64, 64].item() - 0.75) < 1e-6 and guide[0, 0, 0, 0] == 0


def test_colour_varies_with_its_strength_and_stays_in_range():
    photo = torch.rand(64, 3, 8, 8) * 2 - 1
    numbers = torch.randn(64, 8)
    assert vary_colour(photo, numbers, 0.0) is photo
    little, much = (vary_colour(photo, numbers, s) for s in (0.02, 0.2))
    assert 0 < (little - photo).abs().mean() < (much - photo).abs().mean() / 5 < 0.1
    assert much.min() >= -1 and much.max() <= 1


@pytest.mark.parametrize("source", [HostBatches, DeviceBatches])
def test_batches_are_seeded_and_their_state_can_be_kept(photos, source):
    config = replace(SMALL, batch=32)
    device = {"device": torch.device("cpu")} if source is DeviceBatches else {}
    a, b, other = (source(photos, replace(config, seed=seed), range(18), True, **device) for seed in (1, 1, 2))
    first = a.draw()
    assert torch.equal(first.photo, b.draw().photo) and not torch.equal(first.photo, other.draw().photo)
    assert first.photo.shape == (32, 3, 32, 32) and first.mask.shape == (32, 1, 32, 32)
    assert first.photo.min() >= -1 and first.photo.max() <= 1 and set(first.mask.unique().tolist()) == {0, 1}
    assert set(first.guide.tolist()) == {0, 1, 2}
    kept = a.state()
    then = a.draw()
    b.load_state(kept)
    again = b.draw()
    assert torch.equal(then.photo, again.photo) and torch.equal(then.mask, again.mask) and then.offset == again.offset


def test_the_device_cuts_what_the_host_cuts(photos):
    """The same square, cut by OpenCV and by gathering from the tensor."""
    config = replace(SMALL, batch=3, size=32)
    source = DeviceBatches(photos, config, range(18), False, torch.device("cpu"))
    chosen, side = torch.tensor([0, 5, 9]), torch.tensor([32.0, 64, 64])
    start = torch.tensor([[3.0, 4.0], [0, 20], [6, 0]])
    crops = source.crops(chosen, start, side, torch.tensor([False, False, True]), config.size)
    for k in range(3):
        square = (int(start[k, 0]), int(start[k, 1]), int(side[k]))
        host = cut_square(photos.photo(int(chosen[k])), square, 32, k == 2)
        assert np.abs(crops[k].permute(1, 2, 0).numpy() - host).max() < (1e-3 if k == 0 else 1.01)


def test_several_processes_draw_different_samples(photos):
    a, b = (HostBatches(photos, SMALL, range(18), True, rank=rank) for rank in (0, 1))
    assert not torch.equal(a.draw().photo, b.draw().photo)


def test_held_out_photos():
    assert held_out(31) == [] and len(held_out(64)) == 4
    assert len(set(held_out(5184))) == 16 and max(held_out(5184)) < 5184


def test_validation_scores_the_truth_best(photos, tmp_path):
    validation = Validation(photos, [1, 2])
    network = Dilated(DilatedConfig(8, 8, (1,))).eval()
    scores, grid = validation.score(network, torch.device("cpu"), Distance())
    assert len(validation.cases) == 4 and grid.shape[1] == 3 * 192 and grid.dtype == np.uint8
    validation.fills = lambda *_: [photo for photo, _ in validation.cases]
    perfect, _ = validation.score(network, torch.device("cpu"), Distance())
    assert perfect.lpips == 0 and perfect.l1 == 0 and perfect.psnr == 100
    assert scores.l1 > 0 and scores.psnr < 60 and scores.loss == scores.lpips > 0


def test_the_first_octave_is_no_larger_than_the_one_that_filling_begins_with():
    for size, side, count in ((64, 32, 8), (128, 64, 8), (256, 64, 32)):
        config = replace(SMALL, size=size, batch=2, coarse_share=1.0)
        assert step_size(config, 0.5) == (side, count, True) and first_octave(size) == side


def test_own_guides_are_what_filling_would_give():
    """Octaves, the smaller fills that the first is averaged with, and what is known of partly hidden pixels."""
    torch.manual_seed(0)
    network = Dilated(DilatedConfig(16, 8, (1, 2))).eval()
    photo = torch.from_numpy(scene(128, 128)).permute(2, 0, 1)[None].float() / 127.5 - 1
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 37:90, 21:77] = 1
    tint = torch.zeros(1, 3, 1, 1)
    with torch.no_grad():
        guide, _ = make_guides(network, Batch(photo, mask, None, torch.tensor([OWN]), tint, tint, 2, (0, 0)), 64)
    hole = mask[0, 0].numpy() > 0
    whole = ((photo[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.float32)
    fill = fill_octaves(network, whole, hole, torch.device("cpu"), finest=64)[-1]
    small, unknown = shrink_known(whole, hole, (64, 64))
    filled = torch.from_numpy(np.where(unknown[..., None], fill, small)).permute(2, 0, 1)[None] / 127.5 - 1
    expected = torch.nn.functional.interpolate(filled.float(), size=(128, 128), mode="bilinear")
    torch.testing.assert_close(guide, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("hole", [np.s_[11:41, 13:51], np.s_[10:42, 14:50]], ids=["anywhere", "half of cells"])
@pytest.mark.parametrize("side", [48, 32, 20])
def test_shrinking_is_that_of_filling(side, hole):
    photo, mask = scene(64, 64).astype(np.float32), np.zeros((64, 64), bool)
    mask[hole] = True
    given = torch.from_numpy(photo).permute(2, 0, 1)[None], torch.from_numpy(mask)[None, None].float()
    known, hole = shrink(*given, side)
    small, unknown = shrink_known(photo, mask, (side, side))
    assert np.array_equal(hole[0, 0].numpy() > 0, unknown)
    assert np.abs(known[0].permute(1, 2, 0).numpy() - small)[~unknown].max() < 0.01
    with torch.autocast("cpu", torch.bfloat16):
        again = shrink(*given, side)
    assert torch.equal(known, again[0]) and torch.equal(hole, again[1])


def test_crops_on_a_device_are_as_sharp_as_those_of_the_host(photos):
    source = DeviceBatches(photos, replace(SMALL, size=32), range(18), False, torch.device("cpu"))
    for side in (45, 50, 64, 69):  # 1.4 to 2.2 pixels a point
        square = torch.tensor([[1.0, 2.0]]), torch.tensor([float(side)])
        crop = source.crops(torch.tensor([4]), *square, torch.tensor([False]), 32)[0].permute(1, 2, 0).numpy()
        host = cut_square(photos.photo(4), (1, 2, side), 32, False).astype(float)
        assert np.abs(crop - host).mean() < 0.7 and 0.9 < fine(crop) / fine(host) < 1.1


def fine(picture):
    return np.diff(picture, axis=0).std()
