"""Small tables of examples and labels that follow `labeling/schema.py`, for the sync and the exports."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from socorpus.corpus.storage import files, manifest_file, parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.schema import TASKS
from tests import manifests

SITE = "cooking.example.com"
BUCKET = f"{SITE}/00000-of-00001"
VERSION = "dawid-skene-1"
NASTY = (
    "Cafe\u0301 😀 and 👩‍👩‍👧 ship numpy 1.2.\n\n"
    "\tdef f(x):\n\t\treturn  x  # two  spaces\n\n"
    "עברית: pandas בתוך טקסט, ثم Flask.\n"
    "I can't, you cannot. Zero\u200bwidth and e\u0301\u0323."
)
"""Emoji of several code points, combining marks, right-to-left text, tabs and runs of spaces."""


def example(post: int, text: str, **changes: Any) -> dict[str, Any]:
    """A row of `schema.EXAMPLES`."""
    row = {
        "site": SITE,
        "post_id": post,
        "thread_id": post,
        "split": "train" if post % 5 else "test",
        "kind": "question",
        "created": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=post % 900),
        "score": post % 7 - 2,
        "tags": ["python", "numpy"] if post % 2 else ["bread"],
        "title": f"How does {post} <work> & why?",
        "text": text,
        "own_end": len(text),
        "segments": [{"kind": "prose", "start": 0, "end": len(text), "language": None, "id": post}],
        "form": "published",
        "left_out": [],
        "url": f"https://{SITE}/q/{post}",
        "license": "CC BY-SA 4.0",
        "author": f"someone {post}",
        **changes,
    }
    digest = hashlib.blake2b(f"{row['title']}\n{row['text']}".encode(), digest_size=16).digest()
    return row | {"digest": digest}


def label(
    task: str,
    post: int,
    name: str,
    probability: float = 0.8,
    span: tuple[int, int] | None = None,
    source: str = "function",
    version: str = VERSION,
) -> dict[str, Any]:
    """A row of `schema.LABELS`; every third post has two votes that differ."""
    labels = TASKS[task].labels
    other = labels[(labels.index(name) + 1) % len(labels)]
    rest = (1 - probability) / (len(labels) - 1)
    votes = [{"function": "score_says_so", "label": name, "evidence": json.dumps({"score": post, "rule": "<top>"})}]
    if post % 3 == 0:
        votes.append({"function": "edits_say_so", "label": other, "evidence": json.dumps({"edits": 3})})
    return {
        "site": SITE,
        "post_id": post,
        "start": span[0] if span else None,
        "end": span[1] if span else None,
        "label": name,
        "probability": probability,
        "probabilities": [probability if one == name else rest for one in labels],
        "source": source,
        "version": version,
        "conflict": post % 3 == 0,
        "votes": votes,
        "split": "train" if post % 5 else "test",
        "thread_id": post,
    }


def write_examples(root: Path, task: str, examples: Sequence[dict[str, Any]]) -> None:
    """Write the examples of one bucket of a task, and its documents."""
    whole = pa.Table.from_pylist(sorted(examples, key=lambda row: row["post_id"]), schema=schema.EXAMPLES)
    documents = whole.drop_columns(["split", "form", "left_out", "digest"])
    parquet.write(root / f"documents/{BUCKET}.parquet", documents, documents.schema)
    published = example_texts.published(documents, schema.TEXTS.empty_table())
    stored = example_texts.stored(whole, published)
    parquet.write(root / schema.path(task, "examples", BUCKET), stored, schema.STORED_EXAMPLES)


def write(root: Path, task: str, examples: Sequence[dict[str, Any]], labels: Sequence[dict[str, Any]]) -> None:
    """Write one bucket of a task, its documents, and a manifest."""
    ordered = sorted(labels, key=lambda row: (row["post_id"], row.get("start") or 0))
    given = pa.Table.from_pylist(ordered, schema=schema.LABELS)
    parquet.write(root / schema.path(task, "labels", BUCKET), given, schema.LABELS)
    votes = [
        {**row, **vote, "version": 1, "source": "function", "at": None, "seconds": None}
        for row in ordered
        for vote in row["votes"]
    ]
    parquet.write(
        root / schema.path(task, "votes", BUCKET), pa.Table.from_pylist(votes, schema=schema.VOTES), schema.VOTES
    )
    write_examples(root, task, examples)
    tables = {str(path.relative_to(root)): path for path in files.listed(root / schema.FOLDER, deep=True)}
    entries = {name: {"bytes": files.size(path), "sha256": files.sha256(path)} for name, path in tables.items()}
    manifest_file.save(root, manifests.manifest(files=entries))


def text_of(post: int) -> str:
    """The text of a post of `classified`."""
    return f"Post {post}.\n\n    indented = {post}\n\ttab\n"


def classified(
    root: Path, task: str, count: int, changed: Mapping[int, dict[str, Any]] | None = None, **changes: Any
) -> None:
    """A corpus of `count` texts of a task of whole texts; probabilities grow with the post's number.

    `changed` are rows of labels to have instead, by post; `changes` are those of all others.
    """
    names = TASKS[task].labels
    rows = [
        (changed or {}).get(post)
        or label(task, post, names[post % len(names)], round(0.4 + 0.5 * post / count, 3), **changes)
        for post in range(1, count + 1)
    ]
    examples = []
    for post in range(1, count + 1):
        text = text_of(post)
        code = text.index("    indented")
        parts = [("prose", 0, code), ("code", code, len(text))]
        segments = [{"kind": k, "start": start, "end": end, "language": None, "id": post} for k, start, end in parts]
        examples.append(example(post, text, segments=segments))
    write(root, task, examples, rows)


def entities(
    root: Path, texts: Mapping[int, tuple[str, Sequence[tuple[str, str]]]], code: Mapping[int, str] | None = None
) -> None:
    """A corpus of texts, each with the (slice, label) pairs that functions found; a slice is its first occurrence.

    `code` is the slice of a post that is code.
    """
    rows = []
    for post, (text, found) in texts.items():
        for slice_, name in found:
            start = text.index(slice_)
            rows.append(label("entities", post, name, 0.9, (start, start + len(slice_))))
    examples = []
    for post, (text, _) in texts.items():
        of_code = (code or {}).get(post, "")
        first = text.index(of_code) if of_code else len(text)
        after = first + len(of_code)
        parts = [("prose", 0, first), ("code", first, after), ("prose", after, len(text))]
        segments = [
            {"kind": kind, "start": start, "end": end, "language": None, "id": post}
            for kind, start, end in parts
            if start < end
        ]
        examples.append(example(post, text, segments=segments))
    write(root, "entities", examples, rows)
