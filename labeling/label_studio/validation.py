"""What Label Studio does not check, checked before anything is sent.

The server takes unknown labels, spans that end before they start or lie beyond the text, and answers 201; a lone
surrogate is taken too, and then every request for that task is answered by an error 500. So a text is mended (each
change keeps its length but for CRLF, whose offsets are moved there and back), and a task that would still be wrong is
refused with its reasons.
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
"""Code points of a text that a browser still shows without long waits; posts have at most 30,000, without comments."""
LARGEST_TASK = 4_000_000
"""Bytes of a task as JSON. The server takes 200 MB a request, and a person has to load each task."""

# Tab and newline alone are shown. NUL is refused by PostgreSQL; surrogates can't be encoded.
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# Any of these, or what may be one, in JSON: a backslash in a text is doubled there.
_SUSPECT = re.compile(r"\\[bfru]|[\x7f\ud800-\udfff]")
_REPLACEMENT = "�"


@dataclass(frozen=True)
class Mended:
    """A text as it is sent, and how its offsets (code points) lead to those of the text that it was made of."""

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
            # A place is passed by what starts at its newline or later.
            if place < low or (place == low and not end and self._is_newline(offset)):
                low += 1
            else:
                break
        return low

    def _is_newline(self, offset: int) -> bool:
        return self.text[offset : offset + 1] == "\n"


def mend(text: str) -> Mended:
    """A text that the server and a browser keep as it is.

    CRLF becomes a newline, a lone `\\r` too; other control characters and lone surrogates become U+FFFD.
    """
    dropped = tuple(match.start() for match in re.finditer("\r\n", text))
    return Mended(_UNSHOWN.sub(_REPLACEMENT, text.replace("\r\n", "\n").replace("\r", "\n")), dropped)


def line(text: str) -> str:
    """A text of one line (titles, tags, evidence) as it is sent."""
    return " ".join(_UNSHOWN.sub(_REPLACEMENT, text).split())


def problems(payload: Mapping[str, Any], task: Task) -> list[str]:
    """What is wrong with a task that is to be sent; empty where nothing is.

    Checked are the size, characters, names of labels and controls, offsets, and that identifiers are numbers that a
    browser keeps (below 2^53).
    """
    found = []
    data = payload["data"]
    text = data["text"]
    if not text.strip():
        found.append("the text is empty")
    if len(text) > LONGEST:
        found.append(f"the text has {len(text):,} characters, more than {LONGEST:,}")
    if not 0 <= data["ext_id"] < 1 << 53:
        found.append(f"identifier {data['ext_id']} does not fit")
    dumped = json.dumps(payload, ensure_ascii=False)
    if unshown := list(_unshown(payload)) if _SUSPECT.search(dumped) else []:
        found += unshown
    elif len(dumped.encode()) > LARGEST_TASK:
        found.append(f"the task has more than {LARGEST_TASK:,} bytes")
    for prediction in payload.get("predictions", ()):
        found += _prediction_problems(prediction, task, text)
    return found


def _unshown(value: Any, where: str = "") -> Iterator[str]:
    """Where in a task characters are that can't be shown; the first of each text."""
    if isinstance(value, str):
        if found := _UNSHOWN.search(value) or re.search("\r", value):
            yield f"{where} has characters that can't be shown: U+{ord(found[0]):04X} at {found.start()}"
        return
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        yield from _unshown(one, f"{where}.{name}" if where else str(name))


def interface(config: str) -> "LabelInterface":
    """label-studio-sdk's reading of an interface's XML, for `misfits`."""
    from label_studio_sdk.label_interface.interface import LabelInterface

    return LabelInterface(config)


def misfits(payload: Mapping[str, Any], interface: "LabelInterface") -> list[str]:
    """What label-studio-sdk finds wrong with a task's predictions.

    The server finds the same, writes it into its log, and answers 201. It takes 0.1 ms a prediction, and knows what a
    control's type wants of a region. It stands beside `problems`, not in its place: it lets pass marks that end before
    they start, lie beyond the text or are not its slice, several labels on one mark, two marks of one identifier, and
    lone surrogates. The SDK's `validate_task` would read the same predictions, and gives no reason.
    """
    found: list[str] = []
    for prediction in payload.get("predictions", ()):
        found += interface.validate_prediction(prediction, return_errors=True)  # type: ignore[no-untyped-call]
    return found


def _prediction_problems(prediction: Mapping[str, Any], task: Task, text: str) -> list[str]:
    found = []
    if not 0 <= prediction["score"] <= 1:
        found.append(f"score {prediction['score']} is not between 0 and 1")
    ids = [region["id"] for region in prediction["result"]]
    if len(set(ids)) != len(ids):
        found.append("two marks of one identifier")
    for region in prediction["result"]:
        value = region["value"]
        if region["from_name"] != task.name or region["to_name"] != "text":
            found.append(f"no control {region['from_name']} on {region['to_name']}")
        labels = value.get("labels", []) if task.spans else value.get("choices", [])
        if len(labels) != 1 or labels[0] not in task.labels:
            found.append(f"label {labels} is none of the task's")
        if task.spans:
            start, end = value["start"], value["end"]
            if not 0 <= start < end <= len(text):
                found.append(f"mark {start} to {end} does not lie in the text of {len(text)} characters")
            elif value["text"] != text[start:end]:
                found.append(f"mark {start} to {end} is {text[start:end]!r}, not {value['text']!r}")
    return found
