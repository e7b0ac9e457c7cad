"""The pictures of docs/models.md, computed from real layers: `python -m benchmarks.dilation_pictures [FOLDER]`.

taps.png      which pixels three layers reach, and over how many paths
growth.png    the view against the weights that it costs, for four ways of growing it
position.png  what is left of a thin drawing after pooling, and after dilated layers of the same view
fields.png    the networks' views, layer by layer
dilated.webp  the default network with its shipped weights: where it looks to fill the middle of a hole
"""

import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from inpaint.models import build_network, load_network
from inpaint.models.effective_field import draw_fields, effective_field
from inpaint.models.receptive_field import theoretical_field, walk
from inpaint.models.registry import NETWORKS


def averaging(kernel: int, dilation: int = 1) -> nn.Conv2d:
    """A convolution of one channel whose taps weigh the same."""
    layer = nn.Conv2d(1, 1, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    nn.init.constant_(layer.weight, 1 / kernel**2)
    return layer


def field_of(module: nn.Module) -> int:
    """Side of the square that a module sees (pixels)."""
    return walk(module, torch.zeros(1, 1, 32, 32)).field


def paths(module: nn.Module, side: int) -> NDArray[np.float64]:
    """Share of each pixel in the middle of the output, float64 (side, side), by gradient."""
    x = torch.zeros(1, 1, side, side, requires_grad=True)
    y = module(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    assert x.grad is not None
    return x.grad[0, 0].double().numpy()


def draw_taps(path: Path) -> None:
    """Three layers each: plain, pooled, dilated by 1, 2, 4, and dilated by 2 alone, which leaves gaps."""
    plain = nn.Sequential(averaging(3), averaging(3), averaging(3))
    pooled = nn.Sequential(*(layer for _ in range(3) for layer in (averaging(3), nn.AvgPool2d(2))))
    dilated = nn.Sequential(averaging(3, 1), averaging(3, 2), averaging(3, 4))
    gaps = nn.Sequential(averaging(3, 2), averaging(3, 2), averaging(3, 2))
    cases = {"3x3, three times": plain, "3x3 and pooling, three times": pooled, "dilations 1, 2, 4": dilated,
             "dilations 2, 2, 2": gaps}  # fmt: skip
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (title, module) in zip(figure.subplots(1, 4), cases.items(), strict=True):
        share, side = paths(module, 32), field_of(module)
        axes.imshow(np.where(share > 0, share, np.nan), cmap="viridis")
        rows, columns = np.nonzero(share)
        corner = (columns.min() - 0.5, rows.min() - 0.5)
        axes.add_patch(Rectangle(corner, side, side, fill=False, color="crimson"))
        reached = (share > 0).sum()
        axes.set_title(f"{title}\nsees {side} x {side}, reaches {reached} of {side * side}", fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.set_facecolor("#eeeeee")
    figure.savefig(path, dpi=90)


def draw_growth(path: Path) -> None:
    """The view against the weights for each pair of channels."""
    curves: dict[str, list[tuple[int, int]]] = OrderedDict()
    curves["one large kernel"] = [(k * k, field_of(averaging(k))) for k in (3, 5, 7, 9, 13, 17, 23)]
    stacks = {n: nn.Sequential(*(averaging(3) for _ in range(n))) for n in range(1, 60, 2)}
    curves["3x3 stacked"] = [(9 * n, field_of(stack)) for n, stack in stacks.items()]
    curves["3x3 dilated 1, 2, 4, ..."] = [
        (9 * n, field_of(nn.Sequential(*(averaging(3, 2**i) for i in range(n))))) for n in range(1, 8)
    ]
    curves["3x3 and pooling (coarser each time)"] = [
        (9 * n, walk(nn.Sequential(*(part for _ in range(n) for part in (averaging(3), nn.AvgPool2d(2)))),
                     torch.zeros(1, 1, 2**n, 2**n)).field) for n in range(1, 8)
    ]  # fmt: skip
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for (name, points), style in zip(curves.items(), ("^-", "s-", "o-", "d--"), strict=True):
        axes.plot(*zip(*points, strict=True), style, label=name, markersize=4)
    axes.set(xscale="log", yscale="log", xlabel="weights for each pair of channels (= multiply-adds for each pixel)",
             ylabel="sees (px)")  # fmt: skip
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=90)


def drawing(side: int = 64) -> torch.Tensor:
    """Thin lines and dots, float (1, 1, side, side) in [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    ring = ((rows - 30) ** 2 + (columns - 24) ** 2).float().sqrt().sub(14).abs() < 0.8
    line = (rows - 2 * columns + 60).abs() < 1.5
    dots = (rows % 8 == 3) & (columns % 8 == 5) & (columns > 44)
    return (ring | line | dots).float()[None, None]


def draw_position(path: Path) -> None:
    """The same drawing behind three poolings and behind three dilated layers: both see some 15 to 22 px."""
    x = drawing()
    pooled = F.interpolate(F.max_pool2d(F.max_pool2d(F.max_pool2d(x, 2), 2), 2), scale_factor=8, mode="nearest")
    dilated = x
    for dilation in (1, 2, 4):
        layer = averaging(3, dilation)
        with torch.no_grad():
            layer.weight[0, 0, 1, 1] = 1  # a strong middle tap: dilated layers can keep position, pooling cannot
            dilated = layer(dilated)
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    pictures = {"drawing, 64 x 64": x, "pooled to 8 x 8": pooled, "dilations 1, 2, 4: still 64 x 64": dilated}
    for axes, (title, picture) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
        axes.imshow(picture[0, 0].numpy(), cmap="gray_r")
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=90)


def draw_networks(path: Path) -> None:
    """Every network's view, layer by layer."""
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes: Axes = figure.subplots()
    lines: dict[tuple[int, ...], list[str]] = {}  # networks with the same views share a line
    for name in NETWORKS:
        views = (1, *(layer.field for layer in theoretical_field(build_network(name)).layers))
        lines.setdefault(views, []).append(name)
    for width, (views, names) in zip((1.5, 5, 1.5), lines.items(), strict=True):
        label = f"{', '.join(names)}: {views[-1]} px"
        axes.plot(range(len(views)), views, drawstyle="steps-post", linewidth=width, label=label)
    axes.set(xlabel="layer, in the order of computing", ylabel="sees (px)", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=90)


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_taps(folder / "taps.png")
    draw_growth(folder / "growth.png")
    draw_position(folder / "position.png")
    draw_networks(folder / "fields.png")
    network = load_network("dilated")
    theory, measured = theoretical_field(network), effective_field(network)
    draw_fields("dilated, shipped weights", theory, measured, folder / "dilated.webp")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/models"))
