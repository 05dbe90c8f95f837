"""The quality of the labels: each function's coverage, overlap, conflict and accuracy, agreement, errors, leaks.

Everything but the audit and the likely errors follows from counts of patterns, gathered bucket by bucket.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.storage import files
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import logistic, steps
from socorpus.labeling.aggregation import agreement, annotators, dawid_skene, vote_matrix
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN
from socorpus.labeling.analysis import label_errors, leaks
from socorpus.labeling.schema import FOLDER, TASKS, Task

VERSION = 3
_FAILURES_SHOWN = 3
Int64 = npt.NDArray[np.int64]


def path(task: str) -> str:
    """Path of a task's analysis."""
    return f"{FOLDER}/{task}/analysis.json"


def load(root: Path, task: str) -> dict[str, Any] | None:
    """A task's analysis; None where there is none."""
    try:
        analysis: dict[str, Any] = files.read_json(root / path(task))
        return analysis
    except FileNotFoundError:
        return None


def extras() -> list[str]:
    """Optional packages that are installed, with their versions: the analysis depends on them."""
    versions = {"cleanlab": label_errors.version(), "scikit-learn": logistic.version()}
    return [f"{name} {version}" for name, version in versions.items() if version]


def compare(root: Path, bucket: Bucket, task: str, voters: Sequence[str], people: bool) -> Outcome:
    """Patterns of a bucket's items with people's verdict on each, and the judgements of single people."""
    definition = TASKS[task]
    examples, votes = steps.all_votes(root, bucket, definition, people)
    items = vote_matrix.gather(votes, voters, definition)
    judgements = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    truth, units = _truth(items, judgements, definition)
    rows = np.concatenate([items.votes.astype(np.int64), truth[:, None]], 1)
    counts = Counter(map(tuple, rows.tolist()))
    comparison = {
        "examples": examples.num_rows,
        "patterns": [[list(row), count] for row, count in sorted(counts.items())],
        "units": units,
        "seconds": sorted(row["seconds"] for row in judgements if row["seconds"] is not None),
    }
    place = _compared(task, bucket)
    files.write_text(root / place, json.dumps(comparison))
    return Outcome({place: len(counts)})


def _compared(task: str, bucket: Bucket) -> str:
    return f".work/labels/{task}/compared/{bucket.name}.json"


def _truth(
    items: vote_matrix.Items, judgements: Sequence[annotators.Row], task: Task
) -> tuple[Int64, list[dict[str, int]]]:
    """People's verdict on each item: a label's number, -1 for none, k for a span that they don't see in a text that
    they marked; and the judgements of single people on items that two or more judged."""
    k = len(task.labels)
    truth = np.full(len(items), -1, np.int64)
    words = annotators.last_words(judgements)
    if not task.spans:
        row = {int(post): number for number, post in enumerate(items.post)}
        for post, verdict in annotators.of_texts(judgements).items():
            if verdict.label is not None:
                truth[row[post]] = task.index(verdict.label)
        by_post: dict[int, dict[str, int]] = {}
        for word in words:
            if word["label"] is not None:
                by_post.setdefault(word["post_id"], {})[word["function"]] = task.index(word["label"])
        return truth, [by_post[post] for post in sorted(by_post) if len(by_post[post]) > 1]
    verdicts = annotators.of_spans(judgements)
    markers: dict[int, set[str]] = {}
    marks: dict[tuple[int, int, int], dict[str, int]] = {}
    for word in words:
        if word["label"] is not None and word["start"] is not None:
            key = (word["post_id"], word["start"], word["end"])
            marks.setdefault(key, {})[word["function"]] = task.index(word["label"])
        if word["label"] is not None or annotators.found_nothing(word):
            markers.setdefault(word["post_id"], set()).add(word["function"])
    for index, (post, start, end) in enumerate(zip(items.post, items.start, items.end, strict=True)):
        if int(post) in verdicts and start != vote_matrix.NO_SPAN:
            found_there = verdicts[int(post)].get((int(start), int(end)))
            if found_there is None:
                truth[index] = k
            elif found_there.label is not None:
                truth[index] = task.index(found_there.label)
    # A person who marked a text but not a span that another marked judges that there is none.
    units = [
        {name: labels.get(name, k) for name in sorted(markers[post])}
        for (post, _, _), labels in sorted(marks.items())
        if len(markers[post]) > 1
    ]
    return truth, units


def analyse(
    root: Path, task: str, voters: Sequence[str], buckets: Sequence[Bucket], failures: Mapping[str, Any]
) -> Outcome:
    """Comparisons and labels -> labels/TASK/analysis.json.

    Args:
        failures: `failed` and `failures` of the manifest's entry, if any.
    """
    definition = TASKS[task]
    compared = [files.read_json(root / _compared(task, bucket)) for bucket in buckets]
    counts: Counter[tuple[int, ...]] = Counter()
    for part in compared:
        counts.update({tuple(row): count for row, count in part["patterns"]})
    rows = np.array(sorted(counts), np.int64).reshape(len(counts), len(voters) + 1)
    weight = np.array([counts[tuple(row)] for row in rows.tolist()], np.int64)
    patterns, truth = rows[:, :-1].astype(np.int8), rows[:, -1]
    model = dawid_skene.from_dict(files.read_json(root / steps.model_path(task)))
    examples = sum(part["examples"] for part in compared)
    units = [unit for part in compared for unit in part["units"]]
    seconds = [value for part in compared for value in part["seconds"]]
    analysis = {
        "task": task,
        "labels": list(definition.labels),
        "examples": examples,
        "items": int(weight[(patterns != ABSTAIN).any(1)].sum()),
        "method": model.method,
        "held_out": dict(model.held_out),
        "prior": _named(definition, model.prior),
        "functions": functions(patterns, weight, truth, model, examples if not definition.spans else None),
        "agreement": {
            "functions": agreement.of_patterns(patterns, weight, len(definition.labels)),
            "people": agreement.of_people(units, len(definition.labels) + 1),
            "judged_by_several": len(units),
        },
        "people": against_people(patterns, weight, truth, model) | {"seconds": _median(seconds)},
        "audit": leaks.run(root, buckets, definition),
        "errors": label_errors.find(root, buckets, definition),
        **failures,
    }
    files.write_json(root / path(task), analysis)
    return Outcome({path(task): len(voters)})


def functions(
    patterns: dawid_skene.Votes, weight: Int64, truth: Int64, model: dawid_skene.LabelModel, examples: int | None
) -> list[dict[str, Any]]:
    """Figures of each voter, in the model's order.

    Args:
        patterns: int8[n, m], votes; weight: int64[n], items of each pattern.
        truth: int64[n], people's verdict; -1 for none, k for a span that is none.
        examples: of which coverage is a share; None: of the items on which anybody votes.

    Returns:
        `coverage`: votes / examples; `overlap`: share of its votes on items where another votes too; `conflict`: share
        of its votes where another votes differently; `accuracy`: learned by the model, None where it never votes;
        `people`: number of its votes on items that people judged, and of the right ones among them.
    """
    rows = []
    voted = patterns != ABSTAIN
    total = examples if examples is not None else int(weight[voted.any(1)].sum())
    for index, name in enumerate(model.functions):
        here = voted[:, index]
        own, votes = weight * here, int(weight[here].sum())
        others = np.delete(patterns, index, 1)
        spoken = others != ABSTAIN
        overlap = int(own[spoken.any(1)].sum())
        conflict = int(own[(spoken & (others != patterns[:, [index]])).any(1)].sum())
        judged, right = here & (truth >= 0), here & (truth == patterns[:, index])
        by = np.bincount(patterns[here, index], weights=weight[here], minlength=len(model.labels))
        accuracy = model.accuracy[index]
        rows.append(
            {
                "name": name,
                "votes": votes,
                "labels": {label: int(by[number]) for number, label in enumerate(model.labels) if by[number]},
                "coverage": _share(votes, total),
                "overlap": _share(overlap, votes),
                "conflict": _share(conflict, votes),
                "accuracy": None if np.isnan(accuracy) else round(float(accuracy), 4),
                "voice": round(float(model.voices[index]), 4),
                "people": {"judged": int(weight[judged].sum()), "right": int(weight[right].sum())},
            }
        )
    return rows


def against_people(
    patterns: dawid_skene.Votes, weight: Int64, truth: Int64, model: dawid_skene.LabelModel
) -> dict[str, Any]:
    """Combined labels of functions against people's: items judged, those with a vote, and those that are right."""
    judged = truth >= 0
    spoken = judged & (patterns != ABSTAIN).any(1)
    guess, _ = model.choose(patterns)
    right = spoken & (guess == truth)
    counts = {"judged": judged, "voted": spoken, "right": right, "no_span": judged & (truth == len(model.labels))}
    return {name: int(weight[mask].sum()) for name, mask in counts.items()}


def _method(analysis: Mapping[str, Any]) -> str:
    """The sentence on how votes are combined, and why."""
    vote, model = (analysis["held_out"][name] for name in ("majority", "dawid_skene"))
    if vote is None or model is None:
        return "Fewer than three functions vote often enough, and meet, to be told apart: the majority decides."
    figures = f"held-out log likelihood of the votes on an item {model:.3f}, of a plain vote {vote:.3f}"
    if analysis["method"] == "majority":
        return f"Telling functions apart predicts their votes no better ({figures}): the majority decides."
    return f"Functions are told apart, which predicts their votes better ({figures})."


def _named(task: Task, values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {label: round(float(value), 4) for label, value in zip(task.labels, values, strict=True)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 1) if values else None


def summary(analysis: Mapping[str, Any]) -> list[str]:
    """Sentences of an analysis, beside its tables."""
    sentences = []
    alpha = analysis["agreement"]["functions"]
    if alpha is not None:
        sentences.append(f"Krippendorff's alpha among functions: {alpha:.3f}.")
    human = analysis["people"]
    if human["judged"]:
        right = f"{human['right']:,} of {human['voted']:,} labels of functions are what people say"
        sentences.append(f"People judged {human['judged']:,} items; {right}.")
    units = analysis["agreement"]["judged_by_several"]
    if units:
        among = analysis["agreement"]["people"]
        value = f"{among:.3f}" if among is not None else "not defined, as all say the same"
        sentences.append(f"Krippendorff's alpha among people, on {units:,} items that several judged: {value}.")
    for name, count in analysis.get("failed", {}).items():
        rows = [row for row in analysis["failures"] if row["function"] == name][:_FAILURES_SHOWN]
        shown = "; ".join(f"{row['post']} ({row['error']})" for row in rows)
        sentences.append(
            f"{name} failed on {count:,} posts and does not vote on them: {shown}{', …' * (count > len(rows))}"
        )
    sentences.append(_method(analysis))
    return [*sentences, *filter(None, [analysis["audit"].get("note"), analysis["errors"]["note"]])]
