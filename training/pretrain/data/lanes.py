"""The order of row groups and packs: of one corpus, or of a mixture of several.

Row groups are dealt to a fixed number of lanes. In an endless sequence of epochs, each a permutation of its own, lane
`i` of `n` has the groups `i`, `i + n`, `i + 2n` …; it packs one after another. Of several corpora each has a sequence
of its own, and the corpus of a pack follows from the pack's number in the whole run: the multiples of the golden ratio,
modulo one, fall into intervals as wide as the corpora's shares. Any stretch of them is spread more evenly than chance
would (Weyl 1916; Kronecker's sequence), so that shares hold over a few steps, too.

Nothing here depends on ranks, and a lane's position is four integers a corpus.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from socorpus.corpus.errors import InputError
from socorpus.training.config import Config
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.data.packing import Pack, Piece, cut_out, pack, part
from socorpus.training.pretrain.data.shard_reader import RowGroup, Vocabulary

TAILS = 8
"""Number of groups of a lane whose left-over documents are packed together."""

_TAIL_NUMBER = 1 << 20  # above the number of any pack of one group
_EPOCHS = 32
"""Bits of an epoch's number in the key of a pack; those above it are the corpus's."""
_GOLDEN = 0x9E3779B97F4A7C15
"""The fractional part of the golden ratio times 2**64, odd."""
_UNEVEN = 1.05
"""Most row groups that a lane may have, relative to the mean, of a corpus that is read so many times."""

Cursor = tuple[int, int]
"""Position in a corpus: the number of the next group in a lane's endless sequence, and packs of it already read."""

Position = tuple[tuple[int, int, int, int], ...]
"""Position of a lane: for each corpus its cursor, and the packs and tokens that were read of it in all."""


@dataclass(frozen=True)
class Source:
    """A corpus that a run reads: its train split's row groups, its `share` of the tokens, and the passes after which
    its share goes to the others (`epochs`). `salt` makes its order and masks others than those of another corpus.
    """

    groups: Sequence[RowGroup]
    share: float = 1.0
    epochs: float = math.inf
    salt: int = 0


class Order:
    """The row groups in the endless sequence of epochs, by place."""

    def __init__(self, groups: int, seed: int, salt: int = 0) -> None:
        self._groups, self._seed, self._salt = groups, seed, salt << _EPOCHS
        self._epoch, self._order = -1, list[int]()

    def __getitem__(self, place: int) -> tuple[int, int]:
        """(epoch, row group) of a place counted from 0; the salt is added to the epoch, above its 32 bits."""
        epoch, within = divmod(place, self._groups)
        if epoch != self._epoch:
            keys = [self._seed, 2, self._salt + epoch]
            random = np.random.Generator(np.random.Philox(np.random.SeedSequence(keys)))
            self._epoch, self._order = epoch, random.permutation(self._groups).tolist()
        return self._salt + epoch, self._order[within]


class Lane:
    """One stream of packs of a corpus, from a cursor on.

    Args:
        number, of: which of how many lanes.
        places: row groups of the whole sequence that are read, over all lanes; of the last one only the fraction that
            is left.
        split: (which, of): where some lanes share a group, the part of its packs that this one has.
    """

    def __init__(
        self,
        number: int,
        of: int,
        groups: Sequence[RowGroup],
        order: Order,
        cursor: Cursor,
        packer: "Packer",
        places: float = math.inf,
        split: tuple[int, int] = (0, 1),
    ) -> None:
        self._number, self._of = number, of
        self._groups, self._order, self._packer = groups, order, packer
        self._places, self._end, self._split = places, places, split
        self.cursor = cursor
        self._packs: list[Pack] = []
        self._tails: list[Piece] = []
        self._loaded: int | None = None

    @property
    def used_up(self) -> bool:
        """Whether it was found that there is no next pack: the cursor is behind the last place."""
        return self._place(self.cursor[0]) >= self._end

    def more(self) -> bool:
        """Whether there is a next pack; it is read if need be.

        Raises:
            InputError: no document of the split has a token, or a shard can't be read.
        """
        for _ in range(TAILS * self._split[1] * (len(self._groups) + 1)):
            turn, done = self.cursor
            if self.used_up:
                return False
            if self._loaded != turn:
                self._load(turn)
            if done < len(self._packs):
                return True
            self.cursor = (turn + 1, 0)
        raise InputError(f"{self._groups[0].path.parent}: the train split's documents have no tokens")

    def next(self) -> Pack:
        """The next pack.

        Raises:
            InputError: there is none.
        """
        if not self.more():
            raise InputError(f"{self._groups[0].path.parent}: this lane's row groups are used up")
        return self.take()

    def take(self) -> Pack:
        """The next pack, after `more` said that there is one."""
        turn, done = self.cursor
        self.cursor = (turn, done + 1)
        return self._packs[done]

    def go_beyond(self) -> None:
        """Read on after the last place."""
        self._end = math.inf

    def _place(self, turn: int) -> int:
        return self._number + turn * self._of

    def _load(self, turn: int) -> None:
        # After a resume the tails of the earlier groups are missing; they are read again.
        first = turn if self._loaded == turn - 1 else turn - turn % TAILS
        for index in range(first, turn + 1):
            if index % TAILS == 0:
                self._tails = []
            place = self._place(index)
            epoch, group = self._order[place]
            self._packs, rest = self._packer.packs(self._groups[group], epoch, group)
            if place + 1 > self._places > place:
                fraction = self._places - place
                self._packs = self._packs[: round(fraction * len(self._packs))]
                rest = rest[: round(fraction * len(rest))]
            self._tails += rest
            # With the last of a lane's groups come the documents that would wait for others.
            if index % TAILS == TAILS - 1 or place < self._places <= self._place(index + 1):
                self._packs += self._packer.tails(self._tails, epoch, group)
                self._tails = []
        which, of = self._split
        self._packs = self._packs[(which + turn) % of :: of]
        self._loaded = turn


class Blend:
    """One lane's packs of all corpora of a run, from a position on.

    The corpus of a pack follows from the pack's number in the run. Where one is used up, its share goes to the others;
    where all are (a run's last steps, since sizes are known to a percent), they are read once more.
    """

    def __init__(self, number: int, of: int, sources: Sequence[Source], packer: "Packer", position: Position) -> None:
        self._number, self._of, self._room = number, of, packer.config.model.max_length
        self._shares = [source.share for source in sources]
        self._lanes: list[Lane] = []
        for source, (turn, done, _, _) in zip(sources, position, strict=True):
            groups = len(source.groups)
            lanes = sublanes(of, groups, source.epochs, len(sources) == 1)
            order = Order(groups, packer.config.data.seed, source.salt)
            split = (number // lanes, of // lanes)
            places = source.epochs * groups
            self._lanes.append(Lane(number % lanes, lanes, source.groups, order, (turn, done), packer, places, split))
        self._open = self._left()
        self._packs = [packs for _, _, packs, _ in position]
        self._tokens = [tokens for _, _, _, tokens in position]

    @property
    def position(self) -> Position:
        """The position to go on from."""
        counts = zip(self._lanes, self._packs, self._tokens, strict=True)
        return tuple((*lane.cursor, packs, tokens) for lane, packs, tokens in counts)

    def next(self) -> Pack:
        """The next pack.

        Raises:
            InputError: as of `Lane.more`.
        """
        while not self._lanes[chosen := self._chosen()].more():
            self._open = self._left()
        packed = self._lanes[chosen].take()
        self._packs[chosen] += 1
        self._tokens[chosen] += len(packed.ids)
        return packed

    def _left(self) -> list[int]:
        """The corpora that are not used up, by the lanes' positions alone: a run that goes on has nothing else."""
        left = [number for number, lane in enumerate(self._lanes) if not lane.used_up]
        if not left:
            for lane in self._lanes:
                lane.go_beyond()
        return left or list(range(len(self._lanes)))

    def _chosen(self) -> int:
        """The corpus of the next pack: by shares of tokens, wider where the corpus's packs were less filled."""
        if len(self._open) == 1:
            return self._open[0]
        number = sum(self._packs) * self._of + self._number
        room, packs, tokens = self._room, self._packs, self._tokens
        widths = [self._shares[n] * room * (packs[n] + 1) / (tokens[n] + room) for n in self._open]
        left = (number * _GOLDEN % (1 << 64)) / (1 << 64) * sum(widths)
        for n, width in zip(self._open, widths, strict=True):
            left -= width
            if left < 0:
                return n
        return self._open[-1]


def sublanes(lanes: int, groups: int, epochs: float, alone: bool) -> int:
    """Lanes that a corpus's row groups are dealt to, a divisor of `lanes`; where it is smaller, lanes share a group.

    As many as there are groups, at most; and where the corpus is read a number of times, only as many as get about
    equal numbers of groups, so that it ends in all of them together.
    """
    if alone and epochs == math.inf:
        return lanes
    places = epochs * groups
    for number in (n for n in range(min(lanes, groups), 1, -1) if lanes % n == 0):
        if epochs == math.inf or -(-places // number) * number <= _UNEVEN * places:
            return number
    return 1


def beginning(sources: int) -> Position:
    """The position of a lane at the start of a run."""
    return ((0, 0, 0, 0),) * sources


def restored(saved: Sequence[Any]) -> Position:
    """The position of a lane in a checkpoint; those of earlier versions have only the cursor of one corpus."""
    if saved and isinstance(saved[0], int):
        return ((int(saved[0]), int(saved[1]), 0, 0),)
    return tuple((int(turn), int(done), int(packs), int(tokens)) for turn, done, packs, tokens in saved)


def tokens(positions: Sequence[Position]) -> list[int]:
    """Tokens that were read of each corpus, over the positions of all lanes."""
    return [sum(tokens for *_, tokens in of_corpus) for of_corpus in zip(*positions, strict=True)]


@dataclass(frozen=True)
class Packer:
    """Reads and packs row groups as a configuration says."""

    config: Config
    specials: tuple[int, int]

    def packs(self, group: RowGroup, epoch: int, number: int) -> tuple[list[Pack], list[Piece]]:
        """A row group's full packs, and the pieces that would leave a pack half empty."""
        return part(self.all(group, epoch, number), self.config.model.max_length)

    def all(self, group: RowGroup, epoch: int, number: int) -> list[Pack]:
        """All packs of a row group."""
        data, room = self.config.data, self.config.model.max_length
        pieces = cut_out(shard_reader.read(group), room, data.overlap, data.cut)
        return pack(pieces, room, self.specials, (epoch, number), data.seed)

    def tails(self, pieces: list[Piece], epoch: int, number: int) -> list[Pack]:
        """The packs of several groups' left-over pieces."""
        return pack(
            pieces, self.config.model.max_length, self.specials, (epoch, number), self.config.data.seed, _TAIL_NUMBER
        )


def packer(config: Config, vocabulary: Vocabulary) -> Packer:
    """The packer of a configuration."""
    return Packer(config, (vocabulary.special["[CLS]"], vocabulary.special["[SEP]"]))
