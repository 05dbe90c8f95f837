"""Judging names instead of spans: the commonest pairs of name and label, each as a task with a few of its contexts.

What is most often labelled is judged first: few names make most of all spans. The verdicts teach the probabilities of
all their mentions, and of names of the same label (`aggregation.weighed`).
"""

import hashlib
import heapq
import html
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow.compute as pc

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files, parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.label_studio import interface as label_studio_interface
from socorpus.labeling.label_studio import pull, push, sampling, validation
from socorpus.labeling.label_studio import state as label_studio_state
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.pull import Pulled
from socorpus.labeling.label_studio.push import Project, Pushed
from socorpus.labeling.label_studio.state import SyncState
from socorpus.labeling.label_studio.sync import LONGEST_TITLE, Say, Synced, create, find
from socorpus.labeling.schema import TASKS, Task

LIMIT = 200
CONTEXTS = 3
LONGEST = 80
"""Code points of a name; what is longer is a piece of text, and seldom occurs twice."""
AROUND = 150
"""Code points of text on either side of a name."""
ANSWERS = {
    "all": "in each of them",
    "most": "in two of three",
    "few": "in one of three",
    "none": "in none of them",
}
_RIGHT = {"all": CONTEXTS, "most": 2, "few": 1, "none": 0}
_MOST_COUNTED = 1_000_000
"""Pairs that are counted at a time; the rarer half is forgotten beyond."""
_SORTED_BY = ("label", "name", "function", "at")
Pair = tuple[str, str]
"""A label, and a name in lower case."""


@dataclass(frozen=True, order=True)
class Mention:
    """A mention of a name in a post (code points of the example's text); in the order in which they are chosen."""

    again: int
    """Number of earlier mentions in the same post."""
    drawn: bytes
    key: str
    text: str
    start: int
    """Of the name in `text`, which is the piece around it."""
    end: int
    url: str | None


def default_title(root: Path, task: Task) -> str:
    """Title of the project of a corpus's names."""
    what = f"names of {task.name}"
    return f"{root.absolute().name[: LONGEST_TITLE - len(what) - 2]}: {what}"[-LONGEST_TITLE:]


def check(task: Task) -> None:
    """Check that names of a task can be judged.

    Raises:
        InputError: its labels are of whole texts, or its functions have no common probability that could be corrected.
    """
    if not task.spans:
        spans = [name for name, other in TASKS.items() if other.spans and other.weigher is not None]
        raise InputError(
            f"{task.name}: names are judged only where labels are of spans, such as --task {spans[0]}; socorpus "
            "labeling sync judges whole texts"
        )
    if task.weigher is None:
        raise InputError(
            f"{task.name}: none of its functions weighs the others, so judgements of names would change nothing; "
            "socorpus labeling sync judges whole texts"
        )


def commonest(root: Path, task: Task, limit: int, without: Collection[Pair] = ()) -> list[Pair]:
    """The pairs of label and name that most labels of functions have, the commonest first; ties by the alphabet.

    In corpora with more than `_MOST_COUNTED` different pairs the rarest of them may be miscounted.
    """
    counts: Counter[Pair] = Counter()
    for bucket in sampling.buckets(root, task):
        for label, name, *_ in _labelled(root, task, bucket):
            counts[label, name.lower()] += 1
        if len(counts) > _MOST_COUNTED:
            counts = Counter(dict(counts.most_common(_MOST_COUNTED // 2)))
    known = set(without)
    pairs = (pair for pair in counts if pair not in known)
    return heapq.nsmallest(limit, pairs, key=lambda pair: (-counts[pair], pair))


def contexts(root: Path, task: Task, pairs: Iterable[Pair]) -> dict[Pair, list[Mention]]:
    """At most `CONTEXTS` mentions of each pair, drawn by hash, of different posts if there are as many."""
    chosen: dict[Pair, list[Mention]] = {pair: [] for pair in pairs}
    for bucket in sampling.buckets(root, task):
        seen: Counter[tuple[Pair, str]] = Counter()
        for label, name, key, text, start, end, url in _labelled(root, task, bucket):
            pair = label, name.lower()
            if pair not in chosen:
                continue
            again = seen[pair, key]
            seen[pair, key] += 1
            drawn = hashlib.blake2b(f"{label} {key} {start}".encode(), digest_size=8, person=b"names").digest()
            held = chosen[pair]
            if len(held) == CONTEXTS and (again, drawn) >= (held[-1].again, held[-1].drawn):
                continue
            first, last = max(0, start - AROUND), min(len(text), end + AROUND)
            held.append(Mention(again, drawn, key, text[first:last], start - first, end - first, url))
            held.sort()
            del held[CONTEXTS:]
    return chosen


def _labelled(root: Path, task: Task, bucket: str) -> Iterator[tuple[str, str, str, str, int, int, str | None]]:
    """Label, name, key, text, start, end and address of each span of a bucket that functions labelled."""
    path = root / schema.path(task.name, "labels", bucket)
    if not files.exists(path):
        return
    spans = parquet.read(path, schema.LABELS, ["site", "post_id", "start", "end", "label", "source"])
    spans = spans.filter(pc.not_equal(spans["source"], "person"))
    examples = example_texts.read(root, task.name, bucket, _OF_EXAMPLES)
    texts = dict(
        zip(
            examples["post_id"].to_pylist(),
            zip(examples["text"].to_pylist(), examples["url"].to_pylist(), strict=True),
            strict=True,
        )
    )
    columns = (spans[name].to_pylist() for name in ("site", "post_id", "start", "end", "label"))
    for site, post, start, end, label in zip(*columns, strict=True):
        if end - start <= LONGEST and label not in task.leave_out:
            text, url = texts[post]
            yield label, text[start:end], f"{site}:{post}", text, start, end, url


_OF_EXAMPLES = ["post_id", "text", "url"]


def sync(
    root: Path,
    client: Client,
    title: str,
    task: Task,
    *,
    limit: int = LIMIT,
    say: Say = lambda _: None,
    tree: Path | None = None,
) -> Synced:
    """Bring a project of names and a corpus up to date with each other; safe to repeat, and to stop.

    Args:
        root: folder of the corpus, with labels of `task`; judgements are written there (`schema.names_path`).
        client: of the server; a `read_only` one makes this a dry run.
        title: of the project, which is created if there is none.
        limit: number of names to fill the project up to; those that are there stay, with their contexts.
        tree: the tree of the finished corpus, to be read; `root` itself, if None.

    Raises:
        InputError: an error of `check` or `sync.find`, or the corpus has no labels of the task.
        BuildError: the connection was lost, or the server lacks what was sent; the same command continues.
    """
    check(task)
    tables = tree or root
    facts = find(client, title, f"names of {task.name}", lambda controls: _fits(controls, task))
    if facts is None and client.read_only:
        sampling.buckets(tables, task)
        return Synced(None, True, Pushed(created=len(commonest(tables, task, limit))), Pulled())
    created = facts is None
    facts = facts if facts is not None else create(client, _settings(title, task))
    project = Project(client, facts["id"], f"{facts['id']}@{facts['created_at']}")
    with label_studio_state.opened(root, dry=client.read_only) as database:
        state = SyncState(database, project.identity)
        result = Synced(project.number, created, push.reconcile(project, state, say), Pulled())
        result.pulled = pull.pull(project, state, say)
        _push(tables, task, project, state, limit, say, result)
        rows = judgements(state.annotations(), project.identity, result.pulled)
        result.pulled.votes, result.pulled.annotators = len(rows), len({row["function"] for row in rows})
        if not client.read_only:
            path = root / schema.names_path(task.name)
            pull.write(path, project.identity, rows, schema.NAMES, _SORTED_BY)
    return result


def _push(root: Path, task: Task, project: Project, state: SyncState, limit: int, say: Say, result: Synced) -> None:
    for attempt in range(2):
        known = state.tasks()
        present = [sent for sent in known.values() if not sent.removed]
        more = limit - len(present)
        if attempt == 0:
            result.pushed.unchanged = len(present)
        if more > 0:
            there = [_pair(sent.post) for sent in known.values()]
            drawn = contexts(root, task, commonest(root, task, more, there))
            payloads = []
            for pair, mentions in drawn.items():
                task_of_name = payload(pair, mentions, task)
                if reasons := validation.problems(task_of_name, task):
                    result.refused.append(f"{' '.join(pair)}: {'; '.join(reasons)}")
                else:
                    payloads.append(task_of_name)
            push.create(project, state, payloads, len(payloads), say, result.pushed)
        if project.client.read_only or push.verified(project, state) is None:
            return
        say("the server does not have all that was sent: looking up what is there, and sending the rest")
        push.survey(project, state, result.pushed, say)
    if lacking := push.verified(project, state):
        (tasks, _), (counted, _) = lacking
        raise BuildError(
            f"project {project.number} has {counted:,} tasks where {tasks:,} were sent; run the same command again"
        )


def _pair(post: str) -> Pair:
    label, _, name = post.partition(" ")
    return label, name


def payload(pair: Pair, mentions: Sequence[Mention], task: Task) -> dict[str, Any]:
    """A name as a Label Studio task, without a suggestion."""
    label, name = pair
    mended = [validation.mend(mention.text).text for mention in mentions]
    shown = validation.line(mentions[0].text[mentions[0].start : mentions[0].end])
    links = "".join(f"<li>{label_studio_interface.link(mention.key, mention.url)}</li>" for mention in mentions)
    meaning = html.escape(f"{label}: {task.meanings[label]}")
    data = {
        "ext_id": label_studio_interface.external_id(f"name {label} {name}"),
        "post": f"{label} {name}",
        "title": validation.line(f"In how many of these contexts is “{shown}”, as it is marked, of type {label}?"),
        "text": "\n\n".join(mended),
        "html": "".join(_context(number, mention) for number, mention in enumerate(mentions, 1)),
        "about": validation.line(f"<p>{meaning}</p><p>The contexts are of</p><ol>{links}</ol>"),
        "blind": True,
        "named": {"label": label, "name": name, "times": len(mentions)},
    }
    return {"data": data, "predictions": []}


def _context(number: int, mention: Mention) -> str:
    before, name, after = (
        html.escape(validation.mend(piece).text)
        for piece in (
            mention.text[: mention.start],
            mention.text[mention.start : mention.end],
            mention.text[mention.end :],
        )
    )
    return f"<p><b>{number}.</b> …{before}<mark>{name}</mark>{after}…</p>"


def _settings(title: str, task: Task) -> dict[str, Any]:
    return {
        "title": title,
        "description": f"socorpus: names of {task.name}",
        "label_config": config(task),
        "expert_instruction": (
            "<p>Each task is a name that was labelled, marked in up to three of its contexts. Say in how many of them "
            "the label is right: exactly what is marked, and of this type. Of fewer contexts, “all” means each of "
            "them. Skip what you can't say.</p>"
        ),
        "show_instruction": True,
        "show_skip_button": True,
    }


def config(task: Task) -> str:
    """The interface for names of a task as Label Studio's XML."""
    choices = "\n".join(
        f"        <Choice value={quoteattr(answer)} hint={quoteattr(hint)}/>" for answer, hint in ANSWERS.items()
    )
    return f"""<View>
  <Style>{label_studio_interface.STYLE_OF_TEXTS}  </Style>
  <View className="socorpus">
    <View className="socorpus-text">
    <Header value="$title" size="4"/>
    <HyperText name="text" value="$html" inline="true"/>
    </View>
    <View className="socorpus-side">
      <Choices name="{_control(task)}" toName="text" choice="single-radio" required="true" \
requiredMessage="Choose one, or skip the name.">
{choices}
      </Choices>
      <HyperText name="about" value="$about" inline="true"/>
    </View>
  </View>
</View>
"""


def _control(task: Task) -> str:
    return f"{task.name}_names"


def _fits(controls: Mapping[str, Any], task: Task) -> str | None:
    control = controls.get(_control(task))
    if control is None or control.get("type") != "Choices" or set(ANSWERS) - set(control.get("labels", ())):
        return f"it has no <Choices name={_control(task)!r}> with {', '.join(ANSWERS)}"
    return None


def judgements(annotations: Iterable[Mapping[str, Any]], project: str, pulled: Pulled) -> list[dict[str, Any]]:
    """Annotations as rows of `schema.NAMES`: the last one of each person on each name; a skip is none."""
    last: dict[tuple[int, str], Mapping[str, Any]] = {}
    for annotation in sorted(annotations, key=lambda annotation: (annotation["updated_at"], annotation["id"])):
        last[annotation["ext_id"], annotation["person"]] = annotation
    rows = []
    for annotation in last.values():
        named = annotation.get("named")
        if annotation["was_cancelled"] or named is None:
            continue
        answers = [
            choice for region in annotation["result"] or () for choice in region["value"].get("choices") or ("",)
        ]
        if len(answers) != 1 or answers[0] not in _RIGHT:
            pulled.conflicts.append(
                f"{annotation['post']}: annotation {annotation['id']}: {answers} is none of {', '.join(_RIGHT)}"
            )
            continue
        times = named["times"]
        rows.append(
            {
                "label": named["label"],
                "name": named["name"],
                "function": f"person:{annotation['person']}",
                "right": min(_RIGHT[answers[0]], times),
                "times": times,
                "evidence": json.dumps({"annotation": annotation["id"], "project": project}),
                "at": datetime.fromisoformat(annotation["updated_at"].replace("Z", "+00:00")),
                "seconds": annotation["lead_time"],
            }
        )
    return rows
