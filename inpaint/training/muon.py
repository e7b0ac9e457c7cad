"""Muon: steps along the orthogonal part of the momentum for kernels and matrices, AdamW for everything else.

After Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", with the scale of Liu et al. 2025,
"Muon is scalable for LLM training", section 2.2, equation 4: an update has the root mean square of AdamW's, so one rate
serves both. torch.optim.Muon takes matrices alone; here a kernel (O, I, K, K) is a matrix of O rows.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from inpaint.models.precision import multiplies_bf16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's quintic: quick, singular values end between 0.7 and 1.2
ITERATIONS = 5
RMS = 0.2  # of an update at rate 1 (Liu 2025)


def orthogonal(matrices: Tensor) -> Tensor:
    """The orthogonal factors of matrices' polar decompositions, roughly: U V^T of U S V^T.

    Args:
        matrices: float (N, R, C), any scale; one of zeros gives zeros.

    Returns:
        float (N, R, C), singular values that were not tiny between about 0.7 and 1.2. Multiplied in bfloat16 where that
        is faster, as Jordan does, which turns a mean entry by 1 %.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if multiplies_bf16(x.device):
        x = x.bfloat16()
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    x = x.to(matrices.dtype)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Optimizer of a network.

    Args:
        parameters: weights; those with two or more axes are stepped by Muon, the others by AdamW.
        lr: rate of both.
        momentum: of Muon, Nesterov's kind.
        betas: of AdamW.
        weight_decay: of both, decoupled.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.9,
        betas: tuple[float, float] = (0.5, 0.95), weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update with the gradients that stand in `.grad`; weights without one stay."""
        for group in self.param_groups:
            learning = [weight for weight in group["params"] if weight.grad is not None]
            self._adamw([weight for weight in learning if weight.ndim < 2], group)
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for weight in learning:
                if weight.ndim > 1:
                    shapes.setdefault((len(weight), weight[0].numel()), []).append(weight)
            for shape, weights in shapes.items():
                updates = orthogonal(torch.stack([self._nesterov(w, group["momentum"]).view(shape) for w in weights]))
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(update.view(weight.shape), alpha=group["lr"] * RMS * max(shape) ** 0.5)

    def _nesterov(self, weight: Tensor, momentum: float) -> Tensor:
        state, gradient = self.state[weight], weight.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].mul_(momentum).add_(gradient)
        return gradient.add(state["momentum"], alpha=momentum).contiguous(memory_format=torch.contiguous_format)

    def _adamw(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                state["step"] = torch.zeros(())
                state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        means, squares, steps = ([state[name] for state in states] for name in ("mean", "square", "step"))
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        adamw(
            weights, gradients, means, squares, [], steps, amsgrad=False, beta1=group["betas"][0],
            beta2=group["betas"][1], lr=group["lr"], weight_decay=group["weight_decay"], eps=1e-8, maximize=False,
        )  # fmt: skip
