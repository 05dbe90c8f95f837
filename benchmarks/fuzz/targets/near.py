"""Shingles of the compiled kernel against those of the words in Python, and the Jaccard index of their sets."""

import numpy as np
import pyarrow as pa

from benchmarks.fuzz.engine import Target, same, text
from socorpus.corpus.dedup import minhash
from socorpus.corpus.documents.spans import UNWANTED
from socorpus.corpus.schema import SEGMENT
from socorpus.corpus.words import tables
from socorpus.corpus.words.words import tokens, words

_INVISIBLE = (tables.FORMAT, tables.ZWJ)


def _fold(word: str, lower: bool) -> str:
    """A word without invisible format characters, in lower case but for its marks."""
    kinds, folded = tables.classes(), tables.folding()
    return "".join(
        chr(folded[ord(sign)]) if lower and kinds[ord(sign)] != tables.EXTEND else sign
        for sign in word
        if kinds[ord(sign)] not in _INVISIBLE
    )


def _shingles(found: list[str], width: int) -> set[tuple[str, ...]]:
    if not found:
        return set()
    return {tuple(found[i : i + width]) for i in range(len(found) - width + 1)} or {tuple(found)}


def check(data: bytes) -> None:
    """The first bytes are widths and ends, NUL bytes part texts."""
    width, least, end = (*data[:3], 1, 1, 1)[:3]
    width, least = 1 + width % 6, least % 8
    texts = [UNWANTED.sub("\ufffd", text(part)) for part in data[3:].split(b"\0")][:6]
    ends = np.array([min(end, len(value)) if number % 2 else len(value) for number, value in enumerate(texts)])
    sets = minhash.shingles(pa.array(texts, pa.string()), ends, width)
    expected = [
        _shingles([_fold(word, True) for word in words(value[:last])], width)
        for value, last in zip(texts, ends.tolist(), strict=True)
    ]
    same(sets.sizes.tolist(), [len(one) for one in expected], "sizes of the sets")
    left, right = (side.ravel() for side in np.indices((len(texts), len(texts))))
    similar = minhash.jaccard(sets, left, right)
    for a, b, measured in zip(left.tolist(), right.tolist(), similar.tolist(), strict=True):
        both = len(expected[a] | expected[b])
        if both:
            same(measured, len(expected[a] & expected[b]) / both, "Jaccard index")
    signatures = minhash.signatures(sets, 16, 1)
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        if expected[a] == expected[b]:
            assert np.array_equal(signatures[a], signatures[b]), "signatures of equal sets"
    segments, codes = [], []
    for value in texts:
        first, last = sorted((end % (len(value) + 1), len(value)))
        segments.append([{"kind": "code", "start": first, "end": last, "language": None, "id": 1}])
        code = [_fold(token, False) for token in tokens(value[first:last])]
        codes.append(_shingles(code, width) if len(code) >= max(1, least) else set())
    table = pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "own_end": pa.array([len(value) for value in texts], pa.int32()),
            "segments": pa.array(segments, pa.list_(SEGMENT)),
        }
    )
    same(minhash.code_shingles(table, width, least).sizes.tolist(), [len(one) for one in codes], "sizes of code's sets")


TARGET = Target(
    "near",
    check,
    seeds=[
        b"\x04\x02\xffHow do I read a file line by line?\0How do I read a file, line by line\0a+b == c[0]",
        b"\x02\x00\x05" + "\u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3\u0391\0İx ı\0x x x".encode(),
        b"\x00\x01\x10for (int i = 0; i < n; ++i) { sum += a[i]; }\0def f(x):\n    return x\0",
    ],
    tokens=[
        *(
            b"\0",
            b"a",
            b"A",
            b"aa ",
            b"word ",
            b" ",
            b"\n",
            b"_",
            b".",
            b"+",
            b"++",
            b"(",
            b"0",
            b"-1",
            b"'",
            b"\xc2\xa0",
        ),
        *(part.encode() for part in ("é", "É", "e\u0301", "İ", "ı", "Σ", "σ", "ς", "ß", "ẞ", "ǅ", "\u212a", "²", "٣")),
        *(part.encode() for part in ("日本", "한국", "ไทย", "हिन्दी", "😀", "\u200b", "\u0345", "\ufeff", "\U00010400")),
    ],
)
