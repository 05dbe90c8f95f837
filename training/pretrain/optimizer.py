"""From gradients to new weights: float32 master weights, AdamW, and Muon for matrices where it is asked for.

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
        """Names of what the optimizer remembers of it."""
        return ("momentum",) if self.muon else ("exp_avg", "exp_avg_sq")

    @property
    def decays(self) -> bool:
        """Whether weight decay falls on it: on matrices, neither on biases nor on norms."""
        return self.model.dim() > 1


class Optimizer:
    """Holds gradients and moments of a model, and steps."""

    def __init__(self, model: torch.nn.Module, settings: Settings, ranks: Ranks) -> None:
        self._settings, self._ranks = settings, ranks
        named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        self._flat = torch.zeros(sum(one.numel() for _, one in named), dtype=torch.float32, device=ranks.device)
        self.weights: list[Weights] = []
        at = 0
        for name, one in named:
            gradient = self._flat[at : at + one.numel()].view(one.shape)
            at += one.numel()
            master = one.data if one.dtype == torch.float32 else one.data.float()
            sharded = ranks.tensor > 1 and bool(getattr(one, "tensor_model_parallel", False))
            inside = ".layers." in f".{name}" and one.dim() == 2
            self.weights.append(Weights(name, one, master, gradient, sharded, settings.name == "muon" and inside))
        self.moments: dict[str, dict[str, torch.Tensor]] = {
            one.name: {kind: torch.zeros_like(one.master) for kind in one.moments} for one in self.weights
        }
        self._adam = self._adamw([one for one in self.weights if not one.muon])

    def accumulate(self) -> None:
        """Add the gradients of a micro-batch to the step's, and let the model's own go."""
        held = [one for one in self.weights if one.model.grad is not None]
        torch._foreach_add_([one.gradient for one in held], [_wide(one.model.grad) for one in held])
        for one in held:
            one.model.grad = None

    def go_on(self, steps: int) -> None:
        """Say how many steps the moments have seen: after they were read from a checkpoint."""
        for state in self._adam.state.values():
            state["step"].fill_(steps)

    def gather(self, scored: float) -> torch.Tensor:
        """Sum the step's gradients over the data-parallel ranks, and make them those of the mean loss.

        Args:
            scored: positions scored by all data-parallel ranks: gradients so far are of the sum of losses.

        Returns:
            Their norm, float32 scalar on the device, equal on all ranks.
        """
        if self._ranks.data > 1:
            dist.all_reduce(self._flat, group=self._ranks.data_group)
        self._flat.div_(scored)
        return self._norm()

    def step(self, norm: torch.Tensor, rate: float) -> None:
        """Change the weights by the gathered gradients, clipped by their norm.

        Args:
            rate: the learning rate as a share of the highest.
        """
        if self._settings.clip:
            self._flat.mul_(torch.clamp(self._settings.clip / (norm + 1e-6), max=1.0))
        for group in self._adam.param_groups:
            group["lr"] = rate * self._settings.lr
        self._adam.step()
        self._muon([one for one in self.weights if one.muon], rate * self._settings.muon_lr)
        narrow = [one for one in self.weights if one.model.dtype != torch.float32]
        if narrow:
            torch._foreach_copy_([one.model.data for one in narrow], [one.master for one in narrow])
        self._flat.zero_()

    def _norm(self) -> torch.Tensor:
        # A parameter that every tensor rank has whole is counted once.
        own = [one.gradient for one in self.weights if one.sharded or self._ranks.tensor_rank == 0]
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
            group = [one.master for one in weights if one.decays == decays]
            groups.append({"params": group, "weight_decay": settings.weight_decay if decays else 0.0})
        made = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            fused=cuda,
            foreach=not cuda,
        )
        for one in weights:
            one.master.grad = one.gradient
            # The fused kernel wants its counter beside the weights, the other one on the host.
            steps = torch.zeros((), dtype=torch.float32, device=self._flat.device if cuda else "cpu")
            made.state[one.master] = {"step": steps, **self.moments[one.name]}
        return made

    def _muon(self, weights: Sequence[Weights], lr: float) -> None:
        """Muon (Jordan et al. 2024) with Nesterov momentum, its step scaled to AdamW's (Liu et al. 2025)."""
        for one in weights:
            momentum = self.moments[one.name]["momentum"]
            momentum.lerp_(one.gradient, 1 - _MOMENTUM)
            update = self._orthogonal(one, one.gradient.lerp(momentum, _MOMENTUM))
            one.master.mul_(1 - lr * self._settings.weight_decay)
            one.master.add_(update, alpha=-lr)

    def _orthogonal(self, one: Weights, update: torch.Tensor) -> torch.Tensor:
        size = self._ranks.tensor
        axis = int(getattr(one.model, "partition_dim", 0))
        if one.sharded:
            parts = [torch.empty_like(update) for _ in range(size)]
            dist.all_gather(parts, update.contiguous(), group=self._ranks.tensor_group)
            update = torch.cat(parts, axis)
        update = newton_schulz(update) * 0.2 * max(update.shape) ** 0.5
        return update.chunk(size, axis)[self._ranks.tensor_rank] if one.sharded else update


_MOMENTUM = 0.95
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def newton_schulz(matrix: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values come out between 0.7 and 1.2 (Jordan et al. 2024).

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
