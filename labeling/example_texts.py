"""Examples: their texts without personal data, as in the shards, and the one place that stores and reads them.

Most texts are those of documents, or their beginnings, or they differ by an edit: what is stored is the difference
(`schema.STORED_EXAMPLES`). Documents with personal data are stored without it once for all tasks (`schema.TEXTS`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.config import Privacy
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import detect, display, redact
from socorpus.corpus.storage import files, parquet
from socorpus.labeling import schema

Mask = npt.NDArray[np.bool_]
_JUDGED = ("tags", *redact.COLUMNS)
"""Columns that an example has of its own where it is not its document, or the beginning of it."""
_OF_DOCUMENTS = ("kind", "created", "score", "url", "license", "author")
"""Columns that are always the document's."""


@dataclass(frozen=True)
class Published:
    """The documents of a bucket, of which most examples are made."""

    documents: pa.Table
    """`corpus.schema.DOCUMENTS`, at least the columns that examples have too."""
    clean: pa.Table
    """`_JUDGED` of these, row for row, personal data replaced."""

    def places(self, examples: pa.Table) -> tuple[npt.NDArray[np.int64], Mask]:
        """The row of each example's document (0 where there is none), and whether there is one."""
        place = pc.index_in(examples["post_id"], value_set=self.documents["post_id"].combine_chunks())
        rows = np.asarray(pc.fill_null(place, -1), dtype=np.int64)
        return np.maximum(rows, 0), rows >= 0


def published(documents: pa.Table, texts: pa.Table) -> Published:
    """Documents, some of which are replaced by their rows of `schema.TEXTS`."""
    place = pc.index_in(documents["post_id"], value_set=texts["post_id"].combine_chunks())
    if not texts.num_rows or place.null_count == len(place):
        return Published(documents, documents.select(_JUDGED).combine_chunks())
    known = np.asarray(pc.is_valid(place))
    rows = np.where(known, np.asarray(pc.fill_null(place, 0)) + documents.num_rows, np.arange(documents.num_rows))
    clean = {"tags": documents["tags"].combine_chunks()}
    clean |= {name: _taken([documents[name], texts[name]], rows) for name in redact.COLUMNS}
    return Published(documents, pa.table([clean[name] for name in _JUDGED], names=list(_JUDGED)))


def texts(documents: pa.Table, privacy: pa.Table) -> pa.Table:
    """The documents that have personal data, with placeholders for these.

    Args:
        privacy: `corpus.schema.SIGNALS["privacy"]` of these documents, row for row.

    Returns:
        `schema.TEXTS`.
    """
    some = pc.greater(pc.list_value_length(privacy["spans"]), 0)
    chosen = documents.select(schema.TEXTS.names).filter(some)
    return redact.table(chosen, privacy.filter(some)).cast(schema.TEXTS)


def redacted(examples: pa.Table, config: Privacy, published: Published | None = None) -> pa.Table:
    """Examples with placeholders for personal data and secrets in title and text; `segments` and `own_end` move along.

    Args:
        published: the documents; nothing is looked for in texts that are theirs.

    Returns:
        `schema.EXAMPLES`, row for row, `digest` filled.
    """
    whole = examples.cast(schema.EXAMPLES).combine_chunks()
    known = np.zeros(whole.num_rows, bool)
    place = np.zeros(whole.num_rows, np.int64)
    if published is not None and whole.num_rows:
        place, known = published.places(whole)
        documents = published.documents.select(redact.COLUMNS).take(pa.array(place))
        known &= _equal(whole, documents, redact.COLUMNS)
    if known.any() and published is not None:
        rest = whole.filter(pa.array(~known))
        rest = redact.table(rest, detect.find(rest, config))
        place[~known] = published.clean.num_rows + np.arange(rest.num_rows)
        replaced = whole
        for name in redact.COLUMNS:
            column = schema.EXAMPLES.get_field_index(name)
            taken = _taken([published.clean[name], rest[name]], place)
            field = schema.EXAMPLES.field(column)
            replaced = replaced.set_column(column, field, taken.cast(field.type))
    else:
        replaced = redact.table(whole, detect.find(whole, config))
    column = schema.EXAMPLES.get_field_index("digest")
    return replaced.set_column(column, schema.EXAMPLES.field(column), digests(replaced))


def stored(examples: pa.Table, published: Published) -> pa.Table:
    """Examples as they are stored.

    Args:
        examples: `schema.EXAMPLES` of some of the documents, without personal data.

    Returns:
        `schema.STORED_EXAMPLES`, row for row.

    Raises:
        ValueError: an example is of none of the documents.
    """
    whole = examples.combine_chunks()
    place, known = published.places(whole)
    if not known.all():
        raise ValueError(f"an example of post {whole['post_id'][int(np.argmin(known))]}, which is no document")
    documents = published.clean.take(pa.array(place))
    named = _equal(whole, documents, ("tags", "title"))
    same = named & _equal(whole, documents, redact.COLUMNS)
    head = np.array(pc.utf8_length(whole["text"]), np.int64)
    others = np.flatnonzero(~same)
    pieces = _differences(documents.take(pa.array(others)), whole.take(pa.array(others)))
    begun = np.array([piece.tail is None and not piece.text for piece in pieces], bool) & named[others]
    rows, head[others] = others[begun], [piece.head for piece in pieces]
    cut = _cut(documents.take(pa.array(rows)), head[rows])
    same[rows] = _equal(whole.take(pa.array(rows)), cut, redact.COLUMNS)
    tails = np.zeros((2, whole.num_rows), np.int32)
    tails[:, others] = np.array([piece.tail or (0, 0) for piece in pieces], np.int32).reshape(-1, 2).T
    texts: list[str | None] = [None] * whole.num_rows
    for row, piece in zip(others.tolist(), pieces, strict=True):
        texts[row] = piece.text or None
    own = pa.array(np.arange(whole.num_rows), mask=same)
    columns = {name: whole[name].take(own) if name in _JUDGED else whole[name] for name in whole.column_names}
    columns |= {"head": pa.array(head, pa.int32()), "text": pa.array(texts, pa.string())}
    for name, ends in zip(("tail_start", "tail_end"), tails, strict=True):
        columns[name] = pa.array(ends, mask=tails[1] == 0)
    return pa.table([columns[name] for name in schema.STORED_EXAMPLES.names], schema=schema.STORED_EXAMPLES)


@dataclass(frozen=True)
class _Difference:
    """What tells a text from another one, `of`: it is `of[:head] + text + of[slice(*tail)]`."""

    head: int
    text: str
    tail: tuple[int, int] | None


def _differences(documents: pa.Table, examples: pa.Table) -> list[_Difference]:
    """What tells the text of each example from its document's."""
    columns = [table[name].to_pylist() for table in (documents, examples) for name in ("text", "own_end")]
    differences = []
    for of, own_end, text, example_end in zip(*columns, strict=True):
        # A text without comments ends as the post's own does.
        end = own_end if example_end == len(text) else len(of)
        head = _common(of, text)
        shared = _common(of[head:end][::-1], text[head:][::-1])
        tail = (end - shared, end) if shared else None
        differences.append(_Difference(head, text[head : len(text) - shared], tail))
    return differences


def _common(text: str, other: str) -> int:
    """Length of the longest common beginning, in code points."""
    if text.startswith(other) or other.startswith(text):
        return min(len(text), len(other))
    size = min(len(text), len(other))
    points, others = (
        np.frombuffer(part[:size].encode("utf-32-le", "surrogatepass"), np.uint32) for part in (text, other)
    )
    return int(np.argmax(points != others))


def read(root: Path, task: str, bucket: str, columns: Sequence[str] = tuple(schema.EXAMPLES.names)) -> pa.Table:
    """The examples of a bucket, which lie in several files.

    Args:
        root: the tree of the corpus.
        columns: those wanted, of `schema.EXAMPLES`.

    Returns:
        These columns, in the order in which they are named.

    Raises:
        InputError: a file is of another version, or of other documents.
    """
    wanted = {*columns, *(("title", "text") if "digest" in columns else ())}
    judged = [name for name in _JUDGED if name in wanted]
    of_documents = [name for name in _OF_DOCUMENTS if name in wanted]
    path = root / schema.path(task, "examples", bucket)
    own = [name for name in schema.STORED_EXAMPLES.names if name in wanted and name not in _JUDGED]
    needed = [*own, *judged, "post_id", *((*_PLACES, "own_end") if judged else ())]
    rows = parquet.read(path, schema.STORED_EXAMPLES, list(dict.fromkeys(needed)))
    result = {name: rows[name] for name in own}
    if judged or of_documents:
        names = list(dict.fromkeys(["post_id", *judged, *of_documents]))
        documents = parquet.read(root / f"documents/{bucket}.parquet", columns=names).combine_chunks()
        place = pc.index_in(rows["post_id"], value_set=documents["post_id"].combine_chunks()).combine_chunks()
        if place.null_count:
            raise InputError(f"{path}: {place.null_count:,} examples are of no document; label the corpus again")
        result |= {name: documents[name].take(place) for name in of_documents}
        if judged:
            result |= _judged(root, bucket, rows, documents, np.asarray(place, dtype=np.int64), judged)
    if "digest" in columns:
        result["digest"] = digests(pa.table({name: result[name] for name in ("title", "text")}))
    fields = [schema.EXAMPLES.field(name) for name in columns]
    return pa.table([result[name] for name in columns], schema=pa.schema(fields, schema.EXAMPLES.metadata))


_PLACES = ("head", "tail_start", "tail_end")


def _judged(
    root: Path, bucket: str, rows: pa.Table, documents: pa.Table, place: npt.NDArray[np.int64], names: Sequence[str]
) -> dict[str, pa.Array]:
    """Some of the columns `_JUDGED`: the example's own, else those of `TEXTS`, else those of its document."""
    changed = [name for name in names if name != "tags"]
    texts = root / schema.texts_path(bucket)
    clean = parquet.read(texts, schema.TEXTS, ["post_id", *changed]) if changed and files.exists(texts) else None
    replaced, count = place, documents.num_rows
    if clean is not None and clean.num_rows:
        there = pc.index_in(rows["post_id"], value_set=clean["post_id"].combine_chunks()).combine_chunks()
        known = np.asarray(pc.is_valid(there))
        replaced = np.where(known, count + np.asarray(pc.fill_null(there, 0)), place)
        count += clean.num_rows
    own = np.asarray(pc.is_valid(rows["own_end"]))
    columns: dict[str, pa.Array] = {}
    for name in names:
        shared = [documents[name]] if clean is None or name == "tags" else [documents[name], clean[name]]
        before, chosen = (documents.num_rows, place) if name == "tags" else (count, replaced)
        if name == "text":
            columns[name] = _spliced(_taken(shared, chosen), rows)
        else:
            columns[name] = _taken([*shared, rows[name]], np.where(own, before + np.arange(len(own)), chosen))
    rest = {name: column for name, column in columns.items() if name in ("own_end", "segments")}
    if rest:
        ends = np.where(own, np.iinfo(np.int32).max, np.asarray(rows["head"], dtype=np.int64))
        cut = _cut(pa.table(rest), ends)
        columns |= {name: cut[name].combine_chunks() for name in rest}
    return columns


def _spliced(texts: pa.Array, rows: pa.Table) -> pa.Array:
    """The texts of examples from those of their posts."""
    head = np.asarray(rows["head"], dtype=np.int64)
    changed = np.asarray(pc.utf8_length(texts), dtype=np.int64) != head
    changed |= np.asarray(pc.or_(pc.is_valid(rows["text"]), pc.is_valid(rows["tail_start"])))
    if not changed.any():
        return texts
    chosen = rows.filter(pa.array(changed))
    columns = [texts.filter(pa.array(changed)), *(chosen[name] for name in ("head", "text", "tail_start", "tail_end"))]
    new = [
        f"{of[:end]}{text or ''}{of[first:last] if last is not None else ''}"
        for of, end, text, first, last in zip(*(column.to_pylist() for column in columns), strict=True)
    ]
    return pc.replace_with_mask(texts, pa.array(changed), pa.array(new, pa.string()))


def _cut(examples: pa.Table, length: npt.NDArray[np.int64]) -> pa.Table:
    """Examples cut to some lengths in code points, those of their columns that are there; segments behind go."""
    if "text" in examples.column_names:
        texts = examples["text"].combine_chunks()
        kept = zip(texts.to_pylist(), length.tolist(), strict=True)
        new = pa.array([text[:end] for text, end in kept], pa.string())
        examples = examples.set_column(examples.schema.get_field_index("text"), "text", new)
    if "own_end" in examples.column_names:
        ends = np.minimum(np.asarray(examples["own_end"], dtype=np.int64), length)
        column = examples.schema.get_field_index("own_end")
        examples = examples.set_column(column, "own_end", pa.array(ends, pa.int32()))
    if "segments" in examples.column_names:
        flat, bounds = arrays.lists(examples["segments"])
        left = flat.field("start").to_numpy(zero_copy_only=False) < np.repeat(length, np.diff(bounds))
        if not left.all():
            bounds = np.r_[0, np.cumsum(left)][bounds]
            segments = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), flat.filter(pa.array(left)))
            column = examples.schema.get_field_index("segments")
            examples = examples.set_column(column, "segments", segments.cast(examples.schema.field(column).type))
    return examples


def _taken(sources: Sequence[pa.ChunkedArray | pa.Array], rows: npt.NDArray[np.int64]) -> pa.Array:
    """Rows of columns that lie one below the other."""
    kind = sources[0].type
    # Names of lists' items are not always the same in files and in memory.
    alike = [source if source.type.equals(kind, check_metadata=True) else source.cast(kind) for source in sources]
    chunks = [
        chunk for source in alike for chunk in (source.chunks if isinstance(source, pa.ChunkedArray) else [source])
    ]
    return pa.chunked_array(chunks, kind).take(pa.array(rows)).combine_chunks()


def _equal(left: pa.Table, right: pa.Table, columns: Iterable[str]) -> Mask:
    """The rows in which two tables have the same values of some columns."""
    equal = np.ones(left.num_rows, bool)
    for name in columns:
        values, others = (table[name].combine_chunks() for table in (left, right))
        equal &= (_equal_lists if pa.types.is_list(values.type) else _equal_values)(values, others)
    return equal


def _equal_values(left: pa.Array, right: pa.Array) -> Mask:
    same = pc.fill_null(pc.equal(left, right), False)
    if left.null_count and right.null_count:
        same = pc.or_(same, pc.and_(pc.is_null(left), pc.is_null(right)))
    return np.asarray(same)


def _equal_lists(left: pa.ListArray, right: pa.ListArray) -> Mask:
    lengths = [np.asarray(pc.fill_null(pc.list_value_length(lists), 0)) for lists in (left, right)]
    equal: Mask = lengths[0] == lengths[1]
    rows = np.flatnonzero(equal)
    items = [lists.take(pa.array(rows)).flatten() for lists in (left, right)]
    fields = [item.flatten() if pa.types.is_struct(item.type) else [item] for item in items]
    differ = np.zeros(len(items[0]), bool)
    for values, others in zip(*fields, strict=True):
        differ |= ~_equal_values(values, others)
    bounds = np.r_[0, np.cumsum(lengths[0][rows])]
    before = np.r_[0, np.cumsum(differ)]
    equal[rows] = before[bounds[1:]] == before[bounds[:-1]]
    return equal


def digests(examples: pa.Table) -> pa.Array:
    """Hash of title and text of each example, binary(16): equal where a person would see the same."""
    titles, texts = (examples[name].to_pylist() for name in ("title", "text"))
    seen = (
        f"{title or ''}\0{text}".encode("utf-8", "surrogatepass") for title, text in zip(titles, texts, strict=True)
    )
    return pa.array([hashlib.blake2b(content, digest_size=16).digest() for content in seen], pa.binary(16))


def evidence(values: Sequence[Mapping[str, Any]], config: Privacy) -> list[str]:
    """Evidence as JSON, with placeholders for personal data and secrets in all its texts; keys are kept."""
    # Many votes share their evidence, such as a name that occurs in many texts.
    raw = [_json(value) for value in values]
    distinct = dict(zip(raw, values, strict=True))
    texts = list(dict.fromkeys(text for value in distinct.values() for text in _texts(value)))
    # Checked as comments are: evidence may mention people.
    clean = dict(zip(texts, display.texts(texts, config, comments=True), strict=True)) if texts else {}
    if all(text == shown for text, shown in clean.items()):
        return raw
    replaced = {text: _json(_replaced(value, clean)) for text, value in distinct.items()}
    return [replaced[text] for text in raw]


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _replaced(value: Any, clean: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return clean[value]
    if isinstance(value, Mapping):
        return {name: _replaced(part, clean) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, clean) for part in value]
    return value


def within(examples: pa.Table, posts: pa.Array) -> pa.Table:
    """The examples of these posts, in order of post."""
    kept = examples.filter(pc.is_in(examples["post_id"], value_set=posts))
    return kept.take(pc.sort_indices(kept["post_id"]))
