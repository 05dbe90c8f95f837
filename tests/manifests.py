"""Manifests of corpora of nothing."""

from typing import Any

from socorpus.corpus import schema

ROWS = {name: {} for name in ("rows", "dropped")}
NUMBERS = dict.fromkeys(("quarantined", "posts", "documents", "kept"), 0)
_EMPTY = ("sites", "licenses", "signals", "reused", "pairs", "shards", "changes", "config", "files")


def manifest(**facts: Any) -> dict[str, Any]:
    """A manifest of no sites and no files, but for the facts that are given."""
    return {
        "version": schema.VERSION,
        "socorpus": "",
        "inputs": "",
        "sources": [],
        **{name: {} for name in _EMPTY},
        "totals": NUMBERS | ROWS,
        "tokenizer": {"entries": 0, "identity": ""},
        **facts,
    }


def task(**facts: Any) -> dict[str, Any]:
    """The entry of a task without examples, but for the facts that are given."""
    return {"conflicts": 0, **{name: {} for name in ("examples", "forms", "functions", "labels", "sources")}, **facts}


def site() -> dict[str, Any]:
    """The entry of a site without posts."""
    counts = ("quarantined_by_table", "repaired", "unknown_attributes", "repeated", "orphans", "absent", "post_types")
    return {**dict.fromkeys(("host", "url", "released")), **NUMBERS, **ROWS, **{name: {} for name in counts}}
