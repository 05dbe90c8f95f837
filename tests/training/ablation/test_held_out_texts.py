"""The texts on which proxies are scored: in the training text of no variant, with no copy there, the same for all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from socorpus.corpus import Corpus, InputError, build, load_config, schema
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.storage import files, parquet
from socorpus.training import load_config as training_config
from socorpus.training.ablation import held_out_texts, variant_corpora, variants
from socorpus.training.ablation.held_out_texts import HeldOutTexts
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.data.shard_reader import ShardCorpus
from socorpus.training.silent import Silent
from tests.conftest import Once

SITE = "made.example.com"
SMALL = {"model": {"max_length": 32}, "batch": {"tokens": 2048, "micro_tokens": 128}}


def written(
    folder: Path,
    train: Sequence[int],
    validation: Sequence[int],
    clusters: Mapping[str, Sequence[Sequence[int]]] | None = None,
    threads: Mapping[int, int] | None = None,
) -> ShardCorpus:
    """A corpus of posts by their numbers, as far as held-out texts look: shards, and signals of duplicates.

    Args:
        clusters: signal -> posts that it ties together.
        threads: of posts; by default each is its own.
    """
    known: dict[str, Any] = {}

    def write(name: str, rows: list[dict[str, Any]], kind: pa.Schema) -> None:
        parquet.write(folder / name, pa.Table.from_pylist(rows, schema=kind), kind, 4)
        known[name] = {"sha256": files.sha256(folder / name)}

    def row(post: int, split: str) -> dict[str, Any]:
        ids = [10 + (post * 7 + place) % 300 for place in range(20 + post)]
        fixed = {
            "kind": "answer",
            "created": 0,
            "score": 0,
            "accepted": False,
            "tags": [],
            "text": "",
            "own_end": 0,
            "segments": [],
        }
        own = {"post_id": post, "thread_id": (threads or {}).get(post, post), "input_ids": ids, "code_tokens": [2, 5]}
        return {"site": SITE, "split": split, **fixed, **own, "license": "CC BY-SA 4.0"}

    for split, posts in (("train", train), ("validation", validation)):
        write(f"shards/{split}/00000.parquet", [row(post, split) for post in posts], schema.SHARDS)
    for signal in ("near", "near_code", "exact"):
        rows = []
        for posts in (clusters or {}).get(signal, ()):
            for place, post in enumerate(posts):
                of = {"hash": post.to_bytes(16, "big"), "survivor": f"{SITE}:{posts[0]}" if place else None}
                rows.append(
                    {"site": SITE, "post_id": post, **(of if signal == "exact" else {"cluster": f"{posts[0]}"})}
                )
        write(f"signals/{signal}/{SITE}/00000-of-00001.parquet", rows, schema.SIGNALS[signal])
    return ShardCorpus(folder, folder, {"files": known})


def keys_of(texts: HeldOutTexts, common: bool = False) -> set[int]:
    return {int(one.key.partition(":")[2]) for one in texts.documents if one.common or not common}


def test_leaks_by_a_thread_by_copies_and_by_the_signals_of_another_variant_are_left_out(tmp_path: Path) -> None:
    held = range(20, 30)
    base = written(tmp_path / "base", range(10), held, threads={28: 3})
    # It knows of duplicates that base, with a higher threshold, does not; 1 is in all training texts, 50 in none.
    strict = written(
        tmp_path / "strict",
        range(10),
        held,
        {"near": [[1, 20], [50, 21]], "near_code": [[2, 22]], "exact": [[3, 23, 24], [25, 26]]},
    )
    # It trains on a thread that the others hold out, and keeps less.
    other = written(tmp_path / "other", [*range(5), 29], range(20, 29))
    texts = held_out_texts.choose(base, [strict, other], 1_000_000)
    assert keys_of(texts) == {21, 25, 26, 27} == keys_of(texts, common=True)
    assert texts.counts == {
        "validation": 10,
        "thread_in_training": 2,
        "duplicate_in_training": 4,
        "left": 4,
        "common": 4,
        "drawn": 4,
        "drawn_common": 4,
    }
    fewer = written(tmp_path / "fewer", range(5), [21, 25, 40])
    assert keys_of(held_out_texts.choose(base, [strict, other, fewer], 1_000_000), common=True) == {21, 25}
    with pytest.raises(InputError, match=r"none of the 10 documents .*larger split\.validation"):
        held_out_texts.choose(base, [written(tmp_path / "none", range(5), [40])], 1_000_000)


def test_few_tokens_are_whole_threads_the_same_each_time(tmp_path: Path) -> None:
    threads = {post: 20 + post % 6 for post in range(20, 60)}
    base = written(tmp_path / "base", range(5), range(20, 60), threads=threads)
    part = written(tmp_path / "part", range(5), range(20, 40), threads=threads)
    texts, few = (held_out_texts.choose(base, [part], most) for most in (1_000_000, 150))
    assert few.identity == held_out_texts.choose(base, [part], 150).identity != texts.identity
    assert 150 <= sum(len(one.ids) for one in few.documents if one.common) < few.tokens < texts.tokens
    for thread in set(few.threads[few.common].tolist()):
        of_thread = {one.key for one in texts.documents if one.thread == thread and one.common}
        assert of_thread <= {one.key for one in few.documents}


def test_every_token_is_read_once_and_masks_are_alike(tmp_path: Path, corpus: Path) -> None:
    texts = held_out_texts.choose(written(tmp_path, range(5), range(20, 60)), [], 1_000_000)
    config, vocabulary = training_config("tiny", overrides=SMALL), shard_reader.open_corpus(corpus).vocabulary
    runs = [list(texts.batches(config, vocabulary)) for _ in range(2)]
    pieces = sum(len(batch.documents) for batch, _ in runs[0])
    assert sum(batch.filled for batch, _ in runs[0]) == texts.tokens + 2 * pieces > texts.tokens
    for (batch, of), (again, of_again) in zip(*runs, strict=True):
        assert (batch.ids == again.ids).all() and (batch.labels == again.labels).all() and (of == of_again).all()
        for label, place in zip(batch.labels.tolist(), of.tolist(), strict=True):
            assert label in texts.documents[place].ids
    scored = np.bincount(np.concatenate([of for _, of in runs[0]]), minlength=len(texts.documents))
    assert 0.11 < scored.sum() / texts.tokens < 0.19
    sums = held_out_texts.by_thread(texts, np.column_stack([scored, 2.0 * scored]), texts.common)
    assert sums.sum(0).tolist() == [scored.sum(), 2 * scored.sum()]


@pytest.mark.slow
def test_no_variant_of_a_real_corpus_trains_on_a_held_out_text_its_thread_or_a_copy(once: Once, tmp_path: Path) -> None:
    sample_writer.write(tmp_path / "dump", threads=300, sites=(sample_writer.MODERN, sample_writer.AREA51), seed=3)
    config = load_config(overrides={"split": {"validation": 0.1}, "shards": {"row_group": 64}})
    build(tmp_path / "dump", tmp_path / "corpus", config, workers=0)
    base = variant_corpora.opened(tmp_path / "corpus")
    vary = ("selection.min_score=2", "near.threshold=0.6,0.95,none", "split.validation=0.05")
    listed = variants.variants(base.manifest["config"], [variants.factor(text) for text in vary])
    corpora = [one.corpus for one in variant_corpora.build(base, listed, tmp_path / "out", 0, Silent())]
    texts = held_out_texts.choose(corpora[0], corpora[1:], 1_000_000)
    held, threads = {one.key for one in texts.documents}, set(texts.threads.tolist())
    assert held and texts.counts["thread_in_training"] and texts.counts["common"] < texts.counts["left"]
    tied = 0
    for corpus in corpora:
        trained, of = keys(corpus, "train"), Corpus(corpus.folder)
        assert not held & trained and not threads & keys(corpus, "train", "thread_id")
        for signal in ("near", "near_code"):
            rows = of.signals[signal].to_table().filter(pc.field("cluster").is_valid()).to_pylist()
            members = {(row["cluster"], f"{row['site']}:{row['post_id']}") for row in rows}
            clusters = {cluster for cluster, key in members if key in trained}
            tied += len(clusters)
            assert not held & {key for cluster, key in members if cluster in clusters}
        hashes = {f"{row['site']}:{row['post_id']}": row["hash"] for row in of.signals["exact"].to_table().to_pylist()}
        copied = {content for content, count in Counter(hashes.values()).items() if count > 1}
        assert not {hashes[key] for key in held} & copied & {hashes[key] for key in trained}
    assert tied, "no cluster was looked at"


def keys(corpus: ShardCorpus, split: str, column: str = "post_id") -> set[str]:
    rows = Corpus(corpus.folder).shards(split).to_table(columns=["site", column])
    return {f"{row['site']}:{row[column]}" for row in rows.to_pylist()}
