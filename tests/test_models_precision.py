"""Bfloat16 where the processor has units for it: when it is taken, and that it fills the same."""

import numpy as np
import pytest
import torch

from inpaint import FillOptions, Inpainter
from inpaint.errors import OptionError
from inpaint.models import precision
from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.glcic import GLCIC, GLCICConfig
from inpaint.models.precision import VARIABLE, multiplies_bf16, pick_precision
from tests.conftest import scene

CPU = torch.device("cpu")
SMALL = DilatedConfig(channels=32, shallow=16, dilations=(1, 2, 2, 1))


def case(height, width):
    """A photo uint8 (H, W, 3) and a mask bool (H, W) with a box in the middle."""
    mask = np.zeros((height, width), bool)
    mask[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
    return scene(height, width), mask


@pytest.fixture
def units(monkeypatch):
    """Sets what the processor has."""
    monkeypatch.delenv(VARIABLE, raising=False)

    def have(*names: str) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True))

    return have


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_units_for_it_takes_bfloat16(units, unit):
    units("avx2", unit)
    assert multiplies_bf16(CPU) and pick_precision(Dilated(SMALL), CPU) == torch.bfloat16


def test_other_processors_networks_and_devices_keep_float32(units, monkeypatch):
    units("avx2", "avx512_f")
    assert pick_precision(Dilated(SMALL), CPU) == torch.float32
    units("avx512_bf16")
    assert pick_precision(GLCIC(GLCICConfig()), CPU) == torch.float32
    assert pick_precision(Dilated(SMALL), torch.device("cuda")) == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert pick_precision(Dilated(SMALL), CPU) == torch.float32


def test_a_convolution_that_differs_keeps_float32(units, monkeypatch):
    units("avx512_bf16")
    monkeypatch.setattr(precision, "CLOSE", 1e-5)
    assert pick_precision(Dilated(SMALL), CPU) == torch.float32


def test_the_environment_decides_if_it_says_so(units, monkeypatch):
    units("avx512_bf16")
    monkeypatch.setenv(VARIABLE, "float32")
    assert Inpainter.load(device="cpu").precision == "float32"
    units()
    monkeypatch.setenv(VARIABLE, "bfloat16")
    assert Inpainter.load(device="cpu").precision == "bfloat16"
    monkeypatch.setenv(VARIABLE, "fp8")
    with pytest.raises(OptionError, match="INPAINT_PRECISION must be auto, float32 or bfloat16, got 'fp8'"):
        Inpainter.load(device="cpu")


@pytest.mark.parametrize("box", [None, (20, 24, 60, 72)])
def test_inputs_and_outputs_stay_float32(box):
    photo, mask = case(80, 96)
    shown = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 127.5 - 1
    hole = torch.from_numpy(mask)[None, None].float()
    network = Dilated(SMALL).eval()
    with torch.inference_mode():
        exact = network(shown, hole, shown / 2, box=box)
        narrow = network.bfloat16()(shown, hole, shown / 2, box=box)
    assert narrow.dtype == torch.float32
    assert 0 < (narrow - exact).abs().max() < 0.02
    assert len(narrow.unique()) > 1000  # a guide in float32 is not rounded to bfloat16's 256 steps


def test_a_fill_is_the_same_but_for_rounding(monkeypatch):
    photo, mask = case(128, 160)
    options = FillOptions(engine="network")
    fills = {}
    for name in ("float32", "bfloat16"):
        monkeypatch.setenv(VARIABLE, name)
        result = Inpainter.load(device="cpu").fill(photo, mask, options)
        assert result.report.precision == name and f'"precision": "{name}"' in result.report.to_json()
        fills[name] = result.photo.astype(int)
    apart = np.abs(fills["float32"] - fills["bfloat16"])
    assert not apart[~mask].any()
    assert apart[mask].mean() < 0.5 and apart.max() <= 12
