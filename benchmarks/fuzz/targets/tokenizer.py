"""The tokenizer: text comes back, ids are the library's, offsets tile the text; and tokenizer files of anybody's."""

import functools

import pyarrow as pa
from tokenizers import Tokenizer

from benchmarks.fuzz.engine import Target, same, text
from socorpus.corpus.documents.spans import UNWANTED
from socorpus.corpus.errors import InputError
from socorpus.corpus.tokenizer import bpe
from socorpus.labeling.tasks.entities import bio

_TRAINED = (
    "How do I read a file line by line?\n\n    with open('x') as f:\n\t\tfor line in f: print(line)\n",
    "don't DON'T 'tis we'll 1,234.56 a_b camelCase HTMLParser x != y && z -> naïve café 日本語 👩‍👧 \u2028\u00a0",
) * 3


@functools.cache
def _tokenizer() -> Tokenizer:
    return bpe.train(_TRAINED, 400)


def check(data: bytes) -> None:
    """NUL bytes part texts; an input that begins with `{` is a tokenizer's file."""
    if data.startswith(b"{"):
        try:
            bpe.parse(text(data), "tokenizer.json")
        except InputError as error:
            assert "tokenizer.json" in str(error)
        return
    texts = [UNWANTED.sub("\ufffd", text(part)) for part in data.split(b"\0")][:8]
    tokenizer = _tokenizer()
    ids = bpe.encode(tokenizer, pa.array(texts, pa.string())).to_pylist()
    same(tokenizer.decode_batch(ids, skip_special_tokens=False), texts, "texts that come back")
    same(ids, [entry.ids for entry in tokenizer.encode_batch(texts, add_special_tokens=False)], "ids of the library")
    lengths = bpe.byte_lengths(tokenizer)
    for value, numbers in zip(texts, ids, strict=True):
        offsets = bio.token_offsets(value, numbers, lengths)
        done = 0
        for start, end in offsets:
            assert start <= done and start < end and end >= done, offsets
            done = end
        same(done, len(value), "the end of the last token")


TARGET = Target(
    "tokenizer",
    check,
    seeds=[
        *(value.encode() for value in _TRAINED[:2]),
        b"[MASK] [CLS]<s>\0 x\0\n\n\r\n\t  y",
        b'{"version": "1.0", "model": {}}',
    ],
    tokens=[
        *(
            b"\0",
            b" ",
            b"  ",
            b"\n",
            b"\r\n",
            b"\t",
            b"'s",
            b"'ll",
            b"'",
            b"a",
            b"B",
            b"ab",
            b"1",
            b"23",
            b"_",
            b".",
            b"!=",
        ),
        *(b"[MASK]", b"[PAD]", b"[UNK]", b"</s>", b"\xc4\xa0", b"\xe2\x96\x81"),
        *(
            part.encode()
            for part in ("é", "e\u0301", "日本", "ไทย", "😀", "\u200d", "\ufe0f", "\u2028", "\u00a0", "½", "Σ")
        ),
        *(part.encode() for part in ("ǅ", "\U0010fffd", "\ufeff", "\u3000", "\x85", "\x1c")),
    ],
)
