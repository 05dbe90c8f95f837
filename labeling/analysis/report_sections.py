"""Sections of the report on the labels: counts by split, the functions, agreement, leaks, and posts of a label."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.report import fragments as html
from socorpus.corpus.report.sections import Facts, Section
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling import example_texts, steps
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.schema import EXAMPLES, FOLDER, LABELS, TASKS, Task, of_corpus

FEW = 20
"""Labels of a kind below which a split is too small to measure by."""
MOST_HITS = 500
"""Posts shown, at most, of those with a vote for the listed label: the likeliest."""


def labels(facts: Facts) -> Section | None:
    """Number of labels of each kind, by split."""
    entries: Mapping[str, Any] = facts.manifest.get("labels", {})
    if not entries:
        return None
    content = html.paragraph(
        "Weak labels: votes of labelling functions, combined, with people's labels above them. The splits are by "
        "thread and time, stratified by label where there are enough, and what the shards hold out is held out here "
        "too. Copies, benchmark examples and rows that the publisher "
        f"planted are no examples. A count below {FEW} in a split is too small to measure by."
    )
    for name, entry in entries.items():
        examples = sum(entry["examples"].values())
        content += Markup("<h3>{}: {} examples</h3>").format(name, f"{examples:,}")
        content += html.table(["label", *SPLITS, "all"], *label_rows(entry))
        sources = ", ".join(f"{count:,} by {source}" for source, count in entry["sources"].items()) or "none"
        silent = (
            analysis_functions.without_vote,
            analysis_functions.withheld,
            analysis_functions.teaching,
            analysis_functions.not_to_be_had,
        )
        for sentence in (sentence for part in silent for sentence in part(entry)):
            content += html.paragraph(sentence)
        content += html.paragraph(
            f"Combined by {_METHODS.get(entry['method'], entry['method'])}: {sources}; votes differ on "
            f"{entry['conflicts']:,}. "
            f"Probabilities are {basis(entry)}."
        )
    return Section("Labels", content)


_METHODS = {
    "majority": "a plain vote",
    "dawid_skene": "the model of Dawid and Skene",
    "weigher": "a function that weighs the others",
}
_BASES = {
    "assumed": "assumed, not measured: too few labels were judged by people",
    "judged": "measured on people's judgements",
}


def basis(entry: Mapping[str, Any]) -> str:
    """The end of a sentence on what the probabilities of a manifest's entry rest on."""
    kind, count = entry.get("basis", "assumed"), entry.get("corrected_by")
    if kind == "assumed" and count:
        return f"corrected by {analysis_functions.counted(count, 'judgement')}, not measured"
    return _BASES[kind]


def label_rows(entry: Mapping[str, Any]) -> tuple[list[list[Any]], list[Any]]:
    """Rows of the table of labels by split, and its sum."""
    rows = []
    for label in entry["labels"]["train"]:
        counts = [entry["labels"][split][label] for split in SPLITS]
        rows.append([label, *counts, sum(counts)])
    return rows, ["all", *(sum(row[column] for row in rows) for column in range(1, 5))]


def functions(facts: Facts) -> Section | None:
    """Figures of each labelling function."""
    analyses = list(_analyses(facts))
    if not analyses:
        return None
    content = html.paragraph(
        "Coverage is a share of the examples (of spans: of those that anybody names); overlap and conflict are "
        "shares of a function's own votes where another votes too, and where another votes differently. Accuracy is "
        "estimated by the label model only from agreement with other functions, or assumed, where it says so; against "
        "people it is counted. Votes that are not counted are no overlap and no conflict of others."
    )
    for name, analysis in analyses:
        content += Markup("<h3>{}</h3>").format(name)
        content += html.table(FUNCTION_HEAD, function_rows(analysis))
        content += html.paragraph(" ".join(analysis_functions.summary(analysis)), "note")
        if rows := agreement_rows(analysis):
            content += html.table(AGREEMENT_HEAD, rows)
        if rows := reliability_rows(analysis):
            content += html.table(RELIABILITY_HEAD, rows)
    return Section("Labelling functions", content)


FUNCTION_HEAD = ["function", "votes", "coverage", "overlap", "conflict", "accuracy", "against people", "votes for"]


def function_rows(analysis: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the table of functions."""
    return [
        [
            function["name"] + " (facts)" * (function["name"] in analysis.get("facts", ())) + _not_counted(function),
            function["votes"],
            *(percent(function[name]) for name in ("coverage", "overlap", "conflict")),
            percent(function["accuracy"]) + (" assumed" if function.get("assumed") else ""),
            against(function["people"]),
            ", ".join(function["labels"]) or "–",
        ]
        for function in analysis["functions"]
    ]


def _not_counted(function: Mapping[str, Any]) -> str:
    muted = function.get("not_counted", ())
    return f" (not counted: {', '.join(muted)})" if muted else ""


AGREEMENT_HEAD = ["agreement of people", "judgements", "same", "alpha"]


def agreement_rows(analysis: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the table of people's agreement by label, where several judged the same."""
    return [
        [
            row["label"],
            row["judgements"],
            percent(row["agreement"]),
            "–" if row["alpha"] is None else f"{row['alpha']:.3f}",
        ]
        for row in analysis["agreement"].get("labels", ())
    ]


RELIABILITY_HEAD = ["probability", "judged items", "stated", "right"]


def reliability_rows(analysis: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the reliability table, probabilities against held-out judgements; none where nothing was measured."""
    measured = analysis.get("probabilities", {}).get("measured")
    return [
        [f"{row['from']:.1f} to {row['to']:.1f}", row["items"], f"{row['stated']:.3f}", f"{row['right']:.3f}"]
        for row in (measured["reliability"] if measured is not None else ())
    ]


def percent(value: float | None) -> str:
    """A share in percent; a dash for none."""
    return "–" if value is None else f"{100 * value:.1f}%"


def against(counts: Mapping[str, int]) -> str:
    """Accuracy against people with the number of votes that it rests on; a dash where there are none."""
    return f"{percent(counts['right'] / counts['judged'])} of {counts['judged']:,}" if counts["judged"] else "–"


def leaks(facts: Facts) -> Section | None:
    """Leak audits."""
    rows = [[name, *row] for name, analysis in _analyses(facts) for row in audit_rows(analysis)]
    if not rows:
        return None
    content = html.paragraph(
        "Scores of models that see only a text's markup, only its length, or only its tags, against the commonest "
        "label: a score far above that one shows a leak of the label. Accuracy is of a plain logistic "
        "regression, macro F1 of that or of one in which rare labels weigh as much as common ones, the better."
    )
    content += html.table(["task", *AUDIT_HEAD], rows)
    return Section("Leaks", content)


AUDIT_HEAD = ["seen", "accuracy", "macro F1", "scored on"]


def audit_rows(analysis: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the table of leaks."""
    audit = analysis["audit"]
    by = {"test": "test split", "folds": "five folds by thread"}.get(audit["by"], "")
    names = {"majority": "commonest label", "markup": "markup", "length": "length", "tags": "tags"}
    return [
        [names[view], f"{scores['accuracy']:.3f}", f"{scores['macro_f1']:.3f}", f"{by}, {audit['scored']:,}"]
        for view, scores in audit["views"].items()
    ]


def listed(facts: Facts) -> Section | None:
    """For each task that lists a label (`Task.listed`), every post with a vote for it, with the evidence."""
    entries = facts.manifest.get("labels", {})
    known = [of_corpus(name, entries) for name in entries if name in TASKS or "definition" in entries[name]]
    tasks = [task for task in known if task.listed]
    if not tasks:
        return None
    content = Markup("")
    for task in tasks:
        heading = Markup("<h3>{}</h3>").format(_title(task)) if len(tasks) > 1 else Markup("")
        content += heading + _listing(facts.root, task, entries[task.name])
    return Section(_title(tasks[0]) if len(tasks) == 1 else "Posts by label", content)


def _units(task: Task) -> str:
    return "posts" if task.spans else f"{task.unit}s"


def _title(task: Task) -> str:
    return f"{str(task.listed).replace('_', ' ').capitalize()} {_units(task)}"


def _listing(root: Path, task: Task, entry: Mapping[str, Any]) -> Markup:
    label, units = str(task.listed), _units(task)
    labelled = sum(counts.get(label, 0) for counts in entry["labels"].values())
    hits = _hits(root, task)
    shown = "All" if hits.num_rows <= MOST_HITS else f"The likeliest {MOST_HITS:,}"
    content = html.paragraph(
        f"{hits.num_rows:,} {units} have a vote for {label}; {labelled:,} are labelled {label}. {shown}, with the "
        "votes on each and their evidence."
        if hits.num_rows
        else f"No {units.removesuffix('s')} has a vote for {label}."
    )
    rows = [
        [
            html.link(corpus_schema.key(hit["site"], hit["post_id"]), hit["url"]),
            hit["label"],
            f"{hit['listed']:.3f}",
            hit["source"],
            html.join(
                (
                    Markup("<b>{}</b>: {} {}").format(
                        vote["function"], vote["label"] or "no answer", evidence(vote["evidence"])
                    )
                    for vote in hit["votes"]
                ),
                "<br>",
            ),
        ]
        for hit in hits.slice(0, MOST_HITS).to_pylist()
    ]
    head = [units.removesuffix("s"), "label", label, "source", "votes and their evidence"]
    return content + (html.table(head, rows) if rows else Markup(""))


def _hits(root: Path, task: Task) -> pa.Table:
    """Labels with a vote for the listed one, the likeliest first, with its probability and the post's address."""
    folder = root / FOLDER / task.name
    nothing = _with_listed(task, LABELS.empty_table(), EXAMPLES.empty_table())
    tables = [steps.with_evidence(root, "", task.name, nothing)]
    for place in bucket_files(folder / "labels"):
        bucket = place.relative_to(folder / "labels").with_suffix("").as_posix()
        examples = example_texts.read(root, task.name, bucket, ["post_id", "url"])
        hits = _with_listed(task, parquet.read(place), examples)
        tables.append(steps.with_evidence(root, bucket, task.name, hits))
    order = [("listed", "descending"), ("site", "ascending"), ("post_id", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def _with_listed(task: Task, labels: pa.Table, examples: pa.Table) -> pa.Table:
    label = str(task.listed)
    matching = pc.equal(pc.struct_field(pc.list_flatten(labels["votes"]), "label"), label)
    rows = labels.take(pc.unique(pc.list_parent_indices(labels["votes"]).filter(matching)))
    place = pc.index_in(rows["post_id"], value_set=examples["post_id"].combine_chunks())
    rows = rows.append_column("url", examples["url"].take(place))
    rows = rows.append_column("listed", pc.list_element(rows["probabilities"], task.index(label)))
    return rows.select(["site", "post_id", "start", "end", "label", "source", "votes", "url", "listed"])


def evidence(text: str) -> str:
    """Evidence in readable form: `name value, name value`."""
    values = json.loads(text)
    if not isinstance(values, Mapping):
        return shortened(text)
    return ", ".join(
        f"{name} {shortened(value if isinstance(value, str) else json.dumps(value))}" for name, value in values.items()
    )


_LONGEST = 500


def shortened(text: str) -> str:
    """The first `_LONGEST` characters of a text, and how many more there are."""
    more = len(text) - _LONGEST
    return text if more <= 0 else f"{text[:_LONGEST]}… ({more:,} more characters)"


def _analyses(facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in facts.manifest.get("labels", {}):
        if (
            analysis_functions.path(name) in facts.manifest["files"]
            and (analysis := analysis_functions.load(facts.root, name)) is not None
        ):
            yield name, analysis


SECTIONS = (labels, functions, leaks, listed)
"""The sections on labels, in order."""
