"""Facts, votes and labels of one post in lines of text: the end of `socorpus explain`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import files, manifest_file, row_lookup
from socorpus.labeling import steps
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.facts.closings import CLOSED
from socorpus.labeling.schema import FACTS, FACTS_FOLDER, FOLDER

_MOST_SPANS = 40


def lines(root: Path, key: str) -> list[str]:
    """The facts, votes and labels of the post `key` (`SITE:POST_ID`); none where the corpus has none of it."""
    facts = manifest_file.load(root) or {}
    parts = {
        "facts": list(_facts(root, key)) if facts.get("labels") else [],
        "labels": [
            line
            for name, entry in facts.get("labels", {}).items()
            for line in (*_task(root, key, name, entry), *_failures(key, name, entry))
        ],
    }
    return [line for name, text in parts.items() if text for line in ("", name, *(f"  {part}" for part in text))]


def _facts(root: Path, key: str) -> Iterator[str]:
    """What is settled of a post for all tasks, each with what says so."""
    folder = f"{FOLDER}/{FACTS_FOLDER}"
    place = row_lookup.find(root, [key], folder).get(key)
    if place is None:
        return
    row = row_lookup.take(root, [place], folder, FACTS.names)[place.key]
    evidence = json.loads(row["evidence"])
    if row["closed"] is not None:
        yield f"{'closure':<13} {_closure(row)} ({_sources(evidence.get('reason') or evidence['closed'])})"
    for name in ("migrated", "announcement", "self_evaluation", "meta"):
        if row[name]:
            value = row[name] if isinstance(row[name], str) else "yes"
            yield f"{name.replace('_', ' '):<13} {value} ({_sources(evidence[name])})"


def _closure(row: Mapping[str, Any]) -> str:
    if not row["closed"]:
        return "open, reopened" if row["reopened"] else "open"
    when = f" on {row['closed_at']:%Y-%m-%d}" if row["closed_at"] is not None else ""
    accounts = row["closed_by"]
    who = f"by account {accounts[0]}" if len(accounts) == 1 else f"by {len(accounts)} accounts" if accounts else ""
    who = "by its owner" if row["by_owner"] else who
    why = row["reason"].replace("_", " ") if row["reason"] != CLOSED else "reason not known or none of the known ones"
    of = f" of {', '.join(map(str, row['originals']))}" if row["originals"] else ""
    return f"closed{when}{' ' + who if who else ''}: {why}{of}"


def _sources(evidence: Sequence[Mapping[str, Any]]) -> str:
    """Each source in words: event, reason duplicate, number 101."""
    named = ({"": source["by"], "reason": source.get("value"), **source} for source in evidence)
    kept = [
        {
            name: value
            for name, value in source.items()
            if name not in ("by", "value", "originals") and value is not None
        }
        for source in named
    ]
    return "; ".join(
        ", ".join(f"{name} {value}".replace("_", " ").strip() for name, value in source.items()) for source in kept
    )


def _task(root: Path, key: str, task: str, entry: Mapping[str, Any]) -> Iterator[str]:
    place = row_lookup.find(root, [key], f"{FOLDER}/{task}/examples").get(key)
    if place is None:
        return
    example = row_lookup.take(root, [place], f"{FOLDER}/{task}/examples", ["text", "form", "split", "left_out"])[
        place.key
    ]
    left = f", without {len(example['left_out'])} comments that give it away" if example["left_out"] else ""
    about = f"{example['split']}, {example['form'].replace('_', ' ')}{left}"
    rows = list(_rows(root / place.path(f"{FOLDER}/{task}/labels"), place.post_id))
    if not rows:
        yield f"{task:<13} no vote ({about})"
        missing = entry.get("abstains", {}).get(place.site, {})
        others = entry.get("by_others", {}).get(place.site, {})
        by: dict[tuple[str, str], list[str]] = {}
        for label, why in missing.items():
            by.setdefault((" by the task's own functions" if label in others else "", why), []).append(label)
        for (who, why), labels in by.items():
            count = f" ({len(labels)} labels)" if len(labels) > 1 else ""
            yield f"  no {', '.join(labels)}{who} on this site{count}: {why}"
        return
    basis = f"the probability is {_basis(root, task, entry)}"
    if rows[0]["start"] is not None:
        spans = f"{len(rows)} span{'s' * (len(rows) > 1)}"
        yield f"{task:<13} {spans}; probabilities are {_basis(root, task, entry)} ({about})"
        for row in rows[:_MOST_SPANS]:
            who = ", ".join(vote["function"] for vote in row["votes"])
            words = " ".join(example["text"][row["start"] : row["end"]].split())[:60]
            yield f"  {row['start']}-{row['end']} {words}: {row['label']} {row['probability']:.3f}, by {who}"
        if len(rows) > _MOST_SPANS:
            yield f"  and {len(rows) - _MOST_SPANS} more"
        return
    for row in rows:
        differ = "; votes differ" if row["conflict"] else ""
        differ += f"; {basis}" if row["source"] != "person" else ""
        yield f"{task:<13} {row['label']} {row['probability']:.3f}, by {row['source']}{differ} ({about})"
        for vote in row["votes"]:
            yield f"  {vote['function']}: {vote['label'] or 'no answer'} ({_evidence(vote)})"


def _failures(key: str, task: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Functions that failed on the post, which the manifest's entry of the task lists."""
    for failure in entry.get("failures", ()):
        if failure["post"] == key:
            yield f"{task:<13} {failure['function']} failed on it and does not vote: {failure['error']}"


def _basis(root: Path, task: str, entry: Mapping[str, Any]) -> str:
    if entry.get("measured_on"):
        return f"measured on {entry['measured_on']:,} judgements"
    measured = files.read_json(root / steps.model_path(task)).get("measured")  # none of an earlier version
    return "assumed" if measured is None else f"measured on {measured['judged']:,} judgements"


def _rows(path: Path, post: int) -> Iterator[dict[str, Any]]:
    columns = ["post_id", "start", "end", "label", "probability", "source", "conflict", "votes"]
    for _, table in row_lookup.groups(path, columns, "post_id", [post]):
        yield from (row for row in table.to_pylist() if row["post_id"] == post)


def _evidence(vote: Mapping[str, Any]) -> str:
    text = report_sections.evidence(vote["evidence"])
    return text if json.loads(vote["evidence"]) else "no evidence"
