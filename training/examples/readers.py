"""Readers of what is learned from: a corpus's own labels, and the public benchmarks of the tasks.

Splits are by thread and by time, never by row: a corpus has its own; a CSV file's oldest rows are for training and its
newest for test; the files of the NER corpus keep theirs, and what they lack is drawn from `train.txt` by question.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import SPLITS
from socorpus.labeling import schema
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Data, Example

FEW = 100
"""Test examples of a corpus below which a reader of the scores is warned."""
VALIDATION, TEST = 0.1, 0.2
"""Shares of a file without splits of its own that are for validation and for test."""

KAGGLE = ("open", "not a real question", "off topic", "not constructive", "too localized")
"""Statuses of Kaggle's "Predict Closed Questions on Stack Overflow" (2012); duplicates are not among them."""
_KAGGLE_COLUMNS = ("PostId", "PostCreationDate", "Title", "BodyMarkdown", "OpenStatus")

_CORPUS = ("post_id", "thread_id", "split", "created", "tags", "title", "text", "segments")


def read(path: Path, task: Task, most: int | None = None, people: bool = False) -> Data:
    """Examples of a task from a corpus or a benchmark's file.

    Args:
        path: a corpus's folder; the CSV file of "60k Stack Overflow Questions with Quality Rating" or of Kaggle's
            closed questions; a folder with `train.txt` and `dev.txt` or `test.txt` of the StackOverflow NER corpus.
        most: of more training examples than this, so many are drawn by a hash of their names.
        people: whether only what people judged is learned from; all of the test split is scored on.

    Raises:
        InputError: it is none of these, is not of this task, or a split that is needed is empty.
    """
    if path.is_dir() and (path / "MANIFEST.json").is_file():
        data = corpus(path, task)
    elif path.is_dir() and (path / "train.txt").is_file():
        _of("entities", task, path)
        data = conll(path)
    elif path.is_file() and path.suffix == ".csv":
        data = _csv(path, task)
    else:
        raise InputError(
            f"{path}: not a corpus (no MANIFEST.json), no CSV file of questions, and no folder with train.txt; "
            "give what socorpus build wrote, or a benchmark's file"
        )
    if people:
        judged = {split: [one for one in data.splits[split] if one.source == "person"] for split in SPLITS[:2]}
        if not judged["train"]:
            raise InputError(
                f"{path}: nobody has judged a {task.name} example of the train split; see docs/label-studio.md"
            )
        data = replace(
            data, splits={**data.splits, **judged}, notes=(*data.notes, "learned from people's labels alone")
        )
    if most is not None and len(data.splits["train"]) > most:
        splits = {**data.splits, "train": drawn(data.splits["train"], most)}
        kept = f"{most:,} of {len(data.splits['train']):,} training examples were drawn"
        data = replace(data, splits=splits, notes=(*data.notes, kept))
    for split in ("train", "test"):
        if not data.splits[split]:
            raise InputError(f"{path}: no {task.name} example in the {split} split; a larger corpus has some")
    return data


def drawn(examples: Sequence[Example], most: int, salt: str = "") -> list[Example]:
    """So many examples, by a hash of their names, in their order: of a larger number all of a smaller are part."""
    order = sorted(range(len(examples)), key=lambda at: _hash(salt + examples[at].key))
    return [examples[at] for at in sorted(order[:most])]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _of(name: str, task: Task, path: Path) -> None:
    if task.name != name:
        raise InputError(f"{path}: has examples of {name}, not of {task.name}")


# A corpus.


def corpus(root: Path, task: Task) -> Data:
    """The labelled examples of a corpus, in the splits of its labels.

    A text of the entities task counts as labelled though nothing was found in it.
    """
    from socorpus.labeling.label_studio import sampling

    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    shown = 0
    for bucket in sampling.buckets(root, task):
        for split, of_shards, example in _bucket(root, task, bucket):
            splits[split].append(example)
            shown += split == "test" and of_shards == "train"
    judged = {
        source: sum(one.source == source for one in splits["test"])
        for source in schema.SOURCES
        if any(one.source == source for one in splits["test"])
    }
    by = ", ".join(f"{count:,} by {source}s" for source, count in judged.items())
    notes: tuple[str, ...] = (f"labels of the test split: {by}",) if by else ()
    if by and len(splits["test"]) < FEW:
        notes += (f"fewer than {FEW} test examples say little: build the corpus with a larger labels.test",)
    if shown:
        texts = f"{shown:,} of the {len(splits['test']):,} test texts are of threads in the shards' train split"
        notes += (f"{texts}, where a pre-trained model may have read them, without their labels",)
    return Data(task, root.absolute().name, splits, notes, ("Code_Block",) if task.spans else ())


def _bucket(root: Path, task: Task, bucket: str) -> Iterator[tuple[str, str, Example]]:
    """Split of the labels, split of the shards, and the example."""
    from socorpus.corpus.storage import parquet

    labels: dict[int, list[dict[str, Any]]] = {}
    place = root / schema.path(task.name, "labels", bucket)
    if place.is_file():
        columns = ["post_id", "start", "end", "label", "probability", "probabilities", "source", "split"]
        for row in parquet.read(place, schema.LABELS, columns).to_pylist():
            labels.setdefault(row["post_id"], []).append(row)
    site = bucket.split("/")[0]
    table = parquet.read(root / schema.path(task.name, "examples", bucket), schema.EXAMPLES, [*_CORPUS])
    for row in table.to_pylist():
        found = labels.get(row["post_id"], [])
        if found or task.spans:
            yield found[0]["split"] if found else row["split"], row["split"], _example(row, site, found, task)


def _example(row: Mapping[str, Any], site: str, labels: Sequence[Mapping[str, Any]], task: Task) -> Example:
    known: dict[str, Any] = {"source": labels[0]["source"] if labels else "function"}
    if task.spans:
        known["spans"] = tuple(
            sorted((Span(one["start"], one["end"], one["label"]), one["probability"]) for one in labels)
        )
    else:
        known["label"] = task.index(labels[0]["label"])
        known["probabilities"] = tuple(labels[0]["probabilities"])
    return Example(
        key=f"{site}:{row['post_id']}",
        thread=f"{site}:{row['thread_id']}",
        text=row["text"],
        title=row["title"],
        created=int(row["created"].timestamp() * 1000),
        tags=tuple(row["tags"]),
        kinds=tuple((one["kind"], one["start"], one["end"]) for one in row["segments"]),
        **known,
    )


# The StackOverflow NER corpus.


def conll(folder: Path) -> Data:
    """The files of Tabassum et al. 2020, read by `datasets.so_ner`; scored on `test.txt`, or on `dev.txt` without it.

    `dev.txt` is for validation where there is a `test.txt`, else a tenth of the questions of `train.txt` is.
    """
    train = _documents(folder / "train.txt")
    dev, test = (_documents(folder / name) if (folder / name).is_file() else [] for name in ("dev.txt", "test.txt"))
    scored = "test.txt" if test else "dev.txt"
    notes = [f"scored on {scored}, Code_Block and pseudo-sentences left out"]
    if not test:
        share = VALIDATION * 256
        held = [one for one in train if _hash(one.thread)[0] < share]
        train, dev, test = [one for one in train if _hash(one.thread)[0] >= share], held, dev
        notes.append("validation is a tenth of the questions of train.txt")
    splits = {"train": train, "validation": dev, "test": test}
    named = {span.label for part in splits.values() for one in part for span, _ in one.spans}
    labels = (*schema.ENTITIES.labels, *sorted(named - set(schema.ENTITIES.labels)))
    return Data(Task("entities", labels, spans=True), "StackOverflow NER", splits, tuple(notes), ("Code_Block",))


def _documents(path: Path) -> list[Example]:
    from socorpus.labeling.datasets import so_ner

    found = []
    seen: dict[str, int] = {}
    for one in so_ner.read(path):
        # A question stands twice in the published files.
        times = seen[one.name] = seen.get(one.name, 0) + 1
        found.append(
            Example(
                key=f"{path.stem}:{one.name}" + (f"#{times}" if times > 1 else ""),
                thread=str(one.question),
                text=one.text,
                kinds=tuple((part["kind"], part["start"], part["end"]) for part in one.segments),
                words=one.tokens,
                spans=tuple((span, 1.0) for span in one.spans),
            )
        )
    return found


# Files of questions.


def _csv(path: Path, task: Task) -> Data:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            columns = next(csv.reader(lines), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as CSV in UTF-8: {error}") from None
    readers: Mapping[str, tuple[str, Callable[[Path], Data]]] = {
        "Y": ("quality", quality),
        "OpenStatus": ("closure", kaggle),
    }
    for column, (name, reader) in readers.items():
        if column in columns:
            _of(name, task, path)
            return reader(path)
    raise InputError(
        f"{path}: neither a column Y (60k questions with quality rating) nor OpenStatus (Kaggle's closed questions); "
        f"it has {', '.join(columns) or 'none'}"
    )


def quality(path: Path) -> Data:
    """ "60k Stack Overflow Questions with Quality Rating": the newest fifth is for test, a tenth before for validation.

    Bodies are rendered to what a reader sees: in the public file one class is Markdown, the others HTML.
    """
    from socorpus.labeling.datasets import so60k

    questions = so60k.read(path)
    named = {one.label for one in questions}
    labels = tuple(label for label in schema.QUALITY.labels if label in named)
    labels += tuple(sorted(named - set(labels)))
    found = [
        _labelled(
            labels.index(one.label),
            len(labels),
            key=str(one.id),
            thread=str(one.id),
            text=one.text.text,
            title=one.title,
            created=int(one.created.timestamp() * 1000),
            tags=one.tags,
            kinds=tuple((str(kind), int(start), int(end)) for kind, start, end, *_ in one.text.segments),
        )
        for one in questions
    ]
    return Data(Task("quality", labels), path.stem, by_time(found), ("the newest fifth of the file is scored on",))


def kaggle(path: Path) -> Data:
    """Kaggle's "Predict Closed Questions on Stack Overflow" (2012): bodies are Markdown; the newest fifth is for test.

    Raises:
        InputError: a column is missing, or a row has no number, date or known status.
    """
    csv.field_size_limit(10_000_000)
    found = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in _KAGGLE_COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: has no column {', '.join(missing)}; it needs {', '.join(_KAGGLE_COLUMNS)}")
        try:
            for number, row in enumerate(rows, start=1):
                found.append(_kaggle_row(row, f"{path}, row {number}"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}, row {len(found) + 1}: can't be read as CSV in UTF-8: {error}") from None
    return Data(Task("closure", KAGGLE), path.stem, by_time(found), ("the newest fifth of the file is scored on",))


def _kaggle_row(row: Mapping[str, str | None], where: str) -> Example:
    from socorpus.corpus.documents import html
    from socorpus.labeling.history import markdown_html

    given = {name: row.get(name) or "" for name in (*_KAGGLE_COLUMNS, *(f"Tag{at}" for at in range(1, 6)))}
    if given["OpenStatus"] not in KAGGLE:
        raise InputError(f"{where}: OpenStatus {given['OpenStatus']!r} is none of {', '.join(KAGGLE)}")
    try:
        created = datetime.strptime(given["PostCreationDate"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(
            f"{where}: PostCreationDate {given['PostCreationDate']!r} is no date such as 05/14/2012 14:39:25"
        ) from None
    at = int(created.timestamp() * 1000)
    text = html.html(markdown_html.html(given["BodyMarkdown"], at))
    return _labelled(
        KAGGLE.index(given["OpenStatus"]),
        len(KAGGLE),
        key=given["PostId"],
        thread=given["PostId"],
        text=text.text,
        title=given["Title"],
        created=at,
        tags=tuple(tag for number in range(1, 6) if (tag := given[f"Tag{number}"])),
        kinds=tuple((str(kind), int(start), int(end)) for kind, start, end, *_ in text.segments),
    )


def _labelled(label: int, labels: int, **about: Any) -> Example:
    return Example(label=label, probabilities=tuple(float(at == label) for at in range(labels)), **about)


def by_time(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The oldest for training, then those for validation, the newest for test; of equal times by name."""
    ordered = sorted(examples, key=lambda one: (one.created, one.key))
    test = len(ordered) - round(TEST * len(ordered))
    train = test - round(VALIDATION * len(ordered))
    return {"train": ordered[:train], "validation": ordered[train:test], "test": ordered[test:]}
