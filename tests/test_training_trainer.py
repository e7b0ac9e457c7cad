"""What the trainer's losses and processes do, step by step."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from inpaint.training.batches import Batch
from inpaint.training.config import PRESETS
from inpaint.training.losses import discounted_l1, masked_l1
from inpaint.training.trainer import Trainer
from tests.test_training import SMALL, TwoStage


def trainer(config, folder):
    adversary = SimpleNamespace(discriminator=torch.nn.Linear(1, 1))
    return Trainer(TwoStage(), adversary, None, None, folder, config)


@pytest.mark.parametrize("preset", ["deepfill-v1", "deepfill-v2"])
def test_the_coarse_stage_is_discounted_where_the_last_is(tmp_path, monkeypatch, preset):
    config = replace(PRESETS[preset], precision="fp32", size=96, batch=1)
    run = trainer(config, tmp_path)
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
        run = trainer(SMALL, tmp_path)
        run.seconds, run.stopping = (10.0, 99.0)[who], who == 1
        run.accelerator = SimpleNamespace(num_processes=2, is_main_process=who == 0, reduce=reduce)
        return run, run._agree()

    sent = []
    for who in (0, 1):
        agree(who, lambda mine, how: sent.append(mine) or mine)
    ways = {"sum": sent[0] + sent[1], "mean": (sent[0] + sent[1]) / 2}
    run, goes_on = agree(rank, lambda mine, how: ways[how])
    assert not goes_on and run.stopping and run.seconds == 10
