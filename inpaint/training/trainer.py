"""The training loop: one visible step, an averaged generator, atomic states that a later run goes on from.

Nothing here knows an architecture: a generator fills (in one stage or several, with a guide or without), an adversary
judges, losses have weights. Accelerate gives the devices; with several processes the gradients are averaged.
"""

import copy
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from inpaint.errors import InpaintError, OptionError, OutputError
from inpaint.models.layers import InpaintingNetwork, composite
from inpaint.models.precision import multiplies_bf16
from inpaint.training import losses as loss
from inpaint.training.adversarial import Adversary
from inpaint.training.batches import Batch, Batches, first_octave
from inpaint.training.config import TrainingConfig
from inpaint.training.guides import make_guides
from inpaint.training.muon import Muon

# May not change when a run goes on.
FIXED = ("network", "network_config", "discriminator", "size", "optimizer", "discriminator_optimizer")


def read_state(file: Path, config: TrainingConfig, generator: InpaintingNetwork | None = None) -> dict[str, Any]:
    """What `Trainer.save` wrote, if a run with this config and generator (None: the state's own) may go on from it.

    Raises:
        OutputError: the state cannot be read.
        OptionError: the run was begun with another network, discriminator, size or optimizer.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise OutputError(f"{file}: is not a whole training state ({type(error).__name__})") from None
    ours, theirs = asdict(config), state["config"]
    if "discriminator_optimizer" not in theirs and "optimizer" in theirs:  # a state from before it was a setting
        theirs["discriminator_optimizer"] = "adadelta" if theirs["optimizer"] == "adadelta" else "adamw"
    for name in FIXED:
        if name in theirs and theirs[name] != ours[name]:
            raise OptionError(f"{file}: was trained with {name} {theirs[name]}, got {ours[name]}")
    built = asdict(generator.config) if generator else {}
    if generator and state.get("architecture", built) != built:  # a default may have changed since the run began
        raise OptionError(f"{file}: was trained with the network {state['architecture']}, got {built}")
    return state


class Trainer:
    """Trains a generator against an adversary.

    Args:
        generator: called as its `InpaintingNetwork` contract says.
        adversary: discriminator with its losses.
        perceptual: distance of two batches of photos, float (B,), or None where its weight is 0.
        batches: source of samples.
        folder: where the state is kept.
        config: settings.
        accelerator: devices and processes; None means this process and the CPU.
    """

    def __init__(
        self, generator: InpaintingNetwork, adversary: Adversary, perceptual: nn.Module | None, batches: Batches,
        folder: Path, config: TrainingConfig, accelerator: Accelerator | None = None,
    ) -> None:
        self.accelerator = accelerator or Accelerator(cpu=True)
        self.device = self.accelerator.device
        self.generator, self.adversary, self.perceptual = generator, adversary, perceptual
        for network in (generator, adversary.discriminator, perceptual):
            if network is not None:
                network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(generator).eval().requires_grad_(False)
        self.forward: Callable[..., Tensor] = torch.compile(generator) if config.compile else generator
        self.batches, self.folder, self.config = batches, folder, config
        self.optimizer = self._optimizer(config.optimizer, generator, config.learning_rate)
        self.d_optimizer = self._optimizer(
            config.discriminator_optimizer, adversary.discriminator, config.discriminator_rate
        )
        self.step, self.seconds, self.seen, self.best, self.judged_by = 0, 0.0, 0, math.inf, ""
        self.stopping = False
        self.source = " ".join(type(part).__name__ for part in (batches, getattr(batches, "others", None)) if part)
        self.precision = config.precision if multiplies_bf16(self.device) else "fp32"

    def _optimizer(self, name: str, network: nn.Module, rate: float) -> torch.optim.Optimizer:
        if name == "adadelta":
            return torch.optim.Adadelta(network.parameters(), rate)
        if name == "muon":
            return Muon(network.parameters(), rate, self.config.momentum, self.config.betas)
        return torch.optim.AdamW(network.parameters(), rate, self.config.betas, weight_decay=1e-4)

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        c = self.config
        return min(1.0, self.step / c.steps if c.steps is not None else self.seconds / (c.minutes * 60))

    def phase(self) -> tuple[bool, bool]:
        """Whether the generator learns in this step, and whether the discriminator does and judges."""
        c = self.config
        if self.progress < c.generator_phase:
            return True, False
        if self.progress < c.generator_phase + c.discriminator_phase:
            return False, True
        return True, self.step >= c.adversarial_from and c.adversarial > 0

    def autocast(self) -> torch.autocast:
        """Bfloat16 where the settings ask for it and the device gains by it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def predict(self, batch: Batch) -> list[Tensor]:
        """Every stage's opinion of every pixel (B, 3, S, S); what may not be learnt from is hidden like a hole."""
        if not self.generator.takes_guide:
            return self.generator.stages(batch.photo, batch.hidden)
        guide, guided = make_guides(self.averaged, batch, first_octave(self.config.size))
        return [self.forward(batch.photo, batch.hidden, guide, guided)]

    def cut(self, batch: Batch, filled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Filled photo, photo and hole as the judges see them: cut at a random offset, so that no fixed grid pays.

        What may not be learnt from is grey in both pictures.
        """
        (top, left), side = batch.offset, batch.photo.shape[-1] - self.config.jitter
        pictures = (filled, batch.photo, batch.hole)
        if batch.valid is not None:
            pictures = (filled * batch.valid, batch.photo * batch.valid, batch.hole)
        if not self.config.jitter:
            return pictures
        return tuple(x[..., top : top + side, left : left + side] for x in pictures)  # type: ignore[return-value]

    def train_step(self) -> dict[str, Tensor]:
        """One update of the networks whose turn it is; returns the weighted losses by name, detached."""
        generates, judges = self.phase()
        for _ in range(self.config.critic_steps - 1 if generates and judges else 0):
            self._learn_to_judge(*self._fill(self._draw(), learning=False)[1:])
        batch = self._draw()
        stages, filled, photo, mask = self._fill(batch, learning=generates)
        values: dict[str, Tensor] = {}
        if generates:
            values |= self._learn_to_fill(batch, stages, filled, photo, mask, judges)
        if judges:
            values |= self._learn_to_judge(filled.detach(), photo, mask)
        self.step += 1
        self.seen += len(batch.photo) * self.accelerator.num_processes
        return {name: value.detach() for name, value in values.items()}

    def _draw(self) -> Batch:
        batch = self.batches.draw()
        for name in ("photo", "mask", "valid", "guide", "gain", "shift", "given"):
            value = getattr(batch, name)
            if value is not None and value.device != self.device:
                setattr(batch, name, value.to(self.device))
        batch.photo = batch.photo.contiguous(memory_format=torch.channels_last)
        return batch

    def _fill(self, batch: Batch, learning: bool) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        with torch.set_grad_enabled(learning), self.autocast():
            stages = self.predict(batch)
            return stages, *self.cut(batch, composite(stages[-1], batch.photo, batch.hole))

    def _learn_to_fill(
        self, batch: Batch, stages: list[Tensor], filled: Tensor, photo: Tensor, mask: Tensor, judges: bool
    ) -> dict[str, Tensor]:
        c, last = self.config, stages[-1]
        hole, known = batch.hole, 1 - batch.hidden
        with self.autocast():
            terms: dict[str, Callable[[], Tensor]] = {
                "hole_l1": lambda: loss.masked_l1(last, batch.photo, hole),
                "known_l1": lambda: loss.masked_l1(last, batch.photo, known),
                "hole_mse": lambda: loss.masked_mse(last, batch.photo, hole),
                "discounted_l1": lambda: loss.discounted_l1(last, batch.photo, hole),
                "total_variation": lambda: loss.total_variation(filled, mask),
                "local_contrast": lambda: loss.local_contrast(filled, photo, mask),
                "perceptual": lambda: self.perceptual(filled, photo).mean(),  # type: ignore[misc]
            }
            values = {name: getattr(c, name) * term() for name, term in terms.items() if getattr(c, name) > 0}
            if c.coarse_l1 > 0:
                in_hole = loss.discounted_l1 if c.discounted_l1 > 0 else loss.masked_l1
                for k, stage in enumerate(stages[:-1]):
                    both = in_hole(stage, batch.photo, hole) + loss.masked_l1(stage, batch.photo, known)
                    values[f"coarse_l1_{k}"] = c.coarse_l1 * both
            if judges:
                self.adversary.discriminator.requires_grad_(False)
                for name, value in self.adversary.generator_losses(filled, photo, mask).items():
                    if getattr(c, name) > 0:
                        values[name] = getattr(c, name) * value
                self.adversary.discriminator.requires_grad_(True)
        self._update(self.optimizer, self.generator, values)
        decay = min(c.ema, (1 + self.step) / (10 + self.step))
        if c.polynomial and self.step >= c.warmup_steps:
            decay = 1 - (1 + c.polynomial) / (self.step - c.warmup_steps + 1 + c.polynomial)
        with torch.no_grad():
            for slow, fast in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
            for ours, theirs in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
                ours.copy_(theirs)
        return values

    def _learn_to_judge(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        c = self.config
        # Penalties on gradients are differentiated twice, for which bfloat16 is too coarse.
        coarse = self.precision == "bf16" and c.gradient_penalty == 0
        with torch.autocast(self.device.type, torch.bfloat16, enabled=coarse):
            values = self.adversary.discriminator_losses(filled.float(), photo, mask)
        if "gradient_penalty" in values:
            values["gradient_penalty"] = c.gradient_penalty * values["gradient_penalty"]
        if c.r1 > 0 and self.step % c.r1_every == 0:
            values["r1"] = c.r1 * c.r1_every * self.adversary.r1(photo, mask)
        self._update(self.d_optimizer, self.adversary.discriminator, values)
        return values

    def _update(self, optimizer: torch.optim.Optimizer, network: nn.Module, values: dict[str, Tensor]) -> None:
        total = torch.stack([value.float() for value in values.values()]).sum()
        if not torch.isfinite(total):
            raise InpaintError(f"{self.folder}: a loss is not finite at step {self.step}; the last saved state is kept")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        if self.accelerator.num_processes > 1:
            self._average_gradients(network)
        if not torch.isfinite(nn.utils.clip_grad_norm_(network.parameters(), self.config.clip)):
            raise InpaintError(
                f"{self.folder}: a gradient is not finite at step {self.step}; the last saved state is kept"
            )
        optimizer.step()

    def _average_gradients(self, network: nn.Module) -> None:
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def _set_rates(self) -> None:
        c = self.config
        warm = min(1.0, (self.step + 1) / max(1, c.warmup_steps))
        rate = warm * (c.final_rate + (1 - c.final_rate) * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for optimizer, peak in ((self.optimizer, c.learning_rate), (self.d_optimizer, c.discriminator_rate)):
            optimizer.param_groups[0]["lr"] = peak * rate

    def _agree(self) -> bool:
        """Whether to go on; all processes count the first one's time and stop together."""
        if self.accelerator.num_processes > 1:
            clock = self.seconds if self.accelerator.is_main_process else 0.0
            mine = torch.tensor([float(self.stopping), clock], device=self.device, dtype=torch.float64)
            stops, seconds = self.accelerator.reduce(mine, "sum").tolist()
            self.stopping, self.seconds = stops > 0, seconds
        return not self.stopping and self.progress < 1

    def run(self, watch: Callable[["Trainer", dict[str, Tensor]], None] = lambda trainer, values: None) -> None:
        """Train until the run is over or a signal asks to stop, saving the state now and then.

        Args:
            watch: called after every step with the trainer and the step's losses.
        """

        def stop(*_: object) -> None:
            self.stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        last_save = time.monotonic()
        try:
            while self._agree():
                start = time.monotonic()
                self._set_rates()
                values = self.train_step()
                self.seconds += time.monotonic() - start
                watch(self, values)
                if time.monotonic() - last_save > self.config.save_minutes * 60:
                    self.save()
                    last_save = time.monotonic()
            self.save()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def save(self) -> None:
        """Write the whole state to `state.pt`, replacing the last one only when complete."""
        rank = self.accelerator.process_index
        state: dict[str, Any] = {
            "batches": self.batches.state(), "source": self.source, "torch_rng": torch.get_rng_state(),
        }  # fmt: skip
        if self.accelerator.is_main_process:
            state |= {
                "generator": self.generator.state_dict(), "averaged": self.averaged.state_dict(),
                "discriminator": self.adversary.discriminator.state_dict(), "optimizer": self.optimizer.state_dict(),
                "d_optimizer": self.d_optimizer.state_dict(), "step": self.step, "seconds": self.seconds,
                "seen": self.seen, "best": self.best, "judged_by": self.judged_by, "config": asdict(self.config),
                "architecture": asdict(self.generator.config),
            }  # fmt: skip
        name = f"state-{rank}" if rank else "state"
        try:
            torch.save(state, self.folder / f"{name}.partial")
            os.replace(self.folder / f"{name}.partial", self.folder / f"{name}.pt")
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self.folder / name}.pt: cannot be written ({error})") from None

    def resume(self) -> None:
        """Go on from `state.pt`.

        Raises:
            OutputError, OptionError: as `read_state`.
        """
        state = read_state(self.folder / "state.pt", self.config, self.generator)
        for name in ("generator", "averaged", "optimizer", "d_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.adversary.discriminator.load_state_dict(state["discriminator"])
        self.step, self.seconds, self.seen = state["step"], state["seconds"], state["seen"]
        self.best, self.judged_by = state.get("best", math.inf), state.get("judged_by", "")
        rank = self.accelerator.process_index
        if rank:
            own = self.folder / f"state-{rank}.pt"
            state = torch.load(own, map_location="cpu", weights_only=True) if own.is_file() else {}
        source = state.get("source", "")  # "": a state from before it was kept
        if "batches" in state and source in ("", self.source):
            try:
                self.batches.load_state(state["batches"])
            except Exception:
                if source:
                    raise
                return  # of another kind of device: other samples are drawn, as always on another one
            torch.set_rng_state(state["torch_rng"])
