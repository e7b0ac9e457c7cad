"""Batches: everything random of one training step, drawn on the host, or on a GPU that holds all photos."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inpaint.masking.device import DeviceMasks
from inpaint.masking.random import KINDS, random_mask
from inpaint.masking.silhouettes import Silhouettes
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
        guide: int (B,): `UNGUIDED`, `OWN` (the network's own coarser fill) or `TRUE` (a blurred, tinted truth).
        gain, shift: float (B, 3, 1, 1), the tint of true guides.
        factor: by how much true guides are made smaller, 2 to 8.
        offset: where the judges' cut starts, pixels from the top and from the left.
    """

    photo: Tensor
    mask: Tensor
    valid: Tensor | None
    guide: Tensor
    gain: Tensor
    shift: Tensor
    factor: int
    offset: tuple[int, int]


def step_size(config: TrainingConfig, chance: float) -> tuple[int, int, bool]:
    """Size and number of a step's crops, and whether they are for the first octave; `chance` is uniform in [0, 1)."""
    if chance < config.coarse_share:
        return config.size // 2, 4 * config.batch, True
    return config.size, config.batch, False


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
        self.drawn_by = KINDS if silhouettes is None else {**KINDS, "objects": silhouettes.or_blob}
        self.photos, self.config, self.indices, self.guided, self.known = photos, config, indices, guided, known
        self.rng = np.random.default_rng([config.seed, rank] if rank else config.seed)

    def draw(self) -> Batch:
        """The next batch, on the CPU."""
        c, rng = self.config, self.rng
        size, count, coarse = step_size(c, rng.random() if c.coarse_share else 1.0)
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
            zoom[(guide != TRUE) | (rng.random(count) > CLOSE_SHARE)] = 1
            near = close_up(mask, torch.from_numpy(zoom).float(), torch.from_numpy(pick).float())
            mask = torch.where(torch.from_numpy(zoom > 1).view(-1, 1, 1, 1), near, mask)
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


class DeviceBatches:
    """Batches made wholly on one device, where all photos lie as one uint8 tensor: right for a GPU.

    Args:
        photos: the decoded photos.
        config: size, batch, masks, seed.
        indices: which photos are used.
        guided: whether the network takes a guide.
        device: where photos, crops and masks are.
        rank: number of this process.
        silhouettes: shapes of a share of the object masks; None = blobs alone.
    """

    def __init__(
        self, photos: PhotoCache, config: TrainingConfig, indices: Sequence[int], guided: bool, device: torch.device,
        rank: int = 0, silhouettes: Silhouettes | None = None,
    ) -> None:
        self.config, self.guided, self.device = config, guided, device
        self.pixels = torch.from_numpy(np.array(photos.pixels)).to(device)
        self.offsets = torch.from_numpy(photos.offsets[:-1].astype(np.int64)).to(device)
        self.shapes = torch.tensor(photos.shapes, device=device)
        self.indices = torch.tensor(list(indices), device=device)
        seed = int(np.random.SeedSequence([config.seed, rank]).generate_state(1)[0])
        self.generator = torch.Generator(device).manual_seed(seed)
        sizes = [config.size, config.size // 2] if config.coarse_share else [config.size]
        mix = dict(config.mix)
        self.masks = {size: DeviceMasks(size, device, seed + 1, mix, silhouettes) for size in sizes}

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def draw(self) -> Batch:
        """The next batch, on the device."""
        c = self.config
        size, count, coarse = step_size(c, float(self._uniform(1)) if c.coarse_share else 1.0)
        chosen = self.indices[torch.randint(len(self.indices), (count,), generator=self.generator, device=self.device)]
        shape = self.shapes[chosen]  # (B, 2)
        shortest = shape.min(dim=1).values.float()
        least = (shortest / WHOLE).clamp_min(size) if coarse else torch.full_like(shortest, size)
        side = (least * (shortest / least).clamp_min(1) ** self._uniform(count)).round().clamp_max(shortest)
        start = (self._uniform(count, 2) * (shape - side[:, None] + 1)).floor()
        mirrored = self._uniform(count) < 0.5
        photo = self._crops(chosen, start, side, mirrored, size) / 127.5 - 1
        mask = self.masks[size].draw(count)
        guide = torch.zeros(count, dtype=torch.int64, device=self.device)
        if self.guided and not coarse:
            guide[self._uniform(count) < c.guided] = OWN
            guide[(guide == OWN) & (self._uniform(count) < TRUE_SHARE)] = TRUE
            near = close_up(mask, 4 ** self._uniform(count), self._uniform(count))
            close = (guide == TRUE) & (self._uniform(count) < CLOSE_SHARE)
            mask = torch.where(close.view(-1, 1, 1, 1), near, mask)
        tint = 0.08 * torch.randn(2, count, 3, 1, 1, generator=self.generator, device=self.device)
        numbers = torch.rand(3, generator=self.generator, device=self.device).tolist()
        offset = (int(numbers[0] * (c.jitter + 1)), int(numbers[1] * (c.jitter + 1)))
        return Batch(photo, mask, None, guide, 1 + tint[0], tint[1], 2 ** (1 + int(numbers[2] * 3)), offset)

    def _crops(self, chosen: Tensor, start: Tensor, side: Tensor, mirrored: Tensor, size: int) -> Tensor:
        """Squares at one size, float (B, 3, S, S) in [0, 255]; bilinear taps, averaged when shrunk."""
        crops = torch.empty(len(chosen), 3, size, size, device=self.device)
        taps = (side / size).round().clamp_min(1).long()
        for k in range(1, math.ceil(float(taps.max())) + 1):
            group = torch.nonzero(taps == k)[:, 0]
            if not len(group):
                continue
            place = (torch.arange(size * k, device=self.device) + 0.5) / (size * k)
            place = place[None] * side[group][:, None] - 0.5  # (b, S k), from the square's edge
            across = torch.where(mirrored[group][:, None], place.flip(1), place)
            last = side[group][:, None] - 1
            y, x = place.clamp_min(0).minimum(last), across.clamp_min(0).minimum(last)
            y0, x0 = y.floor(), x.floor()
            wide = self.shapes[chosen[group], 1].view(-1, 1, 1)
            origin = self.offsets[chosen[group]].view(-1, 1, 1)
            total = torch.zeros(len(group), 3, size * k, size * k, device=self.device)
            for step_y in (0, 1):
                weight_y = (y - y0) if step_y else 1 - (y - y0)
                row = ((y0 + step_y).minimum(last) + start[group, :1]).long()[:, :, None]
                for step_x in (0, 1):
                    weight_x = (x - x0) if step_x else 1 - (x - x0)
                    column = ((x0 + step_x).minimum(last) + start[group, 1:]).long()[:, None, :]
                    index = origin + (row * wide + column) * 3  # (b, S k, S k)
                    weight = weight_y[:, :, None] * weight_x[:, None, :]
                    for channel in range(3):
                        total[:, channel] += weight * self.pixels[index + channel]
            crops[group] = F.avg_pool2d(total, k) if k > 1 else total
        return crops

    def state(self) -> Any:
        """The states of the generators of crops and of masks at every size."""
        return [self.generator.get_state(), *(masks.generator.get_state() for masks in self.masks.values())]

    def load_state(self, state: Any) -> None:
        """Go on from a kept state."""
        self.generator.set_state(state[0])
        for masks, kept in zip(self.masks.values(), state[1:], strict=True):
            masks.generator.set_state(kept)
