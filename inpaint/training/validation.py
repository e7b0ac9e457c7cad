"""Validation during training: fixed photos, fixed masks, the whole octave-by-octave fill, three metrics."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inpaint.filling.structure import fill_structure
from inpaint.masking.random import KINDS
from inpaint.models.layers import InpaintingNetwork
from inpaint.training.data import PhotoCache, cut_square

VALIDATION_KINDS = ("thick", "objects")
SIDE = 256  # pixels


@dataclass(frozen=True)
class Scores:
    """Means over all cases after compositing: `lpips` (None without its nets) and `l1` in the hole, lower is better;
    `psnr` of the whole picture in dB, higher is better."""

    lpips: float | None
    psnr: float
    l1: float

    @property
    def loss(self) -> float:
        """What decides which weights are best: LPIPS, or L1 where there is none."""
        return self.l1 if self.lpips is None else self.lpips

    @property
    def loss_name(self) -> str:
        """What `loss` is: `lpips` or `l1`."""
        return "l1" if self.lpips is None else "lpips"


def held_out(count: int) -> list[int]:
    """Indices of the photos that are kept for validation: one in 16, at most 16, evenly spread; none below 32."""
    wanted = min(16, count // 16) if count >= 32 else 0
    return [int((k + 0.5) * count / wanted) for k in range(wanted)]


def as_tensor(photo: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """A photo uint8 (H, W, 3) as a batch of one, float (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(photo).permute(2, 0, 1)[None].to(device).float() / 127.5 - 1


class Validation:
    """Fixed cases, and how well a network fills them.

    Args:
        photos: the decoded photos.
        indices: which of them are used; each with one mask of every kind in `VALIDATION_KINDS`.
        seed: of the masks.
        known: for each photo in the cache a bool (H, W) map of pixels that may be judged; None = all.
    """

    def __init__(
        self, photos: PhotoCache, indices: list[int], seed: int = 0, known: list[NDArray[np.bool_]] | None = None
    ) -> None:
        self.cases: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]] = []
        self.hidden: list[NDArray[np.bool_]] = []  # holes of the photos themselves
        for i in indices:
            height, width = photos.shapes[i]
            side = min(height, width)
            size = min(SIDE, side)
            square = ((height - side) // 2, (width - side) // 2, side)
            photo = np.ascontiguousarray(cut_square(photos.photo(i), square, size, mirrored=False))
            for number, kind in enumerate(VALIDATION_KINDS):
                rng = np.random.default_rng([seed, i, number])
                mask = KINDS[kind](rng, size)
                hidden = np.zeros((size, size), bool)
                if known is not None:
                    top, left, _ = square
                    part = known[i][top : top + side, left : left + side].astype(np.float32)
                    hidden = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) < 0.999
                while not (0 < mask.mean() <= 0.6 and (mask & ~hidden).any()) and not hidden.all():
                    mask = KINDS[kind](rng, size)
                self.cases.append((photo, mask & ~hidden))
                self.hidden.append(hidden)

    def fills(self, network: InpaintingNetwork, device: torch.device) -> list[NDArray[np.uint8]]:
        """The network's fill of every case, composited: uint8 (S, S, 3)."""
        filled = []
        for (photo, mask), hidden in zip(self.cases, self.hidden, strict=True):
            fill = fill_structure(network, photo.astype(np.float32), mask | hidden, device)
            filled.append(np.where(mask[..., None], np.rint(fill).astype(np.uint8), photo))
        return filled

    def score(
        self, network: InpaintingNetwork, device: torch.device, perceptual: nn.Module | None
    ) -> tuple[Scores, NDArray[np.uint8]]:
        """Scores of a network, and a grid of photo with hole, fill and truth of up to eight cases, uint8 (H, W, 3)."""
        distances, errors, noises = [], [], []
        filled = self.fills(network, device)
        for fill, (photo, mask) in zip(filled, self.cases, strict=True):
            error = np.abs(fill.astype(np.float32) - photo) / 255
            errors.append(float(error[mask].mean()) if mask.any() else 0.0)
            noises.append(-10 * np.log10(max(float(np.square(error).mean()), 1e-10)))
            if perceptual is not None:
                with torch.no_grad():
                    distances.append(float(perceptual(as_tensor(fill, device), as_tensor(photo, device))))
        lpips = float(np.mean(distances)) if distances else None
        scores = Scores(lpips, float(np.mean(noises)), float(np.mean(errors)))
        step = max(1, len(self.cases) // 8)
        rows = []
        for k in range(0, len(self.cases), step)[:8]:
            photo, mask = self.cases[k]
            shown = np.where(mask[..., None], np.uint8(128), photo)
            row = np.concatenate([shown, filled[k], photo], axis=1)
            rows.append(cv2.resize(row, (3 * 192, 192), interpolation=cv2.INTER_AREA))
        return scores, np.concatenate(rows).astype(np.uint8)
