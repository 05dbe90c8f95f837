"""The shape of a model of transformers, all of it; what the encoder can't express is refused by its key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.training.config import ModelShape

FAMILIES = {"megatron-bert": "sobert", "modernbert": "modern"}
"""`model_type` in a config.json -> family."""

_FIXED: Mapping[str, Mapping[str, Any]] = {
    "sobert": {
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
    "modern": {
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "norm_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "classifier_bias": False,
        "decoder_bias": True,
        "tie_word_embeddings": True,
    },
}
"""Values that the encoder has, whatever a configuration says."""


def kind(described: Mapping[str, Any], where: Path) -> str:
    """The family of a config.json.

    Raises:
        InputError: it is of another kind of model.
    """
    name = described.get("model_type")
    if name not in FAMILIES:
        raise InputError(
            f"{where}: a model of the kind {name!r}, whose layers the trainer does not have; it starts from "
            "MegatronBERT and ModernBERT (norms before attention and feed-forward, as SOBert and Ettin have them), and "
            "from runs of socorpus train"
        )
    return FAMILIES[name]


def shape(config: Any, family: str, where: Path) -> ModelShape:
    """The shape of a model.

    Args:
        config: transformers' configuration, which knows the defaults.
        where: the config.json that errors name.

    Raises:
        InputError: the encoder can't express a value; names the key.
    """
    for key, value in _FIXED[family].items():
        if getattr(config, key, value) != value:
            raise _inexpressible(where, key, getattr(config, key), value)
    common = {
        "family": family,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "ffn": config.intermediate_size,
        "max_length": config.max_position_embeddings,
        "rows": config.vocab_size,
    }
    if family == "sobert":
        return ModelShape(**common, eps=config.layer_norm_eps, token_types=config.type_vocab_size)
    bases = _bases(config, where)
    return ModelShape(
        **common,
        eps=config.norm_eps,
        # transformers takes half of it for each side, rounded down.
        window=config.local_attention // 2 * 2,
        global_every=_global_every(config, where),
        rope_global=bases[0],
        rope_local=bases[1],
    )


def _global_every(config: Any, where: Path) -> int:
    kinds: Sequence[str] | None = getattr(config, "layer_types", None)
    if kinds is None:  # transformers 4
        return int(config.global_attn_every_n_layers)
    layers = [number for number, name in enumerate(kinds) if name == "full_attention"]
    every = layers[1] if len(layers) > 1 else max(1, len(kinds))
    if layers != list(range(0, len(kinds), every)):
        raise _inexpressible(where, "layer_types", list(kinds), "full_attention in the first and then every so many")
    return every


def _bases(config: Any, where: Path) -> tuple[float, float]:
    """Bases of the rotation in global and in local layers."""
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None:  # transformers 4
        both = config.global_rope_theta, config.local_rope_theta
    else:
        for name, values in parameters.items():
            if values.get("rope_type", "default") != "default":
                raise _inexpressible(where, f"rope_parameters.{name}.rope_type", values["rope_type"], "default")
        both = parameters["full_attention"]["rope_theta"], parameters["sliding_attention"]["rope_theta"]
    return float(both[0]), float(both[0] if both[1] is None else both[1])


def _inexpressible(where: Path, key: str, value: Any, expected: Any) -> InputError:
    return InputError(
        f"{where}: {key} is {value!r}, and the trainer's encoder only has {expected!r}: training can't start from it"
    )
