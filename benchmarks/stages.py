"""Where the time of a fill goes, beside the forward pass of DeepFill v2, and what other runtimes would gain.

    python -m benchmarks.stages [--threads 2] [--repeats 7]
    python -m benchmarks.stages --runtimes [--photos DIR_OR_TAR --nets NETS] [--threads 2]

The first prints the stages of a fill of 512 px with a hole of 10 %, and every kernel by level. The second runs the same
weights in every runtime that is installed: seconds of an octave of 256 px, of the first call of a size not met before,
the largest difference from eager mode, and with photos the LPIPS of whole fills. All take turns within one process,
the fastest of the repeats counts, so that a busy machine disturbs all alike.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.fill import make_case
from benchmarks.networks import fastest
from benchmarks.photos import photos
from inpaint import Inpainter
from inpaint.filling import detail
from inpaint.filling.threads import set_threads
from inpaint.models import build_network, load_network
from inpaint.models.export import export_onnx
from inpaint.models.layers import InpaintingNetwork
from inpaint.options import DEFAULT_MODEL

Run = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
PHOTO = Path(__file__).parent.parent / "docs" / "before.png"


def stages(threads: int, repeats: int) -> None:
    """Print the stages of a fill, its kernels, and its ratio to DeepFill v2's forward pass."""
    photo, mask = make_case("512", PHOTO)
    inpainter = Inpainter.load(device="cpu")
    plain = build_network("deepfill-v2").eval()
    last = build_network("deepfill-v2").eval().to(memory_format=torch.channels_last)
    seen, hole = torch.zeros(1, 3, 512, 512), torch.from_numpy(mask.astype(np.float32))[None, None]
    calls: dict[str, Callable[[], object]] = {
        "fill": lambda: inpainter.fill(photo, mask),
        "deepfill-v2": lambda: plain(seen, hole),
        "deepfill-v2, channels-last": lambda: last(seen.contiguous(memory_format=torch.channels_last), hole),
    }
    best = fastest(calls, repeats)
    for name, seconds in best.items():
        print(f"{name}: {seconds:.3f} s ({threads} threads), fill / it = {best['fill'] / seconds:.3f}")
    reports = [inpainter.fill(photo, mask).report.seconds for _ in range(repeats)]
    report = min(reports, key=lambda one: one["total"])
    print("| stage | ms |\n|---|---:|")
    for stage, seconds in report.items():
        print(f"| {stage} | {1000 * seconds:.1f} |")
    print("\n| kernel | level | calls | ms |\n|---|---|---:|---:|")
    for (name, level), (calls_made, seconds) in kernels(lambda: inpainter.fill(photo, mask), repeats).items():
        print(f"| {name} | {level} | {calls_made} | {1000 * seconds:.1f} |")


def kernels(fill: Callable[[], object], repeats: int) -> dict[tuple[str, str], tuple[int, float]]:
    """Calls and seconds of the compiled loops of one fill, by level; the mean of the repeats."""
    spent: dict[tuple[str, str], tuple[int, float]] = {}
    kept = {name: getattr(detail, name) for name in ("search", "vote")}

    def watched(name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            height, width = arguments[7 if name == "search" else 0].shape[:2]  # type: ignore[attr-defined]
            start = time.perf_counter()
            kept[name](*arguments)
            times, seconds = spent.get((name, f"{width} x {height}"), (0, 0.0))
            spent[name, f"{width} x {height}"] = times + 1, seconds + time.perf_counter() - start

        return call

    try:
        for name in kept:
            setattr(detail, name, watched(name))
        for _ in range(repeats):
            fill()
    finally:
        for name, kernel in kept.items():
            setattr(detail, name, kernel)
    return {key: (times // repeats, seconds / repeats) for key, (times, seconds) in spent.items()}


class Elsewhere(InpaintingNetwork):
    """A network that another runtime computes.

    Args:
        run: `(photo, mask, guide, guided) -> fill`.
        network: the one that it stands for.
    """

    takes_guide = True

    def __init__(self, run: Run, network: InpaintingNetwork) -> None:
        super().__init__()
        self.run, self.config, self.size_rule = run, network.config, network.size_rule
        self.seen = network.receptive_field

    @property
    def receptive_field(self) -> int | None:
        """That of the network."""
        return self.seen

    def compute(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None
    ) -> list[Tensor]:
        """See `InpaintingNetwork.compute`."""
        with_guide = photo.new_ones(photo.shape[0], 1, 1, 1) if guide is not None else photo.new_zeros(1, 1, 1, 1)
        return [self.run(photo, mask, torch.zeros_like(photo) if guide is None else guide, with_guide)]


class Core(torch.nn.Module):
    """A network without its size rule, which cannot be traced."""

    def __init__(self, network: InpaintingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor, mask: Tensor, guide: Tensor, guided: Tensor) -> Tensor:
        """As `InpaintingNetwork.forward`, for sizes that obey the rule."""
        return self.network.compute(photo, mask, guide, guided)[-1]


def runtimes(network: InpaintingNetwork, folder: Path, threads: int) -> dict[str, Run]:
    """Every runtime that is installed; first the network given, of float32."""
    found: dict[str, Run] = {"eager, channels-last": network}
    plain = load_network(DEFAULT_MODEL).to(memory_format=torch.contiguous_format)
    found["eager, contiguous"] = plain
    example = (*(torch.zeros(1, channels, 256, 256) for channels in (3, 1, 3)), torch.ones(1, 1, 1, 1))
    frozen = torch.jit.freeze(torch.jit.trace(Core(network).eval(), example, check_trace=False))
    found["TorchScript, frozen (folded)"] = frozen
    found["TorchScript, optimize_for_inference (fused)"] = torch.jit.optimize_for_inference(frozen)

    def half(*inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(*inputs).float()

    found["bf16 autocast"] = half
    narrow = load_network(DEFAULT_MODEL).bfloat16().to(memory_format=torch.channels_last)
    found["bf16 weights"] = lambda *inputs: narrow(*(x.bfloat16() for x in inputs)).float()
    try:
        compiled = torch.compile(network, dynamic=False)
        compiled(*example)
        found["torch.compile"] = compiled
    except Exception as error:  # no compiler, or one that it cannot use
        print(f"torch.compile is left out: {type(error).__name__}: {str(error).strip().splitlines()[0][:120]}")
    file = folder / "network.onnx"
    export_onnx(plain, file, guide=True)
    if importlib.util.find_spec("onnxruntime"):
        found["ONNX Runtime"] = onnx_run(file, threads)
        try:
            found["ONNX Runtime, int8 weights and activations"] = onnx_run(quantised(file, folder), threads)
        except Exception as error:  # its quantiser needs packages of its own
            print(f"int8 is left out: {type(error).__name__}: {str(error)[:120]}")
    if importlib.util.find_spec("openvino"):
        found["OpenVINO"] = openvino_run(file, threads, "f32")
        found["OpenVINO, bf16"] = openvino_run(file, threads, "bf16")
    return found


NAMES = ("photo", "mask", "guide", "guided")


def feed(*inputs: Tensor) -> dict[str, np.ndarray]:
    """Tensors by the names that an exported network gives them."""
    return {name: x.contiguous().numpy() for name, x in zip(NAMES, inputs, strict=True)}


def onnx_run(file: Path, threads: int) -> Run:
    """A session of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, feed(*inputs))[0])

    return run


def quantised(file: Path, folder: Path) -> Path:
    """The network with convolutions in int8, its ranges from the repository's own photo."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    photo, mask = make_case("512", PHOTO)
    known = (photo[:256, 128:384].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    hole = mask[128:384, 128:384].astype(np.float32)[None, None]
    guided = np.ones((1, 1, 1, 1), np.float32)
    rows = [dict(zip(NAMES, (known, hole, known * share, guided * share), strict=True)) for share in (1, 0)]

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict | None:
            return rows.pop() if rows else None

    quantize_static(
        str(file), str(folder / "int8.onnx"), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        op_types_to_quantize=["Conv"], activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return folder / "int8.onnx"


def openvino_run(file: Path, threads: int, precision: str) -> Run:
    """A compiled model of OpenVINO."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(str(file)), "CPU", settings).create_infer_request()

    def run(*inputs: Tensor) -> Tensor:
        result = request.infer(feed(*inputs))
        return torch.from_numpy(next(iter(result.values())).copy())

    return run


def compare(threads: int, repeats: int, sources: list[Path], nets: Path | None, count: int) -> None:
    """Print the table of runtimes."""
    inpainter = Inpainter.load(device="cpu")
    photo, mask = make_case("512", PHOTO)
    known = torch.from_numpy(photo[128:384, 128:384].astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    hole = torch.from_numpy(mask[128:384, 128:384].astype(np.float32))[None, None]
    one = torch.ones(1, 1, 1, 1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        network = load_network(DEFAULT_MODEL).to(memory_format=torch.channels_last)
        found = runtimes(network, Path(folder), threads)
        inputs = (known, hole, known * 0.5, one)
        layout = [x.contiguous(memory_format=torch.channels_last) for x in inputs[:3]] + [one]
        best = fastest({name: lambda run=run: run(*layout) for name, run in found.items()}, repeats)
        truth = network(*inputs)
        print(f"the product computes with {inpainter.precision} on this machine")
        scores = whole_fills(found, inpainter, sources, nets, count) if nets else {}
        print("| runtime | ms, 256 px | x eager | ms, first call of a new size | largest difference | LPIPS |")
        print("|---|---:|---:|---:|---:|---:|")
        first = next(iter(best.values()))
        for number, (name, run) in enumerate(found.items()):
            side = 160 + 8 * number  # a size that none has met
            new = [torch.zeros(1, c, side, side + 32) for c in (3, 1, 3)] + [one]
            start = time.perf_counter()
            run(*new)
            met = time.perf_counter() - start
            apart = float((run(*inputs) - truth).abs().max())
            print(f"| {name} | {1000 * best[name]:.1f} | {best[name] / first:.2f} | {1000 * met:.0f} | {apart:.1e} | "
                  f"{scores.get(name, '-')} |", flush=True)  # fmt: skip


def whole_fills(
    found: dict[str, Run], inpainter: Inpainter, sources: list[Path], nets: Path, count: int
) -> dict[str, str]:
    """LPIPS of whole fills by runtime: engine `auto`, and the network alone."""
    from inpaint import FillOptions
    from inpaint.evaluation.cases import draw_mask
    from inpaint.evaluation.metrics import load_perceptual, score

    perceptual = load_perceptual(nets, torch.device("cpu"))
    cases = [(photo, draw_mask("objects", 0, n, (256, 256))) for n, photo in enumerate(photos(sources, count, 256))]
    scores = {}
    for name, run in found.items():
        network = run if isinstance(run, InpaintingNetwork) else Elsewhere(run, inpainter.network)
        filler = Inpainter(network, inpainter.device)
        means = []
        for engine in ("auto", "network"):
            options = FillOptions(engine=engine)
            rows = [score(p, filler.fill(p, m, options).photo, m, perceptual)["lpips"] for p, m in cases]
            means.append(float(np.mean(rows)))
        scores[name] = " / ".join(f"{mean:.4f}" for mean in means)
    return scores


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--runtimes", action="store_true")
    parser.add_argument("--photos", type=Path, nargs="+", default=[])
    parser.add_argument("--nets", type=Path)
    parser.add_argument("--limit", type=int, default=12, help="photos")
    args = parser.parse_args()
    set_threads(args.threads)
    print(f"torch {torch.__version__}, {args.threads} threads, fastest of {args.repeats}\n")
    if args.runtimes:
        compare(args.threads, args.repeats, args.photos, args.nets if args.photos else None, args.limit)
    else:
        stages(args.threads, args.repeats)


if __name__ == "__main__":
    main()
