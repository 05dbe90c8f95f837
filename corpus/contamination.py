"""Overlap with benchmarks: how much of an example that a model will be judged on is in a document.

Word n-grams of each example and of each document are hashed by the kernel of near-duplicate detection; a document's
overlap is the largest share of one example's n-grams that it holds. Method: Brown et al., "Language Models are Few-Shot
Learners", 2020, appendix C (13-grams), counted by example so that a long document doesn't hide a copied question.
"""

import csv
import dataclasses
import functools
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.receipts import atomic

SHORTEST = 8
"""Fewest words of an example that is looked for: shorter ones are in many texts by chance."""

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
    """A table over the leading bits of a hash: false where no example has such a one. Most n-grams end here."""
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
    from socorpus.corpus.minhash import shingles

    texts: list[str] = []
    file: list[int] = []
    row: list[int] = []
    skipped = 0
    for number, name in enumerate(files):
        count = 0
        for example, text in enumerate(_examples(Path(name))):
            count += 1
            if len(re.findall(r"\w+", text)) < SHORTEST:
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


def save(index: Index, path: Path) -> None:
    """Write an index for the workers, atomically."""
    # Prefixed, because one of the fields is called as savez's own parameter.
    arrays = {f"index_{field.name}": getattr(index, field.name) for field in dataclasses.fields(index)}
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


@functools.cache
def load(path: Path) -> Index:
    """Read an index; once a process, for its many buckets."""
    with np.load(path) as saved:
        fields: dict[str, Any] = {name.removeprefix("index_"): saved[name] for name in saved.files}
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
        key = [documents[name] for name in ("site", "post_id", "digest")]
        return pa.Table.from_arrays([*key, *nothing], schema=schema.SIGNALS["contamination"])
    from socorpus.corpus.minhash import shingles

    sets = shingles(_whole(documents), np.full(documents.num_rows, _EVERYTHING, np.int32), index.ngram)
    example, overlap = _best(sets.offsets, sets.hashes, index)
    found = example >= 0
    names = pa.array([Path(name).name for name in index.files], pa.string())
    at = np.maximum(example, 0)
    if len(index.file):
        benchmark = names.take(pa.array(index.file[at], mask=~found))
        rows = pa.array(index.row[at], mask=~found)
    else:
        benchmark, rows = pa.nulls(len(example), pa.string()), pa.nulls(len(example), pa.int64())
    key = [documents[name] for name in ("site", "post_id", "digest")]
    return pa.Table.from_arrays([*key, benchmark, rows, pa.array(overlap)], schema=schema.SIGNALS["contamination"])


def _best(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint64], index: Index
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Number of the most overlapping example (-1: none), and its overlap, of each set of hashes."""
    documents = len(offsets) - 1
    best, overlap = np.full(documents, -1, np.int64), np.zeros(documents, np.float32)
    maybe = np.flatnonzero(index.seen[_slot(hashes, index.seen)])
    at = np.searchsorted(index.hashes, hashes[maybe])
    known = np.flatnonzero(at < len(index.hashes))
    known = known[index.hashes[at[known]] == hashes[maybe[known]]]
    if not len(known):
        return best, overlap
    rows = np.searchsorted(offsets, maybe[known], "right") - 1
    begins, lengths = index.offsets[at[known]], np.diff(index.offsets)[at[known]]
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


# --- benchmark files -------------------------------------------------------------------------------------------------

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.S)
_SPACED = re.compile(r"\S*[^\W\d_]\S*")


def _examples(path: Path) -> Iterator[str]:
    readers: dict[str, Callable[[Path], Iterator[str]]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
        ".txt": _txt,
        ".conll": _txt,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: a benchmark file ends in {', '.join(readers)}, not {path.suffix or 'nothing'}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such benchmark file; see contamination.benchmarks in the configuration")
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start} of what was read: {error.reason}") from None


def _csv(path: Path) -> Iterator[str]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        rows: list[list[str]] = []
        try:
            header = next(reader, [])
            for cells in reader:
                if cells and len(cells) != len(header):
                    where = f"{path}:{reader.line_num}"
                    raise InputError(f"{where}: {len(cells)} cells in a row, {len(header)} columns in the header")
                if cells:
                    rows.append(cells)
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not a table that csv can read: {error}") from None
    yield from _joined(path, {name: [cells[at] for cells in rows] for at, name in enumerate(header)})


def _jsonl(path: Path) -> Iterator[str]:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                made = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}:{number}: not JSON: {error}") from None
            if not isinstance(made, dict):
                raise InputError(f"{path}:{number}: expected an object of columns, not {type(made).__name__}")
            rows.append(made)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [value if isinstance(value := row.get(name), str) else None for row in rows] for name in names}
    yield from _joined(path, columns)


def _parquet(path: Path) -> Iterator[str]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read: {error}") from None
    strings = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    yield from _joined(path, {name: table[name].to_pylist() for name in strings})


def _joined(path: Path, columns: dict[str, list[str | None]]) -> Iterator[str]:
    """The cells of the columns that hold prose, joined row by row, without tags."""
    plain = {name: [None if cell is None else _strip(cell) for cell in cells] for name, cells in columns.items()}
    prose = [cells for cells in plain.values() if _is_prose(cells)]
    if not prose:
        names = ", ".join(columns) or "none"
        raise InputError(f"{path}: no column holds text of four words or more; its string columns are: {names}")
    for cells in zip(*prose, strict=True):
        yield "\n".join(cell for cell in cells if cell)


def _is_prose(cells: list[str | None]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and median(len(_SPACED.findall(cell[:400])) for cell in filled) >= 4


def _strip(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text)).strip() if "<" in text or "&" in text else text


def _txt(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        lines = file.read().split("\n")
    filled = [line for line in lines if line.strip()]
    if sum("\t" in line for line in filled) * 2 > len(filled):
        yield from _conll(path, lines)
    else:
        yield from (_strip(line) for line in filled)


_MADE_UP = ("Question_ID", "Question_URL", "Answer_to_Question_ID", "CODE_BLOCK", "OP_BLOCK")
"""First words of sentences that annotators wrote, not the post's author."""


def _conll(path: Path, lines: list[str]) -> Iterator[str]:
    """Examples of a CoNLL file: what stands between two headers, or single sentences where there are none."""
    sentences: list[list[str]] = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            sentences.append([])
        elif "\t" not in line:
            raise InputError(f"{path}:{number}: expected a token and its label parted by a tab, not {line[:60]!r}")
        else:
            sentences[-1].append(line.split("\t", 1)[0].replace("-----", " "))
    headed = any(sentence[:1] == ["Question_ID"] for sentence in sentences)
    example: list[str] = []
    begun = False
    for sentence in filter(None, sentences):
        if begun and (not headed or sentence[0] in ("Question_ID", "Answer_to_Question_ID")):
            yield " ".join(example)
            example = []
        begun = True
        if sentence[0] not in _MADE_UP:
            example += sentence
    if begun:
        yield " ".join(example)
