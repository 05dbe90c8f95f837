"""The tables of the labels: examples, votes and labels; the tasks and the names of their labels.

All lie below `CORPUS/labels/TASK/`, one file a bucket, as documents do: `examples/SITE/BUCKET.parquet` and so on.
The key is (`site`, `post_id`); for entities also the span, whose offsets are code points of the example's `text`.
"""

from dataclasses import dataclass

import pyarrow as pa

from socorpus.corpus.schema import KEY, SEGMENT, TIME
from socorpus.corpus.schema import VERSION as CORPUS_VERSION

FOLDER = "labels"
"""Folder of the corpus that holds all of this."""


@dataclass(frozen=True)
class Task:
    """A labelling task: its labels in a fixed order, and whether they are of spans rather than of whole texts."""

    name: str
    labels: tuple[str, ...]
    spans: bool = False

    def index(self, label: str) -> int:
        """Place of a label, which is its number in votes' matrices.

        Raises:
            ValueError: the task has no such label.
        """
        return self.labels.index(label)


QUALITY = Task("quality", ("HQ", "LQ_EDIT", "LQ_CLOSE"))
"""Classes of "60k Stack Overflow Questions with Quality Rating" (Annamoradnejad et al. 2022)."""
CLOSURE = Task("closure", ("open", "duplicate", "off_topic", "needs_details", "needs_focus", "opinion_based"))
"""The publisher's reasons since 2013; the older ones are mapped onto them (`closure.REASONS`)."""
OBSOLESCENCE = Task("obsolescence", ("current", "obsolete"))
ENTITIES = Task(
    "entities",
    (
        *("Algorithm", "Application", "Class", "Code_Block", "Data_Structure", "Data_Type", "Device", "File_Name"),
        *("File_Type", "Function", "HTML_XML_Tag", "Language", "Library", "Operating_System"),
        *("User_Interface_Element", "User_Name", "Value", "Variable", "Version", "Website"),
        *("Error_Name", "Keyboard_IP"),
    ),
    spans=True,
)
"""The 20 types of Tabassum et al. 2020 (names of libraries and of users merged, organisations as websites; Code_Block
is inline code), then two more that their files have."""

TASKS = {task.name: task for task in (QUALITY, CLOSURE, OBSOLESCENCE, ENTITIES)}

SOURCES = ("function", "model", "person")
"""Who votes. A person's vote stands above all others."""


def _schema(name: str, *fields: pa.Field) -> pa.Schema:
    metadata = {"socorpus.table": f"labels.{name}", "socorpus.version": CORPUS_VERSION}
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
    pa.field("text", pa.string(), nullable=False),  # what is judged, personal data replaced
    pa.field("own_end", pa.int32(), nullable=False),  # text[:own_end] is the post's, the rest its comments'
    pa.field("segments", pa.list_(SEGMENT), nullable=False),  # of `text`
    pa.field("form", pa.string(), nullable=False),  # published, first_revision, before_closing, before_notice
    pa.field("left_out", pa.list_(pa.int64()), nullable=False),  # comments that are not in `text` since they give away
    pa.field("url", pa.string(), nullable=False),
    pa.field("license", pa.string(), nullable=False),
    pa.field("author", pa.string()),
    pa.field("digest", pa.binary(16), nullable=False),  # hash of title and text
)
"""What is labelled: one row a post of the task. The text is that which a person, or a model, gets to judge."""

VOTES = _schema(
    "votes",
    pa.field("start", pa.int32()),  # of a span, null for a whole text
    pa.field("end", pa.int32()),
    pa.field(
        "function", pa.string(), nullable=False
    ),  # its name; of a person "person:ANNOTATOR", of a model its version
    pa.field("version", pa.int32(), nullable=False),
    pa.field("source", pa.string(), nullable=False),  # one of SOURCES
    pa.field("label", pa.string()),  # null: a person saw it and would not say
    pa.field("evidence", pa.string(), nullable=False),  # JSON: which rule, comment, revision or event
    pa.field("at", TIME),  # when a person said so
    pa.field("seconds", pa.float32()),  # how long that took
)
"""Who said what, and why. A function that abstains has no row."""

VOTE = pa.struct(
    [
        pa.field("function", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("evidence", pa.string(), nullable=False),
    ]
)

LABELS = _schema(
    "labels",
    pa.field("start", pa.int32()),
    pa.field("end", pa.int32()),
    pa.field("label", pa.string(), nullable=False),
    pa.field("probability", pa.float32(), nullable=False),  # of `label`; 1 where a person said so
    pa.field("probabilities", pa.list_(pa.float32()), nullable=False),  # of all labels, in the order of the task's
    pa.field("source", pa.string(), nullable=False),  # function: combined; model; person
    pa.field("version", pa.string(), nullable=False),  # of what combined the votes
    pa.field("conflict", pa.bool_(), nullable=False),  # whether votes differ
    pa.field("votes", pa.list_(VOTE), nullable=False),
    pa.field("split", pa.string(), nullable=False),  # stratified by label (labeling.stratify): that of the thread
    pa.field("thread_id", pa.int64(), nullable=False),
)
"""The result: one row an example that has a vote, or, for entities, a span."""


def path(task: str, table: str, bucket: str) -> str:
    """Where a bucket's file lies below the corpus: `labels/TASK/TABLE/SITE/BUCKET.parquet`."""
    return f"{FOLDER}/{task}/{table}/{bucket}.parquet"


def people_path(task: str) -> str:
    """Where what people said of a task lies, as `VOTES`; written by the sync, never removed by `apply`."""
    return f"{FOLDER}/{task}/people.parquet"
