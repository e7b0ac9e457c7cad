"""The tables of docs/models.md, measured: `python -m benchmarks.networks [--threads N] [--repeats N]`.

Seconds are the fastest of several runs, the networks taking turns, so that other work on the machine disturbs all
alike; the ratios say more than the seconds. Weights do not matter for the time, so they are fresh.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inpaint.models import build_network
from inpaint.models.receptive_field import theoretical_field, walk
from inpaint.models.registry import NETWORKS


def multiply_adds(module: nn.Module, *inputs: torch.Tensor) -> int:
    """Multiplications with an addition in one pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() // 2


def fastest(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Seconds of the fastest run of each, taking turns, after one run that is not counted."""
    best = dict.fromkeys(calls, float("inf"))
    with torch.inference_mode():
        for turn in range(repeats + 1):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                if turn:
                    best[name] = min(best[name], time.perf_counter() - start)
    return best


def networks_table(repeats: int) -> None:
    """Print parameters, view, work and time of every network."""
    networks = {name: build_network(name).eval().to(memory_format=torch.channels_last) for name in NETWORKS}
    photos = {n: (torch.zeros(1, 3, n, n).contiguous(memory_format=torch.channels_last), torch.zeros(1, 1, n, n))
              for n in (256, 512)}  # fmt: skip
    for photo, mask in photos.values():
        side = photo.shape[-1]
        mask[..., side // 3 : 2 * side // 3, side // 3 : 2 * side // 3] = 1
    seconds = {n: fastest({name: lambda net=net, n=n: net(*photos[n]) for name, net in networks.items()}, repeats)
               for n in photos}  # fmt: skip
    print("| network | parameters | sees | whole picture by | multiply-adds 256 px | 512 px | s 256 px | s 512 px "
          "| 512 px, dilated = 1 |\n|---|---:|---:|---|---:|---:|---:|---:|---:|")  # fmt: skip
    for name, network in networks.items():
        field = theoretical_field(network)
        work = {n: multiply_adds(network, *photos[n]) / 1e9 for n in photos}
        ratio = seconds[512][name] / seconds[512]["dilated"]
        print(f"| `{name}` | {sum(p.numel() for p in network.parameters()):,} | {field.field} px | "
              f"{', '.join(field.global_parts) or '-'} | {work[256]:.1f} G | {work[512]:.1f} G | "
              f"{seconds[256][name]:.2f} | {seconds[512][name]:.2f} | {ratio:.1f} |")  # fmt: skip


def ways_table(repeats: int, channels: int = 32, side: int = 128) -> None:
    """Print what a view of 65 px costs, grown in four ways, at 32 channels and 128 px."""
    def conv(kernel: int = 3, dilation: int = 1) -> nn.Conv2d:
        return nn.Conv2d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)

    pooled = [part for _ in range(4) for part in (conv(), nn.AvgPool2d(2))]
    ways = {
        "one kernel of 65 x 65": conv(65), "3x3, 32 times": nn.Sequential(*(conv() for _ in range(32))),
        "3x3 and pooling by 2, 4 times, then 3x3": nn.Sequential(*pooled, conv()),
        "3x3 dilated 1, 1, 2, 4, 8, 16": nn.Sequential(*(conv(3, d) for d in (1, 1, 2, 4, 8, 16))),
    }  # fmt: skip
    x = torch.zeros(1, channels, side, side)
    seconds = fastest({name: lambda way=way: way(x) for name, way in ways.items()}, repeats)
    print("\n| way | sees | weights for each pair of channels | output | multiply-adds | s |")
    print("|---|---:|---:|---|---:|---:|")
    for name, way in ways.items():
        weights = sum(p.numel() for p in way.parameters()) // channels**2
        out = way(x).shape[-1]
        print(f"| {name} | {walk(way, x[..., :64, :64]).field} px | {weights:,} | {out} x {out} | "
              f"{multiply_adds(way, x) / 1e9:.2f} G | {seconds[name]:.3f} |")  # fmt: skip


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.threads} thread(s), fastest of {args.repeats}\n")
    networks_table(args.repeats)
    ways_table(args.repeats)


if __name__ == "__main__":
    main()
