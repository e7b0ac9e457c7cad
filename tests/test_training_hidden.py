"""What a photo's own holes hide: no prediction, judge or step may depend on what stands there."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import PatchDiscriminator
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import OWN, TRUE, UNGUIDED, Batch, HostBatches
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.fit import FIT, LONGEST_SHORT_SIDE, known_pixels
from inpaint.training.guides import make_guides
from inpaint.training.trainer import Trainer
from tests.conftest import scene
from tests.trainings import Distance, same

SMALL = TrainingConfig(
    network_config={"channels": 16, "shallow": 8, "dilations": (1, 2)}, size=64, batch=3, adversarial_from=0, steps=20,
    warmup_steps=0, validate_steps=0, precision="fp32", adversarial=1.0, r1=1.0, r1_every=1, local_contrast=1.0,
    total_variation=1.0, jitter=8,
)  # fmt: skip
OWN_HOLE = slice(10, 40), slice(30, 60)


class Fixed:
    """One batch of three kinds of guides, whose photos hold `colour` in a hole of their own."""

    def __init__(self, colour):
        torch.manual_seed(5)
        photo, mask = torch.rand(3, 3, 64, 64) * 2 - 1, torch.zeros(3, 1, 64, 64)
        mask[..., 20:50, 15:45] = 1
        valid = torch.ones_like(mask)
        valid[(..., *OWN_HOLE)] = 0
        photo[(..., *OWN_HOLE)] = torch.tensor(colour).view(3, 1, 1)
        tint, kinds = torch.ones(3, 3, 1, 1), torch.tensor([UNGUIDED, OWN, TRUE])
        self.batch = Batch(photo, mask, valid, kinds, tint, 0 * tint, 2, (4, 8))

    def draw(self):
        return replace(self.batch)


COLOURS = (-1.0, -1.0, -1.0), (1.0, 0.0, 1.0)


def trainer(colour, folder):
    batches = Fixed(colour)
    torch.manual_seed(0)
    generator = Dilated(DilatedConfig(**SMALL.network_config))
    with torch.no_grad():
        generator.exit.weight.normal_(std=0.2)  # so that what the network sees is seen in what it says
    adversary = ADVERSARIES[SMALL.discriminator](PatchDiscriminator(8))
    return Trainer(generator, adversary, Distance(), batches, folder, SMALL)


def test_no_prediction_depends_on_what_the_photo_s_own_hole_holds(tmp_path):
    first, second = (trainer(colour, tmp_path) for colour in COLOURS)
    with torch.no_grad():
        assert torch.equal(first.predict(first.batches.draw())[-1], second.predict(second.batches.draw())[-1])
    network = first.generator
    guides = [make_guides(network, run.batches.draw(), 32) for run in (first, second)]
    assert torch.equal(guides[0][0], guides[1][0]) and guides[0][1].flatten().tolist() == [0, 1, 1]


def test_the_judges_do_not_see_it(tmp_path):
    seen = [run._fill(run.batches.draw(), learning=False)[1:] for run in (trainer(c, tmp_path) for c in COLOURS)]
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    filled, photo, hole = seen[0]
    assert filled.shape[-1] == 56
    inside = slice(OWN_HOLE[0].start - 4, OWN_HOLE[0].stop - 4), slice(OWN_HOLE[1].start - 8, OWN_HOLE[1].stop - 8)
    assert all((picture[(..., *inside)] == 0).all() for picture in (filled, photo, hole)) and hole.any()


def test_a_step_with_every_loss_gives_the_same_weights(tmp_path):
    runs = [trainer(colour, tmp_path) for colour in COLOURS]
    for run in runs:
        values = run.train_step()
        run.train_step()
    assert {"hole_l1", "known_l1", "perceptual", "local_contrast", "adversarial", "matching", "r1"} <= set(values)
    assert same(runs[0].generator, runs[1].generator)
    assert same(runs[0].adversary.discriminator, runs[1].adversary.discriminator)


def test_true_guides_and_close_ups_are_for_photos_without_holes(tmp_path):
    for i in range(16):
        Image.fromarray(scene(70, 90, i)).save(tmp_path / f"{i:02}.png")
    photos = PhotoCache([tmp_path], tmp_path / "cache", smallest=64)
    config = replace(SMALL, guided=1.0, batch=16, mix={"thin": 1.0})
    known = [np.ones(shape, bool) for shape in photos.shapes]
    whole = [HostBatches(photos, config, range(16), True, given).draw() for given in (None, known)]
    assert all((batch.guides == TRUE).any() and torch.equal(batch.mask, whole[0].mask) for batch in whole)
    for part in known:
        part[30:34] = False
    holed = HostBatches(photos, config, range(16), True, known).draw()
    assert (holed.guide == TRUE).any() and (holed.guides == OWN).all()
    assert holed.mask.mean() < whole[0].mask.mean()  # thin lines, none of them seen from near


def test_nothing_of_a_hole_is_left_in_the_known_pixels_of_a_photo_made_smaller(tmp_path):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((1500, 1600), np.uint8)
    mask[700:820, 500:741] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    pixels = []
    for number, colour in enumerate((0, 255)):
        photo = scene(1500, 1600)
        photo[mask > 0] = colour
        (tmp_path / str(number)).mkdir()
        Image.fromarray(photo).save(tmp_path / str(number) / "a.png", compress_level=1)
        cache = PhotoCache([tmp_path / str(number)], tmp_path / "cache", FIT.size, LONGEST_SHORT_SIDE, minimum=1)
        (known,) = known_pixels(cache, {cache.names[0]: [tmp_path / "masks" / "a.png"]})
        pixels.append(cache.photo(0)[known])
    assert cache.shapes == [(1024, 1092)] and np.array_equal(*pixels) and known.mean() > 0.95
