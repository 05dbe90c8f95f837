"""The corpora of a run: the one of the command line, and those that the configuration adds (`[[data.corpora]]`).

All have the same tokenizer. The first one is the run's own: it gives an export its tokenizer, and a run with no other
reads it as ever. The others stand in the order of their fingerprints, so that neither their order in the file nor
their places matter to what is read.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.training.config import Config, MixedCorpus
from socorpus.training.pretrain.data import packing, shard_reader
from socorpus.training.pretrain.data.lanes import Order, Source
from socorpus.training.pretrain.data.shard_reader import RowGroup, ShardCorpus

_SAMPLED = 16


@dataclass(frozen=True)
class Part:
    """A corpus of a mixture: its name in logs; its `share` of the tokens, 1 over all; the weight and the passes that
    the configuration gives; the row groups of its train split, and of its validation split where it is needed."""

    corpus: ShardCorpus
    name: str
    share: float
    weight: float | None
    epochs: float | None
    groups: Sequence[RowGroup]
    held: Sequence[RowGroup]

    @property
    def tokens(self) -> int:
        """Tokens of the train split, without special tokens."""
        return self.corpus.train_tokens


@dataclass(frozen=True)
class Sample:
    """Documents of some row groups of a corpus: `lengths` of the pieces that are packed, special tokens included;
    `packed`, the tokens of one pass over the corpus, estimated from them; and `passes`, in tokens, after which it is
    used up: a fraction of `epochs` counts row groups, which may be of several sizes."""

    lengths: Sequence[int]
    packed: float
    passes: float


@dataclass(frozen=True)
class Reading:
    """The part of a run that a corpus has: tokens that are read of it, and after how many tokens of the run it is used
    up; None if it is not."""

    tokens: float
    used_up: float | None


@dataclass(frozen=True)
class Mixture:
    """The corpora of a run; the first is that of the command line."""

    parts: tuple[Part, ...]

    @property
    def own(self) -> ShardCorpus:
        """The corpus of the command line."""
        return self.parts[0].corpus

    @property
    def groups(self) -> int:
        """Row groups of the corpus that has most."""
        return max(len(part.groups) for part in self.parts)

    @property
    def plain(self) -> bool:
        """Whether it is one corpus, without an end."""
        return len(self.parts) == 1 and self.parts[0].epochs is None

    def sources(self) -> list[Source]:
        """The corpora as lanes read them."""
        return [
            # The first has the order and the masks that it has without others.
            Source(part.groups, part.share, part.epochs or math.inf, int(part.corpus.fingerprint[:16], 16) if n else 0)
            for n, part in enumerate(self.parts)
        ]

    def held_out(self) -> dict[str, Sequence[RowGroup]]:
        """Row groups of the validation splits by the corpora's names."""
        return {part.name: part.held for part in self.parts}

    def frequencies(self) -> npt.NDArray[np.float64]:
        """Share of each entry of the vocabulary among all tokens, float64[padded entries], by the corpora's shares."""
        each = [part.share * shard_reader.shares(part.groups, self.own.vocabulary) for part in self.parts]
        return np.sum(each, axis=0)

    def named(self, names: Mapping[str, str]) -> "Mixture":
        """With other names, by fingerprint: a run keeps those that it was begun with."""
        return Mixture(tuple(replace(part, name=names.get(part.corpus.fingerprint, part.name)) for part in self.parts))

    def sample(self, config: Config) -> list[Sample]:
        """Documents of evenly spaced row groups of each corpus, as they would be packed.

        Raises:
            InputError: a shard is missing or can't be read.
        """
        each = zip(self.parts, self.sources(), strict=True)
        return [_sample(part, source, config) for part, source in each]

    def readings(self, samples: Sequence[Sample], tokens: int) -> list[Reading]:
        """The course of a run of so many tokens: how much is read of each corpus.

        Raises:
            InputError: all corpora are used up before.
        """
        room = [sample.packed * sample.passes if sample.packed else 0.0 for sample in samples]
        if sum(room) < tokens:
            raise InputError(
                f"schedule.tokens is {tokens:,}, but the epochs of data.corpora end after {math.floor(sum(room)):,} "
                "tokens; lower schedule.tokens to that, raise an epochs, or leave it out for one corpus"
            )
        read, ends = [0.0] * len(room), [math.inf] * len(room)
        open_parts, past = list(range(len(room))), 0.0
        while open_parts and past < tokens:
            whole = sum(self.parts[n].share for n in open_parts)
            rates = {n: self.parts[n].share / whole for n in open_parts}
            stretch = min(tokens - past, *((room[n] - read[n]) / rates[n] for n in open_parts))
            past += stretch
            for n in open_parts:
                read[n] += stretch * rates[n]
                if read[n] >= room[n] * (1 - 1e-12):
                    ends[n] = past
            open_parts = [n for n in open_parts if ends[n] == math.inf]
        return [Reading(tokens_of, None if end >= tokens else end) for tokens_of, end in zip(read, ends, strict=True)]


def opened(root: Path, config: Config) -> Mixture:
    """The corpora of a run.

    Args:
        root: the corpus of the command line.

    Raises:
        InputError: a corpus is missing, damaged or empty; one has another tokenizer, or is named twice; or some corpora
            have weights and others none.
    """
    entries = config.data.corpora
    of_own = [entry for entry in entries if entry.corpus is None or _same_place(corpus_place(entry.corpus), root)]
    if len(of_own) > 1:
        raise InputError(
            f"data.corpora: {len(of_own)} tables are of {root}, the corpus of the command line (one without corpus is, "
            "too); leave one"
        )
    own = shard_reader.open_corpus(root, config.data.tokens, config.model.rows)
    others: list[tuple[ShardCorpus, MixedCorpus]] = []
    for entry in entries:
        if entry.corpus is not None and entry not in of_own:
            corpus = shard_reader.open_corpus(corpus_place(entry.corpus), config.data.tokens, config.model.rows)
            if corpus.vocabulary.identity != own.vocabulary.identity:
                raise InputError(
                    f"{corpus.folder}: its tokenizer is another one than that of {root}, and all corpora of a run need "
                    f"the same; build it again with tokenizer.path set to {root / 'tokenizer' / 'tokenizer.json'} in "
                    "its configuration"
                )
            others.append((corpus, entry))
    others.sort(key=lambda other: other[0].fingerprint)
    chosen = [(own, of_own[0] if of_own else MixedCorpus()), *others]
    for (corpus, _), (other, _) in combinations(chosen, 2):
        if corpus.fingerprint == other.fingerprint:
            raise InputError(
                f"data.corpora: {corpus.folder} and {other.folder} are the same corpus (equal shards); name it once, "
                "with the weight and the epochs of both"
            )
    shares = _shares(chosen)
    names = _names([str(corpus.folder.absolute()) for corpus, _ in chosen])
    validated = bool(config.validation.steps)
    return Mixture(
        tuple(
            Part(
                corpus,
                name,
                share,
                entry.weight,
                entry.epochs,
                corpus.row_groups("train"),
                corpus.row_groups("validation") if validated else (),
            )
            for (corpus, entry), name, share in zip(chosen, names, shares, strict=True)
        )
    )


def _same_place(place: Path, other: Path) -> bool:
    if "://" in str(place) or "://" in str(other):
        return str(place) == str(other)
    return os.path.realpath(place) == os.path.realpath(other)


def _shares(chosen: Sequence[tuple[ShardCorpus, MixedCorpus]]) -> list[float]:
    """Shares of the tokens, by weights or, if there are none, by sizes."""
    without = [str(corpus.folder) for corpus, entry in chosen if entry.weight is None]
    if without and len(without) < len(chosen):
        weighed = next(str(corpus.folder) for corpus, entry in chosen if entry.weight is not None)
        raise InputError(
            f"data.corpora: {weighed} has a weight and {', '.join(without)} has none; give each corpus one (a table "
            f"without corpus is of {chosen[0][0].folder}), or none, and shares follow their tokens"
        )
    sizes = [
        entry.weight if entry.weight is not None else max(1, corpus.train_tokens) * (entry.epochs or 1)
        for corpus, entry in chosen
    ]
    return [size / sum(sizes) for size in sizes]


def _names(places: Iterable[str]) -> list[str]:
    """The last parts of paths by which they differ, as few as make each differ from all others."""
    parts = [place.rstrip("/").split("/") for place in places]
    while len({part[-1] for part in parts}) == 1 < len(parts) and all(part[-2:-1] not in ([], [""]) for part in parts):
        parts = [part[:-1] for part in parts]
    depths = [1] * len(parts)
    while True:
        names = ["/".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        deeper = [
            depth + 1 if names.count(name) > 1 and depth < len(part) else depth
            for name, depth, part in zip(names, depths, parts, strict=True)
        ]
        if deeper == depths:
            return names
        depths = deeper


def passes(source: Source, seed: int, sizes: Sequence[float]) -> float:
    """Passes over a corpus before it is used up, in tokens: the last part of one reads only some row groups.

    Args:
        sizes: of the row groups, in any unit.
    """
    if source.epochs == math.inf:
        return math.inf
    whole, places = math.floor(source.epochs), source.epochs * len(sizes)
    order = Order(len(sizes), seed, source.salt)
    left = (min(1.0, places - place) * sizes[order[place][1]] for place in range(whole * len(sizes), math.ceil(places)))
    return whole + sum(left) / max(1.0, sum(sizes))


def _sample(part: Part, source: Source, config: Config) -> Sample:
    groups, data, room = part.groups, config.data, config.model.max_length
    lengths: list[int] = []
    tokens = 0
    sizes: list[float] = []
    for number in np.linspace(0, len(groups) - 1, min(_SAMPLED, len(groups))).astype(int).tolist():
        bounds = shard_reader.read(groups[number]).bounds
        own = [end - start + 2 for start, end in packing.pieces(bounds, room - 2, data.overlap, data.cut)]
        lengths += own
        sizes.append(sum(own))
        tokens += int(bounds[-1])
    if len(sizes) < len(groups):  # of so many their documents tell enough
        sizes = [group.rows for group in groups]
    return Sample(lengths, sum(lengths) / max(1, tokens) * part.tokens, passes(source, data.seed, sizes))


def described(mixture: Mixture) -> list[dict[str, Any]]:
    """What a run keeps of its corpora, their places apart; nothing of one corpus without an end."""
    if mixture.plain:
        return []
    return [
        {
            "name": part.name,
            "fingerprint": part.corpus.fingerprint,
            "weight": part.weight,
            "epochs": part.epochs,
            "share": part.share,
        }
        for part in mixture.parts
    ]
