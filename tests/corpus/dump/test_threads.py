"""Posts and what belongs to them meet in their thread's bucket."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.dump import repeats_stage, threads_stage
from socorpus.corpus.dump.stage import part_path
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.storage import buckets, parquet, partitions


def table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([{"site": "s", **row} for row in rows], schema.dump_schema(name))


GONE = 6000

SHAPES = [(1, 1), (2, 1), (8, 1), (8, 4), (4, 4)]
"""Numbers of buckets, and of those that travel together."""


def shuffled(
    root: Path, tables: dict[str, list[list[dict[str, object]]]], of: int, together: int, repeated: Sequence[str] = ()
) -> list[Outcome]:
    """Parts of tables, sent to a site's buckets and gathered there."""
    for name, parts in tables.items():
        for number, rows in enumerate(parts):
            path = root / part_path("s", name, number)
            partitions.write(path, schema.dump_schema(name), [table(name, rows)])
    if of > 1:
        threads_stage.build_map(root, "s", len(tables["posts"]), of)
        for name, parts in tables.items():
            some = repeated if name != "posts" else ()
            threads_stage.partition(root, "s", name, 0, range(len(parts)), of, of // together, some)
    pieces = {name: len(parts) if of == 1 else 1 for name, parts in tables.items()}
    runs = [buckets.Run("s", number, together, of, number) for number in range(0, of, together)]
    return [threads_stage.gather(root, run, pieces) for run in runs]


@settings(max_examples=40)
@given(
    posts=st.dictionaries(st.integers(1, 5000) | st.integers(10**9, 10**9 + 5), st.integers(0, 3), max_size=60),
    comments=st.lists(st.integers(1, 5000), max_size=40),
    shape=st.sampled_from(SHAPES),
)
def test_threads_are_whole_and_no_row_is_lost(
    posts: dict[int, int], comments: list[int], shape: tuple[int, int]
) -> None:
    ids = sorted(posts)
    # Every post but those of kind 0 answers a question of the site, which may come later in the file, or is gone.
    asked = [p for p in ids if posts[p] == 0] or [GONE]
    rows: list[dict[str, object]] = [
        {"post_id": p, "parent_id": None if posts[p] == 0 else asked[p % len(asked)] if posts[p] < 3 else GONE}
        for p in ids
    ]
    remarks: list[dict[str, object]] = [{"comment_id": i, "post_id": p} for i, p in enumerate(comments)]
    with TemporaryDirectory() as folder:
        root, of = Path(folder), shape[0]
        outcomes = shuffled(root, {"posts": [rows], "comments": [remarks]}, *shape)
        counts = {name: counted for outcome in outcomes for name, counted in outcome.counts.items()}
        seen_posts, seen_comments, orphans, home = [], [], 0, {}
        for bucket in range(of):
            name = buckets.bucket_name(bucket, of)
            orphans += counts[f"s/{name}"]["comments"]["orphans"]
            here = parquet.read(root / f"tables/posts/s/{name}.parquet")
            seen_posts += here["post_id"].to_pylist()
            home |= dict.fromkeys(here["post_id"].to_pylist(), bucket)
            assert here["post_id"].to_pylist() == sorted(here["post_id"].to_pylist())
            for row in parquet.read(root / f"tables/comments/s/{name}.parquet").to_pylist():
                seen_comments.append(row["comment_id"])
                assert home.get(row["post_id"], bucket) == bucket
        assert sorted(seen_posts) == ids
        assert sorted(seen_comments) == list(range(len(comments)))
        assert orphans == sum(p not in posts for p in comments)
        for post in ids:
            parent = next(row["parent_id"] for row in rows if row["post_id"] == post)
            assert parent is None or home.get(parent, home[post]) == home[post]


def test_of_rows_with_one_id_the_last_stays(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"post_id": 7, "score": 1}, {"post_id": 3, "score": 2}, {"post_id": 7, "score": 3}]
    (outcome,) = shuffled(tmp_path, {"posts": [rows]}, 1, 1)
    kept = parquet.read(tmp_path / "tables/posts/s/00000-of-00001.parquet")
    assert {isinstance(of, parquet.Written) and of.rows for of in outcome.outputs.values()} == {2}
    assert kept.select(["post_id", "score"]).to_pylist() == [{"post_id": 3, "score": 2}, {"post_id": 7, "score": 3}]
    assert outcome.counts["s/00000-of-00001"]["posts"] == {"rows": 2, "orphans": 0, "repeated": 1}


@settings(max_examples=20)
@given(
    posts=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40) | st.none()), min_size=1, max_size=40),
    comments=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 14)), max_size=40),
    cut=st.integers(0, 40),
    shares=st.sampled_from([1, 4]),
    shape=st.sampled_from(SHAPES),
)
def test_of_rows_with_one_id_the_last_of_the_site_stays(
    posts: list[tuple[int, int | None]],
    comments: list[tuple[int, int]],
    cut: int,
    shares: int,
    shape: tuple[int, int],
) -> None:
    rows: list[dict[str, object]] = [
        {"post_id": post, "parent_id": parent, "score": i} for i, (post, parent) in enumerate(posts)
    ]
    remarks: list[dict[str, object]] = [
        {"comment_id": comment, "post_id": post, "score": i} for i, (comment, post) in enumerate(comments)
    ]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        tables = {name: [given[:cut], given[cut:]] for name, given in (("posts", rows), ("comments", remarks))}
        parts = [part_path("s", "comments", number) for number in range(2)]
        for path, some in zip(parts, tables["comments"], strict=True):
            partitions.write(root / path, schema.dump_schema("comments"), [table("comments", some)])
        repeats = [
            path
            for share in range(shares)
            for path in repeats_stage.find_repeats(root, "s", "comments", parts, share, shares).outputs
        ]
        outcomes = shuffled(root, tables, *shape, repeats)
        counts = [of for outcome in outcomes for of in outcome.counts.values()]
        for name, all_rows in (("posts", rows), ("comments", remarks)):
            identifier = schema.DUMP[name][0].column
            kept = [
                row
                for path in sorted((root / f"tables/{name}/s").glob("*.parquet"))
                for row in parquet.read(path).to_pylist()
            ]
            last = {row[identifier]: row["score"] for row in all_rows}
            assert len(kept) == len(last)
            assert {row[identifier]: row["score"] for row in kept} == last
            assert sum(of[name]["repeated"] for of in counts) == len(all_rows) - len(last)


def test_runs_are_all_buckets_in_order_and_bounded() -> None:
    layout = buckets.Buckets((("a", 8192), ("b", 1), ("c", 1024)))
    assert [bucket for run in layout.runs for bucket in run.buckets] == list(layout)
    assert [bucket.index for bucket in layout] == list(range(len(layout)))
    assert [sum(run.site == site for run in layout.runs) for site in "abc"] == [1024, 1, 1024]
    assert layout.runs[1].name == "a/00008-00015-of-08192"
    assert layout.runs[1024].name == layout[8192].name == "b/00000-of-00001"
    assert len(pickle.dumps(layout)) < 200


def test_buckets_are_a_power_of_two_and_nest() -> None:
    assert [buckets.bucket_count(size << 20, 96) for size in (0, 1, 96, 97, 400)] == [1, 1, 1, 2, 8]
    ids = np.arange(10_000, dtype=np.int64)
    few, many = buckets.bucket_of(ids, 4), buckets.bucket_of(ids, 16)
    assert (many % 4 == few).all()
    assert np.bincount(many).min() > 500
