"""Overlap with benchmarks: the share of a benchmark's example that is in a document.

Word n-grams of each example and of each document are hashed by the kernel of near-duplicate detection; a document's
overlap is the largest share of one example's n-grams that it holds. Method: Brown et al., "Language Models are Few-Shot
Learners", 2020, appendix C (13-grams), counted by example so that a long document doesn't hide a copied question.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from socorpus.corpus import schema
from socorpus.corpus.config import Contamination
from socorpus.corpus.errors import InputError
from socorpus.corpus.signals.benchmark_files import SHORTEST, examples
from socorpus.corpus.storage import files as storage_files
from socorpus.corpus.words import words

_EVERYTHING = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Index:
    """The n-grams of all examples; picklable, so that it's built once and sent to every worker."""

    ngram: int
    files: tuple[str, ...]
    file: NDArray[np.int32]
    """Number of each example's file in `files`."""
    row: NDArray[np.int64]
    """Each example's row in its file, from 0: data rows, lines or parts between question headers."""
    size: NDArray[np.int64]
    """Distinct n-grams of each example."""
    hashes: NDArray[np.uint64]
    """Distinct n-gram hashes of all examples, ascending."""
    offsets: NDArray[np.int64]
    """`examples[offsets[i]:offsets[i + 1]]` are the examples that hold `hashes[i]`."""
    examples: NDArray[np.int64]
    seen: NDArray[np.bool_]
    """A table over the leading bits of a hash: false where no example has such a hash. Most n-grams end here."""
    skipped: int
    """Examples shorter than `SHORTEST` words, which aren't looked for."""


def build(files: Sequence[str], ngram: int) -> Index:
    """Index of benchmark files: .csv, .tsv, .jsonl, .parquet, .txt (an example a line, or CoNLL).

    Of a table, the string columns that hold prose (four words or more in most rows) are joined, in order. Tags of HTML
    are dropped. In CoNLL files (a token a line, its columns parted by tabs) a header `Question_ID` begins an example;
    without such headers an empty line does.

    Raises:
        InputError: names the file and the line that can't be read, and what was expected.
    """
    from socorpus.corpus.dedup.minhash import shingles

    texts: list[str] = []
    file: list[int] = []
    row: list[int] = []
    skipped = 0
    for number, name in enumerate(files):
        count = 0
        for example, text in enumerate(examples(Path(name))):
            count += 1
            if words.count(text) < SHORTEST:
                skipped += 1
                continue
            texts.append(text)
            file.append(number)
            row.append(example)
        if not count:
            raise InputError(f"{name}: holds no example; a benchmark file has one a row")
    sets = shingles(pa.array(texts, pa.large_string()), np.full(len(texts), _EVERYTHING, np.int32), ngram)
    holders = np.repeat(np.arange(len(texts)), np.diff(sets.offsets))
    order = np.argsort(sets.hashes, kind="stable")
    hashes, first = np.unique(sets.hashes[order], return_index=True)
    seen = np.zeros(1 << _bits(len(hashes)), np.bool_)
    seen[_slot(hashes, seen)] = True
    return Index(
        ngram=ngram,
        files=tuple(str(name) for name in files),
        file=np.array(file, np.int32),
        row=np.array(row, np.int64),
        size=np.diff(sets.offsets),
        hashes=hashes,
        offsets=np.append(first, len(order)).astype(np.int64),
        examples=holders[order],
        seen=seen,
        skipped=skipped,
    )


def files(config: Contamination) -> Sequence[str]:
    """The benchmark files that the configuration names."""
    return config.benchmarks


def make(config: Contamination, path: Path) -> dict[str, int]:
    """Write the index of the benchmark files, for the workers, atomically; counts its examples and the skipped ones."""
    index = build(config.benchmarks, config.ngram)
    # Prefixed, because no array may be called "file".
    arrays = {f"index_{field.name}": getattr(index, field.name) for field in dataclasses.fields(index)}
    storage_files.write_arrays(path, arrays)
    return {"examples": len(index.size), "skipped": index.skipped}


def load(path: Path) -> Index:
    """Read an index; once a process, for its many buckets."""
    return _load(path, storage_files.stamp(path))


@functools.lru_cache(maxsize=1)
def _load(path: Path, stamp: str) -> Index:
    saved = storage_files.read_arrays(path)
    fields: dict[str, Any] = {name.removeprefix("index_"): array for name, array in saved.items()}
    fields |= {name: int(fields[name]) for name in ("ngram", "skipped")}
    return Index(**fields | {"files": tuple(fields["files"].tolist())})


def find(documents: pa.Table, index: Index) -> pa.Table:
    """The benchmark example that overlaps most with each document: title of a question, text and comments.

    Returns:
        `schema.SIGNALS["contamination"]`, row for row with `documents`; of equal overlaps the first example is named.
    """
    if not len(index.size):
        n = documents.num_rows
        nothing = [pa.nulls(n, pa.string()), pa.nulls(n, pa.int64()), pa.array(np.zeros(n, np.float32))]
        key = [documents[name] for name in ("site", "post_id")]
        return pa.Table.from_arrays([*key, *nothing], schema=schema.SIGNALS["contamination"])
    from socorpus.corpus.dedup.minhash import shingles

    sets = shingles(_whole(documents), np.full(documents.num_rows, _EVERYTHING, np.int32), index.ngram)
    example, overlap = _best(sets.offsets, sets.hashes, index)
    overlaps = example >= 0
    names = pa.array([Path(name).name for name in index.files], pa.string())
    known = np.maximum(example, 0)
    if len(index.file):
        benchmark = names.take(pa.array(index.file[known], mask=~overlaps))
        rows = pa.array(index.row[known], mask=~overlaps)
    else:
        benchmark, rows = pa.nulls(len(example), pa.string()), pa.nulls(len(example), pa.int64())
    key = [documents[name] for name in ("site", "post_id")]
    return pa.Table.from_arrays([*key, benchmark, rows, pa.array(overlap)], schema=schema.SIGNALS["contamination"])


def _best(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint64], index: Index
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Number of the most overlapping example (-1: none), and its overlap, of each set of hashes."""
    documents = len(offsets) - 1
    best, overlap = np.full(documents, -1, np.int64), np.zeros(documents, np.float32)
    maybe = np.flatnonzero(index.seen[_slot(hashes, index.seen)])
    places = np.searchsorted(index.hashes, hashes[maybe])
    known = np.flatnonzero(places < len(index.hashes))
    known = known[index.hashes[places[known]] == hashes[maybe[known]]]
    if not len(known):
        return best, overlap
    rows = np.searchsorted(offsets, maybe[known], "right") - 1
    begins, lengths = index.offsets[places[known]], np.diff(index.offsets)[places[known]]
    # Every pair (document, example) that shares an n-gram, once for each that they share.
    steps = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    examples = index.examples[np.repeat(begins, lengths) + steps]
    pairs, shared = np.unique(np.repeat(rows, lengths) * len(index.size) + examples, return_counts=True)
    row, example = np.divmod(pairs, len(index.size))
    share = shared / index.size[example]
    order = np.lexsort((example, -share, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    best[row[first]], overlap[row[first]] = example[first], share[first]
    return best, overlap


def _bits(count: int) -> int:
    return min(28, max(10, (16 * count).bit_length()))


def _slot(hashes: NDArray[np.uint64], seen: NDArray[np.bool_]) -> NDArray[np.uint64]:
    return hashes >> np.uint64(64 - (len(seen).bit_length() - 1))


def _whole(documents: pa.Table) -> pa.ChunkedArray:
    """Text with its question's title before it: benchmarks of questions have both, in this order."""
    question = pc.equal(documents["kind"], "question")
    titles = pc.if_else(question, pc.fill_null(documents["title"], ""), "")
    large = pa.large_string()
    return pc.binary_join_element_wise(titles.cast(large), documents["text"].cast(large), pa.scalar("\n", large))
