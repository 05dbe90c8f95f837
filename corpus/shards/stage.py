"""From decided documents to the files that a trainer reads: splits, then shuffled shards.

split      once      -> the split of each thread: train, validation or test
prepare    a run     -> redacted and tokenised rows, sent to their shards
shards     a shard   -> one Parquet file, in the order of the shuffle
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Shards, Split
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.shards import rows as shards_rows
from socorpus.corpus.shards import shuffle, split
from socorpus.corpus.shards.split_files import SPLITS_PATH, decided_rows, write_splits
from socorpus.corpus.storage import files, parquet, partitions
from socorpus.corpus.storage.buckets import Buckets, Run
from socorpus.corpus.tokenizer import bpe
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.corpus.toml_config import as_dict


def assign_splits(context: BuildContext, documents: Mapping[str, Receipt], twins: Receipt) -> Receipt:
    """The split of each thread: train, validation or test."""
    config = context.config.split
    inputs = {name: receipt.content for name, receipt in documents.items()} | {"twins": twins.content}
    arguments = {"buckets": context.buckets, "twins": next(iter(twins.outputs)), "config": config}
    item = WorkItem("split", "all", split_threads, arguments, inputs, 2, as_dict(config))
    return context.engine.run("split", [item])["all"]


def run(
    context: BuildContext,
    decisions: Mapping[str, Receipt],
    inputs: Mapping[str, Mapping[str, str]],
    splits: Receipt,
    tokenizer: Receipt,
) -> dict[str, Receipt]:
    """Decided documents -> shards.

    Args:
        inputs: hashes of the inputs of a bucket's kept rows (`split_files.inputs`), by bucket.
    """
    config, engine, root = context.config.shards, context.engine, context.root
    numbers = shuffle.number(_bytes_by_split(splits, decisions), config.size_mb)
    section = [as_dict(config), numbers]
    prepares = [
        WorkItem(
            "prepare",
            run.name,
            prepare,
            {"run": run, "numbers": numbers, "config": config},
            {bucket.name: receipts.fingerprint(inputs[bucket.name]) for bucket in run.buckets}
            | {"tokenizer": tokenizer.content},
            3,
            section,
            sum(decisions[bucket.name].counts["kept_bytes"] + 1 for bucket in run.buckets),
        )
        for run in context.buckets.runs
    ]
    prepared = engine.run("prepare", prepares, transient=True)
    contents = {"prepared": receipts.fingerprint({name: receipt.content for name, receipt in prepared.items()})}
    writes = []
    for name, count in numbers.items():
        first = sum(list(numbers.values())[: list(numbers).index(name)])
        for number in range(count):
            arguments = {"split": name, "number": number, "part": first + number, "buckets": context.buckets}
            arguments["config"] = config
            writes.append(WorkItem("shards", f"{name}-{number:05d}", write, arguments, contents, 3, section))
    if engine.stale(writes):
        engine.ensure(prepares)
    written = engine.run("shards", writes)
    files.remove(root / ".work/prepared")
    paths = {path.removeprefix("shards/") for receipt in written.values() for path in receipt.outputs}
    receipts.prune(root, "shards", set(written), {"shards": paths})
    for name in schema.SPLITS:
        files.make_folder(root / "shards" / name)
    return written


def split_threads(root: Path, buckets: Buckets, twins: str, config: Split) -> Outcome:
    """The split of every thread, one batch a bucket; threads that a duplicate ties together stay together."""
    with partitions.mapped(root / twins) as members:
        names = pc.binary_join_element_wise(members["family"], members["group"], ":").combine_chunks()
        clusters = names.dictionary_encode().indices
    linked: list[pa.Table] = []

    def threads() -> Iterator[pa.Table]:
        first = 0
        for bucket in buckets:
            documents = parquet.read(root / bucket.path("documents"), columns=["site", "thread_id", "kind", "created"])
            members_here = partitions.of_bucket(root / twins, bucket.index, ["row"])["row"]
            rows = documents.take(members_here.combine_chunks())
            ties = [clusters.slice(first, len(rows)), rows["site"].dictionary_encode(), rows["thread_id"]]
            linked.append(pa.table(ties, names=split.LINKED.names))
            first += len(rows)
            yield split.threads(documents)

    assigned, batches = write_splits(root / SPLITS_PATH, threads(), linked, config)
    counts = {"threads": counted(assigned["split"])}
    return Outcome(
        {SPLITS_PATH: assigned.num_rows},
        counts | {"batches": {str(bucket.index): batch for bucket, batch in zip(buckets, batches, strict=True)}},
    )


def _bytes_by_split(splits: Receipt, decisions: Mapping[str, Receipt]) -> dict[str, int]:
    """Kept bytes of text by split, estimated by the share of the threads: enough to choose the number of shards."""
    kept = sum(receipt.counts["kept_bytes"] for receipt in decisions.values())
    threads_by_split: Mapping[str, int] = splits.counts["threads"]
    every = sum(threads_by_split.values()) or 1
    # Two bytes a token, and a token has about four bytes of text.
    return {name: -int(-1.5 * kept * threads_by_split.get(name, 0) // every) for name in schema.SPLITS}


def prepare(root: Path, run: Run, numbers: Mapping[str, int], config: Shards) -> Outcome:
    """Redact, tokenise and send the kept rows of a run's buckets to their shards."""
    tokenizer, lengths = _tokenizer(root / "tokenizer", files.stamp(root / "tokenizer/tokenizer.json"))
    tables = [shards_rows.prepare(*decided_rows(root, bucket), tokenizer, lengths) for bucket in run.buckets]
    rows = pa.concat_tables(tables)
    fine = shuffle.stretches(numbers)
    path = _prepared_path(run)
    partitions.write_partitioned(root / path, rows, shuffle.place(rows, fine, config.seed), sum(fine.values()))
    tokens_made = pc.sum(pc.list_value_length(rows["input_ids"])).as_py() or 0
    return Outcome({path: rows.num_rows}, {"tokens": tokens_made})


@functools.lru_cache(maxsize=1)
def _tokenizer(folder: Path, stamp: str) -> tuple[bpe.Tokenizer, npt.NDArray[np.int32]]:
    """The tokenizer of a corpus, and the bytes that its entries stand for; read once a process, for its many items."""
    tokenizer = tokenizer_folder.load(folder)
    return tokenizer, bpe.byte_lengths(tokenizer)


def write(root: Path, split: str, number: int, part: int, buckets: Buckets, config: Shards) -> Outcome:
    """Write one shard, stretch by stretch."""
    paths = [root / _prepared_path(run) for run in buckets.runs]
    facts: Counter[str] = Counter({"tokens": 0, "code_tokens": 0, "text_bytes": 0})

    def stretches() -> Iterator[pa.Table]:
        for stretch in range(part * shuffle.STRETCHES, (part + 1) * shuffle.STRETCHES):
            rows = partitions.read(paths, schema.SHARDS, stretch)
            facts["tokens"] += pc.sum(pc.list_value_length(rows["input_ids"])).as_py() or 0
            facts["code_tokens"] += sum(_code_tokens(rows["code_tokens"]))
            facts["text_bytes"] += pc.sum(pc.binary_length(rows["text"])).as_py() or 0
            yield rows

    path = f"shards/{split}/{number:05d}.parquet"
    groups = shuffle.groups(stretches(), config)
    rows = parquet.write(root / path, groups, schema.SHARDS, config.row_group)
    return Outcome({path: rows}, dict(facts))


def _code_tokens(ranges: pa.ChunkedArray) -> Iterator[int]:
    for chunk in ranges.chunks:
        flat = np.asarray(chunk.flatten(), dtype=np.int64)
        yield int((flat[1::2] - flat[0::2]).sum())


def _prepared_path(run: Run) -> str:
    return f".work/prepared/{run.name}.arrow"
