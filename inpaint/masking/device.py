"""The random masks of `masking/random.py`, a whole batch at a time on any torch device.

The same six kinds with the same parameters, drawn as distance fields instead of with OpenCV, so that a GPU that trains
hundreds of photos a second does not wait for masks. Seeded by a torch generator; other masks than the numpy ones for
the same seed, the same distribution (a test compares areas).
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaint.masking import silhouettes as cut

_STROKES = {  # count, vertices, length, width: as in masking/random.py
    "thin": ((1, 5), (2, 5), (0.1, 0.5), (0.006, 0.03)),
    "medium": ((1, 5), (1, 4), (0.1, 0.4), (0.04, 0.16)),
    "thick": ((1, 3), (1, 3), (0.1, 0.4), (0.12, 0.35)),
    "strokes": ((1, 4), (4, 12), (0.02, 0.2), (0.04, 0.1)),
}
MOST, TRIES = 0.8, 4


class DeviceMasks:
    """Draws batches of masks.

    Args:
        size: side of the masks, pixels.
        device: where they are made.
        seed: of the generator.
        mix: weight of each kind.
        silhouettes: shapes that `cut.SHARE` of the object masks have, instead of being blobs; None for blobs alone.
    """

    def __init__(
        self, size: int, device: torch.device, seed: int, mix: dict[str, float],
        silhouettes: cut.Silhouettes | None = None,
    ) -> None:
        self.size, self.device = size, device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.kinds = list(mix)
        self.weights = torch.tensor(list(mix.values()), device=device, dtype=torch.float32)
        row = torch.arange(size, device=device, dtype=torch.float32)
        self.y, self.x = row[None, :, None], row[None, None, :]  # (1, S, 1), (1, 1, S)
        self.shapes: Tensor | None = None  # uint8 (N, 1, 96, 96)
        if silhouettes is not None:
            squares = np.zeros((len(silhouettes.shapes), 1, cut.SIDE, cut.SIDE), np.uint8)
            for square, shape in zip(squares, silhouettes.shapes, strict=True):
                top, left = ((cut.SIDE - side) // 2 for side in shape.shape)
                square[0, top : top + shape.shape[0], left : left + shape.shape[1]] = shape
            self.shapes = torch.from_numpy(squares).to(device)

    def draw(self, count: int) -> Tensor:
        """Masks float (count, 1, S, S), 1 = hole, none empty and none above 80 %."""
        kinds = torch.multinomial(self.weights, count, replacement=True, generator=self.generator)
        masks = torch.zeros(count, self.size, self.size, device=self.device)
        for k, kind in enumerate(self.kinds):
            chosen = torch.nonzero(kinds == k)[:, 0]
            if len(chosen):
                masks[chosen] = self.kind(kind, len(chosen))
        return masks[:, None]

    def kind(self, kind: str, count: int) -> Tensor:
        """Masks float (count, S, S) of one kind; the few that come out empty or too large are drawn again."""
        masks = self._once(kind, count)
        for _ in range(TRIES):
            area = masks.mean(dim=(1, 2))
            wrong = torch.nonzero((area == 0) | (area > MOST))[:, 0]
            if not len(wrong):
                return masks
            masks[wrong] = self._once(kind, len(wrong))
        area = masks.mean(dim=(1, 2))
        masks[(area == 0) | (area > MOST)] = self._objects(1)[0]
        return masks

    def _once(self, kind: str, count: int) -> Tensor:
        if kind == "boxes":
            return self._boxes(count)
        if kind == "objects":
            masks = self._objects(count)
            if self.shapes is not None:
                chosen = torch.nonzero(self._uniform((count,), (0, 1)) < cut.SHARE)[:, 0]
                masks[chosen] = self._silhouettes(self.shapes, len(chosen))
            return masks
        masks = self._strokes(kind, count)
        if kind == "thick":
            boxed = (self._uniform((count, 1, 1), (0, 1)) < 0.3).float()
            masks = torch.maximum(masks, self._boxes(count) * boxed)
        return masks

    def _uniform(self, shape: tuple[int, ...], span: tuple[float, float]) -> Tensor:
        return span[0] + (span[1] - span[0]) * torch.rand(shape, generator=self.generator, device=self.device)

    def _whole(self, shape: tuple[int, ...], span: tuple[int, int]) -> Tensor:
        return torch.randint(span[0], span[1] + 1, shape, generator=self.generator, device=self.device)

    def _strokes(self, kind: str, count: int) -> Tensor:
        counts, vertices, length, width = _STROKES[kind]
        size = self.size
        lines = self._whole((count, 1, 1), counts)
        masks = torch.zeros(count, size, size, device=self.device)
        for line in range(counts[1]):
            x, y = self._uniform((count, 1, 1), (0, size)), self._uniform((count, 1, 1), (0, size))
            angle = self._uniform((count, 1, 1), (0, 2 * math.pi))
            radius = (size * self._uniform((count, 1, 1), width)).round().clamp_min(1) / 2
            corners = self._whole((count, 1, 1), vertices)
            for corner in range(vertices[1]):
                angle = angle + self._uniform((count, 1, 1), (-0.6 * math.pi, 0.6 * math.pi))
                step = size * self._uniform((count, 1, 1), length)
                to_x = (x + step * torch.cos(angle)).clamp(0, size - 1)
                to_y = (y + step * torch.sin(angle)).clamp(0, size - 1)
                along_x, along_y = to_x - x, to_y - y
                squared = (along_x.square() + along_y.square()).clamp_min(1e-6)
                share = (((self.x - x) * along_x + (self.y - y) * along_y) / squared).clamp(0, 1)
                away = (self.x - x - share * along_x).square() + (self.y - y - share * along_y).square()
                drawn = (away <= radius.square()) & (line < lines) & (corner < corners)
                masks = torch.maximum(masks, drawn.float())
                x, y = to_x, to_y
        return masks

    def _boxes(self, count: int) -> Tensor:
        masks = torch.zeros(count, self.size, self.size, device=self.device)
        boxes = self._whole((count, 1, 1), (1, 3))
        for box in range(3):
            height, width = ((self.size * self._uniform((count, 1, 1), (0.1, 0.45))).floor() for _ in range(2))
            top = (self._uniform((count, 1, 1), (0, 1)) * (self.size - height + 1)).floor()
            left = (self._uniform((count, 1, 1), (0, 1)) * (self.size - width + 1)).floor()
            inside = (self.y >= top) & (self.y < top + height) & (self.x >= left) & (self.x < left + width)
            masks = torch.maximum(masks, (inside & (box < boxes)).float())
        return masks

    def _objects(self, count: int) -> Tensor:
        order = torch.arange(1, 7, device=self.device, dtype=torch.float32).view(1, 6)
        waves = 0.28 / order * torch.randn(count, 6, generator=self.generator, device=self.device)
        phases = self._uniform((count, 6), (0, 2 * math.pi))

        def radius(angle: Tensor) -> Tensor:
            shape = (-1, 6) + (1,) * (angle.dim() - 1)
            wandering = torch.cos(order.view(shape) * angle[:, None] + phases.view(shape))
            return (1 + (waves.view(shape) * wandering).sum(1)).clamp_min(0.25)

        turn = torch.linspace(0, 2 * math.pi, 97, device=self.device)[:-1].expand(count, 96)
        area = radius(turn).square().mean(1) * math.pi  # stretching by s and 1/s keeps it
        stretch = torch.exp(self._uniform((count, 1, 1), (-0.5, 0.5)))
        scale = (self.size * (self._uniform((count,), (0.03, 0.25)) / area).sqrt()).view(-1, 1, 1)
        tilt = self._uniform((count, 1, 1), (0, math.pi))
        margin = torch.where(self._uniform((count, 1, 1), (0, 1)) < 0.25, 0.05, 0.25)
        middle = [self.size * (margin + (1 - 2 * margin) * self._uniform((count, 1, 1), (0, 1))) for _ in range(2)]
        x, y = self.x - middle[0], self.y - middle[1]
        across = (x * torch.cos(tilt) + y * torch.sin(tilt)) / stretch
        down = (y * torch.cos(tilt) - x * torch.sin(tilt)) * stretch
        return (torch.hypot(across, down) <= scale * radius(torch.atan2(down, across))).float()

    def _silhouettes(self, shapes: Tensor, count: int) -> Tensor:
        """As `Silhouettes.__call__`: of 3 to 25 % of the picture, flipped, turned a little, perhaps at the border."""
        picked = shapes[torch.randint(len(shapes), (count,), generator=self.generator, device=self.device)].float()
        flip = 1 - 2 * (self._uniform((count, 1, 1), (0, 1)) < 0.5).float()
        area = picked.sum(dim=(1, 2, 3)).clamp_min(1).view(-1, 1, 1)
        scale = self.size * (self._uniform((count, 1, 1), (0.03, 0.25)) / area).sqrt()
        turn = self._uniform((count, 1, 1), (-math.pi / 9, math.pi / 9))
        margin = torch.where(self._uniform((count, 1, 1), (0, 1)) < 0.25, 0.05, 0.25)
        middle = [self.size * (margin + (1 - 2 * margin) * self._uniform((count, 1, 1), (0, 1))) for _ in range(2)]
        x, y = self.x + 0.5 - middle[0], self.y + 0.5 - middle[1]
        across = (x * torch.cos(turn) + y * torch.sin(turn)) * flip / scale
        down = (y * torch.cos(turn) - x * torch.sin(turn)) / scale
        grid = torch.stack([across, down], dim=3) * (2 / shapes.shape[-1])
        return (F.grid_sample(picked, grid, align_corners=False)[:, 0] > 0.5).float()
