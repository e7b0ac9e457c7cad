"""What a run shows while it goes on: a progress bar, TensorBoard, validation, and the best weights so far."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inpaint.models.weights import save_weights
from inpaint.training.export import training_record, write_card
from inpaint.training.trainer import Trainer
from inpaint.training.validation import Scores, Validation

LOG_STEPS = 50


class Watch:
    """Called after every step of a trainer.

    Args:
        folder: of the run; receives `tensorboard/`, `validation.jsonl`, `best.safetensors` and `best.md`.
        data: what is trained on, for the header of the weights.
        validation: cases to score, or None.
        trainer: as it stands before this part of the run.
    """

    def __init__(self, folder: Path, data: str, validation: Validation | None, trainer: Trainer) -> None:
        self.folder, self.data, self.validation = folder, data, validation
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=trainer.step + 1)
        c = trainer.config
        total = c.steps if c.steps is not None else math.ceil(c.minutes * 60)
        quiet = 0.5 if sys.stderr.isatty() else 20
        self.bar = tqdm(total=total, unit="step" if c.steps is not None else "s", mininterval=quiet, dynamic_ncols=True)
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.start = (trainer.step, trainer.seconds, trainer.seen)
        self._show(trainer)

    def __call__(self, trainer: Trainer, values: dict[str, Tensor]) -> None:
        """Note one step's losses; now and then log them and validate."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        if trainer.step % LOG_STEPS == 0:
            self._log(trainer)
        else:
            self._show(trainer)
        every = trainer.config.validate_steps
        if self.validation is not None and every and trainer.step % every == 0:
            self.validate(trainer)

    def _show(self, trainer: Trainer) -> None:
        c = trainer.config
        self.bar.update(max(0, (trainer.step if c.steps is not None else int(trainer.seconds)) - self.bar.n))

    def _log(self, trainer: Trainer) -> None:
        seconds = trainer.seconds - self.start[1]
        speed = (trainer.seen - self.start[2]) / max(seconds, 1e-9)
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        for name, value in means.items():
            self.writer.add_scalar(f"loss/{name}", value, trainer.step)
        self.writer.add_scalar("images per second", speed, trainer.step)
        shown = " ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.bar.set_postfix_str(f"step {trainer.step} {speed:.1f} img/s {shown}", refresh=False)
        self._show(trainer)
        self.sums, self.counts, self.start = {}, {}, (trainer.step, trainer.seconds, trainer.seen)

    def validate(self, trainer: Trainer) -> Scores:
        """Score the averaged generator; when it is the best so far, export it with its card."""
        assert self.validation is not None
        with torch.backends.cudnn.flags(benchmark=False):  # its many sizes come only once each
            scores, grid = self.validation.score(trainer.averaged, trainer.device, trainer.perceptual)
        named = {"lpips": scores.lpips, "psnr": scores.psnr, "l1": scores.l1}
        for name, value in named.items():
            if value is not None:
                self.writer.add_scalar(f"validation/{name}", value, trainer.step)
        self.writer.add_image("validation", grid, trainer.step, dataformats="HWC")
        with open(self.folder / "validation.jsonl", "a", encoding="utf-8") as file:
            line = {"step": trainer.step, "minutes": round(trainer.seconds / 60, 2), **named}
            file.write(json.dumps(line) + "\n")
        if scores.loss_name != (trainer.judged_by or scores.loss_name):
            trainer.best = math.inf  # of another metric, which says nothing beside this one
        if scores.loss < trainer.best:
            trainer.best, trainer.judged_by = scores.loss, scores.loss_name
            self.export(trainer, "best", named)
        tqdm.write(f"step {trainer.step}: validation {json.dumps(named)}", file=sys.stderr)
        return scores

    def export(self, trainer: Trainer, name: str, scores: dict[str, Any]) -> None:
        """Write the averaged generator as `NAME.safetensors` and its card as `NAME.md`."""
        record = training_record(trainer, self.data, scores)
        save_weights(trainer.averaged, trainer.config.network, self.folder / f"{name}.safetensors", record)
        write_card(self.folder / f"{name}.md", trainer.averaged, trainer.config.network, record)

    def close(self) -> None:
        """Finish the bar and the log."""
        self.bar.close()
        self.writer.close()
