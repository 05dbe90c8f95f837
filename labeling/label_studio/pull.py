"""Annotations of a project: those changed or deleted since the last pull, and as votes of persons."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
from socorpus.corpus.takedown import removals
from socorpus.corpus.takedown.removals import Ids
from socorpus.labeling import schema
from socorpus.labeling.label_studio import validation
from socorpus.labeling.label_studio.client import TIME, Client, Filter
from socorpus.labeling.label_studio.interface import Example
from socorpus.labeling.label_studio.push import Project, Say
from socorpus.labeling.label_studio.state import SyncState
from socorpus.labeling.schema import Task

OVERLAP = timedelta(seconds=60)
"""Overlap with the last pull: a change gets its time stamp before it is visible."""
PAGE = 500
VERSION = 1
"""Version of votes from annotations."""

_FIELDS = (
    *("id", "data", "updated_at", "annotations", "result", "completed_by", "was_cancelled", "ground_truth"),
    *("lead_time", "created_at", "parent_prediction"),
)
_KEPT = ("id", "result", "was_cancelled", "ground_truth", "lead_time", "created_at", "updated_at", "parent_prediction")
_ANNOTATED = (("total_annotations", "greater", "Number", 0), ("cancelled_annotations", "greater", "Number", 0))
_KEPT_DATA = ("named", "adjudication")
"""Fields of a task's data that its annotations are read by, beside those that every task has."""
_BY = ("site", "post_id", "function", "start", "end", "label")
_Mark = tuple[int | None, int | None, str | None, str | None]
"""Start, end, label, and the marked slice as the browser reported it."""


@dataclass
class Pulled:
    """Result of a pull."""

    tasks: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    deleted: int = 0
    votes: int = 0
    annotators: int = 0
    conflicts: list[str] = field(default_factory=list)
    agreement: dict[str, Any] = field(default_factory=dict)


def pull(project: Project, state: SyncState, say: Say) -> Pulled:
    """Read annotations that are new or changed since the last pull into the state; safe to repeat or interrupt."""
    pulled = Pulled()
    newest = _newest(project)
    if newest is None:
        return pulled
    people = _people(project.client)
    since = state.note("pulled")
    after = [] if since is None else [_updated_after(datetime.strptime(since, TIME) - OVERLAP)]
    for condition in _ANNOTATED:
        _read(project, state, [Filter(*condition), *after], people, pulled, say)
    # All annotated tasks are known now; equal counts mean that no task has lost its last annotation.
    if len(state.annotated()) != _annotated(project):
        _look_for_deletions(project, state, people, pulled)
    # Later changes are newer; reading the overlap twice changes nothing.
    state.set_note("pulled", newest)
    return pulled


def _newest(project: Project) -> str | None:
    tasks = project.client.page(project.number, (), ("id", "updated_at"), order="-tasks:updated_at", page_size=1)
    return _canonical(tasks[0]["updated_at"]) if tasks else None


def _canonical(time: str) -> str:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).strftime(TIME)


def _updated_after(time: datetime) -> Filter:
    return Filter("updated_at", "greater", "Datetime", time.strftime(TIME))


def _annotated(project: Project) -> int:
    """Number of tasks that have an annotation or were skipped, as counted by the server."""
    both = [project.client.count(project.number, [Filter(*condition)]) for condition in _ANNOTATED]
    twice = project.client.count(project.number, [Filter(*condition) for condition in _ANNOTATED]) if all(both) else 0
    return sum(both) - twice


def _read(
    project: Project, state: SyncState, filters: Sequence[Filter], people: Mapping[int, str], pulled: Pulled, say: Say
) -> None:
    """Read the annotations of all tasks that meet the filters, paged by task number so that changes shift nothing."""
    last = 0
    while True:
        conditions = [*filters, Filter("id", "greater", "Number", last)]
        tasks = project.client.page(project.number, conditions, _FIELDS, page_size=PAGE)
        with state.together():
            for task in tasks:
                _enter(state, task, people, pulled)
        if len(tasks) < PAGE:
            return
        last = max(task["id"] for task in tasks)
        say(f"annotations read of {pulled.tasks:,} tasks")


def _enter(state: SyncState, task: Mapping[str, Any], people: Mapping[int, str], pulled: Pulled) -> None:
    ext_id = task["data"].get("ext_id")
    if not isinstance(ext_id, int):
        return
    annotations = [
        {name: annotation.get(name) for name in _KEPT}
        | {"person": _person(annotation.get("completed_by"), people), "post": task["data"]["post"]}
        | {"digest": task["data"].get("digest"), "blind": bool(task["data"].get("blind")), "task": task["id"]}
        | {name: task["data"][name] for name in _KEPT_DATA if name in task["data"]}
        for annotation in task["annotations"]
    ]
    counts = state.replace_annotations(task["id"], ext_id, annotations)
    pulled.tasks += 1
    pulled.new += counts["new"]
    pulled.changed += counts["changed"]
    pulled.same += counts["same"]
    pulled.deleted += counts["deleted"]


def _look_for_deletions(project: Project, state: SyncState, people: Mapping[int, str], pulled: Pulled) -> None:
    """Reread every task that had annotations: some no longer have any."""
    numbers = sorted({annotation["task"] for annotation in state.annotations()})
    for start in range(0, len(numbers), PAGE):
        chosen = Filter("id", "in_list", "Number", numbers[start : start + PAGE])
        tasks = project.client.page(project.number, [chosen], _FIELDS, page_size=PAGE)
        with state.together():
            for task in tasks:
                _enter(state, task, people, pulled)


def _people(client: Client) -> dict[int, str]:
    """Number of a user -> name of their votes: a hash of the e-mail, the same on every server."""
    from socorpus.corpus.errors import SocorpusError

    try:
        users = client.users()
    except SocorpusError:
        # Some servers show users only to administrators.
        users = {client.user["id"]: client.user["email"]}
    return {user: pseudonym(email) for user, email in users.items()}


def pseudonym(name: str) -> str:
    """The number that stands for a person in the corpus: a hash of the e-mail address, or of another name."""
    return hashlib.sha256(name.strip().lower().encode()).hexdigest()[:12]


def _person(completed_by: Any, people: Mapping[int, str]) -> str:
    number = completed_by["id"] if isinstance(completed_by, dict) else completed_by
    return people.get(number, f"user-{number}")


def votes(annotations: Iterable[Mapping[str, Any]], project: str, task: Task, pulled: Pulled) -> list[dict[str, Any]]:
    """Annotations as rows of `schema.VOTES`, with offsets in the text as sent, and `slice` (see `moved`).

    Only the last annotation of a task by each person counts: one of a post, and one of its adjudication, which has
    `"adjudicated": true` as evidence. A skipped post is a null label; so is a text of the
    entities task in which a person marked nothing, with `"nothing": true` as evidence.
    """
    last: dict[tuple[int, str], Mapping[str, Any]] = {}
    for annotation in sorted(annotations, key=lambda annotation: (annotation["updated_at"], annotation["id"])):
        last[annotation["ext_id"], annotation["person"]] = annotation
    rows = []
    for annotation in last.values():
        marks, refused = _marks(annotation, task)
        pulled.conflicts += [f"{annotation['post']}: annotation {annotation['id']}: {reason}" for reason in refused]
        for start, end, label, slice_ in marks:
            evidence = {
                "annotation": annotation["id"],
                "project": project,
                "blind": annotation["blind"],
                "from_prediction": annotation["parent_prediction"] is not None,
                "digest": annotation["digest"],
            }
            if annotation.get("adjudication"):
                evidence["adjudicated"] = True
            if annotation["ground_truth"]:
                evidence["ground_truth"] = True
            if label is None:
                evidence["skipped" if annotation["was_cancelled"] else "nothing"] = True
            site, _, post = annotation["post"].rpartition(":")
            rows.append(
                {
                    "site": site,
                    "post_id": int(post),
                    "start": start,
                    "end": end,
                    "function": f"person:{annotation['person']}",
                    "version": VERSION,
                    "source": "person",
                    "label": label,
                    "evidence": json.dumps(evidence),
                    "at": datetime.fromisoformat(annotation["updated_at"].replace("Z", "+00:00")),
                    "seconds": annotation["lead_time"],
                    "slice": slice_,
                }
            )
    return rows


def _marks(annotation: Mapping[str, Any], task: Task) -> tuple[list[_Mark], list[str]]:
    """The marks of an annotation, and the reasons why others are refused."""
    nothing: list[_Mark] = [(None, None, None, None)]
    if annotation["was_cancelled"]:
        return nothing, []
    marks: list[_Mark] = []
    refused = []
    for region in annotation["result"] or ():
        if region.get("from_name") != task.name:
            continue
        value = region["value"]
        labels = value.get("labels" if task.spans else "choices") or []
        if len(labels) != 1 or labels[0] not in task.labels:
            refused.append(f"label {labels} is none of the task's")
        elif not task.spans:
            marks.append((None, None, labels[0], None))
        else:
            # What a person marks in HTML has paths too; a suggestion that was left as it was has only offsets.
            offsets = value.get("globalOffsets", value)
            start, end = offsets.get("start"), offsets.get("end")
            if not (isinstance(start, int) and isinstance(end, int)):
                refused.append(f"mark {start} to {end} has no offsets in the text")
            elif not 0 <= start < end:
                refused.append(f"mark {start} to {end} is empty")
            else:
                marks.append((start, end, labels[0], value.get("text")))
    unique = {mark[:3]: mark for mark in marks}
    return [
        unique[key] for key in sorted(unique, key=lambda key: (key[0] or 0, key[1] or 0, key[2] or ""))
    ] or nothing, refused


def moved(rows: Sequence[dict[str, Any]], examples: Iterable[Example], pulled: Pulled) -> list[dict[str, Any]]:
    """Votes as `schema.VOTES`, their offsets moved to the corpus's texts (`examples`: the current posts).

    Marks of a text that has changed since are kept if their slice is still there; else they are left out and reported
    as conflicts. Labels of whole texts are kept.
    """
    by_post: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_post[f"{row['site']}:{row['post_id']}"].append(row)
    kept = [row for row in rows if row["start"] is None]
    for example in examples:
        mended = validation.mend(example.text)
        marks = [row for row in by_post.pop(example.key, ()) if row["start"] is not None]
        for row in marks:
            same = json.loads(row["evidence"])["digest"] == example.digest.hex()
            slice_ = mended.text[row["start"] : row["end"]]
            if row["end"] > len(mended.text) or (not same and _one_line(row["slice"]) != _one_line(slice_)):
                pulled.conflicts.append(
                    f"{example.key}: a mark of {row['function']} is of a text that has changed since; it is left out"
                )
                continue
            end = mended.original(row["end"], end=True)
            kept.append(row | {"start": mended.original(row["start"]), "end": end})
    return [{name: row[name] for name in schema.VOTES.names} for row in kept]


def _one_line(slice_: str | None) -> str | None:
    """A slice as the browser reports what a person marked: `\\` and `n` for each end of a line."""
    return None if slice_ is None else slice_.replace("\n", "\\n")


def write(
    path: Path, project: str, rows: Sequence[Mapping[str, Any]], form: pa.Schema = schema.VOTES, by: Sequence[str] = _BY
) -> int:
    """Replace the earlier rows of a project; those of other projects stay. Returns the rows of the whole file.

    The file is only written if something changed, so that nothing that depends on it runs again.

    Args:
        path: of the votes of people, or of models, or of people's judgements of names.
        form: the table's schema; each row's evidence names its project.
        by: columns by which the rows are sorted.

    Raises:
        InputError: a link lies in the folder of what people said.
    """
    return replace(path, lambda row: json.loads(row["evidence"]).get("project") != project, rows, form, by)


def replace(
    path: Path,
    stays: Callable[[Mapping[str, Any]], bool],
    rows: Sequence[Mapping[str, Any]],
    form: pa.Schema = schema.VOTES,
    by: Sequence[str] = _BY,
) -> int:
    """Replace those rows of a table of what people said that do not stay; the arguments, else, are those of `write`.

    What is of a post that was removed from the corpus (`socorpus forget`) is left out.

    Returns the rows of the whole file, which is only written if something changed.

    Raises:
        InputError: a link lies in the folder of what people said.
    """
    files.refuse_links(path.parent.parent)
    removed = removals.load(path.parent.parent.parent)
    rows = [row for row in rows if "site" not in row or not _is_removed(row, removed)]
    old = parquet.read(path, form) if files.exists(path) else form.empty_table()
    others = old.filter(pa.array([stays(row) for row in old.to_pylist()], pa.bool_()))
    new = pa.Table.from_pylist(list(rows), schema=form)
    order = [(name, "ascending") for name in by]
    table = pa.concat_tables([others, new])
    table = table.take(pc.sort_indices(table, sort_keys=order)).combine_chunks()
    if not files.exists(path) and not table.num_rows:
        return 0
    if not files.exists(path) or not table.equals(old):
        parquet.write(path, table, form)
    return table.num_rows


def _is_removed(row: Mapping[str, Any], removed: Mapping[str, Ids]) -> bool:
    return row["site"] in removed and row["post_id"] in removed[row["site"]].posts
