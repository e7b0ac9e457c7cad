"""Whole runs of `inpaint train`: what they leave, refuse and say, alone and as several processes."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from PIL import Image

from inpaint.cli import main
from inpaint.commands.train import PRESET_NAMES
from inpaint.errors import OptionError, WeightsError
from inpaint.models.weights import load_weights
from inpaint.training.config import PRESETS, TrainingConfig
from inpaint.training.export import export
from tests.conftest import scene

pytest_plugins = ["tests.trainings"]


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
    refused("goes on from a run's own state, so it does not go with --widen", "--resume", "--widen", code=2)
    refused("size must be a multiple of 16", "--size", "50", code=2)
    refused("steps must be at least 1", "--steps", "0", code=2)
    refused("seed must be 0 or more, got -1", "--seed", "-1", code=2)
    refused("threads must be between 1 and 1024", "--threads", "0", code=2)
    refused("only 0 usable photos, need at least 16 (19 unreadable", "--preset", "smoke", "--size", "128")
    if not torch.cuda.is_available():
        refused("device cuda is not available", "--preset", "smoke", "--device", "cuda", code=2)
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "state.pt").write_bytes(b"mine")
    refused("state.pt: exists already, use --resume")
    refused("state.pt: is not a whole training state", "--preset", "smoke", "--resume")
    assert (folder / "run" / "state.pt").read_bytes() == b"mine"


def test_export_without_a_run(tmp_path):
    with pytest.raises(WeightsError, match=r"state\.pt: not found"):
        export(tmp_path, tmp_path / "out.safetensors", "nothing")


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"size": 40}, "multiple of 16"), ({"batch": 0}, "must be positive"), ({"discriminator": "x"}, "one of patch"),
     ({"optimizer": "sgd"}, "adamw, adadelta or muon"),
     ({"discriminator_optimizer": "lion"}, "discriminator_optimizer must be .* got 'lion'"),
     ({"momentum": 1.0}, "below 1, got 1.0"), ({"precision": "fp8"}, "or fp32"), ({"jitter": 4}, "of 8"),
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
