"""All that is shown of one post: its text as on the site, why it was kept or dropped, its twins, its votes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import redact
from socorpus.corpus.report import fragments, story
from socorpus.corpus.report.story import Story
from socorpus.corpus.storage import files, manifest_file, parquet, row_lookup
from socorpus.corpus.storage.row_lookup import Place
from socorpus.labeling import example_texts, schema
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench import marked_text
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.marked_text import Mark

_COMPARED = 6_000
"""Code points of two twins that are compared."""
_TWINS = 50
_COMMENT = ["comment_id", "score", "creation_date", "user_display_name", "user_id"]
_VOTE = ["site", "start", "end", "function", "source", "label", "evidence", "at"]
_LABEL = ["site", "start", "end", "label", "probability", "source", "conflict"]


@dataclass(frozen=True)
class Comment:
    """A comment under a post."""

    html: Markup
    author: str | None
    day: str | None
    score: int | None


@dataclass(frozen=True)
class Twin:
    """Another post with nearly the same text: how alike, and what became of it."""

    key: str
    how: str
    jaccard: float | None
    reason: str | None
    keep: bool


@dataclass(frozen=True)
class VoteShown:
    """A vote with its evidence; of a span, its text too."""

    function: str
    label: str
    evidence: str
    source: str
    slice: str = ""


@dataclass(frozen=True)
class TaskShown:
    """What a task says of a post.

    Attributes:
        labels: label, probability, who says so, whether votes differ, and of a span its text.
        form: of the text that was judged; None where the task does not judge the post.
    """

    name: str
    spans: bool
    form: str | None
    split: str | None
    labels: tuple[dict[str, Any], ...]
    votes: tuple[VoteShown, ...]


@dataclass(frozen=True)
class PostView:
    """A post. `row` is that of documents; personal data is in `title` and `html` only where it was asked for."""

    key: str
    row: Mapping[str, Any]
    title: Markup
    html: Markup
    comments: tuple[Comment, ...]
    personal: Mapping[str, int]
    revealed: bool
    entities: Mapping[str, int]
    story: Story
    thread: tuple[dict[str, Any], ...]
    twins: tuple[Twin, ...]
    beside: Markup | None
    twin: str | None
    tasks: tuple[TaskShown, ...]


def view(
    root: Path,
    store: ColumnStore,
    facts: Mapping[str, Any],
    tasks: Mapping[str, Task],
    key: str,
    *,
    reveal: bool = False,
    twin: str = "",
    text: str = "",
) -> PostView:
    """All of a post.

    Args:
        root: of the corpus.
        reveal: whether personal data is shown instead of placeholders.
        twin: key of the post to compare it with; the most similar one, if empty.
        text: that was looked for, to be marked.

    Raises:
        InputError: there is no such post.
    """
    place = _place(store, facts, key)
    tree = store.tree
    row = row_lookup.take(tree, [place], "documents", corpus_schema.DOCUMENTS.names)[place.key]
    spans = _personal(tree, place)
    judged = [(_judged(root, tree, place, name, task), task) for name, task in tasks.items()]
    shown = _Text.of(row, spans, reveal)
    marks, counted = list(shown.marks), dict[str, int]()
    for of, task in judged:
        if task.spans and of.text == shown.redacted:
            for label in of.shown.labels:
                counted[label["label"]] = counted.get(label["label"], 0) + 1
                says = f"{task.name}: {label['label']} {label['probability']:.3f} by {label['source']}"
                start, end = shown.moved(label["start"]), shown.moved(label["end"])
                marks.append(Mark(start, end, "entity", label["label"], says))
    marks += _sought(shown.text, text)
    own = [segment for segment in shown.segments if segment["kind"] != "comment" and segment["start"] < shown.own_end]
    links = row["links"] if reveal or not spans else ()
    twins = _twins(tree, store, facts, place)
    other = twin or (twins[0].key if twins else "")
    return PostView(
        place.key,
        row,
        marked_text.marked(shown.title, [*shown.title_marks, *_sought(shown.title, text)]),
        marked_text.body(shown.text[: shown.own_end], own, marks, links),
        tuple(_comments(tree, place, shown, marks)),
        shown.personal,
        reveal,
        counted,
        story.find(tree, place.key),
        tuple(_thread(tree, place, row["thread_id"])),
        twins,
        _beside(store, facts, place, row, spans, other) if other else None,
        other or None,
        tuple(of.shown for of, _ in judged),
    )


def _place(store: ColumnStore, facts: Mapping[str, Any], key: str) -> Place:
    parts = row_lookup.split_key(key)
    if parts is None or parts[1] >= 1 << 63:
        raise InputError(f"{key[:80]!r} is no post of a corpus: expected SITE:ID")
    if parts[0] not in facts["sites"]:
        raise InputError(f"{parts[0][:80]}: no such site in this corpus; it has {', '.join(list(facts['sites'])[:12])}")
    place = store.find(*parts)
    if place is None:
        note = story.find(store.tree, key).note
        raise InputError(f"{key}: no document; {note}")
    return place


def _personal(tree: Path, place: Place) -> list[dict[str, Any]]:
    if not files.exists(tree / place.path("signals/privacy")):
        return []
    spans: list[dict[str, Any]] = row_lookup.take(tree, [place], "signals/privacy", ["spans"])[place.key]["spans"]
    return spans


def titles(tree: Path, places: Sequence[Place]) -> dict[str, str]:
    """Titles of posts by key, with placeholders for personal data."""
    rows = row_lookup.take(tree, places, "documents", ["title"])
    spans: dict[str, Any] = {}
    if places and files.exists(tree / places[0].path("signals/privacy")):
        spans = row_lookup.take(tree, places, "signals/privacy", ["spans"])
    shown = {}
    for key, row in rows.items():
        own = redact.spans_of(spans[key]["spans"], "title") if key in spans else []
        title = row["title"] or ""
        shown[key] = redact.replace(title, redact.placeholders(title, own))
    return shown


def snippets(tree: Path, places: Sequence[Place], text: str, regex: bool) -> dict[str, Markup]:
    """By key the stretch of each text around what was looked for, which is marked; personal data has placeholders."""
    sought = _pattern(text, regex)
    rows = row_lookup.take(tree, places, "documents", ["text"])
    shown = {}
    for place in places:
        whole = rows[place.key]["text"]
        own = redact.spans_of(_personal(tree, place), "text")
        whole = redact.replace(whole, redact.placeholders(whole, own))
        hit = sought.search(whole)
        if hit is None:
            continue
        start, end = max(0, hit.start() - 80), min(len(whole), hit.end() + 120)
        before, after = ("… " if start else ""), (" …" if end < len(whole) else "")
        stretch = marked_text.marked(whole, [Mark(hit.start(), hit.end(), "found")], start, end)
        shown[place.key] = Markup("{}{}{}").format(before, stretch, after)
    return shown


def _pattern(text: str, regex: bool) -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(text if regex else re2.escape(text), options)


def _sought(text: str, sought: str) -> list[Mark]:
    if not sought.strip():
        return []
    matches = _pattern(sought, False).finditer(text)
    return [Mark(match.start(), match.end(), "found") for match in matches if match.end() > match.start()]


@dataclass(frozen=True)
class _Text:
    """A document's text as it is shown, and where what is known of the redacted one lies in it."""

    title: str
    text: str
    redacted: str
    own_end: int
    segments: Sequence[Mapping[str, Any]]
    marks: tuple[Mark, ...]
    title_marks: tuple[Mark, ...]
    personal: Mapping[str, int]
    replaced: tuple[tuple[int, int, int], ...]
    """Of each placeholder its end in the redacted text, its start there, and how much longer the original is; empty
    where the redacted text is shown."""

    @staticmethod
    def of(row: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], reveal: bool) -> "_Text":
        """The text of a document, with placeholders unless `reveal`."""
        fields = [corpus_schema.DOCUMENTS.field(name) for name in redact.COLUMNS]
        table = pa.Table.from_pylist([{field.name: row[field.name] for field in fields}], pa.schema(fields))
        redacted = redact.redact(table, pa.array([spans], corpus_schema.SIGNALS["privacy"].field("spans").type))
        (clean,) = pa.table(redacted.columns).to_pylist()
        counts: dict[str, int] = {}
        for span in spans:
            counts[span["kind"]] = counts.get(span["kind"], 0) + 1
        own = sorted(redact.spans_of(spans, "text"))
        if not reveal:
            moves = redacted.moves
            ends = zip(moves(moves.rows, moves.starts).tolist(), moves(moves.rows, moves.ends).tolist(), strict=True)
            marks = tuple(
                Mark(*edges, "personal", kind, f"personal data: {kind}")
                for edges, (*_, kind) in zip(ends, own, strict=True)
            )
            title = clean["title"] or ""
            return _Text(
                *(title, clean["text"], clean["text"], clean["own_end"], clean["segments"]), *(marks, (), counts, ())
            )
        placed: list[tuple[int, int, int]] = []
        shift = 0
        for (start, end, _), placeholder in zip(own, redact.placeholders(row["text"], own), strict=True):
            begin = start - shift
            length = len(placeholder[2])
            shift += (end - start) - length
            placed.append((begin, begin + length, shift))
        marks = tuple(Mark(start, end, "personal", kind, f"personal data: {kind}") for start, end, kind in own)
        title_marks = tuple(
            Mark(start, end, "personal", kind, f"personal data: {kind}")
            for start, end, kind in redact.spans_of(spans, "title")
        )
        return _Text(
            *(row["title"] or "", row["text"], clean["text"], row["own_end"], row["segments"]),
            *(marks, title_marks, counts, tuple(placed)),
        )

    def moved(self, place: int) -> int:
        """Where a place of the redacted text lies in the one that is shown."""
        shift = 0
        for _, end, by in self.replaced:
            if place < end:
                break
            shift = by
        return place + shift


def _comments(tree: Path, place: Place, shown: _Text, marks: Sequence[Mark]) -> list[Comment]:
    path = tree / place.path("tables/comments")
    known: dict[int, dict[str, Any]] = {}
    if files.exists(path):
        rows = row_lookup.rows_of(path, place.post_id, _COMMENT).to_pylist()
        known = {row["comment_id"]: row for row in rows}
    comments = []
    for segment in shown.segments:
        if segment["kind"] != "comment":
            continue
        row = known.get(segment.get("id", -1), {})
        day = f"{row['creation_date']:%Y-%m-%d}" if row.get("creation_date") else None
        html = marked_text.marked(shown.text, marks, segment["start"], segment["end"])
        comments.append(Comment(html, row.get("user_display_name"), day, row.get("score")))
    return comments


def _thread(tree: Path, place: Place, thread: int) -> list[dict[str, Any]]:
    """The posts of a thread: the question, then the answers by score."""
    rows = parquet.read(tree / place.path("documents"), columns=["post_id", "thread_id", "kind", "score", "accepted"])
    decisions = parquet.read(tree / place.path("decisions"), columns=["keep", "reason"])
    for name in ("keep", "reason"):
        rows = rows.append_column(name, decisions[name])
    posts = rows.filter(pc.equal(rows["thread_id"], thread)).to_pylist()
    posts.sort(key=lambda post: (post["kind"] != "question", not post["accepted"], -post["score"], post["post_id"]))
    return [{**post, "key": corpus_schema.key(place.site, post["post_id"])} for post in posts]


def _twins(tree: Path, store: ColumnStore, facts: Mapping[str, Any], place: Place) -> tuple[Twin, ...]:
    """Other posts of its groups of duplicates, the most similar first."""
    alike: dict[str, tuple[str, float | None]] = {}
    for name, column, how in (
        ("near", "cluster", "nearly the same text"),
        ("exact", "survivor", "the same text"),
        ("near_code", "cluster", "the same code"),
    ):
        if not files.exists(tree / place.path(f"signals/{name}")):
            continue
        columns = ["survivor", *(["cluster", "jaccard", "link", "link_jaccard"] if name != "exact" else [])]
        own = row_lookup.take(tree, [place], f"signals/{name}", columns)[place.key]
        group = own[column] or (place.key if name == "exact" else None)
        if group is None:
            continue
        for key in _members(tree, name, column, group):
            jaccard = None
            if name != "exact":
                jaccard = own["link_jaccard"] if key == own["link"] else None
                jaccard = own["jaccard"] if key == own["survivor"] and jaccard is None else jaccard
            if key != place.key and key not in alike:
                alike[key] = (how, jaccard)
        if name == "exact" and own["survivor"] and own["survivor"] not in alike:
            alike[own["survivor"]] = (how, None)
    keys = sorted(alike, key=lambda key: (-(alike[key][1] or (1.0 if alike[key][0] == "the same text" else 0)), key))
    twins = []
    for key in keys[:_TWINS]:
        site, _, number = key.rpartition(":")
        other = store.find(site, int(number))
        if other is None:
            continue
        row = row_lookup.take(tree, [other], "decisions", ["keep", "reason"])[other.key]
        twins.append(Twin(key, *alike[key], row["reason"], row["keep"]))
    return tuple(twins)


def _members(tree: Path, signal: str, column: str, group: str) -> list[str]:
    keys = []
    for path in manifest_file.tables(tree, f"signals/{signal}"):
        table = parquet.read(path, columns=["site", "post_id", column])
        if table[column].null_count == table.num_rows:
            continue
        rows = table.filter(pc.equal(table[column], group)).to_pylist()
        keys += [corpus_schema.key(row["site"], row["post_id"]) for row in rows]
    return keys


def _beside(
    store: ColumnStore,
    facts: Mapping[str, Any],
    place: Place,
    row: Mapping[str, Any],
    spans: Sequence[Mapping[str, Any]],
    other: str,
) -> Markup:
    """The post and a twin side by side, the words marked in which they differ; personal data has placeholders."""
    there = _place(store, facts, other)
    own = _Text.of(row, spans, False)
    other_row = row_lookup.take(store.tree, [there], "documents", corpus_schema.DOCUMENTS.names)[there.key]
    others = _Text.of(other_row, _personal(store.tree, there), False)
    heads = (place.key, there.key)
    return fragments.beside(own.text[: own.own_end], others.text[: others.own_end], heads, _COMPARED)


@dataclass(frozen=True)
class _Judged:
    """What a task says of a post, and the text that it judged."""

    shown: TaskShown
    text: str | None


def _judged(root: Path, tree: Path, place: Place, name: str, task: Task) -> _Judged:
    example = row_lookup.find(tree, [place.key], f"{schema.FOLDER}/{name}/examples").get(place.key)
    form = split = text = None
    if example is not None:
        table = example_texts.read(tree, name, place.bucket, ["text", "form", "split"])
        row = table.slice(example.row, 1).to_pylist()[0]
        form, split, text = row["form"].replace("_", " "), row["split"], row["text"]
    paths = (
        tree / schema.path(name, "votes", place.bucket),
        root / schema.models_path(name),
        root / schema.people_path(name),
    )
    votes = [row for path in paths for row in _rows(path, place, _VOTE)]
    labels = _rows(tree / schema.path(name, "labels", place.bucket), place, _LABEL)

    def stretch(row: Mapping[str, Any]) -> str:
        return " ".join((text or "")[row["start"] : row["end"]].split()) if row["start"] is not None else ""

    shown = tuple(
        VoteShown(
            *(vote["function"], vote["label"] or "no answer", report_sections.evidence(vote["evidence"])),
            *(vote["source"], stretch(vote)),
        )
        for vote in votes
    )
    named = tuple({**label, "slice": stretch(label)} for label in labels)
    return _Judged(TaskShown(name, task.spans, form, split, named, shown), text)


def _rows(path: Path, place: Place, columns: list[str]) -> list[dict[str, Any]]:
    if not files.exists(path):
        return []
    rows = row_lookup.rows_of(path, place.post_id, columns).to_pylist()
    return [row for row in rows if row["site"] == place.site]


def evidence(decision: story.Decision) -> str:
    """What a rule saw, in words."""
    return report_sections.evidence(json.dumps(decision.evidence, ensure_ascii=False))
