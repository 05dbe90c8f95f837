"""Texts of examples: what is replaced, what moves along, what a digest tells apart."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import detect
from socorpus.corpus.storage import parquet
from socorpus.labeling import example_texts, schema

SECRET, MAILBOX = "AKIAQ7RZ4NXW2KPLM3VT", "jane.roe@brewery-supplies.com"


def examples(*texts: str, title: str | None = None, own: int | None = None) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "site": "beer.stackexchange.com",
            "post_id": at,
            "thread_id": at,
            "split": "train",
            "kind": "question",
            "created": 0,
            "score": 1,
            "tags": [],
            "title": title,
            "text": text,
            "own_end": len(text) if own is None else own,
            "segments": [
                {"kind": "prose", "start": 0, "end": text.index("|"), "language": None, "id": at},
                {"kind": "code", "start": text.index("|"), "end": len(text), "language": "python", "id": at},
            ],
            "form": "published",
            "left_out": [],
            "url": "https://beer.stackexchange.com/q/1",
            "license": "CC BY-SA 4.0",
            "author": None,
            "digest": bytes(16),
        }
        for at, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=schema.EXAMPLES)


def test_what_is_personal_goes_and_offsets_move_along() -> None:
    text = f"Write to {MAILBOX}, \U0001f37a|key = '{SECRET}'\n"
    (row,) = example_texts.redacted(examples(text, title=f"Mail {MAILBOX}"), Privacy()).to_pylist()
    assert row["text"] == "Write to [EMAIL_1], \U0001f37a|key = '[KEY_1]'\n"
    assert row["title"] == "Mail [EMAIL_1]"
    assert row["own_end"] == len(row["text"])
    prose, code = row["segments"]
    assert row["text"][prose["start"] : prose["end"]] == "Write to [EMAIL_1], \U0001f37a"
    assert row["text"][code["start"] : code["end"]] == "|key = '[KEY_1]'\n"


def test_comments_begin_where_they_did() -> None:
    text = f"Ask {MAILBOX} |x @jane.roe thanks"
    own = text.index("@jane.roe")
    (row,) = example_texts.redacted(examples(text, own=own), Privacy()).to_pylist()
    assert row["text"][: row["own_end"]] == "Ask [EMAIL_1] |x "


def test_nothing_is_looked_for_where_nothing_is_wanted() -> None:
    text = f"Write to {MAILBOX}|"
    (row,) = example_texts.redacted(examples(text), Privacy(kinds=())).to_pylist()
    assert row["text"] == text and row["title"] is None


def test_digests_tell_title_and_text_apart() -> None:
    same, other, moved = (
        example_texts.redacted(examples(text, title=title), Privacy())["digest"].to_pylist()[0]
        for text, title in (("a|b", "c"), ("a|b", "d"), ("ca|b", ""))
    )
    assert len({same, other, moved}) == 3
    assert same == example_texts.redacted(examples("a|b", title="c"), Privacy())["digest"].to_pylist()[0]


def test_no_examples() -> None:
    assert example_texts.redacted(schema.EXAMPLES.empty_table(), Privacy()).equals(schema.EXAMPLES.empty_table())
    assert example_texts.evidence([], Privacy()) == []


def test_evidence_is_redacted_text_by_text() -> None:
    given = [
        {"comment": 7, "says": f"mail {MAILBOX} or @jane, it's deprecated", "near": ["x", {"key": SECRET}]},
        {"score": 3, "ok": True, "none": None},
    ]
    first, second = (json.loads(one) for one in example_texts.evidence(given, Privacy()))
    assert first == {
        "comment": 7,
        "says": "mail [EMAIL_1] or @[USER_1], it's deprecated",
        "near": ["x", {"key": "[KEY_1]"}],
    }
    assert second == {"score": 3, "ok": True, "none": None}


BUCKET = "beer.stackexchange.com/00000-of-00001"


def published(*texts: str, title: str | None = None, own: int | None = None) -> pa.Table:
    """Documents, with only the columns that examples have too."""
    rows = examples(*texts, title=title, own=own).drop_columns(["split", "form", "left_out", "digest"])
    return rows.cast(pa.schema([corpus_schema.DOCUMENTS.field(name) for name in rows.column_names]))


def write(root: Path, given: pa.Table, documents: pa.Table) -> example_texts.Published:
    """A bucket of a task, with the files that it needs beside it."""
    texts = example_texts.texts(documents, detect.find(documents, Privacy()))
    of = example_texts.published(documents, texts)
    parquet.write(root / f"documents/{BUCKET}.parquet", documents, documents.schema)
    parquet.write(root / schema.texts_path(BUCKET), texts, schema.TEXTS)
    stored = example_texts.stored(given, of)
    parquet.write(root / schema.path("quality", "examples", BUCKET), stored, schema.STORED_EXAMPLES)
    return of


DOCUMENTS = published(
    "plain|x", f"mail {MAILBOX}|x", f"own {MAILBOX}|comment", "own \U0001f37a|comment", "first|x", "code|x", "tags|x"
)


def _given() -> pa.Table:
    """One example of each way to differ from its document: not at all (twice), cut (twice), and in another column."""
    rows = example_texts.redacted(examples(*DOCUMENTS["text"].to_pylist()), Privacy()).to_pylist()
    for row in rows[2:4]:
        row["text"] = row["text"].partition("|")[0]
        row["own_end"] = len(row["text"])
        del row["segments"][1]
    rows[4]["text"] = "first, another|x"
    rows[4]["title"] = "another"
    rows[5]["segments"][1]["language"] = "tcl"
    rows[6]["tags"] = ["ale"]
    table = pa.Table.from_pylist(rows, schema=schema.EXAMPLES)
    digest = schema.EXAMPLES.get_field_index("digest")
    return table.set_column(digest, schema.EXAMPLES.field(digest), example_texts.digests(table))


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    given = _given()
    write(tmp_path, given, DOCUMENTS)
    rows = parquet.read(tmp_path / schema.path("quality", "examples", BUCKET)).to_pylist()
    assert [row["text"] for row in rows] == [None, None, None, None, ", another", None, None]
    assert [row["own_end"] is None for row in rows] == [True] * 4 + [False] * 3
    assert example_texts.read(tmp_path, "quality", BUCKET).equals(given)
    for name in schema.EXAMPLES.names:
        assert example_texts.read(tmp_path, "quality", BUCKET, [name])[name].to_pylist() == given[name].to_pylist()
    two = example_texts.read(tmp_path, "quality", BUCKET, ["text", "post_id"])
    assert two.column_names == ["text", "post_id"]


_WORDS = st.text("ab\U0001f37a ", max_size=6)


@drawn(st.tuples(_WORDS, _WORDS, _WORDS), _WORDS, st.booleans())
def test_a_text_is_what_its_difference_says(parts: tuple[str, str, str], other: str, comments: bool) -> None:
    first, middle, last = parts
    document = published(f"{first}{middle}|{last}", own=len(first) + len(middle) + 1)
    text = f"{first}{other}|{last if comments else ''}"
    raw = examples(text, own=len(first) + len(other) + 1)
    of = example_texts.published(document, schema.TEXTS.empty_table())
    (row,) = example_texts.stored(raw, of).to_pylist()
    (whole,) = document["text"].to_pylist()
    tail = "" if row["tail_end"] is None else whole[row["tail_start"] : row["tail_end"]]
    assert f"{whole[: row['head']]}{row['text'] or ''}{tail}" == text
    assert len(row["text"] or "") <= len(other) and len(tail) <= len(text)


def test_texts_of_documents_are_not_stored_again(tmp_path: Path) -> None:
    documents = published("plain|x", f"mail {MAILBOX}|x", "changed|x")
    given = example_texts.redacted(examples("plain|x", f"mail {MAILBOX}|x", "as it was|x"), Privacy())
    write(tmp_path, given, documents)
    rows = parquet.read(tmp_path / schema.path("quality", "examples", BUCKET)).to_pylist()
    assert [row["text"] for row in rows] == [None, None, "as it was"]
    assert [(row["head"], row["tail_start"], row["tail_end"]) for row in rows] == [
        (7, None, None),
        (16, None, None),
        (0, 7, 9),
    ]
    (text,) = parquet.read(tmp_path / schema.texts_path(BUCKET)).to_pylist()
    assert (text["post_id"], text["text"]) == (1, "mail [EMAIL_1]|x")


def test_nothing_is_looked_for_in_texts_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = published(f"mail {MAILBOX}|x", "other|x")
    of = example_texts.published(documents, example_texts.texts(documents, detect.find(documents, Privacy())))
    raw = examples(f"mail {MAILBOX}|x", f"{MAILBOX} before|x")
    expected = example_texts.redacted(raw, Privacy())
    searched: list[str] = []
    find = detect.find

    def noted(rows: pa.Table, config: Privacy) -> pa.Table:
        searched.extend(rows["text"].to_pylist())
        return find(rows, config)

    monkeypatch.setattr(detect, "find", noted)
    assert example_texts.redacted(raw, Privacy(), of).equals(expected)
    assert searched == [f"{MAILBOX} before|x"]


def test_examples_of_other_documents_are_refused(tmp_path: Path) -> None:
    write(tmp_path, _given(), DOCUMENTS)
    parquet.write(tmp_path / f"documents/{BUCKET}.parquet", DOCUMENTS.slice(1), DOCUMENTS.schema)
    with pytest.raises(InputError, match="1 examples are of no document; label the corpus again"):
        example_texts.read(tmp_path, "quality", BUCKET)


def test_no_examples_are_stored_and_read(tmp_path: Path) -> None:
    write(tmp_path, schema.EXAMPLES.empty_table(), DOCUMENTS)
    assert example_texts.read(tmp_path, "quality", BUCKET).equals(schema.EXAMPLES.empty_table())
