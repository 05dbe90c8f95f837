"""From decided documents to the files that a trainer reads: splits, tokenizer, shuffled shards.

split      once      -> which threads are for training, validation and test
sample     a bucket  -> texts to train the tokenizer on
tokenizer  once      -> tokenizer/
prepare    a bucket  -> scrubbed and tokenised rows, sent to their shards
shards     a shard   -> one Parquet file, in the order of the shuffle
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import exchange, parquet, receipts, schema, shards, split, threads, tokens
from socorpus.corpus.buckets import Bucket, counted
from socorpus.corpus.config import Shards, Split
from socorpus.corpus.duplicates import TWINS_PATH
from socorpus.corpus.engine import Made, Task
from socorpus.corpus.receipts import Receipt
from socorpus.corpus.settings import as_dict

if TYPE_CHECKING:
    from socorpus.corpus.pipeline import Context

SPLITS_PATH = ".work/splits.arrow"
SPLIT = pa.schema([("thread_id", pa.int64()), ("split", pa.string())])
"""The split of each thread; a file of these has one batch a bucket."""
_SAMPLE = pa.schema([("text", pa.string())])
_COLUMNS = [name for name in schema.DOCUMENTS.names if name not in ("closed", "edited", "views", "answers", "links")]


@dataclass(frozen=True)
class Sharded:
    """Receipts of the steps, for the manifest."""

    tokenizer: Receipt
    shards: Mapping[str, Receipt]


def run(
    context: "Context",
    documents: Mapping[str, Receipt],
    decisions: Mapping[str, Receipt],
    privacy: Mapping[str, Receipt],
    twins: Receipt,
) -> Sharded:
    """All steps."""
    config, engine, root = context.config, context.engine, context.root
    inputs = {name: receipt.content for name, receipt in documents.items()} | {"twins": twins.content}
    given = {"buckets": context.buckets, "config": config.split}
    task = Task("split", "all", split_threads, given, inputs, 1, as_dict(config.split))
    splits = engine.run("split", [task])["all"]
    inputs_of = {
        bucket.name: {
            "documents": documents[bucket.name].content,
            "decisions": decisions[bucket.name].content,
            "privacy": privacy[bucket.name].content,
            "split": splits.counts["batches"][str(bucket.index)],
        }
        for bucket in context.buckets
    }
    kept = sum(receipt.counts["kept_bytes"] for receipt in decisions.values())
    tokenizer = _tokenizer(context, inputs_of, kept)
    numbers = shards.number(_bytes_by_split(splits, decisions), config.shards.size_mb)
    section = [as_dict(config.shards), numbers]
    prepares = [
        Task(
            "prepare",
            bucket.name,
            prepare,
            {"bucket": bucket, "numbers": numbers, "config": config.shards},
            {**inputs_of[bucket.name], "tokenizer": tokenizer.content},
            1,
            section,
            decisions[bucket.name].counts["kept_bytes"] + 1,
        )
        for bucket in context.buckets
    ]
    prepared = engine.run("prepare", prepares, transient=True)
    contents = {name: receipt.content for name, receipt in prepared.items()}
    writes = []
    for name, count in numbers.items():
        first = sum(list(numbers.values())[: list(numbers).index(name)])
        for number in range(count):
            arguments = {"split": name, "number": number, "part": first + number, "buckets": context.buckets}
            arguments["config"] = config.shards
            writes.append(Task("shards", f"{name}-{number:05d}", write, arguments, contents, 1, section))
    if engine.stale(writes):
        engine.ensure(prepares)
    written = engine.run("shards", writes)
    paths = {path.removeprefix("shards/") for receipt in written.values() for path in receipt.outputs}
    receipts.prune(root, "shards", set(written), {"shards": paths})
    for name in split.SPLITS:
        (root / "shards" / name).mkdir(parents=True, exist_ok=True)
    return Sharded(tokenizer, written)


def split_threads(root: Path, buckets: Sequence[Bucket], config: Split) -> Made:
    """The split of every thread, one batch a bucket; threads that a duplicate ties together stay together."""
    twins = parquet.read(root / TWINS_PATH, columns=["family", "group", "bucket", "row"])
    names = pc.binary_join_element_wise(twins["family"], twins["group"], ":")
    linked, found = [], []
    for bucket in buckets:
        documents = parquet.read(root / bucket.path("documents"), columns=["site", "thread_id", "kind", "created"])
        here = pc.equal(twins["bucket"], bucket.index)
        rows = documents.take(twins["row"].filter(here).combine_chunks())
        linked.append(pa.table([names.filter(here), rows["site"], rows["thread_id"]], schema=split.LINKED))
        found.append(split.threads(documents))
    assigned, batches = write_splits(root / SPLITS_PATH, found, linked, config)
    counts = {"threads": counted(assigned["split"])}
    return Made(
        {SPLITS_PATH: assigned.num_rows},
        counts | {"batches": {str(bucket.index): batch for bucket, batch in zip(buckets, batches, strict=True)}},
    )


def write_splits(
    path: Path, found: Sequence[pa.Table], linked: Sequence[pa.Table], config: Split
) -> tuple[pa.Table, list[str]]:
    """Assign the threads of all buckets (`split.THREADS`, one table a bucket) and write them, one batch a bucket.

    Args:
        linked: `split.LINKED`, in any number of tables.

    Returns:
        All threads as `SPLIT`, and a hash of each batch's content.
    """
    threads_of = pa.concat_tables([split.THREADS.empty_table(), *found])
    assigned = split.assign(threads_of, pa.concat_tables([split.LINKED.empty_table(), *linked]), config)
    assigned = pa.table([assigned["thread_id"], assigned["split"].cast(pa.string())], schema=SPLIT)
    sizes = [table.num_rows for table in found]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    parts = [assigned.slice(start, size) for start, size in zip(starts, sizes, strict=False)]
    exchange.write(path, SPLIT, parts)
    return assigned, [content(part) for part in parts]


def content(part: pa.Table) -> str:
    codes = part["split"].combine_chunks().dictionary_encode()
    return receipts.fingerprint(
        [part["thread_id"].to_pylist(), codes.dictionary.to_pylist(), codes.indices.to_pylist()]
    )


def _bytes_by_split(splits: Receipt, decisions: Mapping[str, Receipt]) -> dict[str, int]:
    """Kept bytes of text by split, estimated by the share of the threads: enough to choose the number of shards."""
    kept = sum(receipt.counts["kept_bytes"] for receipt in decisions.values())
    threads_by_split: Mapping[str, int] = splits.counts["threads"]
    every = sum(threads_by_split.values()) or 1
    # Two bytes a token, and a token has about four bytes of text.
    return {name: -int(-1.5 * kept * threads_by_split.get(name, 0) // every) for name in split.SPLITS}


def _tokenizer(context: "Context", inputs_of: Mapping[str, Mapping[str, str]], kept: int) -> Receipt:
    config, engine = context.config.tokenizer, context.engine
    if config.path is not None:
        given = Path(config.path)
        content = tokens.identity(tokens.load(given))
        task = Task("tokenizer", "tokenizer", take_tokenizer, {"path": str(given.absolute())}, {"given": content})
        return engine.run("tokenizer", [task])["tokenizer"]
    share = min(1.0, config.sample_mb * 1e6 / max(kept, 1))
    samples = [
        Task("sample", bucket.name, sample, {"bucket": bucket, "share": share}, inputs_of[bucket.name], 1, share)
        for bucket in context.buckets
    ]
    sampled = engine.run("sample", samples, transient=True)
    contents = {name: receipt.content for name, receipt in sampled.items()}
    vocabulary = tokens.size_for(kept, config.vocabulary)
    # The result is the same for any number; one worker means one core.
    threads = engine.workers if engine.workers is not None else len(os.sched_getaffinity(0))
    arguments = {"buckets": context.buckets, "vocabulary": vocabulary, "threads": max(1, threads)}
    task = Task("tokenizer", "tokenizer", train_tokenizer, arguments, contents, 1, vocabulary)
    if engine.stale([task]):
        engine.ensure(samples)
    return engine.run("tokenizer", [task])["tokenizer"]


def sample(root: Path, bucket: Bucket, share: float) -> Made:
    """A share of a bucket's texts for training, scrubbed, drawn by a hash of the post."""
    documents, decisions, privacy, splits = _bucket(root, bucket)
    place = pc.index_in(documents["thread_id"], value_set=splits["thread_id"].combine_chunks())
    train = pc.equal(splits["split"].take(place), "train")
    drawn = threads.mix(np.asarray(documents["post_id"], np.int64) + np.int64(7919)) < np.uint64(share * (2**64 - 2048))
    chosen = pc.and_(train, pa.chunked_array([pa.array(drawn)]))
    table = pa.table([shards.scrubbed(*(t.filter(chosen) for t in (documents, decisions, privacy)))], schema=_SAMPLE)
    path = f".work/sample/{bucket.name}.arrow"
    exchange.write(root / path, _SAMPLE, [table])
    return Made({path: table.num_rows})


def train_tokenizer(root: Path, buckets: Sequence[Bucket], vocabulary: int, threads: int) -> Made:
    """Train a tokenizer on the samples, with as many threads as there are workers: they are idle meanwhile."""

    def texts() -> Iterator[str]:
        for bucket in buckets:
            yield from exchange.read([root / f".work/sample/{bucket.name}.arrow"], _SAMPLE)["text"].to_pylist()

    before = os.environ.get("TOKENIZERS_PARALLELISM")
    # The library makes its threads when it first needs them; until here a worker had no use for any.
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    try:
        made = tokens.train(texts(), vocabulary)
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before or "false"
    return _saved(root, made)


def take_tokenizer(root: Path, path: str) -> Made:
    """Take the tokenizer that the configuration names."""
    return _saved(root, tokens.load(Path(path)))


def _saved(root: Path, made: tokens.Tokenizer) -> Made:
    paths = tokens.save(made, root / "tokenizer")
    entries = made.get_vocab_size()
    outputs = {str(path.relative_to(root)): entries for path in paths}
    return Made(outputs, {"entries": entries, "identity": tokens.identity(made)})


def prepare(root: Path, bucket: Bucket, numbers: Mapping[str, int], config: Shards) -> Made:
    """Scrub, tokenise and send a bucket's kept rows to their shards."""
    documents, decisions, privacy, splits = _bucket(root, bucket)
    rows = shards.prepare(documents, decisions, privacy, splits, tokens.load(root / "tokenizer"))
    fine = shards.stretches(numbers)
    path = _prepared_path(bucket)
    exchange.write_partitioned(root / path, rows, shards.place(rows, fine, config.seed), sum(fine.values()))
    tokens_made = pc.sum(pc.list_value_length(rows["input_ids"])).as_py() or 0
    return Made({path: rows.num_rows}, {"tokens": tokens_made})


def write(root: Path, split: str, number: int, part: int, buckets: Sequence[Bucket], config: Shards) -> Made:
    """Write one shard, stretch by stretch."""
    paths = [root / _prepared_path(bucket) for bucket in buckets]
    facts: Counter[str] = Counter({"tokens": 0, "code_tokens": 0, "text_bytes": 0})

    def stretches() -> Iterator[pa.Table]:
        for stretch in range(part * shards.STRETCHES, (part + 1) * shards.STRETCHES):
            rows = exchange.read(paths, schema.SHARDS, stretch)
            facts["tokens"] += pc.sum(pc.list_value_length(rows["input_ids"])).as_py() or 0
            facts["code_tokens"] += sum(_code_tokens(rows["code_tokens"]))
            facts["text_bytes"] += pc.sum(pc.binary_length(rows["text"])).as_py() or 0
            yield rows

    path = f"shards/{split}/{number:05d}.parquet"
    return Made({path: shards.write(stretches(), root / path, config)}, dict(facts))


def _code_tokens(ranges: pa.ChunkedArray) -> Iterator[int]:
    for chunk in ranges.chunks:
        flat = np.asarray(chunk.flatten(), dtype=np.int64)
        yield int((flat[1::2] - flat[0::2]).sum())


def _bucket(root: Path, bucket: Bucket) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    documents = parquet.read(root / bucket.path("documents"), columns=_COLUMNS)
    decisions = parquet.read(root / bucket.path("decisions"))
    privacy = parquet.read(root / bucket.path("signals/privacy"))
    return documents, decisions, privacy, exchange.read([root / SPLITS_PATH], SPLIT, bucket.index)


def _prepared_path(bucket: Bucket) -> str:
    return f".work/prepared/{bucket.name}.arrow"
