"""A run's weights under the names of transformers' models: `sobert` as MegatronBERT, `modern` as ModernBERT."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from socorpus.training.config import ModelShape

Tensors = dict[str, torch.Tensor]

TOKEN_TYPES = 2
"""Rows of MegatronBERT's token-type embedding, all zero, of a model that has none."""

ARCHITECTURES = {"sobert": "MegatronBertForMaskedLM", "modern": "ModernBertForMaskedLM"}
"""The class in transformers of each family."""

_SOBERT = {
    "embedding.word_embeddings.weight": ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    "embedding.position_embeddings.weight": ("bert.embeddings.position_embeddings.weight",),
    "embedding.tokentype_embeddings.weight": ("bert.embeddings.token_type_embeddings.weight",),
    "encoder.final_layernorm.": ("bert.encoder.ln.",),
    "lm_head.dense.": ("cls.predictions.transform.dense.",),
    "lm_head.layer_norm.": ("cls.predictions.transform.LayerNorm.",),
    "output_layer.bias": ("cls.predictions.bias", "cls.predictions.decoder.bias"),
}
_SOBERT_LAYER = {
    "input_layernorm.": "attention.ln.",
    "self_attention.linear_proj.": "attention.output.dense.",
    "pre_mlp_layernorm.": "ln.",
    "mlp.linear_fc1.": "intermediate.dense.",
    "mlp.linear_fc2.": "output.dense.",
}
_MODERN = {
    "embedding.word_embeddings.weight": ("model.embeddings.tok_embeddings.weight", "decoder.weight"),
    "embedding_norm.": ("model.embeddings.norm.",),
    "encoder.final_layernorm.": ("model.final_norm.",),
    "lm_head.dense.": ("head.dense.",),
    "lm_head.layer_norm.": ("head.norm.",),
    "output_layer.bias": ("decoder.bias",),
}
_MODERN_LAYER = {
    "input_layernorm.": "attn_norm.",
    "self_attention.linear_proj.": "attn.Wo.",
    "pre_mlp_layernorm.": "mlp_norm.",
    "mlp.linear_fc1.": "mlp.Wi.",
    "mlp.linear_fc2.": "mlp.Wo.",
}
_QKV = "self_attention.linear_qkv."
_WORDS = "embedding.word_embeddings.weight"
_POSITIONS = "embedding.position_embeddings.weight"
_BIAS = "output_layer.bias"
_TYPES = "bert.embeddings.token_type_embeddings.weight"
_NEVER = -100.0
"""The head's bias for rows of the embedding that are no entries: in float32 their share is 0, as is their gradient."""


def weights(own: Mapping[str, torch.Tensor], shape: ModelShape) -> Tensors:
    """Rename a model's parameters, and split its attention projections.

    Raises:
        KeyError: a parameter has no counterpart in transformers.
    """
    renamed: Tensors = {}
    for name, tensor in own.items():
        if name in (_WORDS, _BIAS) and shape.rows is not None:
            tensor = tensor[: shape.rows].contiguous()
        names, projections = places(name, shape.family)
        if projections:
            parts = _apart(tensor, shape.heads)
            parts = [torch.cat(parts)] if len(names) == 1 else parts
            renamed |= dict(zip(names, parts, strict=True))
        else:
            renamed |= dict.fromkeys(names, tensor)
    if shape.family == "sobert" and _TYPES not in renamed:
        renamed[_TYPES] = torch.zeros(TOKEN_TYPES, shape.hidden)
    return renamed


def ours(theirs: Mapping[str, torch.Tensor], names: Iterable[str], shape: ModelShape, vocabulary: int) -> Tensors:
    """The parameters of a model, whole, from weights of transformers: the inverse of `weights`.

    Args:
        names: those of the model's parameters.
        vocabulary: rows of the model's embedding; those beyond the weights' own are no entries.

    Raises:
        KeyError: the weights lack a tensor; it names it.
    """
    tensors: Tensors = {}
    for name in names:
        known, projections = places(name, shape.family)
        if projections:
            parts = [theirs[place] for place in known]
            parts = list(parts[0].chunk(3)) if len(parts) == 1 else parts
            tensors[name] = _together(parts, shape.heads)
            continue
        tensor = theirs[known[0]]
        if name in (_WORDS, _BIAS):
            more = [(0, 0)] * (tensor.dim() - 1) + [(0, vocabulary - len(tensor))]
            tensor = F.pad(tensor, [side for pair in more for side in pair], value=_NEVER if name == _BIAS else 0.0)
        if name == _POSITIONS:
            tensor = tensor[: shape.max_length]
        tensors[name] = tensor
    return tensors


def places(name: str, family: str) -> tuple[list[str], bool]:
    """Names in transformers of a parameter; and whether it is an attention projection, whose rows are grouped by head
    here and by query, key and value there, in one tensor or in three.

    Raises:
        KeyError: it has no counterpart.
    """
    modern = family == "modern"
    in_layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", name)
    if in_layer is None:
        return _renamed(name, _MODERN if modern else _SOBERT), False
    number, rest = in_layer.groups()
    layer = f"model.layers.{number}." if modern else f"bert.encoder.layer.{number}."
    if rest.startswith(_QKV):
        kind = rest.removeprefix(_QKV)
        if modern:
            return [f"{layer}attn.Wqkv.{kind}"], True
        return [f"{layer}attention.self.{part}.{kind}" for part in ("query", "key", "value")], True
    table = _MODERN_LAYER if modern else _SOBERT_LAYER
    return [layer + new for new in _renamed(rest, {old: (new,) for old, new in table.items()})], False


def configuration(shape: ModelShape, vocabulary: int, special: Mapping[str, int]) -> Any:
    """transformers' configuration for a shape.

    Args:
        vocabulary: rows of the embedding, padding included.
        special: ids of the special tokens by name.
    """
    import transformers

    from socorpus.training.models.encoder import eps

    common = {
        "vocab_size": shape.rows or vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": shape.max_length,
        "tie_word_embeddings": True,
        "pad_token_id": special["[PAD]"],
        "cls_token_id": special["[CLS]"],
        "sep_token_id": special["[SEP]"],
        "bos_token_id": special["[CLS]"],
        "eos_token_id": special["[SEP]"],
    }
    if shape.family == "sobert":
        return transformers.MegatronBertConfig(
            **common,
            hidden_act="gelu",  # the exact GELU, as in the trainer
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=eps(shape),
            type_vocab_size=shape.token_types or TOKEN_TYPES,
        )
    return transformers.ModernBertConfig(
        **common,
        hidden_activation="gelu",
        norm_eps=eps(shape),
        local_attention=shape.window,
        decoder_bias=True,
        **rotation(shape),
    )


def rotation(shape: ModelShape) -> dict[str, Any]:
    """Where attention is global, and the bases of rotation, as transformers 4 writes them and 5 still reads them."""
    from socorpus.training.models.encoder import bases

    return {
        "global_attn_every_n_layers": shape.global_every,
        "global_rope_theta": bases(shape)["global"],
        "local_rope_theta": bases(shape)["local"],
    }


def _renamed(name: str, places: Mapping[str, tuple[str, ...]]) -> list[str]:
    for old, new in places.items():
        if name.startswith(old):
            return [start + name.removeprefix(old) for start in new]
    raise KeyError(name)


def _apart(tensor: torch.Tensor, heads: int) -> list[torch.Tensor]:
    """Queries, keys and values of all heads, each [hidden, ...], from megatron-core's rows, grouped by head."""
    by_head = tensor.unflatten(0, (heads, 3, -1))
    return [by_head[:, part].flatten(0, 1).contiguous() for part in range(3)]


def _together(parts: Sequence[torch.Tensor], heads: int) -> torch.Tensor:
    """The inverse of `_apart`."""
    by_head = torch.stack([part.unflatten(0, (heads, -1)) for part in parts], 1)
    return by_head.flatten(0, 2)
