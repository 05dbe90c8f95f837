"""The text of examples as it is judged: personal data replaced as in the shards, and a digest of what is left."""

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
    made = redact.table(whole, detect.find(whole, config))
    at = schema.EXAMPLES.get_field_index("digest")
    return made.set_column(at, schema.EXAMPLES.field(at), digests(made))


def digests(examples: pa.Table) -> pa.Array:
    """Hash of title and text of each example, binary(16): equal for what a person would see as the same."""
    titles, texts = (examples[name].to_pylist() for name in ("title", "text"))
    seen = (
        f"{title or ''}\0{text}".encode("utf-8", "surrogatepass") for title, text in zip(titles, texts, strict=True)
    )
    return pa.array([hashlib.blake2b(one, digest_size=16).digest() for one in seen], pa.binary(16))


def evidence(found: Sequence[Mapping[str, Any]], config: Privacy) -> list[str]:
    """Evidence as JSON, with placeholders for personal data and secrets in every text of it; keys stay as they are."""
    # Most votes rest on what others rest on too, such as a name that many texts have.
    raw = [_json(one) for one in found]
    distinct = dict(zip(raw, found, strict=True))
    texts = list(dict.fromkeys(text for one in distinct.values() for text in _texts(one)))
    # Looked at as comments are, which may mention people.
    clean = dict(zip(texts, display.texts(texts, config, comments=True), strict=True)) if texts else {}
    made = {text: _json(_replaced(one, clean)) for text, one in distinct.items()}
    return [made[text] for text in raw]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _replaced(value: Any, clean: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return clean[value]
    if isinstance(value, Mapping):
        return {name: _replaced(one, clean) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, clean) for one in value]
    return value


def within(examples: pa.Table, posts: pa.Array) -> pa.Table:
    """The examples of these posts, in order of post."""
    kept = examples.filter(pc.is_in(examples["post_id"], value_set=posts))
    return kept.take(pc.sort_indices(kept["post_id"]))
