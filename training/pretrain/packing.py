"""Documents into packs: sequences of at most `max_length` tokens in which whole documents stand side by side.

Best-fit decreasing (Johnson 1974): the longest document first, each into the fullest pack that still takes it. A row
group is packed alone, so that a pack is known by its group and number, whoever reads it.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pack:
    """Documents that are read together; none sees another.

    `ids` int32[tokens], `code` bool[tokens] (whether a token lies in a code block), `lengths` the documents' tokens in
    order, special tokens included; `key` tells this pack from every other one: epoch, row group, number.
    """

    ids: Ids
    code: Flags
    lengths: tuple[int, ...]
    key: tuple[int, int, int]


@dataclass(frozen=True)
class Group:
    """The documents of a row group: `ids` uint16[tokens] and `code` bool[tokens] in a row, cut at `bounds`."""

    ids: npt.NDArray[np.uint16]
    code: Flags
    bounds: npt.NDArray[np.int64]


def pieces(bounds: npt.NDArray[np.int64], room: int, overlap: int, cut: bool) -> list[tuple[int, int]]:
    """Where documents lie in their group: one piece each, or several of at most `room` tokens for a long one.

    Args:
        bounds: int64[documents + 1]. A document of no tokens gives no piece.
        overlap: tokens that neighbouring pieces share.
        cut: whether what goes beyond the first piece is read too.
    """
    found = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end - start <= room or not cut:
            if end > start:
                found.append((start, min(end, start + room)))
            continue
        at = start
        while True:
            found.append((at, min(at + room, end)))
            if at + room >= end:
                break
            at += room - overlap
    return found


def best_fit(lengths: list[int], room: int) -> list[list[int]]:
    """Indices of `lengths` by pack: best-fit decreasing into packs of `room`; equal lengths keep their order."""
    packs: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room left, pack), sorted: the first that fits is the fullest
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        at = bisect_left(free, (length, -1))
        if at < len(free):
            left, pack = free.pop(at)
            packs[pack].append(index)
        else:
            left, pack = room, len(packs)
            packs.append([index])
        if left > length:
            insort(free, (left - length, pack))
    return packs


Piece = tuple[npt.NDArray[np.uint16], Flags]
"""A document, or a piece of one, without special tokens: its ids and which of them are code."""


def cut_out(group: Group, room: int, overlap: int, cut: bool) -> list[Piece]:
    """The pieces of a group's documents that fit packs of `room` tokens with their two special tokens."""
    found = pieces(group.bounds, room - 2, overlap, cut)
    return [(group.ids[start:end], group.code[start:end]) for start, end in found]


def pack(
    found: list[Piece], room: int, specials: tuple[int, int], key: tuple[int, int], seed: int, first: int = 0
) -> list[Pack]:
    """The packs of some pieces, in an order drawn from (seed, key, first).

    Args:
        room: tokens of a pack.
        specials: ids of [CLS] and [SEP], which go before and after each piece.
        key: epoch and row group.
        first: the number of the first pack.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key, first])))
    found = [found[i] for i in random.permutation(len(found)).tolist()]
    chosen = best_fit([len(ids) + 2 for ids, _ in found], room)
    chosen = [chosen[i] for i in random.permutation(len(chosen)).tolist()]
    head, tail = (np.array([one], np.uint16) for one in specials)
    outside = np.zeros(1, np.bool_)
    packs = []
    for number, members in enumerate(chosen, first):
        ids = [part for i in members for part in (head, found[i][0], tail)]
        code = [part for i in members for part in (outside, found[i][1], outside)]
        lengths = tuple(len(found[i][0]) + 2 for i in members)
        packs.append(Pack(np.concatenate(ids).astype(np.int32), np.concatenate(code), lengths, (*key, number)))
    return packs


def part(packs: list[Pack], room: int) -> tuple[list[Pack], list[Piece]]:
    """Packs that are full but for a sixty-fourth of their room, and the pieces of the others.

    Best fit leaves one or two packs of a group with much room: their pieces fill up when several groups' are packed
    together.
    """
    full = [one for one in packs if room - len(one.ids) <= room // 64]
    rest: list[Piece] = []
    for one in packs:
        if room - len(one.ids) > room // 64:
            ends = np.cumsum(one.lengths).tolist()
            for length, end in zip(one.lengths, ends, strict=True):
                inner = slice(end - length + 1, end - 1)
                rest.append((one.ids[inner].astype(np.uint16), one.code[inner]))
    return full, rest


def efficiency(packs: list[Pack], room: int) -> float:
    """Share of the packs' room that is filled."""
    return sum(len(one.ids) for one in packs) / max(1, room * len(packs))
