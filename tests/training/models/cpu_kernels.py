"""CPU kernels for PyTorch's operators of FlashAttention, so that the branch for CUDA runs without a GPU.

Signatures, autograd and what Dynamo traces are PyTorch's own; only the arithmetic is here, of one document after the
other: softmax(scale Q K') V and its gradients (Dao et al. 2022, appendix B).
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.attention import varlen

from socorpus.training.models import attention


def register() -> None:
    """Register them in this process."""
    varlen._varlen_attn.register_kernel("cpu")(_forward)
    varlen._varlen_attn_backward.register_kernel("cpu")(_backward)


def bounds(cu_seqlens: torch.Tensor) -> list[int]:
    """The bounds on the host, which CUDA's kernel reads on the device."""
    places: list[int] = cu_seqlens.tolist()
    return places


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether queries and keys have the same bounds."""
    return torch.equal(first, second)


def _forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor | None,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
    scale: float | None = None,
    window_size: list[int] | None = None,
    enable_gqa: bool = False,
    seqused_k: torch.Tensor | None = None,
    block_table: torch.Tensor | None = None,
    num_splits: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # What CUDA's kernel wants: it reads no more than the longest, and gives nothing for what is behind the last.
    ends = bounds(cu_seq_q)
    assert cu_seq_q.dtype == torch.int32 and cu_seq_k is not None and same(cu_seq_q, cu_seq_k)
    assert max_q == max_k == max(np.diff(ends)) and ends[-1] == len(query) == len(key) == len(value)
    output, sums = torch.empty_like(query), torch.empty(query.shape[1], len(query))
    for start, end, scores in _scores(query, key, ends, scale, window_size):
        output[start:end] = torch.einsum("hqk,khd->qhd", scores.softmax(-1), value[start:end])
        sums[:, start:end] = scores.logsumexp(-1)
    return output, sums, torch.zeros(2, dtype=torch.uint64)


def _backward(
    grad_out: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    lse: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool,
    rng_state: torch.Tensor,
    scale: float | None = None,
    window_size: list[int] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    gradients = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
    assert scale is not None
    for start, end, scores in _scores(query, key, bounds(cu_seq_q), scale, window_size):
        shares = (scores - lse[:, start:end, None]).exp()
        given, part = grad_out[start:end], slice(start, end)
        ahead = torch.einsum("qhd,khd->hqk", given, value[part]) - (given * out[part]).sum(-1).T[:, :, None]
        of_scores = shares * ahead * scale
        gradients[0][part] = torch.einsum("hqk,khd->qhd", of_scores, key[part])
        gradients[1][part] = torch.einsum("hqk,qhd->khd", of_scores, query[part])
        gradients[2][part] = torch.einsum("hqk,qhd->khd", shares, given)
    return gradients


def _scores(
    query: torch.Tensor, key: torch.Tensor, bounds: list[int], scale: float | None, window: Any
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Start, end and scores [heads, queries, keys] of each document; unseen keys have minus infinity."""
    assert scale is not None
    for start, end in itertools.pairwise(bounds):
        scores = torch.einsum("qhd,khd->hqk", query[start:end], key[start:end]) * scale
        if tuple(window) != attention.EVERYWHERE:
            scores = scores.masked_fill(~attention.within(end - start, tuple(window), scores.device), -torch.inf)
        yield start, end, scores
