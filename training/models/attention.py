"""Attention over packed documents: each token sees only its own document, or a window of it, without padding.

There are three kernels of the same attention. `varlen`, where FlashAttention runs: `torch.nn.attention.varlen`, with
`cu_seqlens` (Dao 2023). `masked`, on other GPUs and in float32: PyTorch's `scaled_dot_product_attention` over chunks of
whole documents, with a mask. `documents`, on the CPU: the same function, document by document.

It replaces megatron-core's DotProductAttention, and applies RoPE to queries and keys itself (Su et al. 2021) from
tables computed once a step: megatron-core's own rotation of packed sequences waits for the GPU in every layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.utils import is_layer_window_attention

from socorpus.corpus.errors import InputError
from socorpus.training.pretrain import cost

VARLEN, MASKED, DOCUMENTS = "varlen", "masked", "documents"
"""Kernels."""
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
    kernel: str = DOCUMENTS
    rope: Rope | None = None
    chunks: "Chunks | None" = None
    """Of the kernel `masked`."""


@dataclass
class Chunks:
    """Whole documents side by side in rows of one length, for attention with a mask.

    Attributes:
        tokens: int64[chunks, longest], the token at each place; behind a chunk's documents any.
        places: int64[tokens], where in the flattened chunks each token is.
        documents: int32[chunks, longest], number of the document at each place; -1 behind them.
    """

    tokens: torch.Tensor
    places: torch.Tensor
    documents: torch.Tensor
    _masks: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)

    def mask(self, window: tuple[int, int]) -> torch.Tensor:
        """Which place sees which, bool[chunks, 1, longest, longest]; made once a step."""
        if window not in self._masks:
            seen = self.documents[:, :, None] == self.documents[:, None, :]
            if window != EVERYWHERE:
                seen = seen & within(seen.shape[-1], window, seen.device)
            self._masks[window] = seen[:, None]
        return self._masks[window]


def kernel(device: torch.device, dtype: torch.dtype) -> str:
    """The kernel for a device and a data type."""
    if device.type != "cuda":
        return DOCUMENTS
    half = dtype in (torch.bfloat16, torch.float16)
    return VARLEN if half and cost.has_bfloat16(device) else MASKED


def flash(wanted: str | None, device: torch.device) -> str:
    """Let PyTorch use a version of FlashAttention in this process, and return its name.

    Args:
        wanted: `FA2`, `FA3` or `FA4`; None: `FA3` on Hopper where its package is installed (Shah et al. 2024), else
            `FA2`, which comes with PyTorch.

    Raises:
        InputError: the wanted one can't be had here.
    """
    from torch.nn import attention

    active, chosen = attention.current_flash_attention_impl(), wanted
    if chosen is None:
        hopper = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == _HOPPER
        chosen = "FA3" if hopper and find_spec(_FLASH_PACKAGES["FA3"]) is not None else "FA2"
    if active not in (None, chosen):
        attention.restore_flash_attention_impl()
    if chosen in ("FA2", active):
        return chosen
    try:
        attention.activate_flash_attention_impl(chosen)
    # Packages of kernels raise errors of many kinds where they don't fit PyTorch or the GPU.
    except Exception as error:
        if wanted is None:
            return "FA2"
        package = _FLASH_PACKAGES[wanted]
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"parallel.flash_attention = {wanted!r} can't be used here ({reason}): install {package} for this PyTorch "
            "and GPU, or leave the key out"
        ) from error
    return chosen


_HOPPER = 9
_FLASH_PACKAGES = {"FA3": "flash_attn_interface", "FA4": "flash_attn.cute"}


def documents(lengths: Sequence[int], device: torch.device, longest: int, kernel: str = DOCUMENTS) -> Documents:
    """Describe a packed sequence.

    Args:
        lengths: tokens of each document, in order; together all tokens (of what is behind the last, FlashAttention's
            gradients would be NaN).
        longest: the context length.
    """
    bounds = torch.zeros(len(lengths) + 1, dtype=torch.int32)
    torch.cumsum(torch.tensor(lengths, dtype=torch.int32), 0, out=bounds[1:])
    bounds = moved(bounds, device)
    if kernel == VARLEN:
        _load_varlen()
        # Compiled layers take any number of documents (a sequence has at least one).
        torch._dynamo.maybe_mark_dynamic(bounds, 0)
    return Documents(
        qkv_format="thd",
        cu_seqlens_q=bounds,
        cu_seqlens_kv=bounds,
        max_seqlen_q=max(lengths),
        max_seqlen_kv=max(lengths),
        lengths=tuple(lengths),
        kernel=kernel,
        chunks=_chunks(lengths, device, longest) if kernel == MASKED else None,
    )


_varlen_attn: Any = None
"""`torch.nn.attention.varlen.varlen_attn`, once it is needed: it loads the compiler, which takes a second."""


def _load_varlen() -> None:
    global _varlen_attn
    if _varlen_attn is None:
        from torch.nn.attention.varlen import varlen_attn

        _varlen_attn = varlen_attn


def _chunks(lengths: Sequence[int], device: torch.device, longest: int) -> Chunks:
    room, chunk, filled = max(longest, *lengths), 0, 0
    starts = []
    for length in lengths:
        if filled + length > room:
            chunk, filled = chunk + 1, 0
        starts.append(chunk * room + filled)
        filled += length
    of = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    firsts = torch.cumsum(torch.tensor([0, *lengths[:-1]]), 0)
    places = torch.tensor(starts)[of] + torch.arange(len(of)) - firsts[of]
    tokens = torch.zeros((chunk + 1) * room, dtype=torch.int64)
    tokens[places] = torch.arange(len(of))
    numbers = torch.full(tokens.shape, -1, dtype=torch.int32)
    numbers[places] = of.int()
    return Chunks(moved(tokens.view(-1, room), device), moved(places, device), moved(numbers.view(-1, room), device))


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the host on a device, without waiting for it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def within(length: int, window: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Which token of a document a window lets each see: bool[length, length]."""
    places = torch.arange(length, device=device)
    ahead = places[None, :] - places[:, None]
    return (ahead >= -window[0]) & (ahead <= window[1])


def rope(positions: torch.Tensor, width: int, bases: dict[str, float]) -> Rope:
    """Tables for the positions of a step, int64[tokens], for heads of `width` and each kind of layer's base."""
    tables = {}
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width
    for kind, base in bases.items():
        angles = positions.float().unsqueeze(1) * (1.0 / base**steps)
        both = torch.cat((angles, angles), -1).unsqueeze(1)
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
        if packed.kernel == VARLEN:
            output: torch.Tensor = _varlen_attn(
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
            return output
        if packed.chunks is not None:
            return in_chunks(query, key, value, packed.chunks, self.scale, self.window)
        return by_documents(query, key, value, packed.lengths, self.scale, self.window)


def in_chunks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    chunks: Chunks,
    scale: float,
    window: tuple[int, int] = EVERYWHERE,
) -> torch.Tensor:
    """Attention over chunks of documents with a mask: [tokens, heads, head] each, as `one_by_one`."""
    q, k, v = (tensor[chunks.tokens].transpose(1, 2) for tensor in (query, key, value))
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=chunks.mask(window), scale=scale)
    return output.transpose(1, 2).flatten(0, 1)[chunks.places]


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
            seen = within(len(q), window, q.device)
        q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        outputs.append(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)[0].transpose(0, 1))
    return torch.cat(outputs)


by_documents = one_by_one
"""The same, as layers call it: where they are compiled, outside of their graph (`stay_out`)."""


def stay_out() -> None:
    """Keep attention document by document out of compiled graphs: each number of documents would be another one."""
    global by_documents
    by_documents = torch.compiler.disable(one_by_one)
