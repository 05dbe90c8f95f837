"""Posts and what belongs to them meet in their thread's bucket."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.dump import repeats_stage, threads_stage
from socorpus.corpus.storage import buckets, parquet, partitions


def table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([{"site": "s", **row} for row in rows], schema.dump_schema(name))


GONE = 6000


@settings(max_examples=40)
@given(
    posts=st.dictionaries(st.integers(1, 5000) | st.integers(10**9, 10**9 + 5), st.integers(0, 3), max_size=60),
    comments=st.lists(st.integers(1, 5000), max_size=40),
    of=st.sampled_from([1, 2, 8]),
)
def test_threads_are_whole_and_no_row_is_lost(posts: dict[int, int], comments: list[int], of: int) -> None:
    ids = sorted(posts)
    # Every post but those of kind 0 answers a question of the site, which may come later in the file, or is gone.
    asked = [p for p in ids if posts[p] == 0] or [GONE]
    rows = [
        {"post_id": p, "parent_id": None if posts[p] == 0 else asked[p % len(asked)] if posts[p] < 3 else GONE}
        for p in ids
    ]
    remarks = [{"comment_id": i, "post_id": p} for i, p in enumerate(comments)]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        parts = {"posts": [".work/parts/s/posts-0.arrow"], "comments": [".work/parts/s/comments-0.arrow"]}
        partitions.write(root / parts["posts"][0], schema.dump_schema("posts"), [table("posts", rows)])
        partitions.write(root / parts["comments"][0], schema.dump_schema("comments"), [table("comments", remarks)])
        if of > 1:
            threads_stage.build_map(root, "s", parts["posts"], of)
            for name in parts:
                threads_stage.partition(root, "s", name, parts[name][0], of)
                parts[name] = [threads_stage.partition_path(parts[name][0])]
        seen_posts, seen_comments, orphans, home = [], [], 0, {}
        for bucket in range(of):
            made = threads_stage.gather(root, "s", parts, bucket, of)
            orphans += made.counts["comments"]["orphans"]
            name = buckets.bucket_name(bucket, of)
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
        for row in rows:
            parent = row["parent_id"]
            assert parent is None or home.get(parent, home[row["post_id"]]) == home[row["post_id"]]


def test_of_rows_with_one_id_the_last_stays(tmp_path: Path) -> None:
    rows = [{"post_id": 7, "score": 1}, {"post_id": 3, "score": 2}, {"post_id": 7, "score": 3}]
    partitions.write(tmp_path / "p.arrow", schema.dump_schema("posts"), [table("posts", rows)])
    made = threads_stage.gather(tmp_path, "s", {"posts": ["p.arrow"]}, 0, 1)
    found = parquet.read(tmp_path / "tables/posts/s/00000-of-00001.parquet")
    assert {isinstance(of, parquet.Written) and of.rows for of in made.outputs.values()} == {2}
    assert found.select(["post_id", "score"]).to_pylist() == [{"post_id": 3, "score": 2}, {"post_id": 7, "score": 3}]
    assert made.counts["posts"] == {"rows": 2, "orphans": 0, "repeated": 1}


@settings(max_examples=20)
@given(
    posts=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40) | st.none()), min_size=1, max_size=40),
    comments=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 14)), max_size=40),
    cut=st.integers(0, 40),
    shares=st.sampled_from([1, 4]),
    of=st.sampled_from([1, 2, 8]),
)
def test_of_rows_with_one_id_the_last_of_the_site_stays(
    posts: list[tuple[int, int | None]], comments: list[tuple[int, int]], cut: int, shares: int, of: int
) -> None:
    rows = [{"post_id": post, "parent_id": parent, "score": i} for i, (post, parent) in enumerate(posts)]
    remarks = [{"comment_id": comment, "post_id": post, "score": i} for i, (comment, post) in enumerate(comments)]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        parts: dict[str, list[str]] = {}
        for name, given_rows in (("posts", rows), ("comments", remarks)):
            parts[name] = [f".work/parts/s/{name}-{number}.arrow" for number in range(2)]
            for path, some in zip(parts[name], (given_rows[:cut], given_rows[cut:]), strict=True):
                partitions.write(root / path, schema.dump_schema(name), [table(name, some)])
        if of > 1:
            threads_stage.build_map(root, "s", parts["posts"], of)
            repeats = [
                path
                for share in range(shares)
                for path in repeats_stage.find_repeats(root, "s", "comments", parts["comments"], share, shares).outputs
            ]
            for name in parts:
                for number, path in enumerate(parts[name]):
                    given = (number, repeats) if name == "comments" else ()
                    threads_stage.partition(root, "s", name, path, of, *given)
                parts[name] = [threads_stage.partition_path(path) for path in parts[name]]
        done = [threads_stage.gather(root, "s", parts, bucket, of) for bucket in range(of)]
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
            assert sum(outcome.counts[name]["repeated"] for outcome in done) == len(all_rows) - len(last)


def test_buckets_are_a_power_of_two_and_nest() -> None:
    assert [buckets.bucket_count(size << 20, 96) for size in (0, 1, 96, 97, 400)] == [1, 1, 1, 2, 8]
    ids = np.arange(10_000, dtype=np.int64)
    few, many = buckets.bucket_of(ids, 4), buckets.bucket_of(ids, 16)
    assert (many % 4 == few).all()
    assert np.bincount(many).min() > 500
