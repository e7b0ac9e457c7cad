"""Batches drawn wholly on a GPU that holds all photos, several at a time, so that training does not wait for them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inpaint.masking.device import DeviceMasks
from inpaint.masking.silhouettes import Silhouettes
from inpaint.training.batches import CLOSE_SHARE, OWN, TRUE, TRUE_SHARE, WHOLE, Batch, close_up, step_size, vary_colour
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache

AT_ONCE = 32  # batches: masks and crops take thousands of small kernels, whatever their number
PART = 512  # crops that are cut at once


class _Store:
    """Batches of one size, drawn `AT_ONCE` at a time.

    Args:
        source: draws them.
        size, count, coarse: as `step_size` gives them.
        seed: of this size's samples.
        silhouettes: see `DeviceBatches`.
    """

    def __init__(
        self, source: "DeviceBatches", size: int, count: int, coarse: bool, seed: int, silhouettes: Silhouettes | None
    ) -> None:
        self.source, self.size, self.count, self.coarse = source, size, count, coarse
        self.generator = torch.Generator(source.device).manual_seed(seed)
        self.masks = DeviceMasks(size, source.device, seed + 1, dict(source.config.mix), silhouettes)
        self.batches: list[Batch] = []
        self.before = self._states()  # of both generators, as they were before `batches` were drawn

    def _states(self) -> list[Tensor]:
        return [self.generator.get_state(), self.masks.generator.get_state()]

    def next(self) -> Batch:
        """The next batch."""
        if not self.batches:
            self.before = self._states()
            self.batches = self._draw()
        return self.batches.pop()

    def state(self) -> Any:
        """What `load_state` needs to go on from here."""
        return [*(self.before if self.batches else self._states()), len(self.batches)]

    def load_state(self, state: Any) -> None:
        """Go on from a kept state: draw the same batches again and leave out those that were used."""
        self.generator.set_state(state[0])
        self.masks.generator.set_state(state[1])
        self.before, self.batches = self._states(), []
        if state[2]:
            self.batches = self._draw()[: state[2]]

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.source.device)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.source.device)

    def _draw(self) -> list[Batch]:
        source, c, size, count = self.source, self.source.config, self.size, AT_ONCE * self.count
        some = torch.randint(len(source.indices), (count,), generator=self.generator, device=source.device)
        chosen = source.indices[some]
        shape = source.shapes[chosen]  # (B, 2)
        shortest = shape.min(dim=1).values.float()
        least = (shortest / WHOLE).clamp_min(size) if self.coarse else torch.full_like(shortest, size)
        side = (least * (shortest / least).clamp_min(1) ** self._uniform(count)).round().clamp_max(shortest)
        start = (self._uniform(count, 2) * (shape - side[:, None] + 1)).floor()
        mirrored = self._uniform(count) < 0.5
        photo = source.crops(chosen, start, side, mirrored, size) / 127.5 - 1
        photo = vary_colour(photo, self._normal(count, 8), c.colour)
        mask = self.masks.draw(count)
        guide = torch.zeros(count, dtype=torch.int64, device=source.device)
        if source.guided and not self.coarse:
            # As many of each in every batch: a GPU's convolutions are chosen anew for every shape.
            place = torch.arange(count, device=source.device) % self.count
            guide[place < round(c.guided * self.count)] = OWN
            guide[place < round(c.guided * self.count * TRUE_SHARE)] = TRUE
            near = close_up(mask, 4 ** self._uniform(count), self._uniform(count))
            close = (guide == TRUE) & (self._uniform(count) < CLOSE_SHARE)
            mask = torch.where(close.view(-1, 1, 1, 1), near, mask)
        tint = 0.08 * self._normal(2, count, 3, 1, 1)
        numbers = self._uniform(AT_ONCE, 3).tolist()
        batches = []
        for k, (down, right, factor) in enumerate(numbers):
            part = slice(k * self.count, (k + 1) * self.count)
            offset = (int(down * (c.jitter + 1)), int(right * (c.jitter + 1)))
            tints = 1 + tint[0, part], tint[1, part]
            batches.append(
                Batch(photo[part], mask[part], None, guide[part], *tints, 2 ** (1 + int(factor * 3)), offset)
            )
        return batches


class DeviceBatches:
    """Batches made wholly on one device, where all photos lie as one int32 tensor: right for a GPU.

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
        self.pixels = torch.cat([self._packed(photos.photo(i)).to(device) for i in range(len(photos))])
        self.offsets = torch.from_numpy(photos.offsets[:-1].astype(np.int64) // 3).to(device)
        self.shapes = torch.tensor(photos.shapes, device=device)
        self.indices = torch.tensor(list(indices), device=device)
        seeds = np.random.SeedSequence([config.seed, rank]).generate_state(4).tolist()
        self.rng = np.random.default_rng(seeds.pop())
        self.stores: dict[int, _Store] = {}
        for chance in (0.0, config.coarse_share, config.coarse_share + config.fine_share):
            (size, count, coarse), seed = step_size(config, chance), seeds.pop()
            if size not in self.stores:
                self.stores[size] = _Store(self, size, count, coarse, seed, silhouettes)

    @staticmethod
    def _packed(photo: NDArray[np.uint8]) -> Tensor:
        """A photo uint8 (H, W, 3) as int32 (H W,), one number a pixel, so that it is gathered in one go."""
        wide = torch.from_numpy(photo.reshape(-1, 3).astype(np.int32))
        return wide[:, 0] | wide[:, 1] << 8 | wide[:, 2] << 16

    def draw(self) -> Batch:
        """The next batch, on the device."""
        return self.stores[step_size(self.config, self.rng.random())[0]].next()

    def crops(self, chosen: Tensor, start: Tensor, side: Tensor, mirrored: Tensor, size: int) -> Tensor:
        """Squares at one size, float (B, 3, S, S) in [0, 255]: bilinear, of what is shrunk k x k points a pixel."""
        crops = torch.empty(len(chosen), 3, size, size, device=self.device)
        taps = (side / size).ceil().clamp_min(1).long()
        for k in range(1, int(taps.max()) + 1):
            for group in torch.nonzero(taps == k)[:, 0].split(PART):
                place = (torch.arange(size * k, device=self.device) + 0.5) / (size * k)
                place = place[None] * side[group][:, None] - 0.5  # (b, S k), from the square's edge
                across = torch.where(mirrored[group][:, None], place.flip(1), place)
                points = self._bilinear(chosen[group], start[group], side[group][:, None] - 1, place, across)
                crops[group] = F.avg_pool2d(points, k)
        return crops

    def _bilinear(self, chosen: Tensor, start: Tensor, last: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Values float (b, 3, h, w) between pixels of squares, at rows (b, h), columns (b, w) up to `last` (b, 1)."""
        y, x = y.clamp_min(0).minimum(last), x.clamp_min(0).minimum(last)
        y0, x0 = y.floor(), x.floor()
        right, below = (x - x0)[:, None, None], (y - y0)[:, None, :, None]
        columns, rows = (x0, (x0 + 1).minimum(last)), []
        for row in (y0, (y0 + 1).minimum(last)):
            pair = [self._pixels(chosen, start, row, column) for column in columns]
            rows.append(torch.lerp(pair[0], pair[1], right))
        return torch.lerp(rows[0], rows[1], below)

    def _pixels(self, chosen: Tensor, start: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """Pixels float (b, 3, h, w) of photos (b,) at rows (b, h) and columns (b, w) of squares starting at (b, 2)."""
        y, x = (row + start[:, :1]).long(), (column + start[:, 1:]).long()
        wide = self.shapes[chosen, 1].view(-1, 1, 1)
        packed = self.pixels[self.offsets[chosen].view(-1, 1, 1) + y[:, :, None] * wide + x[:, None, :]]
        return torch.stack([(packed >> bits & 255).float() for bits in (0, 8, 16)], dim=1)

    def state(self) -> Any:
        """The states of the choice of sizes and of every size's samples."""
        return [json.dumps(self.rng.bit_generator.state), *(store.state() for store in self.stores.values())]

    def load_state(self, state: Any) -> None:
        """Go on from a kept state."""
        self.rng.bit_generator.state = json.loads(state[0])
        for store, kept in zip(self.stores.values(), state[1:], strict=True):
            store.load_state(kept)
