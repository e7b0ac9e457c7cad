"""Small photos, networks and runs for the tests of `inpaint.training`; its fixtures come with `pytest_plugins`."""


import pytest
import torch
from PIL import Image

from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import DISCRIMINATORS, PatchDiscriminator
from inpaint.models.layers import InpaintingNetwork, SizeRule
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import HostBatches
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.trainer import Trainer
from tests.conftest import scene

SMALL = TrainingConfig(
    network_config={"channels": 16, "shallow": 8, "dilations": (1, 2)}, size=32, batch=2, adversarial_from=3, steps=20,
    warmup_steps=2, validate_steps=0,
)  # fmt: skip


class Distance(torch.nn.Module):
    """Stands in for LPIPS, whose files are not part of the project."""

    def forward(self, a, b):
        return (a - b).pow(2).mean(dim=(1, 2, 3))


class TwoStage(InpaintingNetwork):
    """A coarse and a refining convolution, without guide."""

    size_rule = SizeRule()
    config = DilatedConfig()
    receptive_field = 5

    def __init__(self):
        super().__init__()
        self.coarse = torch.nn.Conv2d(4, 3, 3, padding=1)
        self.refine = torch.nn.Conv2d(4, 3, 3, padding=1)

    def stages(self, photo, mask):
        first = self.coarse(torch.cat([photo * (1 - mask), mask], 1))
        return [first, self.refine(torch.cat([first, mask], 1))]

    def forward(self, photo, mask):
        return self.stages(photo, mask)[-1]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(18):
        Image.fromarray(scene(70, 90, i)).save(tmp_path / "photos" / f"{i:02}.png")
    (tmp_path / "photos" / "broken.png").write_text("no")
    return tmp_path


@pytest.fixture
def photos(folder):
    return PhotoCache([folder / "photos"], folder / "cache", smallest=64)


def trainer(photos, folder, config=SMALL, generator=None, batches=None):
    torch.manual_seed(0)
    generator = generator or Dilated(DilatedConfig(**config.network_config))
    patch = config.discriminator == "patch"
    small = PatchDiscriminator(8) if patch else DISCRIMINATORS[config.discriminator](config.size)
    batches = batches or HostBatches(photos, config, range(len(photos)), generator.takes_guide)
    return Trainer(generator, ADVERSARIES[config.discriminator](small), Distance(), batches, folder, config)


def same(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)
