"""A run's weights under the names of transformers' models: `sobert` as MegatronBERT, `modern` as ModernBERT."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from socorpus.training.config import ModelShape

Tensors = dict[str, torch.Tensor]

TOKEN_TYPES = 2
"""Rows of MegatronBERT's token-type embedding; all zero, since the trainer has no token types."""

ARCHITECTURES = {"sobert": "MegatronBertForMaskedLM", "modern": "ModernBertForMaskedLM"}
"""The class in transformers of each family."""

_SOBERT = {
    "embedding.word_embeddings.weight": ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    "embedding.position_embeddings.weight": ("bert.embeddings.position_embeddings.weight",),
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


def weights(own: Mapping[str, torch.Tensor], shape: ModelShape) -> Tensors:
    """Rename a model's parameters, and split its attention projections.

    Raises:
        KeyError: a parameter has no counterpart in transformers.
    """
    modern = shape.family == "modern"
    renamed: Tensors = {}
    for name, tensor in own.items():
        in_layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", name)
        if in_layer is None:
            renamed |= dict.fromkeys(_renamed(name, _MODERN if modern else _SOBERT), tensor)
            continue
        number, rest = in_layer.groups()
        layer = f"model.layers.{number}." if modern else f"bert.encoder.layer.{number}."
        if rest.startswith(_QKV):
            kind = rest.removeprefix(_QKV)
            parts = _apart(tensor, shape.heads)
            if modern:
                renamed[f"{layer}attn.Wqkv.{kind}"] = torch.cat(parts)
            else:
                for part, projection in zip(("query", "key", "value"), parts, strict=True):
                    renamed[f"{layer}attention.self.{part}.{kind}"] = projection
        else:
            places = {old: (new,) for old, new in (_MODERN_LAYER if modern else _SOBERT_LAYER).items()}
            renamed |= {layer + new: tensor for new in _renamed(rest, places)}
    if not modern:
        renamed["bert.embeddings.token_type_embeddings.weight"] = torch.zeros(TOKEN_TYPES, shape.hidden)
    return renamed


def configuration(shape: ModelShape, vocabulary: int, special: Mapping[str, int]) -> Any:
    """transformers' configuration for a shape.

    Args:
        vocabulary: rows of the embedding, padding included.
        special: ids of the special tokens by name.
    """
    import transformers

    from socorpus.training.models.encoder import EPS

    common = {
        "vocab_size": vocabulary,
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
            layer_norm_eps=EPS["sobert"],
            type_vocab_size=TOKEN_TYPES,
        )
    return transformers.ModernBertConfig(
        **common,
        hidden_activation="gelu",
        norm_eps=EPS["modern"],
        local_attention=shape.window,
        decoder_bias=True,
        **rotation(shape),
    )


def rotation(shape: ModelShape) -> dict[str, Any]:
    """Where attention is global, and the bases of rotation, as transformers 4 writes them and 5 still reads them."""
    from socorpus.training.models.encoder import ROPE

    return {
        "global_attn_every_n_layers": shape.global_every,
        "global_rope_theta": ROPE["global"],
        "local_rope_theta": ROPE["local"],
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
