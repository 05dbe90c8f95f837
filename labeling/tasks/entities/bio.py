"""Spans of a text as BIO tags of its tokens, and back: over any token offsets, words, or a tokenizer's own tokens.

Offsets are code points. B- begins a span, I- continues it, O is outside; adjacent spans stay apart.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from socorpus.corpus.words import words as text_words
from socorpus.labeling.tasks.entities.spans import Span

Offsets = Sequence[tuple[int, int]]
"""Start and end of each token, sorted; a token within a character has the character's."""


def words(text: str) -> list[tuple[int, int]]:
    """Offsets of words and of single signs, as in CoNLL files: three for "can't", one for "cannot".

    They are the pieces of `corpus.words`: of scripts without spaces each letter is one.
    """
    return text_words.pieces(text)


def touched(tokens: Offsets, start: int, end: int) -> tuple[int, int]:
    """Range (first, last + 1) of the tokens that have a character in text[start:end]."""
    first = bisect_right(tokens, start, key=lambda token: token[1])
    last = bisect_left(tokens, end, key=lambda token: token[0])
    return first, max(first, last)


def tags(spans: Iterable[Span], tokens: Offsets) -> list[str]:
    """BIO tag of each token. A span takes every token that it touches; of two that touch a token, the first gets it.

    A span that touches no token (only white space) is lost.
    """
    labels = ["O"] * len(tokens)
    taken = 0
    for span in sorted(spans):
        first, last = touched(tokens, span.start, span.end)
        first = max(first, taken)
        if first < last:
            labels[first:last] = [f"I-{span.label}"] * (last - first)
            labels[first] = f"B-{span.label}"
            taken = last
    return labels


def spans(tags: Sequence[str], tokens: Offsets) -> list[Span]:
    """Spans of BIO tags: each from its first token's start to its last one's end. An I- that continues nothing begins.

    Raises:
        ValueError: the numbers of tags and tokens differ.
    """
    merged: list[Span] = []
    running = False
    for tag, (start, end) in zip(tags, tokens, strict=True):
        label = tag[2:]
        if tag[0] == "I" and running and merged[-1].label == label:
            merged[-1] = Span(merged[-1].start, end, label)
        elif label:
            merged.append(Span(start, end, label))
        running = bool(label)
    return merged


def token_offsets(text: str, ids: Sequence[int], lengths: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Offsets of a byte-level tokenizer's own tokens, such as the `input_ids` of shards: no tokenizer is run.

    A token of a part of a character's bytes has the offsets of the whole character, so tokens may overlap.

    Args:
        ids: of the whole text, without special tokens.
        lengths: bytes of text that each id stands for (`bpe.byte_lengths`).

    Raises:
        ValueError: the ids stand for another number of bytes than the text has.
    """
    data = np.frombuffer(text.encode(), np.uint8)
    ends = np.cumsum(lengths[np.asarray(ids, np.int64)], dtype=np.int64)
    if (ends[-1] if len(ends) else 0) != len(data):
        raise ValueError(f"{len(ids)} tokens stand for {ends[-1] if len(ends) else 0} bytes, the text has {len(data)}")
    # The code point of each byte.
    points = np.cumsum((data & 0xC0) != 0x80) - 1
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    return list(zip(points[starts].tolist(), (points[ends - 1] + 1).tolist(), strict=True)) if len(ends) else []
