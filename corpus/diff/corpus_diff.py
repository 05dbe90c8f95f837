"""What changed between two corpora: configuration, sources, tables, rows by rule, posts that moved, distributions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.diff import histograms, moves, post_rows
from socorpus.corpus.diff.histograms import Distribution
from socorpus.corpus.diff.moves import Count, Move

_IDENTITY = 10
"""Letters of a tokenizer's hash that tell it from another."""
KEPT = "kept"
"""Stands for the rule of documents that no rule drops, where rules are counted."""


@dataclass(frozen=True)
class Fact:
    """A fact, a key of the configuration, or a table of a source, of both corpora; None where one has none."""

    name: str
    old: Any
    new: Any

    @property
    def differs(self) -> bool:
        """Whether it is another one."""
        return bool(self.old != self.new)


@dataclass(frozen=True)
class RuleCount:
    """Documents of a site by the rule that drops them, `KEPT` those that are kept."""

    site: str
    reason: str
    old: int
    new: int


@dataclass(frozen=True)
class CorpusDiff:
    """The differences of two corpora, but for their labels.

    Attributes:
        facts: release and origin of each site, posts, documents, kept, tokens, tokenizers.
        configuration: keys whose values are others (`section.key`).
        sources: tables of the dumps that are others, by bytes, as `SITE TABLE`.
        tables: folders of tables whose rows are others: rows of both.
        rows: of each site and rule.
        counts: of posts that moved (`moves.KINDS`).
        examples: the first of each kind of move and pair of rules.
        distributions: of kept documents.
    """

    facts: tuple[Fact, ...]
    configuration: tuple[Fact, ...]
    sources: tuple[Fact, ...]
    tables: tuple[Fact, ...]
    rows: tuple[RuleCount, ...]
    counts: tuple[Count, ...]
    examples: tuple[Move, ...]
    distributions: tuple[Distribution, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is another: a fact, a key, a source, or a row of any table."""
        facts = any(fact.differs for fact in self.facts)
        return bool(facts or self.configuration or self.sources or self.tables or self.counts)

    @property
    def moved(self) -> Counter[str]:
        """Posts by kind of move."""
        return moves.totals(self.counts)


def compare(
    old: tuple[Path, Mapping[str, Any]],
    new: tuple[Path, Mapping[str, Any]],
    examples: int = 5,
    list_to: Path | None = None,
) -> CorpusDiff:
    """Compare two corpora; memory is bounded (`post_rows.MEMORY`).

    Args:
        old, new: the trees of two corpora and their manifests.
        examples: of each kind of move and pair of rules.
        list_to: a file for the list of all moves (`moves.LIST`).
    """
    manifests = (old[1], new[1])
    sites = sorted({*manifests[0]["sites"], *manifests[1]["sites"]})
    with post_rows.database() as database:
        counted = [
            post_rows.load(database, side, tree, facts, sites)
            for side, (tree, facts) in zip(post_rows.SIDES, (old, new), strict=True)
        ]
        moves.join(database)
        counts = moves.counts(database, sites)
        drawn = moves.examples(database, sites, (old[0], new[0]), examples)
        if list_to is not None:
            moves.write_list(database, sites, list_to)
    return CorpusDiff(
        _facts(*manifests),
        _configuration(*manifests),
        _sources(*manifests),
        _tables(*manifests),
        tuple(_rows(sites, *(side.reasons for side in counted))),
        counts,
        drawn,
        _distributions(*counted),
    )


def _facts(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Fact, ...]:
    sides = [dict(_facts_of(side)) for side in (old, new)]
    facts = (Fact(name, *(side.get(name) for side in sides)) for name in dict.fromkeys([*sides[0], *sides[1]]))
    return tuple(fact for fact in facts if fact.old is not None or fact.new is not None)


def _facts_of(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    totals, shards = facts["totals"], facts["shards"].values()
    listed = [(f"release of {name}", site["released"]) for name, site in facts["sites"].items()]
    listed += [("rows read", sum(totals["rows"].values()))]
    listed += [(name, totals[name]) for name in ("quarantined", "posts", "documents", "kept")]
    listed += [
        ("tokens", sum(shard.get("tokens", 0) for shard in shards)),
        ("tokenizer's entries", facts["tokenizer"]["entries"]),
        ("tokenizer", facts["tokenizer"]["identity"][:_IDENTITY]),
    ]
    listed += [(f"tokens by {key}", entry["identity"][:_IDENTITY]) for key, entry in facts.get("tokens", {}).items()]
    listed += [(f"plug-in {name}", identity) for name, identity in facts.get("plugins", {}).items()]
    return [*listed, ("socorpus", facts["socorpus"])]


def _configuration(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Fact, ...]:
    sides = [dict(_keys(side["config"])) for side in (old, new)]
    facts = (Fact(key, *(side.get(key) for side in sides)) for key in sorted({*sides[0], *sides[1]}))
    return tuple(fact for fact in facts if fact.differs)


def _keys(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        key = f"{before}{name}"
        pairs += _keys(value, f"{key}.") if isinstance(value, Mapping) and value else [(key, value)]
    return pairs


def _sources(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Fact, ...]:
    sides: list[Counter[str]] = []
    for facts in (old, new):
        sizes: Counter[str] = Counter()
        for entry in facts["sources"]:
            sizes[f"{entry['site']} {entry['table']}"] += entry["bytes"]
        sides.append(sizes)
    tables = (Fact(name, *(side.get(name) for side in sides)) for name in sorted({*sides[0], *sides[1]}))
    return tuple(table for table in tables if table.differs)


def _tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Folders of tables whose rows differ, by the hashes of rows in the manifests: pyarrow's release alters none."""
    sides: list[dict[str, dict[str, Any]]] = []
    for facts in (old, new):
        by: dict[str, dict[str, Any]] = {}
        for path, entry in facts["files"].items():
            if path.endswith(".parquet"):
                parts = path.split("/")
                name = "/".join(
                    parts[: 3 if parts[0] == "labels" and len(parts) > 4 else 2 if parts[0] in _DEEP else 1]
                )
                by.setdefault(name, {})[path] = entry.get("rows_hash") or entry["sha256"]
        sides.append(by)
    differing = [name for name in sorted({*sides[0], *sides[1]}) if sides[0].get(name) != sides[1].get(name)]
    return tuple(Fact(name, *(_count(side, name) for side in (old, new))) for name in differing)


_DEEP = ("tables", "signals", "labels", "tokens")
"""Folders with a folder for each of their tables."""


def _count(facts: Mapping[str, Any], folder: str) -> int | None:
    rows = [of.get("rows", 0) for path, of in facts["files"].items() if path.startswith(f"{folder}/")]
    return sum(rows) if rows else None


def _rows(
    sites: Sequence[str], old: Mapping[str, Counter[str | None]], new: Mapping[str, Counter[str | None]]
) -> list[RuleCount]:
    rows = []
    for site in sites:
        was, is_now = (side.get(site, Counter[str | None]()) for side in (old, new))
        reasons = sorted({*was, *is_now}, key=lambda reason: reason or "")
        rows += [RuleCount(site, reason or KEPT, was[reason], is_now[reason]) for reason in reasons]
    return rows


def _distributions(old: post_rows.Counted, new: post_rows.Counted) -> tuple[Distribution, ...]:
    return (
        histograms.of_numbers("words of kept documents", old.words, new.words),
        histograms.of_numbers("characters of kept documents", old.chars, new.chars),
        histograms.of_numbers("tokens of kept documents", old.tokens, new.tokens),
        histograms.of_numbers("scores of kept documents", old.scores, new.scores),
        histograms.of_names("years of kept documents", old.years, new.years, by_name=True),
        histograms.of_names("languages of code in kept documents, by blocks", old.languages, new.languages),
    )
