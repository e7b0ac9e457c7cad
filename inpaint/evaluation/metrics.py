"""Metrics of a composited fill against the truth, and the record of how each is to be read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import WeightsError

if TYPE_CHECKING:
    import torch

MOST_PSNR = 100.0  # decibels; what equal photos get, since JSON and means cannot hold infinity

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Metric:
    """How a number is shown and which direction is better."""

    title: str
    higher_is_better: bool
    digits: int


METRICS: dict[str, Metric] = {
    "lpips": Metric("LPIPS", False, 4),
    "psnr": Metric("PSNR (dB)", True, 2),
    "ssim": Metric("SSIM", True, 4),
    "l1": Metric("L1 in the hole", False, 4),
    "seconds": Metric("Seconds", False, 2),
}


def psnr(truth: Photo, filled: Photo) -> float:
    """Peak signal-to-noise ratio of two uint8 photos in decibels, at most 100."""
    error = float(np.square(truth.astype(np.float64) - filled).mean())
    return MOST_PSNR if error == 0 else min(MOST_PSNR, 10 * float(np.log10(255**2 / error)))


def ssim(truth: Photo, filled: Photo) -> float:
    """Structural similarity (Wang 2004) of two uint8 RGB photos with scikit-image's 7x7 window, at most 1."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(truth, filled, channel_axis=2, data_range=255))


def l1_in_hole(truth: Photo, filled: Photo, mask: Mask) -> float:
    """Mean absolute difference in the hole, with 1 for black against white."""
    return float(np.abs(truth[mask].astype(np.float64) - filled[mask]).mean() / 255)


Perceptual = Callable[[Photo, Photo], float]


def load_perceptual(nets: Path | None, device: "torch.device") -> Perceptual:
    """LPIPS (squeeze, v0.1; Zhang 2018) of two whole uint8 photos, 0 = alike.

    Args:
        nets: folder of the SqueezeNet and LPIPS files, or None for the one that INPAINT_NETS names.
        device: where it is computed.

    Raises:
        WeightsError: the files are missing or damaged; the text names them.
    """
    import torch

    from inpaint.training.perceptual import SqueezeLPIPS
    from inpaint.training.run import nets_folder

    folder = nets_folder(nets)
    try:
        network = SqueezeLPIPS(folder).eval().to(device)
    except WeightsError:
        raise
    except Exception as error:  # a damaged .npz or .pth raises one of a dozen kinds
        raise WeightsError(f"{folder}: the SqueezeNet and LPIPS files cannot be read ({error})") from None

    def tensor(photo: Photo) -> torch.Tensor:
        scaled = torch.from_numpy(photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        return scaled.contiguous(memory_format=torch.channels_last).to(device)

    @torch.inference_mode()
    def distance(truth: Photo, filled: Photo) -> float:
        return float(network(tensor(filled), tensor(truth)))

    return distance


def score(truth: Photo, filled: Photo, mask: Mask, perceptual: Perceptual | None) -> dict[str, float]:
    """All metrics of one composited fill.

    Args:
        truth: uint8 (H, W, 3) RGB.
        filled: uint8 (H, W, 3) RGB, equal to the truth outside the mask.
        mask: bool (H, W), True = hole, not empty.
        perceptual: from `load_perceptual`, or None to leave LPIPS out.
    """
    scores = {"psnr": psnr(truth, filled), "ssim": ssim(truth, filled), "l1": l1_in_hole(truth, filled, mask)}
    return scores if perceptual is None else {"lpips": perceptual(truth, filled), **scores}
