"""The signals of one bucket of documents; rows of an earlier build are reused.

A signal row depends on its document's content alone, so it is taken from an earlier build where the digest is the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.config import Contamination
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.signals import contamination
from socorpus.corpus.signals.base import Marking
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket, counted


def mark(root: Path, bucket: Bucket, markings: Sequence[Marking]) -> Outcome:
    """Run the signal stages over a bucket, but for the rows that an earlier build has."""
    columns = dict.fromkeys(["site", "post_id", "digest", *(c for m in markings for c in m.signal.columns)])
    documents = parquet.read(root / bucket.path("documents"), columns=list(columns))
    outputs: dict[str, int] = {}
    counts: dict[str, Any] = {}
    for marking in markings:
        name = marking.signal.name
        table, reused = _marked(documents, marking, _earlier(root, bucket, marking))
        path = bucket.path(f"signals/{name}")
        outputs[path] = parquet.write(root / path, table, schema.SIGNALS[name])
        counts[name] = {"recipe": marking.recipe, "reused": reused, **_tally(name, table)}
    return Outcome(outputs, counts)


def _marked(documents: pa.Table, marking: Marking, old: pa.Table | None) -> tuple[pa.Table, int]:
    wide = schema.SIGNALS[marking.signal.name]
    config = contamination.load(marking.config) if isinstance(marking.config, Path) else marking.config
    given = () if config is None else (config,)
    if old is None:
        return marking.signal.find(documents, *given), 0
    at = pc.index_in(documents["digest"], value_set=old["digest"].combine_chunks())
    known = np.asarray(pc.is_valid(at))
    again = old.take(pc.drop_null(at).combine_chunks())
    same = documents.filter(pa.array(known))
    for position, name in enumerate(("site", "post_id")):
        again = again.set_column(position, wide.field(name), same[name])
    made = marking.signal.find(documents.filter(pa.array(~known)), *given)
    order = np.argsort(np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)]))
    return pa.concat_tables([again.cast(wide), made.cast(wide)]).take(pa.array(order)), again.num_rows


def _earlier(root: Path, bucket: Bucket, marking: Marking) -> pa.Table | None:
    """What an earlier build marked by the same recipe in the buckets that may hold this bucket's threads."""
    found = []
    name = marking.signal.name
    for path in sorted((root / "signals" / name / bucket.site).glob("*.parquet")):
        number, _, of = path.stem.partition("-of-")
        fewer = min(int(of), bucket.of)
        if int(number) % fewer == bucket.number % fewer:
            receipt = receipts.load(root, "signals", f"{bucket.site}/{path.stem}")
            if receipt and receipt.counts.get(name, {}).get("recipe") == marking.recipe:
                found.append(parquet.read(path))
    return pa.concat_tables(found) if found else None


def _tally(name: str, table: pa.Table) -> dict[str, Any]:
    """What the report wants to know of a signal without reading it again."""
    if name == "privacy":
        kinds = pc.struct_field(pc.list_flatten(table["spans"]), "kind")
        return {"kinds": counted(kinds)}
    if name == "language":
        return {"languages": counted(table["language"])}
    return {}


def index_benchmarks(root: Path, config: Contamination) -> Outcome:
    """Benchmark files -> the index that documents are held against."""
    index = contamination.build(config.benchmarks, config.ngram)
    path = ".work/benchmarks.npz"
    contamination.save(index, root / path)
    return Outcome({path: len(index.size)}, {"examples": len(index.size), "skipped": index.skipped})
