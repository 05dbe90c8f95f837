"""From gradients to new weights: float32 master weights, AdamW, and optionally Muon for matrices.

The model's own parameters may be bfloat16. Gradients add up in one flat float32 buffer, as soon as the backward pass
has each. The buffer is cut into buckets, in the order in which the backward pass fills them; in a step's last
micro-batch a full bucket is summed over the data-parallel ranks while the backward pass goes on (Li et al. 2020,
"PyTorch Distributed"). With `zero` each of these ranks keeps a part of every bucket's master weights and moments, and
updates only that (Rajbhandari et al. 2020, ZeRO stage 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.optim.adamw import adamw

from socorpus.training.config import OptimizerSettings as Settings
from socorpus.training.pretrain.distributed import Ranks

BUCKET = 40_000_000
"""Least number of gradients in a bucket but the last, as in megatron-core: enough for a network's full speed."""


@dataclass
class Weights:
    """A parameter of the model, at `start` in the flat buffers; `sharded` if the tensor ranks divide it."""

    name: str
    model: torch.nn.Parameter
    start: int
    sharded: bool
    muon: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the optimizer's state for it."""
        return ("momentum",) if self.muon else ("exp_avg", "exp_avg_sq")

    @property
    def decays(self) -> bool:
        """Whether weight decay applies to it: to matrices, neither to biases nor to norms."""
        return self.model.dim() > 1

    @property
    def end(self) -> int:
        """The place behind its last element."""
        return self.start + self.model.numel()


@dataclass
class Bucket:
    """Neighbouring gradients that are summed over ranks together; `own` is the rank's part with ZeRO, else all of it,
    and `kept` its place in what the rank keeps of all buckets.

    `left` counts the gradients that the backward pass has yet to add.
    """

    start: int
    end: int
    own: slice
    kept: slice
    weights: list[Weights]
    left: int = 0


@dataclass
class Piece:
    """What a rank updates of a parameter: all of it in its shape, or, with ZeRO, some elements in a row.

    `steps` counts those that changed it, a float32 scalar beside it, as PyTorch's fused kernel wants it.
    """

    weight: Weights
    master: torch.Tensor
    gradient: torch.Tensor
    moments: dict[str, torch.Tensor]
    steps: torch.Tensor

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """By kind, as checkpoints name them."""
        return {"weights": self.master, **self.moments}


class Optimizer:
    """Gradients and moments of a model, and the steps that update it."""

    def __init__(
        self,
        model: torch.nn.Module,
        settings: Settings,
        ranks: Ranks,
        zero: bool = False,
        bucket: int = BUCKET,
    ) -> None:
        """Take over a model's parameters and their gradients.

        Args:
            zero: whether the data-parallel ranks divide master weights and moments (not with Muon).
            bucket: least number of gradients in a bucket.
        """
        self._settings, self._ranks = settings, ranks
        self._zero = zero and ranks.data > 1
        self._summing, self._launched = False, 0
        self._works: list[Any] = []
        self.weights: list[Weights] = []
        self._buckets = self._cut(model, bucket)
        length = self._buckets[-1].end
        self._flat = torch.zeros(length, dtype=torch.float32, device=ranks.device)
        self._bad = torch.zeros((), dtype=torch.float32, device=ranks.device)
        self._scale = torch.ones((), dtype=torch.float32, device=ranks.device)
        self._model: torch.Tensor | None = None
        self._owned: dict[str, torch.Tensor] = {}
        pieces = self._divided(length) if self._zero else [self._whole(weight) for weight in self.weights]
        self._pieces: list[Piece] = pieces
        self._listen()

    def last(self) -> None:
        """Announce the step's last backward pass: its gradients are summed over the ranks as they come."""
        self._summing, self._launched = True, 0
        for bucket in self._buckets:
            bucket.left = len(bucket.weights)

    def gather(self, scored: float | torch.Tensor) -> torch.Tensor:
        """Finish summing the step's gradients over the data-parallel ranks; they count as those of the mean loss.

        Args:
            scored: positions scored by all data-parallel ranks, a number or a scalar on the device; the gradients
                are of the sum of losses.

        Returns:
            Their norm, a float32 scalar on the device, equal on all ranks.
        """
        if not self._summing:
            self.last()
        while self._launched < len(self._buckets):
            self._launch()
        for work in self._works:
            work.wait()
        self._works.clear()
        self._summing = False
        self._scale = torch.as_tensor(scored, dtype=torch.float32, device=self._flat.device)
        return self._norm() / self._scale

    def step(self, norm: torch.Tensor, rate: float, finite: torch.Tensor | None = None) -> None:
        """Update the weights by the gathered gradients, clipped by their norm.

        Args:
            rate: the learning rate as a share of the highest.
            finite: bool scalar on the device; where it is false, no weight and no moment changes.
        """
        divisor = self._scale
        if self._settings.clip:
            divisor = divisor / torch.clamp(self._settings.clip / (norm + 1e-6), max=1.0)
        bad = self._bad if finite is None else (~finite).float()
        self._adamw(rate * self._settings.lr, divisor, bad)
        muon = [piece for piece in self._pieces if piece.weight.muon]
        if muon:
            self._muon(muon, rate * self._settings.muon_lr, divisor, bad)
        self._write_back()
        self._flat.zero_()

    def finite(self) -> bool:
        """Whether all master weights that this rank has are finite; waits for the device."""
        return all_finite(piece.master for piece in self._pieces)

    def forget(self) -> None:
        """Drop the step's gradients: no weight and no moment changes."""
        self._flat.zero_()

    def set_steps(self, steps: int) -> None:
        """Set the number of steps that the moments have seen, after they were read from a checkpoint."""
        for piece in self._pieces:
            piece.steps.fill_(steps)

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """Master weights (`weights`) and moments, by kind and parameter, in the parameters' shapes.

        All ranks call this. With ZeRO they are gathered, on the host; else they are the optimizer's own.
        """
        whole: dict[str, dict[str, torch.Tensor]] = {}
        if not self._zero:
            for piece in self._pieces:
                for kind, tensor in piece.state.items():
                    whole.setdefault(kind, {})[piece.weight.name] = tensor
            return whole
        for kind in ("weights", *self.weights[0].kinds):
            for bucket in self._buckets:
                gathered = self._flat.new_empty(bucket.end - bucket.start)
                own = slice(bucket.own.start - bucket.start, bucket.own.stop - bucket.start)
                gathered[own] = self._owned[kind][bucket.kept]
                _all_gather(gathered, gathered[own], self._ranks.data_group).wait()
                for weight in bucket.weights:
                    part = gathered[weight.start - bucket.start : weight.end - bucket.start]
                    whole.setdefault(kind, {})[weight.name] = part.view(weight.model.shape).cpu()
        return whole

    def room(self) -> dict[str, dict[str, torch.Tensor]]:
        """Tensors into which the state can be read; with ZeRO those of the host, without values."""
        if not self._zero:
            return self.state()
        return {
            kind: {weight.name: torch.empty(weight.model.shape, dtype=torch.float32) for weight in self.weights}
            for kind in ("weights", *self.weights[0].kinds)
        }

    def load(self, values: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        """Take over master weights, and the moments that are there, in the form of `state`."""
        for piece in self._pieces:
            for kind, into in piece.state.items():
                if kind in values:
                    whole = values[kind][piece.weight.name]
                    into.copy_(whole.flatten()[self._within(piece)] if self._zero else whole)
        self._write_back()

    def _cut(self, model: torch.nn.Module, least: int) -> list[Bucket]:
        """Lay the parameters out, the last first: nearly in the order in which their gradients come."""
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        buckets, held, start, end, kept = list[Bucket](), list[Weights](), 0, 0, 0
        for number, (name, parameter) in enumerate(reversed(named)):
            inside = ".layers." in f".{name}" and parameter.dim() == 2
            sharded = self._ranks.tensor > 1 and bool(getattr(parameter, "tensor_model_parallel", False))
            muon = self._settings.name == "muon" and inside
            held.append(Weights(name, parameter, end, sharded, muon))
            end += parameter.numel()
            if end - start >= least or number == len(named) - 1:
                size = -(-(end - start) // self._ranks.data) * self._ranks.data if self._zero else end - start
                part = size // self._ranks.data
                first = start + self._ranks.data_rank * part
                own = slice(first, first + part) if self._zero else slice(start, end)
                own_size = own.stop - own.start
                buckets.append(Bucket(start, start + size, own, slice(kept, kept + own_size), held))
                start = end = start + size
                kept += own_size
                held = []
        # In the order of the model, as checkpoints number them.
        self.weights = [weight for bucket in reversed(buckets) for weight in reversed(bucket.weights)]
        return buckets

    def _whole(self, weight: Weights) -> Piece:
        master = weight.model.data if weight.model.dtype == torch.float32 else weight.model.data.float()
        moments = {kind: torch.zeros_like(master) for kind in weight.kinds}
        return Piece(weight, master, self._gradient(weight), moments, self._bad.clone())

    def _gradient(self, weight: Weights) -> torch.Tensor:
        return self._flat[weight.start : weight.end].view(weight.model.shape)

    def _divided(self, length: int) -> list[Piece]:
        """Let the parameters be views of one flat buffer, and keep this rank's parts of it."""
        dtype = self.weights[0].model.dtype
        self._model = torch.zeros(length, dtype=dtype, device=self._flat.device)
        for weight in self.weights:
            view = self._model[weight.start : weight.end].view(weight.model.shape)
            view.copy_(weight.model.data)
            weight.model.data = view
        owned = torch.cat([self._model[bucket.own] for bucket in self._buckets]).float()
        self._owned = {"weights": owned} | {kind: torch.zeros_like(owned) for kind in self.weights[0].kinds}
        pieces = []
        for bucket in self._buckets:
            shift = bucket.own.start - bucket.kept.start
            for weight in bucket.weights:
                start, end = max(weight.start, bucket.own.start), min(weight.end, bucket.own.stop)
                if start < end:
                    kept = {kind: tensor[start - shift : end - shift] for kind, tensor in self._owned.items()}
                    pieces.append(Piece(weight, kept.pop("weights"), self._flat[start:end], kept, self._bad.clone()))
        return pieces

    def _within(self, piece: Piece) -> slice:
        """The elements of its parameter that a piece has."""
        start = piece.gradient.storage_offset() - piece.weight.start
        return slice(start, start + piece.gradient.numel())

    def _listen(self) -> None:
        """Let each parameter add its gradient to the buffer, and free it, when the backward pass has it."""
        for bucket in self._buckets:
            for weight in bucket.weights:
                weight.model.register_post_accumulate_grad_hook(self._hook(weight, bucket))

    def _hook(self, weight: Weights, bucket: Bucket) -> Any:
        gradient = self._gradient(weight)

        def arrived(parameter: torch.Tensor) -> None:
            if parameter.grad is not None:
                gradient.add_(parameter.grad)
            parameter.grad = None
            if self._summing:
                bucket.left -= 1
                while self._launched < len(self._buckets) and not self._buckets[self._launched].left:
                    self._launch()

        return arrived

    def _launch(self) -> None:
        """Begin to sum the next bucket over the ranks: in one order on all of them, whichever is full first."""
        bucket = self._buckets[self._launched]
        self._launched += 1
        if self._ranks.data == 1:
            return
        group, gradients = self._ranks.data_group, self._flat[bucket.start : bucket.end]
        if self._zero:
            self._works.append(_reduce_scatter(self._flat[bucket.own], gradients, group))
        else:
            self._works.append(dist.all_reduce(gradients, group=group, async_op=True))

    def _norm(self) -> torch.Tensor:
        # A parameter that every tensor rank holds whole is counted once.
        ranks = self._ranks
        own = [piece.gradient for piece in self._pieces if piece.weight.sharded or ranks.tensor_rank == 0]
        squares = torch.zeros((), dtype=torch.float32, device=self._flat.device)
        if own:
            squares = torch.stack(torch._foreach_norm(own)).square().sum()
        if self._zero:
            dist.all_reduce(squares, group=ranks.data_group)
        if ranks.tensor > 1:
            dist.all_reduce(squares, group=ranks.tensor_group)
        return squares.sqrt()

    def _write_back(self) -> None:
        """From master weights to the model's own, and with ZeRO to the other ranks."""
        if self._model is None:
            narrow = [piece for piece in self._pieces if piece.weight.model.dtype != torch.float32]
            if narrow:
                torch._foreach_copy_([piece.weight.model.data for piece in narrow], [piece.master for piece in narrow])
            return
        works = []
        for bucket in self._buckets:
            own = self._model[bucket.own]
            own.copy_(self._owned["weights"][bucket.kept])
            works.append(_all_gather(self._model[bucket.start : bucket.end], own, self._ranks.data_group))
        for work in works:
            work.wait()

    def _adamw(self, lr: float, divisor: torch.Tensor, bad: torch.Tensor) -> None:
        """AdamW with decoupled decay (Loshchilov and Hutter 2019) over master weights.

        The fused kernel divides gradients, and minds the flag, in the same pass. PyTorch's function for it is called
        and not its class, which loads the compiler (a second and more).
        """
        settings = self._settings
        for decays in (True, False):
            pieces = [piece for piece in self._pieces if not piece.weight.muon and piece.weight.decays == decays]
            if not pieces:
                continue
            adamw(
                [piece.master for piece in pieces],
                [piece.gradient for piece in pieces],
                [piece.moments["exp_avg"] for piece in pieces],
                [piece.moments["exp_avg_sq"] for piece in pieces],
                [],
                [piece.steps for piece in pieces],
                fused=True,
                grad_scale=divisor,
                found_inf=bad,
                amsgrad=False,
                beta1=settings.beta1,
                beta2=settings.beta2,
                lr=lr,
                weight_decay=settings.weight_decay if decays else 0.0,
                eps=settings.eps,
                maximize=False,
            )

    def _muon(self, pieces: Sequence[Piece], lr: float, divisor: torch.Tensor, bad: torch.Tensor) -> None:
        """Muon (Jordan et al. 2024) with Nesterov momentum, its step scaled to AdamW's (Liu et al. 2025)."""
        changes = bad == 0
        for piece in pieces:
            gradient = piece.gradient / divisor
            momentum = piece.moments["momentum"].lerp(gradient, 1 - _MOMENTUM)
            update = self._orthogonal(piece.weight, gradient.lerp(momentum, _MOMENTUM))
            master = (piece.master * (1 - lr * self._settings.weight_decay)).add_(update, alpha=-lr)
            for into, new in ((piece.moments["momentum"], momentum), (piece.master, master)):
                torch.where(changes, new, into, out=into)

    def _orthogonal(self, weight: Weights, update: torch.Tensor) -> torch.Tensor:
        size = self._ranks.tensor
        axis = int(getattr(weight.model, "partition_dim", 0))
        if weight.sharded:
            parts = [torch.empty_like(update) for _ in range(size)]
            dist.all_gather(parts, update.contiguous(), group=self._ranks.tensor_group)
            update = torch.cat(parts, axis)
        update = newton_schulz(update) * 0.2 * max(update.shape) ** 0.5
        return update.chunk(size, axis)[self._ranks.tensor_rank] if weight.sharded else update


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether no tensor has an infinity or a NaN; waits for their device once."""
    flags = [torch.isfinite(tensor).all() for tensor in tensors]
    return not flags or bool(torch.stack(flags).all())


def _reduce_scatter(own: torch.Tensor, whole: torch.Tensor, group: Any) -> Any:
    # PyTorch 2.13 has a new name for it, and warns of the old one.
    sum_parts: Any = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
    return sum_parts(own, whole, group=group, async_op=True)


def _all_gather(whole: torch.Tensor, own: torch.Tensor, group: Any) -> Any:
    gather: Any = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    return gather(whole, own, group=group, async_op=True)


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
