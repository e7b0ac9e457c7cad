"""The whole story of a fill: windows, structure, seam, paste, and a report of what was done."""

import os
import time
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from inpaint.errors import MaskError, OptionError, PhotoError
from inpaint.filling.blend import mix, seam_score
from inpaint.filling.choose import HAIRLINE, Choice, choose_engine, hole_depth, is_sieve, network_suffices
from inpaint.filling.classical import DUST, METHODS, fill_dust, find_dust
from inpaint.filling.engines import WindowEngines, variants
from inpaint.filling.enlarge import paste_enlarged, shrink_factor, shrink_window
from inpaint.filling.kernels import Kernel
from inpaint.filling.memory import bound_caches, give_back
from inpaint.filling.progress import Listener, Progress
from inpaint.filling.report import CandidateReport, FillReport, FillResult, HoleReport, Pixels
from inpaint.filling.structure import octave_scale
from inpaint.filling.windows import Window, find_windows, widen
from inpaint.models import load_network
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.precision import pick_precision
from inpaint.options import DEFAULT_MODEL, FillOptions
from inpaint.photo.files import load_photo
from inpaint.photo.masks import Mask, array_to_mask, check_mask, dilate_mask, load_mask, picture_to_mask
from inpaint.photo.pictures import photo_of, picture_of


class Inpainter:
    """Fills holes in photos with one network; safe to keep and to use again."""

    def __init__(self, network: InpaintingNetwork, device: torch.device) -> None:
        bound_caches()
        self.network = network.eval().to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device

    @classmethod
    def load(
        cls, model: str = DEFAULT_MODEL, weights: str | os.PathLike[str] | None = None, device: str = "auto"
    ) -> "Inpainter":
        """Load a network, in bfloat16 where that is faster and the same (`models.precision.pick_precision`).

        Args:
            model: a name from the registry, or a file that is a network by itself (.pt, .pth, .onnx, .safetensors).
            weights: a weights file, ours or a published checkpoint; None means the shipped one.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            OptionError: unknown model, a device that is not there, or a wrong INPAINT_PRECISION.
            WeightsError: the weights file cannot be used.
        """
        network, place = load_network(model, weights), pick_device(device)
        return cls(network.to(pick_precision(network, place)), place)

    @property
    def precision(self) -> str:
        """The numbers that the network computes with: `float32` or `bfloat16`."""
        weight = next(self.network.parameters(), None)
        return "float32" if weight is None else str(weight.dtype).removeprefix("torch.")

    def fill(
        self, photo: Pixels, mask: Mask, options: FillOptions = FillOptions(), notes: list[str] | None = None,
        progress: Listener | None = None,
    ) -> FillResult:
        """Fill the holes of a photo.

        Args:
            photo: uint8 or uint16 (H, W, 3) RGB; not written to.
            mask: bool (H, W), True = hole; not written to.
            options: how to fill.
            notes: sentences about the mask that the report should carry.
            progress: called as (stage, done in [0, 1]) between windows, octaves and levels; returning False stops.

        Returns:
            the photo, of the same dtype and equal outside the mask (as widened by `options.dilate`), and the report.

        Raises:
            PhotoError, MaskError: wrong shape or dtype, or a mask that marks nothing (EmptyMask) or everything.
            Cancelled: `progress` returned False.
        """
        check_arrays(photo, mask)
        check_mask(mask)
        start, told = time.perf_counter(), Progress(progress)
        told("windows", 0.0)
        mask = dilate_mask(mask, options.dilate)
        check_mask(mask)
        windows = find_windows(mask, options.context)
        report = FillReport(photo.shape[1], photo.shape[0], int(mask.sum()), self.precision, notes=list(notes or []))
        report.seconds["windows"] = time.perf_counter() - start
        results = [photo.copy() for _ in range(options.candidates)]
        done: list[list[HoleReport]] = [[] for _ in results]
        stretches = told.split([float(window.area) for window in windows])
        before = np.zeros(mask.shape, bool) if any(window.tile for window in windows) else None
        for window, stretch in zip(windows, stretches, strict=True):
            self._fill_window(photo, mask, window, options, results, done, report, stretch, before)
        report.holes = done[0]
        for holes in done:
            engines = ", ".join(sorted({hole.engine for hole in holes}))
            seam = sum(hole.seam * hole.hole_pixels for hole in holes) / sum(hole.hole_pixels for hole in holes)
            report.candidates.append(CandidateReport(engines, max(hole.seed for hole in holes), round(seam, 3)))
        report.notes += Kernel.complaint()
        give_back(sum(window.area for window in windows))
        if _is_grey(photo, mask):
            for result in results:
                result[mask] = cv2.cvtColor(result[mask][:, None], cv2.COLOR_RGB2GRAY).reshape(-1, 1)
        different = [k for k, result in enumerate(results) if not any(np.array_equal(result, r) for r in results[:k])]
        if len(different) < len(results):
            report.notes.append(f"{len(results) - len(different)} of {len(results)} fills were the same as another")
            results = [results[k] for k in different]
            report.candidates = [report.candidates[k] for k in different]
        report.seconds["total"] = time.perf_counter() - start
        told("done", 1.0)
        return FillResult(results[0], report, results)

    def _fill_window(
        self, photo: Pixels, mask: Mask, window: Window, options: FillOptions, results: list[Pixels],
        done: list[list[HoleReport]], report: FillReport, progress: Progress, before: Mask | None,
    ) -> None:
        window = widen(window, mask)
        hole = np.ascontiguousarray(mask[window.crop])
        own, weight = window.own, window.weight
        shared = None if before is None or weight is None else own & before[window.crop]
        dust = find_dust(hole) & own
        named = options.engine != "auto"
        specks = not named and np.array_equal(dust, own)
        factor = shrink_factor(hole.size, int(hole.sum()))
        if factor > 1 and (_diffuses_well(options.engine, hole) if named else is_sieve(hole)):
            factor = 1  # at a smaller size hardly a known pixel would be left, and diffusion needs no bound
        part, small_hole = shrink_window(photo[window.crop], hole, factor)
        engines = WindowEngines(self.network, self.device, part, small_hole, photo.dtype == np.uint16, report.seconds)
        depth, reach = hole_depth(small_hole), self._reach(small_hole)
        alone = self.network.takes_guide and factor == 1 and network_suffices(photo.shape, hole.shape)
        testing, filling = progress.split([0.3, 1.0])
        choice = choose_engine(
            part, small_hole, depth, reach, alone and not named,
            lambda shares: engines.self_test(shares, options.seed, testing), specks=specks,
        )
        if named:
            choice = Choice(options.engine, "network", choice.scores, "named by the caller")
        new = own if shared is None else own & ~shared
        reason = choice.reason
        if not named and choice.engine != "ns" and dust.any():
            reason += f"; specks of at most {DUST} pixels from their neighbours"
        ways = variants(choice.engine, choice.guide, options.seed, len(results), choice.share)
        if specks:  # no engine makes another of them
            ways = [ways[0]] * len(results)
        for way, stretch, result, holes in zip(ways, filling.split([1.0] * len(ways)), results, done, strict=True):
            fill = engines.fill(way, stretch)
            start = time.perf_counter()
            filled = paste_enlarged(fill, photo[window.crop], hole, own, factor)
            if not named:
                filled = fill_dust(filled, dust)
            if shared is not None and weight is not None:
                filled[shared] = mix(result[window.crop][shared], filled[shared], weight[shared])
            result[window.crop][own] = filled[own]
            box = (window.left, window.top, window.right, window.bottom)
            holes.append(HoleReport(
                engine=way.engine, seed=way.seed, box=box, hole_pixels=int(new.sum()),
                shrunk=factor, hole_depth=round(factor * depth, 1),
                network_reach=round(factor * reach, 1) if way.sees and reach is not None else None,
                seam=round(seam_score(filled, own, hole), 3), scores=choice.scores,
                reason=reason if way is ways[0] else "an alternative",
            ))  # fmt: skip
            report.seconds["blend"] = report.seconds.get("blend", 0.0) + time.perf_counter() - start
        if before is not None:
            before[window.crop] |= own

    def _reach(self, hole: Mask) -> float | None:
        """How far the network sees from a pixel of a window, in its pixels; None where a network does not say."""
        field = self.network.receptive_field
        if field is None:
            return None
        return field / 2 * octave_scale(hole.shape[0], hole.shape[1], self.network.takes_guide)


def _is_grey(photo: Pixels, mask: Mask) -> bool:
    """Whether all that is known of a photo has no colour, so that its hole should have none."""
    few = photo[::16, ::16][~mask[::16, ::16]]
    if (few != few[:, :1]).any():  # most photos are told by these
        return False
    red, green, blue = photo[..., 0], photo[..., 1], photo[..., 2]
    return not (((red != green) | (red != blue)) & ~mask).any()


def _diffuses_well(engine: str, hole: Mask) -> bool:
    """Whether an engine that was asked for is diffusion, and every hole pixel near a known one."""
    return engine in METHODS and hole_depth(hole) <= HAIRLINE


def pick_device(name: str) -> torch.device:
    """The torch device of a name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        OptionError: unknown, or not available on this machine.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(d for d in ("cuda", "mps", "cpu") if available[d])
    if name not in available:
        raise OptionError(f"device must be auto, cpu, cuda or mps, got {name!r}")
    if not available[name]:
        raise OptionError(f"device {name} is not available on this machine")
    return torch.device(name)


def check_arrays(photo: Pixels, mask: Mask) -> None:
    """Refuse arrays of the wrong kind; raises PhotoError or MaskError with what was received."""
    if photo.dtype not in (np.uint8, np.uint16) or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise PhotoError(f"photo must be uint8 or uint16 of shape (H, W, 3), got {photo.dtype} of shape {photo.shape}")
    if mask.dtype != np.bool_ or mask.shape != photo.shape[:2]:
        raise MaskError(f"mask must be bool of shape {photo.shape[:2]}, got {mask.dtype} of shape {mask.shape}")


def fill(image: Any, mask_image: Any, options: FillOptions = FillOptions(), inpainter: Inpainter | None = None) -> Any:
    """Fill a photo given as file, PIL picture or array, and return the same kind (a PIL picture for a file).

    Args:
        image: path, PIL picture (of mode RGB, RGBA, L, LA or I;16; others are converted to RGB), or uint8 or uint16
            array (H, W, 3). A PIL picture is taken as its pixels lie, whatever orientation its EXIF states.
        mask_image: PIL picture or array (H, W): bool, or white as the hole as in diffusers, above the middle of 0 to
            255 (of 0 to 1, if the array holds no more than that); or path, whose meaning is decided as by
            `photo.masks.load_mask`: there black may be the hole, and doubt is an error.
        options: how to fill.
        inpainter: one loaded before; None loads the default.

    Returns:
        array for an array, of its dtype; else a PIL picture with the alpha of the photo. PIL holds 16 bits per channel
        of greyscale alone, so that a file of 16-bit colours comes back with 8; `load_photo` and `save_photo` keep them.

    Raises:
        PhotoError, MaskError: as `Inpainter.fill` and `load_photo` do.
    """
    inpainter = inpainter or Inpainter.load()
    if isinstance(image, np.ndarray):
        return inpainter.fill(image, _given_mask(mask_image, image.shape[:2]), options).photo
    photo = photo_of(image) if isinstance(image, Image.Image) else load_photo(image)
    orientation = photo.source.orientation if photo.source else 1
    mask = _given_mask(mask_image, photo.pixels.shape[:2], orientation)
    result = inpainter.fill(photo.visible_pixels(), mask, options)
    hole = dilate_mask(mask, options.dilate)
    return picture_of(photo.with_pixels(np.where(hole[..., None], result.photo, photo.pixels)))


def _given_mask(mask_image: Any, shape: tuple[int, ...], orientation: int = 1) -> Mask:
    if isinstance(mask_image, np.ndarray):
        return array_to_mask(mask_image)
    if isinstance(mask_image, Image.Image):
        return picture_to_mask(mask_image, "white")
    return load_mask(mask_image, (shape[0], shape[1]), orientation=orientation)
