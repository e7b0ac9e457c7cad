import numpy as np
import pytest
import torch
from PIL import Image

from inpaint.cli import main
from inpaint.errors import InpaintError, PhotoError
from inpaint.masking.random import KINDS, random_mask
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import PatchDiscriminator
from inpaint.training.data import PhotoCache
from inpaint.training.losses import hinge_discriminator, hinge_generator, masked_l1
from inpaint.training.trainer import Trainer, TrainingConfig, halve
from tests.conftest import scene


class Distance(torch.nn.Module):
    """Stands in for LPIPS, whose files are not part of the project."""

    def forward(self, a, b):
        return (a - b).pow(2).mean(dim=(1, 2, 3))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(18):
        Image.fromarray(scene(70, 90, i)).save(tmp_path / "photos" / f"{i:02}.png")
    (tmp_path / "photos" / "broken.png").write_text("no")
    return PhotoCache([tmp_path / "photos"], tmp_path / "cache", smallest=64)


def trainer(photos, folder):
    torch.manual_seed(0)
    config = TrainingConfig(size=32, batch=2, adversarial_from=3)
    network = Dilated(DilatedConfig(16, 8, (1, 2)))
    return Trainer(network, PatchDiscriminator(8), Distance(), photos, folder, config)


def test_cache_reads_back_the_photos_and_lists_the_broken(photos):
    assert len(photos) == 18 and photos.skipped[0].endswith("broken.png")
    assert np.array_equal(photos.photo(3), scene(70, 90, 3))
    assert photos.crop(np.random.default_rng(0), 32).shape == (32, 32, 3)


def test_too_few_photos(tmp_path):
    Image.fromarray(scene(200, 200)).save(tmp_path / "a.png")
    with pytest.raises(PhotoError, match="only 1 usable photos, need at least 16"):
        PhotoCache([tmp_path], tmp_path / "cache")
    with pytest.raises(PhotoError, match=r"neither a folder nor a \.tar"):
        PhotoCache([tmp_path / "a.png"], tmp_path / "other")


def test_losses_by_hand():
    mask = torch.tensor([[[[1.0, 0.0]]]])
    a, b = torch.tensor([[[[3.0, 9.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    assert masked_l1(a, b, mask) == 2 and masked_l1(a, b, mask * 0) == 0
    assert hinge_generator(a, mask) == -3
    assert hinge_discriminator(real=b * 0.5, fake=a, mask=mask) == 0.5 + 4


def test_halving_ignores_the_hole():
    photo, mask = torch.full((1, 3, 4, 4), 0.25), torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = mask[..., 2:, 2:] = 1
    photo = torch.where(mask > 0, 9.0, photo)
    small, hole = halve(photo, mask)
    assert hole[0, 0].tolist() == [[0, 0], [0, 1]] and torch.allclose(small * (1 - hole), 0.25 * (1 - hole))


def test_resuming_changes_nothing(photos, tmp_path):
    straight = trainer(photos, tmp_path)
    for _ in range(8):
        straight.train_step()
    first = trainer(photos, tmp_path)
    for _ in range(4):
        first.train_step()
    first.save()
    second = trainer(photos, tmp_path)
    second.resume()
    for _ in range(4):
        second.train_step()
    for a, b in zip(straight.averaged.parameters(), second.averaged.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(straight.discriminator.parameters(), second.discriminator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_learns(photos, tmp_path):
    run = trainer(photos, tmp_path)
    run.optimizer.param_groups[0]["lr"] = 2e-3
    losses = [run.train_step()["hole"] for _ in range(80)]
    assert np.mean(losses[-15:]) < 0.75 * np.mean(losses[:5])


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_seeded_and_sane(kind):
    a, b = (KINDS[kind](np.random.default_rng(5), 128) for _ in range(2))
    assert np.array_equal(a, b) and a.shape == (128, 128) and a.dtype == bool
    areas = [KINDS[kind](np.random.default_rng(i), 128).mean() for i in range(100)]
    low, high = {"thin": (0.01, 0.12), "medium": (0.05, 0.3), "thick": (0.1, 0.5), "strokes": (0.05, 0.3),
                 "boxes": (0.05, 0.3), "objects": (0.08, 0.2)}[kind]  # fmt: skip
    assert low < np.mean(areas) < high


def test_random_mask_is_never_empty_or_full():
    for i in range(50):
        assert 0 < random_mask(np.random.default_rng(i), 64).mean() <= 0.8


def test_train_command_refuses_clearly(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    base = ["train", "--photos", str(tmp_path / "photos"), "--output", str(tmp_path / "run")]

    def refused(words, *extra):
        assert main([*base, *extra]) in (1, 2)
        error = capsys.readouterr().err
        assert error.startswith("error: ") and words in error and error.count("\n") == 1

    refused("give --nets FOLDER or set INPAINT_NETS")
    refused("squeezenet1_1_torchvision_fp16.npz: not found", "--nets", str(tmp_path))
    refused("state.pt: not found, there is nothing to resume", "--resume")
    refused("does not go with --init", "--resume", "--init", "x")
    refused("size must be a multiple of 16", "--size", "50")
    refused("threads must be at least 1", "--threads", "0")
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "state.pt").write_bytes(b"mine")
    refused("state.pt: exists already, use --resume")
    assert (tmp_path / "run" / "state.pt").read_bytes() == b"mine"


def test_a_run_stops_saves_exports_and_loads(photos, tmp_path):
    run = trainer(photos, tmp_path)
    run.config = TrainingConfig(size=32, batch=2, minutes=0.01)
    run.run()
    assert run.seconds >= 0.6 and (tmp_path / "state.pt").is_file() and run.step > 0
    again = trainer(photos, tmp_path)
    again.resume()
    assert again.step == run.step and again.seen == 2 * run.step


def test_non_finite_loss_stops(photos, tmp_path):
    run = trainer(photos, tmp_path)
    with torch.no_grad():
        run.generator.exit.bias.fill_(float("nan"))
    with pytest.raises(InpaintError, match="loss is not finite at step 0"):
        run.train_step()
