"""The layout of sentence-transformers: an encoder without its head, and the mean of its tokens' vectors.

Modules and keys have the names of its older releases, which the newer ones read too.
"""

from pathlib import Path

import torch
import transformers

from socorpus.corpus.storage.files import read_json, write_json
from socorpus.training.config import ModelShape

CLASSES = {"sobert": "MegatronBertModel", "modern": "ModernBertModel"}
"""The class in transformers of each family's encoder without its head."""

_INNER = {"sobert": "bert.", "modern": "model."}
_POOLING = "1_Pooling"


def encoder(named: dict[str, torch.Tensor], shape: ModelShape) -> dict[str, torch.Tensor]:
    """The encoder's share of a masked language model's weights, under the names of the class without a head.

    MegatronBERT's class has a pooler, which training has not and the mean does not use: it is all zero, instead of the
    random numbers that transformers would draw at each loading.
    """
    inner = _INNER[shape.family]
    own = {name.removeprefix(inner): tensor for name, tensor in named.items() if name.startswith(inner)}
    if shape.family == "sobert":
        own["pooler.dense.weight"] = torch.zeros(shape.hidden, shape.hidden)
        own["pooler.dense.bias"] = torch.zeros(shape.hidden)
    return own


def write(folder: Path, shape: ModelShape) -> None:
    """Write what sentence-transformers reads beside the model and its tokenizer.

    Text that says "[MASK]" or "[SEP]" is read as text, as in training: nothing fills gaps here.
    """
    write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": _POOLING, "type": "sentence_transformers.models.Pooling"},
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": shape.max_length, "do_lower_case": False})
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "__version__": {"pytorch": torch.__version__, "transformers": transformers.__version__},
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
    (folder / _POOLING).mkdir()
    others = ("cls_token", "max_tokens", "mean_sqrt_len_tokens")
    write_json(
        folder / _POOLING / "config.json",
        {
            "word_embedding_dimension": shape.hidden,
            "pooling_mode_mean_tokens": True,
            **{f"pooling_mode_{other}": False for other in others},
        },
    )
    path = folder / "tokenizer_config.json"
    write_json(path, {**read_json(path), "split_special_tokens": True})
