"""Batches: everything random of one training step, drawn on the host; `device_batches.py` draws them on a GPU."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inpaint.filling.structure import COARSEST
from inpaint.masking.random import random_mask
from inpaint.masking.silhouettes import Silhouettes, kinds_with
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache, cut_square, draw_square

UNGUIDED, OWN, TRUE = 0, 1, 2
TRUE_SHARE = 1 / 3  # of the guided samples
WHOLE = 3.0  # crops of the first octave are at least this part of the photo's shorter side
CLOSE_SHARE = 0.5  # of the samples with a true guide
FULL = 0.97  # a close-up that is hole beyond this share is not used


@dataclass
class Batch:
    """One step's samples.

    Attributes:
        photo: float (B, 3, S, S) in [-1, 1].
        mask: float (B, 1, S, S), 1 = hole.
        valid: float (B, 1, S, S), 0 where the photo itself has a hole and nothing may be learnt; None = 1 everywhere.
        guide: int (B,): `UNGUIDED`, `OWN` (the network's own coarser fill) or `TRUE` (a blurred, tinted truth); what
            is given in a photo with a hole of its own says `guides`.
        gain, shift: float (B, 3, 1, 1), the tint of true guides.
        factor: by how much true guides are made smaller, 2 to 8.
        offset: where the judges' cut starts, pixels from the top and from the left.
        given: float (B, 3, S, S) in [-1, 1], the guides, where they are known already; None = made as `guide` says.
    """

    photo: Tensor
    mask: Tensor
    valid: Tensor | None
    guide: Tensor
    gain: Tensor
    shift: Tensor
    factor: int
    offset: tuple[int, int]
    given: Tensor | None = None

    @property
    def hole(self) -> Tensor:
        """Where the photo is known but hidden from the network, float (B, 1, S, S): what losses and judges look at."""
        return self.mask if self.valid is None else self.mask * self.valid

    @property
    def hidden(self) -> Tensor:
        """All that the network may not see, float (B, 1, S, S): the mask, and the photo's own holes."""
        return self.mask if self.valid is None else torch.maximum(self.mask, 1 - self.valid)

    @property
    def guides(self) -> Tensor:
        """The kinds of guides, int (B,): `OWN` for `TRUE` where the photo has a hole, which the truth would show."""
        if self.valid is None:
            return self.guide
        holed = (self.valid < 1).flatten(1).any(dim=1)
        return torch.where((self.guide == TRUE) & holed, OWN, self.guide)


def first_octave(size: int) -> int:
    """Side of the first octave of crops of this size, pixels: half of it, and not more than filling begins with."""
    return min(COARSEST, size // 2)


def step_size(config: TrainingConfig, chance: float) -> tuple[int, int, bool]:
    """Size and number of a step's crops, and whether they are for the first octave; `chance` is uniform in [0, 1)."""
    if chance < config.coarse_share:
        side = first_octave(config.size)
        return side, round(config.batch * (config.size / side) ** 2), True
    if chance < config.coarse_share + config.fine_share:
        return 2 * config.size, max(1, config.batch // 4), False
    return config.size, config.batch, False


def vary_colour(photo: Tensor, numbers: Tensor, strength: float) -> Tensor:
    """Photos in other light: saturation, contrast, cast and brightness of each are changed at random.

    Args:
        photo: float (B, 3, H, W) in [-1, 1].
        numbers: float (B, 8), standard normal.
        strength: standard deviation of the logarithm of contrast; 0 changes nothing.

    Returns:
        float (B, 3, H, W) in [-1, 1].
    """
    if not strength:
        return photo
    n = strength * numbers[..., None, None]  # (B, 8, 1, 1)
    grey = photo.mean(dim=1, keepdim=True)
    photo = grey + (photo - grey) * torch.exp(2 * n[:, :1])
    gain, shift = torch.exp(n[:, 1:2] + n[:, 2:5] / 2), n[:, 5:6] + n[:, [6, 7, 6]] / 4
    return (photo * gain + shift).clamp(-1, 1)


class Batches(Protocol):
    """A source of batches whose state can be kept."""

    def draw(self) -> Batch:
        """The next batch."""

    def state(self) -> Any:
        """What `load_state` needs to go on from here."""

    def load_state(self, state: Any) -> None:
        """Go on from a kept state."""


def close_up(mask: Tensor, zoom: Tensor, pick: Tensor) -> Tensor:
    """Holes seen from so near that they cover most of the picture, as a fine octave meets them.

    Args:
        mask: float (B, 1, S, S), 1 = hole, not empty.
        zoom: float (B,), how much larger, 1 or more.
        pick: float (B,) in [0, 1), which hole pixel becomes the middle.

    Returns:
        float (B, 1, S, S); a mask that would leave less than 3 % known stays as it was.
    """
    count, _, height, width = mask.shape
    order = mask.flatten(1).cumsum(1)
    chosen = torch.searchsorted(order, (pick * order[:, -1])[:, None], right=True)[:, 0].clamp_max(height * width - 1)
    middle_y = (chosen // width).float() / max(height - 1, 1) * 2 - 1
    middle_x = (chosen % width).float() / max(width - 1, 1) * 2 - 1
    theta = torch.zeros(count, 2, 3, device=mask.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / zoom
    theta[:, 0, 2], theta[:, 1, 2] = middle_x, middle_y
    grid = F.affine_grid(theta, list(mask.shape), align_corners=True)
    near = (F.grid_sample(mask, grid, padding_mode="border", align_corners=True) > 0.5).float()
    share = near.mean(dim=(1, 2, 3), keepdim=True)
    return torch.where((share > 0) & (share < FULL), near, mask)


class HostBatches:
    """Batches cut with OpenCV from the memory map: right for a CPU.

    Args:
        photos: the decoded photos.
        config: size, batch, masks, seed.
        indices: which photos are used.
        guided: whether the network takes a guide.
        known: for each photo in the cache a bool (H, W) map of pixels that may be learnt from; None = all.
        rank: number of this process, which draws its own samples.
        silhouettes: shapes of a share of the object masks; None = blobs alone.
    """

    def __init__(
        self, photos: PhotoCache, config: TrainingConfig, indices: Sequence[int], guided: bool,
        known: Sequence[NDArray[np.bool_]] | None = None, rank: int = 0, silhouettes: Silhouettes | None = None,
    ) -> None:
        self.drawn_by = kinds_with(silhouettes)
        self.photos, self.config, self.indices, self.guided, self.known = photos, config, indices, guided, known
        self.rng = np.random.default_rng([config.seed, rank] if rank else config.seed)

    def draw(self) -> Batch:
        """The next batch, on the CPU."""
        c, rng = self.config, self.rng
        size, count, coarse = step_size(c, rng.random() if c.coarse_share + c.fine_share else 1.0)
        crops, masks, valids = [], [], []
        for _ in range(count):
            i = self.indices[int(rng.integers(len(self.indices)))]
            shape = self.photos.shapes[i]
            square = draw_square(rng, shape, max(size, round(min(shape) / WHOLE)) if coarse else size)
            mirrored = rng.random() < 0.5
            crops.append(cut_square(self.photos.photo(i), square, size, mirrored))
            masks.append(random_mask(rng, size, dict(c.mix), self.drawn_by))
            if self.known is not None:
                top, left, side = square
                part = self.known[i][top : top + side, left : left + side].astype(np.float32)
                part = (cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) > 0.999).astype(np.float32)
                valids.append(part[:, ::-1] if mirrored else part)
        photo = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
        mask = torch.from_numpy(np.stack(masks))[:, None].float()
        valid = torch.from_numpy(np.stack(valids))[:, None] if valids else None
        guide = np.zeros(count, np.int64)
        if self.guided and not coarse:
            guide[rng.random(count) < c.guided] = OWN
            guide[(guide == OWN) & (rng.random(count) < TRUE_SHARE)] = TRUE
            zoom, pick = np.exp(rng.uniform(0, np.log(4), count)), rng.random(count)
            holed = np.array([bool((part < 1).any()) for part in valids] or [False] * count)  # these get no true guide
            zoom[(guide != TRUE) | (rng.random(count) > CLOSE_SHARE) | holed] = 1
            near = close_up(mask, torch.from_numpy(zoom).float(), torch.from_numpy(pick).float())
            mask = torch.where(torch.from_numpy(zoom > 1).view(-1, 1, 1, 1), near, mask)
        if c.colour:
            photo = vary_colour(photo, torch.from_numpy(rng.normal(size=(count, 8))).float(), c.colour)
        tint = torch.from_numpy(rng.normal(0, 0.08, (2, count, 3, 1, 1))).float()
        jitter = rng.integers(0, c.jitter + 1, 2)
        return Batch(
            photo, mask, valid, torch.from_numpy(guide), 1 + tint[0], tint[1], int(rng.choice([2, 4, 8])),
            (int(jitter[0]), int(jitter[1])),
        )  # fmt: skip

    def state(self) -> Any:
        """The random generator's state as JSON text."""
        return json.dumps(self.rng.bit_generator.state)

    def load_state(self, state: Any) -> None:
        """Go on from a kept state."""
        self.rng.bit_generator.state = json.loads(state)
