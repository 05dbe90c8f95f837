"""Decisions of one bucket: the rules, then the election among duplicates."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Selection, SelectionRule
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.selection import election, own_rules
from socorpus.corpus.selection import rules as selection_rules
from socorpus.corpus.selection.expressions import Expression
from socorpus.corpus.selection.rules import Dropped
from socorpus.corpus.storage import parquet, partitions
from socorpus.corpus.storage.buckets import Bucket, Buckets
from socorpus.corpus.toml_config import as_dict


def run(
    context: BuildContext,
    documents: Receipts,
    signals: Mapping[str, Receipts],
    twins: Receipt,
    languages: Mapping[str, str] | None = None,
) -> dict[str, Receipt]:
    """Signals -> decisions: the rules, then the election among duplicates; receipts by bucket.

    Args:
        languages: site -> the language that its posts are kept in, in place of the configuration's; of those that have
            one.
    """
    config = context.config.selection
    read = [signals[name] for name in own_rules.read_by(config)]
    given = languages or {}
    own = {f"{bucket.index}": given[bucket.site] for bucket in context.buckets if bucket.site in given}
    rules = context.by_bucket(
        "rules", apply_rules, documents, *read, config=config, more=own or None, **({"languages": given} if own else {})
    )
    context.prune("rules", rules, [".work/rules"])
    inputs = {"twins": twins.content} | {name: receipt.content for name, receipt in rules.items()}
    arguments = {"twins": next(iter(twins.outputs)), "buckets": context.buckets, "config": config}
    item = WorkItem("elect", "all", elect, arguments, inputs, 2, as_dict(config))
    elected = context.engine.run("elect", [item])["all"]
    path = next(iter(elected.outputs))
    done = context.by_bucket("decisions", decide, documents, rules, more=elected.counts["lost"], elected=path)
    context.prune("decisions", done, ["decisions"])
    return done


def apply_rules(root: Path, bucket: Bucket, config: Selection, languages: Mapping[str, str] | None = None) -> Outcome:
    """The rules of one row: decisions before duplicates."""
    if language := (languages or {}).get(bucket.site):
        config = replace(config, languages=(language,))
    rows = parquet.read(root / bucket.path("documents"), columns=selection_rules.DOCUMENT_COLUMNS)
    for signal, columns in selection_rules.SIGNAL_COLUMNS.items():
        marks = parquet.read(root / bucket.path(f"signals/{signal}"), columns=columns)
        for column in columns:
            rows = rows.append_column(column, marks[column])
    own = [
        _own(root, bucket, rule, expression)
        for rule, expression in zip(config.rules, own_rules.check(config), strict=True)
    ]
    table = selection_rules.apply_rules(rows, config, own)
    path = bucket.path(".work/rules")
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)})


def _own(root: Path, bucket: Bucket, rule: SelectionRule, expression: Expression) -> Dropped:
    """The documents of a bucket that a rule of the configuration drops."""
    folders = {name: name if name == "documents" else f"signals/{name}" for name in expression.columns}
    tables = {
        name: parquet.read(root / bucket.path(folders[name]), columns=columns)
        for name, columns in expression.columns.items()
    }
    keys = parquet.read(root / bucket.path("documents"), columns=["site", "post_id"])
    return own_rules.apply(rule, expression, tables, keys)


def decide(root: Path, bucket: Bucket, elected: str) -> Outcome:
    """The rules' decisions and the elected twins -> decisions; counts kept documents, and drops by reason."""
    lost = partitions.of_bucket(root / elected, bucket.index)
    table = election.drop_duplicates(parquet.read(root / bucket.path(".work/rules")), lost)
    texts = parquet.read(root / bucket.path("documents"), columns=["text"])["text"]
    kept = pc.sum(pc.binary_length(texts.filter(table["keep"]))).as_py() or 0
    path = bucket.path("decisions")
    counts: Mapping[str, Any] = {
        "kept": pc.sum(table["keep"]).as_py() or 0,
        "dropped": dict(sorted(counted(table["reason"].drop_null()).items())),
        "kept_bytes": kept,
    }
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)}, counts)


def elect(root: Path, twins: str, buckets: Buckets, config: Selection) -> Outcome:
    """Settle all groups of duplicates among the members that the rules keep.

    Returns:
        counts: under "lost" a hash of each bucket's rows, of buckets that have any.
    """
    with partitions.mapped(root / twins) as members:
        keep = np.zeros(members.num_rows, bool)
        row = np.asarray(members["row"], dtype=np.int64)
        bounds = np.searchsorted(np.asarray(members["bucket"], dtype=np.int32), np.arange(len(buckets) + 1))
        for bucket, (start, stop) in zip(buckets, itertools.pairwise(bounds.tolist()), strict=True):
            if stop > start:
                ruled = parquet.read(root / bucket.path(".work/rules"), columns=["keep"])["keep"]
                keep[start:stop] = np.asarray(ruled)[row[start:stop]]
        table = election.elect(members, keep, config)
    path = ".work/elected.arrow"
    lost = partitions.write_by_bucket(root / path, table)
    return Outcome({path: table.num_rows}, {"lost": lost})
