import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from inpaint.cli import main
from inpaint.errors import OptionError, OutputError, PhotoError
from inpaint.filling.structure import octave_sizes, shrink_known
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.weights import load_weights, save_weights
from inpaint.training import scenes as module
from inpaint.training.batches import OWN, HostBatches
from inpaint.training.config import PRESETS, TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.guides import make_guides
from inpaint.training.run import build_generator, run_training
from inpaint.training.scenes import SceneBatches, Scenes, draw_crop, fill_scene, scene_mask
from tests.conftest import scene

CPU = torch.device("cpu")
SMALL = TrainingConfig(
    network_config={"channels": 16, "shallow": 8, "dilations": (1, 2)}, size=48, batch=3, adversarial_from=0, steps=4,
    warmup_steps=1, validate_steps=0, perceptual=0, scene_share=1.0, jitter=0, local_contrast=1.0, polynomial=2.0,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(18):
        Image.fromarray(scene(100, 150, i)).save(tmp_path / "photos" / f"{i:02}.png")
    return tmp_path


@pytest.fixture
def photos(folder):
    return PhotoCache([folder / "photos"], folder / "cache", smallest=48)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Dilated(DilatedConfig(16, 8, (1, 2))).eval()


def hole(height=100, width=150):
    mask = np.zeros((height, width), bool)
    mask[30:70, 50:100] = True
    return mask


def test_a_scene_holds_what_would_guide_its_finest_octaves(network):
    photo, mask = scene(100, 150), hole()
    filled = fill_scene(7, photo, mask, network, CPU)
    sizes = octave_sizes(100, 150)
    assert filled.photo == 7 and [guide.shape[:2] for guide in filled.guides] == sizes[:-1]
    assert filled.patches.shape == (mask.sum(), 3)
    for guide, size in zip(filled.guides, sizes[:-1], strict=True):
        small, unknown = shrink_known(photo.astype(np.float32), mask, size)
        assert np.abs(guide.astype(float) - small)[~unknown].max() <= 0.5 and unknown.any()
    hidden = photo.copy()
    hidden[mask] = 255 - hidden[mask]  # what lies in the hole must not matter
    again = fill_scene(7, hidden, mask, network, CPU)
    assert all(np.array_equal(a, b) for a, b in zip(filled.guides, again.guides, strict=True))
    assert np.array_equal(filled.patches, again.patches)


def test_masks_cover_whole_photos_and_neither_too_much_nor_too_little():
    def half(rng, side):
        mask = np.zeros((side, side), bool)
        mask[: side // 2] = True
        return mask

    rng = np.random.default_rng(0)
    assert scene_mask(half, rng, (60, 90)).mean() == 0.5 and scene_mask(half, rng, (60, 90)).shape == (60, 90)
    assert scene_mask(lambda rng, side: np.ones((side, side), bool), rng, (60, 90)) is None


def test_scenes_are_made_once_and_read_back_as_they_were(photos, network, folder, monkeypatch):
    scenes = Scenes(photos, SMALL, range(len(photos)), network, CPU, folder)
    assert len(scenes) == 18
    made = fill_scene(3, photos.photo(3), scenes.scene(3).mask, network, CPU)
    read = scenes.scene(3)
    assert read.photo == 3 and np.array_equal(made.patches, read.patches)
    assert all(np.array_equal(a, b) for a, b in zip(made.guides, read.guides, strict=True))
    with monkeypatch.context() as patch:
        patch.setattr(module, "fill_scene", lambda *a: pytest.fail("filled again"))
        Scenes(photos, SMALL, range(len(photos)), network, CPU, folder)
    other = Scenes(photos, replace(SMALL, seed=1), range(len(photos)), network, CPU, folder)
    assert not np.array_equal(other.scene(3).mask, read.mask)


def test_scenes_that_cannot_be_kept_are_said_so(photos, network, folder):
    (folder / "file").write_text("")
    with pytest.raises(OutputError, match=r"scenes\.u8: the filled scenes cannot be kept there"):
        Scenes(photos, SMALL, range(4), network, CPU, folder / "file")


def test_scenes_are_parts_of_photos_at_their_own_size(photos, network, folder, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 80)
    scenes = Scenes(photos, SMALL, range(len(photos)), network, CPU, folder)
    assert {scenes.shape(k) for k in range(18)} == {(80, 80)}
    corners = {scenes.scene(k).corner for k in range(18)}
    assert len(corners) > 10 and max(top for top, _ in corners) <= 20 and 35 < max(left for _, left in corners) <= 70
    rng, native = np.random.default_rng(0), 0
    for k in range(18):
        made, whole = scenes.scene(k), photos.photo(k)
        part = made.part(whole)
        assert np.array_equal(part, whole[made.corner[0] :, made.corner[1] :][:80, :80])
        small, unknown = shrink_known(part.astype(np.float32), made.mask, (40, 40))
        assert np.abs(made.guides[0].astype(float) - small)[~unknown].max() <= 0.5
        crop = draw_crop(part, made, 48, rng)
        native += int(crop is not None and np.array_equal(crop[0], crop[0].round()))
    assert native > 3
    drawn = SceneBatches(photos, scenes, SMALL, HostBatches(photos, SMALL, range(18), guided=True)).draw()
    assert drawn.photo.shape == (3, 3, 48, 48)
    monkeypatch.setattr(module, "WINDOW", 90)  # they are made again
    assert Scenes(photos, SMALL, range(4), network, CPU, folder).shape(0) == (90, 90)


def test_crops_show_the_photo_its_hole_and_a_guide_that_knows_the_rest(network, monkeypatch):
    photo, mask = scene(100, 150), hole()
    filled = fill_scene(0, photo, mask, network, CPU)
    drawn_with: dict[float, list] = {}
    for share in (0.0, 1.0):  # of crops with the detail of patches
        monkeypatch.setattr(module, "DETAILED", share)
        rng, sides, guides = np.random.default_rng(0), set(), []
        for _ in range(40):
            drawn = draw_crop(photo, filled, 48, rng)
            if drawn is None:
                continue
            truth, unknown, guide = drawn
            assert truth.shape == guide.shape == (48, 48, 3) and 0 < unknown.mean() <= module.FULL
            known = np.abs(guide - truth)[~unknown].mean()
            assert known < 12  # enlarged from half the size
            sides.add(bool((truth == truth.round()).all()))
            guides.append(guide)
        assert sides == {True, False}  # both octaves
        drawn_with[share] = guides
    assert len(drawn_with[0.0]) == len(drawn_with[1.0]) > 0
    differing = [not np.array_equal(a, b) for a, b in zip(drawn_with[0.0], drawn_with[1.0], strict=True)]
    assert any(differing) and not all(differing)  # those of the last octave alone


def test_batches_bring_their_guides_and_go_on_from_a_state(photos, network, folder):
    config = replace(SMALL, scene_share=0.5)
    indices = list(range(len(photos)))
    scenes = Scenes(photos, config, indices, network, CPU, folder)

    def source():
        return SceneBatches(photos, scenes, config, HostBatches(photos, config, indices, guided=True))

    first, second = source(), source()
    drawn = [first.draw() for _ in range(8)]
    assert {batch.given is None for batch in drawn} == {True, False}
    for batch in drawn:
        assert batch.photo.shape == (3, 3, 48, 48) and batch.photo.abs().max() <= 1
        if batch.given is not None:
            guide, guided = make_guides(network, batch, 24)
            assert torch.equal(guide, batch.given) and guided.tolist() == [[[[1.0]]]] * 3
            assert (batch.guide == OWN).all() and batch.mask.mean() > 0
            assert (guide - batch.photo).abs()[batch.mask.expand_as(guide) == 0].mean() < 0.1
    for _ in range(3):
        second.draw()
    third = source()
    third.load_state(second.state())
    assert all(torch.equal(third.draw().photo, batch.photo) for batch in drawn[3:])


@pytest.fixture
def init(folder):
    """A weights file of the small network, not that of a run's own seed."""
    torch.manual_seed(7)
    save_weights(Dilated(DilatedConfig(16, 8, (1, 2))), "dilated", folder / "init.safetensors", {})
    return folder / "init.safetensors"


def test_a_run_on_scenes_trains_and_goes_on(folder, init):
    output = folder / "run"
    trainer = run_training([folder / "photos"], output, replace(SMALL, steps=2), device="cpu", init=init)
    before = json.loads((output / "scenes.json").read_text())
    assert trainer.step == 2 and (output / "last.safetensors").is_file()
    trainer = run_training([folder / "photos"], output, SMALL, device="cpu", resume=True)
    assert trainer.step == 4 and json.loads((output / "scenes.json").read_text()) == before


def test_scenes_need_a_network_that_takes_a_guide(folder):
    config = replace(SMALL, network="glcic", network_config={})
    save_weights(build_generator(config, None), "glcic", folder / "init.safetensors", {})
    with pytest.raises(OptionError, match="scene_share needs a network that takes a guide, glcic takes none"):
        run_training([folder / "photos"], folder / "run", config, device="cpu", init=folder / "init.safetensors")


def test_scenes_are_filled_by_trained_weights_alone(folder, init, monkeypatch):
    fillers, make = [], Scenes._make

    def spy(photos, config, indices, network, *more):
        fillers.append({name: value.float().clone() for name, value in network.state_dict().items()})
        return make(photos, config, indices, network, *more)

    def filled_by(state):
        return all(torch.allclose(fillers[-1][name], value, atol=0.01) for name, value in state.items())

    monkeypatch.setattr(Scenes, "_make", staticmethod(spy))
    output = folder / "run"
    with pytest.raises(OptionError, match="scene_share needs a trained network, which fills the scenes: give --init"):
        run_training([folder / "photos"], output, SMALL, device="cpu")
    assert not output.exists() and not fillers
    run_training([folder / "photos"], output, replace(SMALL, steps=2), device="cpu", init=init)
    assert filled_by(load_weights(init)[0].state_dict())
    for change in (lambda: (output / "scenes.u8").unlink(), lambda: other_photo(folder)):
        change()
        averaged = torch.load(output / "state.pt", weights_only=True)["averaged"]
        run_training([folder / "photos"], output, replace(SMALL, steps=3 + len(fillers)), device="cpu", resume=True)
        assert filled_by(averaged)
    assert len(fillers) == 3


def other_photo(folder):
    Image.fromarray(scene(110, 150, 99)).save(folder / "photos" / "99.png")


def test_the_refining_preset_starts_from_weights(folder, capsys, monkeypatch):
    preset = PRESETS["dilated-refine"]
    small = replace(preset, perceptual=0.0, batch=1, size=64)
    monkeypatch.setitem(PRESETS, "dilated-refine", small)
    words = ["train", "--preset", "dilated-refine", "--photos", folder / "photos", "--output", folder / "run",
             "--steps", "1", "--device", "cpu"]  # fmt: skip
    assert main([*map(str, words)]) == 2
    assert "give --init WEIGHTS" in capsys.readouterr().err
    save_weights(build_generator(small, None), "dilated", folder / "init.safetensors", {})
    assert main([*map(str, words), "--init", str(folder / "init.safetensors")]) == 0
    assert "step 1" in capsys.readouterr().out


@pytest.mark.parametrize("size", [(340, 512), (352, 563), (700, 350)])
def test_truth_hole_and_guide_lie_on_each_other_in_every_octave(network, size):
    photo, mask = cv2.GaussianBlur(scene(*size), (0, 0), 3), np.zeros(size, bool)
    mask[-80:-40, -90:-40] = True
    made = fill_scene(0, photo, mask, network, CPU)
    rng, errors = np.random.default_rng(0), []
    for _ in range(60):
        crop = draw_crop(photo, made, 64, rng)
        if crop is not None and not crop[1].all():
            truth, hidden, guide = crop
            errors.append(np.abs(truth - guide)[~hidden].mean())
    assert len(errors) > 20 and max(errors) < 1.5  # of 255: the guide is the truth enlarged, where it is known


def test_the_rim_of_a_crop_shows_nothing_of_the_hole(network):
    photo, mask = scene(100, 150), np.zeros((100, 150), bool)
    mask[31:70, 51:100] = True  # no edge on the grid of the octave before
    filled = fill_scene(0, photo, mask, network, CPU)
    hidden = photo.copy()
    hidden[mask] = 255 - hidden[mask]
    rngs, partly = [np.random.default_rng(0) for _ in range(2)], 0
    for _ in range(40):
        drawn = [draw_crop(p, filled, 48, rng) for p, rng in zip((photo, hidden), rngs, strict=True)]
        if drawn[0] is None:
            continue
        (truth, unknown, _), (other, _, _) = drawn
        assert np.array_equal(truth[~unknown], other[~unknown])
        partly += int(not np.array_equal(truth[unknown].round(), truth[unknown]))
    assert partly  # some were of the octave before


def test_crops_larger_than_every_scene_are_refused_before_any_is_filled(photos, network, folder, monkeypatch):
    monkeypatch.setattr(module, "fill_scene", lambda *a: pytest.fail("filled"))
    with pytest.raises(OptionError, match="must not be above the shorter side of all scenes, got 112"):
        Scenes(photos, replace(SMALL, size=112), range(len(photos)), network, CPU, folder)


def test_scenes_without_room_for_crops_are_said_so(photos, network, folder):
    def too_little(rng, side):
        return np.arange(side * side).reshape(side, side) == side * side // 2

    drawn_by = dict.fromkeys(SMALL.mix, too_little)
    with pytest.raises(PhotoError, match=r"scenes\.u8: holds no scene with room for crops"):
        Scenes(photos, SMALL, range(len(photos)), network, CPU, folder, drawn_by)


def test_photo_and_guide_are_seen_in_the_same_light(photos, network, folder):
    scenes = Scenes(photos, SMALL, range(18), network, CPU, folder / "cache")

    def draw(colour):
        config = replace(SMALL, colour=colour)
        return SceneBatches(photos, scenes, config, HostBatches(photos, config, range(18), guided=True)).draw()

    plain, varied = draw(0.0), draw(0.05)
    for k in range(SMALL.batch):
        before, after, guide, its = (
            part[k].flatten(1).T.numpy() for part in (plain.photo, varied.photo, plain.given, varied.given)
        )
        assert np.abs(after - before).max() > 0.01
        whole = (np.abs(after) < 1).all(axis=1)  # what is not cut off is an affine function of the colour before
        light, *_ = np.linalg.lstsq(np.c_[before, np.ones(len(before))][whole], after[whole], rcond=None)
        expected = np.clip(np.c_[guide, np.ones(len(guide))] @ light, -1, 1)
        assert np.abs(expected - its).max() < 1e-3
    assert torch.equal(plain.mask, varied.mask)
