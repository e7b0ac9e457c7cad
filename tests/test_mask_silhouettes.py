"""Silhouettes: from photos or masks into the training mix."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from inpaint import cli, masking
from inpaint.errors import MaskError, OptionError
from inpaint.masking.device import DeviceMasks
from inpaint.masking.silhouettes import SHARE, SIDE, Silhouettes
from inpaint.training.batches import HostBatches
from inpaint.training.config import PRESETS
from inpaint.training.data import PhotoCache
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.run import keep_silhouettes
from tests.conftest import scene

SLAB = np.ones((SIDE, SIDE // 2), bool)
ONLY_OBJECTS = replace(PRESETS["smoke"], mix={"objects": 1.0}, coarse_share=0.5, batch=16)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for k in range(16):
        Image.fromarray(scene(70, 90, k)).save(tmp_path / "photos" / f"{k:02}.png")
    return PhotoCache([tmp_path / "photos"], tmp_path / "cache", smallest=64)


def is_slab(mask):
    """Whether a mask bool (S, S) is a rectangle of 1 to 2, however it is turned."""
    contours, _ = cv2.findContours(np.pad(mask, 2).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    _, (w, h), _ = cv2.minAreaRect(max(contours, key=len))
    return mask.sum() > 0.9 * (w + 1) * (h + 1) and 1.7 < (max(w, h) + 1) / (min(w, h) + 1) < 2.3


def inside(mask):
    return not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def test_a_share_of_the_object_masks_are_silhouettes_on_host_and_device():
    rng = np.random.default_rng(0)
    host = [Silhouettes([SLAB]).or_blob(rng, 96) for _ in range(300)]
    device = DeviceMasks(96, torch.device("cpu"), 0, {"objects": 1.0}, Silhouettes([SLAB])).draw(300)[:, 0].numpy() > 0
    for masks in (host, device):
        slabs = [is_slab(mask) for mask in masks if inside(mask)]
        assert len(slabs) > 150 and abs(np.mean(slabs) - SHARE) < 0.15
    areas = [np.mean([m.mean() for m in masks if inside(m) and is_slab(m)]) for masks in (host, device)]
    assert areas[0] == pytest.approx(areas[1], rel=0.15)
    blobs = DeviceMasks(96, torch.device("cpu"), 0, {"objects": 1.0}).draw(300)[:, 0].numpy() > 0
    assert np.mean([is_slab(mask) for mask in blobs if inside(mask)]) < 0.05


@pytest.mark.parametrize("source", [HostBatches, DeviceBatches])
def test_batches_with_silhouettes_go_on_as_if_never_stopped(photos, source):
    def build(silhouettes):
        device = {"device": torch.device("cpu")} if source is DeviceBatches else {}
        return source(photos, ONLY_OBJECTS, range(16), False, silhouettes=silhouettes, **device)

    first, second = build(Silhouettes([SLAB])), build(Silhouettes([SLAB]))
    first.draw()
    second.load_state(first.state())
    masks = []
    for _ in range(3):
        a, b = first.draw(), second.draw()
        assert torch.equal(a.mask, b.mask) and torch.equal(a.photo, b.photo)
        masks += list(a.mask[:, 0].numpy() > 0)
    assert any(is_slab(mask) for mask in masks if inside(mask))
    assert not all(torch.equal(build(None).draw().mask, build(Silhouettes([SLAB])).draw().mask) for _ in range(3))


def test_masks_and_files_are_read_and_kept_with_the_run(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    one, two = np.zeros((90, 120), bool), np.zeros((90, 120), bool)
    one[20:60, 30:50], one[80:82, 5:8], two[10:80, 10:100] = True, True, True  # the second part of one is dirt
    for name, mask in (("one", one), ("two", two), ("empty", np.zeros((9, 9), bool))):
        Image.fromarray(mask).save(masks / f"{name}.png")
    shapes = masking.read_silhouettes(masks).shapes
    assert [shape.shape for shape in shapes] == [(SIDE, SIDE // 2), (round(SIDE * 70 / 90), SIDE)]
    assert all(shape.all() for shape in shapes)
    kept = keep_silhouettes(masks, tmp_path / "run", PRESETS["smoke"], False)
    again = keep_silhouettes(None, tmp_path / "run", PRESETS["smoke"], True)
    assert kept is not None and again is not None
    assert all(np.array_equal(a, b) for a, b in zip(kept.shapes, again.shapes, strict=True))
    assert (tmp_path / "run" / "silhouettes.npz").stat().st_size < 2000
    assert keep_silhouettes(None, tmp_path / "run", PRESETS["smoke"], False) is None  # another run begins without
    with pytest.raises(OptionError, match="draws object masks"):
        keep_silhouettes(masks, tmp_path / "run", PRESETS["glcic"], False)
    (masks / "one.png").unlink()
    (masks / "two.png").unlink()
    with pytest.raises(MaskError, match="holds no mask with a shape"):
        masking.read_silhouettes(masks)
    with pytest.raises(MaskError, match=r"none\.npz: holds no silhouettes"):
        masking.read_silhouettes(tmp_path / "none.npz")


@pytest.mark.parametrize("damage", [
    lambda whole: whole[: len(whole) // 2], lambda whole: whole[:-1], lambda whole: b"",
    lambda whole: whole.replace(whole[60:100], whole[60:100][::-1], 1),
])  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, damage):
    file = tmp_path / "shapes.npz"
    Silhouettes([SLAB, np.random.default_rng(0).random((SIDE, SIDE)) > 0.5]).save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(MaskError, match=r"shapes\.npz: holds no silhouettes"):
        masking.read_silhouettes(file)


@pytest.mark.parametrize("content", [
    {"sizes": np.array([[9, 9]])}, {"sizes": np.array([[9, 9]]), "bits": np.zeros(2, np.uint8)},
    {"sizes": np.array(9), "bits": np.zeros(2, np.uint8)},
])  # fmt: skip
def test_another_file_is_named(tmp_path, content):
    np.savez(tmp_path / "shapes.npz", **content)
    with pytest.raises(MaskError, match=r"shapes\.npz: holds no silhouettes"):
        masking.read_silhouettes(tmp_path / "shapes.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(MaskError, match=r"array\.npy: holds no silhouettes"):
        masking.read_silhouettes(tmp_path / "array.npy")


def test_training_with_silhouettes_from_the_command_line(photos, tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(
        Silhouettes, "or_blob", lambda self, rng, size: (drawn.append(len(self.shapes)), np.eye(size, dtype=bool))[1]
    )
    Silhouettes([SLAB, SLAB, SLAB]).save(tmp_path / "shapes.npz")
    words = ["train", "--photos", str(tmp_path / "photos"), "--output", str(tmp_path / "run"), "--preset", "smoke",
             "--device", "cpu"]  # fmt: skip
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    assert cli.main([*words, "--steps", "4", "--silhouettes", str(tmp_path / "shapes.npz")]) == 0
    assert drawn and set(drawn) == {3}
    drawn.clear()
    assert cli.main([*words, "--steps", "8", "--resume"]) == 0
    assert drawn and set(drawn) == {3}
    assert cli.main([*words, "--steps", "9", "--resume", "--silhouettes", str(tmp_path / "no.npz")]) == 1
    assert "no.npz" in capsys.readouterr().err


def test_a_scratch_too_thin_to_be_a_shape_is_left_out(tmp_path):
    scratch = np.eye(2000, dtype=bool)
    Image.fromarray(scratch).save(tmp_path / "scratch.png")
    with pytest.raises(MaskError, match="holds no mask with a shape"):
        masking.read_silhouettes(tmp_path)
    Image.fromarray(np.pad(np.ones((20, 10), bool), 5)).save(tmp_path / "slab.png")
    assert len(masking.read_silhouettes(tmp_path).shapes) == 1


def test_silhouettes_are_written_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    (tmp_path / "shapes.npz").write_bytes(b"the old ones")
    Image.fromarray(scene(40, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr("inpaint.masking.silhouettes.cut_silhouettes", lambda photos, seed: [SLAB for _ in photos])
    words = ["mask", "silhouettes", str(tmp_path / "a.png"), "-o", str(tmp_path / "shapes.npz")]
    assert cli.main([*words, "--overwrite", "--seed", "-1"]) == 2
    assert "seed must be 0 or more, got -1" in capsys.readouterr().err
    assert cli.main(words) == 1 and "exists already" in capsys.readouterr().err

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdopen", full)
        assert cli.main([*words, "--overwrite"]) == 1
    assert "shapes.npz: cannot be written (No space left on device)" in capsys.readouterr().err
    assert (tmp_path / "shapes.npz").read_bytes() == b"the old ones" and len(list(tmp_path.iterdir())) == 2
    assert cli.main([*words, "--overwrite"]) == 0
    assert np.array_equal(Silhouettes.load(tmp_path / "shapes.npz").shapes[0], SLAB)


def test_masks_drawn_on_a_device_are_never_empty():
    empty = Silhouettes([SLAB])
    empty.shapes = [np.zeros_like(SLAB)]
    masks = DeviceMasks(64, torch.device("cpu"), 0, {"objects": 1.0}, empty).draw(300)
    assert (masks.mean(dim=(1, 2, 3)) > 0).all()
