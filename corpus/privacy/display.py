"""Documents as they may be shown: personal data and secrets replaced by placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect


@dataclass(frozen=True)
class Masked:
    """A document without its secrets: each personal datum or secret is replaced by its placeholder, `[KIND_N]`."""

    title: str | None
    text: str
    own_end: int
    """`text[:own_end]` is the post's own."""
    segments: tuple[tuple[str, int, int, str | None], ...]
    """Kind, start, end (in `text`) and language."""
    spans: tuple[tuple[str, int, int], ...]
    """Kind, start and end of the placeholders in `text`."""


def mask(document: Mapping[str, Any], spans: Sequence[Mapping[str, Any]]) -> Masked:
    """A row of documents (title, text, own_end, segments) and its privacy spans -> what may be shown."""
    in_text = [(s["start"], s["end"], s["kind"]) for s in spans if s["field"] == "text"]
    in_title = [(s["start"], s["end"], s["kind"]) for s in spans if s["field"] == "title"]
    text, shift = detect.scrub(document["text"], in_text)
    title = detect.scrub(document["title"], in_title)[0] if document["title"] is not None else None

    def at(offset: int, end: bool) -> int:
        return int(shift(np.array([offset]), end)[0])

    segments = [(s["kind"], at(s["start"], False), at(s["end"], True), s["language"]) for s in document["segments"]]
    placed = [(kind, at(start, False), at(end, True)) for start, end, kind in sorted(in_text)]
    return Masked(title, text, at(document["own_end"], True), tuple(segments), tuple(placed))


def mask_bytes(raw: bytes) -> str:
    """A raw row of the dump as text that may be shown."""
    text = raw.decode("utf-8", "replace")
    row: dict[str, Any] = {"title": None, "text": text, "own_end": len(text), "segments": []}
    table = pa.table({"site": ["raw"], "post_id": [0], "digest": [bytes(16)], **{k: [v] for k, v in row.items()}})
    fields = [f for f in schema.DOCUMENTS if f.name in table.column_names]
    table = table.select([f.name for f in fields]).cast(pa.schema(fields))
    spans = detect.find(table, Privacy())["spans"].to_pylist()[0]
    return detect.scrub(text, [(s["start"], s["end"], s["kind"]) for s in spans])[0]
