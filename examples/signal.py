"""A signal of your own: how often a post asks something, beside every document.

    socorpus build dump -o corpus --plugin examples/signal.py

It is then in corpus/signals/questions, in the manifest, the report and `socorpus explain`, and a rule of selection can
read it: `drop_if = "question_marks > 20"` (examples/selection.toml).
"""

from dataclasses import dataclass

import pyarrow as pa

from socorpus.corpus import signal


@dataclass(frozen=True)
class Questions:
    """The section [questions] of socorpus.toml; every key has a default."""

    marks: str = "?"
    """The characters that end a question."""


# The columns with their types; what is read of the documents; what each column means, for the report. The function's
# name is the signal's.
@signal(
    {"question_marks": pa.int32(), "asks_at_the_end": pa.bool_()},
    reads=("text", "own_end"),
    config=Questions,
    meaning={"question_marks": "question marks", "asks_at_the_end": "the last character is one"},
)
def questions(documents: pa.Table, config: Questions) -> dict[str, list[object]]:
    # A bucket of documents comes as an Arrow table; the answer has a value a row, in the same order. What stands behind
    # own_end is the post's comments.
    texts = documents["text"].to_pylist()
    own = [text[:end] for text, end in zip(texts, documents["own_end"].to_pylist(), strict=True)]
    return {
        "question_marks": [sum(text.count(mark) for mark in config.marks) for text in own],
        "asks_at_the_end": [text.rstrip().endswith(tuple(config.marks)) for text in own],
    }
