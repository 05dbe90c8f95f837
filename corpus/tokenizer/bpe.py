"""The byte-level BPE tokenizer: train, write as JSON, read, encode.

Byte-level: the alphabet is the 256 bytes, nothing is normalised, so that every text comes back exactly and no token is
unknown. Text never makes a special token: a post that says "[MASK]" is encoded as those six characters.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Regex
from tokenizers import Tokenizer as Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

from socorpus.corpus import arrays
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.corpus.tokenizer import pretokenize

CONTEXT = 2048
"""Tokens that a model is meant to take at once, written into the saved tokenizer."""
MOST = 65_536
"""Entries that uint16 ids allow."""
BATCH = 1024
"""Texts that go through the library at once: bounds the memory of its objects."""


def size_for(text_bytes: int, most: int = 50_048) -> int:
    """Entries that a corpus can fill: a multiple of 64, or `most` where the corpus is large enough for it.

    The rule keeps about 95% of the entries at 20 occurrences or more in the corpus. Vocabularies that reach that on
    real posts and comments: 1.1k entries at 0.5 MB, 1.7k at 1 MB, 2.6k at 2 MB, 4.1k at 4 MB, 6.3k at 8 MB
    (`python benchmarks/tokens.py --fill`). So they grow as bytes^0.62, and 50,048 entries are filled from 235 MB on.
    """
    fillable = 1700 * (text_bytes / 1e6) ** 0.62
    return min(most, max(320, int(fillable) // 64 * 64))


def train(texts: Iterable[str], vocabulary: int, show: Callable[[int], None] | None = None) -> Tokenizer:
    """Train a tokenizer of `vocabulary` entries, special tokens included.

    The result depends only on the texts and their number, neither on their order nor on the number of threads. `show`
    is called now and then with the number of texts read so far. Pieces of more than `pretokenize.LONGEST` bytes are cut
    for training, which would take time in the square of their length otherwise.

    Method: Sennrich et al. 2016 on bytes (Radford et al. 2019), cut by `pretokenize.PATTERN`.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_shortened(texts if show is None else _counted(texts, show)), trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.encode_special_tokens = True
    return tokenizer


def parse(text: str, where: str) -> Tokenizer:
    """Read the text of a tokenizer.json and check it against the needs of a corpus.

    Args:
        where: the file that errors are to name.

    Raises:
        InputError: it is no tokenizer; lacks special tokens; has too many entries for uint16; is not byte-level; drops
            merges at random; or does not give every text back.
    """
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{where}: not a tokenizer of the tokenizers library: {error}") from None
    # Not part of the file format, so it must be set at every load.
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    _check(tokenizer, where)
    return tokenizer


def files(tokenizer: Tokenizer) -> dict[str, str]:
    """The texts, by file name, of the folder that `transformers.AutoTokenizer.from_pretrained` reads.

    There, as with every tokenizer of that library, the text "[MASK]" means the mask unless `split_special_tokens=True`.
    """
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True))
    added = {
        str(number): {key: getattr(token, key) for key in ("content", *_FLAGS)}
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    settings = {
        **names,
        "added_tokens_decoder": added,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": CONTEXT,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True) + "\n",
        "tokenizer_config.json": json.dumps(settings, indent=2) + "\n",
        "special_tokens_map.json": json.dumps(names, indent=2) + "\n",
    }


def byte_lengths(tokenizer: Tokenizer) -> npt.NDArray[np.int32]:
    """Bytes of text that each id stands for, shape [highest id + 1]; 0 for special tokens, which no text makes.

    Raises:
        InputError: an entry is not written in the byte-level alphabet, so that its bytes are not known.
    """
    vocabulary, alphabet = tokenizer.get_vocab(with_added_tokens=True), set(ByteLevel.alphabet())
    lengths = np.zeros(max(vocabulary.values()) + 1, np.int32)
    added = tokenizer.get_added_tokens_decoder()
    for token, number in vocabulary.items():
        if number in added:
            lengths[number] = 0 if added[number].special else len(token.encode())
        elif alphabet.issuperset(token):
            lengths[number] = len(token)  # one character of the alphabet is one byte
        else:
            raise InputError(
                f"the tokenizer is not byte-level: entry {token!r} is not made of bytes; train one, or give another"
            )
    return lengths


def encode(tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray, threads: int = 1) -> pa.ListArray:
    """Token ids of texts, as lists of uint16; no special token is added or made.

    A tokenizer that cuts as ours does is run only on the distinct pieces of the texts (`pretokenize`), any other on
    all of them. The ids are the library's either way. `threads` is for a caller that has the machine to itself: the
    threads of the library are set by the environment variable RAYON_NUM_THREADS instead.

    Raises:
        ValueError: a text is null.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if texts.null_count:
        raise ValueError("texts to encode must not be null")
    if threads > 1 and len(texts) > threads:
        cuts = np.linspace(0, len(texts), threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            parts = [texts.slice(a, b - a) for a, b in pairwise(cuts)]
            return pa.concat_arrays(list(pool.map(lambda part: encode(tokenizer, part), parts)))
    if not _cuts_as_ours(tokenizer):
        return _list_array(*_ids(tokenizer, texts.to_pylist()))
    if not len(texts):
        return pa.array([], pa.list_(pa.uint16()))
    data, offsets = arrays.utf8(texts)
    pieces, bounds, starts, ends = pretokenize.cut(data, offsets)
    raw = data.tobytes()
    distinct = [raw[a:b].decode() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    # No cutter and no added tokens: each piece goes to the merges whole.
    merges = Tokenizer(tokenizer.model)
    merges.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    return _list_array(*pretokenize.spread(pieces, bounds, *_ids(merges, distinct)))


_FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")
_PROBE = (
    "def f(x):\r\n\tif x != '\\0':\n\n        return [MASK] + \"naïve  cafe\u0301\"  # ½ ²³ 1,234.56\u00a0€\u2028 ﬁ ǅ\n"
    "    don't DON'T we’ll 'tis [CLS][SEP][PAD][UNK] <s></s> ▁x Ġy \u200b\ufeff\x00\x7f 日本語 हिन्दी ไทย עברית "
    "👩‍👧 \U0010fffd  \n"
)
"""Text on which other tokenizers are known to lose something: white space, case, accents, unusual bytes, specials."""


def _splitter() -> Sequence:
    return Sequence(
        [
            Split(Regex(pretokenize.PATTERN), behavior="isolated", invert=False),
            ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )


def _shortened(texts: Iterable[str]) -> Iterator[str]:
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        yield from pretokenize.shortened(batch)


def _counted(texts: Iterable[str], show: Callable[[int], None]) -> Iterator[str]:
    count = 0
    for text in texts:
        yield text
        count += 1
        if count % 1000 == 0:
            show(count)
    show(count)


def _cuts_as_ours(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer is, but for its merges, one that `train` makes: only then are pieces encoded one by one."""
    model, cutter = tokenizer.model, tokenizer.pre_tokenizer
    return (
        isinstance(model, BPE)
        and not (model.dropout or model.ignore_merges or model.continuing_subword_prefix or model.end_of_word_suffix)
        and tokenizer.normalizer is None
        and cutter is not None
        and cutter.__getstate__() == _splitter().__getstate__()
        and all(token.special for token in tokenizer.get_added_tokens_decoder().values())
        and tokenizer.encode_special_tokens
    )


def _ids(tokenizer: Tokenizer, texts: list[str]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Ids of all texts in a row, and their bounds, from the library."""
    parts, bounds = [], np.zeros(len(texts) + 1, np.int64)
    for start in range(0, len(texts), BATCH):
        batch = tokenizer.encode_batch_fast(texts[start : start + BATCH], add_special_tokens=False)
        lists = [encoding.ids for encoding in batch]
        bounds[start + 1 : start + 1 + len(lists)] = np.fromiter(map(len, lists), np.int64, len(lists))
        parts.append(
            np.fromiter(chain.from_iterable(lists), np.uint16, int(bounds[start + 1 : start + 1 + len(lists)].sum()))
        )
    return np.concatenate(parts) if parts else np.zeros(0, np.uint16), np.cumsum(bounds)


def _list_array(ids: npt.NDArray[np.uint16], bounds: npt.NDArray[np.int64]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pa.array(ids))


def _check(tokenizer: Tokenizer, where: str) -> None:
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    missing = [name for name in SPECIAL_TOKENS if name not in vocabulary]
    if missing:
        raise InputError(
            f"{where}: the tokenizer has no {', '.join(missing)}; a corpus needs all of {' '.join(SPECIAL_TOKENS)}; "
            "add them, or leave tokenizer.path out to have one trained"
        )
    highest = max(vocabulary.values()) + 1
    if highest > MOST:
        raise InputError(
            f"{where}: the tokenizer has {highest:,} entries; ids are stored as uint16, so at most {MOST:,}"
        )
    if getattr(tokenizer.model, "dropout", None):
        raise InputError(f"{where}: the tokenizer drops merges at random (dropout), so that no build could be repeated")
    ids = tokenizer.encode(_PROBE, add_special_tokens=False).ids
    back = tokenizer.decode(ids, skip_special_tokens=False)
    if back != _PROBE:
        place = next(
            (i for i, (a, b) in enumerate(zip(_PROBE, back, strict=False)) if a != b), min(len(_PROBE), len(back))
        )
        given, got = _PROBE[place : place + 12], back[place : place + 12]
        raise InputError(
            f"{where}: the tokenizer does not round-trip: {given!r} comes back as {got!r}; "
            "a corpus needs a byte-level one without a normaliser"
        )
    try:
        lengths = byte_lengths(tokenizer)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if int(lengths[ids].sum()) != len(_PROBE.encode()):
        raise InputError(
            f"{where}: the tokenizer's entries don't add up to the bytes of a text; expected a byte-level one"
        )
