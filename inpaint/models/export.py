"""A network as one ONNX file that takes photos of any size."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from inpaint.errors import InpaintError, OutputError
from inpaint.models.layers import InpaintingNetwork
from inpaint.models.runtime import CONTRACT
from inpaint.photo.staging import Staging

OPSET = 18  # the first with Col2Im, which pastes the patches of contextual attention


class _Guided(nn.Module):
    """Names the inputs of an export with a guide."""

    def __init__(self, network: InpaintingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor, mask: Tensor, guide: Tensor, guided: Tensor) -> Tensor:
        return self.network(photo, mask, guide, guided)


class _Plain(nn.Module):
    """Names the inputs of an export without a guide."""

    def __init__(self, network: InpaintingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor, mask: Tensor) -> Tensor:
        return self.network(photo, mask)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's notes about its own workings from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export_onnx(
    network: InpaintingNetwork, path: Path, guide: bool = False, accept: Callable[[Path], None] = lambda file: None,
    overwrite: bool = True,
) -> None:  # fmt: skip
    """Write a network as ONNX, padding included: inputs `photo` and `mask`, output `fill`, as the contract says.

    Args:
        network: in evaluation mode, on the CPU.
        path: file to write.
        guide: take `guide` and `guided` too, so that the file can fill octave by octave; for networks with a guide.
        accept: called with the finished file before it appears at `path`; what it raises keeps it away.
        overwrite: replace a file that is there.

    Raises:
        InpaintError: onnx or onnxscript is not installed.
        OutputError: the file cannot be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InpaintError(f"{path}: needs {error.name}, install it with pip install onnx onnxscript") from None
    height, width = network.size_rule.fit(80), network.size_rule.fit(96)
    inputs = [torch.zeros(2, 3, height, width), torch.zeros(2, 1, height, width)]
    batch, rows, columns = torch.export.Dim("batch"), torch.export.Dim("height"), torch.export.Dim("width")
    shapes = [{0: batch, 2: rows, 3: columns}] * 2
    names = ["photo", "mask"]
    if guide:
        inputs += [torch.zeros(2, 3, height, width), torch.ones(2, 1, 1, 1)]
        shapes += [{0: batch, 2: rows, 3: columns}, {0: batch}]
        names += ["guide", "guided"]
    with quiet():
        program = torch.onnx.export(
            (_Guided if guide else _Plain)(network).eval(), tuple(inputs), dynamo=True, opset_version=OPSET,
            verbose=False, input_names=names, output_names=["fill"], dynamic_shapes=tuple(shapes),
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props[CONTRACT] = "photo in [-1, 1], mask 1 = hole, fill before compositing"
    with Staging(overwrite=overwrite) as staging:
        hidden = staging.reserve(path)
        try:
            program.save(str(hidden), external_data=False)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
        accept(hidden)
        staging.commit()
