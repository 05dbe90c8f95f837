"""The plan of a build: its sites and their buckets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from socorpus.corpus.config import Config
from socorpus.corpus.dump import addresses
from socorpus.corpus.dump.archives import Member
from socorpus.corpus.dump.sources import Site, Table
from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import own_rules
from socorpus.corpus.storage import buckets
from socorpus.corpus.storage.buckets import Buckets

SECONDS_A_MB, SECONDS_A_MB_OF_LABELS = 0.13, 0.4
"""Roughly, of XML on one core: the stages of a corpus, and its labels."""
_SECONDS_AT_LEAST = 12.0
"""Of any build: starting, compiling, the tokenizer, the report."""
_CORPUS_BYTES, _PEAK_BYTES = 0.6, 0.65
"""Of a finished corpus, and of a build at its peak, a byte of XML (docs/scaling.md)."""


_STAGES: Mapping[str, tuple[float, float]] = {
    "read": (1.0, 5.3),
    "repeats": (0.0, 0.3),
    "partition": (0.0, 2.8),
    "threads": (0.1, 5.1),
    "documents": (0.2, 6.7),
    "signals": (0.4, 13.1),
    "pairs": (0.1, 2.7),
    "fingerprints": (0.1, 7.0),
    "candidates": (0.0, 0.8),
    "shingles": (0.1, 1.2),
    "verify": (0.8, 0.2),
    "duplicates": (0.0, 0.6),
    "rules": (0.0, 0.2),
    "decisions": (0.0, 0.5),
    "sample": (0.1, 1.1),
    "tokenizer": (0.5, 35.0),
    "prepare": (1.2, 9.9),
    "shards": (0.3, 4.1),
}
_LABEL_STAGES: Mapping[str, tuple[float, float]] = {
    "label_splits": (0.1, 0.2),
    "label_facts": (0.2, 5.7),
    "label_collect": (0.4, 12.8),
    "label_vote": (6.0, 267.3),
    "label_count": (0.2, 8.2),
    "label_fit": (0.1, 0.1),
    "label_stratify": (0.1, 0.2),
    "label_label": (0.9, 32.7),
}
"""Core-seconds of each stage that takes any: of a build of few megabytes, and a gigabyte of XML more
(benchmarks/scaling/generated-2000.jsonl). What counts is how they are to one another: a run shows how fast it is."""
_REPORT = (1.3, 0.6)
_MOST = {"tokenizer": 20.0}
"""Most core-seconds of a stage: it works on a sample."""
_IN_TURN = {"tokenizer", "label_splits", "label_stratify", "report"}
"""Stages that one process does."""
_READING = {"read", "repeats", "partition", "threads"}


def stage_seconds(
    size: int, items: int, workers: int, *, corpus: bool = True, labels: bool = True, read: bool = True
) -> dict[str, float]:
    """Seconds of each stage of a build, roughly, by the shares that they have of one that was measured.

    Args:
        size: bytes of XML.
        items: buckets, beyond whose number workers have nothing to do.
        workers: processes.
        corpus: whether the corpus itself is built, or only its labels are made.
        labels: whether labels are made.
        read: whether the dump is read.

    Returns:
        In the order in which the stages come.
    """
    side_by_side = max(1, min(workers, items))
    costs = {**(_STAGES if corpus else {}), **(_LABEL_STAGES if labels else {}), "report": _REPORT}
    return {
        stage: min(_MOST.get(stage, inf), least + size / 1e9 * each) / (1 if stage in _IN_TURN else side_by_side)
        for stage, (least, each) in costs.items()
        if read or stage not in _READING
    }


@dataclass(frozen=True)
class Expense:
    """What a build will take, roughly: seconds with some cores, bytes of the disk at its peak, and of the corpus."""

    seconds: float
    disk_bytes: int
    corpus_bytes: int


def expense(sites: Sequence[Site], cores: int) -> Expense:
    """What a build of these sites will take, labels included.

    Args:
        cores: of the machine.
    """
    size = sum(table.member.size for site in sites for table in site.tables)
    seconds = _SECONDS_AT_LEAST + size / 1e6 * (SECONDS_A_MB + SECONDS_A_MB_OF_LABELS) / max(1, cores)
    return Expense(seconds, round(size * _PEAK_BYTES), round(size * _CORPUS_BYTES))


@dataclass(frozen=True)
class BuildPlan:
    """The sites of a build, their buckets, the fingerprint of all inputs, and sentences on what a user should know."""

    sites: tuple[Site, ...]
    buckets: Buckets
    inputs: str
    warnings: tuple[str, ...] = ()


def plan(sites: Sequence[Site], config: Config) -> BuildPlan:
    """Lay out the buckets: their number depends only on a site's declared size, never on the machine.

    Raises:
        InputError: no site has posts, or a rule of the configuration can't be right.
    """
    own_rules.check(config.selection)
    counts = []
    for site in sites:
        if any(table.table == "posts" for table in site.tables):
            size = sum(table.member.size for table in site.tables)
            counts.append((site.name, buckets.bucket_count(size, config.threads.bucket_mb)))
    if not counts:
        given = ", ".join(site.name for site in sites)
        raise InputError(f"no table of posts for {given}: there is nothing to build a corpus of; add Posts.xml")
    stamps: dict[str, dict[str, str]] = {site.name: {} for site in sites}
    for site in sites:
        for table in site.tables:
            before = stamps[site.name].get(table.table)
            stamps[site.name][table.table] = f"{before},{table.member.stamp}" if before else table.member.stamp
    return BuildPlan(
        tuple(sites), Buckets(tuple(counts)), receipts.fingerprint(stamps), tuple(addresses.warnings(sites, config))
    )


def of_manifest(facts: Mapping[str, Any], config: Config) -> BuildPlan:
    """The plan of a finished corpus by its manifest: its tables may be gone, and are not looked at.

    Args:
        config: with the `threads` and `sites` of the corpus.

    Raises:
        InputError: a rule of the configuration can't be right.
    """
    tables: dict[str, list[Table]] = defaultdict(list)
    for entry in facts["sources"]:
        name, address = entry["member"] or entry["file"], entry["file"]
        member = Member(name, address, "plain", entry["bytes"], True, entry["stamp"], 0)
        tables[entry["site"]].append(Table(entry["table"], member))
    sites = []
    for name, entry in facts["sites"].items():
        released = entry["released"]
        # Of several releases of a site all but one have their date in their names.
        bases = dict.fromkeys((name.removesuffix(f"-{released}"), name))
        possible = [Site(name, base, tuple(tables[name]), released) for base in bases]
        sites.append(next((site for site in possible if addresses.of(site, config) == entry["url"]), possible[0]))
    return plan(sites, config)
