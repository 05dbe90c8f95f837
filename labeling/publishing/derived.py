"""Tables that are made of whole threads: pairs of code and prose, threads, instructions, preferences, retrieval.

Each function takes rows of `published_tables.DOCUMENTS`, all of one split, as `ordered` gives them, and returns a
table of its schema. All of it is done column by column: rows never become Python objects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.arrays import Int64
from socorpus.corpus.shards import shuffle
from socorpus.corpus.shards.rows import byte_places
from socorpus.labeling.publishing import published_tables

NEGATIVES = 3
"""Most negatives of a question in `retrieval`."""
_TRIES = 12
"""Other questions with the tag that are looked at for them."""

Mask = npt.NDArray[np.bool_]
_ORIGIN = ("url", "license", "author", "author_id")


@dataclass(frozen=True)
class Threads:
    """Rows of whole threads: a thread's rows stand together, its question first, then the accepted answer, then by
    score, then the older. The threads are in the order of the shuffle, whatever that of the given rows.

    Attributes:
        rows: of `published_tables.DOCUMENTS`.
        starts: the first row of each thread, int64[threads].
        ends: the row behind its last, int64[threads].
        asked: whether its question is there, bool[threads].
    """

    rows: pa.Table
    starts: Int64
    ends: Int64
    asked: Mask

    @cached_property
    def short(self) -> pa.Table:
        """The rows without what is long: their texts and segments."""
        return self.rows.drop_columns(["text", "segments"])

    @cached_property
    def own(self) -> pa.Array:
        """The posts' own texts, string[rows]."""
        ends = self.rows["own_end"].to_numpy()
        return pieces(arrays.whole(self.rows["text"]), np.arange(len(ends)), np.zeros(len(ends), np.int64), ends)

    @cached_property
    def prompts(self) -> pa.Array:
        """Title and own text of each post, a blank line between; string[rows]."""
        return pc.binary_join_element_wise(self.rows["title"], self.own, "\n\n", null_handling="skip").combine_chunks()

    @cached_property
    def questions(self) -> Int64:
        """The threads that have a question and an answer."""
        return np.flatnonzero(self.asked & (self.ends - self.starts > 1))


def ordered(rows: pa.Table, seed: int) -> Threads:
    """Rows of whole threads in order.

    Args:
        rows: of `published_tables.DOCUMENTS`, of all posts of some threads, in any order.
        seed: of the shuffle.
    """
    rows = rows.combine_chunks()
    question = pc.equal(rows["kind"], "question").to_numpy(zero_copy_only=False)
    accepted = rows["accepted"].to_numpy(zero_copy_only=False)
    score, posts = (rows[name].to_numpy().astype(np.int64) for name in ("score", "post_id"))
    ranked = np.lexsort((posts, -score, ~accepted, ~question))
    keys = rows.select(["site", "thread_id"]).rename_columns(["site", "post_id"]).take(pa.array(ranked))
    order = ranked[shuffle.order(keys, seed)]
    rows = rows.take(pa.array(order)).combine_chunks()
    sites = arrays.whole(rows["site"]).dictionary_encode().indices.to_numpy()
    threads = rows["thread_id"].to_numpy()
    changes = np.flatnonzero((sites[1:] != sites[:-1]) | (threads[1:] != threads[:-1])) + 1
    starts = np.concatenate([[0], changes]) if len(threads) else np.zeros(0, np.int64)
    ends = np.concatenate([changes, [len(threads)]]) if len(threads) else np.zeros(0, np.int64)
    return Threads(rows, starts, ends, question[order][starts])


def pieces(texts: pa.Array, rows: Int64, starts: npt.NDArray[np.integer], ends: npt.NDArray[np.integer]) -> pa.Array:
    """Pieces of texts, string[n].

    Args:
        texts: string[m].
        rows: the text of each piece, int64[n], ascending.
        starts, ends: code points in it; the pieces of a text in order, and apart.
    """
    data, bounds = arrays.utf8(texts)
    points = np.column_stack([starts, ends]).astype(np.int64)
    places = byte_places(arrays.readonly(data), bounds, rows, points).reshape(-1)
    if not len(places):
        return pa.array([], pa.string())
    # Pieces and what lies between them, in turn, over the bytes of the texts as they are.
    offsets = pa.py_buffer(np.ascontiguousarray(places, dtype=np.int32))
    turns = pa.StringArray.from_buffers(len(places) - 1, offsets, pa.py_buffer(data))
    return turns.take(pa.array(np.arange(0, len(places) - 1, 2)))


def pairs(threads: Threads) -> pa.Table:
    """Blocks of code with the prose around them."""
    rows = threads.rows
    own_ends = rows["own_end"].to_numpy()
    flat, bounds = arrays.lists(rows["segments"])
    of = np.repeat(np.arange(rows.num_rows), np.diff(bounds))
    ends = flat.field("end").to_numpy()
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False) & (ends <= own_ends[of])
    row, start, end = of[code], flat.field("start").to_numpy()[code], ends[code]
    texts = arrays.whole(rows["text"])
    codes = pieces(texts, row, start, end)
    first = np.r_[True, row[1:] != row[:-1]] if len(row) else np.zeros(0, bool)
    last = np.r_[first[1:], True] if len(row) else first
    before_start = np.where(first, 0, np.roll(end, 1))
    after_end = np.where(last, own_ends[row], np.roll(start, -1))
    before = pieces(texts, row, before_start, start)
    after = pieces(texts, row, end, np.maximum(after_end, end))
    number = np.arange(len(row)) - np.repeat(np.flatnonzero(first), np.diff(np.r_[np.flatnonzero(first), len(row)]))
    some = pc.not_equal(pc.utf8_trim_whitespace(codes), "")
    taken = rows.select(["site", "post_id", "thread_id", "title", *_ORIGIN]).take(pa.array(row))
    columns = {name: taken[name] for name in taken.column_names} | {
        "block": pa.array(number, pa.int32()),
        "code": codes,
        "language": flat.field("language").filter(pa.array(code)),
        "before": pc.utf8_trim_whitespace(before),
        "after": pc.utf8_trim_whitespace(after),
    }
    return _table("pairs", columns).filter(some)


def questions_with_answers(threads: Threads) -> pa.Table:
    """Questions with all of their answers."""
    chosen = threads.questions
    question = threads.starts[chosen]
    answers = _answers(threads, chosen)
    counts = threads.ends[chosen] - question - 1
    taken = threads.short.take(pa.array(answers)).append_column("text", threads.own.take(pa.array(answers)))
    struct = published_tables.ANSWER
    values = pa.StructArray.from_arrays([arrays.whole(taken[part.name]) for part in struct], fields=list(struct))
    offsets = pa.array(np.r_[0, np.cumsum(counts)].astype(np.int32))
    asked = threads.short.take(pa.array(question))
    columns = {name: asked[name] for name in ("site", "thread_id", "created", "score", "tags", "title", *_ORIGIN)}
    columns |= {"text": threads.own.take(pa.array(question)), "answers": pa.ListArray.from_arrays(offsets, values)}
    return _table("questions_with_answers", columns)


def instructions(threads: Threads) -> pa.Table:
    """Questions with their accepted or best answers."""
    question = threads.starts[threads.questions]
    answer = question + 1
    accepted = threads.rows["accepted"].to_numpy()[answer]
    score = threads.rows["score"].to_numpy()
    fit = accepted | (score[answer] >= 1)
    question, answer = question[fit], answer[fit]
    asked, answered = threads.short.take(pa.array(question)), threads.short.take(pa.array(answer))
    columns = {name: asked[name] for name in ("site", "thread_id", "tags")} | {
        "answer_id": answered["post_id"],
        "instruction": threads.prompts.take(pa.array(question)),
        "response": threads.own.take(pa.array(answer)),
        "question_score": asked["score"],
        "answer_score": answered["score"],
        "accepted": answered["accepted"],
        **_origin(asked, "question_"),
        **_origin(answered, "answer_"),
    }
    return _table("instructions", columns)


def marks(score: Int64, accepted: Mask) -> Int64:
    """The marks of answers (Askell et al. 2021): log2(1 + score), rounded; -1 below zero; 1 more if accepted."""
    raised = np.rint(np.log2(1.0 + np.maximum(score, 0))).astype(np.int64)
    return np.where(score < 0, -1, raised) + accepted


def preferences(threads: Threads) -> pa.Table:
    """The best answer of each question beside each other one with a lower mark."""
    chosen = threads.questions
    answers = _answers(threads, chosen)
    counts = threads.ends[chosen] - threads.starts[chosen] - 1
    thread = np.repeat(np.arange(len(chosen)), counts)
    score, posts = (threads.rows[name].to_numpy()[answers].astype(np.int64) for name in ("score", "post_id"))
    mark = marks(score, threads.rows["accepted"].to_numpy()[answers])
    order = np.lexsort((posts, -score, -mark, thread))
    best = np.repeat(order[np.r_[0, np.cumsum(counts)[:-1]]] if len(counts) else order, counts)
    margin = mark[best] - mark[order]
    worse = margin > 0
    better, rest = answers[best[worse]], answers[order[worse]]
    question = threads.starts[chosen][thread[order[worse]]]
    asked, left, right = (threads.short.take(pa.array(place)) for place in (question, better, rest))
    columns = {name: asked[name] for name in ("site", "thread_id", "tags")} | {
        "prompt": threads.prompts.take(pa.array(question)),
        "margin": pa.array(margin[worse], pa.int32()),
        **_origin(asked, "question_"),
    }
    for side, table, place in (("chosen", left, better), ("rejected", right, rest)):
        columns |= {side: threads.own.take(pa.array(place)), f"{side}_id": table["post_id"]}
        columns |= {f"{side}_score": table["score"], f"{side}_accepted": table["accepted"]}
        columns |= _origin(table, f"{side}_")
    return _table("preferences", columns)


Linked = Callable[[str, Int64, Int64], Mask]
"""Whether posts of a site are linked: of its name and the numbers of two posts each, int64[n], to bool[n]."""


def retrieval(threads: Threads, linked: Linked) -> pa.Table:
    """Titles with the text of their question, and with texts of other questions that share a tag."""
    question = threads.starts[threads.asked]
    texts = threads.own.take(pa.array(question))
    asked = threads.short.take(pa.array(question)).append_column("text", texts)
    usable = pc.and_(pc.is_valid(asked["title"]), pc.not_equal(asked["text"], ""))
    asked = asked.filter(usable).combine_chunks()
    row, names = _rarest_tags(asked)
    members, place, count = _members(asked, row, names)
    chosen = np.full((len(row), NEGATIVES), -1, np.int64)
    filled = np.zeros(len(row), np.int64)
    posts, titles = asked["post_id"].to_numpy(), arrays.whole(asked["title"])
    sites = arrays.whole(asked["site"])
    for step in range(1, _TRIES + 1):
        open_rows = np.flatnonzero((filled < NEGATIVES) & (step < count))
        if not len(open_rows):
            break
        other = members[place[open_rows, 0] + (place[open_rows, 1] + step) % count[open_rows]]
        mine = row[open_rows]
        fit = pc.not_equal(titles.take(pa.array(other)), titles.take(pa.array(mine))).to_numpy(zero_copy_only=False)
        fit &= ~_linked(sites, posts, mine, other, linked)
        chosen[open_rows[fit], filled[open_rows[fit]]] = other[fit]
        filled[open_rows[fit]] += 1
    some = filled > 0
    row, names = row[some], names.filter(pa.array(some))
    flat = chosen[some][chosen[some] >= 0]
    offsets = pa.array(np.r_[0, np.cumsum(filled[some])].astype(np.int32))
    taken = asked.take(pa.array(row))
    columns = {name: taken[name] for name in ("site", "thread_id", *_ORIGIN)} | {
        "query": taken["title"],
        "positive": taken["text"],
        "negatives": pa.ListArray.from_arrays(offsets, arrays.whole(asked["text"].take(pa.array(flat)))),
        "negative_ids": pa.ListArray.from_arrays(offsets, pa.array(posts[flat])),
        "tag": names,
    }
    return _table("retrieval", columns)


def _rarest_tags(asked: pa.Table) -> tuple[Int64, pa.Array]:
    """The questions that share a tag with another one of their site, int64[n], and the rarest of those tags of each."""
    parents, keys = _tag_keys(asked)
    coded = keys.dictionary_encode()
    counts = np.bincount(coded.indices.to_numpy(), minlength=len(coded.dictionary))[coded.indices.to_numpy()]
    shared = np.flatnonzero(counts > 1)
    # Of tags that are as rare the first by name, whatever the order of the rows.
    rank = np.empty(len(coded.dictionary), np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
    shared = shared[np.lexsort((rank[coded.indices.to_numpy()[shared]], counts[shared], parents[shared]))]
    row, first = np.unique(parents[shared], return_index=True)
    return row, _tags(asked).take(pa.array(shared[first]))


def _members(asked: pa.Table, row: Int64, names: pa.Array) -> tuple[Int64, Int64, Int64]:
    """The questions of every tag one after another; where those of each row's tag begin and which of them is the row's
    own, int64[n, 2]; and their number, int64[n]."""
    parents, keys = _tag_keys(asked)
    coded = keys.dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    begins = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
    wanted = pc.index_in(_keys(arrays.whole(asked["site"]).take(pa.array(row)), names), value_set=coded.dictionary)
    tag = wanted.to_numpy().astype(np.int64)
    # Ascending in the tag, then in the row: the place of each row among its tag's.
    packed = codes[order].astype(np.int64) << 32 | parents[order]
    own = np.searchsorted(packed, tag << 32 | row) - begins[tag]
    return parents[order], np.column_stack([begins[tag], own]), np.diff(begins)[tag]


def _tags(asked: pa.Table) -> pa.Array:
    return arrays.whole(asked["tags"]).flatten()


def _tag_keys(asked: pa.Table) -> tuple[Int64, pa.Array]:
    """The row and the key (site and tag) of each tag of each question; a tag that a question has twice once."""
    tags = arrays.whole(asked["tags"])
    parents = pc.list_parent_indices(tags).to_numpy().astype(np.int64)
    return parents, _keys(arrays.whole(asked["site"]).take(pa.array(parents)), tags.flatten())


def _keys(sites: pa.Array, tags: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(sites, tags, "\n")


def _linked(sites: pa.Array, posts: Int64, left: Int64, right: Int64, linked: Linked) -> Mask:
    """Whether two questions of a site are linked, by their rows; bool[n]."""
    coded = sites.dictionary_encode()
    codes = coded.indices.to_numpy()[left]
    result = np.zeros(len(left), bool)
    for code in np.unique(codes).tolist():
        of_site = codes == code
        result[of_site] = linked(coded.dictionary[code].as_py(), posts[left[of_site]], posts[right[of_site]])
    return result


def _answers(threads: Threads, chosen: Int64) -> Int64:
    """The rows of the answers of some threads, thread by thread, int64[n]."""
    starts, counts = threads.starts[chosen] + 1, threads.ends[chosen] - threads.starts[chosen] - 1
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(starts - before, counts)


def _origin(rows: pa.Table, prefix: str) -> dict[str, pa.ChunkedArray]:
    return {f"{prefix}{name}": rows[name] for name in _ORIGIN}


def _table(name: str, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    columns_of = published_tables.TABLES[name].columns
    return pa.table([columns[part.name] for part in columns_of], schema=columns_of)


MAKERS: dict[str, Callable[[Threads], pa.Table]] = {
    "pairs": pairs,
    "questions_with_answers": questions_with_answers,
    "instructions": instructions,
    "preferences": preferences,
}
"""The tables that need nothing but the threads."""
