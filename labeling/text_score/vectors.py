"""Word vectors: the mean of a text's wordpieces, by a table that lies beside this file.

The table holds an encoder's input embeddings, projected and rounded by `benchmarks/word_vectors.py`; its metadata name
the encoder and its licence. Without context, a wordpiece's vector can't hold any text that the encoder was trained on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.storage import files, parquet

TABLE = Path(__file__).with_name("word_vectors.parquet")
_UNKNOWN = "[UNK]"
_CHUNK = 1000


@dataclass(frozen=True)
class WordVectors:
    """The table.

    Attributes:
        tokenizer: BERT's wordpieces in lower case; what the table lacks is the last number, without a vector.
        vectors: float64[tokens + 1, dimensions].
        sha256: of the file.
        about: source and licence of the embeddings.
    """

    tokenizer: Any
    vectors: Float64
    sha256: str
    about: dict[str, str]

    def counts(self, texts: Sequence[str]) -> Any:
        """How often each token occurs in each text; float64[n, tokens + 1], sparse."""
        from scipy import sparse

        ids: list[Int64] = []
        for start in range(0, len(texts), _CHUNK):
            encoded = self.tokenizer.encode_batch(list(texts[start : start + _CHUNK]), add_special_tokens=False)
            ids += [np.array(text.ids, np.int64) for text in encoded]
        bounds = np.cumsum([0, *map(len, ids)])
        columns = np.concatenate([*ids, np.zeros(0, np.int64)])
        matrix = sparse.csr_matrix((np.ones(len(columns)), columns, bounds), (len(ids), len(self.vectors)))
        matrix.sum_duplicates()
        return matrix

    def means(self, counts: Any, rarity: Float64) -> Float64:
        """Sums of the tokens' vectors times their rarity, each of length 1 (0 without a known token).

        Args:
            counts: of `counts`.
            rarity: float64[tokens + 1].

        Returns:
            float64[n, dimensions].
        """
        sums: Float64 = np.asarray(counts.multiply(rarity).tocsr() @ self.vectors, np.float64)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)


@lru_cache(maxsize=1)
def table() -> WordVectors:
    """The table of this version."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    rows = parquet.read(TABLE)
    tokens = rows["token"].to_pylist()
    size = rows.schema.field("vector").type.list_size
    levels = rows["vector"].combine_chunks().flatten().to_numpy().reshape(-1, size)
    vectors = levels * rows["scale"].to_numpy().astype(np.float64)[:, None]
    vocabulary = {token: number for number, token in enumerate([*tokens, _UNKNOWN])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=_UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    about = json.loads((rows.schema.metadata or {})[b"about"])
    return WordVectors(tokenizer, np.vstack([vectors, np.zeros(size)]), files.sha256(TABLE), about)
