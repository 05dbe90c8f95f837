"""Exact copies: texts that are equal but for white space, and the case of their prose."""

import functools
import hashlib
import re
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.arrays import njit
from socorpus.corpus.dedup.clusters import members, ranked
from socorpus.corpus.dedup.code_spans import code_spans
from socorpus.corpus.schema import SIGNALS


def text_hashes(documents: pa.Table) -> pa.Array:
    """Hash of the own text in NFKC, case folded, white space collapsed: binary(16)[n], BLAKE2b.

    Case is kept in code, inline code included, and in words behind a hyphen that joins no words: `-p` isn't `-P`.
    Superscripts, subscripts and fractions are kept too: 10² isn't 102.
    """
    texts = documents["text"]
    data, places = arrays.utf8(texts)
    ends = np.array(documents["own_end"], dtype=np.int64)
    code = code_spans(documents["segments"], ends, ("code", "inline_code"))
    folded, bounds, plain = (
        np.empty(int(ends.sum()), np.uint8),
        np.zeros(len(ends) + 1, np.int64),
        np.empty(len(ends), bool),
    )
    _fold(data, places[:-1], ends, code.firsts, code.begins, code.ends, folded, bounds, plain)
    view, edges = folded.data, bounds.tolist()
    hashes = [hashlib.blake2b(view[a:b], digest_size=16).digest() for a, b in pairwise(edges)]
    for row in np.flatnonzero(~plain).tolist():
        spans = slice(code.firsts[row], code.firsts[row + 1])
        own = _folded(texts[row].as_py()[: ends[row]], code.begins[spans].tolist(), code.ends[spans].tolist())
        hashes[row] = _digest(" ".join(own.split()))
    return pa.array(hashes, pa.binary(16))


def exact_survivors(hashes: pa.Array | pa.ChunkedArray, people: pa.Table) -> pa.Table:
    """Documents removed as exact copies, and their survivors: columns `document` int64, `survivor` string.

    Texts of nothing but white space are no copies of one another.

    Args:
        hashes: `text_hashes`, row for row with `people`; over many buckets, a group must have all rows of its hashes.
        people: `MEMBERS`.
    """
    people = people.append_column("cluster", hashes).filter(pc.not_equal(hashes, pa.scalar(_digest(""), pa.binary(16))))
    people = ranked(people)
    codes = people["cluster"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    best = first[group]
    removed = np.flatnonzero(best != np.arange(len(best)))
    keys = people["key"].take(pa.array(best[removed]))
    return pa.table({"document": people["document"].take(pa.array(removed)), "survivor": keys})


def exact_signals(documents: pa.Table, bucket: int, hashes: pa.Array, removed: pa.Table) -> pa.Table:
    """`SIGNALS["exact"]` of a bucket, from `exact_survivors` of any buckets."""
    ids = removed["document"].to_numpy()
    own = np.flatnonzero(ids >> 32 == bucket)
    places = np.full(documents.num_rows, -1)
    places[ids[own] & 0xFFFFFFFF] = own
    survivor = removed["survivor"].take(pa.array(places, mask=places < 0))
    columns = [documents["site"], documents["post_id"], hashes, survivor]
    return pa.table(columns, schema=SIGNALS["exact"])


def exact(documents: pa.Table) -> pa.Table:
    """`SIGNALS["exact"]` of one documents table: equal texts, and which of them survives (as for near duplicates)."""
    hashes = text_hashes(documents)
    return exact_signals(documents, 0, hashes, exact_survivors(hashes, members(documents, 0)))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_OPTION = re.compile(r"(?<!\w)-(\w+)")


def _folded(text: str, begins: list[int], ends: list[int]) -> str:
    """A text in NFKC and, but for its code and options, in lower case."""
    parts, done = [], 0
    for begin, end in zip([*begins, len(text)], [*ends, len(text)], strict=True):
        prose = text[done:begin]
        last = 0
        for option in _OPTION.finditer(prose):
            parts += [_normal(prose[last : option.start(1)]).casefold(), _normal(option[1])]
            last = option.end()
        parts += [_normal(prose[last:]).casefold(), _normal(text[begin:end])]
        done = end
    return "".join(parts)


def _normal(text: str) -> str:
    """NFKC of all but superscripts, subscripts and fractions."""
    return "".join(
        part if number % 2 else unicodedata.normalize("NFKC", part) for number, part in enumerate(_raised().split(text))
    )


@functools.cache
def _raised() -> re.Pattern[str]:
    """Superscripts, subscripts and fractions: NFKC would make them ordinary digits and letters."""
    tags = ("<super>", "<sub>", "<fraction>")
    signs = (chr(point) for point in (*range(0x80, 0xFFFF), *range(0x10780, 0x107C0), *range(0x1E030, 0x1E070)))
    kept = "".join(sign for sign in signs if unicodedata.decomposition(sign).startswith(tags))
    return re.compile(f"([{re.escape(kept)}])")


@njit(cache=True, nogil=True)
def _fold(data, starts, ends, firsts, code_begins, code_ends, out, bounds, plain):  # type: ignore[no-untyped-def]
    """Of texts in ASCII, the first `ends` bytes in lower case with white space collapsed; the others are left empty.

    The case of code stays, and that of a word behind a hyphen with no word before it.
    """
    written = 0
    for row in range(len(starts)):
        first = written
        gap = False
        plain[row] = True
        code, last_code = firsts[row], firsts[row + 1]
        keeps, before = False, 32
        for i in range(starts[row], starts[row] + ends[row]):
            byte = data[i]
            if byte > 127:
                # From here on code points are no bytes, and folding is Python's.
                plain[row] = False
                written = first
                break
            while code < last_code and i - starts[row] >= code_ends[code]:
                code += 1
                keeps, before = False, 32
            in_code = code < last_code and i - starts[row] >= code_begins[code]
            in_word = 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 95
            if not in_word:
                between = 48 <= before <= 57 or 65 <= before <= 90 or 97 <= before <= 122 or before == 95
                keeps = byte == 45 and not between
            before = byte
            if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
                gap = written > first
                continue
            if gap:
                out[written] = 32
                written += 1
                gap = False
            out[written] = byte + 32 if 65 <= byte <= 90 and not (keeps or in_code) else byte
            written += 1
        bounds[row + 1] = written
