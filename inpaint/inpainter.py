"""The whole story of a fill: windows, structure, seam, paste, and a report of what was done."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from inpaint.errors import MaskError, OptionError, PhotoError
from inpaint.filling.blend import correct_seam, paste, seam_score
from inpaint.filling.choose import choose_engine
from inpaint.filling.classical import fill_classical
from inpaint.filling.detail import bounded_synthesis
from inpaint.filling.structure import fill_structure, octave_sizes
from inpaint.filling.windows import Window, find_windows
from inpaint.models import load_network
from inpaint.models.layers import InpaintingNetwork
from inpaint.options import FillOptions
from inpaint.photo.files import load_photo
from inpaint.photo.masks import Mask, check_mask, dilate_mask, load_mask, picture_to_mask


@dataclass
class HoleReport:
    """What was done in one window: engine, place, size and depth of the hole, and how well its seam closed."""

    engine: str
    box: tuple[int, int, int, int]  # left, top, right, bottom of the window, pixels
    hole_pixels: int
    hole_depth: float  # farthest hole pixel from a known one, pixels
    network_reach: float | None  # how far the network sees from a pixel, in pixels of the photo
    seam: float


@dataclass
class FillReport:
    """What a fill did, for people (`notes`) and machines (`to_json`)."""

    width: int
    height: int
    filled_pixels: int
    holes: list[HoleReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def engines(self) -> str:
        """The engines that filled something, in one string for people."""
        return ", ".join(sorted({hole.engine for hole in self.holes}))

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class FillResult:
    """The filled photo, uint8 (H, W, 3) RGB, and the report."""

    photo: NDArray[np.uint8]
    report: FillReport


class Inpainter:
    """Fills holes in photos with one network; safe to keep and to use again."""

    def __init__(self, network: InpaintingNetwork, device: torch.device) -> None:
        self.network = network.eval().to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device

    @classmethod
    def load(
        cls, model: str = "dilated", weights: str | os.PathLike[str] | None = None, device: str = "auto"
    ) -> "Inpainter":
        """Load a network.

        Args:
            model: a name from the registry, or a file that is a network by itself (.pt, .pth, .onnx, .safetensors).
            weights: a weights file, ours or a published checkpoint; None means the shipped one.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            OptionError: unknown model, or a device that is not there.
            WeightsError: the weights file cannot be used.
        """
        return cls(load_network(model, weights), pick_device(device))

    def fill(
        self, photo: NDArray[np.uint8], mask: Mask, options: FillOptions = FillOptions(), notes: list[str] | None = None
    ) -> FillResult:
        """Fill the holes of a photo.

        Args:
            photo: uint8 (H, W, 3) RGB; not written to.
            mask: bool (H, W), True = hole; not written to.
            options: how to fill.
            notes: sentences about the mask that the report should carry.

        Returns:
            the photo, equal outside the mask (as widened by `options.dilate`), and the report.

        Raises:
            PhotoError, MaskError: wrong shape or dtype, or a mask that marks nothing (EmptyMask) or everything.
        """
        check_arrays(photo, mask)
        check_mask(mask)
        start = time.perf_counter()
        mask = dilate_mask(mask, options.dilate)
        check_mask(mask)
        windows = find_windows(mask, options.context)
        report = FillReport(photo.shape[1], photo.shape[0], int(mask.sum()), notes=list(notes or []))
        report.seconds = {"windows": time.perf_counter() - start, "engine": 0.0, "blend": 0.0}
        result = photo.copy()
        for window in windows:
            self._fill_window(photo, mask, window, options, result, report)
        report.seconds["total"] = time.perf_counter() - start
        return FillResult(result, report)

    def _fill_window(
        self, photo: NDArray[np.uint8], mask: Mask, window: Window, options: FillOptions,
        result: NDArray[np.uint8], report: FillReport,
    ) -> None:
        part, hole = np.ascontiguousarray(photo[window.crop]), np.ascontiguousarray(mask[window.crop])
        if hole.all():  # no known pixel in reach: take in the whole photo
            window = Window(0, 0, mask.shape[0], mask.shape[1], window.core)
            part, hole = photo, mask
        engine = choose_engine(hole) if options.engine == "auto" else options.engine
        start = time.perf_counter()
        if engine in ("telea", "ns"):
            fill = fill_classical(engine, part, hole)
        elif engine == "patch":
            fill = bounded_synthesis(part, hole, None, options.seed)
        else:
            fill = correct_seam(fill_structure(self.network, part, hole, self.device), part, hole)
            if engine == "detail":
                fill = bounded_synthesis(part, hole, fill, options.seed)
        engine_done = time.perf_counter()
        own = np.zeros_like(hole)
        top, left, bottom, right = window.core
        own[top - window.top : bottom - window.top, left - window.left : right - window.left] = True
        own &= hole
        result[window.crop] = paste(fill, result[window.crop], own)
        report.seconds["engine"] += engine_done - start
        report.seconds["blend"] += time.perf_counter() - engine_done
        report.holes.append(self._describe(engine, window, own, hole, result[window.crop]))

    def _describe(self, engine: str, window: Window, own: Mask, hole: Mask, filled: NDArray[np.uint8]) -> HoleReport:
        reach = None
        field = self.network.receptive_field
        if engine in ("network", "detail") and field is not None:
            coarsest = max(octave_sizes(hole.shape[0], hole.shape[1], self.network.takes_guide)[0])
            reach = round(field / 2 * window.longest / coarsest, 1)
        depth = float(cv2.distanceTransform(np.pad(hole, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5).max())
        box = (window.left, window.top, window.right, window.bottom)
        return HoleReport(engine, box, int(own.sum()), round(depth, 1), reach, round(seam_score(filled, hole), 3))


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


def check_arrays(photo: NDArray[np.uint8], mask: Mask) -> None:
    """Refuse arrays of the wrong kind; raises PhotoError or MaskError with what was received."""
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise PhotoError(f"photo must be uint8 of shape (H, W, 3), got {photo.dtype} of shape {photo.shape}")
    if mask.dtype != np.bool_ or mask.shape != photo.shape[:2]:
        raise MaskError(f"mask must be bool of shape {photo.shape[:2]}, got {mask.dtype} of shape {mask.shape}")


def fill(image: Any, mask_image: Any, options: FillOptions = FillOptions(), inpainter: Inpainter | None = None) -> Any:
    """Fill a photo given as file, PIL picture or array, and return the same kind (a PIL picture for a file).

    Args:
        image: path, PIL picture, or uint8 array (H, W, 3).
        mask_image: path, PIL picture, or array (H, W): bool, or uint8 with white as the hole.
        options: how to fill.
        inpainter: one loaded before; None loads the default.

    Returns:
        uint8 array for an array, else a PIL picture (RGB, or L for a greyscale one).
    """
    if isinstance(image, np.ndarray):
        pixels = image
    elif isinstance(image, Image.Image):
        pixels = np.array(image.convert("RGB"))
    else:
        pixels = load_photo(image).pixels
    if isinstance(mask_image, np.ndarray):
        mask = mask_image if mask_image.dtype == np.bool_ else picture_to_mask(Image.fromarray(mask_image))
    elif isinstance(mask_image, Image.Image):
        mask = picture_to_mask(mask_image)
    else:
        mask = load_mask(mask_image, pixels.shape[:2])
    filled = (inpainter or Inpainter.load()).fill(pixels, mask, options).photo
    if isinstance(image, np.ndarray):
        return filled
    picture = Image.fromarray(filled)
    return picture.convert("L") if isinstance(image, Image.Image) and image.mode == "L" else picture
