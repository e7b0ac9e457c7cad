"""How far a network looks in fact: the gradient of one output pixel, and pictures of it.

Follows: Luo, Li, Urtasun & Zemel 2016, "Understanding the effective receptive field in deep convolutional neural
networks", section 3: the mean over random inputs of the absolute gradient. Deviates: the pixel stands in the middle of
a hole, because that is where an inpainting network must look far, and the field is the square that holds 95 % of it.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint.errors import InpaintError, OptionError, OutputError
from inpaint.models.receptive_field import Field
from inpaint.photo.staging import Staging

SHARE = 0.95  # of the gradient that the effective field holds


@dataclass(frozen=True)
class EffectiveField:
    """What was measured at one working size.

    Args:
        field: side of the centred square that holds 95 % of the gradient (pixels).
        reached: side of the centred square outside of which the gradient is zero (pixels).
        size: side of the photo (pixels).
        hole: side of the hole in its middle (pixels).
        gradient: float64 (size, size), mean absolute gradient of the middle pixel, sum 1.
    """

    field: int
    reached: int
    size: int
    hole: int
    gradient: NDArray[np.float64]


def effective_field(
    network: Callable[[Tensor, Tensor], Tensor], size: int = 256, hole: int = 32, samples: int = 4, seed: int = 0
) -> EffectiveField:
    """Measure where a network looks to fill the middle of a square hole.

    Args:
        network: called as `network(photo, mask)`, on the CPU, with gradients.
        size: side of the random photos (pixels).
        hole: side of the hole in the middle (pixels); 0 for none.
        samples: how many random photos.
        seed: of the photos.

    Raises:
        OptionError: sizes that do not fit each other.
        InpaintError: no gradient comes through.
    """
    if not 0 <= hole < size or samples < 1:
        raise OptionError(f"hole must be from 0 to below {size} px, and samples positive, got {hole} and {samples}")
    mask = torch.zeros(1, 1, size, size)
    start = (size - hole) // 2
    mask[..., start : start + hole, start : start + hole] = 1
    generator = torch.Generator().manual_seed(seed)
    photos = torch.rand(samples, 1, 3, size, size, generator=generator) * 2 - 1
    total = sum(pixel_gradient(lambda photo: network(photo, mask), photo, size // 2) for photo in photos)
    assert isinstance(total, np.ndarray)
    if not total.sum() > 0:
        raise InpaintError("no gradient comes through this network, so what it looks at cannot be measured")
    total = total / total.sum()
    return EffectiveField(square_of(total, SHARE), square_of(total, 1.0), size, hole, total)


def pixel_gradient(function: Callable[[Tensor], Tensor], photo: Tensor, middle: int) -> NDArray[np.float64]:
    """Absolute gradient of the pixel (middle, middle), summed over channels.

    Args:
        function: photo to output, both float (1, C, H, W).
        photo: float (1, C, H, W).
        middle: row and column of the pixel.

    Returns:
        float64 (H, W).

    Raises:
        InpaintError: the function is not differentiable.
    """
    photo = photo.clone().requires_grad_(True)
    output = function(photo)[0, :, middle, middle].sum()
    if not output.requires_grad:
        raise InpaintError("no gradient comes through this network, so what it looks at cannot be measured")
    (gradient,) = torch.autograd.grad(output, photo)
    return gradient[0].abs().sum(0).double().numpy()


def square_of(weights: NDArray[np.float64], share: float) -> int:
    """Side of the smallest square around the middle pixel that holds a share of all weight (pixels)."""
    middle = weights.shape[0] // 2
    rows, columns = np.indices(weights.shape)
    distance = np.maximum(np.abs(rows - middle), np.abs(columns - middle))
    within = np.cumsum(np.bincount(distance.ravel(), weights.ravel()))
    radius = int(np.searchsorted(within, share * within[-1] * (1 - 1e-12)))
    return 2 * radius + 1


def draw_fields(
    title: str, theory: Field | None, measured: EffectiveField, path: Path, overwrite: bool = True
) -> None:
    """Draw the growth of the view layer by layer, and what was measured.

    Args:
        title: of the picture.
        theory: layers and their views, or None where they are not known.
        measured: the gradient.
        path: file to write; its ending names the format.
        overwrite: replace a file that is there.

    Raises:
        InpaintError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib.colors import LogNorm
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError:
        raise InpaintError(f"{path}: needs matplotlib, install it with pip install matplotlib") from None
    figure = Figure(figsize=(11, 5), layout="constrained")
    growth, looks = figure.subplots(1, 2)
    figure.suptitle(title)
    if theory is not None:
        fields = [1, *(layer.field for layer in theory.layers)]
        growth.step(range(len(fields)), fields, where="post", color="#1f6feb")
        growth.fill_between(range(len(fields)), fields, step="post", alpha=0.15, color="#1f6feb")
        growth.set(xlabel="layer", ylabel="sees (px)", title=f"by its layers: {theory.field} px", ylim=(0, None))
        growth.xaxis.get_major_locator().set_params(integer=True)
        growth.grid(alpha=0.3)
    else:
        growth.text(0.5, 0.5, "layers not known", ha="center", va="center")
        growth.set_axis_off()
    top = measured.gradient.max()
    shown = np.maximum(measured.gradient, top * 1e-5)
    middle = measured.size // 2
    picture = looks.imshow(shown, cmap="magma", norm=LogNorm(top * 1e-5, top))
    squares = [(measured.field, "#58d68d", "-", f"95 % of the gradient: {measured.field} px")]
    if measured.hole:
        squares.append((measured.hole, "#ffffff", ":", f"hole: {measured.hole} px"))
    if theory is not None and theory.field < measured.size:
        squares.append((theory.field, "#5dade2", "--", f"by its layers: {theory.field} px"))
    for side, colour, style, label in squares:
        corner = (middle - side / 2, middle - side / 2)
        looks.add_patch(Rectangle(corner, side, side, fill=False, color=colour, linestyle=style, label=label))
    edge = measured.size - 0.5
    looks.set(title=f"where it looks, {measured.size} px", xlim=(-0.5, edge), ylim=(edge, -0.5))
    looks.legend(loc="lower right", fontsize=8, facecolor="#444444", labelcolor="white")
    figure.colorbar(picture, ax=looks, shrink=0.8, label="share of the gradient")
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=path.suffix[1:], dpi=100)
    except ValueError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from None
    with Staging(overwrite=overwrite) as staging:
        staging.add(path, picture.getvalue())
        staging.commit()
