"""Shards: the same bytes whatever the bucketing, and offsets that hold after redaction and in tokens."""

import html
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from socorpus.corpus import config, schema
from socorpus.corpus.errors import BuildError
from socorpus.corpus.privacy import redact
from socorpus.corpus.shards import rows as shards_rows
from socorpus.corpus.shards import shuffle
from socorpus.corpus.storage import parquet
from socorpus.corpus.tokenizer import bpe

CONFIG = config.Shards(row_group=7, seed=3)


def write(parts: Iterable[pa.Table], path: Path) -> parquet.Written:
    return parquet.write(path, shuffle.groups(parts, CONFIG), schema.SHARDS, CONFIG.row_group)


KINDS = config.Privacy().kinds


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return trained_once()


@cache
def trained_once() -> Tokenizer:
    texts = ["for (int i = 0; i < n; i++) {\n    println(i);\n}\n", "a question about 日本語 text and 👩‍👧 in code"] * 4
    return bpe.train(texts, 420)


def document(post: int, pieces: list[tuple[str, str]], own: int | None = None, **more: Any) -> dict[str, Any]:
    """A document of pieces (kind, text), of which the first `own` are the post's."""
    segments, at = [], 0
    for kind, text in pieces:
        segment = {"kind": kind, "start": at, "end": at + len(text), "language": None, "id": post}
        segments.append(segment)
        at += len(text)
    own = len(pieces) if own is None else own
    row = {
        "site": "s",
        "post_id": post,
        "thread_id": post // 3,
        "kind": "question",
        "created": 10 * post,
        "score": post,
    }
    row |= {
        "accepted": False,
        "comments": 0,
        "tags": ["a", "b"],
        "title": None,
        "links": [],
        "url": f"https://s/q/{post}",
    }
    row |= {"text": "".join(text for _, text in pieces), "own_end": sum(len(text) for _, text in pieces[:own])}
    row |= {"segments": segments, "license": "CC BY-SA 4.0", "author": None, "digest": bytes(16)}
    return row | more


def tables(rows: list[dict[str, Any]], spans: dict[int, list[dict[str, Any]]] | None = None) -> tuple[pa.Table, ...]:
    """Documents, decisions that keep all, privacy with `spans` by post, and splits."""
    keys = [{"site": row["site"], "post_id": row["post_id"]} for row in rows]
    documents = pa.Table.from_pylist(rows, schema=schema.DOCUMENTS)
    decisions = pa.Table.from_pylist([{**key, "keep": True} for key in keys], schema=schema.DECISIONS)
    found = [{**key, "spans": (spans or {}).get(key["post_id"], [])} for key in keys]
    threads = sorted({(row["site"], row["thread_id"]) for row in rows})
    splits = [{"site": s, "thread_id": t, "split": ("train", "test")[t % 5 == 0]} for s, t in threads]
    kinds = pa.schema([("site", pa.string()), ("thread_id", pa.int64()), ("split", pa.string())])
    return (
        documents,
        decisions,
        pa.Table.from_pylist(found, schema=schema.SIGNALS["privacy"]),
        pa.Table.from_pylist(splits, schema=kinds),
    )


def span(start: int, end: int, kind: str = "email", field: str = "text") -> dict[str, Any]:
    return {"field": field, "start": start, "end": end, "kind": kind}


texts = st.text(st.sampled_from("ab é😀中\n\t{};👩‍👧[]"), max_size=12)
pieces = st.lists(st.tuples(st.sampled_from(schema.SEGMENT_KINDS), texts), max_size=6)

_OWNERS = st.sampled_from((None, 7))


@st.composite
def document_and_spans(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = draw(pieces)
    more = {"title": draw(st.none() | texts), "accepted": draw(st.booleans()), "author_id": draw(_OWNERS)}
    row = document(1, found, draw(st.integers(0, len(found))), **more)
    spans = []
    for field in ("text", "title"):
        cuts = draw(st.lists(st.integers(0, len(row[field] or "")), max_size=6, unique=True))
        cuts = sorted(cuts)[: len(cuts) // 2 * 2]
        spans += [span(a, b, draw(st.sampled_from(KINDS)), field) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    return row, spans


@given(st.lists(document_and_spans(), max_size=4))
@settings(max_examples=60, deadline=None)
def test_offsets_after_redaction_and_in_tokens(given_: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    tokenizer = trained_once()
    rows = [{**row, "post_id": n, "thread_id": n} for n, (row, _) in enumerate(given_)]
    spans = {n: spans for n, (_, spans) in enumerate(given_)}
    made = shards_rows.prepare(*tables(rows, spans), tokenizer)
    assert made.schema.equals(schema.SHARDS, check_metadata=True)
    made.validate(full=True)
    for row, found in zip(rows, made.to_pylist(), strict=True):
        check(row, spans[row["post_id"]], found, tokenizer)


def check(row: dict[str, Any], spans: list[dict[str, Any]], found: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Hold a prepared row against the plain way: replace, one span after another, in each part of the text."""

    def replaced(field: str) -> list[tuple[int, int, str]]:
        wanted = [(s["start"], s["end"], s["kind"]) for s in spans if s["field"] == field]
        return redact.placeholders(row[field] or "", wanted)

    def part(text: str, start: int, end: int, places: list[tuple[int, int, str]]) -> str:
        """`text[start:end]`, in which a placeholder stands where its span's last code point stood."""
        out, at = "", start
        for first, past, new in places:
            if first < end and past > start:
                out += text[at : max(first, at)] + (new if past <= end else "")
                at = max(at, min(past, end))
        return out + text[at:end]

    carried = ("site", "post_id", "thread_id", "kind", "score", "accepted", "tags", "url", "license", "author_id")
    assert {name: found[name] for name in carried} == {name: row.get(name) for name in carried}
    places = replaced("text")
    text = row["text"]
    assert found["text"] == part(text, 0, len(text), places)
    assert found["text"][: found["own_end"]] == part(text, 0, row["own_end"], places)
    if row["title"] is not None:
        assert found["title"] == part(row["title"], 0, len(row["title"]), replaced("title"))
    expected = [(s["kind"], part(text, s["start"], s["end"], places)) for s in row["segments"] if s["start"] < s["end"]]
    sliced = [(s["kind"], found["text"][s["start"] : s["end"]]) for s in found["segments"]]
    assert sliced == [(kind, piece) for kind, piece in expected if piece]
    # Tokens.
    ids = found["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False) == found["text"]
    code = [s for s in found["segments"] if s["kind"] == "code"]
    lengths = bpe.byte_lengths(tokenizer)[ids]
    starts = np.cumsum(lengths) - lengths
    ranges = []
    for segment in code:
        first, past = (len(found["text"][: segment[name]].encode()) for name in ("start", "end"))
        # A token that begins within a character belongs to that character.
        raw = found["text"].encode()
        own = [i for i, at in enumerate(starts.tolist()) if first <= character(raw, at) < past]
        if own:
            assert own == list(range(own[0], own[-1] + 1))
            ranges += [own[0], own[-1] + 1]
    assert found["code_tokens"] == ranges


def character(raw: bytes, at: int) -> int:
    while raw[at] & 0xC0 == 0x80:
        at -= 1
    return at


def test_code_tokens_decode_to_the_code(tokenizer: Tokenizer) -> None:
    code = "x = '👩‍👧'\n    y()"
    row = document(
        1, [("prose", "See 日本 me@a.com: "), ("code", code), ("prose", "."), ("code", "z"), ("inline_code", "q")]
    )
    at = row["text"].index("me@")
    (found,) = shards_rows.prepare(*tables([row], {1: [span(at, at + 8)]}), tokenizer).to_pylist()
    assert "me@a.com" not in found["text"]
    ranges = list(zip(found["code_tokens"][::2], found["code_tokens"][1::2], strict=True))
    assert [tokenizer.decode(found["input_ids"][a:b]).strip() for a, b in ranges] == [code, "z"]


def test_only_kept_rows_and_their_splits(tokenizer: Tokenizer) -> None:
    documents, decisions, spans, splits = tables([document(n, [("prose", f"post {n}")]) for n in range(30)])
    keep = pa.array([n % 2 == 0 for n in range(30)])
    decisions = decisions.set_column(2, schema.DECISIONS.field("keep"), keep)
    made = shards_rows.prepare(documents, decisions, spans, splits, tokenizer)
    assert made["post_id"].to_pylist() == list(range(0, 30, 2))
    assert made["split"].to_pylist() == [("train", "test")[n // 3 % 5 == 0] for n in range(0, 30, 2)]
    assert shards_rows.redacted_texts(documents, decisions, spans).equals(made["text"].combine_chunks())
    without_site = shards_rows.prepare(documents, decisions, spans, splits.drop_columns("site"), tokenizer)
    assert without_site.equals(made)
    none = decisions.set_column(2, schema.DECISIONS.field("keep"), pa.array([False] * 30))
    assert shards_rows.prepare(documents, none, spans, splits, tokenizer).num_rows == 0


def test_what_is_not_aligned_or_lacks_a_split_is_refused(tokenizer: Tokenizer) -> None:
    documents, decisions, spans, splits = tables([document(n, [("prose", "text")]) for n in range(6)])
    with pytest.raises(ValueError, match="privacy is not row for row"):
        shards_rows.prepare(documents, decisions, spans.take([1, 0, 2, 3, 4, 5]), splits, tokenizer)
    with pytest.raises(ValueError, match="decisions is not row for row"):
        shards_rows.redacted_texts(documents, decisions.slice(1), spans)
    with pytest.raises(BuildError, match="thread 1 of s has no split"):
        shards_rows.prepare(documents, decisions, spans, splits.slice(0, 1), tokenizer)
    with pytest.raises(ValueError, match="several splits"):
        shards_rows.prepare(documents, decisions, spans, pa.concat_tables([splits, splits]), tokenizer)


def test_a_tokenizer_that_loses_bytes_is_noticed() -> None:
    alphabet = [letter for letter in sorted(pre_tokenizers.ByteLevel.alphabet()) if letter != "q"]
    lossy = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    lossy.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    lossy.decoder = decoders.ByteLevel()
    given_ = tables([document(1, [("prose", "fine")]), document(2, [("prose", "quite")])])
    with pytest.raises(BuildError, match="s:2: the tokens don't add up"):
        shards_rows.prepare(*given_, lossy)


def test_shards_are_the_same_whatever_the_buckets(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [document(n, [("prose", f"post {n} "), ("code", "x\n" * (n % 4))], site="ab"[n % 2]) for n in range(200)]
    counts = {"train": 3, "test": 1}
    made: set[tuple[bytes, ...]] = set()
    for step, backwards in ((200, 1), (13, 1), (40, -1)):
        buckets = [rows[at : at + step] for at in range(0, 200, step)][::backwards]
        ready = [shards_rows.prepare(*tables(bucket), tokenizer) for bucket in buckets]
        files = []
        for number in range(4):
            parts = [table.filter(pa.array(shuffle.place(table, counts, 3) == number)) for table in ready]
            path = tmp_path / f"{step}" / f"{number}.parquet"
            fine, first = shuffle.stretches(counts), number * shuffle.STRETCHES
            stretches = (
                pa.concat_tables(t.filter(pa.array(shuffle.place(t, fine, 3) == first + i)) for t in parts)
                for i in range(shuffle.STRETCHES)
            )
            given_ = [pa.concat_tables(parts)] if step == 200 else stretches
            assert write(given_, path).rows == sum(part.num_rows for part in parts)
            files.append(path)
        assert {path.name for path in files[0].parent.iterdir()} == {path.name for path in files}
        made.add(tuple(path.read_bytes() for path in files))
    assert len(made) == 1
    # The files, one after another, are the whole split in the order of the shuffle.
    read = pa.concat_tables([pq.read_table(path) for path in files])
    assert read["split"].to_pylist() == sorted(read["split"].to_pylist(), key=list(counts).index)
    train = pa.concat_tables([pq.read_table(path) for path in files[:3]])
    assert shuffle.order(train, 3).tolist() == list(range(train.num_rows))
    numbers = train["post_id"].to_numpy()
    assert abs(np.corrcoef(numbers, np.arange(len(numbers)))[0, 1]) < 0.3
    groups = [pq.ParquetFile(path).metadata for path in files]
    for group in groups:
        sizes = [group.row_group(i).num_rows for i in range(group.num_row_groups)]
        assert sizes[:-1] == [7] * (len(sizes) - 1)
        assert 1 <= sizes[-1] <= 7
    schema.check(pq.read_schema(files[0]), schema.SHARDS, "shard")


def test_the_seed_decides(tokenizer: Tokenizer) -> None:
    rows = shards_rows.prepare(*tables([document(n, [("prose", "x")]) for n in range(50)]), tokenizer)
    assert shuffle.order(rows, 1).tolist() != shuffle.order(rows, 2).tolist()
    assert sorted(shuffle.order(rows, 1).tolist()) == list(range(50))
    other = rows.set_column(0, schema.SHARDS.field("site"), pa.array(["t"] * 50))
    assert shuffle.order(rows, 1).tolist() != shuffle.order(other, 1).tolist()


def test_places_are_even() -> None:
    count = 40_000
    columns = {"site": ["s"] * count, "post_id": range(1, count + 1), "split": ["train", "test"] * (count // 2)}
    rows = pa.table({**columns, "post_id": pa.array(columns["post_id"], pa.int64())})
    place = shuffle.place(rows, {"train": 8, "validation": 0, "test": 2}, 1)
    counts = np.bincount(place, minlength=10)
    assert np.allclose(counts[:8], 2500, rtol=0.1)
    assert np.allclose(counts[8:], 10_000, rtol=0.1)
    assert set(place[1::2].tolist()) == {8, 9}
    with pytest.raises(ValueError, match="no shards for test"):
        shuffle.place(rows, {"train": 8}, 1)
    assert shuffle.place(rows.slice(0, 0), {"train": 8}, 1).tolist() == []


def test_number_of_shards() -> None:
    assert shuffle.number({"train": 10_000_001, "validation": 1, "test": 0}, 5) == {
        "train": 3,
        "validation": 1,
        "test": 0,
    }


def test_a_shard_is_whole_or_not_there(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = shards_rows.prepare(*tables([document(n, [("prose", "x")]) for n in range(9)]), tokenizer)
    path = tmp_path / "0.parquet"
    with pytest.raises(ValueError, match="s:4 is there twice"):
        write([pa.concat_tables([rows, rows.slice(4, 1)])], path)
    with pytest.raises(ValueError, match="is there twice, or before its stretch"):
        write([rows, rows.slice(4, 1)], path)
    assert list(tmp_path.iterdir()) == []
    assert write([], path).rows == 0
    schema.check(pq.read_schema(path), schema.SHARDS, "shard")


def test_real_posts(real_data: Path) -> None:
    rows, spans = [], {}
    for path in sorted((real_data / "dumps").rglob("Posts.xml"))[:4]:
        for _, post in etree.iterparse(str(path), tag="row", recover=True):
            number = len(rows)
            parts = re.split(r"<code>(.*?)</code>", post.get("Body") or "", flags=re.DOTALL)
            plain = [html.unescape(re.sub("<[^>]*>", "", part)) for part in parts]
            row = document(number, [(("prose", "code")[i % 2], part) for i, part in enumerate(plain)])
            # Any words will do for spans: what is personal is another module's matter.
            words = list(re.finditer(r"\b[A-Z]\w{3,}", row["text"]))[::7]
            spans[number] = [span(m.start(), m.end(), KINDS[i % len(KINDS)]) for i, m in enumerate(words)]
            rows.append(row)
    rows = rows[:: max(1, len(rows) // 1500)]
    tokenizer = bpe.train([row["text"] for row in rows], 2048)
    made = shards_rows.prepare(*tables(rows, spans), tokenizer)
    some = range(0, len(rows), 5)
    for i in some:
        check(rows[i], spans[rows[i]["post_id"]], made.slice(i, 1).to_pylist()[0], tokenizer)
    assert sum(len(found["code_tokens"]) for found in made.to_pylist()) > 0
