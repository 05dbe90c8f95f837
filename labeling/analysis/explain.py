"""Facts, votes and labels of one post in lines of text: the end of `socorpus explain`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from socorpus.corpus.storage import files, manifest_file, row_lookup
from socorpus.labeling import example_texts, steps, strays
from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.facts.closings import CLOSED
from socorpus.labeling.schema import FACTS, FACTS_FOLDER, FOLDER, models_path

_MOST_SPANS = 40


def lines(root: Path, key: str) -> list[str]:
    """The facts, votes and labels of the post `key` (`SITE:POST_ID`); none where the corpus has none of it."""
    facts = manifest_file.load(root) or {}
    parts = {
        "facts": list(_facts(root, key)) if facts.get("labels") else [],
        "labels": [
            line
            for name, entry in facts.get("labels", {}).items()
            for line in (*_task(root, key, name, entry), *_failures(key, name, entry), *_strays(key, name, entry))
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
    columns = ["text", "form", "split", "left_out"]
    example = example_texts.read(root, task, place.bucket, columns).slice(place.row, 1).to_pylist()[0]
    left = f", without {len(example['left_out'])} comments that give it away" if example["left_out"] else ""
    about = f"{example['split']}, {example['form'].replace('_', ' ')}{left}"
    rows = list(_rows(root, task, place))
    votes = _votes(root, place, task)
    muted = {(function, label) for function, label in entry.get("not_counted", ())}
    if not rows:
        yield f"{task:<13} {'no label' if votes else 'no vote'} ({about})"
        yield from _without_label(root, task, votes, muted)
        yield from _missing(entry, place.site)
        return
    basis = f"the probability is {_basis(root, task, entry)}"
    if rows[0]["start"] is not None:
        yield f"{task:<13} {_counted(len(rows), 'span')}; probabilities are {_basis(root, task, entry)} ({about})"
        for row in rows[:_MOST_SPANS]:
            words = " ".join(example["text"][row["start"] : row["end"]].split())[:60]
            voters = _by_label(row["votes"], muted)
            by = ", by person" if row["source"] == "person" else ""
            yield f"  {row['start']}-{row['end']} {words}: {row['label']} {row['probability']:.3f}{by} ({voters})"
        if len(rows) > _MOST_SPANS:
            yield f"  and {len(rows) - _MOST_SPANS} more"
        others = {(vote["start"], vote["end"]) for vote in votes} - {(row["start"], row["end"]) for row in rows}
        if others:
            yield f"  {_counted(len(others), 'other span')} with votes: too unlikely, or beside a likelier span"
        return
    for row in rows:
        differ = "; votes differ" if row["conflict"] else ""
        differ += f"; {basis}" if row["source"] != "person" else ""
        yield f"{task:<13} {row['label']} {row['probability']:.3f}, by {row['source']}{differ} ({about})"
        yield from _each(row["votes"], muted)


_Muted = set[tuple[str, str]]
"""Functions and labels for which their votes are not counted."""


def _votes(root: Path, place: row_lookup.Place, task: str) -> list[dict[str, Any]]:
    """The votes of functions and models on a post."""
    columns = ["site", "start", "end", "function", "label", "evidence"]
    paths = (root / place.path(f"{FOLDER}/{task}/votes"), root / models_path(task))
    tables = [row_lookup.rows_of(path, place.post_id, columns) for path in paths if files.exists(path)]
    return [row for table in tables for row in table.to_pylist() if row["site"] == place.site]


def _each(votes: Iterable[Mapping[str, Any]], muted: _Muted) -> Iterator[str]:
    for vote in votes:
        yield f"  {vote['function']}: {vote['label'] or 'no answer'}{_mark(vote, muted)} ({_evidence(vote)})"


def _mark(vote: Mapping[str, Any], muted: _Muted) -> str:
    return ", not counted" if (vote["function"], vote["label"]) in muted else ""


def _by_label(votes: Iterable[Mapping[str, Any]], muted: _Muted) -> str:
    """Who votes for which label of a span: "Number by digits, versions; Name by capitals"."""
    by: dict[str, list[str]] = {}
    for vote in votes:
        by.setdefault(vote["label"] or "no answer", []).append(f"{vote['function']}{_mark(vote, muted)}")
    return "; ".join(f"{label} by {', '.join(names)}" for label, names in by.items())


def _without_label(root: Path, task: str, votes: Sequence[Mapping[str, Any]], muted: _Muted) -> Iterator[str]:
    """Why a post that has votes has no label."""
    if not votes:
        return
    if votes[0]["start"] is not None:
        spans = len({(vote["start"], vote["end"]) for vote in votes})
        yield f"  {_counted(spans, 'span')} with votes, all too unlikely, or none with votes that count"
        return
    yield from _each(votes, muted)
    model = dawid_skene.from_dict(files.read_json(root / steps.model_path(task)))
    named = {vote["function"]: vote["label"] for vote in votes if vote["label"] in model.labels}
    places = [model.labels.index(named[name]) if name in named else dawid_skene.ABSTAIN for name in model.functions]
    pattern = np.array([places], np.int8)
    (label,), (probabilities,) = (values.tolist() for values in model.choose(pattern))
    if not (model.counted(pattern) != dawid_skene.ABSTAIN).any():
        yield "  none of these votes is counted: they tell nothing (socorpus labeling analyze has the figures)"
        return
    rival = max(range(len(probabilities)), key=lambda number: probabilities[number])
    yield (
        f"  {model.labels[rival]} {probabilities[rival]:.3f}, for which nobody votes, is likelier than "
        f"{model.labels[label]} {probabilities[label]:.3f}"
    )


def _missing(entry: Mapping[str, Any], site: str) -> Iterator[str]:
    """Labels that the task's own functions do not give on a site, and why."""
    others = entry.get("by_others", {}).get(site, {})
    by: dict[tuple[str, str], list[str]] = {}
    for label, why in entry.get("abstains", {}).get(site, {}).items():
        by.setdefault((" by the task's own functions" if label in others else "", why), []).append(label)
    for (who, why), labels in by.items():
        count = f" ({len(labels)} labels)" if len(labels) > 1 else ""
        yield f"  no {', '.join(labels)}{who} on this site{count}: {why}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _strays(key: str, task: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Functions of which a vote on the post does not count; of each reason the manifest names one post."""
    for function, reasons in entry.get("strays", {}).items():
        for reason, of in reasons.items():
            if of["post"] == key:
                why = "one for another label than its first" if reason == strays.REPEATED else f"no example of {task}"
                yield f"{task:<13} {function} has a vote on it that is not counted: {why}"


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


def _rows(root: Path, task: str, place: row_lookup.Place) -> Iterator[dict[str, Any]]:
    path, post = root / place.path(f"{FOLDER}/{task}/labels"), place.post_id
    columns = ["post_id", "start", "end", "label", "probability", "source", "conflict", "votes"]
    for _, table in row_lookup.groups(path, columns, "post_id", [post]):
        labels = table.filter(pc.equal(table["post_id"], post))
        yield from steps.with_evidence(root, place.bucket, task, labels).to_pylist()


def _evidence(vote: Mapping[str, Any]) -> str:
    text = report_sections.evidence(vote["evidence"])
    return text if json.loads(vote["evidence"]) else "no evidence"
