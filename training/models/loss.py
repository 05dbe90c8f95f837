"""The loss of masked tokens by a tied output layer, in chunks: no more logits are held than those of one chunk.

The loss is a sum, so the gradients of a chunk are known as soon as its logits are: they are computed in the forward
pass, and the logits are never needed again (as in Liger Kernel, Hsu et al. 2024, and Cut Cross-Entropy, Wijmans et al.
2025). The vocabulary may be divided among tensor-parallel ranks, as in Megatron-LM (Shoeybi et al. 2019).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812

IGNORED = -100
"""Label of a position that counts for nothing, as in `torch.nn.functional.cross_entropy`."""

_CHUNK_BYTES = {"cuda": 512 << 20, "cpu": 2 << 20}
"""Logits of a chunk: on a GPU enough rows for a large matrix product, on a CPU what stays in its cache."""
_LEAST_ROWS = 64


def summed_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    labels: torch.Tensor,
    group: Any = None,
    compiled: bool = False,
) -> torch.Tensor:
    """The summed cross-entropy of positions in nats, a float32 scalar: that of `hidden @ weight.T + bias`.

    Its gradient can be taken once.

    Args:
        hidden: [positions, width].
        weight, bias: [vocabulary, width], [vocabulary]; this rank's part of the vocabulary.
        labels: int64[positions], in the whole vocabulary; `IGNORED` ones count for nothing.
        group: process group of the ranks that divide the vocabulary; None: it is whole.
        compiled: whether the arithmetic on logits goes through torch.compile.
    """
    # Within the function gradients are always off.
    learns = torch.is_grad_enabled() and any(part.requires_grad for part in (hidden, weight, bias))
    loss: torch.Tensor = _SummedLoss.apply(hidden, weight, bias, labels, group, compiled, learns)
    return loss


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        labels: torch.Tensor,
        group: Any,
        compiled: bool,
        learns: bool,
    ) -> torch.Tensor:
        statistics, slopes = _kernels(compiled)
        of_hidden = torch.empty_like(hidden) if learns else None
        # Sums over chunks are float32, whatever the model is.
        wide = torch.float32
        of_weight, of_bias = (torch.zeros_like(part, dtype=wide) if learns else None for part in (weight, bias))
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        counted = labels != IGNORED
        places = labels - _first(len(bias), group)
        rows = max(
            _LEAST_ROWS,
            _CHUNK_BYTES.get(hidden.device.type, _CHUNK_BYTES["cuda"]) // (len(bias) * hidden.element_size()),
        )
        # Parts by `split`: indexing by slices needs the device itself, also for tensors without values.
        parts = zip(*(whole.split(rows) for whole in (hidden, places, counted)), strict=True)
        into = iter(()) if of_hidden is None else iter(of_hidden.split(rows))
        for part, own_places, counts in parts:
            logits = F.linear(part, weight, bias)
            highest, exponentials, own = statistics(logits, own_places)
            highest, exponentials, own = _over_ranks(highest, exponentials, own, group)
            loss += ((highest + exponentials.log() - own) * counts).sum()
            if of_weight is None or of_bias is None:
                continue
            slope = slopes(logits, highest, exponentials, own_places, counts)
            torch.mm(slope, weight, out=next(into))
            if slope.dtype == torch.float32:
                of_weight.addmm_(slope.T, part)
            else:
                of_weight += slope.T @ part
            of_bias += slope.sum(0, dtype=torch.float32)
        if of_hidden is not None and group is not None:
            dist.all_reduce(of_hidden, group=group)
        ctx.gradients = of_hidden, of_weight, of_bias
        ctx.dtypes = weight.dtype, bias.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        of_hidden, of_weight, of_bias = ctx.gradients
        ctx.gradients = None
        factor = given[0]
        of_hidden = of_hidden.mul_(factor.to(of_hidden.dtype))
        return of_hidden, of_weight.mul_(factor).to(ctx.dtypes[0]), of_bias.mul_(factor).to(ctx.dtypes[1]), *[None] * 4


def _first(rows: int, group: Any) -> int:
    """The first token of this rank's part of the vocabulary."""
    return 0 if group is None else dist.get_rank(group) * rows


def _over_ranks(
    highest: torch.Tensor, exponentials: torch.Tensor, own: torch.Tensor, group: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same over the whole vocabulary: each rank's exponentials are relative to its own highest logit."""
    if group is None:
        return highest, exponentials, own
    of_all = highest.clone()
    dist.all_reduce(of_all, op=dist.ReduceOp.MAX, group=group)
    both = torch.stack((exponentials * (highest - of_all).exp(), own))
    dist.all_reduce(both, group=group)
    return of_all, both[0], both[1]


def _statistics(logits: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row the highest logit, the sum of exponentials relative to it, and the logit at its place (0 where that
    is another rank's), float32[rows] each."""
    highest = logits.amax(1).float()
    exponentials = (logits.float() - highest.unsqueeze(1)).exp().sum(1)
    inside = (places >= 0) & (places < logits.shape[1])
    own = logits.gather(1, (places * inside).unsqueeze(1)).squeeze(1).float() * inside
    return highest, exponentials, own


def _slopes(
    logits: torch.Tensor,
    highest: torch.Tensor,
    exponentials: torch.Tensor,
    places: torch.Tensor,
    counted: torch.Tensor,
) -> torch.Tensor:
    """The loss's gradient by the logits, in their type: probabilities, less 1 at the row's place."""
    shares = (logits.float() - (highest + exponentials.log()).unsqueeze(1)).exp()
    tokens = torch.arange(logits.shape[1], device=logits.device)
    shares = shares - (tokens.unsqueeze(0) == places.unsqueeze(1)).float()
    return (shares * counted.unsqueeze(1)).to(logits.dtype)


def _slopes_in_place(
    logits: torch.Tensor,
    highest: torch.Tensor,
    exponentials: torch.Tensor,
    places: torch.Tensor,
    counted: torch.Tensor,
) -> torch.Tensor:
    """The same in the logits' memory, where each operation is a pass over it."""
    inside = (places >= 0) & (places < logits.shape[1])
    shares = logits.float().sub_((highest + exponentials.log()).unsqueeze(1)).exp_()
    shares.scatter_add_(1, (places * inside).unsqueeze(1), -inside.unsqueeze(1).float())
    shares.masked_fill_(~counted.unsqueeze(1), 0.0)
    return shares.to(logits.dtype)


@cache
def _kernels(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if not compiled:
        return _statistics, _slopes_in_place
    return torch.compile(_statistics, dynamic=True), torch.compile(_slopes, dynamic=True)
