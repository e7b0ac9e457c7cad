"""The engines by name, for one window; the network runs once however many of them build on it."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint.filling.blend import SHARPEN_REFINED, correct_seam, correct_shift, lend_detail, sharpen, take_detail
from inpaint.filling.classical import fill_classical
from inpaint.filling.detail import GUIDE_WEIGHT, MIN_SOURCES, Synthesis, synthesize, valid_sources
from inpaint.filling.progress import Progress
from inpaint.filling.self_test import contrast_errors, find_stand_in
from inpaint.filling.structure import (
    FINEST,
    SMALLER,
    Detailing,
    enlarge_fill,
    fill_octaves,
    guiding_size,
    octave_sizes,
)  # fmt: skip
from inpaint.models.layers import InpaintingNetwork

ABOUT = 0.75  # part of a guide's size from which on an octave of the whole fill serves as one
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Variant:
    """One way to fill: an engine, the seed of its patch search, and for `detail` what guides it and how strongly.

    The guide is the `network`'s fill at a coarse octave; or `both`: the network fills up to its finest octave, one of
    the coarser ones guides the patches, and a share of their detail is added where both agree; or `refined`: their
    detail is added to what guides the finest octave, so that the network itself keeps what fits, and of the rest a
    share afterwards (in windows of a single octave it is `both`); or `diffusion` (Telea's), which needs no network.
    """

    engine: str
    seed: int = 0
    guide_weight: float = GUIDE_WEIGHT
    guide: str = "network"
    share: float = 0.0

    @property
    def sees(self) -> bool:
        """Whether the network has a part in it."""
        return self.engine == "network" or (self.engine == "detail" and self.guide != "diffusion")


def variants(engine: str, guide: str, seed: int, count: int, share: float = 0.0) -> list[Variant]:
    """The engine itself and, after it, other ways to fill the same hole, each different from the others.

    Args:
        engine: `network`, `detail`, `patch`, `telea` or `ns`.
        guide: of the first variant, `network` or `diffusion`.
        seed: of the first variant.
        count: how many, 1 to 4.
        share: of the patches' detail that the first variant takes, where its guide is `both` or `refined`.
    """
    others = [
        Variant("detail", seed), Variant("detail", seed + 1, GUIDE_WEIGHT / 8), Variant("network"),
        Variant("patch", seed), Variant("telea"),
    ]  # fmt: skip
    first = Variant(engine, seed if engine in ("detail", "patch") else 0, guide=guide, share=share)
    return [first, *(other for other in others if other != first)][:count]


def refinable(network: InpaintingNetwork, shape: tuple[int, ...]) -> bool:
    """Whether the network fills a window (height, width) in several octaves, the last at its own size."""
    return network.takes_guide and max(shape) <= FINEST and len(octave_sizes(shape[0], shape[1])) > 1


def as_guide(octaves: list[Floats], shape: tuple[int, ...]) -> Floats:
    """The smallest octave that is as large as a guide of patches, at the size of its window (height, width)."""
    wanted = ABOUT * guiding_size(*shape[:2])
    large = (fill for fill in octaves if max(fill.shape[:2]) >= wanted)
    return enlarge_fill(next(large, octaves[-1]), shape)


@dataclass
class WindowEngines:
    """All engines on one window.

    Args:
        network: the generator.
        device: where it lies.
        photo: float32 (H, W, 3) in [0, 255].
        hole: bool (H, W), True = hole.
        deep: the photo has 16 bits a channel.
        seconds: time spent, added up by stage.
        quick: the network's first octave is not averaged with fills at smaller sizes: for a test, not for a fill.
    """

    network: InpaintingNetwork
    device: torch.device
    photo: Floats
    hole: Mask
    deep: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    quick: bool = False
    _octaves: dict[int, list[Floats]] = field(default_factory=dict)
    _structures: dict[int, Floats] = field(default_factory=dict)

    def fill(self, variant: Variant, progress: Progress = Progress()) -> Synthesis:
        """A fill of the window; only its hole counts.

        Raises:
            Cancelled: `progress` asked to stop.
        """
        engine = variant.engine
        if engine in ("telea", "ns"):
            return Synthesis(self.diffusion(engine, progress))
        if engine == "network":
            return Synthesis(self.alone(progress))
        if engine == "detail" and variant.guide in ("both", "refined"):
            fill, copies = self._with_copies(variant, progress)
            start = time.perf_counter()
            if variant.share:
                fill = take_detail(fill, copies.fill, self.photo, self.hole, variant.share)
            self._spent("detail", start)
            return copies.changed(np.where(self.hole[..., None], fill, copies.fill))
        first, second = progress.split([0.7, 0.3])
        guide = None
        if engine == "detail" and variant.guide == "network":
            guide = self.structure(first, guiding_size(*self.hole.shape))
        elif engine == "detail":
            guide = self.diffusion("telea", first)
        start = time.perf_counter()
        result = synthesize(self.photo, self.hole, guide, variant.seed, variant.guide_weight, second)
        self._spent("detail", start)
        return result

    def _with_copies(self, variant: Variant, progress: Progress) -> tuple[Floats, Synthesis]:
        """The network's fill, float32 (H, W, 3), and the patches that it guided, which it has seen if `refined`."""
        if variant.guide == "both" or not refinable(self.network, self.hole.shape):
            first, second = progress.split([0.7, 0.3])
            fill = self.alone(first)
            return fill, self._copy(self.coarser(), variant, second)
        first, second = progress.split([0.3, 0.7])
        copied: list[Synthesis] = []

        def detailing(octaves: list[Floats], guide: Floats) -> Floats:
            copied.append(self._copy(as_guide(octaves, self.hole.shape), variant, second))
            return lend_detail(guide, copied[0].fill, self.hole)

        start, before = time.perf_counter(), self.seconds.get("detail", 0.0)
        octaves = self._fill_octaves(first, FINEST, detailing)
        fill = sharpen(correct_shift(octaves[-1], self.photo, self.hole), self.photo, self.hole, SHARPEN_REFINED)
        self._spent("structure", start + self.seconds["detail"] - before)
        return fill, copied[0]

    def _copy(self, guide: Floats, variant: Variant, progress: Progress) -> Synthesis:
        """Patches of which nothing but the detail is wanted, near a guide float32 (H, W, 3) in [0, 255]."""
        start = time.perf_counter()
        result = synthesize(
            self.photo, self.hole, guide, variant.seed, variant.guide_weight, progress, fine_alone=True
        )
        self._spent("detail", start)
        return result

    def alone(self, progress: Progress = Progress()) -> Floats:
        """The fill of `network`, float32 (H, W, 3) in [0, 255]."""
        fill = self.structure(progress)
        return sharpen(fill, self.photo, self.hole) if self.network.takes_guide else fill

    def diffusion(self, method: str, progress: Progress = Progress()) -> Floats:
        """The fill of `telea` or `ns`, float32 (H, W, 3) in [0, 255]."""
        progress(method, 0.0)
        start = time.perf_counter()
        fill = fill_classical(method, self.photo, self.hole, self.deep)
        self._spent("diffusion", start)
        return fill

    def structure(self, progress: Progress = Progress(), finest: int = FINEST) -> Floats:
        """The network's fill, its seam or shift of colour corrected, float32 (H, W, 3) in [0, 255], kept for later.

        Args:
            progress: told before every octave.
            finest: longest side of the last octave, pixels.
        """
        if finest not in self._structures:
            start = time.perf_counter()
            octaves = self._fill_octaves(progress, finest)
            whole = enlarge_fill(octaves[-1], self.hole.shape)
            correct = correct_seam if max(self.hole.shape) > FINEST else correct_shift
            self._octaves[finest], self._structures[finest] = octaves, correct(whole, self.photo, self.hole)
            self._spent("structure", start)
        return self._structures[finest]

    def _fill_octaves(self, progress: Progress, finest: int, detailing: Detailing | None = None) -> list[Floats]:
        smaller = () if self.quick else SMALLER
        return fill_octaves(self.network, self.photo, self.hole, self.device, progress, finest, smaller, detailing)

    def coarser(self) -> Floats:
        """What guides the patches of `both`, after `alone`: the smallest of its octaves that is as large as a guide.

        Returns:
            float32 (H, W, 3) in [0, 255], its colours as they are.
        """
        return as_guide(self._octaves[FINEST], self.hole.shape)

    def self_test(
        self, shares: dict[str, float], seed: int = 0, progress: Progress = Progress()
    ) -> dict[str, float] | None:
        """How `refined` does with shares of the patches' detail added in a stand-in hole, whose truth is known.

        Args:
            shares: by name.
            seed: of the patch search.
            progress: asked whether to go on.

        Returns:
            by name the error of the fine contrast, 0 = as the truth (`contrast_errors`); None where
            no stand-in fits, or there is nothing around it to copy.

        Raises:
            Cancelled: `progress` asked to stop.
        """
        start = time.perf_counter()
        stand_in = find_stand_in(self.hole)
        if stand_in is None or valid_sources(stand_in.hole).sum() < MIN_SOURCES:
            return None
        photo = np.ascontiguousarray(self.photo[stand_in.crop])
        engines = WindowEngines(self.network, self.device, photo, stand_in.hole, self.deep, quick=True)
        fill, copies = engines._with_copies(Variant("detail", seed, guide="refined"), progress)
        fills = {name: take_detail(fill, copies.fill, photo, stand_in.hole, share) for name, share in shares.items()}
        errors = contrast_errors(photo, stand_in, fills)
        self._spent("self-test", start)
        return errors

    def _spent(self, stage: str, start: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
