"""From shards to batches: what a step reads, dealt to ranks, read ahead, and restored from a few integers.

A step takes the same number of packs from every lane (`lanes`), one of each in turn, and deals them to the ranks in
turn, so that its content is the same for any number of ranks. A rank reads the lanes from which it gets packs: some of
them, where the number of ranks divides that of lanes. The position of a run is that of its lanes.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training.config import Batch as BatchConfig
from socorpus.training.config import Config
from socorpus.training.pretrain.data.lanes import Blend, Position, Source, beginning, packer
from socorpus.training.pretrain.data.masking import Masked, mask
from socorpus.training.pretrain.data.packing import Pack
from socorpus.training.pretrain.data.shard_reader import RowGroup, Vocabulary

LANES = 16
"""Default number of lanes."""


@dataclass(frozen=True)
class Batch:
    """A micro-batch of `tokens` tokens, all packs in a row.

    `ids`, `positions` int64[tokens] (positions count from each document's start; the rest after the last document is
    padding, a document of its own); `lengths` the documents' tokens in order; `places` int64[masked] the positions to
    score, `labels` int64[masked]; `code` bool[masked].
    """

    ids: torch.Tensor
    positions: torch.Tensor
    lengths: tuple[int, ...]
    places: torch.Tensor
    labels: torch.Tensor
    code: torch.Tensor
    filled: int

    @property
    def documents(self) -> tuple[int, ...]:
        """The lengths of documents; those of the padding come last."""
        left, count = self.filled, 0
        while left > 0:
            left -= self.lengths[count]
            count += 1
        return self.lengths[:count]


@dataclass(frozen=True)
class Shape:
    """Division of a step: `lanes` of the whole run, `packs` per step over all ranks, `micro` packs per micro-batch."""

    lanes: int
    packs: int
    micro: int
    ranks: int

    def micro_batches(self, rank: int) -> int:
        """Micro-batches of a rank per step; the last may be filled up with padding."""
        return -(-len(range(rank, self.packs, self.ranks)) // self.micro)

    def lanes_of(self, rank: int) -> list[int]:
        """The lanes from which a rank gets packs."""
        return sorted({number % self.lanes for number in range(rank, self.packs, self.ranks)})


def shape(groups: int, length: int, batch: BatchConfig, ranks: int, lanes: int | None) -> Shape:
    """Divide a step among a number of data-parallel ranks.

    Raises:
        InputError: a step has fewer packs than there are ranks, or they can't be dealt to the lanes evenly.
    """
    packs = batch.tokens // length
    chosen = lanes or next(n for n in range(min(LANES, groups, packs), 0, -1) if packs % n == 0 and LANES % n == 0)
    if packs % chosen:
        raise InputError(
            f"batch.tokens is {packs} sequences of {length}; data.lanes ({chosen}) must divide them, and a run "
            f"keeps its lanes: give a multiple of {chosen * length:,} tokens"
        )
    if packs < ranks:
        raise InputError(
            f"batch.tokens is {packs} sequences of {length}, fewer than the {ranks} data-parallel ranks; use fewer "
            "ranks, or a larger batch.tokens"
        )
    own = -(-packs // ranks)
    most = max(1, batch.micro // length)
    exact = next(n for n in range(min(most, own), 0, -1) if own % n == 0)
    # Some padding in a step's last micro-batch costs less than many small ones.
    return Shape(chosen, packs, exact if 2 * exact > min(most, own) else -(-own // -(-own // most)), ranks)


def collate(packs: Sequence[Pack], masked: Sequence[Masked], tokens: int, pad: int) -> Batch:
    """Put packs side by side into a micro-batch of exactly `tokens` tokens."""
    filled = sum(len(packed.ids) for packed in packs)
    ids = np.full(tokens, pad, np.int64)
    positions = np.zeros(tokens, np.int64)
    lengths = tuple(length for packed in packs for length in packed.lengths)
    if filled:
        np.concatenate([hidden.ids for hidden in masked], out=ids[:filled], casting="same_kind")
        starts = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
        positions[:filled] = np.arange(filled) - starts
    shifts = np.cumsum([0, *(len(packed.ids) for packed in packs[:-1])])
    places = [hidden.places + shift for hidden, shift in zip(masked, shifts.tolist(), strict=True)]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        lengths if filled == tokens else (*lengths, *_padding(tokens - filled)),
        torch.from_numpy(np.concatenate(places) if places else np.zeros(0, np.int64)),
        torch.from_numpy(np.concatenate([hidden.labels for hidden in masked]) if masked else np.zeros(0, np.int64)),
        torch.from_numpy(np.concatenate([hidden.code for hidden in masked]) if masked else np.zeros(0, np.bool_)),
        filled,
    )


_PADDED = 128


def _padding(tokens: int) -> list[int]:
    # Short documents: padding should not cost attention either.
    whole, rest = divmod(tokens, _PADDED)
    return [_PADDED] * whole + ([rest] if rest else [])


class Stream:
    """The micro-batches of a rank, read ahead by a thread.

    Each step's micro-batches come one after another; `cursors` after a step's last one is the state to resume from: the
    positions of the lanes that the rank reads.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        sources: Sequence[Source],
        cut: Shape,
        rank: int,
        cursors: Sequence[Position] | None,
        step: int,
        rate: Callable[[int], float],
    ) -> None:
        """Begin at `step` with the positions of all lanes; `rate` gives a step's masking rate."""
        self._config, self._vocabulary, self.cut, self._rate, self._step = config, vocabulary, cut, rate, step
        packs_of = packer(config, vocabulary)
        starts = list(cursors) if cursors is not None else [beginning(len(sources))] * cut.lanes
        if len(starts) != cut.lanes:
            raise InputError(f"the run was begun with {len(starts)} lanes; set data.lanes to that, not {cut.lanes}")
        self._rank = rank
        self._lanes = {n: Blend(n, cut.lanes, sources, packs_of, starts[n]) for n in cut.lanes_of(rank)}
        self._ready: queue.Queue[tuple[Batch, dict[int, Position]] | BaseException] = queue.Queue(config.data.ahead)
        self._stop = threading.Event()
        self.cursors: dict[int, Position] = {n: lane.position for n, lane in self._lanes.items()}
        self._thread = threading.Thread(target=self._fill, name="reader", daemon=True)
        self._thread.start()

    def next(self) -> Batch:
        """The next micro-batch.

        Raises:
            BuildError: reading has stalled for `data.stall_minutes`.
            SocorpusError: reading failed.
        """
        minutes = self._config.data.stall_minutes
        try:
            got = self._ready.get(timeout=60 * minutes)
        except queue.Empty:
            raise BuildError(
                f"no data was read from the shards for {minutes:g} minutes; check their disk or network"
            ) from None
        if isinstance(got, BaseException):
            raise got
        batch, self.cursors = got
        return batch

    def close(self) -> None:
        """Stop reading ahead."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                continue

    def _fill(self) -> None:
        try:
            for prepared in self._batches():
                while not self._stop.is_set():
                    try:
                        self._ready.put(prepared, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if self._stop.is_set():
                    return
        except BaseException as error:
            self._ready.put(error)

    def _batches(self) -> Iterator[tuple[Batch, dict[int, Position]]]:
        config, vocabulary, cut = self._config, self._vocabulary, self.cut
        tokens = cut.micro * config.model.max_length
        pad = vocabulary.special["[PAD]"]
        step = self._step

        while True:
            rate = self._rate(step)
            own: list[Pack] = []
            for first in range(0, cut.packs, cut.lanes):
                for n, lane in self._lanes.items():
                    packed = lane.next()
                    if (first + n) % cut.ranks == self._rank:  # else it is another rank's
                        own.append(packed)
            cursors = {n: lane.position for n, lane in self._lanes.items()}
            for first in range(0, len(own), cut.micro):
                packs = own[first : first + cut.micro]
                masked = [mask(packed, rate, config.masking, vocabulary, config.data.seed) for packed in packs]
                yield collate(packs, masked, tokens, pad), cursors
            step += 1


def held_out(
    config: Config, vocabulary: Vocabulary, groups: Sequence[RowGroup], rank: int, ranks: int
) -> Iterator[Batch]:
    """Micro-batches of a held-out split for one of the ranks, always masked alike, up to `validation.tokens` in all.

    All ranks together have the same texts, whatever their number.
    """
    room = config.model.max_length
    packs_of, micro = packer(config, vocabulary), max(1, config.batch.micro // room)
    held: list[Pack] = []
    pad = vocabulary.special["[PAD]"]

    def batch() -> Batch:
        masked = [mask(packed, config.validation.rate, config.masking, vocabulary, 0) for packed in held]
        return collate(held, masked, micro * room, pad)

    def every() -> Iterator[Pack]:
        left = config.validation.tokens
        for number, group in enumerate(groups):
            for packed in packs_of.all(group, 0, number):
                if left <= 0:
                    return
                left -= len(packed.ids)
                yield packed

    for packed in islice(every(), (rank - 1) % ranks, None, ranks):
        held.append(packed)
        if len(held) == micro:
            yield batch()
            held = []
    if held:
        yield batch()
