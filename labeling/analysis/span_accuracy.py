"""Accuracy of the labels of spans, from texts that people marked without a suggestion, or from gold spans.

Of such a text every span that functions label counts; it is right where people, or the gold, have the same span with
the same label. Judged texts have the labels that functions give by corrections that are learned from other texts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import annotators, calibration, dawid_skene, decide, held_out, weighed
from socorpus.labeling.analysis import accuracy, slices
from socorpus.labeling.analysis.accuracy import Accuracy
from socorpus.labeling.analysis.estimate import Recall, Sample, Share
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.datasets.gold import Gold
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import task as entities_task

_TOGETHER = "spans of one text are judged together: intervals take them for independent, and are a little narrow"


@dataclass(frozen=True)
class _Judged:
    """Labels of functions in judged texts: n of them, and the slices of each."""

    label: list[int]
    stated: list[float]
    right: list[bool]
    fold: list[int]
    slices: Mapping[str, list[list[str]]]


@dataclass(frozen=True)
class _Recalled:
    """Spans of gold by label: all of them, those that have a label, and those with the right one."""

    gold: Counter[str]
    labelled: Counter[str]
    right: Counter[str]

    def count(self, truth: Mapping[tuple[int, int], str | None], here: Mapping[tuple[int, int], str]) -> None:
        """Count the spans of a text; `here` are those that functions label."""
        for place, label in truth.items():
            if label is not None:
                self.gold[label] += 1
                self.labelled[label] += place in here
                self.right[label] += here.get(place) == label

    def shares(self, task: Task) -> dict[str, Recall]:
        labels = [name for name in task.labels if name not in task.leave_out]
        return {name: Recall(self.gold[name], self.labelled[name], self.right[name]) for name in labels}


def measure(root: Path, task: Task, buckets: tuple[Bucket, ...], gold: Gold | None = None) -> Accuracy:
    """The accuracy of a task's labels of spans.

    Args:
        root: the tree of a labelled corpus.
        gold: all spans of some texts by key, instead of what people marked.

    Raises:
        InputError: nobody marked a text without a suggestion, no text with gold has a label, or a gold span ends beyond
            its text.
    """
    corrections = _corrections(root, task, buckets)
    model = dawid_skene.from_dict(files.read_json(root / steps.model_path(task.name)))
    judged = _Judged([], [], [], [], {way: [] for way in slices.WAYS})
    population = np.zeros(len(task.labels), np.int64)
    counts: dict[str, dict[str, int]] = {way: defaultdict(int) for way in slices.WAYS}
    texts, labelled, left_out = 0, 0, pa.array(task.leave_out, pa.string())
    recalled = _Recalled(Counter(), Counter(), Counter())
    for bucket in buckets:
        labels = parquet.read(root / schema.path(task.name, "labels", bucket.name), columns=["post_id", "label"])
        labels = labels.filter(pc.invert(pc.is_in(labels["label"], value_set=left_out)))
        examples, votes = steps.all_votes(root, bucket, task, people=True)
        population += np.bincount([task.index(name) for name in labels["label"].to_pylist()], minlength=len(population))
        place = pc.index_in(labels["post_id"], value_set=examples["post_id"].combine_chunks())
        of_labels = examples.select(list(slices.COLUMNS)).take(place)
        for way, counted in counts.items():
            for names in slices.values(of_labels, way):
                for name in names:
                    counted[name] += 1
        truth = _truth(votes, bucket.site, gold, examples)
        texts += len(truth)
        here: dict[int, dict[tuple[int, int], str]] = defaultdict(dict)
        own = votes.filter(pc.not_equal(votes["source"], "person"))
        for number, posts in _by_fold(list(truth)):
            chosen = pc.is_in(own["post_id"], value_set=posts)
            inside = examples.filter(pc.is_in(examples["post_id"], value_set=posts))
            table = decide.decide(inside, own.filter(chosen), model, task, corrections[number])
            table = table.filter(pc.invert(pc.is_in(table["label"], value_set=left_out)))
            place = pc.index_in(table["post_id"], value_set=inside["post_id"].combine_chunks())
            about = inside.select(list(slices.COLUMNS)).take(place)
            of_way = {way: slices.values(about, way) for way in slices.WAYS}
            for at_row, row in enumerate(table.select(["post_id", "start", "end", "label", "probability"]).to_pylist()):
                here[row["post_id"]][row["start"], row["end"]] = row["label"]
                named = truth[row["post_id"]].get((row["start"], row["end"]), "")
                if named is None:  # people are divided
                    continue
                judged.label.append(task.index(row["label"]))
                judged.stated.append(row["probability"])
                judged.right.append(named == row["label"])
                judged.fold.append(number)
                for way, names_of in judged.slices.items():
                    names_of.append(of_way[way][at_row])
        labelled += len(here)
        for post, spans in truth.items():
            recalled.count(spans, here[post])
    if gold is None and not texts:
        raise InputError(accuracy.unjudged(task))
    notes = [] if gold is None else [accuracy.matched(labelled, texts - labelled, gold.spans, task, buckets)]
    if not judged.label:
        raise InputError(f"{task.name}: none of the {texts:,} judged texts has a label of functions")
    source, recall = (Accuracy.source, {}) if gold is None else ("gold", recalled.shares(task))
    return _result(task, judged, population, counts, notes, source, recall)


def of_annotated(task: Task, path: Path) -> Accuracy:
    """The accuracy of the functions' labels on the texts of a file of the StackOverflow NER corpus, or of its form.

    They are those of the weights of the package: nothing that people judged in a corpus takes part.

    Raises:
        InputError: the file can't be read, or the task is another than entities.
    """
    if task is not entities_task.TASK:
        raise InputError(f"{path}: has entities, and no labels of {task.name}")
    documents = so_ner.read(path)
    texts, segments = [document.text for document in documents], [document.segments for document in documents]
    labelled = entities_task.label(texts, segments, tokens=[document.tokens for document in documents])
    judged = _Judged([], [], [], [], {way: [] for way in slices.WAYS})
    recalled = _Recalled(Counter(), Counter(), Counter())
    for document, spans in zip(documents, labelled, strict=True):
        truth = set(document.spans)
        recalled.count(
            {(span.start, span.end): span.label for span in document.spans},
            {(span.start, span.end): span.label for span, _ in spans},
        )
        for span, probability in spans:
            if span.label not in task.leave_out:
                judged.label.append(task.index(span.label))
                judged.stated.append(probability)
                judged.right.append(span in truth)
                judged.fold.append(document.question)
    if not judged.label:
        raise InputError(f"{path}: functions find no entity in its {len(documents):,} texts")
    fold = held_out.of_posts(np.array(judged.fold, np.int64)).tolist()
    population = np.bincount(judged.label, minlength=len(task.labels))
    note = (
        f"{len(documents):,} texts of the file, and not of the corpus, by the weights of the package; if they were "
        "learned from it, figures are too good"
    )
    return _result(task, replace(judged, fold=fold), population, {}, [note], "gold", recalled.shares(task))


def _result(
    task: Task,
    judged: _Judged,
    population: Int64,
    counts: Mapping[str, Mapping[str, int]],
    notes: list[str],
    source: str,
    recall: Mapping[str, Recall],
) -> Accuracy:
    label, right = np.array(judged.label, np.int64), np.array(judged.right, bool)
    sample = Sample(label, right, population)
    shares: dict[str, dict[str, Share]] = {way: {} for way in slices.WAYS}
    for way, counted in counts.items():
        for name in slices.shown(counted, way):
            own = np.array([name in names for names in judged.slices[way]], bool)
            if own.any():
                shares[way][name] = sample.share(own, counted[name])
    return Accuracy(
        task.name,
        sample.share(np.ones(len(label), bool), int(population.sum())),
        {
            name: sample.share(label == number, int(population[number]))
            for number, name in enumerate(task.labels)
            if name not in task.leave_out
        },
        shares,
        sample.unseen(),
        calibration.measure_stated(np.array(judged.stated), right, np.array(judged.fold, np.int64)),
        (*notes, *_not_scored(task), _TOGETHER),
        source,
        recall,
    )


def _not_scored(task: Task) -> list[str]:
    return [f"not scored, whatever labels there are: {', '.join(task.leave_out)}"] if task.leave_out else []


def _truth(
    votes: pa.Table, site: str, gold: Gold | None, examples: pa.Table
) -> dict[int, dict[tuple[int, int], str | None]]:
    """Of each judged post of a bucket its spans with their labels; None where people are divided."""
    if gold is not None:
        truth: dict[int, dict[tuple[int, int], str | None]] = {}
        for post, length in zip(*(column.to_pylist() for column in _lengths(examples)), strict=True):
            if (marks := gold.spans.get(key := f"{site}:{post}")) is None:
                continue
            if beyond := sorted(mark for mark in marks if mark[1] > length):
                start, end, label = beyond[0]
                raise InputError(
                    f"{gold.places.get((key, beyond[0]), key)}: the span {start} to {end} ({label}) ends beyond the "
                    f"text of {key}, which has {length:,} characters; offsets count code points of the example's text, "
                    "as socorpus labeling export writes it"
                )
            truth[post] = {(start, end): label for start, end, label in marks}
        return truth
    words = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    blind = annotators.blind(words)
    return {
        post: {place: verdict.label for place, verdict in verdicts.items()}
        for post, verdicts in annotators.of_spans(words).items()
        if post in blind
    }


def _lengths(examples: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    return examples["post_id"], pc.utf8_length(examples["text"])


def _by_fold(posts: list[int]) -> Iterator[tuple[int, pa.Array]]:
    numbers = np.array(sorted(posts), np.int64)
    fold = held_out.of_posts(numbers)
    for number in np.unique(fold).tolist():
        yield number, pa.array(numbers[fold == number])


def _corrections(root: Path, task: Task, buckets: tuple[Bucket, ...]) -> list[weighed.Corrections]:
    """Of each fold what people's verdicts on other texts, and on names, change of a weigher's probabilities."""
    weigher = task.weighed_by
    if weigher is None:
        return [weighed.NOTHING] * held_out.FOLDS
    path = root / schema.names_path(task.name)
    names = parquet.read(path, schema.NAMES).to_pylist() if files.exists(path) else []
    pairs = {(row["label"], row["name"]) for row in names}
    judged, mentions = [], []
    for bucket in buckets:
        examples, votes = steps.all_votes(root, bucket, task, people=True)
        if pairs:
            mentions.append(weighed.mentioned(examples, votes, weigher, pairs))
        judged += weighed.judged(examples, votes, task)
    return weighed.held_out_corrections(judged, weighed.of_names(names, mentions))
