"""A tokenizer that came with a model, of whatever kind: its special tokens by their roles, and tokens of texts.

A corpus's own tokenizer is byte-level and has the names of `schema.SPECIAL_TOKENS` (`bpe`). Of any other one it only
matters which ids begin and end a text, hide a token and fill a sequence: names differ (`<s>`, `<mask>`), so the first
two are read off the tokenizer's own post-processor, the others off the settings beside it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from socorpus.corpus import arrays
from socorpus.corpus.errors import InputError

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""What is read of a tokenizer's folder; all but the first may be missing."""
_ROLES = {
    "[PAD]": ("pad_token", ("[PAD]", "<pad>", "<|padding|>")),
    "[UNK]": ("unk_token", ("[UNK]", "<unk>")),
    "[CLS]": ("cls_token", ()),
    "[SEP]": ("sep_token", ()),
    "[MASK]": ("mask_token", ("[MASK]", "<mask>", "<|mask|>")),
}
"""Role, by its name in a corpus's own tokenizer -> its key in the settings, and usual names where they lack it."""
_ENDS = "bos_token", "eos_token"
_BATCH = 64
"""Texts that are tokenised at once: the places of their tokens are objects of Python."""


@dataclass(frozen=True)
class Given:
    """Any tokenizer of the tokenizers library.

    Attributes:
        special: ids of the special tokens, by the names of their roles in a corpus's own tokenizer; `[UNK]` may lack.
        identity: SHA-256 of all that decides on the tokens of a text, and of these ids.
        files: texts of its folder's files, by name.
    """

    tokenizer: Tokenizer
    special: Mapping[str, int]
    identity: str
    files: Mapping[str, str]

    @property
    def key(self) -> str:
        """The name of its folder in a corpus."""
        return self.identity[:16]

    @property
    def entries(self) -> int:
        """One more than its highest id."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def parse(files: Mapping[str, str], where: str) -> Given:
    """Read the texts of a tokenizer's files.

    Args:
        where: the folder that errors are to name.

    Raises:
        InputError: it is no tokenizer of the tokenizers library, lacks a special token that masked language modelling
            needs, or drops merges at random.
    """
    try:
        tokenizer = Tokenizer.from_str(files["tokenizer.json"])
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{where}: tokenizer.json is not a tokenizer of the tokenizers library: {error}") from None
    # Text never makes a special token. This is not part of the file format.
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None):
        raise InputError(
            f"{where}: the tokenizer drops merges at random (dropout), so that its tokens could not be made again"
        )
    if not tokenizer.get_vocab_size():
        raise InputError(f"{where}: the tokenizer has no entries")
    special = _special(tokenizer, _settings(files, where), where)
    return Given(tokenizer, special, _identity(tokenizer, special), files)


def encode(given: Given, texts: pa.ChunkedArray, segments: pa.ChunkedArray) -> tuple[pa.ListArray, pa.ListArray]:
    """Tokens of texts, and where code is among them, as `input_ids` and `code_tokens` of `schema.TOKENS`.

    A token is code where its first character is; no special token is added or made.

    Args:
        texts: string[n].
        segments: list of `schema.SEGMENT`[n], offsets into the texts.
    """
    flat, bounds = arrays.lists(segments)
    is_code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False)
    points = np.column_stack([flat.field(name).to_numpy() for name in ("start", "end")]).astype(np.int64)
    code = [points[first:last][is_code[first:last]] for first, last in pairwise(bounds.tolist())]
    ids: list[npt.NDArray[np.uint32]] = []
    ranges: list[npt.NDArray[np.int32]] = []
    for first in range(0, len(texts), _BATCH):
        batch = code[first : first + _BATCH]
        for (own, starts), ends in zip(_tokens(given.tokenizer, texts, first, batch), batch, strict=True):
            ids.append(own)
            ranges.append(_ranges(starts, ends))
    return _lists(ids, pa.uint32()), _lists(ranges, pa.int32())


def _tokens(
    tokenizer: Tokenizer, texts: pa.ChunkedArray, first: int, code: list[npt.NDArray[np.int64]]
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]]:
    """Ids of each text of a batch, and of one with code the first characters of its tokens."""
    batch = texts.slice(first, len(code)).to_pylist()
    placed = [number for number, ends in enumerate(code) if len(ends)]
    # Without places of tokens the library is faster, and the ids are the same.
    others = sorted(set(range(len(batch))) - set(placed))
    of = dict(zip(placed, tokenizer.encode_batch([batch[n] for n in placed], add_special_tokens=False), strict=True))
    fast = tokenizer.encode_batch_fast([batch[n] for n in others], add_special_tokens=False)
    of |= dict(zip(others, fast, strict=True))
    for number, ends in enumerate(code):
        ids = np.array(of[number].ids, np.uint32)
        starts = np.array([start for start, _ in of[number].offsets], np.int64) if len(ends) else np.zeros(0, np.int64)
        yield ids, np.maximum.accumulate(starts)


def _ranges(starts: npt.NDArray[np.int64], code: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """[start, end) in tokens of each segment of code, flattened; a segment without a token has none."""
    places = np.searchsorted(starts, code).astype(np.int32).reshape(-1, 2)
    return places[places[:, 0] < places[:, 1]].reshape(-1)


def _lists(values: list[npt.NDArray[Any]], kind: pa.DataType) -> pa.ListArray:
    bounds = np.cumsum([0, *map(len, values)]).astype(np.int32)
    flat = np.concatenate(values) if values else np.zeros(0, np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(flat, kind))


def _settings(files: Mapping[str, str], where: str) -> dict[str, str]:
    """Names of the special tokens by the keys of tokenizer_config.json and special_tokens_map.json."""
    names: dict[str, str] = {}
    for file in FILES[:0:-1]:
        try:
            values = json.loads(files.get(file, "{}"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: {file} can't be read: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{where}: {file} is no object of settings")
        for key, value in values.items():
            name = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(name, str):
                names[key] = name
    return names


def _special(tokenizer: Tokenizer, settings: Mapping[str, str], where: str) -> dict[str, int]:
    special: dict[str, int] = {}
    for role, (key, usual) in _ROLES.items():
        named = [settings[key]] if key in settings else list(usual)
        ids = [number for name in named if (number := tokenizer.token_to_id(name)) is not None]
        if ids:
            special[role] = ids[0]
    special |= _ends(tokenizer, settings, special)
    lacking = [role for role in ("[CLS]", "[SEP]", "[MASK]", "[PAD]") if role not in special]
    if lacking:
        raise InputError(
            f"{where}: the tokenizer has no token for {', '.join(lacking)}, whatever its name; masked language "
            "modelling needs one that begins a text, one that ends it, one that hides and one that fills up. Name them "
            "in tokenizer_config.json (cls_token, sep_token, mask_token, pad_token), if the model knows such tokens"
        )
    return special


def _ends(tokenizer: Tokenizer, settings: Mapping[str, str], special: Mapping[str, int]) -> dict[str, int]:
    """The tokens that begin and end a text, by the tokenizer itself; by its settings if it sets none."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a").ids
    if len(whole) == len(plain) + 2 and whole[1:-1] == plain:
        return {"[CLS]": whole[0], "[SEP]": whole[-1]}
    if whole == plain and not {"[CLS]", "[SEP]"} <= special.keys():
        ends = [tokenizer.token_to_id(settings[key]) if key in settings else None for key in _ENDS]
        return {role: number for role, number in zip(("[CLS]", "[SEP]"), ends, strict=True) if number is not None}
    return {}


def _identity(tokenizer: Tokenizer, special: Mapping[str, int]) -> str:
    parts = json.loads(tokenizer.to_str())
    # How a special token is recognised in a text, and what is added around one, is not asked here.
    added = [
        {key: token[key] for key in ("id", "content")} if token["special"] else token for token in parts["added_tokens"]
    ]
    roles = {role: number for role, number in special.items() if role != "[UNK]"}
    described = {name: parts[name] for name in ("normalizer", "pre_tokenizer", "model")} | {"added": added} | roles
    canonical = json.dumps(described, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
