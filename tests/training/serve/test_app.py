"""A served model over real HTTP: its routes, what it refuses, and what it does when much is asked at once."""

import asyncio
import base64
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.label_studio import interface
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.serve import app as serve_app
from socorpus.training.serve import settings as serve_settings
from socorpus.training.serve.settings import ServeSettings
from tests.our_tasks import CLOSURE, ENTITIES, QUALITY

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = re.compile(r"\b(?:numpy|pandas|Flask)\b")
URGENT = re.compile(r"urgent|plz", re.IGNORECASE)


class Keywords:
    """A rule as a model: libraries by name, or how often a text begs; fails on a text that says `boom`.

    Attributes:
        seen: the texts of each call.
        open: while it is not set, calls wait.
    """

    def __init__(self, task: Task = QUALITY, version: str = "keywords-1", open_: threading.Event | None = None) -> None:
        self.task, self.version = task, version
        self.seen: list[list[Example]] = []
        self.open = open_

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        self.seen.append(list(examples))
        if self.open is not None:
            assert self.open.wait(30)
        return [self._one(one) for one in examples]

    def _one(self, example: Example) -> Prediction:
        if "boom" in example.text:
            raise RuntimeError("no such thing")
        if self.task.spans:
            found = LIBRARIES.finditer(example.text)
            return Prediction(spans=tuple((Span(*one.span(), "Library"), 0.9 - 0.1 * n) for n, one in enumerate(found)))
        begging = min(3, len(URGENT.findall(f"{example.title} {example.text}")))
        good = 0.9 - 0.25 * begging
        rest = (1 - good) / (len(self.task.labels) - 1)
        return Prediction(probabilities=(good, *[rest] * (len(self.task.labels) - 1)))


@contextmanager
def served(*predictors: Any, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a model that is served on a free port of this machine."""
    chosen = ServeSettings(**{"port": 0, "token": None, **settings})
    server = serve_app.server(serve_app.app(predictors or (Keywords(),), chosen))
    with serve_app.listening(chosen) as opened:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        url = f"http://127.0.0.1:{opened.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
                until(lambda: server.started)
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never true"
        time.sleep(0.01)


def ask(client: httpx.Client, *texts: Any) -> httpx.Response:
    return client.post("/v1/predict", json={"texts": [{"text": one} if isinstance(one, str) else one for one in texts]})


@pytest.fixture(scope="module")
def quality() -> Iterator[httpx.Client]:
    with served(Keywords(), max_chars=1000, max_texts=5, max_body=20_000) as client:
        yield client


@pytest.fixture(scope="module")
def entities() -> Iterator[httpx.Client]:
    with served(Keywords(ENTITIES)) as client:
        yield client


def request(path: str, **data: Any) -> dict[str, Any]:
    """What to send to a route that takes something."""
    bodies: dict[str, dict[str, Any]] = {
        "/v1/predict": {"texts": [{"text": "Use pandas plz", "title": "How?", "tags": ["python"]}]},
        "/setup": {"project": "1.1", "schema": interface.config(QUALITY), "access_token": "secret"},
        "/predict": {"tasks": [{"id": 1, "data": {"text": "Use pandas"}}], "label_config": interface.config(QUALITY)},
        "/webhook": {"action": "ANNOTATION_CREATED", "annotation": {}, "project": {}},
    }
    return bodies[path] | data


def test_every_route_is_documented_and_answers_as_documented(quality: httpx.Client, entities: httpx.Client) -> None:
    for client, task in ((quality, QUALITY), (entities, ENTITIES)):
        document = client.get("/openapi.json").json()
        assert document["openapi"] == "3.1.0"
        # The form of the document itself, as far as it is used here.
        text = json.dumps(document)
        for name in re.findall(r'"#/components/schemas/(\w+)"', text):
            jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"][name])
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                body = None
                if method == "post":
                    body = request(path)
                    for field in ("schema", "label_config"):
                        body |= {field: interface.config(task)} if field in body else {}
                    _valid(body, operation["requestBody"], document)
                answer = client.request(method, path, json=body)
                response = operation["responses"][str(answer.status_code)]
                assert answer.is_success
                (kind,) = response["content"]
                assert answer.headers["content-type"].startswith(kind)
                if kind == "application/json":
                    _valid(answer.json(), response, document)
                wrong = client.request("PUT", path)
                assert wrong.status_code == 405
                assert wrong.json()["error"].startswith(f"{path} takes no PUT; it takes ")
    routes = serve_app.app((Keywords(),), ServeSettings(token=None)).routes
    listed = {(route.path, method) for route in routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    assert listed == {(path, method.upper()) for path, on in document["paths"].items() for method in on}


def _valid(value: Any, part: dict[str, Any], document: dict[str, Any]) -> None:
    schema = part["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(value, schema, jsonschema.Draft202012Validator)


def test_labels_and_probabilities_of_texts(quality: httpx.Client) -> None:
    good, bad = ask(quality, "fine", {"title": "PLZ", "text": "urgent", "tags": ["x"]}).json()["results"]
    assert good["label"] == "HQ" and good["probability"] == pytest.approx(0.9)
    assert bad["probabilities"] == pytest.approx({"HQ": 0.4, "LQ_EDIT": 0.3, "LQ_CLOSE": 0.3})
    model = quality.get("/v1/model").json()
    assert (model["task"], model["labels"], model["version"]) == ("quality", list(QUALITY.labels), "keywords-1")
    assert model["limits"] == {"texts": 5, "chars": 1000, "bytes": 20_000}


def test_an_empty_text_has_no_answer_and_the_others_have_theirs(quality: httpx.Client, entities: httpx.Client) -> None:
    first, empty, last = ask(quality, "fine", {"text": " \n"}, "urgent").json()["results"]
    assert (first["label"], first["answered"], last["answered"]) == ("HQ", True, True)
    assert empty == {"label": None, "probability": None, "probabilities": {}, "answered": False}
    assert ask(quality, "").json()["results"] == [empty]
    spans = ask(entities, "numpy", "").json()["results"]
    assert [(len(result["spans"]), result["answered"]) for result in spans] == [(1, True), (0, False)]
    tasks = [{"id": 1, "data": {"text": ""}}, {"id": 2, "data": {"text": "fine"}}]
    results = quality.post("/predict", json={"tasks": tasks}).json()["results"]
    assert [len(result["result"]) for result in results] == [0, 1]


def test_spans_are_slices_of_the_text_that_was_sent(entities: httpx.Client) -> None:
    text = "Cafe\u0301 😀 numpy\r\n\r\n\tand \ud800 Flask"
    body = json.dumps({"texts": [{"text": text}]}).encode()
    (found,) = entities.post("/v1/predict", content=body).json()["results"]
    assert [(one["label"], one["text"]) for one in found["spans"]] == [("Library", "numpy"), ("Library", "Flask")]
    assert [text[one["start"] : one["end"]] for one in found["spans"]] == ["numpy", "Flask"]
    assert [one["probability"] for one in found["spans"]] == pytest.approx([0.9, 0.8])


def test_suggestions_look_like_those_of_the_sync(entities: httpx.Client, quality: httpx.Client) -> None:
    tasks = [{"data": {"text": text}} for text in ("numpy and Flask", "nothing")]
    blind = {"data": {"text": "pandas", "blind": True}}
    found = entities.post("/predict", json={"tasks": [*tasks, blind]}).json()["results"]
    assert [(one["model_version"], one["score"]) for one in found] == [
        ("keywords-1", pytest.approx(0.85)),
        ("keywords-1", 0.5),
        ("keywords-1", pytest.approx(0.9)),
    ]
    assert found[0]["result"][1] == {
        "id": "s10-15-Library",
        "from_name": "entities",
        "to_name": "text",
        "type": "labels",
        "score": pytest.approx(0.8),
        "value": {"start": 10, "end": 15, "text": "Flask", "labels": ["Library"]},
    }
    assert found[1]["result"] == found[2]["result"] == []
    (one,) = quality.post("/predict", json=request("/predict")).json()["results"]
    assert one["result"] == [
        {
            "id": "label",
            "from_name": "quality",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["HQ"]},
            "score": pytest.approx(0.9),
        }
    ]


def test_a_task_is_read_as_the_sync_wrote_it() -> None:
    model = Keywords()
    data = {"text": "a", "tags": "python numpy", "post": "so.example.com:7", "title": "Why?"}
    with served(model) as client:
        made = [{"data": data}, {"data": data | {"title": "Question 7"}}, {"data": data | {"title": "Question 8"}}]
        assert client.post("/predict", json={"tasks": made}).status_code == 200
    read = model.seen[0]
    assert [one.title for one in read] == ["Why?", None, "Question 8"]
    assert (read[0].key, read[0].tags) == ("so.example.com:7", ("python", "numpy"))


OTHER = interface.config(CLOSURE)
REFUSED: dict[str, tuple[str, Any, int, str]] = {
    "no JSON": ("/v1/predict", b"{", 400, "not JSON"),
    "deep": ("/v1/predict", b"[" * 10_000, 400, "not JSON"),
    "bytes that are no text": ("/predict", b"\xff\xfe\xff", 400, "not JSON"),
    "a list": ("/v1/predict", [], 422, "must be an object"),
    "no texts": ("/v1/predict", {}, 422, "texts is missing"),
    "texts of a wrong type": ("/v1/predict", {"texts": "a"}, 422, "texts must be a list"),
    "no text at all": ("/v1/predict", {"texts": []}, 422, "at least one"),
    "a text of a wrong type": ("/v1/predict", {"texts": ["a"]}, 422, "texts[0] must be an object"),
    "a text without one": ("/v1/predict", {"texts": [{"text": "a"}, {}]}, 422, "texts[1].text is missing"),
    "a number": ("/v1/predict", {"texts": [{"text": 1}]}, 422, "texts[0].text must be a string"),
    "a title of a wrong type": ("/v1/predict", {"texts": [{"text": "a", "title": 1}]}, 422, "title must be a string"),
    "tags of a wrong type": ("/v1/predict", {"texts": [{"text": "a", "tags": "b"}]}, 422, "tags must be a list"),
    "an unknown field": ("/v1/predict", {"texts": [{"text": "a", "titel": "b"}]}, 422, "unknown field 'titel'"),
    "a field beside the texts": ("/v1/predict", {"texts": [{"text": "a"}], "batch": 2}, 422, "unknown field 'batch'"),
    "a long text": ("/v1/predict", {"texts": [{"text": "a" * 1001}]}, 413, "1,001 characters; at most 1,000"),
    "a long title": ("/v1/predict", {"texts": [{"text": "a", "title": "a" * 1001}]}, 413, "texts[0].title has 1,001"),
    "many texts": ("/v1/predict", {"texts": [{"text": "a"}] * 6}, 413, "6 entries; at most 5"),
    "many bytes": ("/v1/predict", b" " * 20_001, 413, "more than 20,000 bytes"),
    "no tasks": ("/predict", {"label_config": ""}, 422, "the interface is no XML"),
    "tasks of a wrong type": ("/predict", {"tasks": {}}, 422, "tasks must be a list"),
    "a task without data": ("/predict", {"tasks": [{"id": 1}]}, 422, "tasks[0].data is missing"),
    "data of a wrong type": ("/predict", {"tasks": [{"data": "a"}]}, 422, "tasks[0].data must be an object"),
    "data without a text": ("/predict", {"tasks": [{"data": {"title": "a"}}]}, 422, "tasks[0].data.text is missing"),
    "another task's interface": (
        "/predict",
        request("/predict", label_config=OTHER),
        422,
        "labels of quality: it has no",
    ),
    "setup by another task": ("/setup", request("/setup", schema=OTHER), 422, "socorpus labeling sync made"),
    "setup without an interface": ("/setup", {"project": "1.1"}, 422, "schema is missing"),
    "setup with a wrong interface": ("/setup", {"schema": 7}, 422, "schema must be a string"),
    "an event without a name": ("/webhook", {}, 422, "action is missing"),
    "an unknown route": ("/v2/predict", {}, 404, "there is no /v2/predict; GET /docs"),
    "a route with a slash": ("/predict/", {}, 404, "there is no /predict/"),
    "a route that takes nothing": ("/v1/model", {}, 405, "/v1/model takes no POST; it takes GET"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_what_is_wrong(quality: httpx.Client, name: str) -> None:
    path, body, status, sentence = REFUSED[name]
    answer = quality.post(path, content=body if isinstance(body, bytes) else json.dumps(body))
    assert (answer.status_code, list(answer.json())) == (status, ["error"]), answer.text
    assert sentence in answer.json()["error"]


def test_the_document_refuses_what_the_server_refuses_and_allows_what_it_takes(quality: httpx.Client) -> None:
    """The checks and the document are two definitions: each body is held against both."""
    document = quality.get("/openapi.json").json()
    refused = {name: (path, body) for name, (path, body, status, _) in REFUSED.items() if status in (413, 422)}
    # A JSON schema knows neither XML nor bytes.
    beyond = {"many bytes", "another task's interface", "setup by another task"}
    assert beyond < refused.keys()
    for name in refused.keys() - beyond:
        path, body = refused[name]
        with pytest.raises(jsonschema.ValidationError):
            _valid(body, document["paths"][path]["post"]["requestBody"], document)
    taken: list[tuple[str, dict[str, Any]]] = [
        ("/v1/predict", {"texts": [{"text": "a" * 1000, "title": None, "tags": []}] * 5}),
        ("/v1/predict", {"texts": [{"text": "a", "title": "", "tags": ["", "b"]}]}),
        ("/predict", {"tasks": [{"id": 1, "data": {"text": "a", "blind": 1, "more": [1]}}], "context": None}),
        ("/setup", request("/setup", project="x", more=1)),
        ("/webhook", {"action": ""}),
    ]
    for path, body in taken:
        _valid(body, document["paths"][path]["post"]["requestBody"], document)
        answer = quality.post(path, json=body)
        assert answer.is_success, answer.text


def test_a_body_of_no_declared_length_is_read_no_further_than_allowed(quality: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1
            yield b" " * 5000

    try:
        assert quality.post("/predict", content=endless()).status_code == 413
    except httpx.TransportError:
        assert sent < 10_000  # the server hung up before all was sent
    assert quality.get("/health").status_code == 200


def test_entities_of_an_interface_are_not_expanded(quality: httpx.Client) -> None:
    bomb = (
        '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]><View>&d;&c;</View>'
    )
    answer = quality.post("/setup", json={"schema": bomb})
    assert answer.status_code == 422 and "root:" not in answer.text


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_token_is_asked_for_everywhere() -> None:
    with served(token="se:cret") as client:
        paths = ["/", "/health", "/docs", "/openapi.json", "/metrics", "/v1/model", "/nothing"]
        for path in paths:
            answer = client.get(path)
            assert answer.status_code == 401 and "token is missing" in answer.json()["error"]
            assert answer.headers["www-authenticate"].startswith("Basic ")
        assert ask(client, "a").status_code == 401
        wrong = [
            "Bearer no",
            "Bearer",
            "Basic !!",
            _basic("socorpus", "no"),
            _basic("se", "cret"),
            "Digest se:cret",
            "é",
        ]
        for header in wrong:
            answer = client.get("/health", headers={"Authorization": header.encode()})
            assert answer.status_code == 401 and "token is wrong" in answer.json()["error"]
        for header in ("Bearer se:cret", "token se:cret", _basic("anybody", "se:cret")):
            assert client.get("/health", headers={"Authorization": header}).status_code == 200
        client.headers["Authorization"] = "Bearer se:cret"
        document = client.get("/openapi.json").json()
        assert document["components"]["securitySchemes"] and "401" in document["paths"]["/health"]["get"]["responses"]


def test_settings_that_can_not_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serve_settings.TOKEN, raising=False)
    assert ServeSettings().token is None
    for host in ("0.0.0.0", "192.168.1.2", "::", "example.com"):
        with pytest.raises(InputError, match="SOCORPUS_SERVE_TOKEN"):
            ServeSettings(host=host)
    for host in ("::1", "127.0.0.2", "localhost"):
        ServeSettings(host=host)
    for wrong in ({"queue": 0}, {"batch": 0}, {"port": 70_000}, {"linger": -1}, {"queue": 5, "max_texts": 6}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            ServeSettings(**wrong)  # type: ignore[arg-type]
    monkeypatch.setenv(serve_settings.TOKEN, " secret ")
    assert ServeSettings(host="0.0.0.0").token == "secret" and "secret" not in repr(ServeSettings())


def test_models_that_can_not_be_served_are_refused() -> None:
    for models in ([], [Keywords(), Keywords(version="other")]):
        with pytest.raises(InputError, match="all copies of the same model"):
            serve_app.app(models, ServeSettings(token=None))
    with pytest.raises(InputError, match="the sync's own predictions"):
        serve_app.app([Keywords(version=f"{interface.PREFIX}x")], ServeSettings(token=None))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="--port"):
        serve_app.listening(ServeSettings(port=taken.getsockname()[1]))


def test_requests_are_predicted_together() -> None:
    model = Keywords(open_=threading.Event())
    with served(model, batch=8, linger=1) as client, ThreadPoolExecutor(33) as pool:
        first = pool.submit(ask, client, "first")
        until(lambda: model.seen)
        asked = [pool.submit(ask, client, f"plz {number}") for number in range(32)]
        until(lambda: client.get("/health").json()["waiting"] == 32)
        model.open.set()  # type: ignore[union-attr]
        assert first.result().status_code == 200
        assert [one.result().json()["results"][0]["label"] for one in asked] == ["HQ"] * 32
        assert [len(texts) for texts in model.seen] == [1, 8, 8, 8, 8]
        assert "socorpus_batches_total 5\n" in client.get("/metrics").text


def test_a_batch_waits_for_more_texts_but_not_long() -> None:
    model = Keywords()
    with served(model, batch=4, linger=10_000) as client, ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        assert {one.status_code for one in pool.map(lambda text: ask(client, text), "abcd")} == {200}
        assert time.monotonic() - started < 8.0
    assert [len(texts) for texts in model.seen] == [4]


def test_each_copy_has_a_thread_of_its_own() -> None:
    gate = threading.Event()
    models = [Keywords(open_=gate), Keywords(open_=gate)]
    with served(*models, batch=1) as client, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, client, text) for text in "ab"]
        until(lambda: all(one.seen for one in models))
        gate.set()
        assert {one.result().status_code for one in asked} == {200}


def test_a_full_queue_answers_503_and_goes_on() -> None:
    model = Keywords(open_=threading.Event())
    with served(model, batch=1, queue=3, max_texts=3) as client, ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, client, "first")
        until(lambda: model.seen)
        waiting = pool.submit(ask, client, "a", "b")
        until(lambda: client.get("/health").json()["waiting"] == 2)
        full = ask(client, "c", "d")
        assert full.status_code == 503 and int(full.headers["retry-after"]) >= 1
        assert full.json()["error"].startswith("2 texts are waiting already; ask again in ")
        assert client.get("/health").json()["refused"] == 2
        model.open.set()  # type: ignore[union-attr]
        assert (first.result().status_code, waiting.result().status_code) == (200, 200)
        assert ask(client, "c", "d").status_code == 200


def test_a_text_that_breaks_the_model_is_told_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    model = Keywords()
    with served(model, batch=4, linger=500) as client, ThreadPoolExecutor(4) as pool:
        codes = [one.status_code for one in pool.map(lambda text: ask(client, text), ["a", "boom", "b", "c"])]
        assert codes == [200, 500, 200, 200]
        failed = ask(client, "boom")
        assert failed.json()["error"].startswith("the model failed: RuntimeError")
        assert ask(client, "fine").status_code == 200
        assert client.get("/health").json()["failed"] == 2
    assert "no such thing" in caplog.text


def test_a_model_that_answers_for_fewer_texts_is_an_error() -> None:
    class Short(Keywords):
        def predict(self, examples: Sequence[Example]) -> list[Prediction]:
            return super().predict(examples)[1:]

    with served(Short()) as client:
        assert ask(client, "a", "b").status_code == 500


def test_texts_of_a_client_that_went_away_are_not_predicted() -> None:
    model = Keywords(open_=threading.Event())
    with served(model, batch=1) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, client, "first")
        until(lambda: model.seen)
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/predict", json={"texts": [{"text": "late"}]}, timeout=0.2)
        until(lambda: client.get("/health").json()["waiting"] == 0)
        assert "socorpus_dropped_total 1\n" in client.get("/metrics").text
        model.open.set()  # type: ignore[union-attr]
        assert first.result().status_code == 200
    assert [one.text for texts in model.seen for one in texts] == ["first"]


def test_fifty_clients_at_once_are_all_answered() -> None:
    async def load(url: str) -> list[float]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits) as client:
            end = time.monotonic() + 3.0

            async def one(number: int) -> list[float]:
                took = []
                while time.monotonic() < end:
                    started = time.monotonic()
                    text = "plz " * (number % 4) + str(number)
                    answer = await client.post("/v1/predict", json={"texts": [{"text": text}]})
                    good = answer.json()["results"][0]["probabilities"]["HQ"]
                    assert good == pytest.approx(0.9 - 0.25 * (number % 4))
                    took.append(time.monotonic() - started)
                return took

            return [took for found in await asyncio.gather(*map(one, range(50))) for took in found]

    with served(Keywords(), Keywords()) as client:
        took = asyncio.run(load(str(client.base_url)))
        health = client.get("/health").json()
        assert health["texts"] == len(took) > 50 and health["failed"] == health["refused"] == 0


def test_events_are_counted(quality: httpx.Client) -> None:
    def events() -> int:
        found = re.search(r"^socorpus_events_total (\d+)$", quality.get("/metrics").text, re.MULTILINE)
        assert found is not None
        return int(found[1])

    before = events()
    for action in ("ANNOTATION_CREATED", "ANNOTATIONS_DELETED"):
        answer = quality.post("/webhook", json={"action": action})
        assert (answer.status_code, answer.json()) == (201, {"status": "ok"})
    assert events() == before + 2


def test_the_page_shows_every_route_and_asks_nobody_else(entities: httpx.Client) -> None:
    answer = entities.get("/docs")
    page = answer.text
    for path, operations in entities.get("/openapi.json").json()["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page
    assert (
        not re.search(r"(?:https?:)?//\w", page) and "default-src 'none'" in answer.headers["content-security-policy"]
    )
    assert "connect-src 'self'" in answer.headers["content-security-policy"]


_SERVE = """
import sys, time
from socorpus.training.serve import app, settings
from tests.training.serve.test_app import Keywords

class Slow(Keywords):
    def predict(self, examples):
        print("asked", flush=True)
        time.sleep(1.0)
        return super().predict(examples)

app.serve(Slow, settings.ServeSettings(port=0, token=None), lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_answers_what_is_under_way(sign: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process, ThreadPoolExecutor(1) as pool:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found is not None, line + process.stdout.read()
            with httpx.Client(base_url=found[0], trust_env=False, timeout=30) as client:
                asked = pool.submit(ask, client, "a")
                assert process.stdout.readline() == "asked\n"
                process.send_signal(sign)
                assert asked.result().status_code == 200
            assert process.stdout.read() == "the server has stopped\n"
            assert process.wait(20) == 0
        finally:
            process.kill()
