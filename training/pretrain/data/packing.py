"""Packing of documents into sequences of at most `max_length` tokens that hold whole documents side by side.

Best-fit decreasing (Johnson 1974): the longest document first, each into the fullest pack that still takes it. Each row
group is packed separately, so its number and the pack's identify a pack for every reader.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pack:
    """Documents that are read together without seeing each other.

    `ids` int32[tokens], `code` bool[tokens] (whether a token lies in a code block), `lengths` the documents' tokens in
    order, special tokens included; `key` identifies the pack: epoch, row group, number.
    """

    ids: Ids
    code: Flags
    lengths: tuple[int, ...]
    key: tuple[int, int, int]


@dataclass(frozen=True)
class Group:
    """The documents of a row group, concatenated: `ids` uint16[tokens] (uint32 by another tokenizer than the corpus's)
    and `code` bool[tokens], split at `bounds`."""

    ids: npt.NDArray[Any]
    code: Flags
    bounds: npt.NDArray[np.int64]


def pieces(bounds: npt.NDArray[np.int64], room: int, overlap: int, cut: bool) -> list[tuple[int, int]]:
    """Start and end of documents in their group: one piece each, or more of at most `room` tokens for a long one.

    Args:
        bounds: int64[documents + 1]. An empty document gives no piece.
        overlap: tokens that neighbouring pieces share.
        cut: whether a long document is cut into pieces; otherwise only its first piece is read.
    """
    spans = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end - start <= room or not cut:
            if end > start:
                spans.append((start, min(end, start + room)))
            continue
        begin = start
        while True:
            spans.append((begin, min(begin + room, end)))
            if begin + room >= end:
                break
            begin += room - overlap
    return spans


def best_fit(lengths: list[int], room: int) -> list[list[int]]:
    """Indices of `lengths` by pack: best-fit decreasing into packs of `room`; equal lengths keep their order."""
    packs: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room left, pack), sorted: the first that fits is the fullest
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        slot = bisect_left(free, (length, -1))
        if slot < len(free):
            left, pack = free.pop(slot)
            packs[pack].append(index)
        else:
            left, pack = room, len(packs)
            packs.append([index])
        if left > length:
            insort(free, (left - length, pack))
    return packs


Piece = tuple[npt.NDArray[Any], Flags]
"""A document, or a piece of one, without special tokens: its ids, and a flag for those in code."""


def cut_out(group: Group, room: int, overlap: int, cut: bool) -> list[Piece]:
    """The pieces of a group's documents that fit packs of `room` tokens with their two special tokens."""
    spans = pieces(group.bounds, room - 2, overlap, cut)
    return [(group.ids[start:end], group.code[start:end]) for start, end in spans]


def pack(
    documents: list[Piece], room: int, specials: tuple[int, int], key: tuple[int, int], seed: int, first: int = 0
) -> list[Pack]:
    """The packs of some documents, or pieces of them, in an order drawn from (seed, key, first).

    Args:
        room: tokens of a pack.
        specials: ids of [CLS] and [SEP], which go before and after each piece.
        key: epoch and row group.
        first: the number of the first pack.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key, first])))
    documents = [documents[i] for i in random.permutation(len(documents)).tolist()]
    chosen = best_fit([len(ids) + 2 for ids, _ in documents], room)
    chosen = [chosen[i] for i in random.permutation(len(chosen)).tolist()]
    head, tail = (np.array([special], np.int32) for special in specials)
    outside = np.zeros(1, np.bool_)
    packs = []
    for number, members in enumerate(chosen, first):
        ids = [part for i in members for part in (head, documents[i][0], tail)]
        code = [part for i in members for part in (outside, documents[i][1], outside)]
        lengths = tuple(len(documents[i][0]) + 2 for i in members)
        packs.append(Pack(np.concatenate(ids).astype(np.int32), np.concatenate(code), lengths, (*key, number)))
    return packs


def part(packs: list[Pack], room: int) -> tuple[list[Pack], list[Piece]]:
    """Packs that are full except for at most 1/64 of their room, and the pieces of the others.

    Best fit leaves one or two packs of a group with much room; packing the pieces of several groups together fills it.
    """
    full = [packed for packed in packs if room - len(packed.ids) <= room // 64]
    rest: list[Piece] = []
    for packed in packs:
        if room - len(packed.ids) > room // 64:
            ends = np.cumsum(packed.lengths).tolist()
            for length, end in zip(packed.lengths, ends, strict=True):
                inner = slice(end - length + 1, end - 1)
                rest.append((packed.ids[inner].copy(), packed.code[inner]))
    return full, rest


def efficiency(packs: list[Pack], room: int) -> float:
    """Share of the packs' room that is filled."""
    return sum(len(packed.ids) for packed in packs) / max(1, room * len(packs))
