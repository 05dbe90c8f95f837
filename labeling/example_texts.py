"""The text of examples as it is judged: personal data replaced as in the shards, and a digest of the result."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect, display, redact
from socorpus.labeling import schema


def redacted(examples: pa.Table, config: Privacy) -> pa.Table:
    """Examples with placeholders for personal data and secrets in title and text; `segments` and `own_end` move along.

    Returns:
        `schema.EXAMPLES`, row for row, `digest` filled.
    """
    whole = examples.cast(schema.EXAMPLES).combine_chunks()
    replaced = redact.table(whole, detect.find(whole, config))
    column = schema.EXAMPLES.get_field_index("digest")
    return replaced.set_column(column, schema.EXAMPLES.field(column), digests(replaced))


def digests(examples: pa.Table) -> pa.Array:
    """Hash of title and text of each example, binary(16): equal where a person would see the same."""
    titles, texts = (examples[name].to_pylist() for name in ("title", "text"))
    seen = (
        f"{title or ''}\0{text}".encode("utf-8", "surrogatepass") for title, text in zip(titles, texts, strict=True)
    )
    return pa.array([hashlib.blake2b(content, digest_size=16).digest() for content in seen], pa.binary(16))


def evidence(values: Sequence[Mapping[str, Any]], config: Privacy) -> list[str]:
    """Evidence as JSON, with placeholders for personal data and secrets in all its texts; keys are kept."""
    # Many votes share their evidence, such as a name that occurs in many texts.
    raw = [_json(value) for value in values]
    distinct = dict(zip(raw, values, strict=True))
    texts = list(dict.fromkeys(text for value in distinct.values() for text in _texts(value)))
    # Checked as comments are: evidence may mention people.
    clean = dict(zip(texts, display.texts(texts, config, comments=True), strict=True)) if texts else {}
    if all(text == shown for text, shown in clean.items()):
        return raw
    replaced = {text: _json(_replaced(value, clean)) for text, value in distinct.items()}
    return [replaced[text] for text in raw]


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _replaced(value: Any, clean: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return clean[value]
    if isinstance(value, Mapping):
        return {name: _replaced(part, clean) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, clean) for part in value]
    return value


def within(examples: pa.Table, posts: pa.Array) -> pa.Table:
    """The examples of these posts, in order of post."""
    kept = examples.filter(pc.is_in(examples["post_id"], value_set=posts))
    return kept.take(pc.sort_indices(kept["post_id"]))
