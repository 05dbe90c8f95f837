"""The tokenizer of a build: trained on a sample of the kept texts, or the one that the configuration names.

sample     a bucket  -> texts to train the tokenizer on
tokenizer  once      -> tokenizer/
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.shards import rows as shards_rows
from socorpus.corpus.shards.split_files import decided_rows
from socorpus.corpus.storage import partitions
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.tokenizer import bpe
from socorpus.corpus.tokenizer import folder as tokenizer_folder

_SAMPLE = pa.schema([("text", pa.string())])


def run(context: BuildContext, inputs: Mapping[str, Mapping[str, str]], decisions: Mapping[str, Receipt]) -> Receipt:
    """The corpus's tokenizer.

    Args:
        inputs: hashes of the inputs of a bucket's kept rows (`split_files.inputs`), by bucket.
    """
    kept = sum(receipt.counts["kept_bytes"] for receipt in decisions.values())
    config, engine = context.config.tokenizer, context.engine
    if config.path is not None:
        given = Path(config.path)
        content = tokenizer_folder.identity(tokenizer_folder.load(given))
        item = WorkItem("tokenizer", "tokenizer", take, {"path": str(given.absolute())}, {"given": content})
        return engine.run("tokenizer", [item])["tokenizer"]
    share = min(1.0, config.sample_mb * 1e6 / max(kept, 1))
    samples = [
        WorkItem("sample", bucket.name, sample, {"bucket": bucket, "share": share}, inputs[bucket.name], 1, share)
        for bucket in context.buckets
    ]
    sampled = engine.run("sample", samples, transient=True)
    contents = {name: receipt.content for name, receipt in sampled.items()}
    vocabulary = bpe.size_for(kept, config.vocabulary)
    # The result is the same for any number; one worker means one core.
    threads = engine.workers if engine.workers is not None else len(os.sched_getaffinity(0))
    arguments = {"buckets": context.buckets, "vocabulary": vocabulary, "threads": max(1, threads)}
    item = WorkItem("tokenizer", "tokenizer", train, arguments, contents, 2, vocabulary)
    if engine.stale([item]):
        engine.ensure(samples)
    return engine.run("tokenizer", [item])["tokenizer"]


def sample(root: Path, bucket: Bucket, share: float) -> Outcome:
    """A share of a bucket's texts for training, redacted, drawn by a hash of the post."""
    documents, decisions, privacy, splits = decided_rows(root, bucket)
    place = pc.index_in(documents["thread_id"], value_set=splits["thread_id"].combine_chunks())
    train = pc.equal(splits["split"].take(place), "train")
    drawn = arrays.splitmix64(np.asarray(documents["post_id"], np.int64) + np.int64(7919)) < np.uint64(
        share * (2**64 - 2048)
    )
    chosen = pc.and_(train, pa.chunked_array([pa.array(drawn)]))
    table = pa.table(
        [shards_rows.redacted_texts(*(t.filter(chosen) for t in (documents, decisions, privacy)))], schema=_SAMPLE
    )
    path = f".work/sample/{bucket.name}.arrow"
    partitions.write(root / path, _SAMPLE, [table])
    return Outcome({path: table.num_rows})


def train(root: Path, buckets: Sequence[Bucket], vocabulary: int, threads: int) -> Outcome:
    """Train a tokenizer on the samples, with as many threads as there are workers: they are idle meanwhile."""

    def texts() -> Iterator[str]:
        for bucket in buckets:
            yield from partitions.read([root / f".work/sample/{bucket.name}.arrow"], _SAMPLE)["text"].to_pylist()

    before = os.environ.get("TOKENIZERS_PARALLELISM")
    # The library makes its threads when it first needs them; until here a worker had no use for any.
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    try:
        tokenizer = bpe.train(texts(), vocabulary)
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before or "false"
    return _saved(root, tokenizer)


def take(root: Path, path: str) -> Outcome:
    """Take the tokenizer that the configuration names."""
    return _saved(root, tokenizer_folder.load(Path(path)))


def _saved(root: Path, tokenizer: bpe.Tokenizer) -> Outcome:
    paths = tokenizer_folder.save(tokenizer, root / "tokenizer")
    entries = tokenizer.get_vocab_size()
    outputs = {str(path.relative_to(root)): entries for path in paths}
    return Outcome(outputs, {"entries": entries, "identity": tokenizer_folder.identity(tokenizer)})
