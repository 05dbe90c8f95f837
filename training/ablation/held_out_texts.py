"""The texts on which all proxies of an ablation are scored: the same for each, and in the training text of none.

They come from the validation split of the corpus as it is, in its own text and tokens. A document is left out if a
variant trains on its thread, or on a duplicate of it by any variant's signals: at the lowest threshold of any, since a
variant with a higher one knows less. Of what is left, the documents that every variant has in its own validation split
are the common ones: no variant is scored on texts that it would throw away.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.training.config import Config
from socorpus.training.pretrain.data import dataloader, masking, packing, shard_reader
from socorpus.training.pretrain.data.packing import Pack
from socorpus.training.pretrain.data.shard_reader import ShardCorpus, Vocabulary

FEW_THREADS = 50
"""Held-out threads below which a note warns of wide intervals."""
_COLUMNS = ["site", "post_id", "thread_id"]


@dataclass(frozen=True)
class Document:
    """A held-out document: key and thread, whether it is common, its tokens, and whether each of these is code."""

    key: str
    thread: str
    common: bool
    ids: npt.NDArray[np.uint16]
    code: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOutTexts:
    """The held-out documents, in a fixed order.

    Attributes:
        counts: documents of the validation split; of these with a thread, and with a duplicate, in the training text of
            a variant; left; common; and drawn of both.
    """

    documents: tuple[Document, ...]
    counts: Mapping[str, int]

    @cached_property
    def common(self) -> npt.NDArray[np.bool_]:
        """Whether each document is a common one, bool[documents]."""
        return np.array([document.common for document in self.documents], np.bool_)

    @cached_property
    def threads(self) -> npt.NDArray[np.str_]:
        """The thread of each document."""
        return np.array([document.thread for document in self.documents])

    @property
    def tokens(self) -> int:
        """Of all documents."""
        return sum(len(document.ids) for document in self.documents)

    @property
    def identity(self) -> str:
        """Fingerprint of the documents and their tokens."""
        hashed = [
            (document.key, hashlib.sha256(document.ids.tobytes() + document.code.tobytes()).hexdigest())
            for document in self.documents
        ]
        return files.fingerprint(hashed)

    def batches(
        self, config: Config, vocabulary: Vocabulary
    ) -> Iterator[tuple[dataloader.Batch, npt.NDArray[np.int64]]]:
        """Micro-batches, always masked alike, and the document of each position that is scored, int64[masked]."""
        room = config.model.max_length
        micro, pad = max(1, config.batch.micro // room), vocabulary.special["[PAD]"]
        held: list[tuple[Pack, npt.NDArray[np.int64]]] = []

        def batch() -> tuple[dataloader.Batch, npt.NDArray[np.int64]]:
            packs = [packed for packed, _ in held]
            hidden = [masking.mask(packed, config.validation.rate, config.masking, vocabulary, 0) for packed in packs]
            of = [owners[masked.places] for (_, owners), masked in zip(held, hidden, strict=True)]
            return dataloader.collate(packs, hidden, micro * room, pad), np.concatenate(of)

        for packed in self._packs(config, vocabulary):
            held.append(packed)
            if len(held) == micro:
                yield batch()
                held = []
        if held:
            yield batch()

    def _packs(self, config: Config, vocabulary: Vocabulary) -> Iterator[tuple[Pack, npt.NDArray[np.int64]]]:
        """Packs of whole documents, or their pieces, in order; and the document of each token."""
        room, specials = config.model.max_length, (vocabulary.special["[CLS]"], vocabulary.special["[SEP]"])
        pieces: list[tuple[int, npt.NDArray[np.int32], npt.NDArray[np.bool_]]] = []
        filled = number = 0

        def packed() -> tuple[Pack, npt.NDArray[np.int64]]:
            lengths = tuple(len(ids) for _, ids, _ in pieces)
            owners = np.repeat(np.array([of for of, _, _ in pieces], np.int64), lengths)
            ids, code = (np.concatenate([piece[part] for piece in pieces]) for part in (1, 2))
            return Pack(ids, code, lengths, (0, 0, number)), owners

        outside = np.zeros(1, np.bool_)
        for place, document in enumerate(self.documents):
            bounds = np.array([0, len(document.ids)], np.int64)
            for start, end in packing.pieces(bounds, room - 2, 0, config.data.cut):
                ids = np.concatenate([[specials[0]], document.ids[start:end], [specials[1]]]).astype(np.int32)
                code = np.concatenate([outside, document.code[start:end], outside])
                if pieces and filled + len(ids) > room:
                    yield packed()
                    pieces, filled, number = [], 0, number + 1
                pieces.append((place, ids, code))
                filled += len(ids)
        if pieces:
            yield packed()


def choose(base: ShardCorpus, others: Sequence[ShardCorpus], most: int) -> HeldOutTexts:
    """The held-out documents of an ablation.

    Args:
        base: the corpus as it is.
        others: those of the variants.
        most: tokens of common documents, and as many of others, that are drawn, by whole threads.

    Raises:
        InputError: no document is common.
    """
    every = [base, *others]
    trained = [_rows(corpus, "train") for corpus in every]
    train_keys, train_threads = (
        pc.unique(pa.chunked_array([chunk for some in trained for chunk in some[column].chunks], pa.string()))
        for column in ("key", "thread")
    )
    held = _rows(base, "validation")
    in_thread = _among(held["thread"], train_threads)
    tied = np.zeros(held.num_rows, np.bool_)
    looked: set[str] = set()
    for corpus in every:
        if (signals := _identity(corpus)) not in looked:  # the same as of another variant
            looked.add(signals)
            tied |= _among(held["key"], _tied(corpus, train_keys))
    common = ~in_thread & ~tied
    for corpus in others:
        common &= _among(held["key"], _rows(corpus, "validation")["key"].combine_chunks())
    clean = ~in_thread & ~tied
    counts = {
        "validation": held.num_rows,
        "thread_in_training": int(in_thread.sum()),
        "duplicate_in_training": int((tied & ~in_thread).sum()),
        "left": int(clean.sum()),
        "common": int(common.sum()),
    }
    if not counts["common"]:
        raise InputError(
            f"{base.folder}: none of the {held.num_rows:,} documents of its validation split is in that of every "
            f"variant and in the training text of none ({counts['thread_in_training']:,} are of threads and "
            f"{counts['duplicate_in_training']:,} have duplicates that a variant trains on); build the corpus with a "
            "larger split.validation, or vary less"
        )
    documents = tuple(_documents(base, held["thread"].to_pylist(), clean, common, most))
    drawn = {"drawn": len(documents), "drawn_common": sum(document.common for document in documents)}
    return HeldOutTexts(documents, {**counts, **drawn})


def _rows(corpus: ShardCorpus, split: str) -> pa.Table:
    """Key and thread of each document of a split, in the order of its shards."""
    names = sorted(name for name in corpus.manifest["files"] if name.startswith(f"shards/{split}/"))
    tables = [_named(parquet.read(corpus.root / name, columns=_COLUMNS)) for name in names]
    empty = pa.table({"key": pa.array([], pa.string()), "thread": pa.array([], pa.string())})
    return pa.concat_tables([empty, *tables])


def _named(rows: pa.Table) -> pa.Table:
    return pa.table({name: _key(rows, column) for name, column in (("key", "post_id"), ("thread", "thread_id"))})


def _key(rows: pa.Table, column: str) -> pa.ChunkedArray:
    """SITE:NUMBER of each row, as in signals."""
    return pc.binary_join_element_wise(rows["site"].cast(pa.string()), rows[column].cast(pa.string()), ":")


def _among(values: pa.ChunkedArray, known: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_in(values, value_set=known), np.bool_)


def _identity(corpus: ShardCorpus) -> str:
    return files.fingerprint(
        {
            name: entry["sha256"]
            for name, entry in corpus.manifest["files"].items()
            if name.startswith(tuple(f"signals/{signal}/" for signal in ("near", "near_code", "exact")))
        }
    )


def _tied(corpus: ShardCorpus, train: pa.Array) -> pa.Array:
    """Keys of the documents that a corpus's signals tie to a document that is trained on."""
    tied = [pa.array([], pa.string())]
    for signal in ("near", "near_code", "exact"):
        names = [name for name in corpus.manifest["files"] if name.startswith(f"signals/{signal}/")]
        column = "survivor" if signal == "exact" else "cluster"
        keys, groups = list[pa.Array](), list[pa.Array]()
        tables = [parquet.read(corpus.root / name, columns=["site", "post_id", column]) for name in names]
        survivors = pc.unique(pa.chunked_array([pa.array([], pa.string()), *_chunks(tables, column)])).drop_null()
        for table in tables:
            key, group = _key(table, "post_id"), table[column]
            if signal == "exact":  # the survivor of copies is the name of their group
                group = pc.coalesce(group, pc.if_else(pc.is_in(key, value_set=survivors), key, None))
            named = pc.is_valid(group)
            keys += key.filter(named).chunks
            groups += group.filter(named).chunks
        key, group = (pa.chunked_array([pa.array([], pa.string()), *some]) for some in (keys, groups))
        trained_on = pc.unique(group.filter(pc.is_in(key, value_set=train)))
        tied += key.filter(pc.is_in(group, value_set=trained_on)).chunks
    return pc.unique(pa.chunked_array(tied))


def _chunks(tables: Sequence[pa.Table], column: str) -> list[pa.Array]:
    return [chunk for table in tables for chunk in table[column].chunks]


def _documents(
    base: ShardCorpus,
    threads: Sequence[str],
    clean: npt.NDArray[np.bool_],
    common: npt.NDArray[np.bool_],
    most: int,
) -> Iterator[Document]:
    """The documents that are drawn: threads by a hash of their names, until there are tokens enough."""
    place = 0
    by_thread: dict[str, list[Document]] = {}
    for group in base.row_groups("validation"):
        rows = _named(parquet.read_group(group.path, group.number, _COLUMNS))["key"].to_pylist()
        content = shard_reader.read(group)
        for row, key in enumerate(rows):
            start, end = content.bounds[row : row + 2].tolist()
            if clean[place] and end > start:
                tokens = content.ids[start:end], content.code[start:end]
                document = Document(key, threads[place], bool(common[place]), *tokens)
                by_thread.setdefault(document.thread, []).append(document)
            place += 1
    order = sorted(by_thread, key=lambda thread: hashlib.sha256(thread.encode()).digest())
    left = {True: most, False: most}
    for thread in order:
        for kind in (True, False):
            some = [document for document in by_thread[thread] if document.common is kind]
            if some and left[kind] > 0:
                left[kind] -= sum(len(document.ids) for document in some)
                yield from sorted(some, key=lambda document: document.key)


def by_thread(
    texts: HeldOutTexts, sums: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Sums of some documents added up by thread, float64[threads, figures], in the order of the threads' names."""
    names, place = np.unique(texts.threads[chosen], return_inverse=True)
    values = np.zeros((len(names), sums.shape[1]))
    np.add.at(values, place, sums[chosen])
    return values
