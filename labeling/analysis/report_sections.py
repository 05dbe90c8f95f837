"""Sections of the report on the labels: counts by split, the functions, agreement, leaks, and posts of a label."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import plots, small_multiples
from socorpus.corpus.report.sections import Facts, Section
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling import example_texts, steps
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.analysis import label_counts
from socorpus.labeling.analysis.label_counts import BINS, LabelCounts
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
    for number, (name, entry) in enumerate(entries.items()):
        examples = sum(entry["examples"].values())
        title = Markup("<h3>{}: {} examples</h3>").format(name, f"{examples:,}")
        counts = label_counts.gather(facts.root, name, list(entry["labels"]["train"]), list(entry["functions"]))
        of_task = _split_table(entry) + _sentences(entry) + _plots(counts) + _overlap(counts)
        content += html.fold(title, of_task, unfolded=number == 0)
    total = sum(sum(counts.values()) for entry in entries.values() for counts in entry["labels"].values())
    tasks = f"{len(entries):,} task{'' if len(entries) == 1 else 's'}"
    return Section("Labels", content, f"{total:,} of {tasks}")


_SITES_SHOWN = 200


def _plots(counts: LabelCounts) -> Markup:
    """Probabilities, years and sites of a task's labels."""
    edges = [number / BINS for number in range(BINS + 1)]
    content = Markup("")
    if counts.sampled:
        content += html.paragraph(f"Plots are of a sample, drawn by thread, of {', '.join(counts.sampled)}.", "note")
    if counts.probabilities:
        figures = [
            html.figure(
                plots.columns(f"{label}: labels by probability", {"labels": bins}, edges, "", small=True),
                f"{label}: {int(bins.sum()):,}",
                numbers=False,
            )
            for label, bins in counts.probabilities.items()
        ]
        rows = [
            [label, *(int(part.sum()) for part in np.split(bins, 10))] for label, bins in counts.probabilities.items()
        ]
        head = ["label", *(f"{number / 10:.1f} to {(number + 1) / 10:.1f}" for number in range(10))]
        content += Markup("<h4>By probability, from 0 to 1</h4>") + html.grid(figures, "small")
        content += html.fold("Numbers: labels by probability", html.table(head, rows))
    by_label = {label: {"labels": years} for label, years in counts.years.items()}
    if years := small_multiples.by_year("labels", by_label, "label"):
        content += Markup("<h4>By year of the post</h4>") + years
    return content + _by_site(counts)


def _by_site(counts: LabelCounts) -> Markup:
    """Of each site a small plot of its labels, on one scale of shares."""
    if len(counts.sites) < 2:
        return Markup("")
    labels = list(counts.probabilities)
    figures, rows = [], []
    for site, numbers in list(counts.sites.items())[:_SITES_SHOWN]:
        total = sum(numbers.values())
        rows.append([site, *(numbers[label] for label in labels), total])
        if total:
            shown = dict(numbers.most_common(_LABELS_OF_A_SITE))
            plot = plots.bars(f"labels of {site}", {label: count for label, count in shown.items() if count})
            figures.append(html.figure(plot, f"{site}: {total:,}"))
    more = f", the commonest {_LABELS_OF_A_SITE}" if len(labels) > _LABELS_OF_A_SITE else ""
    return (
        Markup("<h4>By site{}</h4>").format(more)
        + html.grid(figures, "many")
        + html.fold("Numbers: labels by site", html.table(["site", *labels, "all"], rows))
    )


_LABELS_OF_A_SITE = 8


def _split_table(entry: Mapping[str, Any]) -> Markup:
    rows, last = label_rows(entry)
    most = max((row[-1] for row in rows), default=0)
    drawn = [[*row, plots.meter(row[-1] / most if most else 0.0)] for row in rows]
    return html.table(["label", *SPLITS, "all", ""], drawn, [*last, ""])


def _sentences(entry: Mapping[str, Any]) -> Markup:
    """What is silent, how votes are combined, and what the probabilities rest on."""
    silent = (
        analysis_functions.without_vote,
        analysis_functions.withheld,
        analysis_functions.teaching,
        analysis_functions.not_to_be_had,
    )
    sources = ", ".join(f"{count:,} by {source}" for source, count in entry["sources"].items()) or "none"
    combined = (
        f"Combined by {_METHODS.get(entry['method'], entry['method'])}: {sources}; votes differ on "
        f"{entry['conflicts']:,}. Probabilities are {basis(entry)}."
    )
    sentences = [sentence for part in silent for sentence in part(entry)]
    return html.join(html.paragraph(sentence) for sentence in [*sentences, combined])


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
        if (measured := analysis.get("probabilities", {}).get("measured")) is not None:
            content += html.grid([_reliability(measured)])
    number = len({name for entry in facts.manifest["labels"].values() for name in entry["functions"]})
    return Section("Labelling functions", content, f"{number:,} that could vote")


def _reliability(measured: Mapping[str, Any]) -> Markup:
    """Probabilities against what people say, as a plot."""
    judged = sum(row["items"] for row in measured["reliability"]) or 1
    points = [(row["stated"], row["right"], row["items"] / judged) for row in measured["reliability"]]
    title = "Probabilities against judgements that were held out"
    return html.figure(plots.against_diagonal(title, points, "stated", "right"), title)


def _overlap(counts: LabelCounts) -> Markup:
    """A heat map: of each function's votes on labelled items, the share on which another votes too, or differs."""
    votes = counts.both.diagonal()
    meet = np.flatnonzero(counts.both.sum(1) > votes).tolist()
    alone = [name for number, name in enumerate(counts.functions) if number not in meet]
    title = Markup("<h4>Where functions meet</h4>")
    if not meet:
        return title + html.paragraph("No two functions vote on the same.") if alone else Markup("")
    rows = [
        [
            f"{place} {counts.functions[number]}",
            int(votes[number]),
            *(_meeting(counts, number, other) for other in meet),
        ]
        for place, number in enumerate(meet, start=1)
    ]
    says = (
        "The share of a row's votes, on items that have a label, on which the function of a column (by its number) "
        "votes too; the darker, the more. In brackets: on how many percent of these their labels differ. Empty: they "
        "never meet."
    )
    if alone:
        says += f" Not here, since they meet none: {', '.join(alone)}."
    head = ["function", "votes", *map(str, range(1, len(meet) + 1))]
    return title + html.paragraph(says, "note") + html.table(head, rows)


def _meeting(counts: LabelCounts, number: int, other: int) -> Markup | str:
    both = int(counts.both[number, other])
    if number == other or not both:
        return ""
    part, differ = both / int(counts.both[number, number]), both - int(counts.same[number, other])
    against = f" ({100 * differ / both:.0f})" if differ else ""
    return plots.tinted(f"{100 * part:.0f}%{against}", part)


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
    return Section("Leaks", content, f"{len({row[0] for row in rows}):,} tasks were looked at")


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
    total = 0
    for task in tasks:
        heading = Markup("<h3>{}</h3>").format(_title(task)) if len(tasks) > 1 else Markup("")
        listing, number = _listing(facts.root, task, entries[task.name])
        content += heading + listing
        total += number
    return Section(_title(tasks[0]) if len(tasks) == 1 else "Posts by label", content, f"{total:,} with a vote for it")


def _units(task: Task) -> str:
    return "posts" if task.spans else f"{task.unit}s"


def _title(task: Task) -> str:
    return f"{str(task.listed).replace('_', ' ').capitalize()} {_units(task)}"


def _listing(root: Path, task: Task, entry: Mapping[str, Any]) -> tuple[Markup, int]:
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
    return content + (html.table(head, rows) if rows else Markup("")), hits.num_rows


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
