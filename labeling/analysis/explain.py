"""Facts, votes and labels of one post in lines of text: the end of `socorpus explain`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from socorpus.corpus.storage import files, manifest_file, row_lookup
from socorpus.labeling import example_texts, schema, steps, strays
from socorpus.labeling.aggregation import annotators, dawid_skene
from socorpus.labeling.aggregation.dawid_skene import LabelModel
from socorpus.labeling.analysis import lost_spans, report_sections
from socorpus.labeling.analysis.lost_spans import Lost
from socorpus.labeling.facts.closings import CLOSED
from socorpus.labeling.functions import FUNCTIONS
from socorpus.labeling.schema import FACTS, FACTS_FOLDER, FOLDER, Task, models_path, people_path

_MOST_SPANS, _MOST_LOST = 40, 10
_BUSINESS = {"announcement": "an announcement", "self_evaluation": "a self-evaluation of the site", "meta": "of meta"}
_UNJUDGED = frozenset({"quality"})
"""Tasks of which no function of ours judges posts about the site rather than its subject."""


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


def _task(root: Path, key: str, name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    place = row_lookup.find(root, [key], f"{FOLDER}/{name}/examples").get(key)
    if place is None:
        return
    columns = ["text", "form", "split", "left_out"]
    example = example_texts.read(root, name, place.bucket, columns).slice(place.row, 1).to_pylist()[0]
    left = f", without {len(example['left_out'])} comments that give it away" if example["left_out"] else ""
    about = f"{example['split']}, {example['form'].replace('_', ' ')}{left}"
    rows = list(_rows(root, name, place))
    votes, words = _votes(root, place, name), _words(root, place, name)
    muted = {(function, label) for function, label in entry.get("not_counted", ())}
    task, model = schema.of_corpus(name, {name: entry}), _model(root, name)
    if task.spans:
        yield from _spans(root, task, entry, example["text"], rows, votes, words, model, about)
    elif not rows:
        yield f"{name:<13} {'no label' if votes else 'no vote'} ({about})"
        yield from _each(votes, muted, model)
        yield from _without_label(votes, model) if votes and model is not None else _silence(root, place, task, entry)
    for row in rows if not task.spans else ():
        yield f"{name:<13} {_standing(root, name, entry, row, model)} ({about})"
        yield from _each(row["votes"], muted, model)
    if not rows:
        yield from _missing(entry, place.site)


def _standing(root: Path, task: str, entry: Mapping[str, Any], row: Mapping[str, Any], model: LabelModel | None) -> str:
    """The label of a whole text, how likely it is and the next one, and who says so."""
    who = _stating(row["votes"], row["label"], model) if row["source"] != "person" else ""
    basis = f"; the probability is {_basis(root, task, entry)}" if row["source"] != "person" and not who else ""
    differ = "; votes differ" if row["conflict"] else ""
    if row["conflict"] and row["source"] != "person" and model is not None:
        ranked = sorted(zip(model.labels, row["probabilities"], strict=True), key=lambda pair: -pair[1])
        other, probability = next(pair for pair in ranked if pair[0] != row["label"])
        differ += f", {other} {probability:.3f} is next"
    by = f"a fact by {who}" if who else f"by {row['source']}"
    return f"{row['label']} {row['probability']:.3f}, {by}{differ}{basis}"


def _stating(votes: Iterable[Mapping[str, Any]], label: str, model: LabelModel | None) -> str:
    """Names of the functions that state a label as a fact."""
    facts = model.facts if model is not None else ()
    return ", ".join(vote["function"] for vote in votes if vote["function"] in facts and vote["label"] == label)


def _spans(
    root: Path,
    task: Task,
    entry: Mapping[str, Any],
    text: str,
    rows: Sequence[Mapping[str, Any]],
    votes: Sequence[Mapping[str, Any]],
    words: Sequence[annotators.Row],
    model: LabelModel | None,
    about: str,
) -> Iterator[str]:
    """The spans of a text, who marked it, and the spans that have votes and no label, by reason."""
    muted = {(function, label) for function, label in entry.get("not_counted", ())}
    verdicts = next(iter(annotators.of_spans(words).values()), None)
    functions = any(row["source"] != "person" for row in rows)
    if rows:
        basis = f"; probabilities are {_basis(root, task.name, entry)}" if functions else ""
        yield f"{task.name:<13} {_counted(len(rows), 'span')}{basis} ({about})"
    else:
        yield f"{task.name:<13} {'no label' if votes or verdicts is not None else 'no vote'} ({about})"
    if verdicts is not None:
        yield from _marked(words, verdicts, rows)
    for row in rows[:_MOST_SPANS]:
        voters = _by_label(row["votes"], muted)
        who = _stating(row["votes"], row["label"], model) if row["source"] != "person" else ""
        by = ", by person" if row["source"] == "person" else f", a fact by {who}" if who else ""
        label = f"{row['label']} {row['probability']:.3f}{by}"
        yield f"  {_slice(text, row['start'], row['end'])}: {label} ({voters})"
    if len(rows) > _MOST_SPANS:
        yield f"  and {len(rows) - _MOST_SPANS} more"
    if not rows and not votes and verdicts is None:
        yield f"  none of the {_counted(len(entry['functions']), 'function')} of {task.name} names anything in it"
    if model is not None:
        weigher = task.weighed_by
        bound = f" (below {weigher.least:g})" if weigher is not None and weigher.function in model.functions else ""
        heads = {
            lost_spans.UNMARKED: "that only functions name, and no person marked: not counted in a text that people "
            "marked",
            lost_spans.OVERLAPPED: "beside a likelier span, or as likely a longer one",
            lost_spans.UNLIKELY: f"too unlikely{bound}",
            lost_spans.UNHEARD: "on which no vote counts",
        }
        lost = lost_spans.find(votes, rows, verdicts, model, task)
        for why, head in heads.items():
            yield from _lost([span for span in lost if span.why == why], head, text, muted)


def _marked(
    words: Sequence[annotators.Row],
    verdicts: Mapping[annotators.Place, annotators.Verdict],
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Who marked a text, and whether its labels were made before."""
    marks: dict[str, int] = {}
    for word in annotators.last_words(annotators.standing(words)):
        if word["label"] is not None or annotators.found_nothing(word):
            marks[word["function"]] = marks.get(word["function"], 0) + (word["label"] is not None)
    each = ", ".join(f"{who} ({_counted(count, 'span') if count else 'none in it'})" for who, count in marks.items())
    yield f"  marked by {each}: in such a text only spans count that people marked"
    if any(row["source"] != "person" and (row["start"], row["end"]) not in verdicts for row in rows):
        yield "  its labels are older than that: socorpus labeling apply brings them up to date"


def _lost(lost: Sequence[Lost], head: str, text: str, muted: "_Muted") -> Iterator[str]:
    if not lost:
        return
    yield f"  {_counted(len(lost), 'span')} {head}:"
    for span in sorted(lost, key=lambda span: -(span.probability or 0))[:_MOST_LOST]:
        likely = ", no vote on it counts" if span.probability is None else f" {span.probability:.3f}"
        line = f"    {_slice(text, span.start, span.end)}: {span.label}{likely} ({_by_label(span.votes, muted)})"
        if (row := span.winner) is not None:
            names = dict.fromkeys(vote["function"] for vote in row["votes"] if vote["label"] == row["label"])
            won = f"{_slice(text, row['start'], row['end'])}: {row['label']} {row['probability']:.3f}"
            line += f"; won: {won} by {', '.join(names)}"
        yield line
    if len(lost) > _MOST_LOST:
        yield f"    and {len(lost) - _MOST_LOST} more"


def _slice(text: str, start: int, end: int) -> str:
    return f"{start}-{end} {' '.join(text[start:end].split())[:60]}"


def _silence(root: Path, place: row_lookup.Place, task: Task, entry: Mapping[str, Any]) -> Iterator[str]:
    """Why nobody votes on a whole text, as far as it is known: facts that rule it out, and what each function needs."""
    names = list(entry["functions"])
    folder = f"{FOLDER}/{FACTS_FOLDER}"
    where = row_lookup.find(root, [place.key], folder).get(place.key) if task.name in _UNJUDGED else None
    if where is not None:
        facts = row_lookup.take(root, [where], folder, list(_BUSINESS))[where.key]
        if kinds := [words for name, words in _BUSINESS.items() if facts[name]]:
            yield f"  it is {' and '.join(kinds)}, which {task.name}'s own functions do not judge"
            return
    yield f"  none of the {_counted(len(names), 'function')} of {task.name} finds what it looks for:"
    for name in names:
        function = FUNCTIONS.get(f"{task.name}.{name}")
        yield f"  {name}{': ' + function.says if function is not None else ''}"


_Muted = set[tuple[str, str]]
"""Functions and labels for which their votes are not counted."""


def _votes(root: Path, place: row_lookup.Place, task: str) -> list[dict[str, Any]]:
    """The votes of functions and models on a post."""
    paths = (root / place.path(f"{FOLDER}/{task}/votes"), root / models_path(task))
    tables = [row_lookup.rows_of(path, place.post_id, schema.VOTES.names) for path in paths if files.exists(path)]
    return [row for table in tables for row in table.to_pylist() if row["site"] == place.site]


def _words(root: Path, place: row_lookup.Place, task: str) -> list[dict[str, Any]]:
    """People's votes on a post."""
    path = root / people_path(task)
    rows = row_lookup.rows_of(path, place.post_id, schema.VOTES.names).to_pylist() if files.exists(path) else []
    return [row for row in rows if row["site"] == place.site]


def _model(root: Path, task: str) -> LabelModel | None:
    path = root / steps.model_path(task)
    return dawid_skene.from_dict(files.read_json(path)) if files.exists(path) else None


def _each(votes: Iterable[Mapping[str, Any]], muted: _Muted, model: LabelModel | None) -> Iterator[str]:
    for vote in votes:
        fact = ", a fact" if model is not None and vote["function"] in model.facts else ""
        yield f"  {vote['function']}: {vote['label'] or 'no answer'}{fact}{_mark(vote, muted)} ({_evidence(vote)})"


def _mark(vote: Mapping[str, Any], muted: _Muted) -> str:
    return ", not counted" if (vote["function"], vote["label"]) in muted else ""


def _by_label(votes: Iterable[Mapping[str, Any]], muted: _Muted) -> str:
    """Who votes for which label of a span: "Number by digits, versions; Name by capitals"."""
    by: dict[str, list[str]] = {}
    for vote in votes:
        by.setdefault(vote["label"] or "no answer", []).append(f"{vote['function']}{_mark(vote, muted)}")
    return "; ".join(f"{label} by {', '.join(names)}" for label, names in by.items())


def _without_label(votes: Sequence[Mapping[str, Any]], model: LabelModel) -> Iterator[str]:
    """Why a whole text that has votes has no label."""
    named = {vote["function"]: vote["label"] for vote in votes if vote["label"] in model.labels}
    places = [model.labels.index(named[name]) if name in named else dawid_skene.ABSTAIN for name in model.functions]
    pattern = np.array([places], np.int8)
    (label,), (probabilities,) = (values.tolist() for values in model.choose(pattern))
    if not (model.counted(pattern) != dawid_skene.ABSTAIN).any():
        yield "  none of these votes is counted: they tell nothing (socorpus labeling analyze has the figures)"
        return
    rival = max({*range(len(probabilities))} - {label}, key=lambda number: probabilities[number])
    own, other = (f"{model.labels[number]} {probabilities[number]:.3f}" for number in (label, rival))
    if round(probabilities[label], 9) == round(probabilities[rival], 9):
        yield f"  {own} and {other} are as likely: a tie gives no label"
    else:
        yield f"  {other}, for which nobody votes, is likelier than {own}"


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
    columns = ["post_id", "start", "end", "label", "probability", "probabilities", "source", "conflict", "votes"]
    for _, table in row_lookup.groups(path, columns, "post_id", [post]):
        labels = table.filter(pc.equal(table["post_id"], post))
        yield from steps.with_evidence(root, place.bucket, task, labels).to_pylist()


def _evidence(vote: Mapping[str, Any]) -> str:
    text = report_sections.evidence(vote["evidence"])
    return text if json.loads(vote["evidence"]) else "no evidence"
