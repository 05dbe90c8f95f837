"""The annotators' view in Label Studio: the interface of each task, and a post as a Label Studio task.

A task's data holds the text with only `\\n` as line ends, the same as HTML in which code is marked, context for the
annotator, and an identifier by which the post is found again. Offsets of marks are code points of the text, as in
Python: `<HyperText>` counts those of its text content, which is the text itself, and takes them without a path too.
"""

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from typing import Any
from xml.sax.saxutils import quoteattr

from socorpus.labeling.aggregation import annotators
from socorpus.labeling.label_studio import validation
from socorpus.labeling.schema import Task

PREFIX = "socorpus "
"""Prefix of our predictions' model version; others (such as a connected model's) are not touched."""
ADJUDICATION = "adjudication"
"""Field of a task's data that the tasks of adjudicators have."""
MOST_EVIDENCE = 40
"""Votes that are shown beside a text."""
_EVIDENCE_CHARS = 160

_COLORS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
    *("#3366cc", "#dc3912", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00", "#b82e2e", "#316395", "#994499"),
    *("#22aa99", "#aaaa11"),
)
_STYLE = """
    .socorpus { display: flex; gap: 1.5em; align-items: flex-start; }
    .socorpus-text { flex: 3 1 0; min-width: 0; }
    .socorpus-side { flex: 1 1 16em; min-width: 14em; position: sticky; top: 0; overflow-wrap: anywhere; }
    .socorpus-side p, .socorpus-side li { margin: 0.5em 0; }
    .socorpus-text [class*="richtext__container"], .socorpus-text [class*="richtext__line"] {
      white-space: pre-wrap !important; tab-size: 4; }
"""
_MONOSPACE = 'font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace !important;'
_STYLE_OF_CODE = (
    f"    .socorpus-text code {{ {_MONOSPACE} font-size: 0.95em; background: rgba(127, 127, 127, 0.12); }}\n"
)
_STYLE_OF_SPANS = f"""{_STYLE}{_STYLE_OF_CODE}
    .socorpus-text .htx-highlight {{ font-family: inherit !important; white-space: inherit !important; }}
"""
# The panels of regions and their details have nothing to show where whole texts are judged.
STYLE_OF_TEXTS = f"""{_STYLE}{_STYLE_OF_CODE}
    [class*="lsf-sidepanels__wrapper"] {{ display: none !important; }}
    .lsf-sidepanels {{ padding: 0 !important; }}
"""
"""Style of the interface for whole texts."""


def config(task: Task) -> str:
    """The interface of a task as Label Studio's XML."""
    question = quoteattr(_asked(task))
    if task.spans:
        labels = "\n".join(
            f"      <Label value={quoteattr(label)} background={quoteattr(color)}/>"
            for label, color in zip(task.labels, cycle(_COLORS), strict=False)
        )
        above, aside = f'    <Labels name="{task.name}" toName="text" showInline="true">\n{labels}\n    </Labels>\n', ""
        style, text = _STYLE_OF_SPANS, '<HyperText name="text" value="$html" inline="true" granularity="symbol"/>'
    else:
        choices = "\n".join(
            f"        <Choice value={quoteattr(label)} hint={quoteattr(task.meanings[label])}/>"
            for label in task.labels
        )
        above = ""
        aside = (
            f'      <Choices name="{task.name}" toName="text" choice="single-radio" required="true" '
            f'requiredMessage="Choose one, or skip the post.">\n{choices}\n      </Choices>\n'
        )
        style, text = STYLE_OF_TEXTS, '<HyperText name="text" value="$html" inline="true"/>'
    return f"""<View>
  <Style>{style}  </Style>
  <View className="socorpus">
    <View className="socorpus-text">
    <Header value={question} size="4"/>
{above}    <Header value="$title" size="3"/>
    {text}
    </View>
    <View className="socorpus-side">
{aside}      <HyperText name="about" value="$about" inline="true"/>
    </View>
  </View>
</View>
"""


def instruction(task: Task) -> str:
    """A task's instructions to annotators, as HTML."""
    meanings = "".join(
        f"<li><b>{html.escape(label)}</b>: {html.escape(meaning)}</li>" for label, meaning in task.meanings.items()
    )
    return f"<p>{html.escape(_asked(task))}</p><ul>{meanings}</ul><p>Skip what you can't say: that is kept as such.</p>"


def _asked(task: Task) -> str:
    return f"{task.question} Choose a type, then mark each mention of that type." if task.spans else task.question


def fits(controls: Mapping[str, Any], task: Task) -> str | None:
    """The reason why a project's interface can't take this task's labels; None if it can.

    Args:
        controls: the server's `parsed_label_config`: control -> type, to_name, labels.
    """
    control = controls.get(task.name)
    kind = "Labels" if task.spans else "Choices"
    if control is None or control.get("type") != kind or "text" not in control.get("to_name", ()):
        return f"it has no <{kind} name={task.name!r} toName='text'>"
    if missing := [label for label in task.labels if label not in control.get("labels", ())]:
        return f"it lacks the labels {', '.join(missing)}"
    return None


@dataclass(frozen=True)
class Label:
    """One label of an example, of the whole text or of a span of it (code points), with the votes for it."""

    label: str
    probability: float
    source: str
    conflict: bool = False
    start: int | None = None
    end: int | None = None
    votes: tuple[tuple[str, str | None, str], ...] = ()
    """Function, label, evidence as JSON."""


@dataclass(frozen=True)
class Example:
    """A row of `schema.EXAMPLES` with its rows of `schema.LABELS`."""

    site: str
    post_id: int
    split: str
    kind: str
    created: datetime
    score: int
    tags: tuple[str, ...]
    title: str | None
    text: str
    url: str | None
    license: str
    author: str | None
    digest: bytes
    labels: tuple[Label, ...] = field(default=())
    code: tuple[tuple[int, int], ...] = ()
    """Starts and ends of the code in the text (code points), ascending and apart."""

    @property
    def key(self) -> str:
        """`SITE:POST_ID`."""
        return f"{self.site}:{self.post_id}"


def external_id(key: str) -> int:
    """The number that identifies a post on a server: 53 bits of a hash of `SITE:POST_ID`.

    The server and browsers treat such numbers as floats, whose neighbours above 2^53 are equal. Two of 100,000 posts
    have the same number with a chance of 1 in 2 million; that is detected, and the second is refused.
    """
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") >> 11


def is_blind(key: str, share: float) -> bool:
    """Whether a post is in the share that is shown without predictions and evidence; always the same posts."""
    drawn = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, person=b"blind").digest(), "big")
    return drawn < share * 2.0**64


def payload(
    example: Example,
    task: Task,
    model_version: str,
    blind: bool,
    judgements: Mapping[str, annotators.Judgement] | None = None,
) -> dict[str, Any]:
    """A post as a task: its data and at most one prediction.

    A person's label is not sent as a prediction: annotators must not see each other's labels. A blind task has no
    prediction, no evidence and no score.

    Args:
        judgements: what people said of the post, for the task of an adjudicator, who sees it; the prediction are the
            spans on which all of them agree.
    """
    mended = validation.mend(example.text)
    data = {
        "ext_id": external_id(example.key),
        "post": example.key,
        "digest": example.digest.hex(),
        "title": validation.line(example.title or f"{example.kind.capitalize()} {example.post_id}"),
        "text": mended.text,
        "html": _html(mended, example.code),
        "tags": validation.line(" ".join(example.tags)),
        "split": example.split,
        "blind": blind,
        "about": _about(example, task, blind),
    }
    if judgements is not None:
        data |= _adjudication(example, task, judgements)
    shown = [label for label in example.labels if label.source != "person"]
    by_person = len(shown) < len(example.labels)
    if judgements is not None:
        shown = _agreed(judgements) if task.spans else []
    elif blind or by_person:
        shown = []
    predictions = [_prediction(shown, task, mended, model_version)] if shown else []
    return {"data": data, "predictions": predictions}


def adjudication_id(key: str) -> int:
    """The number that identifies the task of a post's adjudicator."""
    return external_id(f"adjudication {key}")


def _adjudication(example: Example, task: Task, judgements: Mapping[str, annotators.Judgement]) -> dict[str, Any]:
    """What the task of an adjudicator has instead of an annotator's data."""
    lines: dict[str, list[str]] = {}
    for person, judged in sorted(judgements.items()):
        for what in sorted(_named(example, judged), key=str) or ["nothing"]:
            lines.setdefault(what, []).append(person.removeprefix("person:"))
    rows = "".join(
        f"<li>{html.escape(what)}: {len(people)} of {len(judgements)} ({', '.join(people)})</li>"
        for what, people in lines.items()
        if len(people) < len(judgements) or not task.spans
    )
    return {
        "ext_id": adjudication_id(example.key),
        "title": validation.line(f"Adjudication: {example.title or example.key}"),
        "about": validation.line(
            f"<p>{link(example.key, example.url)}</p><p>People judged this post differently. What is said here stands "
            f"above their judgements:</p><ul>{rows}</ul>"
        ),
        ADJUDICATION: "yes",
    }


def _named(example: Example, judged: annotators.Judgement) -> list[str]:
    if isinstance(judged, str):
        return [judged]
    return [f"{start}–{end} “{example.text[start:end]}” {label}" for start, end, label in judged]


def _agreed(judgements: Mapping[str, annotators.Judgement]) -> list[Label]:
    """The spans that all people marked, as labels without votes."""
    marks = [judged for judged in judgements.values() if not isinstance(judged, str)]
    common = frozenset.intersection(*marks) if marks else frozenset()
    return [Label(label, 1.0, "person", False, start, end) for start, end, label in sorted(common)]


def _html(mended: validation.Mended, code: Sequence[tuple[int, int]]) -> str:
    """A text as HTML in which code is marked as such."""
    pieces, last = [], 0
    for start, end in code:
        first, after = mended.sent(start), mended.sent(end)
        pieces += [html.escape(mended.text[last:first]), "<code>", html.escape(mended.text[first:after]), "</code>"]
        last = after
    return "".join([*pieces, html.escape(mended.text[last:])])


def judged_by_people(example: Example) -> bool:
    """Whether a person's label overrides the functions' in this example; its prediction then stays as it was."""
    return any(label.source == "person" for label in example.labels)


def _prediction(labels: Sequence[Label], task: Task, mended: validation.Mended, version: str) -> dict[str, Any]:
    """Labels as a Label Studio prediction; its score is the probability, for spans the mean."""
    regions: list[dict[str, Any]] = []
    for label in labels:
        region: dict[str, Any] = {"from_name": task.name, "to_name": "text"}
        if task.spans:
            start, end = mended.sent(label.start or 0), mended.sent(label.end or 0)
            value = {"start": start, "end": end, "text": mended.text[start:end], "labels": [label.label]}
            region |= {"id": f"s{start}-{end}-{label.label}", "type": "labels", "value": value}
            region["score"] = round(label.probability, 3)
        else:
            region |= {"id": "label", "type": "choices", "value": {"choices": [label.label]}}
        regions.append(region)
    score = round(sum(label.probability for label in labels) / len(labels), 3)
    return {"model_version": version, "score": score, "result": regions}


def _about(example: Example, task: Task, blind: bool) -> str:
    """The panel beside the text, as HTML: the post's link, tags, score, licence, and the evidence of the votes."""
    written = html.escape(f"by {example.author}, " if example.author else "") + html.escape(example.license)
    post = link(example.key, example.url)
    rows = [f"<p>{post} ({example.kind}, {example.created:%Y-%m-%d}), {written}</p>"]
    if example.tags:
        rows.append(f"<p>Tags: <b>{html.escape(' '.join(example.tags))}</b></p>")
    if blind:
        rows.append("<p><i>No suggestion is shown for this post.</i></p>")
    else:
        rows.append(f"<p>Score: <b>{example.score}</b></p>")
        rows += _evidence(example, task)
    return validation.line("".join(rows))


def link(key: str, url: str | None) -> str:
    """A post's key as HTML, linked to its address if that is one of the web: other schemes could run a script."""
    if url is None or not url.startswith(("https://", "http://")):
        return html.escape(key)
    return f'<a href="{html.escape(url)}" target="_blank" rel="noopener noreferrer">{html.escape(key)}</a>'


def _evidence(example: Example, task: Task) -> list[str]:
    """Votes of the labelling functions; those that rest on the same evidence are named together, and it once."""
    voters: dict[tuple[str, str], list[str]] = {}
    for label in example.labels:
        what = f"“{example.text[label.start : label.end]}” " if task.spans else ""
        for function, voted, evidence in label.votes:
            # Other people's labels are not evidence.
            if not function.startswith("person:"):
                voters.setdefault((f"{what}{voted}", _short(evidence)), []).append(function)
    if not voters:
        return []
    lines = [(f"{what}: {', '.join(functions)}", why) for (what, why), functions in voters.items()]
    rows = [f"<li>{html.escape(vote)}<br><small>{html.escape(why)}</small></li>" for vote, why in lines[:MOST_EVIDENCE]]
    more = f"<p>… and {len(lines) - MOST_EVIDENCE} more</p>" if len(lines) > MOST_EVIDENCE else ""
    return [f"<p>Votes of the labelling functions:</p><ul>{''.join(rows)}</ul>{more}"]


def _short(evidence: str) -> str:
    try:
        value = json.loads(evidence)
    except ValueError:
        value = evidence
    pairs = value.items() if isinstance(value, dict) else ()
    text = ", ".join(f"{name}: {item}" for name, item in pairs) if pairs else "" if value == {} else str(value)
    return text if len(text) <= _EVIDENCE_CHARS else text[: _EVIDENCE_CHARS - 1] + "…"
