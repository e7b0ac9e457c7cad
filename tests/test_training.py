import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inpaint.cli import main
from inpaint.commands.train import PRESET_NAMES
from inpaint.errors import InpaintError, OptionError, OutputError, WeightsError
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import DISCRIMINATORS, PatchDiscriminator
from inpaint.models.layers import InpaintingNetwork, SizeRule
from inpaint.models.weights import load_weights
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import Batch, HostBatches, vary_colour
from inpaint.training.config import PRESETS, TrainingConfig
from inpaint.training.data import PhotoCache
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.export import export, training_record
from inpaint.training.guides import make_guides
from inpaint.training.run import build_generator
from inpaint.training.trainer import Trainer
from inpaint.training.validation import Validation, held_out
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


def test_resuming_changes_nothing(photos, tmp_path):
    straight = trainer(photos, tmp_path)
    straight.run()
    first = trainer(photos, tmp_path, replace(SMALL, steps=20))
    first.run(lambda run, _: setattr(run, "stopping", run.step == 10))
    assert first.step == 10
    second = trainer(photos, tmp_path)
    second.resume()
    second.run()
    assert straight.step == second.step == 20 and straight.seen == second.seen == 40
    for name in ("averaged", "generator"):
        assert same(getattr(straight, name), getattr(second, name))
    assert same(straight.adversary.discriminator, second.adversary.discriminator)


def test_training_learns(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, learning_rate=2e-3, steps=200))
    losses = []
    run.run(lambda trainer, values: losses.append(float(values["hole_l1"])))
    assert np.mean(losses[-30:]) < 0.75 * np.mean(losses[:10])


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_every_adversary_trains_both_networks(photos, tmp_path, monkeypatch, discriminator, precision):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    if precision == "fp32" and discriminator == "sn-patchgan":
        pytest.skip("one precision is enough for the largest discriminator")
    config = replace(
        SMALL, discriminator=discriminator, size=64, jitter=0, adversarial_from=0, gradient_penalty=10.0, r1=0.1,
        precision=precision, network_config={"channels": 16, "shallow": 8, "dilations": (1, 2)},
    )  # fmt: skip
    run = trainer(photos, tmp_path, config)
    judge = {k: v.clone() for k, v in run.adversary.discriminator.state_dict().items()}
    values = run.train_step()
    expected = {"hole_l1", "known_l1", "perceptual", "adversarial", "discriminator", "r1"}
    expected |= {"matching"} if "patch" in discriminator else set()
    expected |= {"gradient_penalty"} if discriminator == "wgan-critics" else set()
    assert set(values) == expected and all(torch.isfinite(v) for v in values.values())
    weights = [k for k in judge if k.endswith(("weight", "original"))]
    assert all(not torch.equal(judge[k], run.adversary.discriminator.state_dict()[k]) for k in weights)


@pytest.mark.parametrize("unit, expected", [("avx2", torch.float32), ("avx512_bf16", torch.bfloat16)])
def test_bfloat16_is_used_where_it_is_faster(photos, tmp_path, monkeypatch, unit, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: True})
    run = trainer(photos, tmp_path, SMALL)
    with run.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == expected
    assert training_record(run, "", {})["precision"] == {torch.float32: "fp32", torch.bfloat16: "bf16"}[expected]


def test_stages_before_the_last_are_trained(photos, tmp_path):
    config = replace(SMALL, coarse_l1=1.0, discounted_l1=1.0, hole_mse=1.0, total_variation=0.1, network="two-stage")
    network = TwoStage()
    run = trainer(photos, tmp_path, config, network)
    before = network.coarse.weight.clone()
    values = run.train_step()
    assert {"coarse_l1_0", "discounted_l1", "hole_mse", "total_variation"} <= set(values)
    assert not torch.equal(before, network.coarse.weight)


def test_phases_take_turns(photos, tmp_path):
    config = replace(SMALL, steps=10, generator_phase=0.3, discriminator_phase=0.2, adversarial_from=0)
    run, turns = trainer(photos, tmp_path, config), []
    run.run(lambda _, values: turns.append(("hole_l1" in values, "discriminator" in values)))
    assert turns == [(True, False)] * 3 + [(False, True)] * 2 + [(True, True)] * 5


def test_critic_steps_draw_their_own_batches(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, critic_steps=3, adversarial_from=0))
    drawn, draw = [], run.batches.draw
    run.batches.draw = lambda: drawn.append(1) or draw()
    run.train_step()
    assert len(drawn) == 3


def test_holes_of_the_photo_itself_teach_nothing(photos, tmp_path):
    """Whatever stands where a photo has a hole of its own, the same weights come out."""
    results = []
    for colour in (0, 255):
        known = []
        for i in range(len(photos)):
            mask = np.ones(photos.shapes[i], bool)
            mask[20:50, 30:60] = False
            known.append(mask)
        pixels = np.array(photos.pixels)
        changed = PhotoCache([tmp_path / "photos"], tmp_path / "cache", smallest=64)
        for i in range(len(photos)):
            pixels[photos.offsets[i] : photos.offsets[i + 1]].reshape(*photos.shapes[i], 3)[20:50, 30:60] = colour
        changed.pixels = pixels
        config = replace(SMALL, perceptual=0, adversarial=0, guided=0.0, size=64)
        batches = HostBatches(changed, config, range(len(photos)), True, known)
        run = trainer(changed, tmp_path, config, batches=batches)
        for _ in range(3):
            run.train_step()
        results.append(run.generator)
    # Resizing lets a hole's colour reach the pixels at its rim, which therefore do not count as known.
    assert same(*results)


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


def test_a_step_of_either_size_trains(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, coarse_share=0.5, size=64, batch=2, adversarial_from=0, r1=0.1))
    seen, sizes = 0, set()
    for _ in range(12):
        values = run.train_step()
        assert all(torch.isfinite(value) for value in values.values())
        sizes.add(run.seen - seen)
        seen = run.seen
    assert sizes == {2, 8}
    with pytest.raises(OptionError, match="coarse_share needs a patch discriminator"):
        replace(SMALL, coarse_share=0.5, discriminator="global-local")


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
    assert network.calls == [(32, False), (64, True)] and guided.item() == 1
    assert abs(guide[0, 0, 64, 64].item() - 0.75) < 1e-6 and guide[0, 0, 0, 0] == 0


def test_colour_varies_with_its_strength_and_stays_in_range():
    photo = torch.rand(64, 3, 8, 8) * 2 - 1
    numbers = torch.randn(64, 8)
    assert vary_colour(photo, numbers, 0.0) is photo
    little, much = (vary_colour(photo, numbers, s) for s in (0.02, 0.2))
    assert 0 < (little - photo).abs().mean() < (much - photo).abs().mean() / 5 < 0.1
    assert much.min() >= -1 and much.max() <= 1


def test_r1_is_lazy(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, adversarial_from=0, r1=0.5, r1_every=3))
    assert ["r1" in run.train_step() for _ in range(7)] == [True, False, False, True, False, False, True]


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
    from inpaint.training.data import cut_square

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


def test_a_run_stops_saves_exports_and_loads(folder, monkeypatch, capsys):
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    for i in range(18, 40):
        Image.fromarray(scene(70, 90, i)).save(folder / "photos" / f"{i:02}.png")
    arguments = ["train", "--photos", str(folder / "photos"), "--output", str(folder / "run"), "--preset", "smoke"]
    assert main([*arguments, "--steps", "6", "--threads", "1"]) == 0
    run = folder / "run"
    assert {"state.pt", "last.safetensors", "last.md", "best.safetensors", "best.md"} <= {p.name for p in run.iterdir()}
    assert any((run / "tensorboard").iterdir())
    line = json.loads((run / "validation.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 6 and line["lpips"] is None and line["psnr"] > 5
    _, record = load_weights(run / "last.safetensors", "dilated")
    assert record["steps"] == 6 and record["images"] == 24 and record["data"].startswith("38 photos from photos")
    assert "| steps | 6 |" in (run / "last.md").read_text()
    assert main([*arguments, "--steps", "8", "--resume", "--threads", "1"]) == 0
    assert load_weights(run / "last.safetensors")[1]["steps"] == 8
    export(run, folder / "out.safetensors", "forty scenes")
    assert load_weights(folder / "out.safetensors")[1]["data"] == "forty scenes"
    assert "step 8" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_leave_cleanly(photos, tmp_path, number):
    run = trainer(photos, tmp_path, replace(SMALL, steps=10**9))
    timer = threading.Timer(1.0, lambda: signal.raise_signal(number) if run.step else None)
    before = signal.getsignal(number)
    seen = []

    def watch(trainer, _):
        seen.append(trainer.step)
        if len(seen) == 3:
            signal.raise_signal(number)

    run.run(watch)
    timer.cancel()
    assert seen == [1, 2, 3] and signal.getsignal(number) is before
    again = trainer(photos, tmp_path)
    again.resume()
    assert again.step == 3


def test_a_killed_run_leaves_exit_code_0(folder):
    command = [sys.executable, "-m", "inpaint", "train", "--photos", str(folder / "photos"), "--output",
               str(folder / "run"), "--preset", "smoke", "--minutes", "60", "--threads", "1"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(folder.glob("run/tensorboard/*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, process.stderr.read()
    assert torch.load(folder / "run" / "state.pt", weights_only=True)["step"] > 0


def test_train_command_refuses_clearly(folder, capsys, monkeypatch):
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    base = ["train", "--photos", str(folder / "photos"), "--output", str(folder / "run")]

    def refused(words, *extra, code=1):
        assert main([*base, *extra]) == code
        error = capsys.readouterr().err
        assert error.splitlines()[-1].startswith("error: ") and words in error

    refused("give --nets FOLDER or set INPAINT_NETS")
    refused("squeezenet1_1_torchvision_fp16.npz: not found", "--nets", str(folder))
    refused("state.pt: not found, there is nothing to resume", "--resume")
    refused("does not go with --init", "--resume", "--init", "x", code=2)
    refused("size must be a multiple of 16", "--size", "50", code=2)
    refused("steps must be at least 1", "--steps", "0", code=2)
    refused("threads must be between 1 and 1024", "--threads", "0", code=2)
    refused("only 0 usable photos, need at least 16 (19 unreadable", "--preset", "smoke", "--size", "128")
    if not torch.cuda.is_available():
        refused("device cuda is not available", "--preset", "smoke", "--device", "cuda", code=2)
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "state.pt").write_bytes(b"mine")
    refused("state.pt: exists already, use --resume")
    refused("state.pt: is not a whole training state", "--preset", "smoke", "--resume")
    assert (folder / "run" / "state.pt").read_bytes() == b"mine"


def test_resuming_another_run_is_refused(photos, tmp_path):
    trainer(photos, tmp_path).save()
    with pytest.raises(OptionError, match="was trained with size 32, got 64"):
        trainer(photos, tmp_path, replace(SMALL, size=64)).resume()


def test_a_run_keeps_its_network_when_defaults_change(photos, tmp_path):
    """The same tensors in another order of dilations would load without a word."""
    trainer(photos, tmp_path, replace(SMALL, network_config={}), Dilated(DilatedConfig(16, 8, (2, 1)))).save()
    export(tmp_path, tmp_path / "out.safetensors", "scenes")
    assert load_weights(tmp_path / "out.safetensors")[0].config == DilatedConfig(16, 8, (2, 1))
    with pytest.raises(OptionError, match="was trained with the network"):
        trainer(photos, tmp_path, replace(SMALL, network_config={}), Dilated(DilatedConfig(16, 8, (1, 2)))).resume()


def test_non_finite_loss_keeps_the_last_state(photos, tmp_path):
    run = trainer(photos, tmp_path)
    run.train_step()
    run.save()
    kept = (tmp_path / "state.pt").read_bytes()
    with torch.no_grad():
        run.generator.exit.bias.fill_(float("nan"))
    with pytest.raises(InpaintError, match="a loss is not finite at step 1; the last saved state is kept"):
        run.run()
    assert (tmp_path / "state.pt").read_bytes() == kept


def test_full_disk(photos, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"state\.pt: cannot be written"):
        trainer(photos, tmp_path).save()


def test_export_without_a_run(tmp_path):
    with pytest.raises(WeightsError, match=r"state\.pt: not found"):
        export(tmp_path, tmp_path / "out.safetensors", "nothing")


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"size": 40}, "multiple of 16"), ({"batch": 0}, "must be positive"), ({"discriminator": "x"}, "one of patch"),
     ({"optimizer": "sgd"}, "adamw, adadelta or muon"), ({"momentum": 1.0}, "below 1, got 1.0"),
     ({"precision": "fp8"}, "or fp32"), ({"jitter": 4}, "of 8"),
     ({"mix": {"stars": 1}}, "positive weights"), ({"guided": 2}, "between 0 and 1"),
     ({"generator_phase": 1.0}, "leave some of the run")],
)  # fmt: skip
def test_settings_out_of_range(setting, words):
    with pytest.raises(OptionError, match=words):
        TrainingConfig(**setting)


def test_presets_are_named_alike_everywhere():
    assert tuple(PRESETS) == PRESET_NAMES
    documented = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
    assert all(f"`{name}`" in documented for name in PRESETS)
    described = TrainingConfig.__doc__
    assert all(f.name in described for f in fields(TrainingConfig))


def test_accelerate_gradients_of_two_processes_are_those_of_a_double_batch(tmp_path):
    """Two processes with half a batch each take the same step as one process with all of it."""
    for processes in (1, 2):
        # `--multi_gpu` is Accelerate's name for its launcher of several processes; the script asks for the CPU.
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes),
                  "--multi_gpu" if processes > 1 else "--cpu", "--num_machines", "1", "--mixed_precision", "no",
                  "--dynamo_backend", "no", "-m", "tests.two_processes", str(tmp_path / f"{processes}.pt")]  # fmt: skip
        root = Path(__file__).parent.parent
        done = subprocess.run(launch, capture_output=True, text=True, check=False, timeout=300, cwd=root)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in (1, 2))
    assert two["processes"] == 2 and one["processes"] == 1
    for a, b in zip(one["gradients"], two["gradients"], strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-6)


def test_accelerate_a_run_of_two_processes_ends_cleanly(folder):
    """Both close their group; the first alone writes and reports."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--multi_gpu",
              "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "inpaint", "train",
              "--photos", str(folder / "photos"), "--output", str(folder / "run"), "--preset", "smoke", "--steps", "2",
              "--device", "cpu", "--threads", "1"]  # fmt: skip
    root = Path(__file__).parent.parent
    done = subprocess.run(launch, capture_output=True, text=True, check=False, timeout=300, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("step 2") == 1 and "destroy_process_group" not in done.stderr
    assert (folder / "run" / "last.safetensors").is_file()


@pytest.mark.parametrize("preset", [name for name in PRESETS if name not in ("dilated-large", "smoke")])
def test_presets_train_their_networks(photos, tmp_path, preset):
    """One step of every preset at a small size changes every trained tensor of the generator."""
    config = replace(
        PRESETS[preset], size=64, batch=2, perceptual=0, critic_steps=1, generator_phase=0, discriminator_phase=0,
        warmup_steps=0, adversarial_from=0, learning_rate=1e-2,
    )  # fmt: skip
    torch.manual_seed(0)
    generator = build_generator(config, None).train()
    batches = HostBatches(photos, config, range(18), generator.takes_guide)
    adversary = ADVERSARIES[config.discriminator](DISCRIMINATORS[config.discriminator](64))
    run = Trainer(generator, adversary, None, batches, tmp_path, config)
    before = {k: v.clone() for k, v in generator.named_parameters()}
    values = run.train_step()
    assert all(torch.isfinite(v) for v in values.values()) and "adversarial" in values
    unchanged = [k for k, v in generator.named_parameters() if torch.equal(v, before[k])]
    assert not unchanged
