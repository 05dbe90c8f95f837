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
from socorpus.corpus.storage import files, parquet
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.schema import EXAMPLES, FOLDER, LABELS, TASKS, Task

FEW = 20
"""Labels of a kind below which a split can't say much."""
MOST_HITS = 500
"""Posts on which somebody votes for the label that is listed: so many are shown, the likeliest."""


def labels(facts: Facts) -> Section | None:
    """How many labels of each kind there are, by split."""
    entries: Mapping[str, Any] = facts.manifest.get("labels", {})
    if not entries:
        return None
    made = html.paragraph(
        "Weak labels: votes of labelling functions, combined, with people's labels above them. The splits are by "
        "thread and time, stratified by label where there are enough, and what the shards hold out is held out here "
        "too. Copies, benchmark examples and rows that the publisher "
        f"planted are no examples. A count below {FEW} in a split is too small to measure by."
    )
    for name, entry in entries.items():
        examples = sum(entry["examples"].values())
        made += Markup("<h3>{}: {} examples</h3>").format(name, f"{examples:,}")
        made += html.table(["label", *SPLITS, "all"], *label_rows(entry))
        sources = ", ".join(f"{count:,} by {source}" for source, count in entry["sources"].items()) or "none"
        made += html.paragraph(
            f"Combined by {entry['method'].replace('_', ' ')}: {sources}; votes differ on {entry['conflicts']:,}."
        )
    return Section("Labels", made)


def label_rows(entry: Mapping[str, Any]) -> tuple[list[list[Any]], list[Any]]:
    """Rows of the table of labels by split, and its sum."""
    rows = []
    for label in entry["labels"]["train"]:
        counts = [entry["labels"][split][label] for split in SPLITS]
        rows.append([label, *counts, sum(counts)])
    return rows, ["all", *(sum(row[at] for row in rows) for at in range(1, 5))]


def functions(facts: Facts) -> Section | None:
    """What is known of each labelling function."""
    found = list(_analyses(facts))
    if not found:
        return None
    made = html.paragraph(
        "Coverage is a share of the examples (of spans: of those that anybody names); overlap and conflict are "
        "shares of a function's own votes, where another votes too, and otherwise. Accuracy is what the model learns "
        "where a function meets others, from agreement alone; against people it is counted."
    )
    for name, one in found:
        made += Markup("<h3>{}</h3>").format(name)
        made += html.table(FUNCTION_HEAD, function_rows(one))
        made += html.paragraph(" ".join(analysis_functions.summary(one)), "note")
    return Section("Labelling functions", made)


FUNCTION_HEAD = ["function", "votes", "coverage", "overlap", "conflict", "accuracy", "against people", "votes for"]


def function_rows(found: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the table of functions."""
    return [
        [
            one["name"],
            one["votes"],
            *(percent(one[name]) for name in ("coverage", "overlap", "conflict", "accuracy")),
            against(one["people"]),
            ", ".join(one["labels"]) or "–",
        ]
        for one in found["functions"]
    ]


def percent(value: float | None) -> str:
    """A share in percent; a dash for none."""
    return "–" if value is None else f"{100 * value:.1f}%"


def against(counts: Mapping[str, int]) -> str:
    """Accuracy against people with the number of votes that it rests on; a dash where there are none."""
    return f"{percent(counts['right'] / counts['judged'])} of {counts['judged']:,}" if counts["judged"] else "–"


def leaks(facts: Facts) -> Section | None:
    """Leak audits."""
    rows = [[name, *row] for name, one in _analyses(facts) for row in audit_rows(one)]
    if not rows:
        return None
    made = html.paragraph(
        "How far a model gets that sees only how a text is marked up, only how long it is, or only its tags, against "
        "the commonest label: what is far above that leaks the label past the text. Accuracy is of a plain logistic "
        "regression, macro F1 of that or of one in which rare labels weigh as much as common ones, the better."
    )
    made += html.table(["task", *AUDIT_HEAD], rows)
    return Section("Leaks", made)


AUDIT_HEAD = ["seen", "accuracy", "macro F1", "scored on"]


def audit_rows(found: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of the table of leaks."""
    audit = found["audit"]
    by = {"test": "test split", "folds": "five folds by thread"}.get(audit["by"], "")
    names = {"majority": "commonest label", "markup": "markup", "length": "length", "tags": "tags"}
    return [
        [names[view], f"{scores['accuracy']:.3f}", f"{scores['macro_f1']:.3f}", f"{by}, {audit['scored']:,}"]
        for view, scores in audit["views"].items()
    ]


def listed(facts: Facts) -> Section | None:
    """Of each task that lists a label (`Task.listed`) every post that anybody votes it for, with the evidence."""
    entries = facts.manifest.get("labels", {})
    tasks = [task for name, task in TASKS.items() if task.listed and name in entries]
    if not tasks:
        return None
    made = Markup("")
    for task in tasks:
        heading = Markup("<h3>{}</h3>").format(_title(task)) if len(tasks) > 1 else Markup("")
        made += heading + _listing(facts.root, task, entries[task.name])
    return Section(_title(tasks[0]) if len(tasks) == 1 else "Posts by label", made)


def _units(task: Task) -> str:
    return "posts" if task.spans else f"{task.unit}s"


def _title(task: Task) -> str:
    return f"{str(task.listed).replace('_', ' ').capitalize()} {_units(task)}"


def _listing(root: Path, task: Task, entry: Mapping[str, Any]) -> Markup:
    label, units = str(task.listed), _units(task)
    labelled = sum(counts.get(label, 0) for counts in entry["labels"].values())
    found = _hits(root, task)
    shown = "All" if found.num_rows <= MOST_HITS else f"The likeliest {MOST_HITS:,}"
    made = html.paragraph(
        f"Of {found.num_rows:,} {units} somebody says that they are {label}; {labelled:,} are labelled so. {shown}, "
        "with the votes on each and what they rest on."
        if found.num_rows
        else f"Of no {units.removesuffix('s')} anybody says that it is {label}."
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
        for hit in found.slice(0, MOST_HITS).to_pylist()
    ]
    head = [units.removesuffix("s"), "label", label, "source", "votes and their evidence"]
    return made + (html.table(head, rows) if rows else Markup(""))


def _hits(root: Path, task: Task) -> pa.Table:
    """Labels with a vote for the listed one, the likeliest first, with its probability and the post's address."""
    folder = root / FOLDER / task.name
    found = [_said(task, LABELS.empty_table(), EXAMPLES.empty_table())]
    for place in files.listed(folder / "labels", deep=True):
        examples = parquet.read(folder / "examples" / place.relative_to(folder / "labels"), columns=["post_id", "url"])
        found.append(_said(task, parquet.read(place), examples))
    order = [("listed", "descending"), ("site", "ascending"), ("post_id", "ascending")]
    return pa.concat_tables(found).sort_by(order)


def _said(task: Task, labels: pa.Table, examples: pa.Table) -> pa.Table:
    label = str(task.listed)
    said = pc.equal(pc.struct_field(pc.list_flatten(labels["votes"]), "label"), label)
    rows = labels.take(pc.unique(pc.list_parent_indices(labels["votes"]).filter(said)))
    at = pc.index_in(rows["post_id"], value_set=examples["post_id"].combine_chunks())
    rows = rows.append_column("url", examples["url"].take(at))
    rows = rows.append_column("listed", pc.list_element(rows["probabilities"], task.index(label)))
    return rows.select(["site", "post_id", "label", "source", "votes", "url", "listed"])


def evidence(text: str) -> str:
    """Evidence as a reader takes it in: `name value, name value`."""
    found = json.loads(text)
    if not isinstance(found, Mapping):
        return text
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in found.items()
    )


def _analyses(facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in facts.manifest.get("labels", {}):
        if (
            analysis_functions.path(name) in facts.manifest["files"]
            and (found := analysis_functions.load(facts.root, name)) is not None
        ):
            yield name, found


SECTIONS = (labels, functions, leaks, listed)
"""The sections on labels, in order."""
