"""Networks that come as programs rather than as weights: TorchScript and ONNX files, behind the usual contract.

Forms that are known, told apart by what the file says of its inputs:
- TorchScript `(image, mask)` as LaMa publishes it (big-lama.pt): float image in [0, 1], mask {0, 1} with 1 = hole,
  output [0, 1], already composited; sizes are multiples of 8.
- ONNX pipelines as MI-GAN publishes them: uint8 image (1, 3, H, W) and uint8 mask (1, 1, H, W) with 255 = known, uint8
  output, already composited; any size.
- ONNX with float inputs: LaMa's form, with an output in [0, 1] or [0, 255].
- ONNX files that `models export` writes: our own contract, said in their metadata; with a guide where they were
  exported with one.

Such a file is a program. TorchScript and ONNX cannot reach Python or other files on their own, but take them from
people you trust all the same. Fixed input sizes are refused. Each file is tried once on a small photo when loaded.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inpaint.errors import InpaintError, WeightsError
from inpaint.models.layers import InpaintingNetwork, SizeRule

CONTRACT = "inpaint_contract"  # metadata of our own exports: "photo in [-1, 1], mask 1 = hole"
TRIAL = 64  # side of the photo that a file is tried on, pixels


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which holds code beside its tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class TorchScriptNetwork(InpaintingNetwork):
    """A TorchScript file of LaMa's form.

    Args:
        path: the file.

    Raises:
        WeightsError: it cannot be loaded, or does not fill a photo.
    """

    size_rule = SizeRule(multiple_of=8, minimum=TRIAL)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.config = None
        try:
            self.program: nn.Module = torch.jit.load(str(path), map_location="cpu")
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(f"{path}: cannot be loaded as TorchScript ({last_line(error)})") from None
        try_out(self, path)

    @property
    def receptive_field(self) -> int | None:
        """Not known without running it; `inpaint receptive-field FILE` measures it."""
        return None

    def compute(self, photo: Tensor, mask: Tensor) -> list[Tensor]:
        """See `InpaintingNetwork.compute`."""
        return [self.program((photo + 1) / 2 * (1 - mask), mask) * 2 - 1]


class OnnxNetwork(InpaintingNetwork):
    """An ONNX file of MI-GAN's form, of LaMa's, or of our own.

    Args:
        path: the file.

    Raises:
        InpaintError: onnxruntime is not installed.
        WeightsError: it cannot be loaded, its inputs are of no known form, or it does not fill a photo.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.config = None
        try:
            import onnxruntime
        except ImportError:
            raise InpaintError(f"{path}: needs onnxruntime, install it with pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        usable = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
        try:
            self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=usable)
        except Exception as error:  # onnxruntime has a class of its own for every kind of failure
            raise WeightsError(f"{path}: cannot be loaded as ONNX ({last_line(error)})") from None
        self.inputs = {value.name: value for value in self.session.get_inputs()}
        self.own = CONTRACT in self.session.get_modelmeta().custom_metadata_map
        self.takes_guide = self.own and "guide" in self.inputs
        self.photo, self.mask = self._find_inputs(path)
        self.uint8 = self.inputs[self.photo].type == "tensor(uint8)"
        self.size_rule = SizeRule() if self.own or self.uint8 else SizeRule(multiple_of=8, minimum=TRIAL)
        self.white = 255.0 if self.uint8 else 1.0  # the output's value for white
        try_out(self, path)
        if not self.own and not self.uint8 and self._white_output() > 2:
            self.white = 255.0

    @property
    def receptive_field(self) -> int | None:
        """Not known: an ONNX file has no gradients."""
        return None

    def _find_inputs(self, path: Path) -> tuple[str, str]:
        """Names of the inputs for photo and mask, told apart by their channels."""
        by_channels = {value.shape[1]: name for name, value in self.inputs.items() if len(value.shape) == 4}
        types = {value.type for value in self.inputs.values()}
        if self.own:
            return "photo", "mask"
        if len(self.inputs) != 2 or set(by_channels) != {1, 3} or types not in ({"tensor(uint8)"}, {"tensor(float)"}):
            listed = ", ".join(f"{v.name} {v.type} {v.shape}" for v in self.inputs.values())
            raise WeightsError(f"{path}: takes {listed}; needed are an image of 3 channels and a mask of 1")
        fixed = [n for value in self.inputs.values() for n in value.shape[2:] if isinstance(n, int)]
        if fixed:
            raise WeightsError(f"{path}: takes photos of {fixed[0]} px only, export it with dynamic height and width")
        return by_channels[3], by_channels[1]

    def compute(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None = None, guided: Tensor | None = None
    ) -> list[Tensor]:
        """See `InpaintingNetwork.compute`; the samples of a batch are run one by one."""
        fills = [self._run_one(photo[i : i + 1], mask[i : i + 1], guide, guided, i) for i in range(photo.shape[0])]
        return [torch.from_numpy(np.concatenate(fills)).to(photo.device, photo.dtype)]

    def _run_one(
        self, photo: Tensor, mask: Tensor, guide: Tensor | None, guided: Tensor | None, index: int
    ) -> NDArray[np.float32]:
        feed = {self.photo: photo.detach().cpu().float().numpy(), self.mask: mask.detach().cpu().float().numpy()}
        if self.own:
            if self.takes_guide:
                one = photo.new_zeros(1, 1, 1, 1) if guide is None else photo.new_ones(1, 1, 1, 1)
                one = one if guided is None else guided[index : index + 1]
                part = torch.zeros_like(photo) if guide is None else guide[index : index + 1]
                feed |= {"guide": part.detach().cpu().float().numpy(), "guided": one.detach().cpu().float().numpy()}
            return self.session.run(None, feed)[0]
        unit = (feed[self.photo] + 1) / 2 * (1 - feed[self.mask])
        if self.uint8:
            feed = {self.photo: to_uint8(unit), self.mask: to_uint8(1 - feed[self.mask])}
        else:
            feed[self.photo] = unit
        return self.session.run(None, feed)[0].astype(np.float32) * (2 / self.white) - 1

    def _white_output(self) -> float:
        """The mean output for a white photo without a hole."""
        white, known = np.ones((1, 3, TRIAL, TRIAL), np.float32), np.zeros((1, 1, TRIAL, TRIAL), np.float32)
        return float(self.session.run(None, {self.photo: white, self.mask: known})[0].mean())


def to_uint8(unit: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in [0, 1] as 0 to 255."""
    return np.clip(np.rint(unit * 255), 0, 255).astype(np.uint8)


def last_line(error: Exception) -> str:
    """The last line that an error says, where the frameworks put what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


@torch.inference_mode()
def try_out(network: InpaintingNetwork, path: Path) -> None:
    """Fill a small grey photo.

    Raises:
        WeightsError: that fails, or gives no finite photo of the same size.
    """
    photo, mask = torch.zeros(1, 3, TRIAL, TRIAL), torch.zeros(1, 1, TRIAL, TRIAL)
    mask[..., : TRIAL // 4] = 1
    try:
        fill = network.eval()(photo, mask)
    except Exception as error:  # whatever a foreign program raises means that it cannot be used
        raise WeightsError(f"{path}: does not fill a photo ({last_line(error)})") from None
    if fill.shape != photo.shape or not torch.isfinite(fill).all():
        raise WeightsError(f"{path}: gives {tuple(fill.shape)} in place of a finite {tuple(photo.shape)}")
