"""What tells texts apart that have the same words: signs and words that matter, of prose.

In code each token matters. In prose most signs are punctuation, so here is which are not: those of numbers, options,
operators, variables and calls. And some words are short, but turn what a sentence says.
"""

import functools

import numpy as np

from socorpus.corpus.arrays import UInt8, UInt64, njit, readonly
from socorpus.corpus.words import tables
from socorpus.corpus.words.kernel import LETTER, SIGN, START, WORD, decode

NEGATIONS = dict.fromkeys(("not", "no", "never", "none", "nor", "neither", "without")) | {
    "don't": "do",
    "dont": "do",
    "doesn't": "does",
    "doesnt": "does",
    "didn't": "did",
    "can't": "can",
    "cant": "can",
    "cannot": "can",
    "couldn't": "could",
    "won't": "will",
    "wouldn't": "would",
    "shouldn't": "should",
    "isn't": "is",
    "aren't": "are",
    "wasn't": "was",
    "weren't": "were",
    "hasn't": "has",
    "haven't": "have",
    "hadn't": "had",
    "mustn't": "must",
    "needn't": "need",
}
"""Words that turn what a sentence says, and the word that is left without that: "shouldn't" is "should not"."""
OPPOSITES = (
    *("true", "false", "yes", "always", "before", "after"),
    *("enable", "enables", "enabled", "enabling", "disable", "disables", "disabled", "disabling"),
)
"""Words that differ where answers say opposite things."""
COURTESY = (
    *("hi", "hello", "hey", "thanks", "thank", "thx", "you", "so", "very", "much", "a", "lot", "in", "advance", "hope"),
    *("this", "that", "it", "helps", "help", "good", "luck", "cheers", "regards", "best", "please"),
)
"""Words that may differ between copies of a short text."""

IS_NEGATION, IS_OPPOSITE, IS_COURTESY = 1, 2, 3
ALWAYS, HYPHEN, PREFIX, BETWEEN, CALL = 1, 2, 3, 4, 5
"""How a sign is read."""
_LETTER, _CONNECTOR, _IDEOGRAPH, _LONE = tables.LETTER, tables.CONNECTOR, tables.IDEOGRAPH, tables.LONE
_SPACE, _NEWLINE, _LINE_FEED, _SYMBOL = tables.SPACE, tables.NEWLINE, tables.LINE_FEED, tables.SYMBOL
PLACES = np.uint64(1023)
"""Mask of a hash: the first place in the table of `roles` where its word may be."""


@functools.cache
def roles() -> tuple[UInt64, UInt8, UInt64]:
    """Words with a role in a table of hashes: the hash of the word at its place or behind it, 0 where there is none.

    Beside it the role, and of a negation the hash of the word that is left, or 0.
    """
    hashes, kinds, stems = np.zeros(1024, np.uint64), np.zeros(1024, np.uint8), np.zeros(1024, np.uint64)
    for role, words in ((IS_NEGATION, NEGATIONS), (IS_OPPOSITE, OPPOSITES), (IS_COURTESY, COURTESY)):
        for word in words:
            value = _word_hash(word)
            place = value & 1023
            while hashes[place]:
                place = (place + 1) & 1023
            hashes[place], kinds[place] = value, role
            if role == IS_NEGATION and (stem := NEGATIONS[word]) is not None:
                stems[place] = _word_hash(stem)
    return readonly(hashes), readonly(kinds), readonly(stems)


def _word_hash(word: str) -> int:
    """The hash that `kernel.cut` gives a word in small letters of ASCII."""
    value = int(START)
    for byte in word.encode():
        value = (value ^ byte) * int(LETTER) % (1 << 64)
    return value


@functools.cache
def sign_kinds() -> UInt8:
    """How each sign of ASCII is read in prose, uint8[128]."""
    kinds = np.zeros(128, np.uint8)
    for kind, signs in (
        (ALWAYS, "#%*<=>@\\^|~$+{}[]"),
        (HYPHEN, "-"),
        (PREFIX, ".!"),
        (BETWEEN, "/&"),
        (CALL, "("),
    ):
        kinds[[ord(sign) for sign in signs]] = kind
    return readonly(kinds)


@njit(cache=True, nogil=True)
def role_of(word, hashes):  # type: ignore[no-untyped-def]
    """The place of a word with a role, by its hash; where its hash is 0, it has none."""
    place = np.int64(word & PLACES)
    while hashes[place] != 0 and hashes[place] != word:
        place = (place + 1) & 1023
    return place


@njit(cache=True, nogil=True)
def _follows(data, p, stop, classes):  # type: ignore[no-untyped-def]
    """What is at byte p: 2 part of a word, 1 a sign, 0 white space or the end."""
    if p >= stop:
        return 0
    kind = classes[decode(data, p, stop)[0]] & 31
    if _LETTER <= kind <= _CONNECTOR or _IDEOGRAPH <= kind <= _LONE:
        return 2
    return 0 if _SPACE <= kind <= _NEWLINE or kind == _LINE_FEED else 1


@njit(cache=True, nogil=True)
def means_something(data, p, q, run, stop, before, new_line, kind, classes):  # type: ignore[no-untyped-def]
    """Whether a sign of prose at bytes p to q, in a run of the same sign up to `run`, tells texts apart."""
    follows = _follows(data, q, stop, classes)
    if new_line and follows == 0:  # of a list, a heading, a quotation
        return False
    if data[p] >= 0x80:
        return classes[decode(data, p, stop)[0]] & 31 == _SYMBOL
    touches = before >= WORD
    if kind == HYPHEN:  # of a number, of an option; not of a word, not a dash
        return not touches and _follows(data, run, stop, classes) == 2
    if kind == PREFIX:  # .NET, !x, !=
        doubled = before == SIGN and data[p - 1] == data[p]
        return not touches and not doubled and (follows == 2 or (data[p] == 33 and q < stop and data[q] == 61))
    if kind == BETWEEN:
        return not touches or follows == 1
    if kind == CALL:  # f(x); not word(s)
        return touches and follows > 0 and not (data[q] == 115 and q + 1 < stop and data[q + 1] == 41)
    return kind == ALWAYS
