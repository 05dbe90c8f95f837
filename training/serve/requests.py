"""Checks of requests to a served model: bodies are read up to a limit, and a refusal names the place of the error."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from socorpus.training.examples.example import Example
from socorpus.training.serve import label_studio

if TYPE_CHECKING:
    from socorpus.training.serve.settings import ServeSettings

SECONDS_TO_SEND = 60.0
"""Time that a client may take to send a body."""
_MOST_VALUES = 2_000_000
"""Upper bound of the values in a body: at most one follows each comma and opening bracket. JSON of 10 million empty
lists in 32 MB takes five seconds and a gigabyte."""
_SURROGATES = re.compile("[\ud800-\udfff]")


class Bodies:
    """Limits of the bodies that are read at the same time.

    Args:
        longest: bytes of a body; all that are being read may have four times as many.
    """

    def __init__(self, longest: int) -> None:
        self.longest, self.room = longest, 4 * longest


async def read_body(request: Request, bodies: Bodies) -> dict[str, Any]:
    """A request's JSON object, read up to the limits.

    Raises:
        HTTPException: it is too large, too slow, no JSON, or no object; or too much is being read already.
    """
    too_large = HTTPException(413, f"the request has more than {bodies.longest:,} bytes; send fewer texts at a time")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > bodies.longest:
        raise too_large
    read = bytearray()
    taken = 0
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for chunk in request.stream():
                if len(read) + len(chunk) > bodies.longest:
                    raise too_large
                if len(chunk) > bodies.room:
                    raise HTTPException(503, "other requests are being read; ask again in 5 s", {"Retry-After": "5"})
                taken, bodies.room = taken + len(chunk), bodies.room - len(chunk)
                read += chunk
        # Whoever asks for /health meanwhile waits, and Label Studio waits for one second only.
        if sum(map(read.count, b",[{")) > _MOST_VALUES:
            raise HTTPException(413, f"the request has more than {_MOST_VALUES:,} commas and opening brackets")
        body = json.loads(read)
    except TimeoutError:
        raise HTTPException(408, f"the request's body did not come within {SECONDS_TO_SEND:.0f} s") from None
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the request's body is not JSON: {error}") from None
    finally:
        bodies.room += taken
    if not isinstance(body, dict):
        raise HTTPException(422, "the request's body must be an object")
    return body


def read_texts(body: Mapping[str, Any], settings: "ServeSettings") -> list[Example]:
    """The texts of a request to the API.

    Raises:
        HTTPException: names the place, and says what it must be.
    """
    _known(body, ("texts",), "the body")
    examples = []
    for number, entry in enumerate(_list(body, "texts", settings)):
        where = f"texts[{number}]"
        _object(entry, where)
        _known(entry, ("text", "title", "tags"), where)
        title, tags = entry.get("title"), entry.get("tags", [])
        if not (title is None or isinstance(title, str)):
            raise HTTPException(422, f"{where}.title must be a string or null")
        if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
            raise HTTPException(422, f"{where}.tags must be a list of strings")
        text, clean = _text(entry, where, settings), _title(title, where, settings)
        examples.append(Example(where, where, text, clean, tags=tuple(map(shown, tags))))
    return examples


def read_tasks(body: Mapping[str, Any], settings: "ServeSettings") -> tuple[list[Example], list[bool]]:
    """The texts of Label Studio's tasks, with a flag for blind ones.

    Raises:
        HTTPException: names the place, and says what it must be.
    """
    examples, blind = [], []
    for number, task in enumerate(_list(body, "tasks", settings)):
        where = f"tasks[{number}]"
        _object(task, where)
        if "data" not in task:
            raise HTTPException(422, f"{where}.data is missing")
        data = task["data"]
        _object(data, f"{where}.data")
        text = _text(data, f"{where}.data", settings)
        title = data.get("title")
        clean = _title(title, f"{where}.data", settings) if isinstance(title, str) else None
        examples.append(label_studio.example(number, {**data, "text": text, "title": clean}))
        blind.append(bool(data.get("blind")))
    return examples, blind


def _list(body: Mapping[str, Any], name: str, settings: "ServeSettings") -> list[Any]:
    if name not in body:
        raise HTTPException(422, f"{name} is missing")
    entries = body[name]
    if not isinstance(entries, list) or not entries:
        raise HTTPException(422, f"{name} must be a list with at least one entry")
    if len(entries) > settings.max_texts:
        raise HTTPException(413, f"{name} has {len(entries):,} entries; at most {settings.max_texts:,} go at a time")
    return entries


def _object(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise HTTPException(422, f"{where} must be an object")


def _known(value: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    if unknown := sorted(value.keys() - set(names)):
        raise HTTPException(422, f"{where} has an unknown field {shown(unknown[0])!r}; there are {', '.join(names)}")


def string(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a string.

    Raises:
        HTTPException: it is missing, or no string.
    """
    if name not in body:
        raise HTTPException(422, f"{name} is missing")
    if not isinstance(body[name], str):
        raise HTTPException(422, f"{name} must be a string")
    return shown(body[name])


def _text(value: Mapping[str, Any], where: str, settings: "ServeSettings") -> str:
    if "text" not in value:
        raise HTTPException(422, f"{where}.text is missing")
    text = value["text"]
    if not isinstance(text, str):
        raise HTTPException(422, f"{where}.text must be a string")
    return shown(_short(text, f"{where}.text", settings))


def _title(title: str | None, where: str, settings: "ServeSettings") -> str | None:
    return None if title is None else shown(_short(title, f"{where}.title", settings)) or None


def _short(text: str, where: str, settings: "ServeSettings") -> str:
    if len(text) > settings.max_chars:
        most = f"{settings.max_chars:,}"
        raise HTTPException(413, f"{where} has {len(text):,} characters; at most {most} are taken")
    return text


def shown(text: str) -> str:
    """A text without lone surrogates, which JSON may hold but UTF-8 can't encode; its length stays the same."""
    return text if text.isascii() else _SURROGATES.sub("�", text)
