"""The tables of the labels: examples, votes and labels; the tasks and the names of their labels.

All lie below `CORPUS/labels/TASK/`, one file a bucket, as documents do: `examples/SITE/BUCKET.parquet` and so on.
The key is (`site`, `post_id`); for spans also the span, whose offsets are code points of the example's `text`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec, get_args

import pyarrow as pa

from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError
from socorpus.corpus.plugins import Registry
from socorpus.corpus.schema import KEY, SEGMENT, TIME
from socorpus.corpus.schema import VERSION as CORPUS_VERSION

FOLDER = "labels"
"""Folder of the corpus with all these files."""
FACTS_FOLDER = "facts"
"""Folder below `FOLDER` of the facts of posts; no task has this name."""
TEXTS_FOLDER = "texts"
"""Folder below `FOLDER` of documents without their personal data; no task has this name."""
SHARED_FOLDERS = (FACTS_FOLDER, TEXTS_FOLDER)
"""Folders below `FOLDER` of what is made once for all tasks."""
ANNOTATIONS = "annotations"
"""Folder of what people and models said: no build writes there; each takes a copy of what it finds."""


Unit = Literal["question", "answer", "span"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Weigher:
    """A labelling function of spans that knows the others and says how likely each span is.

    Its votes have the probability as `p` in their evidence. The functions that it weighs count through it: a span for
    which it has no vote is none. Other functions, models and people come on top.

    Attributes:
        function: its name.
        weighs: names of the functions that it has taken into account.
        least: lowest probability of a label.
    """

    function: str
    weighs: tuple[str, ...]
    least: float

    @property
    def known(self) -> tuple[str, ...]:
        """The functions that count through it, itself among them."""
        return (self.function, *self.weighs)


@dataclass(frozen=True)
class Task:
    """A labelling task: of whole questions, of whole answers, or of spans of both.

    Attributes:
        name: lower-case letters, digits and underscores; its files are in `labels/NAME`.
        meanings: each label with its meaning in a few words, for people and for prompted models. Their order is that of
            `labels`, and of every table and model.
        question: the one put to people and prompted models about a text.
        unit: what one label is of: a `question`, an `answer`, or a `span` of either.
        collect: from `functions.Threads` to a bucket's part of the facts, as plain JSON values.
        merge: from the results of `collect` of all buckets to the facts of the whole corpus (`Threads.facts`), as JSON.
        settings: from the section `[labels]` of the configuration to what the task's functions read of it, as plain
            JSON: `Threads.facts["settings"]`. What it returns may depend on plug-ins too. It needs `merge`.
        unheard: from the facts of the whole corpus, with the settings, to a sentence for each setting that fits nothing
            in the corpus, such as a name that no post has; `apply` warns of them.
        examples: `EXAMPLES` of a bucket, from `Threads` and the votes of all functions (none for spans, whose examples
            come first); the pipeline fills `split` and `digest` and replaces personal data. None: every post of the
            unit as it was published, without the comments that votes name as giving the label away.
        leave_out: labels of spans that do not count in scores.
        abstains: from the facts of the whole corpus to the labels that it can't have, by site: `{SITE: {LABEL: why}}`;
            `analyze` and the report show them.
        listed: a label whose posts the report lists, with the votes on them.
        version: raise it when `collect`, `merge` or `examples` change. None in a plug-in: the plug-in's hash or
            version.
        weigher: how labels of spans come from the votes; None: as those of other tasks do.
        labels: the names of the labels.
    """

    name: str
    meanings: Mapping[str, str] = field(compare=False)
    question: str = field(default="", compare=False)
    unit: Unit = "question"
    collect: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False, repr=False)
    merge: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False, repr=False)
    settings: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False, repr=False)
    unheard: Callable[..., Iterable[str]] | None = field(default=None, compare=False, repr=False)
    examples: Callable[..., pa.Table] | None = field(default=None, compare=False, repr=False)
    abstains: Callable[..., Mapping[str, Mapping[str, str]]] | None = field(default=None, compare=False, repr=False)
    leave_out: tuple[str, ...] = field(default=(), compare=False)
    listed: str | None = field(default=None, compare=False)
    version: int | str | None = field(default=None, compare=False)
    weigher: Callable[[], Weigher] | None = field(default=None, compare=False, repr=False)
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.meanings))
        if not self.question:
            object.__setattr__(self, "question", f"Which label of {self.name} fits this text?")

    @property
    def weighed_by(self) -> Weigher | None:
        """The function that weighs the others; None where none does."""
        return self.weigher() if self.weigher is not None else None

    @property
    def spans(self) -> bool:
        """Whether labels are of spans rather than of whole texts."""
        return self.unit == "span"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the documents that are labelled."""
        return ("question", "answer") if self.spans else (self.unit,)

    def index(self, label: str) -> int:
        """Number of a label, as in vote matrices.

        Raises:
            ValueError: the task has no such label.
        """
        return self.labels.index(label)


TASKS: Registry[Task] = Registry("task", ("socorpus.labeling.tasks.registry",))
"""All tasks: ours (`labeling.tasks.registry`), then those of active plug-ins."""

_Given = ParamSpec("_Given")


def _entered(make: Callable[_Given, Task]) -> Callable[_Given, Task]:
    @wraps(make)
    def enter(*arguments: _Given.args, **named: _Given.kwargs) -> Task:
        definition = make(*arguments, **named)
        if fault := _fault(definition):
            raise plugins.rejected(f"task {definition.name}: {fault}")
        return TASKS.add(definition.name, definition)

    return enter


task = _entered(Task)
"""Define a task; arguments as of `Task`.

Raises:
    InputError: a task of this name exists, or its definition is invalid.
"""


def _fault(definition: Task) -> str | None:
    """The fault of a task's definition; None if it has none."""
    fewest = 1 if definition.spans else 2
    odd = [label for label in definition.labels if not _fit(label, definition.spans)]
    strange = [
        label
        for label in (*definition.leave_out, *([definition.listed] if definition.listed else ()))
        if label not in definition.labels
    ]
    if not _NAME.fullmatch(definition.name):
        return "a name has lower-case letters, digits and underscores, and begins with a letter"
    if definition.name in SHARED_FOLDERS:
        return f"this name is that of the {definition.name} of posts"
    if definition.unit not in get_args(Unit):
        return f"its unit must be one of {', '.join(get_args(Unit))}, not {definition.unit!r}"
    if not fewest <= len(definition.labels) <= MOST_LABELS:
        return f"{len(definition.labels)} labels; it needs {fewest} to {MOST_LABELS}"
    if odd:
        return (
            f"label {odd[0]!r}: {'a word' if definition.spans else 'one line'} without white space around it is needed"
        )
    if strange:
        return f"{strange[0]!r} is none of its labels"
    if (definition.collect is None) != (definition.merge is None):
        return "collect and merge need one another"
    if definition.settings is not None and definition.merge is None:
        return "settings need collect and merge"
    if definition.unheard is not None and definition.settings is None:
        return "unheard needs settings"
    return None


def _fit(label: object, spans: bool) -> bool:
    if not isinstance(label, str) or not label.isprintable() or label != label.strip():
        return False
    return bool(label) and not (spans and any(sign.isspace() for sign in label))


def as_dict(definition: Task) -> dict[str, Any]:
    """What readers of labels need of a plug-in's task, for the manifest: they may not have the plug-in."""
    return {
        "unit": definition.unit,
        "question": definition.question,
        "labels": [{"name": name, "meaning": meaning} for name, meaning in definition.meanings.items()],
        "leave_out": list(definition.leave_out),
        "listed": definition.listed,
    }


def of_corpus(name: str, entries: Mapping[str, Any]) -> Task:
    """The task of a name for reading its labels in a corpus: ours, an active plug-in's, or that of the manifest.

    Args:
        entries: the manifest's `labels`.

    Raises:
        InputError: there is none.
    """
    given = entries.get(name, {}).get("definition")
    if name in TASKS or given is None:
        return TASKS.named(name)
    labels = {label["name"]: label["meaning"] for label in given["labels"]}
    listed = given["listed"]
    task = Task(name, labels, given["question"], given["unit"], leave_out=tuple(given["leave_out"]), listed=listed)
    if fault := _fault(task):
        raise InputError(f"the manifest's task {name}: {fault}; label the corpus again")
    return task


MOST_LABELS = 100
"""Most labels of a task: votes are kept as int8."""

SOURCES = ("function", "model", "person")
"""Sources of votes. A person's vote overrides all others."""


_ANNOTATIONS_VERSION = "1"
"""Version of the tables in which people's and models' votes lie: nothing could make these again."""


def _schema(name: str, *fields: pa.Field, version: str = CORPUS_VERSION) -> pa.Schema:
    metadata = {"socorpus.table": f"labels.{name}", "socorpus.version": version}
    return pa.schema([*KEY, *fields], metadata=metadata)


EXAMPLES = _schema(
    "examples",
    pa.field("thread_id", pa.int64(), nullable=False),
    pa.field("split", pa.string(), nullable=False),  # train, validation, test: that of the thread in the shards
    pa.field("kind", pa.string(), nullable=False),  # question, answer
    pa.field("created", TIME, nullable=False),
    pa.field("score", pa.int32(), nullable=False),
    pa.field("tags", pa.list_(pa.string()), nullable=False),
    pa.field("title", pa.string()),
    pa.field("text", pa.string(), nullable=False),  # the text to judge, personal data replaced
    pa.field("own_end", pa.int32(), nullable=False),  # text[:own_end] is the post's, the rest its comments'
    pa.field("segments", pa.list_(SEGMENT), nullable=False),  # of `text`
    pa.field("form", pa.string(), nullable=False),  # published, first_revision, before_closing, before_notice
    pa.field("left_out", pa.list_(pa.int64()), nullable=False),  # comments that are not in `text` since they give away
    pa.field("url", pa.string()),  # null where no address of the site is known
    pa.field("license", pa.string(), nullable=False),
    pa.field("author", pa.string()),
    pa.field("digest", pa.binary(16), nullable=False),  # hash of title and text
)
"""Posts to label: one row per post of the task. The text is the one that a person or a model judges.

`example_texts` stores them as `STORED_EXAMPLES`, and reads them.
"""

STORED_EXAMPLES = _schema(
    "examples",
    *(EXAMPLES.field(name) for name in ("thread_id", "split", "form", "left_out")),
    pa.field("head", pa.int32(), nullable=False),
    pa.field("text", pa.string()),
    pa.field("tail_start", pa.int32()),
    pa.field("tail_end", pa.int32()),
    *(EXAMPLES.field(name).with_nullable(True) for name in ("tags", "title", "own_end", "segments")),
)
"""Examples as they are stored: by what tells their texts from those of their posts in `TEXTS` or, where that has no row
of a post, in `DOCUMENTS`. With that text as `of`, an example's is `of[:head] + text + of[tail_start:tail_end]`, in code
points; null is no text, and no tail. Where it is only the beginning, `tags`, `title`, `own_end` and `segments` are the
post's too, and null here. All other columns of `EXAMPLES` are the document's."""

TEXTS = _schema(
    "texts",
    pa.field("title", pa.string()),
    pa.field("text", pa.string(), nullable=False),
    pa.field("own_end", pa.int32(), nullable=False),
    pa.field("segments", pa.list_(SEGMENT), nullable=False),
)
"""Documents that have personal data or secrets, with placeholders for these; once for all tasks."""

VOTES = _schema(
    "votes",
    pa.field("start", pa.int32()),  # of a span, null for a whole text
    pa.field("end", pa.int32()),
    pa.field(
        "function", pa.string(), nullable=False
    ),  # its name; of a person "person:ANNOTATOR", of a model its version
    pa.field("version", pa.int32(), nullable=False),
    pa.field("source", pa.string(), nullable=False),  # one of SOURCES
    pa.field("label", pa.string()),  # null: a person saw it and would not decide
    pa.field("evidence", pa.string(), nullable=False),  # JSON: which rule, comment, revision or event
    pa.field("at", TIME),  # when a person voted
    pa.field("seconds", pa.float32()),  # time that the person took
    version=_ANNOTATIONS_VERSION,
)
"""Votes with their evidence. A function that abstains has no row."""

FACTS = _schema(
    "facts",
    pa.field("thread_id", pa.int64(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),  # question, answer
    pa.field("closed", pa.bool_()),  # at the dump; null for an answer
    pa.field("closed_at", TIME),  # when the closing that stands happened; null if open, or not known
    pa.field("first_closed", TIME),  # when it was closed for the first time, also if it was reopened
    pa.field("closed_by", pa.list_(pa.int64()), nullable=False),  # accounts that closed it, if an event names them
    pa.field("by_owner", pa.bool_(), nullable=False),  # whether its owner was the only one
    pa.field("reason", pa.string()),  # value of closure why it is closed; null if open
    pa.field("reason_number", pa.string()),  # the publisher's number of the reason, of the event that stands
    pa.field("reason_by", pa.string()),  # what tells the reason: one of REASON_SOURCES
    pa.field("closings", pa.int32(), nullable=False),  # closing events
    pa.field("reopened", pa.bool_(), nullable=False),  # closed once, and open at the dump
    pa.field("duplicate", pa.bool_(), nullable=False),  # closed as a duplicate: `reason` is duplicate
    pa.field("originals", pa.list_(pa.int64()), nullable=False),  # questions that it repeats, if they are named
    pa.field("migrated", pa.string()),  # away, here; null if it never moved
    pa.field("announcement", pa.bool_(), nullable=False),
    pa.field("self_evaluation", pa.bool_(), nullable=False),
    pa.field("meta", pa.bool_(), nullable=False),  # of a meta site, or moved to one
    pa.field("evidence", pa.string(), nullable=False),  # JSON: fact -> what says so
)
"""Facts of each post that the dump itself states, settled once for all tasks; one row per document."""

REASON_SOURCES = ("event", "title", "link", "banner", "migration", "remark", "nothing")
"""What tells why a question is closed, the surest first; `nothing`: only that it is closed is known."""

VOTE = pa.struct(
    [
        pa.field("function", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)
"""A vote that a label comes from; its evidence is in `VOTES`."""
EVIDENT_VOTE = pa.struct([*VOTE, pa.field("evidence", pa.string(), nullable=False)])
"""A vote with its evidence, as `steps.with_evidence` gives it."""

LABELS = _schema(
    "labels",
    pa.field("start", pa.int32()),
    pa.field("end", pa.int32()),
    pa.field("label", pa.string(), nullable=False),
    pa.field("probability", pa.float32(), nullable=False),  # of `label`; 1 where a person chose it
    pa.field("probabilities", pa.list_(pa.float32()), nullable=False),  # of all labels, in the order of the task's
    pa.field("source", pa.string(), nullable=False),  # function: combined; model; person
    pa.field("version", pa.string(), nullable=False),  # of the label model
    pa.field("conflict", pa.bool_(), nullable=False),  # whether votes differ
    pa.field("votes", pa.list_(VOTE), nullable=False),
    pa.field("split", pa.string(), nullable=False),  # stratified by label (labeling.stratify): that of the thread
    pa.field("thread_id", pa.int64(), nullable=False),
)
"""The result: one row per example, or, for a task of spans, per span, for which one of the labels with votes is the
likeliest."""


def path(task: str, table: str, bucket: str) -> str:
    """Path of a bucket's file below the corpus: `labels/TASK/TABLE/SITE/BUCKET.parquet`."""
    return f"{FOLDER}/{task}/{table}/{bucket}.parquet"


def facts_path(bucket: str) -> str:
    """Path of a bucket's facts below the corpus, as `FACTS`."""
    return f"{FOLDER}/{FACTS_FOLDER}/{bucket}.parquet"


def texts_path(bucket: str) -> str:
    """Path of a bucket's documents without personal data below the corpus, as `TEXTS`."""
    return f"{FOLDER}/{TEXTS_FOLDER}/{bucket}.parquet"


def folders(task: str) -> tuple[str, ...]:
    """Folders of the corpus in which a task's examples, votes and labels lie."""
    return (f"{FOLDER}/{task}", f"{FOLDER}/{TEXTS_FOLDER}", "documents")


def people_path(task: str) -> str:
    """Path of people's votes on a task, as `VOTES`; written by the sync, never by `apply`."""
    return f"{ANNOTATIONS}/{task}/people.parquet"


NAMES = pa.schema(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),  # in lower case
        pa.field("function", pa.string(), nullable=False),  # "person:ANNOTATOR"
        pa.field("right", pa.int32(), nullable=False),  # contexts in which the name has this label
        pa.field("times", pa.int32(), nullable=False),  # contexts that were shown
        pa.field("evidence", pa.string(), nullable=False),  # JSON: annotation, project
        pa.field("at", TIME, nullable=False),
        pa.field("seconds", pa.float32()),
    ],
    metadata={"socorpus.table": "labels.names", "socorpus.version": _ANNOTATIONS_VERSION},
)
"""People's judgements of names: how often a name that functions gave a label has it, in some of its contexts."""


def names_path(task: str) -> str:
    """Path of people's judgements of names, as `NAMES`; written by `socorpus labeling names`."""
    return f"{ANNOTATIONS}/{task}/names.parquet"


def models_path(task: str) -> str:
    """Path of the votes of models, as `VOTES`, if there are any; a model counts as one more function."""
    return f"{ANNOTATIONS}/{task}/models.parquet"
