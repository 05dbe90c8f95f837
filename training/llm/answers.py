"""The form of a chat model's answer, and its parser: JSON amid chatter, labels, quotes as spans.

A model can't count characters, so it quotes: `{"text": "Java", "type": "Language", "occurrence": 2}` is the second
"Java" of the text. Occurrences as whole words are counted first, then those within words, each from the start of the
text; `tell` writes the numbers that `read` takes.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span, resolve
from socorpus.training.examples.example import Example, Prediction

Gap = tuple[int, int]
"""Start and end of the part of a text that was left out, in code points."""

UNSAID = 0.8
"""Confidence of a readable label that came without one."""
_LEAST, _MOST = 1e-3, 0.999
"""Minimum margin of the answer's probability above chance, and its maximum."""
_BRACES, _CHARACTERS = 50, 50_000
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_FENCE = re.compile(r"```[\w-]*")


class UnreadableError(ValueError):
    """An answer without the requested form; the message, which says what is wrong, is for the model."""


@dataclass(frozen=True)
class Read:
    """An answer that could be read.

    Attributes:
        unmatched: number of entities dropped because their quote isn't in the text or their type is unknown.
    """

    prediction: Prediction
    unmatched: int = 0


def schema(task: Task) -> dict[str, Any]:
    """JSON schema of an answer, within OpenAI's `strict` subset (all properties required, no others)."""
    if not task.spans:
        return _object(label={"type": "string", "enum": [*task.labels]}, confidence={"type": "number"})
    kinds = {"type": "string", "enum": [*task.labels]}
    entity = _object(text={"type": "string"}, type=kinds, occurrence={"type": "integer"})
    return _object(entities={"type": "array", "items": entity})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def tell(task: Task, example: Example, gap: Gap | None = None) -> str:
    """The correct answer for an example, as JSON, without spans that touch the gap."""
    if task.spans:
        spans = [_trimmed(example.text, span) for span, _ in example.spans]
        shown = [span for span in spans if span.start < span.end and _seen(span.start, span.end, gap)]
        return _dumps({"entities": [_quoted(example.text, span, gap) for span in shown]})
    known = example.probabilities[example.label] if example.probabilities else 1.0
    # Shots that are always certain teach the model to be always certain.
    return _dumps({"label": task.labels[example.label], "confidence": round(min(known, 0.95), 2)})


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _trimmed(text: str, span: Span) -> Span:
    """A span without white space at its ends; quotes are read without it."""
    quote = text[span.start : span.end]
    start = span.start + len(quote) - len(quote.lstrip())
    return Span(start, start + len(quote.strip()), span.label)


def _quoted(text: str, span: Span, gap: Gap | None) -> dict[str, Any]:
    quote = text[span.start : span.end]
    starts = [start for start, _ in _places(text, re.escape(quote), gap)]
    return {"text": quote, "type": span.label, "occurrence": starts.index(span.start) + 1}


def unanswered(task: Task) -> Prediction:
    """The prediction in place of an answer that could not be read: equal probabilities, or no spans."""
    count = len(task.labels)
    return Prediction(() if task.spans else (1 / count,) * count, answered=False)


def read(task: Task, text: str, reply: str, gap: Gap | None = None) -> Read:
    """Read an answer.

    Args:
        text: the whole text of the example.
        reply: the model's reply; code fences, chatter around the JSON and trailing commas are ignored.
        gap: the part of the text that the model didn't see; no quote is matched there.

    Raises:
        UnreadableError: the reply has no JSON object of the requested form.
    """
    wanted = "entities" if task.spans else "label"
    fault = UnreadableError(f'there is no complete JSON object with "{wanted}" in it')
    for tried, answer in enumerate(value for value in _objects(reply) if wanted in value):
        try:
            return _spans(task, text, answer["entities"], gap) if task.spans else _label(task, answer)
        except UnreadableError as error:
            # Chatter may repeat the requested form before the answer.
            fault = error if tried == 0 else fault
    raise fault


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """JSON objects of a text in order, including those within an object that can't be parsed."""
    # A model's reasoning before its answer may contain braces too.
    reply = _FENCE.sub(" ", reply.rpartition("</think>")[2][:_CHARACTERS])
    decoder = json.JSONDecoder(strict=False)
    start, tries = reply.find("{"), 0
    while start >= 0 and tries < _BRACES:
        tries += 1
        for text in (reply[start:], _COMMA.sub(lambda match: match.group(1) or "", reply[start:])):
            try:
                value, _ = decoder.raw_decode(text)
            except (ValueError, RecursionError):
                continue
            yield value
            break
        start = reply.find("{", start + 1)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _named(task: Task, name: Any) -> int | None:
    """Index of a label by its name; case, spaces and underscores are ignored."""
    if not isinstance(name, str):
        return None
    if name in task.labels:
        return task.index(name)
    alike = [index for index, label in enumerate(task.labels) if _plain(label) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _label(task: Task, answer: Mapping[str, Any]) -> Read:
    label = _named(task, answer["label"])
    if label is None:
        raise UnreadableError(f'"label" is {_dumps(answer["label"])[:80]}, which is none of {", ".join(task.labels)}')
    return Read(Prediction(probabilities(len(task.labels), label, _confidence(answer.get("confidence")))))


def _confidence(given: Any) -> float:
    """A confidence from 0 to 1, from a number or a text such as "85%"; `UNSAID` for anything else."""
    text = str(given).strip()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return UNSAID
    if isinstance(given, bool) or not math.isfinite(value) or value < 0:
        return UNSAID
    return min(1.0, value / 100 if value >= 2 else value)


def probabilities(count: int, label: int, confidence: float) -> tuple[float, ...]:
    """The confidence for the label, the rest divided among the others; the label stays likeliest, but never certain."""
    sure = min(_MOST, max(confidence, 1 / count + _LEAST))
    return tuple(sure if index == label else (1 - sure) / (count - 1) for index in range(count))


def _spans(task: Task, text: str, entities: Any, gap: Gap | None) -> Read:
    if not isinstance(entities, list):
        raise UnreadableError('"entities" is not a list')
    spans: list[Span] = []
    unmatched = 0
    for entity in entities:
        span = _span(task, text, entity, spans, gap) if isinstance(entity, dict) else None
        if span is None:
            unmatched += 1
        elif span not in spans:
            spans.append(span)
    return Read(
        Prediction(spans=tuple((span, 1.0) for span in resolve((candidate, 1.0) for candidate in spans))), unmatched
    )


def _span(task: Task, text: str, entity: Mapping[str, Any], taken: list[Span], gap: Gap | None) -> Span | None:
    quote, label = entity.get("text"), _named(task, entity.get("type"))
    if label is None or not isinstance(quote, str) or not quote.strip():
        return None
    # First the exact quote, then ignoring white space and case.
    loose = r"\s+".join(map(re.escape, quote.split()))
    for pattern, flags in ((re.escape(quote.strip()), 0), (loose, re.IGNORECASE)):
        places = list(_places(text, pattern, gap, flags))
        if places:
            index = _occurrence(entity.get("occurrence"), [Span(*place, task.labels[label]) for place in places], taken)
            return None if index is None else Span(*places[index], task.labels[label])
    return None


def _occurrence(given: Any, places: list[Span], taken: list[Span]) -> int | None:
    """Index of the place that is meant: the given number, or without one the first place that isn't taken yet."""
    if isinstance(given, str) and given.isdecimal():
        given = int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given - 1 if 1 <= given <= len(places) else None
    return next((index for index, place in enumerate(places) if place not in taken), 0)


def _places(text: str, pattern: str, gap: Gap | None, flags: int = 0) -> Iterator[tuple[int, int]]:
    """Start and end of each occurrence, overlapping ones included: whole words first, then the others."""
    expression = re.compile(pattern, flags)
    within: list[tuple[int, int]] = []
    match = expression.search(text)
    while match:
        start, end = match.span()
        if _seen(start, end, gap):
            if _whole(text, start, end):
                yield start, end
            else:
                within.append((start, end))
        match = expression.search(text, start + 1)
    yield from within


def _seen(start: int, end: int, gap: Gap | None) -> bool:
    return gap is None or end <= gap[0] or start >= gap[1]


def _whole(text: str, start: int, end: int) -> bool:
    """Whether no word continues across either end."""

    def within(offset: int) -> bool:
        return 0 < offset < len(text) and all(_word(character) for character in text[offset - 1 : offset + 1])

    return not within(start) and not within(end)


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"
