"""Checks that Label Studio lacks, made before anything is sent.

The server accepts unknown labels and spans that end before they start or lie beyond the text, and answers 201. It also
accepts a lone surrogate, and then answers every request for that task with an error 500. So a text is mended (each
change keeps its length except CRLF, whose offsets are converted both ways), and a task that would still be wrong is
refused with the reasons.
"""

import bisect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from socorpus.labeling.schema import Task

if TYPE_CHECKING:
    from label_studio_sdk.label_interface.interface import LabelInterface

LONGEST = 200_000
"""Code points of a text that a browser shows without long waits; posts have at most 30,000, without comments."""
LARGEST_TASK = 4_000_000
"""Bytes of a task as JSON. The server accepts 200 MB a request, but a person has to load each task."""

# Only tab and newline are shown. NUL is refused by PostgreSQL; surrogates can't be encoded.
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# Any of these, or a candidate, in JSON, where a backslash of a text is doubled.
_SUSPECT = re.compile(r"\\[bfru]|[\x7f\ud800-\udfff]")
_REPLACEMENT = "�"


@dataclass(frozen=True)
class Mended:
    """A text as it is sent, with the mapping of its offsets (code points) to the original's."""

    text: str
    dropped: tuple[int, ...]
    """Places of the `\\r` of each CRLF in the original text, ascending."""

    def sent(self, offset: int) -> int:
        """Offset in the sent text of an offset in the original."""
        return offset - bisect.bisect_left(self.dropped, offset)

    def original(self, offset: int, *, end: bool = False) -> int:
        """Offset in the original of one in the sent text; an `end` before a CRLF stays before it."""
        low = offset
        for place in self.dropped:
            # A start at its newline or later passes a place.
            if place < low or (place == low and not end and self._is_newline(offset)):
                low += 1
            else:
                break
        return low

    def _is_newline(self, offset: int) -> bool:
        return self.text[offset : offset + 1] == "\n"


def mend(text: str) -> Mended:
    """A text that the server and a browser leave unchanged.

    CRLF and a lone `\\r` become a newline; other control characters and lone surrogates become U+FFFD.
    """
    dropped = tuple(match.start() for match in re.finditer("\r\n", text))
    return Mended(_UNSHOWN.sub(_REPLACEMENT, text.replace("\r\n", "\n").replace("\r", "\n")), dropped)


def line(text: str) -> str:
    """A text of one line (titles, tags, evidence) as it is sent."""
    return " ".join(_UNSHOWN.sub(_REPLACEMENT, text).split())


def problems(payload: Mapping[str, Any], task: Task) -> list[str]:
    """Errors of a task that is to be sent; empty if there are none.

    Checked are the size, characters, names of labels and controls, offsets, and that identifiers are numbers that a
    browser keeps (below 2^53).
    """
    reasons = []
    data = payload["data"]
    text = data["text"]
    if not text.strip():
        reasons.append("the text is empty")
    if len(text) > LONGEST:
        reasons.append(f"the text has {len(text):,} characters, more than {LONGEST:,}")
    if not 0 <= data["ext_id"] < 1 << 53:
        reasons.append(f"identifier {data['ext_id']} does not fit")
    dumped = json.dumps(payload, ensure_ascii=False)
    if unshown := list(_unshown(payload)) if _SUSPECT.search(dumped) else []:
        reasons += unshown
    elif len(dumped.encode()) > LARGEST_TASK:
        reasons.append(f"the task has more than {LARGEST_TASK:,} bytes")
    for prediction in payload.get("predictions", ()):
        reasons += _prediction_problems(prediction, task, text)
    return reasons


def _unshown(value: Any, where: str = "") -> Iterator[str]:
    """Places in a task of characters that can't be shown; the first of each text."""
    if isinstance(value, str):
        if match := _UNSHOWN.search(value) or re.search("\r", value):
            yield f"{where} has characters that can't be shown: U+{ord(match[0]):04X} at {match.start()}"
        return
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        yield from _unshown(item, f"{where}.{name}" if where else str(name))


def interface(config: str) -> "LabelInterface":
    """label-studio-sdk's reading of an interface's XML, for `misfits`."""
    from label_studio_sdk.label_interface.interface import LabelInterface

    return LabelInterface(config)


def misfits(payload: Mapping[str, Any], interface: "LabelInterface") -> list[str]:
    """Errors that label-studio-sdk finds in a task's predictions.

    The server finds the same, logs it, and answers 201. It takes 0.1 ms a prediction, and knows what a control's type
    requires of a region. It complements `problems`: it accepts marks that end before they start, lie beyond the text or
    are not its slice, several labels on one mark, two marks of one identifier, and lone surrogates. The SDK's
    `validate_task` would check the same predictions, but gives no reason.
    """
    reasons: list[str] = []
    for prediction in payload.get("predictions", ()):
        reasons += interface.validate_prediction(prediction, return_errors=True)  # type: ignore[no-untyped-call]
    return reasons


def _prediction_problems(prediction: Mapping[str, Any], task: Task, text: str) -> list[str]:
    reasons = []
    if not 0 <= prediction["score"] <= 1:
        reasons.append(f"score {prediction['score']} is not between 0 and 1")
    ids = [region["id"] for region in prediction["result"]]
    if len(set(ids)) != len(ids):
        reasons.append("two marks of one identifier")
    for region in prediction["result"]:
        value = region["value"]
        if region["from_name"] != task.name or region["to_name"] != "text":
            reasons.append(f"no control {region['from_name']} on {region['to_name']}")
        labels = value.get("labels", []) if task.spans else value.get("choices", [])
        if len(labels) != 1 or labels[0] not in task.labels:
            reasons.append(f"label {labels} is none of the task's")
        if task.spans:
            start, end = value["start"], value["end"]
            if not 0 <= start < end <= len(text):
                reasons.append(f"mark {start} to {end} does not lie in the text of {len(text)} characters")
            elif value["text"] != text[start:end]:
                reasons.append(f"mark {start} to {end} is {text[start:end]!r}, not {value['text']!r}")
    return reasons
