"""What a newer dump of the same sites has changed: by tables of keys, whatever the buckets, and sites that are gone."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from socorpus.corpus import dump_diff
from socorpus.corpus.dump.threads import KEYS, KEYS_FOLDER
from socorpus.corpus.storage import buckets, files, parquet
from socorpus.corpus.storage.buckets import Bucket

Posts = Mapping[int, str]
"""Text of each post by its number; each is a thread of its own."""
FIRST, SECOND = {"inputs": "first"}, {"inputs": "second"}


def write(root: Path, sites: Mapping[str, Posts], of: int) -> list[Bucket]:
    """The keys of some sites in `of` buckets each, in place of those that were there."""
    files.remove(root / KEYS_FOLDER)
    laid = []
    for site, posts in sites.items():
        homes = buckets.bucket_of(np.array([*posts], np.int64), of).tolist()
        for number in range(of):
            bucket = Bucket(site, number, of, len(laid))
            rows = [
                {"post_id": post, "thread_id": post, "hash": hashlib.blake2b(text.encode(), digest_size=8).digest()}
                for (post, text), home in zip(posts.items(), homes, strict=True)
                if home == number
            ]
            parquet.write(root / bucket.path(KEYS_FOLDER), pa.Table.from_pylist(rows, KEYS), KEYS)
            laid.append(bucket)
    return laid


def test_sites_that_came_changed_and_went(tmp_path: Path) -> None:
    kept, gone = {post: f"text {post}" for post in range(1, 41)}, dict.fromkeys(range(100, 150), "text")
    write(tmp_path, {"gone": gone, "kept": kept}, of=4)
    dump_diff.set_aside(tmp_path, FIRST, "second")
    newer = {post: text for post, text in kept.items() if post > 3} | {5: "another text", 1000: "a new one"}
    laid = write(tmp_path, {"kept": newer, "new": {7: "text"}}, of=2)  # in fewer buckets than before
    changes = dump_diff.compare(tmp_path, laid, "second")
    counts = {
        site: tuple(change[kind] for kind in ("new", "changed", "unchanged", "gone"))
        for site, change in changes.items()
    }
    assert counts == {"kept": (1, 1, 36, 3), "new": (1, 0, 0, 0), "gone": (0, 0, 0, 50)}
    assert changes["kept"]["examples"] == {"new": [1000], "changed": [5], "gone": [1, 2, 3]}
    examples = changes["gone"]["examples"]
    assert examples["new"] == examples["changed"] == []
    # At most 20, of several buckets, in order.
    assert (
        len(examples["gone"]) == 20
        and examples["gone"] == sorted(set(examples["gone"]))
        and set(examples["gone"]) <= set(gone)
    )


def test_the_keys_before_are_set_aside_once_for_each_build(tmp_path: Path) -> None:
    write(tmp_path, {"a": {1: "text"}, "b": {2: "text"}}, of=1)
    dump_diff.set_aside(tmp_path, FIRST, "second")
    laid = write(tmp_path, {"a": {1: "other"}}, of=1)
    # The build was stopped after it had written its own keys, and goes on.
    dump_diff.set_aside(tmp_path, FIRST, "second")
    assert {site: change["changed"] for site, change in dump_diff.compare(tmp_path, laid, "second").items()} == {
        "a": 1,
        "b": 0,
    }
    # The next build begins with what that one left: the site that was gone is not gone again.
    dump_diff.set_aside(tmp_path, SECOND, "third")
    assert list(dump_diff.compare(tmp_path, laid, "third")) == ["a"]


def test_without_an_earlier_build_or_other_inputs_nothing_is_compared(tmp_path: Path) -> None:
    laid = write(tmp_path, {"a": {1: "text"}}, of=1)
    dump_diff.set_aside(tmp_path, None, "first")
    assert dump_diff.compare(tmp_path, laid, "first") == {}
    dump_diff.set_aside(tmp_path, FIRST, "first")
    assert dump_diff.compare(tmp_path, laid, "first") == {}
    # What was set aside for other inputs is not of this build.
    dump_diff.set_aside(tmp_path, FIRST, "second")
    assert dump_diff.compare(tmp_path, laid, "third") == {}
