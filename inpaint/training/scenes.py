"""Whole scenes whose holes are filled up to the octave before: what the two finest octaves learn from.

A crop alone cannot say what its coarser octaves would have seen. So a network fills one hole in every photo once, in a
part as large as the application fills at its own size, and what would guide the finest octaves is kept: its fills, and
the patches whose detail the last octave is shown (`filling/blend.py`, `lend_detail`). Crops lie around the holes.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from inpaint.errors import OptionError, OutputError, PhotoError
from inpaint.filling.blend import lend_detail
from inpaint.filling.detail import synthesize
from inpaint.filling.engines import as_guide
from inpaint.filling.structure import FINEST, fill_octaves, octave_sizes, shrink_known
from inpaint.masking.random import KINDS, Kind, random_mask
from inpaint.models.layers import InpaintingNetwork
from inpaint.training.batches import OWN, Batch, Batches, vary_colour
from inpaint.training.config import TrainingConfig
from inpaint.training.data import PhotoCache

WINDOW = FINEST  # scenes have sides of at most so many pixels, so that nothing is made smaller in their last octave
LEAST, MOST = 0.005, 0.6  # share of a photo that its hole may have
LAST = 0.6  # share of the crops that lie in the last octave, the others in the one before
DETAILED = 0.8  # share of these whose guide has the detail of patches
WANDER = 3  # a crop's middle lies up to its side over this away from a hole pixel
FULL = 0.97  # a crop that is hole beyond this share is not used
STEP = 4  # crops start at multiples of this, pixels

Picture = NDArray[np.uint8]
Hole = NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """A hole in a part of a photo and what would guide its two finest octaves.

    Args:
        photo: number of the photo.
        mask: bool (H, W), True = hole.
        guides: uint8 (h, w, 3), the photo filled at the octaves before the last two (or the last), coarse to fine.
        patches: uint8 (N, 3), what patches put in the hole's N pixels.
        corner: where the part begins in the photo, pixels from the top and from the left.
    """

    photo: int
    mask: Hole
    guides: list[Picture]
    patches: Picture
    corner: tuple[int, int] = (0, 0)

    def part(self, photo: Picture) -> Picture:
        """The part (H, W, 3) of the whole photo."""
        (top, left), (height, width) = self.corner, self.mask.shape
        return photo[top : top + height, left : left + width]


def scene_mask(draw: Kind, rng: np.random.Generator, shape: tuple[int, int]) -> Hole | None:
    """A random hole over a whole photo, cut from the middle of a square mask.

    Args:
        draw: called as `draw(rng, side)`, gives the square mask, bool (side, side).
        rng: random generator.
        shape: height and width of the photo, pixels.

    Returns:
        bool (H, W), True = hole; None where twenty draws were too small or too large.
    """
    longest = max(shape)
    top, left = (longest - shape[0]) // 2, (longest - shape[1]) // 2
    for _ in range(20):
        mask = draw(rng, longest)[top : top + shape[0], left : left + shape[1]]
        if LEAST < mask.mean() < MOST:
            return np.ascontiguousarray(mask)
    return None


def fill_scene(number: int, photo: Picture, mask: Hole, network: InpaintingNetwork, device: torch.device) -> Scene:
    """Fill a photo up to the octave before the last, and with patches guided as the application guides them.

    Args:
        number: of the photo.
        photo: uint8 (H, W, 3).
        mask: bool (H, W), True = hole.
        network: a generator that takes a guide.
        device: where it lies.
    """
    holed = np.where(mask[..., None], np.float32(0), photo.astype(np.float32))
    *before, _ = octave_sizes(*mask.shape)
    fills = fill_octaves(network, holed, mask, device, finest=max(before[-1]))
    patches = synthesize(holed, mask, as_guide(fills, mask.shape), fine_alone=True).fill[mask]
    guides = []
    for fill in fills[-2:]:
        small, hole = shrink_known(holed, mask, (fill.shape[0], fill.shape[1]))
        guides.append(_rounded(np.where(hole[..., None], fill, small)))
    return Scene(number, mask, guides, _rounded(patches))


def _rounded(values: NDArray[np.float32]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def scene_size(shape: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the part of a photo (height, width) that is a scene."""
    return min(shape[0], WINDOW), min(shape[1], WINDOW)


def has_room(shape: tuple[int, int], side: int) -> bool:
    """Whether a photo (height, width) can hold a scene of several octaves and in it a square of so many pixels."""
    size = scene_size(shape)
    return len(octave_sizes(*size)) > 1 and min(size) >= side


class Scenes:
    """One scene for every photo that is large enough, in one memory map that is made once.

    Args:
        photos: the decoded photos.
        config: masks and seed.
        indices: which photos are used.
        network: fills them; a trained generator that takes a guide.
        device: where it lies.
        folder: receives `scenes.u8` and `scenes.json`, made again when photos or seed are others, never for another
            network: what has been learnt from them goes on to be learnt.
        drawn_by: as of `random_mask`.

    Raises:
        OptionError: no photo is as large as the crops.
        PhotoError: none that is got a hole.
        OutputError: the map cannot be written.
    """

    def __init__(
        self, photos: PhotoCache, config: TrainingConfig, indices: Sequence[int], network: InpaintingNetwork,
        device: torch.device, folder: Path, drawn_by: Mapping[str, Kind] = KINDS,
    ) -> None:
        if not any(has_room(photos.shapes[i], config.size) for i in indices):
            raise OptionError(f"size must not be above the shorter side of all scenes, got {config.size}")
        index_file, map_file = folder / "scenes.json", folder / "scenes.u8"
        used = [[i, photos.names[i], *photos.shapes[i]] for i in indices]
        key = {"seed": config.seed, "window": WINDOW, "photos": used}
        try:
            index = json.loads(index_file.read_text()) if index_file.is_file() and map_file.is_file() else {}
            if index.get("key") != key:
                rows = self._make(photos, config, indices, network, device, map_file, drawn_by)
                index = {"key": key, "rows": rows}
                index_file.write_text(json.dumps(index))
        except (OSError, ValueError) as error:
            raise OutputError(f"{map_file}: the filled scenes cannot be kept there ({error})") from None
        self.rows = index["rows"]
        if not any(has_room(self.shape(k), config.size) for k in range(len(self.rows))):
            raise PhotoError(f"{map_file}: holds no scene with room for crops, no photo large enough got a hole")
        self.values = np.memmap(map_file, np.uint8, mode="r")

    @staticmethod
    def _make(
        photos: PhotoCache, config: TrainingConfig, indices: Sequence[int], network: InpaintingNetwork,
        device: torch.device, file: Path, drawn_by: Mapping[str, Kind],
    ) -> list[list[Any]]:
        def draw(rng: np.random.Generator, side: int) -> Hole:
            return random_mask(rng, side, dict(config.mix), drawn_by)

        rows: list[list[Any]] = []
        partial, start = file.with_suffix(".partial"), 0
        with open(partial, "wb") as out:
            for i in tqdm(indices, desc="fill scenes", unit="photo", mininterval=1):
                if not has_room(photos.shapes[i], 1):
                    continue
                rng, whole = np.random.default_rng([config.seed, i]), photos.photo(i)
                size = scene_size(photos.shapes[i])
                top, left = (int(rng.integers(0, n - own + 1)) for n, own in zip(whole.shape[:2], size, strict=True))
                mask = scene_mask(draw, rng, size)
                if mask is None:
                    continue
                photo = np.ascontiguousarray(whole[top : top + size[0], left : left + size[1]])
                scene = fill_scene(i, photo, mask, network, device)
                parts = [np.packbits(mask), *scene.guides, scene.patches]
                for part in parts:
                    out.write(part.tobytes())
                sizes = [guide.shape[:2] for guide in scene.guides]
                rows.append([i, [top, left, *size], start, len(scene.patches), sizes])
                start += sum(part.size for part in parts)
        partial.replace(file)
        return rows

    def __len__(self) -> int:
        return len(self.rows)

    def shape(self, k: int) -> tuple[int, int]:
        """Height and width of scene number `k`, pixels."""
        *_, height, width = self.rows[k][1]
        return height, width

    def scene(self, k: int) -> Scene:
        """Scene number `k`."""
        i, (top, left, *shape), start, count, sizes = self.rows[k]
        area = shape[0] * shape[1]
        lengths = [(area + 7) // 8, *(3 * height * width for height, width in sizes), 3 * count]
        ends = start + np.cumsum([0, *lengths])
        bits, *guides, patches = (self.values[a:b] for a, b in itertools.pairwise(ends))
        mask = np.unpackbits(bits, count=area).reshape(shape).astype(bool)
        pictures = [guide.reshape(*size, 3) for guide, size in zip(guides, sizes, strict=True)]
        return Scene(i, mask, pictures, patches.reshape(-1, 3), (top, left))


def draw_crop(
    photo: Picture, scene: Scene, side: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Hole, NDArray[np.float32]] | None:
    """A square around a hole pixel of a scene, in one of its two finest octaves.

    Args:
        photo: uint8 (H, W, 3), the part of it that is the scene.
        scene: its hole and guides.
        side: of the square, pixels.
        rng: random generator.

    Returns:
        truth and guide float32 (S, S, 3) in [0, 255], hole bool (S, S); None where this draw found no room.
    """
    sizes, back = octave_sizes(*scene.mask.shape), int(rng.random() >= LAST)
    if back >= len(scene.guides) or min(sizes[-1 - back]) < side:
        return None
    height, width = size = sizes[-1 - back]

    def sized(picture: NDArray[np.float32]) -> NDArray[np.float32]:  # even the last octave may be smaller
        if size == scene.mask.shape:
            return picture
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)

    whole = photo.astype(np.float32)
    known, hole = shrink_known(whole, scene.mask, size)
    truth = np.where(hole[..., None], sized(whole), known)  # the rim shows nothing of the hole, as in filling
    rows, columns = np.nonzero(hole)
    if not len(rows):
        return None
    k, reach = int(rng.integers(len(rows))), side // WANDER
    top, left = (
        int(np.clip(at - side // 2 + rng.integers(-reach, reach + 1), 0, length - side)) // STEP * STEP
        for at, length in ((rows[k], height), (columns[k], width))
    )
    part = slice(top, top + side), slice(left, left + side)
    if not 0 < hole[part].mean() <= FULL:
        return None
    coarse = torch.from_numpy(scene.guides[-1 - back].astype(np.float32)).permute(2, 0, 1)[None]
    guide = F.interpolate(coarse, size=size, mode="bilinear")[0].permute(1, 2, 0).numpy()[part]
    if back == 0 and rng.random() < DETAILED:
        copied = whole.copy()
        copied[scene.mask] = scene.patches
        guide = lend_detail(guide, sized(copied)[part], hole[part])
    return truth[part], hole[part], guide


class SceneBatches:
    """Batches of crops around the holes of scenes; the other steps are another source's.

    Args:
        photos: the decoded photos.
        scenes: made from them.
        config: size, batch, share of the steps, jitter, seed.
        others: draws the batches of the other steps.
        rank: number of this process, which draws its own samples.
    """

    def __init__(
        self, photos: PhotoCache, scenes: Scenes, config: TrainingConfig, others: Batches, rank: int = 0
    ) -> None:
        self.photos, self.scenes, self.config, self.others = photos, scenes, config, others
        self.usable = [k for k in range(len(scenes)) if has_room(scenes.shape(k), config.size)]
        self.rng = np.random.default_rng([config.seed, rank, 1])

    def draw(self) -> Batch:
        """The next batch, guides included."""
        c, rng = self.config, self.rng
        if rng.random() >= c.scene_share:
            return self.others.draw()
        crops: list[tuple[Any, ...]] = []
        while len(crops) < c.batch:
            scene = self.scenes.scene(self.usable[int(rng.integers(len(self.usable)))])
            drawn = draw_crop(scene.part(self.photos.photo(scene.photo)), scene, c.size, rng)
            if drawn is not None:
                mirrored = rng.random() < 0.5
                crops.append(tuple(x[:, ::-1] if mirrored else x for x in drawn))
        photo, hole, coarse = (torch.from_numpy(np.stack(parts)) for parts in zip(*crops, strict=True))
        truth, guide = _scaled(photo), _scaled(coarse)
        if c.colour:  # the same light for both
            numbers = torch.from_numpy(rng.normal(size=(c.batch, 8))).float()
            truth, guide = (vary_colour(part, numbers, c.colour) for part in (truth, guide))
        ones, jitter = torch.ones(c.batch, 3, 1, 1), rng.integers(0, c.jitter + 1, 2)
        return Batch(
            truth, hole[:, None].float(), None, torch.full((c.batch,), OWN), ones, 0 * ones, 2,
            (int(jitter[0]), int(jitter[1])), guide,
        )  # fmt: skip

    def state(self) -> Any:
        """Both random generators' states."""
        return json.dumps(self.rng.bit_generator.state), self.others.state()

    def load_state(self, state: Any) -> None:
        """Go on from a kept state."""
        self.rng.bit_generator.state = json.loads(state[0])
        self.others.load_state(state[1])


def _scaled(pictures: Tensor) -> Tensor:
    """Pictures (B, S, S, 3) in [0, 255] as float (B, 3, S, S) in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
