"""Run by test_training_run.py under `accelerate launch`: one training step on a batch that is split over processes."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.discriminators import PatchDiscriminator
from inpaint.training.adversarial import HingePatch
from inpaint.training.batches import Batch
from inpaint.training.config import TrainingConfig
from inpaint.training.trainer import Trainer


class FixedBatch:
    """The rank's share of four photos whose holes are all of one size, so that means of halves are the whole's."""

    def __init__(self, rank: int, share: int) -> None:
        generator = torch.Generator().manual_seed(0)
        photo = torch.rand(4, 3, 32, 32, generator=generator) * 2 - 1
        mask = torch.zeros(4, 1, 32, 32)
        mask[:, :, 8:24, 8:24] = 1
        part = slice(rank * share, (rank + 1) * share)
        tint = torch.zeros(share, 3, 1, 1)
        guide = torch.zeros(share, dtype=torch.int64)
        self.batch = Batch(photo[part], mask[part], None, guide, tint + 1, tint, 2, (0, 0))

    def draw(self) -> Batch:
        return replace(self.batch)


def main() -> None:
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    share = 4 // accelerator.num_processes
    config = TrainingConfig(size=32, batch=share, adversarial_from=0, perceptual=0, precision="fp32", jitter=0)
    generator = Dilated(DilatedConfig(16, 8, (1, 2)))
    batches = FixedBatch(accelerator.process_index, share)
    trainer = Trainer(generator, HingePatch(PatchDiscriminator(8)), None, batches, Path("."), config, accelerator)
    trainer.train_step()
    if accelerator.is_main_process:
        networks = (generator, trainer.adversary.discriminator)
        gradients = [p.grad for network in networks for p in network.parameters()]
        torch.save({"processes": accelerator.num_processes, "gradients": gradients}, sys.argv[1])
    accelerator.wait_for_everyone()  # a process that leaves while the other still talks to it may be aborted
    accelerator.end_training()


if __name__ == "__main__":
    main()
