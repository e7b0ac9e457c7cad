"""A fill in a box alone equals that part of the whole fill."""

import pytest
import torch
from torch import nn

from inpaint.models.dilated import Dilated, DilatedConfig
from inpaint.models.part import conv_in, enlarge, grow, shrink


def busy(config: DilatedConfig) -> Dilated:
    """A network none of whose layers is near zero."""
    torch.manual_seed(0)
    network = Dilated(config).eval()
    for values in network.parameters():
        nn.init.normal_(values, std=0.1)
    return network


@pytest.mark.parametrize(
    "config",
    [
        DilatedConfig(16, 8), DilatedConfig(8, 16, dilations=(3,)), DilatedConfig(8, 8, dilations=(1, 2, 4)),
        DilatedConfig(8, 8, bottleneck="context"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("box", [(40, 44, 60, 71), (0, 0, 9, 70), (62, 70, 91, 101), (0, 0, 91, 101), (90, 0, 91, 1)])
@pytest.mark.parametrize("guided", [True, False])
def test_a_box_is_that_part_of_the_whole(config, box, guided):
    network = busy(config)
    photo, guide = torch.rand(2, 3, 91, 101) * 2 - 1, torch.rand(2, 3, 91, 101) if guided else None
    mask = torch.zeros(2, 1, 91, 101)
    mask[:, :, box[0] : box[2], box[1] : box[3]] = 1
    with torch.inference_mode():
        whole, part = network(photo, mask, guide), network(photo, mask, guide, box=box)
    rows, columns = slice(box[0], box[2]), slice(box[1], box[3])
    assert part.shape == whole.shape and torch.isfinite(part).all()
    apart = (part - whole)[..., rows, columns].abs().max()
    assert apart < 1e-4 * (whole if guide is None else whole - guide).std()


def test_a_small_box_saves_work():
    network = busy(DilatedConfig(8, 8))
    photo, mask = torch.zeros(1, 3, 128, 128), torch.ones(1, 1, 128, 128)
    outputs = []
    network.blocks_after[-1].mix.register_forward_hook(lambda _, __, output: outputs.append(output.shape[-2:]))
    network(photo, mask, box=(60, 60, 68, 68))
    assert outputs == [(6, 6)]  # 2 cells, and what three convolutions behind them see


@pytest.mark.parametrize("dilation", [1, 3])
def test_a_convolution_in_a_box(dilation):
    conv, x = nn.Conv2d(2, 3, 3, padding=dilation, dilation=dilation), torch.rand(1, 2, 12, 15)
    have, want = grow((1, 5, 4, 9), dilation, (12, 15)), (1, 5, 4, 9)
    part = conv_in(conv, x[:, :, have[0] : have[2], have[1] : have[3]], have, want, (12, 15))
    torch.testing.assert_close(part, conv(x)[:, :, 1:4, 5:9])


def test_boxes():
    assert shrink((1, 2, 3, 5), 2) == (0, 1, 2, 3) and enlarge((0, 1, 2, 3), 2) == (0, 2, 4, 6)
    assert grow((1, 2, 3, 5), 3, (5, 7)) == (0, 0, 5, 7)
