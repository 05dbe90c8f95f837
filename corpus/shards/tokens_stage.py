"""The shards' tokens by other tokenizers than the corpus's own, such as those of models that training starts from.

tokens     a shard   -> tokens/KEY/SPLIT/NUMBER.parquet, row for row with the shard

KEY says which tokenizer; its files lie in tokens/KEY/tokenizer. The corpus's own tokens stay in the shards.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.corpus.tokenizer import given as tokenizer_given
from socorpus.corpus.tokenizer.given import Given

FOLDER = STAGE = "tokens"
_TOKENIZER = "tokenizer"
_WHOLE = 1 << 40
"""Rows: a row group of a shard is one of its tokens."""


def run(tree: Path, facts: Mapping[str, Any], given: Given, engine: Engine, force: bool = False) -> dict[str, Any]:
    """Make the tokens of all shards; the manifest with them."""
    if force:
        files.remove(tree / "receipts" / STAGE / given.key)
    paths = tokenizer_folder.save_given(given, tree / FOLDER / given.key / _TOKENIZER)
    outputs = {
        str(path.relative_to(tree)): Output(given.entries, files.size(path), files.sha256(path)) for path in paths
    }
    for path, output in outputs.items():
        engine.hashes.remember(tree / path, output.sha256)
    tokenizer = Receipt(STAGE, f"{given.key}/{_TOKENIZER}", given.identity, "", outputs)
    receipts.save(tree, tokenizer)
    done = engine.run(STAGE, _items(facts, given.key, given.identity))
    splits: dict[str, Counter[str]] = {}
    for name, receipt in done.items():
        rows = sum(output.rows for output in receipt.outputs.values())
        split = name.split("/")[1].rpartition("-")[0]
        splits.setdefault(split, Counter()).update({"files": 1, "rows": rows, **receipt.counts})
    entry = {
        "identity": given.identity,
        "entries": given.entries,
        "special": dict(sorted(given.special.items())),
        "splits": {split: dict(splits[split]) for split in schema.SPLITS if split in splits},
    }
    whole = [*done.values(), tokenizer]
    tokens = {**facts.get("tokens", {}), given.key: entry}
    return _kept(tree, facts, tokens, {path: output for receipt in whole for path, output in receipt.outputs.items()})


def keep(tree: Path, before: Mapping[str, Any] | None, facts: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """The manifest of a build with those tokens of the corpus before that are of the shards as they are now.

    Others go, and are made anew when somebody asks for them.
    """
    tokens, outputs = {}, dict[str, Output]()
    for key, entry in (before or {}).get("tokens", {}).items():
        items = _items(facts, key, entry["identity"])
        tokenizer = receipts.load(tree, STAGE, f"{key}/{_TOKENIZER}")
        shards = [receipts.load(tree, STAGE, item.name) for item in items]
        whole = [receipt for receipt in (tokenizer, *shards) if receipt is not None]
        if tokenizer is not None and engine.differs(tokenizer) is None and not engine.stale(items):
            tokens[key] = entry
            outputs |= {path: output for receipt in whole for path, output in receipt.outputs.items()}
        else:
            engine.say(
                f"tokens/{key} were those of the shards before, and go; socorpus tokenize, or train --init, makes them "
                "anew with their tokenizer"
            )
    return _kept(tree, facts, tokens, outputs)


def _kept(
    tree: Path, facts: Mapping[str, Any], tokens: Mapping[str, Any], outputs: Mapping[str, Output]
) -> dict[str, Any]:
    """The manifest with some tokens and their files; files and receipts of other tokens are removed."""
    entries = {
        path: entry
        for path, entry in facts["files"].items()
        if not path.startswith(f"{FOLDER}/") or path.split("/")[1] in tokens
    } | {path: output.entry for path, output in outputs.items()}
    own = {path.removeprefix(f"{FOLDER}/") for path in entries if path.startswith(f"{FOLDER}/")}
    names = {name for name in receipts.names(tree, STAGE) if name.split("/")[0] in tokens}
    receipts.prune(tree, STAGE, names, {FOLDER: own})
    rest = {name: value for name, value in facts.items() if name != FOLDER}
    if not tokens:
        files.remove(tree / FOLDER)
        files.remove(tree / "receipts" / f"{STAGE}.json")
        return {**rest, "files": entries}
    return {**rest, FOLDER: dict(sorted(tokens.items())), "files": dict(sorted(entries.items()))}


def _items(facts: Mapping[str, Any], key: str, identity: str) -> Sequence[WorkItem]:
    items = []
    for path in sorted(path for path in facts["files"] if path.startswith("shards/")):
        _, split, number = path.removesuffix(".parquet").split("/")
        entry = facts["files"][path]
        inputs = {"shard": entry["sha256"], "tokenizer": identity}
        arguments = {"key": key, "shard": path}
        items.append(WorkItem(STAGE, f"{key}/{split}-{number}", write, arguments, inputs, weight=entry["bytes"] + 1))
    return items


def write(root: Path, key: str, shard: str) -> Outcome:
    """The tokens of one shard, row group by row group."""
    folder = root / FOLDER / key / _TOKENIZER
    given = _given(folder, files.stamp(folder / tokenizer_given.FILES[0]))
    facts: Counter[str] = Counter({"tokens": 0, "code_tokens": 0})

    def groups() -> Iterator[pa.Table]:
        for rows in parquet.batches(root / shard, ["site", "post_id", "text", "segments"]):
            ids, code = tokenizer_given.encode(given, rows["text"], rows["segments"])
            facts["tokens"] += pc.sum(pc.list_value_length(ids)).as_py() or 0
            flat = code.flatten().to_numpy()
            facts["code_tokens"] += int((flat[1::2] - flat[0::2]).sum())
            yield pa.table([rows["site"], rows["post_id"], ids, code], schema=schema.TOKENS)

    path = f"{FOLDER}/{key}/{shard.removeprefix('shards/')}"
    written = parquet.write(root / path, groups(), schema.TOKENS, _WHOLE)
    return Outcome({path: written}, dict(facts))


@functools.lru_cache(maxsize=1)
def _given(folder: Path, stamp: str) -> Given:
    """A tokenizer; read once a process, for its many items."""
    return tokenizer_folder.load_given(folder)
