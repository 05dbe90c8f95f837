"""Changes in a newer dump of the same sites: posts that came, changed and went.

Each bucket keeps a small table of its posts with a hash of what a reader sees (`threads.KEYS`). When a build begins
whose sources are not those of the finished corpus, these tables are set aside, and compared at its end.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.dump.threads import KEYS, KEYS_FOLDER
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket, bucket_of, counts_in, earlier_names

_NOW, BEFORE = KEYS_FOLDER, ".work/before"
_EXAMPLES = 20


def set_aside(root: Path, manifest: Mapping[str, Any] | None, inputs: str) -> None:
    """Keep the keys of the finished corpus if this build's inputs are others; once, however often it is resumed."""
    if manifest is None or manifest["inputs"] == inputs:
        return
    mark = root / BEFORE / "of.json"
    wanted = {"before": manifest["inputs"], "now": inputs}
    if files.exists(mark) and files.read_json(mark) == wanted:
        return
    files.remove(root / BEFORE)
    if files.exists(root / _NOW):
        files.copy_folder(root / _NOW, root / BEFORE)
    files.write_json(mark, wanted)


def compare(root: Path, buckets: Sequence[Bucket], inputs: str) -> dict[str, Any]:
    """Counts of posts new, changed, unchanged and gone by site, with examples; empty if there was no earlier build."""
    mark = root / BEFORE / "of.json"
    if not files.exists(mark) or files.read_json(mark)["now"] != inputs:
        return {}
    changes: dict[str, dict[str, Any]] = {}
    counts = {site: counts_in(root / BEFORE / site) for site in files.folders(root / BEFORE)}
    for bucket in buckets:
        before, now = _before(root, bucket, counts.get(bucket.site, ())), parquet.read(root / bucket.path(_NOW))
        _add(changes, bucket.site, *_compare(before, now))
    for site in files.folders(root / BEFORE):
        if site not in changes:
            for path in files.listed(root / BEFORE / site):
                _add(changes, site, *_compare(parquet.read(path), KEYS.empty_table()))
    return changes


def _before(root: Path, bucket: Bucket, counts: Sequence[int]) -> pa.Table:
    tables = [KEYS.empty_table()]
    for name in earlier_names(bucket, counts):
        path = root / BEFORE / bucket.site / f"{name}.parquet"
        if files.exists(path):
            rows = parquet.read(path)
            here = bucket_of(np.asarray(rows["thread_id"], dtype=np.int64), bucket.of) == bucket.number
            tables.append(rows.filter(pa.array(here)))
    return pa.concat_tables(tables)


def _compare(before: pa.Table, now: pa.Table) -> tuple[dict[str, int], dict[str, npt.NDArray[np.int64]]]:
    places = pc.index_in(now["post_id"], value_set=before["post_id"].combine_chunks())
    known = now.filter(pc.is_valid(places))
    old = before.take(pc.drop_null(places).combine_chunks())
    same = pc.equal(known["hash"], old["hash"])
    posts = {
        "new": now.filter(pc.is_null(places))["post_id"],
        "changed": known.filter(pc.invert(same))["post_id"],
        "gone": before.filter(pc.invert(pc.is_in(before["post_id"], now["post_id"].combine_chunks())))["post_id"],
    }
    counts = {name: len(ids) for name, ids in posts.items()} | {"unchanged": pc.sum(same).as_py() or 0}
    return counts, {name: np.asarray(ids, dtype=np.int64) for name, ids in posts.items()}


def _add(
    changes: dict[str, dict[str, Any]], site: str, counts: Mapping[str, int], posts: Mapping[str, npt.NDArray[np.int64]]
) -> None:
    entry = changes.setdefault(site, {"new": 0, "changed": 0, "unchanged": 0, "gone": 0, "examples": {}})
    for name, count in counts.items():
        entry[name] += count
    for name, ids in posts.items():
        merged = sorted([*entry["examples"].get(name, []), *ids[:_EXAMPLES].tolist()])
        entry["examples"][name] = merged[:_EXAMPLES]
