"""Makes documents for tests: by hand, row by row, or from a real dump by plain tag stripping."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from lxml import etree
from lxml import html as lxml_html

from socorpus.corpus import schema

_DEFAULTS: dict[str, Any] = {
    "site": "test.stackexchange.com",
    "kind": "question",
    "created": datetime(2020, 1, 1, tzinfo=UTC),
    "closed": None,
    "edited": None,
    "score": 0,
    "accepted": False,
    "views": None,
    "answers": None,
    "comments": 0,
    "revisions": None,
    "tags": [],
    "title": None,
    "links": [],
    "url": "https://test.stackexchange.com/q/1",
    "license": "CC BY-SA 4.0",
    "author": None,
    "author_id": None,
}

Part = tuple[str, str]


def documents(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A `schema.DOCUMENTS` table; a row needs `text` alone: all of it is then one prose segment, the post's own.

    Instead of `text` a row may have `parts`, pairs of segment kind and text, joined by newlines: comments come last.
    """
    full = []
    for number, row in enumerate(rows, start=1):
        given = dict(row)
        parts: Sequence[Part] = given.pop("parts", None) or [("prose", given["text"])]
        text, segments = "", []
        own_end = None
        for kind, piece in parts:
            if kind == "comment" and own_end is None:
                own_end = len(text)
            if text:
                text += "\n"
            segments.append(
                {"kind": kind, "start": len(text), "end": len(text) + len(piece), "language": None, "id": 1}
            )
            text += piece
        own_end = len(text) if own_end is None else own_end
        made = _DEFAULTS | {"post_id": number, "thread_id": number, "digest": number.to_bytes(16, "big")}
        full.append(made | {"text": text, "own_end": own_end, "segments": segments} | given)
    return pa.Table.from_pylist(full, schema=schema.DOCUMENTS)


def texts(values: Sequence[str], **columns: Any) -> pa.Table:
    """Documents of these texts, all prose, with the same value of each further column."""
    return documents([{"text": value} | columns for value in values])


def sites(data: Path) -> list[Path]:
    """Folders that hold a table of posts and one of comments, below `data`/dumps."""
    found = [path.parent for path in sorted((data / "dumps").rglob("*.xml")) if path.name.lower() == "posts.xml"]
    return [folder for folder in found if _file(folder, "comments.xml") is not None]


def real(folder: Path, limit: int | None = None) -> pa.Table:
    """Documents of a real site: questions and answers with their comments, code apart from prose."""
    comments: dict[int, list[str]] = {}
    for row in _rows(folder, "comments.xml"):
        comments.setdefault(int(row["PostId"]), []).append(html.unescape(row["Text"]))
    made = []
    for row in _rows(folder, "posts.xml"):
        if row.get("PostTypeId") not in ("1", "2") or not row.get("Body", "").strip():
            continue
        text, segments = _render(row["Body"], int(row["Id"]))
        own_end = len(text)
        for comment in comments.get(int(row["Id"]), []):
            text += "\n"
            segments.append(_segment("comment", len(text), len(text) + len(comment), int(row["Id"])))
            text += comment
        kind = "question" if row["PostTypeId"] == "1" else "answer"
        key = {"site": folder.name, "post_id": int(row["Id"]), "kind": kind, "title": row.get("Title")}
        made.append(key | {"text": text, "segments": segments, "own_end": own_end})
        if limit is not None and len(made) >= limit:
            break
    return documents(made)


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in folder.iterdir() if path.name.lower() == name), None)


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    path = _file(folder, name)
    assert path is not None, f"{folder} has no {name}"
    tree = etree.parse(str(path), etree.XMLParser(recover=True, huge_tree=True))
    return [dict(row.attrib) for row in tree.getroot().iter("row")]


def _segment(kind: str, start: int, end: int, post: int) -> dict[str, Any]:
    return {"kind": kind, "start": start, "end": end, "language": None, "id": post}


def _render(body: str, post: int) -> tuple[str, list[dict[str, Any]]]:
    """Text of an HTML body and its segments: tags stripped, blocks on lines of their own."""
    pieces: list[str] = []
    segments: list[dict[str, Any]] = []
    length = 0

    def add(kind: str, text: str | None) -> None:
        nonlocal length
        if not text:
            return
        if segments and segments[-1]["kind"] == kind:
            segments[-1]["end"] = length + len(text)
        else:
            segments.append(_segment(kind, length, length + len(text), post))
        pieces.append(text)
        length += len(text)

    def walk(node: Any, kind: str) -> None:
        inside = {"pre": "code", "code": "inline_code", "blockquote": "quote"}.get(node.tag, kind)
        inside = "code" if kind == "code" else inside
        add(inside, node.text)
        for child in node:
            if isinstance(child.tag, str):
                walk(child, inside)
            add(inside, child.tail)
        if node.tag in ("p", "li", "pre", "blockquote", "br", "h1", "h2", "h3"):
            add(kind, "\n")

    clean = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", body)
    walk(lxml_html.fragment_fromstring(clean, create_parent="div"), "prose")
    return "".join(pieces), segments
