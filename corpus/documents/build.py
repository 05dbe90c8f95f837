"""Posts and their comments -> documents: one text a post, with spans, and its metadata."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays, schema
from socorpus.corpus.arrays import Int32, Int64, lists
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import code_language, html, markdown
from socorpus.corpus.documents import spans as documents_spans

_QUESTION, _ANSWER = 1, 2
_SEPARATOR = "\n\n"
_KINDS = pa.array(schema.SEGMENT_KINDS)


def _milliseconds(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


# A contribution has the licence that held on the day it was made: 2.5, then 3.0, then 4.0.
_LICENSES = pa.array(["CC BY-SA 2.5", "CC BY-SA 3.0", "CC BY-SA 4.0"])
_LICENSE_STARTS = (_milliseconds(2011, 4, 8), _milliseconds(2018, 5, 2))


def build(
    posts: pa.Table,
    comments: pa.Table,
    history: pa.Table | None,
    authors: pa.Table | None,
    *,
    site: str,
    host: str | None,
    config: Documents,
) -> pa.Table:
    """Documents of the questions and answers in `posts`, sorted by post_id.

    Args:
        posts, comments, history: whole threads of one site, each with the columns of `schema.dump_schema`, and none
            without the values of `schema.NEEDED`; `history` is None where the site has no such table. Of rows with the
            same identifier the last one counts.
        authors: columns user_id and display_name.
        site: name of the site, the first half of the key.
        host: where the site is on the web, for `url`: a host ("beer.stackexchange.com") or a base address
            ("https://qa.example.com/base"); None where that is not known: `url` is null then.

    Returns:
        A table of `schema.DOCUMENTS`. A post without body and comments has an empty text.
    """
    posts = _posts(posts)
    identifiers = posts.column("post_id").to_numpy()
    answer = posts.column("post_type_id").to_numpy() == _ANSWER
    parents = pc.coalesce(posts.column("parent_id"), posts.column("post_id")).to_numpy()
    threads = np.where(answer, parents, identifiers)
    question = _places(identifiers, threads)
    known = np.where(question >= 0, question, np.arange(len(identifiers)))
    accepted_answer = pc.fill_null(posts.column("accepted_answer_id"), -1).to_numpy()
    titles = posts.column("title").take(pa.array(known))
    tags = _no_nulls(posts.column("tags").take(pa.array(known)))
    created = posts.column("creation_date").cast(pa.int64()).to_numpy()
    kinds = pc.if_else(pa.array(answer), "answer", "question")
    texts = _texts(posts, comments if config.comments else comments.slice(0, 0), tags)
    return pa.Table.from_arrays(
        [
            pa.repeat(pa.scalar(site, pa.string()), len(identifiers)),
            posts.column("post_id"),
            pa.array(threads),
            kinds,
            pa.array(created).cast(schema.TIME),
            posts.column("closed_date"),
            posts.column("last_edit_date"),
            pc.fill_null(posts.column("score"), 0),
            pa.array((known != np.arange(len(known))) & (accepted_answer[known] == identifiers) & answer),
            posts.column("view_count"),
            posts.column("answer_count"),
            pa.array(texts.comments.astype(np.int32)),
            _revisions(history, identifiers),
            tags,
            titles,
            texts.text,
            pa.array(texts.own_ends.astype(np.int32)),
            texts.segments(),
            texts.links(),
            _urls(host, answer, posts.column("post_id")),
            licenses(posts.column("content_license"), created),
            _authors(posts, authors),
            posts.column("owner_user_id"),
            _digests(kinds, titles, texts),
        ],
        schema=schema.DOCUMENTS,
    )


@dataclass(frozen=True)
class _Texts:
    """Texts of posts with their comments; spans as flat arrays, row i having `[bounds[i]:bounds[i + 1]]` of them."""

    text: pa.StringArray
    own_ends: Int64
    comments: Int64
    """Comments in each text."""
    bounds: Int64
    spans: Int32
    """Kind (place in `schema.SEGMENT_KINDS`), start, end, place in `languages`; shape [segments, 4]."""
    languages: pa.StringArray
    ids: Int64
    """Of the post or comment that a segment belongs to, shape [segments]."""
    link_bounds: Int64
    link_spans: Int32
    """Start, end; shape [links, 2]."""
    targets: pa.StringArray

    def segments(self) -> pa.ListArray:
        """The column `segments`."""
        kind, start, end = (pa.array(part) for part in np.ascontiguousarray(self.spans[:, :3].T))
        named = pa.array(self.spans[:, 3], mask=self.spans[:, 3] < 0)
        columns = [_KINDS.take(kind), start, end, self.languages.take(named), pa.array(self.ids)]
        return _lists(self.bounds, columns, schema.SEGMENT)

    def links(self) -> pa.ListArray:
        """The column `links`."""
        start, end = (pa.array(part) for part in np.ascontiguousarray(self.link_spans.T))
        return _lists(self.link_bounds, [start, end, self.targets], schema.LINK)


def _texts(posts: pa.Table, comments: pa.Table, tags: pa.ListArray) -> _Texts:
    """The texts of posts, each followed by those of its comments that have any, by date and identifier."""
    size = posts.num_rows
    own = html.posts(posts.column("body"))
    comments = _last(comments, "comment_id")
    row = _places(posts.column("post_id").to_numpy(), pc.fill_null(comments.column("post_id"), -1).to_numpy())
    comments = comments.append_column("row", pa.array(row)).filter(pa.array(row >= 0))
    keys = [("row", "ascending"), ("creation_date", "ascending"), ("comment_id", "ascending")]
    comments = comments.take(pc.sort_indices(comments, keys)) if comments.num_rows else comments
    commented, row = markdown.comments(comments.column("text")), comments.column("row").to_numpy()

    # One after another: a post's own text, and its comments', without the empty ones.
    some = np.concatenate([own.lengths, commented.lengths]) > 0
    owner = np.concatenate([np.arange(size), row])
    order = np.flatnonzero(some)
    order = order[np.argsort(owner[order], kind="stable")]
    pieces = pa.concat_arrays([own.text, commented.text]).take(pa.array(order))
    counts = np.bincount(owner[order], minlength=size)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    text = pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pieces), _SEPARATOR)
    # Where each piece begins, in code points: after those before it in its document.
    widths = np.concatenate([own.lengths, commented.lengths])[order] + len(_SEPARATOR)
    before = np.concatenate([[0], np.cumsum(widths)])
    places = np.zeros(len(some), np.int64)
    places[order] = before[:-1] - np.repeat(before[bounds[:-1]], counts)
    starts = places[size:].astype(np.int32)

    spans, languages = own.segments.copy(), _languages(own, tags)
    spans[:, 3][spans[:, 3] >= 0] = np.arange(len(languages))
    comment_spans, comment_links = commented.segments.copy(), commented.links.copy()
    segment_counts, link_counts = np.diff(commented.bounds), np.diff(commented.link_bounds)
    comment_spans[:, 1:3] += np.repeat(starts, segment_counts)[:, None]
    comment_links += np.repeat(starts, link_counts)[:, None]
    ids = np.concatenate(
        [
            np.repeat(posts.column("post_id").to_numpy(), np.diff(own.bounds)),
            np.repeat(comments.column("comment_id").to_numpy(), segment_counts),
        ]
    )
    segment_bounds, by_row = documents_spans.merged(own.bounds, commented.bounds, row)
    link_bounds, links_by_row = documents_spans.merged(own.link_bounds, commented.link_bounds, row)
    return _Texts(
        text,
        own.lengths,
        np.bincount(row[commented.lengths > 0], minlength=size),
        segment_bounds,
        np.concatenate([spans, comment_spans])[by_row],
        languages,
        ids[by_row],
        link_bounds,
        np.concatenate([own.links, comment_links])[links_by_row],
        pa.concat_arrays([own.targets, commented.targets]).take(pa.array(links_by_row)),
    )


def _languages(own: documents_spans.Column, tags: pa.ListArray) -> pa.StringArray:
    """Languages of all code blocks, in the order of the segments."""
    blocks = np.flatnonzero(own.segments[:, 3] >= 0)
    of = np.searchsorted(own.bounds, blocks, "right") - 1
    rows, place = np.unique(of, return_inverse=True)
    texts, tagged = (column.take(pa.array(rows)).to_pylist() for column in (own.text, tags))
    languages = [
        code_language.of(texts[index][start:end], own.hints[hint], tagged[index])
        for index, (_, start, end, hint) in zip(place.tolist(), own.segments[blocks].tolist(), strict=True)
    ]
    return pa.array(languages, pa.string())


def _digests(kinds: pa.StringArray, titles: pa.ChunkedArray, texts: _Texts) -> pa.Array:
    """Hash of all that a signal may depend on: kind, title, text, the end of the post's own, kinds and bounds of spans.

    Each is preceded by its length, or has a fixed one, so that no two rows are hashed as the same bytes.
    """
    titles_data, title_bounds = arrays.utf8(titles)
    data, bounds = arrays.utf8(texts.text)
    spans = np.ascontiguousarray(texts.spans[:, :3])
    heads = np.column_stack(
        [
            pc.equal(kinds, "answer").to_numpy(zero_copy_only=False),
            np.where(titles.is_valid().to_numpy(), np.diff(title_bounds), -1),
            texts.own_ends,
            np.diff(texts.bounds),
        ]
    ).astype(np.int64)
    parts: list[tuple[npt.NDArray[Any], Int64]] = [
        (heads, 32 * np.arange(len(heads) + 1)),
        (titles_data, title_bounds),
        (spans, 12 * texts.bounds),
        (data, bounds),
    ]
    head, title, span, text = (array.reshape(-1).view(np.uint8).data for array, _ in parts)
    ends = [place.tolist() for _, place in parts]
    digests = bytearray()
    for h0, h1, t0, t1, s0, s1, b0, b1 in zip(
        *(edge for places in ends for edge in (places, places[1:])), strict=False
    ):
        digest = blake2b(head[h0:h1], digest_size=16)
        digest.update(title[t0:t1])
        digest.update(span[s0:s1])
        digest.update(text[b0:b1])
        digests += digest.digest()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(heads), [None, pa.py_buffer(bytes(digests))])


def _lists(bounds: Int64, columns: list[pa.Array], struct: pa.StructType) -> pa.ListArray:
    values = pa.StructArray.from_arrays(columns, fields=list(struct))
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values, type=pa.list_(struct))


def _places(identifiers: Int64, wanted: Int64) -> Int64:
    """Place of each of `wanted` in the sorted identifiers, -1 where it is not among them."""
    if not len(identifiers):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(identifiers, wanted), len(identifiers) - 1)
    return np.where(identifiers[place] == wanted, place, -1)


def _no_nulls(column: pa.ChunkedArray) -> pa.ListArray:
    """Lists of strings, empty where they are null."""
    values, bounds = lists(column)
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values)


def _urls(
    host: str | None, answer: npt.NDArray[np.bool_], identifiers: pa.ChunkedArray
) -> pa.ChunkedArray | pa.StringArray:
    if host is None:
        return pa.nulls(len(identifiers), pa.string())
    base = host if "://" in host else f"https://{host}"
    before = pc.if_else(pa.array(answer), f"{base}/a/", f"{base}/q/")
    return pc.binary_join_element_wise(before, identifiers.cast(pa.string()), "")


def _posts(posts: pa.Table) -> pa.Table:
    """Only questions and answers, the last of each identifier, sorted by it."""
    posts = _last(posts, "post_id")
    wanted = pc.is_in(posts.column("post_type_id"), pa.array([_QUESTION, _ANSWER], pa.int32()))
    return (posts if pc.all(wanted).as_py() else posts.filter(wanted)).combine_chunks()


def _last(table: pa.Table, identifier: str) -> pa.Table:
    """The last row of each identifier, sorted by it."""
    numbers = table.column(identifier).to_numpy()
    if bool(np.all(numbers[1:] > numbers[:-1])):
        return table
    # A stable sort of the rows read backwards: the first of equals is the last row.
    _, first = np.unique(numbers[::-1], return_index=True)
    return table.take(pa.array(len(numbers) - 1 - first))


def _revisions(history: pa.Table | None, identifiers: Int64) -> pa.Array:
    if history is None:
        return pa.nulls(len(identifiers), pa.int32())
    rows = np.sort(_last(history, "history_id").column("post_id").drop_null().to_numpy())
    counts = np.searchsorted(rows, identifiers, "right") - np.searchsorted(rows, identifiers)
    return pa.array(counts.astype(np.int32))


def licenses(given: pa.ChunkedArray, created: Int64) -> pa.Array:
    """The licences of contributions: as given, else by their dates (ms since 1970, int64[n])."""
    derived = _LICENSES.take(pa.array(np.searchsorted(_LICENSE_STARTS, created, "right")))
    return pc.coalesce(_filled(given), derived)


def _authors(posts: pa.Table, authors: pa.Table | None) -> pa.Array:
    """The name in the row, else that of the user's account."""
    own: Any = _filled(posts.column("owner_display_name"))
    if authors is None:
        return own
    index = pc.index_in(posts.column("owner_user_id"), authors.column("user_id"), skip_nulls=True)
    return pc.coalesce(own, _filled(authors.column("display_name").take(index)))


def _filled(strings: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings, null where they are empty."""
    return pc.if_else(pc.equal(strings, ""), pa.scalar(None, pa.string()), strings)
