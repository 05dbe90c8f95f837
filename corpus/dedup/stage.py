"""Duplicates over all buckets: the steps of `dedup`, each as a map whose pieces meet through files.

    fingerprints  a run     -> rows (hash, document), sent to groups by hash: near, near_code, exact
    candidates    a group   -> pairs of documents that share a hash; for exact copies, the groups themselves
    shingles      a run     -> the shingle sets of those of its documents that are in a pair
    verify        a portion -> exact similarity of its pairs
    twins         once      -> clusters and survivors: a row for each member, by bucket, `.work/twins.arrow`
    duplicates    a run     -> signals exact, near and near_code of each of its buckets

Only pairs of candidates reach the client. The memory of a work item does not grow with the dump: a group is a share of
the hashes, a portion is bounded by its documents.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.config import Near
from socorpus.corpus.dedup import clusters, components, exact, lsh
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.schema import TIME
from socorpus.corpus.storage import files, parquet, partitions
from socorpus.corpus.storage.buckets import Buckets, Run
from socorpus.corpus.toml_config import as_dict

EXACT = pa.schema([("hash", pa.binary(16)), *clusters.MEMBERS])
PAIRS = pa.schema([("a", pa.int64()), ("b", pa.int64())])
SIMILAR = pa.schema([*PAIRS, ("jaccard", pa.float64()), ("alike", pa.bool_())])
TWINS = pa.schema(
    [
        ("family", pa.string()),
        ("group", pa.string()),
        ("bucket", pa.int32()),
        ("row", pa.int64()),
        ("rank", pa.int32()),
        ("accepted", pa.bool_()),
        ("score", pa.int32()),
        ("created", TIME),
        ("key", pa.string()),
        ("survivor", pa.string()),
        ("jaccard", pa.float32()),
        ("link", pa.string()),
        ("link_jaccard", pa.float32()),
    ]
)
"""Members of groups of duplicates: family exact, near or near_code; rank 0 is the one to keep."""

TWINS_PATH = ".work/twins.arrow"
GROUP_DOCUMENTS = 200_000
_DOCUMENT_COLUMNS = ["site", "post_id", "accepted", "score", "created", "text", "own_end", "segments"]


def run(context: BuildContext, documents: Mapping[str, Receipt]) -> tuple[Receipt, dict[str, dict[str, Receipt]]]:
    """All steps; the receipt of the twins, and those of the three signals by name and bucket."""
    near, engine = context.config.near, context.engine
    total = sum(output.rows for receipt in documents.values() for output in receipt.outputs.values())
    groups = 1 << max(0, (total // GROUP_DOCUMENTS)).bit_length()
    section = as_dict(near)
    prints = [
        WorkItem(
            "fingerprints",
            run.name,
            fingerprints,
            {"run": run, "near": near, "groups": groups},
            {bucket.name: documents[bucket.name].content for bucket in run.buckets},
            3,
            [section, groups, run.index],
            sum(documents[bucket.name].outputs[bucket.path("documents")].bytes for bucket in run.buckets),
        )
        for run in context.buckets.runs
    ]
    done = engine.run("fingerprints", prints, transient=True)
    contents = {name: receipt.content for name, receipt in done.items()}
    inputs = {"fingerprints": receipts.fingerprint(contents)}
    arguments = {"near": near, "buckets": context.buckets, "groups": groups}
    twins = WorkItem("twins", "all", find_twins, arguments, inputs, 3, section)
    if engine.stale([twins]):
        engine.ensure(prints)
        _prepare_twins(context, inputs, groups)
    settled = engine.run("twins", [twins])["all"]
    for folder in ("candidates", "shingles", "verified"):
        files.remove(context.root / ".work" / folder)
    members: Mapping[str, str] = settled.counts["members"]
    marks = []
    for run in context.buckets.runs:
        inputs = {"fingerprints": contents[run.name]}
        inputs |= {bucket.name: members.get(str(bucket.index), "") for bucket in run.buckets}
        marks.append(WorkItem("duplicates", run.name, mark, {"run": run}, inputs, 2))
    if engine.stale(marks):
        engine.ensure(prints)
    marked = engine.run("duplicates", marks)
    files.remove(context.root / ".work/fingerprints")
    folders = {f"signals/{name}": {f"{bucket.name}.parquet" for bucket in context.buckets} for name in _SIGNALS}
    receipts.prune(context.root, "duplicates", set(marked), folders)
    by_bucket = context.of_buckets(marked)
    by_name = {
        name: {key: receipts.portion(receipt, f"signals/{name}") for key, receipt in by_bucket.items()}
        for name in _SIGNALS
    }
    return settled, by_name


_SIGNALS = ("exact", "near", "near_code")


def _prepare_twins(context: BuildContext, inputs: Mapping[str, str], groups: int) -> None:
    near, engine = context.config.near, context.engine
    items = [
        WorkItem(
            "candidates",
            f"{name}-{group:05d}",
            candidates,
            {"name": name, "group": group, "buckets": context.buckets},
            inputs,
        )
        for name in _SIGNALS
        for group in range(groups)
    ]
    engine.run("candidates", items)
    shingled, verified = [], []
    for name in lsh.FORMS:
        edges = _edges(context.root, name, groups)
        portions = [edges[rows] for rows in lsh.portions(edges)]
        wanted = [np.unique(part) for part in portions]
        ends = [run.index + run.count << 32 for run in context.buckets.runs]
        bounds = [np.append(0, np.searchsorted(ids, ends)) for ids in wanted]
        for place, run in enumerate(context.buckets.runs):
            own = [ids[cut[place] : cut[place + 1]] for ids, cut in zip(wanted, bounds, strict=True)]
            arguments: dict[str, Any] = {"run": run, "near": near, "name": name, "wanted": own}
            shingled.append(WorkItem("shingles", f"{name}/{run.name}", shingles, arguments, inputs, 2))
        for number, part in enumerate(portions):
            arguments = {"near": near, "name": name, "number": number, "edges": part, "buckets": context.buckets}
            verified.append(WorkItem("verify", f"{name}-{number:05d}", verify, arguments, inputs))
    engine.run("shingles", shingled)
    engine.run("verify", verified)
    names = {item.name for item in verified}
    receipts.prune(context.root, "verify", names, {".work/verified": {f"{name}.parquet" for name in names}})


def fingerprints(root: Path, run: Run, near: Near, groups: int) -> Outcome:
    """The fingerprints of the documents of a run's buckets, sent to groups by hash."""
    rows: dict[str, list[pa.Table]] = {name: [] for name in _SIGNALS}
    for bucket in run.buckets:
        documents = parquet.read(root / bucket.path("documents"), columns=_DOCUMENT_COLUMNS)
        for name, form in lsh.FORMS.items():
            rows[name].append(lsh.fingerprints(documents, bucket.index, near, form))
        people = clusters.members(documents, bucket.index)
        rows["exact"].append(people.add_column(0, EXACT.field("hash"), exact.text_hashes(documents)).cast(EXACT))
    outputs = {}
    for name, tables in rows.items():
        table = pa.concat_tables(tables)
        if name == "exact":
            low = np.frombuffer(b"".join(table["hash"].to_pylist()), np.uint8).reshape(-1, 16)[:, :2]
            place = (low[:, 0].astype(np.int64) * 256 + low[:, 1]) & (groups - 1)
        else:
            place = (np.asarray(table["hash"], dtype=np.uint64) & np.uint64(groups - 1)).astype(np.int64)
        outputs[_print_path(name, run)] = table.num_rows
        partitions.write_partitioned(root / _print_path(name, run), table, place, groups)
    return Outcome(outputs)


def candidates(root: Path, name: str, group: int, buckets: Buckets) -> Outcome:
    """Pairs that share a hash of this group; of exact copies, the whole groups."""
    path = f".work/candidates/{name}-{group:05d}.parquet"
    paths = [root / _print_path(name, run) for run in buckets.runs]
    if name == "exact":
        rows = partitions.read(paths, EXACT, group).combine_chunks()
        codes = rows["hash"].combine_chunks().dictionary_encode().indices.to_numpy()
        copied = np.bincount(codes, minlength=1)[codes] > 1 if len(codes) else np.zeros(0, bool)
        return Outcome({path: parquet.write(root / path, rows.filter(pa.array(copied)), EXACT)})
    edges, crowds = lsh.candidates(partitions.read(paths, lsh.FINGERPRINTS, group).combine_chunks())
    table = pa.table([edges[:, 0], edges[:, 1]], schema=PAIRS)
    return Outcome({path: parquet.write(root / path, table, PAIRS)}, {"crowds": crowds})


def shingles(root: Path, run: Run, near: Near, name: str, wanted: Sequence[Int64]) -> Outcome:
    """The shingle sets of a run's documents that each portion needs, and their rows of `MEMBERS`."""
    ids = np.unique(np.concatenate([*wanted, np.empty(0, np.int64)]))
    people, sets = [clusters.MEMBERS.empty_table()], [[lsh.SETS.empty_table()] for _ in wanted]
    for bucket in run.buckets:
        here = ids[ids >> 32 == bucket.index]
        if not len(here):
            continue
        documents = parquet.read(root / bucket.path("documents"), columns=_DOCUMENT_COLUMNS)
        people.append(clusters.members(documents, bucket.index, here))
        for some, tables in zip(wanted, sets, strict=True):
            if (own := some[some >> 32 == bucket.index]).size:
                tables.append(lsh.shingle_table(documents, bucket.index, near, lsh.FORMS[name], own))
    members = pa.concat_tables(people)
    outputs = {_sets_path(name, run): 0, _people_path(name, run): members.num_rows}
    parquet.write(root / _people_path(name, run), members, clusters.MEMBERS)
    partitions.write(root / _sets_path(name, run), lsh.SETS, map(pa.concat_tables, sets))
    return Outcome(outputs)


def verify(root: Path, near: Near, name: str, number: int, edges: Int64, buckets: Buckets) -> Outcome:
    """Exact similarity of the pairs of one portion, and whether they are alike in what words do not show."""
    sets = partitions.read([root / _sets_path(name, run) for run in buckets.runs], lsh.SETS, number)
    path = f".work/verified/{name}-{number:05d}.parquet"
    columns = [edges[:, 0], edges[:, 1], lsh.verify(edges, sets), lsh.alike(edges, sets, near)]
    table = pa.table(columns, schema=SIMILAR)
    return Outcome({path: parquet.write(root / path, table, SIMILAR)})


def find_twins(root: Path, near: Near, buckets: Buckets, groups: int) -> Outcome:
    """Verified pairs -> clusters and survivors; exact copies likewise.

    Returns:
        counts: by family; and under "members" a hash of each bucket's rows, of buckets that have any.
    """
    tables: list[pa.Table] = []
    counts: dict[str, dict[str, Any]] = {}
    for name in lsh.FORMS:
        paths = [path for path in files.listed(root / ".work/verified") if path.stem.rpartition("-")[0] == name]
        pairs = pa.concat_tables([SIMILAR.empty_table(), *(parquet.read(path) for path in paths)])
        edges = np.column_stack([pairs["a"].to_numpy(), pairs["b"].to_numpy()])
        similarity = pairs["jaccard"].to_numpy()
        pairs_seen, reaching = len(edges), similarity >= near.threshold
        same = pairs["alike"].to_numpy()
        differing = int((reaching & ~same).sum())
        edges, similarity = edges[same], similarity[same]
        people = pa.concat_tables(
            [clusters.MEMBERS.empty_table(), *(parquet.read(root / _people_path(name, run)) for run in buckets.runs)]
        )
        labels = clusters.clusters(edges, similarity, near.threshold)

        def alike_more(more: Int64, form: str = name) -> npt.NDArray[np.bool_]:
            return lsh.alike(more, _sets_of(root, form, buckets, np.unique(more)), near)

        labels = clusters.split(people, labels, edges[similarity >= near.threshold], alike_more)

        def verify_more(more: Int64, form: str = name) -> Float64:
            return lsh.verify(more, _sets_of(root, form, buckets, np.unique(more)))

        twins = clusters.survivors(people, labels, edges, similarity, verify_more)
        twins = twins.join(people, "document", join_type="inner").rename_columns({"cluster": "group"})
        tables.append(_ranked(twins, name))
        counts[name] = {
            "candidates": pairs_seen,
            "similar_but_different": differing,
            "verified": int((similarity >= near.threshold).sum()),
            "members": twins.num_rows,
            "clusters": len(pc.unique(labels["cluster"])),
        }
    same = pa.concat_tables(parquet.read(root / f".work/candidates/exact-{g:05d}.parquet") for g in range(groups))
    people = same.drop("hash")
    removed = exact.exact_survivors(same["hash"], people)
    group = pa.array([value.hex() for value in same["hash"].to_pylist()], pa.string())
    joined = people.append_column("group", group).join(removed, "document", join_type="left outer")
    # Texts without a word are no copies of one another.
    kept = pc.is_in(joined["key"], pc.unique(joined["survivor"].drop_null()))
    joined = joined.filter(pc.or_(kept, pc.is_valid(joined["survivor"])))
    tables.append(_ranked(joined, "exact"))
    counts["exact"] = {"members": joined.num_rows, "clusters": len(pc.unique(joined["group"]))}
    table = pa.concat_tables(tables)
    # The signals of a bucket do not show when a post was written.
    counts["members"] = partitions.write_by_bucket(root / TWINS_PATH, table, ["created"])
    return Outcome({TWINS_PATH: table.num_rows}, counts)


def _ranked(rows: pa.Table, family: str) -> pa.Table:
    order: list[tuple[str, str]] = [("group", "ascending"), ("accepted", "descending"), ("score", "descending")]
    rows = rows.sort_by([*order, ("created", "ascending"), ("key", "ascending")])
    n = rows.num_rows
    codes = rows["group"].combine_chunks().dictionary_encode().indices.to_numpy() if n else np.empty(0, np.int32)
    starts = np.flatnonzero(np.diff(codes, prepend=-1)) if n else np.empty(0, np.int64)
    rank = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))
    ids = np.asarray(rows["document"], dtype=np.int64)
    computed = {
        "family": pa.array([family] * n, pa.string()),
        "bucket": pa.array(ids >> 32, pa.int32()),
        "row": pa.array(ids & 0xFFFFFFFF),
        "rank": pa.array(rank, pa.int32()),
    }
    columns = [
        computed[field.name]
        if field.name in computed
        else rows[field.name]
        if field.name in rows.column_names
        else pa.nulls(n, field.type)
        for field in TWINS
    ]
    return pa.table(columns, schema=TWINS)


def mark(root: Path, run: Run) -> Outcome:
    """The three signals of a run's buckets."""
    prints = partitions.read([root / _print_path("exact", run)], EXACT, columns=["hash", "document"])
    prints = prints.sort_by("document").combine_chunks()
    numbers = prints["document"].to_numpy() >> 32
    outputs = {}
    for bucket in run.buckets:
        documents = parquet.read(root / bucket.path("documents"), columns=["site", "post_id"])
        twins = partitions.of_bucket(root / TWINS_PATH, bucket.index)
        ids = pa.array((np.asarray(twins["bucket"], np.int64) << 32) + np.asarray(twins["row"], np.int64))
        twins = twins.append_column("document", ids).rename_columns({"group": "cluster"})
        for name in lsh.FORMS:
            own = twins.filter(pc.equal(twins["family"], name)).select(clusters.TWINS.names)
            table = clusters.signals(documents, bucket.index, own, name)
            path = bucket.path(f"signals/{name}")
            outputs[path] = parquet.write(root / path, table, schema.SIGNALS[name])
        start, stop = np.searchsorted(numbers, [bucket.index, bucket.index + 1]).tolist()
        hashes = prints["hash"].slice(start, stop - start).combine_chunks()
        removed = twins.filter(pc.and_(pc.equal(twins["family"], "exact"), pc.is_valid(twins["survivor"])))
        table = exact.exact_signals(documents, bucket.index, hashes, removed.select(["document", "survivor"]))
        path = bucket.path("signals/exact")
        outputs[path] = parquet.write(root / path, table, schema.SIGNALS["exact"])
    return Outcome(outputs)


def _edges(root: Path, name: str, groups: int) -> Int64:
    parts = []
    for group in range(groups):
        table = parquet.read(root / f".work/candidates/{name}-{group:05d}.parquet")
        parts.append(np.column_stack([table["a"].to_numpy(), table["b"].to_numpy()]))
    return components.unite(parts)


def _sets_of(root: Path, name: str, buckets: Buckets, ids: Int64) -> pa.Table:
    """The sets of some documents (ids, ascending)."""
    tables = [lsh.SETS.empty_table()]
    for run in buckets.runs:
        here = ids[slice(*np.searchsorted(ids, [run.index << 32, run.index + run.count << 32]))]
        if len(here):
            rows = partitions.read([root / _sets_path(name, run)], lsh.SETS)
            # A document that several portions need is there several times.
            numbers, first = np.unique(rows["document"].to_numpy(), return_index=True)
            tables.append(rows.take(pa.array(first[np.isin(numbers, here)])))
    return pa.concat_tables(tables)


def _print_path(name: str, run: Run) -> str:
    return f".work/fingerprints/{name}/{run.name}.arrow"


def _sets_path(name: str, run: Run) -> str:
    return f".work/shingles/{name}/{run.name}.arrow"


def _people_path(name: str, run: Run) -> str:
    return f".work/shingles/{name}/{run.name}.parquet"
