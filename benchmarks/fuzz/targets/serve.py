"""The serving endpoint: any body of a request is answered, or refused with a sentence; never an error of the server."""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from starlette.testclient import TestClient

from benchmarks.fuzz.engine import Target
from socorpus.labeling.label_studio import interface
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.serve import app as serve_app
from socorpus.training.serve.settings import ServeSettings
from tests.our_tasks import ENTITIES, QUALITY

_ROUTES = ("/v1/predict", "/predict", "/setup", "/webhook")
_CONFIGS = (interface.config(QUALITY), interface.config(ENTITIES))


class _Rule:
    """A model: words in capitals are libraries."""

    task, version = ENTITIES, "rule-1"

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Spans of each text."""
        return [
            Prediction(spans=tuple((Span(*match.span(), "Library"), 0.9) for match in re.finditer(r"[A-Z]+", one.text)))
            for one in examples
        ]


@cache
def _client() -> TestClient:
    settings = ServeSettings(token=None, max_chars=500, max_texts=5, max_body=20_000, linger=0)
    client = TestClient(serve_app.app((_Rule(),), settings), raise_server_exceptions=True)
    client.__enter__()  # runs the queue, until the process ends
    return client


def check(data: bytes) -> None:
    """The first byte chooses the route, the second the headers."""
    route, how = (*data[:2], 0, 0)[:2]
    path = _ROUTES[route % len(_ROUTES)]
    headers = {"content-type": "application/json"} if how % 2 else {}
    answer = _client().post(path, content=data[2:], headers=headers)
    assert answer.status_code in (200, 201, 400, 413, 422), f"{path}: {answer.status_code} {answer.text}"
    said: Any = answer.json()
    if answer.status_code >= 400:
        assert isinstance(said["error"], str) and said["error"], said
        return
    if path == "/v1/predict":
        texts = [entry["text"] for entry in json.loads(data[2:])["texts"]]
        assert len(said["results"]) == len(texts)
        for text, result in zip(texts, said["results"], strict=True):
            for span in result["spans"]:
                assert text[span["start"] : span["end"]] == span["text"]


def _body(route: int, value: Any) -> bytes:
    return bytes([route, 1]) + json.dumps(value).encode()


TARGET = Target(
    "serve",
    check,
    seeds=[
        _body(0, {"texts": [{"text": "Use NUMPY", "title": "How?", "tags": ["python"]}, {"text": "x\ud800é😀"}]}),
        _body(1, {"tasks": [{"id": 1, "data": {"text": "Use NUMPY", "title": "T", "tags": "a b", "blind": True}}]}),
        _body(1, {"tasks": [{"data": {"text": "x", "post": "s:1"}}], "label_config": _CONFIGS[1], "params": {}}),
        _body(2, {"project": "1.1", "schema": _CONFIGS[1], "access_token": "x"}),
        _body(2, {"schema": _CONFIGS[0]}),
        _body(3, {"action": "ANNOTATION_CREATED", "annotation": {}}),
    ],
    tokens=[
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b'"',
            b"null",
            b"true",
            b"1",
            b"-1",
            b"1e999",
            b"NaN",
            b"1" * 5000,
            b"[" * 3000,
        ),
        *(
            b'"texts"',
            b'"text"',
            b'"title"',
            b'"tags"',
            b'"tasks"',
            b'"data"',
            b'"post"',
            b'"blind"',
            b'"schema"',
            b'"action"',
        ),
        *(
            b'"label_config"',
            b'"\\ud800"',
            b'"\\u0000"',
            b'"A B"',
            b"\\",
            b"\\u",
            b"{}",
            b"[]",
            b'""',
            b'" "',
            b'{"text": "A"}',
        ),
        *(
            b"<View>",
            b"</View>",
            b"<Labels name=",
            b"<Text ",
            b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
            b"&a;",
            b"&lt;",
            b"<",
            b">",
        ),
        *(b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\n", b"\xf0\x9f\x98\x80", b"x" * 600, b"toName=", b"value="),
    ],
)
