"""Adversaries: a discriminator with the pair of losses that its paper gives it."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from inpaint.models.discriminators import WGANCritics, around_hole
from inpaint.training.losses import (
    bce_discriminator,
    bce_generator,
    feature_matching,
    gradient_penalty,
    hinge_discriminator,
    hinge_generator,
    r1_penalty,
    wasserstein_critic,
)  # fmt: skip


class Adversary(Protocol):
    """What the trainer needs: losses by name, unweighted, for both sides."""

    discriminator: nn.Module

    def generator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """What the generator is told about filled photos (B, 3, H, W)."""

    def discriminator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """What the discriminator learns from filled and real photos."""

    def r1(self, photo: Tensor, mask: Tensor) -> Tensor:
        """Penalty on its gradient at real photos."""


class HingePatch:
    """Hinge loss and feature matching with a patch discriminator; only cells touching the hole count as fake."""

    def __init__(self, discriminator: nn.Module) -> None:
        self.discriminator = discriminator

    def generator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `adversarial` and `matching` losses."""
        verdict, fake = self.discriminator(filled, mask)
        _, real = self.discriminator(photo, mask)
        return {"adversarial": hinge_generator(verdict, mask), "matching": feature_matching(fake, real)}

    def discriminator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `discriminator` loss."""
        verdicts, _ = self.discriminator(torch.cat([photo, filled]), torch.cat([mask, mask]))
        real, fake = verdicts.chunk(2)
        return {"discriminator": hinge_discriminator(real, fake, mask)}

    def r1(self, photo: Tensor, mask: Tensor) -> Tensor:
        """R1 over all cells."""
        return r1_penalty(lambda x: self.discriminator(x, mask)[0], photo)


class CrossEntropy:
    """Binary cross entropy with a discriminator that gives one logit a photo."""

    def __init__(self, discriminator: nn.Module) -> None:
        self.discriminator = discriminator

    def generator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `adversarial` loss."""
        return {"adversarial": bce_generator(self.discriminator(filled, mask))}

    def discriminator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `discriminator` loss."""
        return {"discriminator": bce_discriminator(self.discriminator(photo, mask), self.discriminator(filled, mask))}

    def r1(self, photo: Tensor, mask: Tensor) -> Tensor:
        """R1 of the logit."""
        return r1_penalty(lambda x: self.discriminator(x, mask), photo)


class Wasserstein:
    """WGAN-GP with a global and a local critic; the gradient penalty counts only inside the hole."""

    def __init__(self, discriminator: nn.Module) -> None:
        assert isinstance(discriminator, WGANCritics)
        self.critics = discriminator
        self.discriminator: nn.Module = discriminator

    def generator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `adversarial` loss of both critics."""
        whole, local = self.discriminator(filled, mask)
        return {"adversarial": -(whole.mean() + local.mean())}

    def discriminator_losses(self, filled: Tensor, photo: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The `discriminator` loss and the `gradient_penalty` of both critics."""
        real, fake = self.discriminator(photo, mask), self.discriminator(filled, mask)
        estimate = wasserstein_critic(real[0], fake[0]) + wasserstein_critic(real[1], fake[1])
        side = self.critics.side
        squares = [around_hole(x, mask, side) for x in (photo, filled, mask)]
        penalty = gradient_penalty(self.critics.whole, photo, filled, mask) + gradient_penalty(
            self.critics.local, *squares
        )
        return {"discriminator": estimate, "gradient_penalty": penalty}

    def r1(self, photo: Tensor, mask: Tensor) -> Tensor:
        """R1 of the sum of both verdicts."""
        return r1_penalty(lambda x: sum(self.discriminator(x, mask)), photo)  # type: ignore[arg-type]


ADVERSARIES: dict[str, Callable[[nn.Module], Adversary]] = {
    "patch": HingePatch, "patch-r1": HingePatch, "patch-r1-wide": HingePatch, "sn-patchgan": HingePatch,
    "global-local": CrossEntropy, "wgan-critics": Wasserstein,
}  # fmt: skip
