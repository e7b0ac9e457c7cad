"""What the trainer does, step by step: losses, both networks, states, signals, several processes."""

import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inpaint.errors import InpaintError, OptionError, OutputError
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import DISCRIMINATORS
from inpaint.models.weights import load_weights
from inpaint.training.adversarial import ADVERSARIES
from inpaint.training.batches import Batch, HostBatches
from inpaint.training.config import PRESETS
from inpaint.training.data import PhotoCache
from inpaint.training.device_batches import DeviceBatches
from inpaint.training.export import export, training_record
from inpaint.training.losses import discounted_l1, masked_l1
from inpaint.training.muon import Muon
from inpaint.training.run import build_generator
from inpaint.training.trainer import Trainer
from inpaint.training.validation import Scores
from inpaint.training.watch import Watch
from tests.trainings import SMALL, TwoStage, same, trainer

pytest_plugins = ["tests.trainings"]


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


def test_r1_is_lazy(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, adversarial_from=0, r1=0.5, r1_every=3))
    assert ["r1" in run.train_step() for _ in range(7)] == [True, False, False, True, False, False, True]


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


def test_resuming_another_run_is_refused(photos, tmp_path):
    trainer(photos, tmp_path).save()
    with pytest.raises(OptionError, match="was trained with size 32, got 64"):
        trainer(photos, tmp_path, replace(SMALL, size=64)).resume()


@pytest.mark.parametrize("before", [{}, {"discriminator_optimizer": "adamw"}])
def test_a_state_of_another_discriminator_optimizer_is_refused(photos, tmp_path, before):
    """States from before it was a setting are AdamW's."""
    run = trainer(photos, tmp_path, replace(SMALL, adversarial_from=0))
    run.train_step()
    run.save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["config"]["discriminator_optimizer"]
    state["config"] |= before
    torch.save(state, tmp_path / "state.pt")
    again = trainer(photos, tmp_path)
    again.resume()
    assert again.step == 1 and isinstance(again.d_optimizer, torch.optim.AdamW)
    with pytest.raises(OptionError, match="was trained with discriminator_optimizer adamw, got muon"):
        trainer(photos, tmp_path, replace(SMALL, discriminator_optimizer="muon")).resume()


def test_the_discriminator_has_its_own_optimizer(photos, tmp_path):
    run = trainer(photos, tmp_path, replace(SMALL, discriminator_optimizer="muon", adversarial_from=0))
    assert isinstance(run.d_optimizer, Muon) and isinstance(run.optimizer, torch.optim.AdamW)
    before = [weight.clone() for weight in run.adversary.discriminator.parameters()]
    run.train_step()
    assert not any(map(torch.equal, before, run.adversary.discriminator.parameters()))


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


def two_stages(config, folder):
    adversary = SimpleNamespace(discriminator=torch.nn.Linear(1, 1))
    return Trainer(TwoStage(), adversary, None, None, folder, config)


@pytest.mark.parametrize("preset", ["deepfill-v1", "deepfill-v2"])
def test_the_coarse_stage_is_discounted_where_the_last_is(tmp_path, monkeypatch, preset):
    config = replace(PRESETS[preset], precision="fp32", size=96, batch=1)
    run = two_stages(config, tmp_path)
    monkeypatch.setattr(run, "_update", lambda *_: None)
    torch.manual_seed(0)
    photo, coarse, last = torch.rand(3, 1, 3, 96, 96)
    mask = torch.zeros(1, 1, 96, 96)
    mask[..., 16:80, 16:80] = 1
    tint = torch.ones(1, 3, 1, 1)
    batch = Batch(photo, mask, None, torch.zeros(1, dtype=torch.int64), tint, 0 * tint, 2, (0, 0))
    values = run._learn_to_fill(batch, [coarse, last], last, photo, mask, judges=False)
    in_hole = {"deepfill-v1": discounted_l1, "deepfill-v2": masked_l1}[preset](coarse, photo, mask)
    expected = config.coarse_l1 * (in_hole + masked_l1(coarse, photo, 1 - mask))
    assert float(values["coarse_l1_0"]) == pytest.approx(float(expected))


@pytest.mark.parametrize("rank", [0, 1])
def test_all_processes_follow_the_first_one_s_clock(tmp_path, rank):
    def agree(who, reduce):
        run = two_stages(SMALL, tmp_path)
        run.seconds, run.stopping = (10.0, 99.0)[who], who == 1
        run.accelerator = SimpleNamespace(num_processes=2, is_main_process=who == 0, reduce=reduce)
        return run, run._agree()

    sent = []
    for who in (0, 1):
        agree(who, lambda mine, how: sent.append(mine) or mine)
    ways = {"sum": sent[0] + sent[1], "mean": (sent[0] + sent[1]) / 2}
    run, goes_on = agree(rank, lambda mine, how: ways[how])
    assert not goes_on and run.stopping and run.seconds == 10


def test_a_run_goes_on_with_samples_of_another_kind(photos, tmp_path):
    """A state of a GPU's batches is gone on with on a CPU, and the other way round; older states do not say which."""
    sources = [HostBatches(photos, SMALL, range(len(photos)), True),
               DeviceBatches(photos, SMALL, range(len(photos)), True, torch.device("cpu"))]  # fmt: skip
    for first, second in (sources, sources[::-1]):
        run = trainer(photos, tmp_path, batches=first)
        run.train_step()
        run.save()
        for tells in (True, False):
            if not tells:
                state = torch.load(tmp_path / "state.pt", weights_only=True)
                del state["source"]
                torch.save(state, tmp_path / "state.pt")
            again = trainer(photos, tmp_path, batches=second)
            again.resume()
            again.train_step()
            assert again.step == 2 and again.seen == 2 * SMALL.batch


def test_a_gradient_that_is_not_finite_keeps_the_last_state(photos, tmp_path, monkeypatch):
    run = trainer(photos, tmp_path)
    run.save()
    kept = (tmp_path / "state.pt").read_bytes()
    before = [weight.clone() for weight in run.generator.parameters()]
    handle = run.generator.exit.bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(InpaintError, match="a gradient is not finite at step 0; the last saved state is kept"):
        run.run()
    handle.remove()
    assert all(map(torch.equal, before, run.generator.parameters()))
    assert (tmp_path / "state.pt").read_bytes() == kept


def test_the_best_of_one_metric_is_not_compared_with_another(photos, tmp_path):
    cache = SimpleNamespace(score=lambda *_: (cache.scores, np.zeros((8, 8, 3), np.uint8)))
    run = trainer(photos, tmp_path)
    watch = Watch(tmp_path, "photos", cache, run)
    for scores, best, exported in (
        (Scores(None, 20.0, 0.01), 0.01, True), (Scores(None, 20.0, 0.02), 0.01, False),
        (Scores(0.5, 20.0, 0.02), 0.5, True), (Scores(0.4, 20.0, 0.03), 0.4, True),
    ):  # fmt: skip
        (tmp_path / "best.safetensors").unlink(missing_ok=True)
        cache.scores = scores
        watch.validate(run)
        assert run.best == best and (tmp_path / "best.safetensors").is_file() == exported
        run.save()
        again = trainer(photos, tmp_path)
        again.resume()
        assert (again.best, again.judged_by) == (run.best, scores.loss_name)
    watch.close()
