"""The training loop: one visible step, an averaged generator, atomic states that a later run goes on from."""

import copy
import json
import math
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaint.errors import InpaintError, OptionError
from inpaint.masking.random import random_mask
from inpaint.models.layers import composite
from inpaint.training.data import PhotoCache
from inpaint.training.losses import feature_matching, hinge_discriminator, hinge_generator, masked_l1
from inpaint.training.perceptual import SqueezeLPIPS


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a run: sizes in pixels, times in minutes, the rest as in the optimizers' papers."""

    size: int = 128
    batch: int = 8
    minutes: float = 60
    learning_rate: float = 5e-4
    discriminator_rate: float = 4e-4
    warmup_steps: int = 200
    adversarial_from: int = 800
    ema: float = 0.998
    seed: int = 0
    hole_l1: float = 2.0
    known_l1: float = 1.0
    adversarial: float = 0.1
    matching: float = 3.0
    perceptual: float = 6.0
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 16:
            raise OptionError(f"size must be a multiple of 16 and at least 32, got {self.size}")
        if self.batch < 1 or self.minutes <= 0:
            raise OptionError(f"batch and minutes must be positive, got {self.batch} and {self.minutes}")


def halve(photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Make photos and holes half as large; known pixels are averaged without the hole.

    Args:
        photo: float (B, 3, H, W), H and W even.
        mask: float (B, 1, H, W), 1 = hole.

    Returns:
        photo (B, 3, H/2, W/2) and mask (B, 1, H/2, W/2), 1 where less than half of a pixel was known.
    """
    share = F.avg_pool2d(1 - mask, 2)
    small = F.avg_pool2d(photo * (1 - mask), 2) / share.clamp_min(1e-3)
    return small, (share < 0.5).float()


class Trainer:
    """Trains a guided generator against a patch discriminator; knows no architecture.

    Args:
        generator: called as `generator(photo, mask, guide, guided)`.
        discriminator: called as `discriminator(photo, mask)`, returns verdicts and features.
        perceptual: LPIPS between two photos.
        photos: source of crops.
        folder: where the state is kept.
        config: settings.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, perceptual: SqueezeLPIPS, photos: PhotoCache,
        folder: Path, config: TrainingConfig,
    ) -> None:
        for network in (generator, discriminator, perceptual):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.averaged = copy.deepcopy(generator).eval().requires_grad_(False)
        self.photos, self.folder, self.config = photos, folder, config
        self.optimizer = torch.optim.AdamW(generator.parameters(), config.learning_rate, (0.5, 0.95), weight_decay=1e-4)
        self.d_optimizer = torch.optim.AdamW(
            discriminator.parameters(), config.discriminator_rate, (0.5, 0.95), weight_decay=1e-4
        )
        self.rng = np.random.default_rng(config.seed)
        self.step, self.seconds, self.seen = 0, 0.0, 0
        self.stopping = False

    def draw(self) -> tuple[Tensor, Tensor]:
        """A batch of photos float (B, 3, S, S) in [-1, 1] and masks float (B, 1, S, S)."""
        c = self.config
        crops = np.stack([self.photos.crop(self.rng, c.size) for _ in range(c.batch)])
        masks = np.stack([random_mask(self.rng, c.size) for _ in range(c.batch)])
        photo = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        return photo.contiguous(memory_format=torch.channels_last), torch.from_numpy(masks)[:, None].float()

    def guides(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Guides (B, 3, S, S) and which of them count (B, 1, 1, 1): none, our own fill at half size, or a true blur."""
        size = photo.shape[-1]
        with torch.no_grad():
            small, hole = halve(photo, mask)
            coarse = composite(self.averaged(small, hole).clamp(-1, 1), small, hole)
            own = F.interpolate(coarse, size=(size, size), mode="bilinear")
            factor = int(self.rng.choice([2, 4, 8]))
            shift = torch.from_numpy(self.rng.normal(0, 0.08, (photo.shape[0], 3, 1, 1))).float()
            gain = torch.from_numpy(self.rng.normal(1, 0.08, (photo.shape[0], 1, 1, 1))).float()
            true = F.interpolate(F.avg_pool2d(photo, factor), size=(size, size), mode="bilinear") * gain + shift
        draw = torch.from_numpy(self.rng.random((photo.shape[0], 1, 1, 1))).float()
        return torch.where(draw < 0.75, own, true.clamp(-1, 1)), (draw > 0.25).float()

    def train_step(self) -> dict[str, float]:
        """One update of both networks; returns the losses by name."""
        c = self.config
        photo, mask = self.draw()
        guide, guided = self.guides(photo, mask)
        adversarial = self.step >= c.adversarial_from
        with torch.autocast("cpu", torch.bfloat16):
            prediction = self.generator(photo, mask, guide, guided)
            filled = composite(prediction, photo, mask)
            losses = {
                "hole": c.hole_l1 * masked_l1(prediction, photo, mask),
                "known": c.known_l1 * masked_l1(prediction, photo, 1 - mask),
                "lpips": c.perceptual * self.perceptual(filled, photo).mean(),
            }
            if adversarial:
                self.discriminator.requires_grad_(False)
                verdict, fake_features = self.discriminator(filled, mask)
                with torch.no_grad():
                    _, real_features = self.discriminator(photo, mask)
                losses["adversarial"] = c.adversarial * hinge_generator(verdict, mask)
                losses["matching"] = c.matching * feature_matching(fake_features, real_features)
                self.discriminator.requires_grad_(True)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        if not torch.isfinite(total):
            raise InpaintError(f"loss is not finite at step {self.step}; the last saved state is kept")
        self._update(self.optimizer, self.generator, total)
        if adversarial:
            with torch.autocast("cpu", torch.bfloat16):
                verdicts, _ = self.discriminator(torch.cat([photo, filled.detach()]), torch.cat([mask, mask]))
                d_loss = hinge_discriminator(verdicts[: c.batch], verdicts[c.batch :], mask)
            self._update(self.d_optimizer, self.discriminator, d_loss.float())
            losses["discriminator"] = d_loss
        decay = min(c.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        self.step += 1
        self.seen += c.batch
        return {name: float(value.detach()) for name, value in losses.items()}

    @staticmethod
    def _update(optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    def run(self) -> None:
        """Train until the minutes are over or a signal asks to stop, saving the state now and then."""
        c = self.config
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, lambda *_: setattr(self, "stopping", True))
        last_save = last_log = time.monotonic()
        sums: dict[str, float] = {}
        steps_before = self.step
        while not self.stopping and self.seconds < c.minutes * 60:
            start = time.monotonic()
            warm = min(1.0, (self.step + 1) / c.warmup_steps)
            rate = warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.seconds / (c.minutes * 60)))))
            self.optimizer.param_groups[0]["lr"] = c.learning_rate * rate
            self.d_optimizer.param_groups[0]["lr"] = c.discriminator_rate * rate
            for name, value in self.train_step().items():
                sums[name] = sums.get(name, 0) + value
            now = time.monotonic()
            self.seconds += now - start
            if now - last_log > 20:
                steps = self.step - steps_before
                means = " ".join(f"{name} {value / steps:.4f}" for name, value in sums.items())
                speed = steps * c.batch / (now - last_log)
                print(f"step {self.step} min {self.seconds / 60:.1f} img/s {speed:.1f} {means}", flush=True)
                last_log, steps_before, sums = now, self.step, {}
            if now - last_save > c.save_minutes * 60:
                self.save()
                last_save = time.monotonic()
        self.save()

    def save(self) -> None:
        """Write the whole state to `state.pt`, replacing the last one only when complete."""
        state = {
            "generator": self.generator.state_dict(), "averaged": self.averaged.state_dict(),
            "discriminator": self.discriminator.state_dict(), "optimizer": self.optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(), "rng": json.dumps(self.rng.bit_generator.state),
            "torch_rng": torch.get_rng_state(), "step": self.step, "seconds": self.seconds, "seen": self.seen,
            "config": asdict(self.config),
        }  # fmt: skip
        partial = self.folder / "state.partial"
        torch.save(state, partial)
        os.replace(partial, self.folder / "state.pt")

    def resume(self) -> None:
        """Go on from `state.pt`."""
        state = torch.load(self.folder / "state.pt", map_location="cpu", weights_only=True)
        for name in ("generator", "averaged", "discriminator", "optimizer", "d_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.rng.bit_generator.state = json.loads(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        self.step, self.seconds, self.seen = state["step"], state["seconds"], state["seen"]
