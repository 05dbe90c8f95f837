"""The public benchmarks of our tasks as examples for training and scoring.

Splits are by thread and by time, never by row: a CSV file's oldest rows are for training and its newest for test; the
NER corpus keeps the splits of its files, and a missing split is sampled from `train.txt` by question.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.schema import Task
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example
from socorpus.training.examples.readers import READERS, Reader

KAGGLE = ("open", "not a real question", "off topic", "not constructive", "too localized")
"""Statuses of Kaggle's "Predict Closed Questions on Stack Overflow" (2012); duplicates are not among them."""
_KAGGLE_COLUMNS = ("PostId", "PostCreationDate", "Title", "BodyMarkdown", "OpenStatus")

_MEANINGS: Mapping[str, str] = {
    "LQ": "a poor question",
    "off topic": "not about what the site is for",
    "not a real question": "ambiguous, vague, incomplete or rhetorical; can't be answered as it stands",
    "not constructive": "asks for opinions, debate or a poll",
    "too localized": "of no help to anyone but its author",
}
"""Labels that occur only in these files, with their meanings."""


# The StackOverflow NER corpus.


def conll(folder: Path, task: Task) -> Data:
    """The files of Tabassum et al. 2020, read by `datasets.so_ner`; scored on `test.txt`, or on `dev.txt` without it.

    `dev.txt` is for validation if there is a `test.txt`; otherwise a tenth of the questions of `train.txt` is.
    """
    train = _documents(folder / "train.txt")
    dev, test = (_documents(folder / name) if (folder / name).is_file() else [] for name in ("dev.txt", "test.txt"))
    scored = "test.txt" if test else "dev.txt"
    notes = [f"scored on {scored}, Code_Block and pseudo-sentences left out"]
    if not test:
        share = readers.VALIDATION * 256
        held = [example for example in train if readers.drawing_order(example.thread)[0] < share]
        train, dev, test = (
            [example for example in train if readers.drawing_order(example.thread)[0] >= share],
            held,
            dev,
        )
        notes.append("validation is a tenth of the questions of train.txt")
    splits = {"train": train, "validation": dev, "test": test}
    named = {span.label for part in splits.values() for example in part for span, _ in example.spans}
    meanings = {**task.meanings, **dict.fromkeys(sorted(named - set(task.labels)), "")}
    return Data(replace(task, meanings=meanings), "StackOverflow NER", splits, tuple(notes), task.leave_out)


def _documents(path: Path) -> list[Example]:
    from socorpus.labeling.datasets import so_ner

    examples = []
    seen: dict[str, int] = {}
    for document in so_ner.read(path):
        # One question occurs twice in the published files.
        times = seen[document.name] = seen.get(document.name, 0) + 1
        examples.append(
            Example(
                key=f"{path.stem}:{document.name}" + (f"#{times}" if times > 1 else ""),
                thread=str(document.question),
                text=document.text,
                kinds=tuple((part["kind"], part["start"], part["end"]) for part in document.segments),
                words=document.tokens,
                spans=tuple((span, 1.0) for span in document.spans),
            )
        )
    return examples


# Files of questions.


def quality(path: Path, task: Task) -> Data:
    """ "60k Stack Overflow Questions with Quality Rating": the newest fifth is for test, a tenth before for validation.

    Bodies are rendered as a reader sees them: in the public file one class is Markdown, the others HTML.
    """
    from socorpus.labeling.datasets import so60k

    questions = so60k.read(path)
    named = {question.label for question in questions}
    own = [*(label for label in task.labels if label in named), *sorted(named - set(task.labels))]
    labels = {label: task.meanings.get(label, _MEANINGS.get(label, "")) for label in own}
    examples = [
        _labelled(
            own.index(question.label),
            len(labels),
            key=str(question.id),
            thread=str(question.id),
            text=question.text.text,
            title=question.title,
            created=int(question.created.timestamp() * 1000),
            tags=question.tags,
            kinds=tuple((str(kind), int(start), int(end)) for kind, start, end, *_ in question.text.segments),
            languages=tuple(sorted({language for *_, language in question.text.segments if language})),
        )
        for question in questions
    ]
    return _of_file(path, replace(task, meanings=labels), examples)


def kaggle(path: Path, task: Task) -> Data:
    """Kaggle's "Predict Closed Questions on Stack Overflow" (2012): bodies are Markdown; the newest fifth is for test.

    Raises:
        InputError: a column is missing, or a row has no number, date or known status.
    """
    csv.field_size_limit(10_000_000)
    examples = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in _KAGGLE_COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: has no column {', '.join(missing)}; it needs {', '.join(_KAGGLE_COLUMNS)}")
        try:
            for number, row in enumerate(rows, start=1):
                examples.append(_kaggle_row(row, f"{path}, row {number}"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}, row {len(examples) + 1}: can't be read as CSV in UTF-8: {error}") from None
    labels = {label: task.meanings.get(label, _MEANINGS.get(label, "")) for label in KAGGLE}
    return _of_file(path, replace(task, meanings=labels), examples)


def _kaggle_row(row: Mapping[str, str | None], where: str) -> Example:
    from socorpus.corpus.documents import html
    from socorpus.labeling.history import markdown_html

    given = {name: row.get(name) or "" for name in (*_KAGGLE_COLUMNS, *(f"Tag{number}" for number in range(1, 6)))}
    if given["OpenStatus"] not in KAGGLE:
        raise InputError(f"{where}: OpenStatus {given['OpenStatus']!r} is none of {', '.join(KAGGLE)}")
    try:
        created = datetime.strptime(given["PostCreationDate"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(
            f"{where}: PostCreationDate {given['PostCreationDate']!r} is no date such as 05/14/2012 14:39:25"
        ) from None
    created_ms = int(created.timestamp() * 1000)
    text = html.html(markdown_html.html(given["BodyMarkdown"], created_ms))
    return _labelled(
        KAGGLE.index(given["OpenStatus"]),
        len(KAGGLE),
        key=given["PostId"],
        thread=given["PostId"],
        text=text.text,
        title=given["Title"],
        created=created_ms,
        tags=tuple(tag for number in range(1, 6) if (tag := given[f"Tag{number}"])),
        kinds=tuple((str(kind), int(start), int(end)) for kind, start, end, *_ in text.segments),
        languages=tuple(sorted({language for *_, language in text.segments if language})),
    )


def _of_file(path: Path, task: Task, examples: Sequence[Example]) -> Data:
    return Data(task, path.stem, readers.by_time(examples), ("the newest fifth of the file is scored on",))


def _labelled(label: int, labels: int, **about: Any) -> Example:
    return Example(label=label, probabilities=tuple(float(number == label) for number in range(labels)), **about)


def _has_column(name: str) -> Callable[[Path], bool]:
    """Whether a path is a CSV file with a column of a name."""

    def has(path: Path) -> bool:
        if not path.is_file() or path.suffix != ".csv":
            return False
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                return name in next(csv.reader(lines), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: can't be read as CSV in UTF-8: {error}") from None

    return has


for _name, _reader in {
    "StackOverflow NER": Reader(
        "entities",
        "a folder with train.txt and dev.txt or test.txt (StackOverflow NER)",
        lambda path: path.is_dir() and (path / "train.txt").is_file(),
        conll,
    ),
    "60k questions": Reader(
        "quality", "a CSV file with a column Y (60k questions with quality rating)", _has_column("Y"), quality
    ),
    "Kaggle's closed questions": Reader(
        "closure",
        "a CSV file with a column OpenStatus (Kaggle's closed questions)",
        _has_column("OpenStatus"),
        kaggle,
    ),
}.items():
    READERS.add(_name, _reader)
