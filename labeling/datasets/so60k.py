"""Reader of "60k Stack Overflow Questions with Quality Rating" (Annamoradnejad et al. 2022), and an audit of its leaks.

A comma-separated file with the columns Id, Title, Body, Tags, CreationDate, Y. In the public set the bodies of one
class are Markdown and those of the others HTML, so a model can learn the format: here both are rendered to the text
that a reader sees. Scores from markup, length and tags only, before and after that, stand beside every score of a
text.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.arrays import splitmix64
from socorpus.corpus.documents import html as documents_html
from socorpus.corpus.documents.spans import Marked
from socorpus.corpus.errors import InputError
from socorpus.corpus.words import words as text_words
from socorpus.labeling import logistic
from socorpus.labeling.analysis import leaks
from socorpus.labeling.history import markdown_html

Float = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

COLUMNS = ("Id", "Title", "Body", "Tags", "CreationDate", "Y")
_DATES = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d")
_HTML = re.compile(r"\s*<(?:p|pre|blockquote|h[1-6]|ul|ol|hr|div|table)\b[^>]*>", re.IGNORECASE)
_SIGNS = (
    "<p>",
    "<code>",
    "<pre>",
    "<a ",
    "<li>",
    "<blockquote>",
    "<strong>",
    "<em>",
    "&",
    "**",
    "`",
    "\n\n",
    "    ",
    "](",
)
_TAGS, _TERMS = 100, 20_000


@dataclass(frozen=True)
class Question:
    """A row of the file."""

    id: int
    title: str
    body: str
    """As it is in the file."""
    tags: tuple[str, ...]
    created: datetime
    label: str
    text: Marked
    """The body as a reader sees it."""

    @property
    def html(self) -> bool:
        """Whether the body is HTML rather than Markdown."""
        return is_html(self.body)


def is_html(body: str) -> bool:
    """Whether a body is rendered HTML: it begins with a block element, as all that the site publishes do."""
    return _HTML.match(body) is not None


def normalised(body: str, created: datetime) -> Marked:
    """Text and segments of a body, whichever of the two formats it is in."""
    return documents_html.html(body if is_html(body) else markdown_html.html(body, int(created.timestamp() * 1000)))


def read(path: Path) -> list[Question]:
    """The questions of a file, in its order.

    Raises:
        InputError: it can't be read, lacks a column, or a row has a number, date or label that isn't one.
    """
    csv.field_size_limit(10_000_000)
    questions: list[Question] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            # Not strict, a quotation mark that is not closed makes all rows below it one cell.
            table = csv.DictReader(lines, strict=True)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                has = ", ".join(table.fieldnames or ()) or "none"
                raise InputError(
                    f"{path}: has no column {', '.join(missing)}; it has {has}, and needs {', '.join(COLUMNS)}"
                )
            for number, row in enumerate(table, start=1):
                questions.append(_question(row, f"{path}, row {number}"))
            return questions
    except csv.Error as error:
        raise InputError(
            f"{path}, row {len(questions) + 1}: can't be read as CSV: {error}; a quotation mark that opens a cell is "
            "closed at its end, and those inside are written twice"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as CSV in UTF-8: {error}") from None


def _question(row: Mapping[str, str | None], where: str) -> Question:
    given = {name: row[name] or "" for name in COLUMNS}
    if not given["Id"].isdecimal() or not given["Y"]:
        raise InputError(f"{where}: Id {given['Id']!r} is no number, or Y {given['Y']!r} no label")
    created = _date(given["CreationDate"], where)
    tags = tuple(tag for tag in re.split(r"[<>|]+", given["Tags"]) if tag)
    text = normalised(given["Body"], created)
    return Question(int(given["Id"]), given["Title"], given["Body"], tags, created, given["Y"], text)


def _date(text: str, where: str) -> datetime:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise InputError(f"{where}: CreationDate {text!r} is no date such as 2016-01-31 12:00:00 or 1/31/2016 12:00")


# Leak audits.


@dataclass(frozen=True)
class Score:
    """Scores of a model that sees one view of the questions."""

    view: str
    accuracy: float
    macro_f1: float


def audits(questions: Sequence[Question], split: str = "folds") -> list[Score]:
    """Scores of the commonest label and of a logistic regression on each view, the honest one last.

    Args:
        questions: of two labels or more.
        split: "folds", five by a hash of the Id, or "time", the last fifth against what is before.

    Raises:
        InputError: fewer than two labels, or fewer than ten questions.
    """
    names = sorted({question.label for question in questions})
    if len(names) < 2 or len(questions) < 10:
        raise InputError(f"{len(questions)} questions of {len(names)} labels: at least ten of two are needed")
    label = np.array([names.index(question.label) for question in questions])
    folds = _folds(questions, split)
    truth = np.concatenate([label[test] for _, test in folds])
    scores = []
    for view, fit in VIEWS.items():
        guesses = []
        for train, test in folds:
            seen, unseen = ([questions[row] for row in part] for part in (train, test))
            guesses.append(fit(seen, label[train], unseen, len(names)).argmax(1))
        guess = np.concatenate(guesses)
        scores.append(Score(view, float((guess == truth).mean()), leaks.macro_f1(truth, guess)))
    return scores


def _folds(questions: Sequence[Question], split: str) -> list[tuple[Int64, Int64]]:
    if split == "time":
        order = np.argsort(np.array([question.created.timestamp() for question in questions]), kind="stable")
        last = len(order) - len(order) // 5
        return [(order[:last], order[last:])]
    fold = (splitmix64(np.array([question.id for question in questions], np.int64)) % np.uint64(5)).astype(np.int64)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(5)]


Fit = Callable[[Sequence[Question], Int64, Sequence[Question], int], Float]


def _commonest(seen: Sequence[Question], label: Int64, unseen: Sequence[Question], k: int) -> Float:
    return np.tile(np.bincount(label, minlength=k) / len(seen), (len(unseen), 1))


def _view(features: Callable[[Question], Sequence[float]]) -> Fit:
    """A model on some numbers of each question."""

    def fit(seen: Sequence[Question], label: Int64, unseen: Sequence[Question], k: int) -> Float:
        train, test = (np.array([features(question) for question in some], np.float64) for some in (seen, unseen))
        return logistic.fit(train, label, k)(test)

    return fit


def _markup_raw(question: Question) -> list[float]:
    return [float(np.log1p(question.body.count(sign))) for sign in _SIGNS]


def _markup_text(question: Question) -> list[float]:
    kinds = Counter(kind for kind, *_ in question.text.segments)
    return [float(np.log1p(kinds[kind])) for kind in schema.SEGMENT_KINDS]


def _sizes(title: str, text: str) -> list[float]:
    size = np.log1p([len(title), len(text), text.count("\n"), len(text.split())])
    return [*size.tolist(), *(size**2).tolist()]


def _tags(seen: Sequence[Question], label: Int64, unseen: Sequence[Question], k: int) -> Float:
    common = [tag for tag, _ in Counter(tag for question in seen for tag in question.tags).most_common(_TAGS)]

    def features(some: Sequence[Question]) -> Float:
        return np.array(
            [[*(tag in question.tags for tag in common), len(question.tags)] for question in some], np.float64
        )

    return logistic.fit(features(seen), label, k)(features(unseen))


def terms(text: str) -> list[str]:
    """Words and signs of a text in lower case, and each pair of neighbours."""
    lower = text.lower()
    words = [lower[start:end] for start, end in text_words.pieces(lower)]
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def _text(seen: Sequence[Question], label: Int64, unseen: Sequence[Question], k: int) -> Float:
    """TF-IDF of words and pairs of words of title and text, learned from the seen questions."""
    bags = [[Counter(terms(f"{question.title}\n{question.text.text}")) for question in some] for some in (seen, unseen)]
    within = Counter(term for bag in bags[0] for term in bag)
    ranked = sorted((term for term, count in within.items() if count > 1), key=lambda term: (-within[term], term))
    place = {term: column for column, term in enumerate(ranked[:_TERMS])}
    rarity = np.log((1 + len(seen)) / (1 + np.array([within[term] for term in place]))) + 1
    train, test = (_weighted(some, place, rarity) for some in bags)
    return logistic.fit(train, label, k, words=True)(test)


def _weighted(bags: Sequence[Counter[str]], place: Mapping[str, int], rarity: Float) -> Any:
    """Rows of length 1: (1 + log count) x rarity; float64[n, terms], sparse."""
    from scipy import sparse

    bounds, columns, values = [0], [], []
    for bag in bags:
        known = [(place[term], count) for term, count in bag.items() if term in place]
        row = np.array([(1 + np.log(count)) * rarity[column] for column, count in known])
        columns += [column for column, _ in known]
        values.append(row / (np.linalg.norm(row) or 1.0))
        bounds.append(len(columns))
    return sparse.csr_matrix((np.concatenate([*values, np.zeros(0)]), columns, bounds), (len(bags), len(place)))


VIEWS: Mapping[str, Fit] = {
    "commonest label": _commonest,
    "contains <p>, raw": _view(lambda question: [float("<p>" in question.body)]),
    "markup, raw": _view(_markup_raw),
    "markup, normalised": _view(_markup_text),
    "length, raw": _view(lambda question: _sizes(question.title, question.body)),
    "length, normalised": _view(lambda question: _sizes(question.title, question.text.text)),
    "tags": _tags,
    "text, normalised": _text,
}
"""View of a model -> its fit: (seen, their labels, unseen, number of labels) -> float64[unseen, labels], the
probabilities of the unseen."""


def formats(questions: Sequence[Question]) -> pa.Table:
    """Numbers of HTML and Markdown bodies of each label: columns label, html, markdown."""
    counts = Counter((question.label, question.html) for question in questions)
    names = sorted({question.label for question in questions})
    columns = {"label": names, "html": [counts[name, True] for name in names]}
    return pa.table(columns | {"markdown": [counts[name, False] for name in names]})
