"""The public benchmarks of our tasks as examples to learn from and to be scored on.

Splits are by thread and by time, never by row: a CSV file's oldest rows are for training and its newest for test; the
files of the NER corpus keep theirs, and what they lack is drawn from `train.txt` by question.
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
"""Labels that only these files have, with their meanings."""


# The StackOverflow NER corpus.


def conll(folder: Path, task: Task) -> Data:
    """The files of Tabassum et al. 2020, read by `datasets.so_ner`; scored on `test.txt`, or on `dev.txt` without it.

    `dev.txt` is for validation where there is a `test.txt`, else a tenth of the questions of `train.txt` is.
    """
    train = _documents(folder / "train.txt")
    dev, test = (_documents(folder / name) if (folder / name).is_file() else [] for name in ("dev.txt", "test.txt"))
    scored = "test.txt" if test else "dev.txt"
    notes = [f"scored on {scored}, Code_Block and pseudo-sentences left out"]
    if not test:
        share = readers.VALIDATION * 256
        held = [one for one in train if readers.drawing_order(one.thread)[0] < share]
        train, dev, test = [one for one in train if readers.drawing_order(one.thread)[0] >= share], held, dev
        notes.append("validation is a tenth of the questions of train.txt")
    splits = {"train": train, "validation": dev, "test": test}
    named = {span.label for part in splits.values() for one in part for span, _ in one.spans}
    meanings = {**task.meanings, **dict.fromkeys(sorted(named - set(task.labels)), "")}
    return Data(replace(task, meanings=meanings), "StackOverflow NER", splits, tuple(notes), task.leave_out)


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


def quality(path: Path, task: Task) -> Data:
    """ "60k Stack Overflow Questions with Quality Rating": the newest fifth is for test, a tenth before for validation.

    Bodies are rendered to what a reader sees: in the public file one class is Markdown, the others HTML.
    """
    from socorpus.labeling.datasets import so60k

    questions = so60k.read(path)
    named = {one.label for one in questions}
    own = [*(label for label in task.labels if label in named), *sorted(named - set(task.labels))]
    labels = {label: task.meanings.get(label, _MEANINGS.get(label, "")) for label in own}
    found = [
        _labelled(
            own.index(one.label),
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
    return _of_file(path, replace(task, meanings=labels), found)


def kaggle(path: Path, task: Task) -> Data:
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
    labels = {label: task.meanings.get(label, _MEANINGS.get(label, "")) for label in KAGGLE}
    return _of_file(path, replace(task, meanings=labels), found)


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


def _of_file(path: Path, task: Task, found: Sequence[Example]) -> Data:
    return Data(task, path.stem, readers.by_time(found), ("the newest fifth of the file is scored on",))


def _labelled(label: int, labels: int, **about: Any) -> Example:
    return Example(label=label, probabilities=tuple(float(at == label) for at in range(labels)), **about)


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
