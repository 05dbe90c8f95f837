"""The text of examples as it is judged: personal data replaced as in the shards, and a digest of what is left."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect
from socorpus.corpus.shards import rows as shards_rows
from socorpus.labeling import schema

_NO_DIGEST = bytes(16)


def scrub(examples: pa.Table, config: Privacy) -> pa.Table:
    """Examples with placeholders for personal data and secrets in title and text; `segments` and `own_end` move along.

    Returns:
        `schema.EXAMPLES`, row for row, `digest` filled.
    """
    whole = examples.cast(schema.EXAMPLES).combine_chunks()
    made = shards_rows.scrub(whole, detect.find(whole, config))
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
    clean = dict(zip(texts, _clean(texts, config), strict=True))
    made = {text: _json(_replaced(one, clean)) for text, one in distinct.items()}
    return [made[text] for text in raw]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _clean(texts: Sequence[str], config: Privacy) -> list[str]:
    if not texts:
        return []
    count = len(texts)
    # As a comment is looked at, which may mention people: all of the text lies behind `own_end`.
    values: dict[str, Any] = {
        "site": pa.nulls(count, pa.string()).fill_null(""),
        "post_id": pa.array([0] * count, pa.int64()),
        "title": pa.nulls(count, pa.string()),
        "text": pa.array(texts, pa.string()),
        "own_end": pa.array([0] * count, pa.int32()),
        "segments": pa.array([[]] * count, pa.list_(corpus_schema.SEGMENT)),
        "digest": pa.array([_NO_DIGEST] * count, pa.binary(16)),
    }
    rows = pa.table(values)
    scrubbed: list[str] = shards_rows.scrub(rows, detect.find(rows, config))["text"].to_pylist()
    return scrubbed


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
