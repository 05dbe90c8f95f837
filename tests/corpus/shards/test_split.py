"""Splits: whole threads, in the order of time, and no duplicate in two splits."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from socorpus.corpus import schema
from socorpus.corpus.config import Split
from socorpus.corpus.shards import split

SHARES = Split(validation=0.1, test=0.2)


def threads_of(rows: list[tuple[str, int, int]]) -> pa.Table:
    sites, numbers, created = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(sites, pa.string()), pa.array(numbers, pa.int64()), pa.array(created, schema.TIME)]
    return pa.table(columns, schema=split.THREADS)


def linked_of(rows: list[tuple[str, str, int]]) -> pa.Table:
    return pa.Table.from_pylist([{"cluster": c, "site": s, "thread_id": t} for c, s, t in rows], schema=split.LINKED)


def assigned(rows: list[tuple[str, int, int]], links: list[tuple[str, str, int]], shares: Split = SHARES) -> dict:
    found = split.assign(threads_of(rows), linked_of(links), shares)
    keys = zip(found["site"].to_pylist(), found["thread_id"].to_pylist(), strict=True)
    return dict(zip(keys, found["split"].to_pylist(), strict=True))


rows_of_threads = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 40), st.integers(0, 30)),
    max_size=80,
    unique_by=lambda row: row[:2],
)
rows_of_links = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 45)), max_size=25
)


@given(rows_of_threads, rows_of_links)
def test_nothing_straddles_and_time_orders(rows: list, links: list) -> None:
    found = assigned(rows, links)
    alone = assigned(rows, [])
    assert found.keys() == {row[:2] for row in rows}
    rank = schema.SPLITS.index
    # Whatever is tied, by however many steps, has the earliest split of its members.
    group = {key: key for key in found}

    def root(key: tuple[str, int]) -> tuple[str, int]:
        while group[key] != key:
            key = group[key]
        return key

    members = defaultdict(list)
    for cluster, site, number in links:
        if (site, number) in found:
            members[cluster].append((site, number))
    for keys in members.values():
        for key in keys[1:]:
            group[root(key)] = root(keys[0])
    groups = defaultdict(list)
    for key in found:
        groups[root(key)].append(key)
    for keys in groups.values():
        assert {found[key] for key in keys} == {min((alone[key] for key in keys), key=rank)}
    # Threads that nothing ties are in the order of time, then of their number.
    for name in {site for site, _, _ in rows}:
        ordered = sorted((created, number) for site, number, created in rows if site == name)
        ranks = [rank(alone[name, number]) for _, number in ordered]
        assert ranks == sorted(ranks)
        counts = [ranks.count(i) for i in range(3)]
        if len(ranks) < split.FEWEST:
            assert counts[1:] == [0, 0]
        else:
            assert min(counts) >= 1
            assert abs(counts[2] - 0.2 * len(ranks)) <= 1


@given(rows_of_threads, rows_of_links, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_of_no_account(rows: list, links: list, random) -> None:
    expected = assigned(rows, links)
    random.shuffle(rows)
    random.shuffle(links)
    assert assigned(rows, links) == expected


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (9, Split(0.5, 0.4), (0, 0)),
        (10, Split(0.02, 0.02), (1, 1)),
        (10, Split(0.0, 0.02), (0, 1)),
        (10, Split(0.0, 0.0), (0, 0)),
        (10, Split(0.5, 0.49), (4, 5)),
        (10, Split(0.04, 0.95), (1, 8)),
        (1000, Split(0.02, 0.05), (20, 50)),
    ],
)
def test_sizes(count: int, shares: Split, expected: tuple[int, int]) -> None:
    assert split.sizes(count, shares) == expected


def test_ties_go_by_number() -> None:
    found = assigned([("a", number, 5) for number in range(20, 0, -1)], [], Split(0.05, 0.1))
    assert {number for (_, number), name in found.items() if name == "test"} == {19, 20}
    assert {number for (_, number), name in found.items() if name == "validation"} == {18}


def test_a_thread_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="thread 3 of b is given twice"):
        split.assign(threads_of([("a", 3, 0), ("b", 3, 0), ("b", 3, 1)]), linked_of([]), SHARES)


def test_forms_of_columns() -> None:
    rows = [(site, number, number) for site in "ab" for number in range(20)]
    links = [("x", "a", 19), ("x", "b", 0), ("y", "b", 19), ("y", "b", 12)]
    table = threads_of(rows)
    coded = table.set_column(0, "site", table["site"].dictionary_encode())
    chunked = pa.concat_tables([coded.slice(0, 7), coded.slice(7, 0), coded.slice(7)])
    expected = split.assign(table, linked_of(links), SHARES)["split"].to_pylist()
    assert split.assign(chunked, linked_of(links), SHARES)["split"].to_pylist() == expected
    assert expected[19] == "train"
    assert split.assign(table.slice(0, 0), linked_of([]), SHARES).num_rows == 0


def documents_of(rows: list[dict]) -> pa.Table:
    columns = {name: schema.DOCUMENTS.field(name).type for name in ("site", "post_id", "thread_id", "kind", "created")}
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def test_threads_have_their_question_s_date() -> None:
    def row(post: int, thread: int, kind: str, created: int) -> dict:
        return {"site": "a", "post_id": post, "thread_id": thread, "kind": kind, "created": created}

    # An answer may be older than its question where threads were merged; thread 9 has lost its question.
    documents = documents_of(
        [row(2, 1, "answer", 50), row(1, 1, "question", 70), row(11, 9, "answer", 90), row(12, 9, "answer", 80)]
    )
    found = split.threads(documents)
    assert found.schema == split.THREADS
    dates = dict(zip(found["thread_id"].to_pylist(), found["created"].cast(pa.int64()).to_pylist(), strict=True))
    assert dates == {1: 70, 9: 80}


def test_clusters_of_signals() -> None:
    base = {"site": "a", "kind": "answer", "created": 0}
    documents = documents_of([{**base, "post_id": n, "thread_id": 10 * n} for n in (1, 2, 3)])
    near = pa.table({"cluster": pa.array(["a:1", None, "a:1"])})
    assert split.clusters(documents, near).to_pylist() == [
        {"cluster": "a:1", "site": "a", "thread_id": 10},
        {"cluster": "a:1", "site": "a", "thread_id": 30},
    ]
    exact = pa.table({"survivor": pa.array([None, "a:1", None], pa.string())})
    assert split.clusters(documents, exact)["thread_id"].to_pylist() == [10, 20]
    # The survivor may be in one bucket, the removed one in another.
    alone = exact.slice(0, 1)
    assert split.clusters(documents.slice(0, 1), alone).num_rows == 0
    assert split.clusters(documents.slice(0, 1), alone, {"a": np.array([1])})["cluster"].to_pylist() == ["a:1"]


def test_real_threads(real_data) -> None:
    rows = []
    path = real_data / "dumps" / "cardano.stackexchange.com-2021-12" / "Posts.xml"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    for _, post in etree.iterparse(str(path), tag="row"):
        if post.get("PostTypeId") == "1":
            created = np.datetime64(post.get("CreationDate"), "ms").astype(int)
            rows.append(("cardano", int(post.get("Id")), int(created)))
    found = assigned(rows, [], Split())
    date = {number: created for _, number, created in rows}
    by_split = defaultdict(list)
    for (_, number), name in found.items():
        by_split[name].append(date[number])
    assert max(by_split["train"]) <= min(by_split["validation"])
    assert max(by_split["validation"]) <= min(by_split["test"])
    assert len(by_split["test"]) == int(0.02 * len(rows) + 0.5)
