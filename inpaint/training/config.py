"""Settings of a training run, and the presets that follow our own recipe or a paper's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inpaint.errors import OptionError
from inpaint.masking.random import KINDS, TRAINING_MIX
from inpaint.models.discriminators import DISCRIMINATORS


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a run: sizes in pixels, times in minutes, losses as weights (0 = not used).

    Args:
        network: name in the registry of networks.
        network_config: arguments of that network's config that differ from its defaults.
        discriminator: name in `DISCRIMINATORS`; its adversarial loss comes with it.
        size: side of the crops, a multiple of 16.
        batch: crops a step (of one process).
        steps: length of the run in steps; None means that `minutes` counts.
        minutes: length of the run in minutes of training, earlier parts included.
        learning_rate, discriminator_rate: peak rates; both rise over `warmup_steps` and fall along a cosine.
        final_rate: share of them at the end.
        betas: of AdamW.
        optimizer, discriminator_optimizer: `adamw`, `adadelta` or `muon`.
        momentum: of Muon.
        adversarial_from: step from which the discriminator learns and judges.
        generator_phase, discriminator_phase: shares of the run in which only that network learns, in this order,
            before both do (Iizuka 2017, Algorithm 1: T_C and T_D).
        r1_every: discriminator steps between two R1 penalties, each weighted by this number (Karras 2020, section 3.1).
        critic_steps: updates of the discriminator for one of the generator.
        ema: decay of the averaged generator.
        polynomial: 0, or the averaged generator is the mean of all steps after `warmup_steps`, the newest counting
            1 + this times as much as in a plain mean (Shamir & Zhang 2013, section 4).
        clip: largest norm of a gradient.
        jitter: the judges see the photo cut by a random offset up to this, so that no fixed grid pays (multiple of 8).
        coarse_share: share of the steps that learn the first octave alone: whole scenes at half the size (at most 64
            px), as many more as they are smaller, without a guide. What the patches need to know is decided there.
        fine_share: share of the steps on crops of twice the size, a quarter as many, guided by both coarser octaves.
        scene_share: share of the steps on crops of the two finest octaves of whole scenes, which the network has filled
            up to there before the run (`SceneBatches`); the other shares are of what is left.
        colour: how much the photos' light is varied at random (`vary_colour`); 0 leaves it.
        guided: share of samples with a guide, for networks that take one.
        mix: weight of each mask kind.
        hole_l1, known_l1, hole_mse, discounted_l1, coarse_l1, perceptual, local_contrast, total_variation, adversarial,
            matching, r1, gradient_penalty: weights of the losses; `coarse_l1` is for the stages before the last, and
            discounted in the hole where `discounted_l1` is used.
        precision: `bf16` (autocast) or `fp32`, which is used where bfloat16 would be slower (`multiplies_bf16`).
        compile: let torch.compile fuse the generator; pays on a GPU.
        seed: of everything random.
        save_minutes: between states.
        validate_steps: between validations on held-out photos; 0 means never.

    Raises:
        OptionError: a value is outside its range; the text holds the value.
    """

    network: str = "dilated"
    network_config: Mapping[str, Any] = field(default_factory=dict)
    discriminator: str = "patch-r1"
    size: int = 128
    batch: int = 8
    steps: int | None = None
    minutes: float = 60
    learning_rate: float = 5e-4
    discriminator_rate: float = 4e-4
    final_rate: float = 0.05
    betas: tuple[float, float] = (0.5, 0.95)
    optimizer: str = "adamw"
    discriminator_optimizer: str = "adamw"
    momentum: float = 0.9
    warmup_steps: int = 200
    adversarial_from: int = 800
    generator_phase: float = 0.0
    discriminator_phase: float = 0.0
    r1_every: int = 16
    critic_steps: int = 1
    ema: float = 0.998
    polynomial: float = 0.0
    clip: float = 1.0
    jitter: int = 8
    coarse_share: float = 0.0
    fine_share: float = 0.0
    scene_share: float = 0.0
    colour: float = 0.0
    guided: float = 0.75
    mix: Mapping[str, float] = field(default_factory=lambda: dict(TRAINING_MIX))
    hole_l1: float = 2.0
    known_l1: float = 1.0
    hole_mse: float = 0.0
    discounted_l1: float = 0.0
    coarse_l1: float = 0.0
    perceptual: float = 5.0
    local_contrast: float = 0.0
    total_variation: float = 0.0
    adversarial: float = 0.1
    matching: float = 10.0
    r1: float = 1e-3
    gradient_penalty: float = 0.0
    precision: str = "bf16"
    compile: bool = False
    seed: int = 0
    save_minutes: float = 3.0
    validate_steps: int = 2000

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 16:
            raise OptionError(f"size must be a multiple of 16 and at least 32, got {self.size}")
        if self.batch < 1 or self.minutes <= 0:
            raise OptionError(f"batch and minutes must be positive, got {self.batch} and {self.minutes}")
        if self.steps is not None and self.steps < 1:
            raise OptionError(f"steps must be at least 1, got {self.steps}")
        if self.discriminator not in DISCRIMINATORS:
            raise OptionError(f"discriminator must be one of {', '.join(DISCRIMINATORS)}, got {self.discriminator!r}")
        for name in ("optimizer", "discriminator_optimizer"):
            if getattr(self, name) not in ("adamw", "adadelta", "muon"):
                raise OptionError(f"{name} must be adamw, adadelta or muon, got {getattr(self, name)!r}")
        if not 0 <= self.momentum < 1:
            raise OptionError(f"momentum must be at least 0 and below 1, got {self.momentum}")
        if self.precision not in ("bf16", "fp32"):
            raise OptionError(f"precision must be bf16 or fp32, got {self.precision!r}")
        if self.jitter < 0 or self.jitter % 8 or self.jitter >= self.size:
            raise OptionError(f"jitter must be a multiple of 8 below the size, got {self.jitter}")
        if not self.mix or set(self.mix) - set(KINDS) or min(self.mix.values()) <= 0:
            raise OptionError(f"mix must give positive weights to kinds of {', '.join(KINDS)}, got {dict(self.mix)}")
        for name in ("guided", "coarse_share", "fine_share", "scene_share", "colour", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if self.coarse_share + self.fine_share > 1:
            raise OptionError("coarse_share and fine_share must not exceed 1 together")
        for name in ("coarse_share", "fine_share"):
            if getattr(self, name) and (not self.discriminator.startswith("patch") or self.size < 64):
                raise OptionError(f"{name} needs a patch discriminator and a size of at least 64")
        if self.seed < 0:
            raise OptionError(f"seed must be 0 or more, got {self.seed}")
        if self.polynomial < 0:
            raise OptionError(f"polynomial must not be negative, got {self.polynomial}")
        if not 0 <= self.generator_phase + self.discriminator_phase < 1:
            raise OptionError("generator_phase and discriminator_phase must leave some of the run to both networks")


PRESETS: dict[str, TrainingConfig] = {
    # Ours, on a CPU.
    "dilated": TrainingConfig(optimizer="muon", learning_rate=6e-3, coarse_share=0.5, guided=0.9),
    # Ours, for two hours on a CPU: wider, longer, at half the rate, with some larger crops.
    "dilated-long": TrainingConfig(
        network_config={"channels": 128, "shallow": 48}, optimizer="muon", learning_rate=3e-3, final_rate=0.02,
        discriminator_optimizer="muon", discriminator_rate=1.2e-3, steps=22_000, adversarial_from=3000,
        coarse_share=0.45, fine_share=0.1, colour=0.05, guided=0.9, validate_steps=3000,
    ),
    # Ours, for one data-centre GPU: wider, larger crops.
    "dilated-large": TrainingConfig(
        network_config={"channels": 192, "shallow": 64}, discriminator="patch-r1-wide", batch=160, learning_rate=6e-4,
        minutes=22, warmup_steps=400, adversarial_from=1500, coarse_share=0.45, fine_share=0.15, colour=0.08,
        guided=0.9, ema=0.999, validate_steps=4000,
    ),
    # Trained weights further on a CPU: crops of filled scenes, more LPIPS, contrast, the mean of all steps.
    "dilated-refine": TrainingConfig(
        network_config={"channels": 192, "shallow": 64}, learning_rate=1e-4, final_rate=1.0, warmup_steps=30,
        adversarial_from=400, coarse_share=0.4, scene_share=0.65, guided=0.9, polynomial=2.0, hole_l1=0.3, known_l1=0.3,
        perceptual=10.0, local_contrast=5.0, adversarial=0.15, matching=5.0, validate_steps=2000,
    ),
    # Iizuka 2017: MSE alone for 18 % of the run, the discriminator alone for 2 %, then both with alpha = 0.0004.
    "glcic": TrainingConfig(
        network="glcic", discriminator="global-local", size=256, batch=16, optimizer="adadelta", learning_rate=1.0,
        discriminator_optimizer="adadelta", discriminator_rate=1.0, adversarial_from=0, generator_phase=0.18,
        discriminator_phase=0.02, ema=0.999, jitter=0, mix={"boxes": 1.0}, hole_l1=0, known_l1=0, hole_mse=1.0,
        perceptual=0, adversarial=4e-4, matching=0, r1=0,
    ),
    # Yu 2018: spatially discounted L1 on both stages, WGAN-GP with two critics, five critic steps a step.
    "deepfill-v1": TrainingConfig(
        network="deepfill-v1", discriminator="wgan-critics", size=256, batch=16, learning_rate=1e-4,
        discriminator_rate=1e-4, betas=(0.5, 0.9), adversarial_from=0, critic_steps=5, ema=0.999, jitter=0,
        mix={"boxes": 1.0}, hole_l1=0, discounted_l1=1.2, known_l1=1.2, coarse_l1=1.2, perceptual=0, adversarial=1e-3,
        matching=0, r1=0, gradient_penalty=10.0,
    ),
    # Yu 2019: L1 on both stages and the hinge loss of SN-PatchGAN, one to one, on free-form masks.
    "deepfill-v2": TrainingConfig(
        network="deepfill-v2", discriminator="sn-patchgan", size=256, batch=16, learning_rate=1e-4,
        discriminator_rate=1e-4, betas=(0.5, 0.999), adversarial_from=0, ema=0.999, jitter=0,
        mix={"strokes": 0.7, "boxes": 0.3}, hole_l1=1.0, known_l1=1.0, coarse_l1=1.0, perceptual=0, adversarial=1.0,
        matching=0, r1=0,
    ),
    # A minute on a CPU, to see that everything runs.
    "smoke": TrainingConfig(
        network_config={"channels": 32, "shallow": 16, "dilations": (1, 2, 4, 8)}, size=64, batch=4, minutes=1,
        warmup_steps=20, adversarial_from=40, perceptual=0, validate_steps=100,
    ),
}  # fmt: skip
