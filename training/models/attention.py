"""Attention over packed documents: each token sees only its own document, or a window of it, without padding.

On CUDA `torch.nn.attention.varlen.varlen_attn` (FlashAttention with `cu_seqlens`; Dao 2023), elsewhere PyTorch's
`scaled_dot_product_attention` document by document. It replaces megatron-core's DotProductAttention, and applies RoPE
to queries and keys itself (Su et al. 2021) from tables computed once a step: megatron-core's own rotation of packed
sequences waits for the GPU in every layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.utils import is_layer_window_attention

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before torch 2.10
    varlen_attn = None

Rope = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Tables of cosines and sines, float32[tokens, 1, head], for layers of kind "global" and "local"."""

EVERYWHERE = (-1, -1)
"""The window of a layer that sees whole documents."""


@dataclass
class Documents(PackedSeqParams):
    """Document boundaries of a packed sequence, as megatron-core's layers pass them down.

    `lengths` holds the same on the host, to avoid waiting for the GPU; `rope` is set once a step.
    """

    lengths: tuple[int, ...] = ()
    rope: Rope | None = None


def documents(lengths: Sequence[int], device: torch.device, longest: int) -> Documents:
    """Describe a packed sequence.

    Args:
        lengths: tokens of each document, in order.
        longest: the context length. The kernel gets it instead of the longest length here, and on CUDA `cu_seqlens` is
            filled up with empty documents: shapes rarely change, and little is compiled twice.
    """
    most = len(lengths)
    if device.type == "cuda":
        # Room for the largest possible number of documents would cost too much.
        most = max(1024, 1 << (most - 1).bit_length())
    bounds = torch.zeros(most + 1, dtype=torch.int32)
    torch.cumsum(torch.tensor(lengths, dtype=torch.int32), 0, out=bounds[1 : len(lengths) + 1])
    bounds[len(lengths) + 1 :] = bounds[len(lengths)].clone()
    if device.type == "cuda":
        bounds = bounds.pin_memory().to(device, non_blocking=True)
    return Documents(
        qkv_format="thd",
        cu_seqlens_q=bounds,
        cu_seqlens_kv=bounds,
        max_seqlen_q=longest,
        max_seqlen_kv=longest,
        lengths=tuple(lengths),
    )


def rope(positions: torch.Tensor, width: int, bases: dict[str, float]) -> Rope:
    """Tables for the positions of a step, int64[tokens], for heads of `width` and each kind of layer's base."""
    tables = {}
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width
    for kind, base in bases.items():
        angles = positions.float()[:, None] * (1.0 / base**steps)
        both = torch.cat((angles, angles), -1)[:, None]
        tables[kind] = (both.cos(), both.sin())
    return tables


def rotate(vectors: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Rotate vectors [tokens, heads, head] by their positions; pairs are halves, not neighbours, as in GPT-NeoX."""
    first, second = vectors.chunk(2, -1)
    wide = vectors.float() * cosines + torch.cat((-second, first), -1).float() * sines
    return wide.to(vectors.dtype)


class PackedAttention(MegatronModule):
    """Core attention over packed documents, in place of megatron-core's DotProductAttention."""

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,
        attn_mask_type: Any,
        attention_type: str,
        attention_dropout: float | None = None,
        softmax_scale: float | None = None,
        cp_comm_type: str | None = None,
        pg_collection: Any = None,
        **_: Any,
    ) -> None:
        super().__init__(config=config)
        if attention_dropout or config.attention_dropout:
            raise ValueError("packed attention has no dropout")
        self.scale = softmax_scale or config.kv_channels**-0.5
        local = is_layer_window_attention(config.window_size, config.window_attn_skip_freq, max(1, layer_number))
        self.window: tuple[int, int] = tuple(config.window_size) if local else EVERYWHERE
        self.kind = "local" if local else "global"

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        attn_mask_type: Any = None,
        attention_bias: torch.Tensor | None = None,
        packed_seq_params: Documents | None = None,
        **_: Any,
    ) -> torch.Tensor:
        """Attend within documents; query, key, value and result are [tokens, heads, head]."""
        packed = packed_seq_params
        if packed is None:
            raise ValueError("this attention takes only packed documents")
        if packed.rope is not None:
            query, key = rotate(query, *packed.rope[self.kind]), rotate(key, *packed.rope[self.kind])
        if query.is_cuda:
            return varlen_attn(
                query,
                key,
                value,
                packed.cu_seqlens_q,
                packed.cu_seqlens_kv,
                packed.max_seqlen_q,
                packed.max_seqlen_kv,
                scale=self.scale,
                window_size=self.window,
            )
        return one_by_one(query, key, value, packed.lengths, self.scale, self.window)


def one_by_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: Sequence[int],
    scale: float,
    window: tuple[int, int] = EVERYWHERE,
) -> torch.Tensor:
    """Attention document by document: [tokens, heads, head] each, tokens the sum of `lengths`.

    With a window (left, right) a token sees this many tokens before and after it.
    """
    outputs = []
    parts = (tensor.split(list(lengths)) for tensor in (query, key, value))
    for q, k, v in zip(*parts, strict=True):
        seen = None
        if window != EVERYWHERE and len(q) > min(window) + 1:
            places = torch.arange(len(q), device=q.device)
            ahead = places[None, :] - places[:, None]
            seen = (ahead >= -window[0]) & (ahead <= window[1])
        q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        outputs.append(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)[0].transpose(0, 1))
    return torch.cat(outputs)
