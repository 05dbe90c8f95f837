"""Reader of the files of the StackOverflow NER corpus (Tabassum et al. 2020, "Code and Named Entity Recognition in
StackOverflow"): questions and answers, and the issues of its GitHub half, as texts with token offsets, gold spans and
segments.

A line is four columns between tabs: token, BIO label, token again, markup label; a lone tab ends a sentence. The markup
label comes from a post's `<code>` elements: a span of it is a segment of kind `inline_code`.

A document of the GitHub half begins with `Issue_Event_Link : …`; several share an address. Its types that are none of
the Stack Overflow half (Licence, Data_Set_Name) stay as they are, and are none of the task `entities`.

Left out, as they inflate scores: header lines (`Question_ID : …`, `Question_URL : …`, `Answer_to_Question_ID : …`,
`Issue_Event_Link : …`, `Repository_Name : …`, `Repository_Link : …`) and
placeholders of omitted blocks (`CODE_BLOCK : Q_1 (code omitted for annotation)`, `OP_BLOCK : …`), in mid-sentence too.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.tasks.entities.spans import Span

MERGED = {
    "Class_Name": "Class",
    "Library_Class": "Class",
    "Function_Name": "Function",
    "Library_Function": "Function",
    "Variable_Name": "Variable",
    "Library_Variable": "Variable",
    "Organization": "Website",
}
"""Raw label -> the type that it becomes; other labels stay. Names of libraries and of users are not distinguished."""

_ISSUE = "Issue_Event_Link"
_HEADERS = {"Question_ID", "Question_URL", "Answer_to_Question_ID", _ISSUE, "Repository_Name", "Repository_Link"}
_OMITTED = {"CODE_BLOCK", "OP_BLOCK"}
_LABEL = re.compile(r"O|[BI]-(\w+)")
_SPACE = re.compile(r"(?<=[^-])-----(?=[^-])")


@dataclass(frozen=True)
class Document:
    """A question or an answer.

    Attributes:
        question: number of the question, also for an answer: the unit of splits. Of an issue, a number that its address
            gives, the same in every file; what stands behind `#` in it doesn't count.
        name: `QUESTION/0` for a question, `QUESTION/1` … for its answers; for the texts of an issue the same.
        text: tokens joined by a space, sentences by a newline.
        tokens: start and end of each token in `text`, code points.
        sentences: first token, and one behind the last, of each sentence.
        spans: gold spans of merged types, sorted; Code_Block among them.
        code: start and end of the inline code.
    """

    question: int
    name: str
    text: str
    tokens: tuple[tuple[int, int], ...]
    sentences: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]
    code: tuple[tuple[int, int], ...]

    @property
    def segments(self) -> list[dict[str, Any]]:
        """`corpus.schema.SEGMENT`s of the text: inline code, and prose between."""
        parts: list[dict[str, Any]] = []
        offset = 0
        for start, end in (*self.code, (len(self.text), len(self.text))):
            for kind, a, b in (("prose", offset, start), ("inline_code", start, end)):
                if a < b:
                    parts.append({"kind": kind, "start": a, "end": b, "language": None, "id": self.question})
            offset = end
        return parts


Line = tuple[str, str, str]
"""Token, BIO label of a merged type, BIO label of the markup."""


def read(path: Path) -> list[Document]:
    """Documents of a file, in its order; those without a token are left out.

    Raises:
        InputError: names file and line: it can't be read, a line doesn't have four columns or has no token, a label is
            none, or a text comes before the first `Question_ID` or `Issue_Event_Link`.
    """
    documents: list[Document] = []
    question, answers, sentences = -1, 0, list[list[Line]]()
    issues: dict[int, int] = {}

    def flush() -> None:
        if sentences:
            documents.append(_document(question, answers, sentences))
            sentences.clear()

    for number, sentence in _sentences(path):
        header = sentence[0][0] if len(sentence) > 2 and sentence[1][0] == ":" else ""
        if header == "Question_ID":
            flush()
            question, answers = _number(path, number, sentence[2][0]), 0
        elif header == "Answer_to_Question_ID":
            flush()
            answers += 1
        elif header == _ISSUE:
            flush()
            question = _issue("".join(token for token, _, _ in sentence[2:]))
            answers = issues[question] = issues.get(question, -1) + 1
        if header in _HEADERS:
            continue
        kept = _without_omitted(sentence)
        if kept and question < 0:
            raise InputError(
                f"{path}: line {number}: text before the first Question_ID or {_ISSUE}; expected train.txt"
            )
        if kept:
            sentences.append(kept)
    flush()
    return documents


def decode(labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """Runs of BIO labels: first, one behind the last, type. As in conlleval an I- that continues nothing begins one."""
    runs: list[tuple[int, int, str]] = []
    first, running = 0, ""
    for index, label in enumerate([*labels, "O"]):
        kind = label[2:]
        if running and (label[0] != "I" or kind != running):
            runs.append((first, index, running))
            running = ""
        if kind and not running:
            first, running = index, kind
    return runs


def _sentences(path: Path) -> Iterator[tuple[int, list[Line]]]:
    """Sentences, each with the number of its first line."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; expected a file of the StackOverflow NER corpus") from None
    first, sentence = 1, list[Line]()
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r")
        if line.strip():
            columns = line.split("\t")
            if len(columns) != 4:
                raise InputError(f"{path}: line {number}: {len(columns)} columns, expected 4 between tabs")
            token, label, _, mark = columns
            if not token:
                raise InputError(f"{path}: line {number}: no token before the label")
            first = first if sentence else number
            sentence.append((_SPACE.sub(" ", token), _merged(path, number, label), _merged(path, number, mark)))
        elif sentence:
            yield first, sentence
            sentence = []
    if sentence:
        yield first, sentence


def _merged(path: Path, number: int, label: str) -> str:
    match = _LABEL.fullmatch(label)
    if match is None:
        raise InputError(f"{path}: line {number}: {label!r} is no BIO label")
    return label if match[1] is None else label[:2] + MERGED.get(match[1], match[1])


def _number(path: Path, line: int, token: str) -> int:
    if not token.isdecimal():
        raise InputError(f"{path}: line {line}: Question_ID : {token!r}, expected a number")
    return int(token)


def _issue(address: str) -> int:
    """A number for an issue's address, 63 bits; the event behind `#` is one of several in the same issue."""
    return int.from_bytes(hashlib.sha256(address.partition("#")[0].encode()).digest()[:8], "big") >> 1


def _without_omitted(sentence: list[Line]) -> list[Line]:
    """The sentence without placeholders of omitted blocks."""
    kept: list[Line] = []
    index = 0
    while index < len(sentence):
        if sentence[index][0] in _OMITTED and index + 1 < len(sentence) and sentence[index + 1][0] == ":":
            words = [token for token, _, _ in sentence[index : index + 12]]
            if "omitted" in words and ")" in words:
                index += words.index(")", words.index("omitted")) + 1
                continue
        kept.append(sentence[index])
        index += 1
    return kept


def _document(question: int, answer: int, sentences: list[list[Line]]) -> Document:
    parts: list[str] = []
    tokens: list[tuple[int, int]] = []
    bounds: list[tuple[int, int]] = []
    spans: list[Span] = []
    code: list[tuple[int, int]] = []
    offset = 0
    for sentence in sentences:
        first = len(tokens)
        for token, _, _ in sentence:
            tokens.append((offset, offset + len(token)))
            offset += len(token) + 1
        parts.append(" ".join(token for token, _, _ in sentence))
        bounds.append((first, len(tokens)))
        for a, b, kind in decode([label for _, label, _ in sentence]):
            spans.append(Span(tokens[first + a][0], tokens[first + b - 1][1], kind))
        for a, b, kind in decode([mark for _, _, mark in sentence]):
            if kind != "Keyboard_IP":  # a <kbd> is no segment of a corpus
                code.append((tokens[first + a][0], tokens[first + b - 1][1]))
    text = "\n".join(parts)
    return Document(question, f"{question}/{answer}", text, tuple(tokens), tuple(bounds), tuple(spans), tuple(code))
