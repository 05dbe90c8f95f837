"""Reads the blind threads: hand-written, by an author who had not seen the rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

BLIND = Path(__file__).with_name("blind_obsolescence.jsonl")

Half = Literal["tune", "held_out"]
Writer = Literal["asker", "author", "other1", "other2"]


@dataclass(frozen=True)
class Question:
    """The question a thread starts with."""

    title: str
    body_html: str
    tags: tuple[str, ...]
    date: str


@dataclass(frozen=True)
class Answer:
    """The answer that is judged, as first written, or another under the same question."""

    body_html: str
    date: str
    score: int


@dataclass(frozen=True)
class Edit:
    """A later revision of the judged answer."""

    date: str
    body_html: str


@dataclass(frozen=True)
class Comment:
    """A comment on the judged answer, its text in Markdown."""

    date: str
    text: str
    by: Writer
    score: int


@dataclass(frozen=True)
class BlindCase:
    """A thread, and whether a careful reader finds its answer obsolete."""

    id: int
    half: Half
    kind: str
    question: Question
    answer: Answer
    edits: tuple[Edit, ...]
    comments: tuple[Comment, ...]
    other_answers: tuple[Answer, ...]
    obsolete: bool
    why: str

    @property
    def body_html(self) -> str:
        """The answer as it stands after its last edit."""
        return self.edits[-1].body_html if self.edits else self.answer.body_html


def _case(row: dict[str, Any]) -> BlindCase:
    question = dict(row["question"])
    question["tags"] = tuple(question["tags"])
    return BlindCase(
        id=row["id"],
        half=row["half"],
        kind=row["kind"],
        question=Question(**question),
        answer=Answer(**row["answer"]),
        edits=tuple(Edit(**edit) for edit in row["edits"]),
        comments=tuple(Comment(**comment) for comment in row["comments"]),
        other_answers=tuple(Answer(**other) for other in row["other_answers"]),
        obsolete=row["obsolete"],
        why=row["why"],
    )


def blind_cases(half: Half | None = None, path: Path = BLIND) -> list[BlindCase]:
    """The blind threads in file order; one half of them where ``half`` is given."""
    with path.open(encoding="utf-8") as lines:
        cases = [_case(json.loads(line)) for line in lines]
    return [case for case in cases if half is None or case.half == half]
