"""Documents and raw texts as they may be shown: personal data and secrets replaced by placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect, redact


@dataclass(frozen=True)
class Shown:
    """A document without its secrets: each personal datum or secret is replaced by its placeholder, `[KIND_N]`."""

    title: str | None
    text: str
    own_end: int
    """`text[:own_end]` is the post's own."""
    segments: tuple[tuple[str, int, int, str | None], ...]
    """Kind, start, end (in `text`) and language."""
    spans: tuple[tuple[str, int, int], ...]
    """Kind, start and end of the placeholders in `text`."""


def documents(rows: Sequence[Mapping[str, Any]], spans: Sequence[Sequence[Mapping[str, Any]]]) -> list[Shown]:
    """Rows of documents (title, text, own_end, segments) and the privacy spans of each -> their redacted forms."""
    fields = [schema.DOCUMENTS.field(name) for name in redact.COLUMNS]
    table = pa.Table.from_pylist([{field.name: row[field.name] for field in fields} for row in rows], pa.schema(fields))
    redacted = redact.redact(table, pa.array(spans, schema.SIGNALS["privacy"].field("spans").type))
    moves = redacted.moves
    ends = iter(zip(moves(moves.rows, moves.starts).tolist(), moves(moves.rows, moves.ends).tolist(), strict=True))
    shown = []
    for row, own in zip(pa.table(redacted.columns).to_pylist(), spans, strict=True):
        kinds = [kind for _, _, kind in sorted(redact.spans_of(own, "text"))]
        shown.append(
            Shown(
                row["title"],
                row["text"],
                row["own_end"],
                tuple((s["kind"], s["start"], s["end"], s["language"]) for s in row["segments"]),
                tuple((kind, *next(ends)) for kind in kinds),
            )
        )
    return shown


def texts(raw: Sequence[str], config: Privacy, comments: bool = False) -> list[str]:
    """Texts that are no documents, with placeholders.

    Args:
        comments: whether they are read as comments, in which people are mentioned.
    """
    count = len(raw)
    values: dict[str, Any] = {
        "site": pa.array([""] * count, pa.string()),
        "post_id": pa.array([0] * count, pa.int64()),
        "title": pa.nulls(count, pa.string()),
        "text": pa.array(raw, pa.string()),
        "own_end": pa.array([0 if comments else len(text) for text in raw], pa.int32()),
        "segments": pa.array([[]] * count, pa.list_(schema.SEGMENT)),
    }
    rows = pa.table(values)
    signal = detect.find(rows, config)
    redacted: list[str] = redact.redact(rows.select(["text"]), signal["spans"]).columns["text"].to_pylist()
    return redacted


def text(raw: str) -> str:
    """One text, such as a raw row of the dump, without any kind of personal data."""
    (shown,) = texts([raw], Privacy())
    return shown
