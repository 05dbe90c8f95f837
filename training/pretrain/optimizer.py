"""From gradients to new weights: float32 master weights, AdamW, and optionally Muon for matrices.

The model's own parameters may be bfloat16. Gradients of all micro-batches add up in one flat float32 buffer, which is
summed over the data-parallel ranks in one call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from socorpus.training.config import OptimizerSettings as Settings
from socorpus.training.pretrain.distributed import Ranks


@dataclass
class Weights:
    """A parameter of the model with its float32 master and gradient; `sharded` if the tensor ranks divide it."""

    name: str
    model: torch.nn.Parameter
    master: torch.Tensor
    gradient: torch.Tensor
    sharded: bool
    muon: bool

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of the optimizer's state for it."""
        return ("momentum",) if self.muon else ("exp_avg", "exp_avg_sq")

    @property
    def decays(self) -> bool:
        """Whether weight decay applies to it: to matrices, neither to biases nor to norms."""
        return self.model.dim() > 1


class Optimizer:
    """Gradients and moments of a model, and the steps that update it."""

    def __init__(self, model: torch.nn.Module, settings: Settings, ranks: Ranks) -> None:
        self._settings, self._ranks = settings, ranks
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._flat = torch.zeros(
            sum(parameter.numel() for _, parameter in named), dtype=torch.float32, device=ranks.device
        )
        self.weights: list[Weights] = []
        offset = 0
        for name, parameter in named:
            gradient = self._flat[offset : offset + parameter.numel()].view(parameter.shape)
            offset += parameter.numel()
            master = parameter.data if parameter.dtype == torch.float32 else parameter.data.float()
            sharded = ranks.tensor > 1 and bool(getattr(parameter, "tensor_model_parallel", False))
            inside = ".layers." in f".{name}" and parameter.dim() == 2
            self.weights.append(Weights(name, parameter, master, gradient, sharded, settings.name == "muon" and inside))
        self.moments: dict[str, dict[str, torch.Tensor]] = {
            weight.name: {kind: torch.zeros_like(weight.master) for kind in weight.moments} for weight in self.weights
        }
        self._adam = self._adamw([weight for weight in self.weights if not weight.muon])

    def accumulate(self) -> None:
        """Add the gradients of a micro-batch to the step's, and free the model's own."""
        held = [weight for weight in self.weights if weight.model.grad is not None]
        torch._foreach_add_([weight.gradient for weight in held], [_wide(weight.model.grad) for weight in held])
        for weight in held:
            weight.model.grad = None

    def forget(self) -> None:
        """Drop the step's gradients: no weight and no moment changes."""
        self._flat.zero_()

    def go_on(self, steps: int) -> None:
        """Set the number of steps that the moments have seen, after they were read from a checkpoint."""
        for state in self._adam.state.values():
            state["step"].fill_(steps)

    def gather(self, scored: float | torch.Tensor) -> torch.Tensor:
        """Sum the step's gradients over the data-parallel ranks, and scale them to those of the mean loss.

        Args:
            scored: positions scored by all data-parallel ranks, a number or a scalar on the device; so far the
                gradients are of the sum of losses.

        Returns:
            Their norm, a float32 scalar on the device, equal on all ranks.
        """
        if self._ranks.data > 1:
            dist.all_reduce(self._flat, group=self._ranks.data_group)
        self._flat.div_(scored)
        return self._norm()

    def step(self, norm: torch.Tensor, rate: float) -> None:
        """Update the weights by the gathered gradients, clipped by their norm.

        Args:
            rate: the learning rate as a share of the highest.
        """
        if self._settings.clip:
            self._flat.mul_(torch.clamp(self._settings.clip / (norm + 1e-6), max=1.0))
        for group in self._adam.param_groups:
            group["lr"] = rate * self._settings.lr
        self._adam.step()
        self._muon([weight for weight in self.weights if weight.muon], rate * self._settings.muon_lr)
        narrow = [weight for weight in self.weights if weight.model.dtype != torch.float32]
        if narrow:
            torch._foreach_copy_([weight.model.data for weight in narrow], [weight.master for weight in narrow])
        self._flat.zero_()

    def _norm(self) -> torch.Tensor:
        # A parameter that every tensor rank holds whole is counted once.
        own = [weight.gradient for weight in self.weights if weight.sharded or self._ranks.tensor_rank == 0]
        squares = torch.zeros((), dtype=torch.float32, device=self._flat.device)
        if own:
            squares = torch.stack(torch._foreach_norm(own)).square().sum()
        if self._ranks.tensor > 1:
            dist.all_reduce(squares, group=self._ranks.tensor_group)
        return squares.sqrt()

    def _adamw(self, weights: Sequence[Weights]) -> torch.optim.AdamW:
        """AdamW with decoupled decay (Loshchilov and Hutter 2019) over master weights, its state in `moments`."""
        settings, cuda = self._settings, self._flat.is_cuda
        groups = []
        for decays in (True, False):
            group = [weight.master for weight in weights if weight.decays == decays]
            groups.append({"params": group, "weight_decay": settings.weight_decay if decays else 0.0})
        adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            fused=cuda,
            foreach=not cuda,
        )
        for weight in weights:
            weight.master.grad = weight.gradient
            # The fused kernel needs its counter beside the weights, the other one on the host.
            steps = torch.zeros((), dtype=torch.float32, device=self._flat.device if cuda else "cpu")
            adamw.state[weight.master] = {"step": steps, **self.moments[weight.name]}
        return adamw

    def _muon(self, weights: Sequence[Weights], lr: float) -> None:
        """Muon (Jordan et al. 2024) with Nesterov momentum, its step scaled to AdamW's (Liu et al. 2025)."""
        for weight in weights:
            momentum = self.moments[weight.name]["momentum"]
            momentum.lerp_(weight.gradient, 1 - _MOMENTUM)
            update = self._orthogonal(weight, weight.gradient.lerp(momentum, _MOMENTUM))
            weight.master.mul_(1 - lr * self._settings.weight_decay)
            weight.master.add_(update, alpha=-lr)

    def _orthogonal(self, weight: Weights, update: torch.Tensor) -> torch.Tensor:
        size = self._ranks.tensor
        axis = int(getattr(weight.model, "partition_dim", 0))
        if weight.sharded:
            parts = [torch.empty_like(update) for _ in range(size)]
            dist.all_gather(parts, update.contiguous(), group=self._ranks.tensor_group)
            update = torch.cat(parts, axis)
        update = newton_schulz(update) * 0.2 * max(update.shape) ** 0.5
        return update.chunk(size, axis)[self._ranks.tensor_rank] if weight.sharded else update


_MOMENTUM = 0.95
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def newton_schulz(matrix: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """Approximately the nearest semi-orthogonal matrix, with singular values from 0.7 to 1.2 (Jordan et al. 2024).

    Works in bfloat16 on CUDA, in float32 elsewhere.
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x.bfloat16() if x.is_cuda else x
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


def _wide(gradient: Any) -> torch.Tensor:
    return gradient if gradient.dtype == torch.float32 else gradient.float()
