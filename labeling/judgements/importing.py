"""Judgements from a file into a corpus, beside those of the sync: as votes of persons, in the same table and form.

A row says what a person says of a post; rows that are not filled in say nothing. A later file replaces what an earlier
one said of the same post by the same person, and leaves everything else: so the same file changes nothing twice.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.aggregation import annotators
from socorpus.labeling.datasets import user_tables
from socorpus.labeling.datasets.user_tables import NOTHING, SKIP
from socorpus.labeling.label_studio import pull, sampling, state
from socorpus.labeling.schema import Task

PROJECT = "file"
"""Project, in the evidence, of judgements that came from files."""
_KNOWN = (
    *("site", "post_id", "key", "label", "start", "end", "spans", "slice", "annotator", "function", "time", "at"),
    *("blind", "adjudicated", "digest", "evidence"),
)
_TRUE, _FALSE = ("true", "yes", "1", "1.0", "x"), ("false", "no", "0", "0.0", "")
_PSEUDONYM = re.compile(r"[0-9a-f]{12}|user-[0-9]+")
_SAID = "\0said"
"""Column, in a row, of what the evidence says that a person said without a label."""
_Mark = tuple[int, int, str]


@dataclass
class Imported:
    """Counts of an import; a judgement is what one person says of one post."""

    new: int = 0
    changed: int = 0
    same: int = 0
    older: int = 0
    """Judgements that are older than what the corpus has of the same person and post, and left out."""
    removed: int = 0
    posts: int = 0
    people: int = 0
    blind: int = 0
    """Judgements without a suggestion, as the file says."""
    empty: int = 0
    """Rows that are not filled in."""
    other_text: int = 0
    """Judgements of whole texts that have changed since; they are kept."""
    refused: list[str] = field(default_factory=list)
    """Why rows are left out, with their places, in the order of the file."""
    left_out: int = 0
    """Rows that are left out: all of those that `refused` speaks of."""
    undisputed: int = 0
    """Judgements as an adjudicator of posts that nobody else judged: they stand as any other."""


_Lost = tuple[int, str, int]
"""Place of the first of some rows that are left out, why they are, and their number."""


@dataclass(frozen=True)
class _Who:
    """Whose judgement of which post."""

    site: str
    post: int
    function: str
    adjudicated: bool


@dataclass(frozen=True)
class _Said:
    """A row that is filled in."""

    number: int
    """Its place among the rows of the file."""
    where: str
    at: datetime | None
    blind: bool
    digest: str | None
    label: str | None
    """Of a whole text; None of one that is skipped, and of spans."""
    marks: tuple[_Mark, ...] = ()
    slices: tuple[str | None, ...] = ()
    """The text of each mark, where the file has it."""
    skipped: bool = False
    nothing: bool = False


def take(
    root: Path,
    tree: Path,
    task: Task,
    path: Path,
    annotator: str | None = None,
    *,
    remove: bool = False,
    dry: bool = False,
) -> Imported:
    """Bring the judgements of a file into a corpus.

    Args:
        root: folder of the corpus; judgements are written there (`schema.people_path`).
        tree: the tree of the finished corpus, with labels of `task`.
        annotator: who judged, where the file does not say.
        remove: take the judgements of the file's posts and people back, instead.
        dry: write nothing.

    Raises:
        InputError: the file can't be read, lacks a column, or none of the rows that are filled in can be taken.
        BuildError: another command writes what people said of the corpus.
    """
    user_tables.refuse_halves({"annotator": annotator}, ("annotator",), "--annotator")
    buckets = sampling.buckets(tree, task)
    sites = sorted({bucket.rpartition("/")[0] for bucket in buckets})
    done = Imported()
    lost = list[_Lost]()
    judgements = _read(path, task, sites, annotator, done, lost)
    judged = (
        {who: list[dict[str, Any]]() for who in judgements}
        if remove
        else _fitting(tree, task, buckets, judgements, done, lost)
    )
    done.refused, done.left_out = [why for _, why, _ in sorted(lost)], sum(rows for *_, rows in lost)
    if done.refused and not judged:
        raise InputError(f"{done.refused[0]}" + (f" (and {len(done.refused) - 1:,} more)" if done.refused[1:] else ""))
    if dry:
        _merge(root, task, judged, done, remove=remove, dry=True)
    else:
        with state.one_writer(root):
            _merge(root, task, judged, done, remove=remove, dry=False)
    if not remove:
        done.undisputed = _undisputed(root, task, judged)
    done.posts = len({(who.site, who.post) for who in judged})
    done.people = len({who.function for who in judged})
    done.blind = sum(bool(own) and json.loads(own[0]["evidence"])["blind"] for own in judged.values())
    return done


def _merge(
    root: Path, task: Task, judged: Mapping[_Who, list[dict[str, Any]]], done: Imported, *, remove: bool, dry: bool
) -> None:
    """Compare judgements with those of earlier files, and put them in their place."""
    path = root / schema.people_path(task.name)
    stored: dict[_Who, list[dict[str, Any]]] = defaultdict(list)
    if files.exists(path):
        for row in parquet.read(path, schema.VOTES).to_pylist():
            if (who := _from_file(row)) is not None:
                stored[who].append(row)
    replaced: dict[_Who, list[dict[str, Any]]] = {}
    for who, own in judged.items():
        before = stored.get(who)
        if remove:
            done.removed += before is not None
            replaced[who] = []
        elif before is None:
            done.new += 1
            replaced[who] = own
        elif before == own:
            done.same += 1
        elif (earlier := _newest(own)) is not None and (later := _newest(before)) is not None and earlier < later:
            done.older += 1
        else:
            done.changed += 1
            replaced[who] = own
    if not dry:
        pull.replace(
            path, lambda row: _from_file(row) not in replaced, [row for own in replaced.values() for row in own]
        )


def _undisputed(root: Path, task: Task, judged: Mapping[_Who, object]) -> int:
    """Number of adjudications of posts that nobody judged in a first round, here or before."""
    path = root / schema.people_path(task.name)
    rows = parquet.read(path, schema.VOTES).to_pylist() if files.exists(path) else []
    first = {(row["site"], row["post_id"]) for row in annotators.first_round(rows)}
    first |= {(who.site, who.post) for who in judged if not who.adjudicated}
    return sum(who.adjudicated and (who.site, who.post) not in first for who in judged)


def _from_file(row: Mapping[str, Any]) -> _Who | None:
    if json.loads(row["evidence"]).get("project") != PROJECT:
        return None
    return _Who(row["site"], row["post_id"], row["function"], annotators.adjudicates(row))


def _newest(own: Sequence[Mapping[str, Any]]) -> datetime | None:
    return max((row["at"] for row in own if row["at"] is not None), default=None)


# --- rows


def _read(
    path: Path, task: Task, sites: Sequence[str], annotator: str | None, done: Imported, lost: list[_Lost]
) -> dict[_Who, list[_Said]]:
    """What each person says of each post; what can't be read is left out, and noted."""
    judgements: dict[_Who, list[_Said]] = defaultdict(list)
    spoilt: set[_Who] = set()
    rows = user_tables.read(path, _KNOWN, lambda columns: _unfit(columns, task, sites, annotator))
    for number, (where, row) in enumerate(rows):
        row = {**_evidence(row), **row}
        if not _filled(row, task):
            done.empty += 1
            continue
        who, key = None, ""
        try:
            user_tables.refuse_halves(row, _KNOWN, where)
            if (why := user_tables.lacking(row, task, sites)) is not None:
                raise InputError(f"{where}: {user_tables.shown(row)}; it needs {why}")
            if user_tables.EXCESS in row:
                raise InputError(f"{where}: has more cells than the table has columns; quote those with a separator in")
            site, post = user_tables.post_of(row, sites, where)
            key = f"{site}:{post}"
            who = _Who(site, post, _person(row, annotator, where), _flag(row, "adjudicated", where))
            judgements[who].append(_said(row, task, number, where))
        except InputError as error:
            if who is not None and task.spans:
                spoilt.add(who)
            why = str(error)
            named = not key or key in why
            lost.append((number, why if named else why.replace(f"{where}: ", f"{where} ({key}): ", 1), 1))
    for who in spoilt:
        if own := judgements.pop(who, None):
            why = (
                f"{own[0].where}: with a mark that is left out, the others of {who.site}:{who.post} by the same person "
                "are too: who marks a text is taken to have marked all of it"
            )
            lost.append((own[0].number, why, len(own)))
    return {who: own for who, own in judgements.items() if own}


def _unfit(columns: Collection[str], task: Task, sites: Sequence[str], annotator: str | None) -> str | None:
    lacking = user_tables.lacking(columns, task, sites)
    if lacking is not None:
        return f"{user_tables.shown(columns)}; judgements of {task.name} need {lacking}"
    if annotator is None and "annotator" not in columns and "function" not in columns:
        return (
            f"{user_tables.shown(columns)}; who judged is not said: add a column annotator, or name who did by "
            "--annotator"
        )
    return None


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the table of a corpus (`people.parquet`) has in its evidence, as columns."""
    try:
        values = json.loads(row.get("evidence") or "{}")
    except (ValueError, TypeError):
        return {}
    if not isinstance(values, dict):
        return {}
    kept = {name: values[name] for name in ("blind", "adjudicated", "digest") if name in values}
    if "label" in row and row["label"] is None:
        kept |= {_SAID: SKIP[0] if values.get("skipped") else NOTHING[0] if values.get("nothing") else ""}
    return kept


def _filled(row: Mapping[str, Any], task: Task) -> bool:
    if user_tables.text_of(row.get("label")) or row.get(_SAID):
        return True
    return task.spans and bool(user_tables.text_of(row.get("spans")) or user_tables.text_of(row.get("start")))


def _said(row: Mapping[str, Any], task: Task, number: int, where: str) -> _Said:
    moment, blind = _time(row, where), _flag(row, "blind", where)
    digest = user_tables.text_of(row.get("digest")).lower() or None
    given = user_tables.text_of(row.get("label")) or str(row.get(_SAID) or "")
    label = user_tables.label_of(given, task)
    if task.spans and label not in task.labels and given.lower() in (*SKIP, *NOTHING):
        user_tables.refuse_span(row, given, where)
    if label not in task.labels and given.lower() in SKIP:
        return _Said(number, where, moment, blind, digest, None, skipped=True)
    if not task.spans:
        _known(label, task, where)
        return _Said(number, where, moment, blind, digest, label)
    if label not in task.labels and given.lower() in NOTHING:
        return _Said(number, where, moment, blind, digest, None, nothing=True)
    marks = user_tables.marks_of(row, task, where)
    for *_, name in marks:
        _known(name, task, where)
    if not marks and not isinstance(row.get("spans"), str | list):
        raise InputError(f"{where}: start and end without a label; give one of {', '.join(task.labels)}")
    slices = [_slice(span) for span in user_tables.spans_of(row, where)]
    if len(slices) == 1:
        slices[0] = slices[0] or _slice(row)
    return _Said(number, where, moment, blind, digest, None, tuple(marks), tuple(slices), nothing=not marks)


def _slice(span: Mapping[str, Any]) -> str | None:
    value = span.get("slice")
    return (value if isinstance(value, str) else user_tables.text_of(value)) or None


def _known(label: str, task: Task, where: str) -> None:
    if label not in task.labels:
        other = f", {NOTHING[0]} where there is none" if task.spans else ""
        raise InputError(
            f"{where}: {label!r} is no label of {task.name}; it has {', '.join(task.labels)}{other}, and {SKIP[0]} is "
            "for who would not decide"
        )


def _person(row: Mapping[str, Any], annotator: str | None, where: str) -> str:
    name = (
        user_tables.text_of(row.get("annotator"))
        or user_tables.text_of(row.get("function"))
        or (annotator or "").strip()
    )
    name = name.removeprefix("person:")
    if not name:
        raise InputError(f"{where}: who judged is not said; fill in annotator, or name who did by --annotator")
    return f"person:{name if _PSEUDONYM.fullmatch(name) else pull.pseudonym(name)}"


def _flag(row: Mapping[str, Any], name: str, where: str) -> bool:
    text = user_tables.text_of(row.get(name)).lower()
    if text not in _TRUE and text not in _FALSE:
        raise InputError(f"{where}: {name} is {text!r}; it is true or false")
    return text in _TRUE


def _time(row: Mapping[str, Any], where: str) -> datetime | None:
    value = row.get("time") if user_tables.text_of(row.get("time")) else row.get("at")
    text = user_tables.text_of(value)
    if not text:
        return None
    if not isinstance(value, datetime):
        try:
            value = datetime.combine(value, time()) if isinstance(value, date) else datetime.fromisoformat(text)
        except ValueError:
            raise InputError(
                f"{where}: the time {text!r} can't be read; write it as 2026-01-31 or 2026-01-31T12:30:00Z, or leave "
                "it empty"
            ) from None
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


# --- judgements


def _fitting(
    tree: Path,
    task: Task,
    buckets: Sequence[str],
    judgements: Mapping[_Who, list[_Said]],
    done: Imported,
    lost: list[_Lost],
) -> dict[_Who, list[dict[str, Any]]]:
    """The votes (`schema.VOTES`) of each person on each post that is an example of the task."""
    by_site: dict[str, set[int]] = defaultdict(set)
    for who in judgements:
        by_site[who.site].add(who.post)
    texts: dict[tuple[str, int], tuple[str, str]] = {}
    for bucket in buckets:
        site = bucket.rpartition("/")[0]
        if wanted := by_site.get(site):
            columns = ["post_id", "digest", *(["text"] if task.spans else [])]
            table = example_texts.read(tree, task.name, bucket, columns)
            table = table.filter(pc.is_in(table["post_id"], value_set=pa.array(sorted(wanted), pa.int64())))
            for row in table.to_pylist():
                texts[site, row["post_id"]] = row["digest"].hex(), row.get("text", "")
    judged = {}
    for who, own in judgements.items():
        try:
            text = texts.get((who.site, who.post))
            if text is None:
                kinds = " and ".join(f"{kind}s" for kind in task.kinds)
                of = ", ".join(sorted({bucket.rpartition("/")[0] for bucket in buckets})[:3])
                raise InputError(
                    f"{own[0].where}: {who.site}:{who.post} is no example of {task.name} in this corpus, whose "
                    f"examples are {kinds} of {of}"
                )
            judged[who] = list(_votes(who, own, task, *text))
        except InputError as error:
            lost.append((own[0].number, str(error), len(own)))
            continue
        if not task.spans:
            done.other_text += any(row.digest is not None and row.digest != text[0] for row in own)
    return judged


def _votes(who: _Who, own: Sequence[_Said], task: Task, digest: str, text: str) -> Iterator[dict[str, Any]]:
    """A person's votes on a post, in the order of the table.

    Raises:
        InputError: rows contradict each other, or a mark is not in the text.
    """
    if task.spans:
        yield from _spans(who, own, digest, text)
        return
    newest = max(row.at or _EARLIEST for row in own)
    last = [row for row in own if (row.at or _EARLIEST) == newest]
    other = next((row for row in last if row.label != last[0].label), None)
    if other is not None:
        raise InputError(
            f"{other.where}: {who.site}:{who.post} has {last[0].label or SKIP[0]} in {last[0].where} and "
            f"{other.label or SKIP[0]} here, by the same person; remove one, or say by time which is the last"
        )
    yield _vote(who, last[-1], None, last[-1].label)


_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


def _spans(who: _Who, own: Sequence[_Said], digest: str, text: str) -> Iterator[dict[str, Any]]:
    marks: dict[tuple[int, int], tuple[str, _Said]] = {}
    for row in own:
        # Of marks too whose text is the same still: others may be missing in what has changed.
        if row.digest is not None and row.digest != digest and not row.skipped:
            raise InputError(
                f"{row.where}: the text of {who.site}:{who.post} has changed since it was judged (its digest is "
                f"{digest}); judge it again"
            )
        for (start, end, label), slice_ in zip(row.marks, row.slices, strict=True):
            if end > len(text):
                raise InputError(
                    f"{row.where}: the span {start} to {end} ends beyond the text of {who.site}:{who.post}, which has "
                    f"{len(text):,} characters; offsets count code points of the example's text"
                )
            if slice_ is not None and slice_ != text[start:end]:
                raise InputError(
                    f"{row.where}: the text from {start} to {end} of {who.site}:{who.post} is {text[start:end][:60]!r}"
                    f", and not {slice_[:60]!r}: it has changed, or offsets do not count code points"
                )
            before = marks.setdefault((start, end), (label, row))
            if before[0] != label:
                raise InputError(
                    f"{row.where}: {start} to {end} of {who.site}:{who.post} is {before[0]} in {before[1].where} and "
                    f"{label} here, by the same person; remove one"
                )
    empty = [row for row in own if not row.marks]
    if marks and empty:
        marking = next(row for row in own if row.marks)
        raise InputError(
            f"{empty[0].where}: says that {who.site}:{who.post} has no spans, or was skipped, and {marking.where} "
            "marks some, by the same person; remove one"
        )
    if not marks:
        yield _vote(who, empty[-1], None, None)
    for place in sorted(marks):
        label, row = marks[place]
        yield _vote(who, row, place, label)


def _vote(who: _Who, row: _Said, place: tuple[int, int] | None, label: str | None) -> dict[str, Any]:
    evidence: dict[str, Any] = {"project": PROJECT, "blind": row.blind}
    if row.digest is not None:
        evidence["digest"] = row.digest
    if who.adjudicated:
        evidence["adjudicated"] = True
    if label is None:
        evidence["nothing" if row.nothing else "skipped"] = True
    return {
        "site": who.site,
        "post_id": who.post,
        "start": place[0] if place is not None else None,
        "end": place[1] if place is not None else None,
        "function": who.function,
        "version": pull.VERSION,
        "source": "person",
        "label": label,
        "evidence": json.dumps(evidence),
        "at": row.at,
        "seconds": None,
    }


def disputed(root: Path, task: Task) -> dict[str, dict[str, annotators.Judgement]]:
    """Posts that several people judged, and not all in the same way, on which nobody has decided: who says what."""
    path = root / schema.people_path(task.name)
    by_site: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in parquet.read(path, schema.VOTES).to_pylist() if files.exists(path) else ():
        by_site[row["site"]].append(row)
    waiting = {}
    for site, own in sorted(by_site.items()):
        settled = {row["post_id"] for row in annotators.standing(own) if annotators.adjudicates(row)}
        for post, judgements in sorted(annotators.disputed(own, task.spans).items()):
            if post not in settled:
                waiting[f"{site}:{post}"] = judgements
    return waiting


def judged_posts(root: Path, task: Task) -> set[str]:
    """Keys of the posts of which anybody has said anything."""
    path = root / schema.people_path(task.name)
    if not files.exists(path):
        return set()
    table = parquet.read(path, schema.VOTES, ["site", "post_id"])
    return {f"{site}:{post}" for site, post in zip(*(column.to_pylist() for column in table.columns), strict=True)}
