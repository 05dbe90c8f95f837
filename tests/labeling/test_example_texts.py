"""Texts of examples: what is replaced, what moves along, what a digest tells apart."""

import json
from typing import Any

import pyarrow as pa

from socorpus.corpus.config import Privacy
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
