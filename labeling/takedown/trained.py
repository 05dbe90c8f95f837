"""What was trained on a corpus: runs, exported and fine-tuned models, by the files that training writes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import files

FACTS = ("run.json", "export.json", "finetune.json")


def fingerprint(facts: Mapping[str, Any]) -> str:
    """What a run knows a corpus by: a hash over the shards in its manifest."""
    return files.fingerprint({name: entry for name, entry in facts["files"].items() if name.startswith("shards/")})


def find(folders: Iterable[Path], held: Mapping[str, int], name: str) -> Iterator[dict[str, Any]]:
    """Runs and models below some folders that learned from a corpus as it was.

    Args:
        held: fingerprints of the corpus before its removals, with how many removed posts its shards had.
        name: of the corpus's folder, by which fine-tuned models know their data.

    Returns:
        For each its `folder`, its `kind` (run, export or finetune), the `fingerprint` and the number of removed `posts`
        that it may have read; both None where only the corpus's name is known.
    """
    seen: set[Path] = set()
    for folder in folders:
        for path in (path for name_of in FACTS for path in files.listed(folder, name_of, deep=True)):
            if path.name not in FACTS or path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                facts = files.read_json(path)
            except (OSError, ValueError):
                continue
            if not isinstance(facts, dict):
                continue
            kind = path.stem
            entry = {"folder": str(path.parent), "kind": kind}
            if kind == "finetune":
                data = facts.get("data")
                if isinstance(data, dict) and data.get("name") == name:
                    yield {**entry, "fingerprint": None, "posts": None}
                continue
            for known in sorted(_fingerprints(facts) & held.keys()):
                yield {**entry, "fingerprint": known, "posts": held[known]}


def _fingerprints(facts: Mapping[str, Any]) -> set[str]:
    of = [facts, facts.get("corpus"), *(facts.get("corpora") or ())]
    return {str(part["fingerprint"]) for part in of if isinstance(part, dict) and "fingerprint" in part}
