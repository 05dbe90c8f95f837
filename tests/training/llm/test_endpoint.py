"""A chat model behind an endpoint, against servers on this machine that speak as OpenAI's does."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling.schema import Task
from socorpus.training.examples.example import Example, Prediction, Predictor
from socorpus.training.llm import budget
from socorpus.training.llm.endpoint import Chat, Endpoint, Estimate, Price, estimate
from tests.our_tasks import ENTITIES, QUALITY
from tests.training.endpoint_server import (
    Reply,
    Script,
    Scripted,
    closed_port,
    scripted,
    transformers_serve,
    write_model,
)

HQ = '{"label":"HQ","confidence":0.9}'
PRICE = Price(1000.0, 10_000.0)
"""Dear, so that a few texts cost dollars: a reply of 100 and 10 tokens is $0.20."""


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "answers/kept.sqlite"


def texts(count: int) -> list[Example]:
    return [Example(f"k{number}", f"t{number}", f"Question {number}: how?") for number in range(count)]


def chat(server: Scripted | str, kept: Path, task: Task = QUALITY, **more: Any) -> Chat:
    of_chat = {name: more.pop(name) for name in ("train", "show", "pause") if name in more}
    url = server if isinstance(server, str) else server.url
    of_chat.setdefault("pause", lambda _: None)
    return Chat(task, Endpoint("a-model", url, **{"concurrency": 2, "timeout": 10.0, **more}), kept, **of_chat)


def once(first: Reply | str, then: Reply | str = HQ) -> Script:
    return lambda number, _: first if number == 0 else then


# What is sent, and what comes of it.


def test_texts_are_labelled(kept: Path) -> None:
    def script(_: int, body: dict[str, Any]) -> str:
        number = int(re.findall(r"Question (\d+)", body["messages"][-1]["content"])[0])
        return json.dumps({"label": QUALITY.labels[number % 3], "confidence": 0.7})

    done: list[tuple[int, int]] = []
    with scripted(script) as server:
        system: Predictor = chat(server, kept, show=lambda *seen: done.append(seen), seed=7)
        assert isinstance(system, Chat)
        predictions = system.predict(texts(7))
    assert [one.label for one in predictions] == [0, 1, 2, 0, 1, 2, 0]
    assert predictions[1].probabilities == pytest.approx((0.15, 0.7, 0.15))
    assert done == [(number, 7) for number in range(1, 8)]
    usage = system.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (7, 700, 70)
    assert (usage.cached, usage.retries, usage.unanswered, usage.repaired, usage.cut) == (0, 0, 0, 0, 0)
    assert usage.dollars is None and usage.seconds > 0
    body = server.bodies[0]
    assert all(path.endswith("/v1/chat/completions") for path in server.paths)
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("a-model", 0, 7, 96)
    assert body["response_format"]["type"] == "json_schema"
    assert "authorization" not in server.headers[0]


def test_spans_are_mapped_to_offsets(kept: Path) -> None:
    text = "🐍 Python or python 3? I use Python\n3.11 on Windows."
    said = [
        {"text": "Python", "type": "Language", "occurrence": 2},
        {"text": "Python 3.11", "type": "Language", "occurrence": 1},
        {"text": "Windows", "type": "operating system", "occurrence": 1},
        {"text": "Linux", "type": "Operating_System", "occurrence": 1},
    ]
    with scripted(lambda *_: json.dumps({"entities": said})) as server:
        system = chat(server, kept, ENTITIES)
        (prediction,) = system.predict([Example("a", "a", text)])
    at = text.index("Python\n")
    assert [(*span, weight) for span, weight in prediction.spans] == [
        (at, at + 11, "Language", 1.0),
        (text.index("Windows"), len(text) - 1, "Operating_System", 1.0),
    ]
    assert system.usage.unmatched == 1 and not prediction.probabilities


def test_shots_are_sent_with_each_text(kept: Path) -> None:
    train = [Example(f"s{at}", f"s{at}", f"shot {at}", label=at % 3) for at in range(30)]
    with scripted(lambda *_: HQ) as server:
        system = chat(server, kept, shots=3, train=train, seed=4)
        system.predict(texts(2))
        other = chat(server, kept, shots=3, train=train, seed=5)
    for body in server.bodies:
        roles = [one["role"] for one in body["messages"]]
        assert roles == ["system", *["user", "assistant"] * 3, "user"]
        shown = [json.loads(one["content"])["label"] for one in body["messages"] if one["role"] == "assistant"]
        assert sorted(shown) == sorted(QUALITY.labels)
    assert server.bodies[0]["messages"][:-1] == server.bodies[1]["messages"][:-1]
    assert system.version != other.version and system.version.startswith("a-model:")
    assert system.version == chat(server, kept, shots=3, train=train[::-1], seed=4).version
    with pytest.raises(InputError, match="3 shots are asked for, but no training example is there"):
        chat(server, kept, shots=3)


def test_a_long_text_is_cut_and_counted(kept: Path) -> None:
    with scripted(lambda *_: HQ) as server:
        system = chat(server, kept, characters=1000)
        system.predict([Example("a", "a", "word " * 1000), Example("b", "b", "short")])
    assert system.usage.cut == 1
    assert max(len(text) for text in server.texts()) < 1400


def test_the_same_text_is_asked_for_once(kept: Path) -> None:
    with scripted(lambda *_: Reply(HQ, delay=0.05)) as server:
        system = chat(server, kept, concurrency=4)
        same = [Example(f"k{at}", f"t{at}", "the same") for at in range(4)]
        predictions = system.predict([*same, *texts(1)])
    assert len(server.bodies) == 2 and len(predictions) == 5
    assert (system.usage.requests, system.usage.cached) == (2, 3)


def test_requests_run_at_a_time_and_no_more_than_allowed(kept: Path) -> None:
    with scripted(lambda *_: Reply(HQ, delay=0.1)) as server:
        began = time.monotonic()
        chat(server, kept, concurrency=6).predict(texts(18))
        taken = time.monotonic() - began
    assert server.most == 6
    assert taken < 18 * 0.1, "one after the other"


# Answers that can't be read.


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("I think it is fine.", "no complete JSON object"),
        (Reply('{"label":"HQ","confi', finish="length"), "no complete JSON object"),
        ('{"label":"SUPERB","confidence":1}', '"SUPERB", which is none of HQ, LQ_EDIT, LQ_CLOSE'),
        (Reply(None), "no complete JSON object"),
    ],
)
def test_an_answer_is_asked_for_once_more(kept: Path, bad: Reply | str, fault: str) -> None:
    with scripted(once(bad)) as server:
        system = chat(server, kept)
        (prediction,) = system.predict(texts(1))
    assert prediction.answered and prediction.label == 0
    assert (system.usage.requests, system.usage.repaired, system.usage.unanswered) == (2, 1, 0)
    *before, said, again = server.bodies[1]["messages"]
    assert before == server.bodies[0]["messages"]
    assert said["role"] == "assistant" and said["content"]
    assert again["role"] == "user" and fault in again["content"] and "Answer with one JSON object" in again["content"]


def test_what_is_never_readable_is_unanswered(kept: Path) -> None:
    with scripted(lambda *_: "No.") as server:
        system = chat(server, kept)
        first = system.predict(texts(3))
        assert first == [Prediction((1 / 3,) * 3, answered=False)] * 3
        assert len(server.bodies) == 6 and system.usage.unanswered == 3 and system.usage.repaired == 0
        again = chat(server, kept)
        # It was paid for all the same.
        assert again.predict(texts(3)) == first and len(server.bodies) == 6
    assert (again.usage.cached, again.usage.unanswered) == (6, 3)


# What a server doesn't take.


def refusing(*names: str) -> Script:
    """A server that answers 400 to what it doesn't take, as each says it in its own words."""

    def script(_: int, body: dict[str, Any]) -> Reply | str:
        kind = body.get("response_format", {}).get("type")
        if kind in names:
            return Reply(f"Invalid parameter: 'response_format' of type '{kind}' is not supported", 400)
        if "max_tokens" in names and "max_tokens" in body:
            return Reply("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 400)
        if "temperature" in names and "temperature" in body:
            return Reply("Unsupported value: 'temperature' does not support 0 with this model.", 400)
        if "seed" in names and "seed" in body:
            return Reply(body='{"detail":"Unexpected fields in the request: {\'seed\'}"}', status=422)
        return HQ

    return script


@pytest.mark.parametrize(
    ("names", "form", "left"),
    [
        (["json_schema"], "json_object", {"temperature", "seed", "max_tokens"}),
        (["json_schema", "json_object"], None, {"temperature", "seed", "max_tokens"}),
        (["max_tokens", "temperature"], "json_schema", {"seed", "max_completion_tokens"}),
        (["seed", "json_schema", "json_object"], None, {"temperature", "max_tokens"}),
    ],
)
def test_what_a_server_refuses_is_left_out_from_then_on(
    kept: Path, names: list[str], form: str | None, left: set[str]
) -> None:
    with scripted(refusing(*names)) as server:
        system = chat(server, kept, concurrency=1)
        assert all(one.answered for one in system.predict(texts(4)))
        # Each refusal is met once, not once a text.
        assert len(server.bodies) == 4 + len(names)
        for body in server.bodies[len(names) :]:
            assert body.get("response_format", {}).get("type") == form
            assert set(body) - {"model", "messages", "response_format"} == left
        assert (system.usage.requests, system.usage.retries) == (4, 0)
        # And what was answered in a lesser form isn't asked for again in a better one.
        chat(server, kept).predict(texts(4))
        assert len(server.bodies) == 4 + len(names)


def test_requests_at_a_time_agree_on_what_is_refused(kept: Path) -> None:
    script = refusing("json_schema", "json_object")
    with scripted(lambda at, body: _slow(script(at, body))) as server:
        predictions = chat(server, kept, concurrency=8).predict(texts(16))
    assert all(one.answered for one in predictions)
    assert len(server.bodies) <= 16 + 8 * 2
    assert server.bodies[-1].get("response_format") is None


def _slow(reply: Reply | str) -> Reply:
    made = Reply(reply) if isinstance(reply, str) else reply
    made.delay = 0.02
    return made


# Faults.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_fault_that_may_pass_is_tried_again(kept: Path, status: int) -> None:
    waited: list[float] = []
    with scripted(lambda at, _: Reply("busy", status) if at < 3 else HQ) as server:
        system = chat(server, kept, pause=waited.append)
        (prediction,) = system.predict(texts(1))
    assert prediction.answered and len(server.bodies) == 4
    assert (system.usage.requests, system.usage.retries) == (1, 3)
    # Each time twice as long, less up to a half.
    for at, seconds in enumerate(waited):
        assert 0.25 * 2**at <= seconds <= 0.5 * 2**at


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [("7", 7, 7.2), ("0.5", 0.5, 0.7), ("DATE", 17, 20.2), ("soon", 0.25, 0.5)],
)
def test_a_server_says_how_long_to_wait(kept: Path, said: str, least: float, most: float) -> None:
    waited: list[float] = []
    said = formatdate(time.time() + 20, usegmt=True) if said == "DATE" else said
    with scripted(once(Reply("slow down", 429, {"Retry-After": said}))) as server:
        chat(server, kept, pause=waited.append).predict(texts(1))
    assert len(waited) == 1 and least <= waited[0] <= most


def test_the_wait_is_really_waited(kept: Path) -> None:
    with scripted(once(Reply("slow down", 429, {"Retry-After": "0.4"}))) as server:
        chat(server, kept, pause=None).predict(texts(1))
    assert server.at[1] - server.at[0] >= 0.4


def test_a_server_that_asks_for_an_hour(kept: Path) -> None:
    with (
        scripted(lambda *_: Reply("slow down", 429, {"Retry-After": "3600"})) as server,
        pytest.raises(BuildError, match=r"asks to wait 3,600 s; what was answered is kept"),
    ):
        chat(server, kept).predict(texts(1))


def test_an_answer_that_takes_too_long_is_asked_for_again(kept: Path) -> None:
    with scripted(once(Reply(HQ, delay=1.0))) as server:
        system = chat(server, kept, timeout=0.3)
        (prediction,) = system.predict(texts(1))
    assert prediction.answered and system.usage.retries == 1


def test_a_server_that_stays_broken(kept: Path) -> None:
    with scripted(lambda *_: Reply("out of order", 500)) as server:
        with pytest.raises(BuildError, match=r"answered 500: out of order, 3 times; .* run the same command again"):
            chat(server, kept, retries=2).predict(texts(1))
        assert len(server.bodies) == 3


def test_no_server(kept: Path) -> None:
    gone = f"http://127.0.0.1:{closed_port()}/v1"
    with pytest.raises(InputError, match=r"no server answers .*; check the address, or start the server"):
        chat(gone, kept, retries=1).predict(texts(1))
    with pytest.raises(InputError, match="not the address of a server"):
        chat("api.openai.com/v1", kept)
    with pytest.raises(InputError, match=r"put the key in the environment variable") as caught:
        chat("https://me:sk-secret@example.com/v1", kept)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply("The model `a-model` does not exist", 404), InputError, "has no model a-model .*; check its name"),
        (
            Reply(status=404, body="<h1>Not Found</h1>"),
            InputError,
            "no chat/completions there; the address usually ends in",
        ),
        (
            Reply("maximum context length is 4097 tokens", 400),
            InputError,
            "answered 400 to a-model: maximum context length",
        ),
        (Reply(body="<p>welcome</p>"), InputError, "answers, but not like a chat endpoint"),
        (Reply(body='{"choices": []}'), InputError, "answers, but not like a chat endpoint"),
        (Reply(status=307, headers={"location": "https://elsewhere"}), InputError, "redirects to https://elsewhere"),
        (Reply("not built in", 501), BuildError, "answered 501 to a-model: not built in"),
        (
            Reply(status=429, body='{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}'),
            InputError,
            "You exceeded your quota; what was answered is kept",
        ),
    ],
)
def test_faults_that_do_not_pass_are_told_at_once(kept: Path, reply: Reply, error: type[Exception], said: str) -> None:
    with scripted(lambda *_: reply) as server:
        with pytest.raises(error, match=said):
            chat(server, kept, concurrency=1).predict(texts(20))
        assert len(server.bodies) <= 2


def test_one_failure_stops_the_others(kept: Path) -> None:
    def script(at: int, _: dict[str, Any]) -> Reply:
        return Reply("broken", 400) if at == 5 else Reply(HQ, delay=0.02)

    with scripted(script) as server:
        with pytest.raises(InputError, match="broken"):
            chat(server, kept, concurrency=3).predict(texts(60))
        sent = len(server.bodies)
        assert sent < 12
        # What the others were answered is kept.
        server.script = lambda *_: HQ
        system = chat(server, kept)
        system.predict(texts(60))
    assert system.usage.cached == sent - 1 and system.usage.requests == 60 - (sent - 1)


def test_a_failure_ends_the_wait_of_others(kept: Path) -> None:
    def script(at: int, _: dict[str, Any]) -> Reply:
        return Reply("busy", 429, {"Retry-After": "30"}) if at == 0 else Reply("broken", 400, delay=0.2)

    with scripted(script) as server:
        began = time.monotonic()
        with pytest.raises(InputError, match="broken"):
            chat(server, kept, pause=None).predict(texts(2))
        assert time.monotonic() - began < 15
        assert len(server.bodies) == 2, "what failed is not sent again"


def test_a_full_disk_is_told(kept: Path) -> None:
    with budget.Kept(kept) as answers:
        answers.put("a", "a-model", {"said": "x"})
        assert answers._database is not None
        answers._database.execute("PRAGMA max_page_count = 5")
        with pytest.raises(BuildError, match=r"kept\.sqlite: no space left on the disk"):
            answers.put("b", "a-model", {"said": "x" * 100_000})
        assert answers.get("a") == {"said": "x"} and answers.get("b") is None
        answers._database.execute("DROP TABLE answers")
        with pytest.raises(BuildError, match="no such table: answers; what was kept before still is"):
            answers.get("a")


def test_the_key_is_of_the_environment_and_never_shown(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def script(at: int, body: dict[str, Any]) -> Reply | str:
        key = server.headers[at].get("authorization", "none").removeprefix("Bearer ")
        return HQ if key == "sk-right" else Reply(f"Incorrect API key provided: {key}", 401)

    with scripted(script) as server:
        with pytest.raises(InputError, match=r"the key is missing .* environment variable OPENAI_API_KEY"):
            chat(server, kept).predict(texts(1))
        monkeypatch.setenv("MY_KEY", "sk-wrong")
        with pytest.raises(
            InputError, match=r"is not accepted \(.*\[key\]\); set the environment variable MY_KEY"
        ) as bad:
            chat(server, kept, variable="MY_KEY").predict(texts(1))
        monkeypatch.setenv("MY_KEY", "sk-wr\u00f6ng")
        with pytest.raises(InputError, match="MY_KEY: not a key") as odd:
            chat(server, kept, variable="MY_KEY").predict(texts(1))
        monkeypatch.setenv("MY_KEY", "sk-right\n")
        system = chat(server, kept, variable="MY_KEY")
        assert system.predict(texts(1))[0].answered
    shown = f"{bad.value} {odd.value} {system.endpoint} {system.version} {capfd.readouterr()}"
    assert "sk-" not in shown
    assert b"sk-" not in kept.read_bytes()


def test_a_proxy_is_not_asked_about_this_machine(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with scripted(lambda *_: HQ) as server:
        assert chat(server, kept).predict(texts(1))[0].answered


# What is kept.


def test_a_second_run_sends_nothing(kept: Path) -> None:
    with scripted(lambda *_: HQ) as server:
        first = chat(server, kept).predict(texts(5))
        system = chat(server, kept)
        assert system.predict(texts(5)) == first and len(server.bodies) == 5
        usage = system.usage
        assert (usage.requests, usage.cached, usage.input_tokens, usage.cached_input_tokens) == (0, 5, 0, 500)
        assert usage.cached_output_tokens == 50
        # Another seed, model, or way to ask is another question; more requests at a time are not.
        chat(server, kept, concurrency=1, retries=1).predict(texts(5))
        assert len(server.bodies) == 5
        chat(server, kept, seed=1).predict(texts(1))
        chat(server, kept, answer_tokens=50).predict(texts(1))
        chat(server, kept, task=Task("quality", dict.fromkeys(("HQ", "LQ"), ""))).predict(texts(1))
        assert len(server.bodies) == 8
    # Nothing is needed of the server for what is kept.
    assert chat(server, kept).predict(texts(5)) == first


_KILLED = """
import sys
from pathlib import Path
from tests.our_tasks import QUALITY
from socorpus.training.llm.endpoint import Chat, Endpoint
from socorpus.training.examples.example import Example
texts = [Example(f"k{number}", f"t{number}", f"Question {number}: how?") for number in range(20)]
Chat(QUALITY, Endpoint("a-model", sys.argv[1], concurrency=4), Path(sys.argv[2])).predict(texts)
"""


def test_a_run_that_was_killed_asks_for_what_is_missing(kept: Path) -> None:
    held = threading.Event()

    def script(at: int, _: dict[str, Any]) -> Reply:
        # Four are on their way when the seventh to tenth come: the first six are kept by then.
        if at == 9:
            held.set()
        return Reply(HQ, delay=0.0 if at < 6 else 5.0)

    with scripted(script) as server:
        process = subprocess.Popen([sys.executable, "-c", _KILLED, server.url, str(kept)])
        try:
            assert held.wait(60)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        answered = set(server.texts()[:6])
        assert len(server.bodies) == 10
        server.script = lambda *_: HQ
        system = chat(server, kept)
        predictions = system.predict(texts(20))
        assert all(one.answered for one in predictions)
    assert len(server.bodies) == 10 + 14
    assert not answered & set(server.texts()[10:])
    assert (system.usage.cached, system.usage.requests) == (6, 14)


def test_a_file_that_keeps_something_else(kept: Path) -> None:
    kept.parent.mkdir()
    kept.write_text("notes " * 1000)
    with pytest.raises(InputError, match=r"kept.sqlite: can't keep answers there: .*; give the path of another file"):
        chat("http://127.0.0.1:9/v1", kept).predict(texts(1))
    other = kept.with_name("other.sqlite")
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE answers (a INTEGER)")
    database.close()
    with pytest.raises(InputError, match="no such column"):
        chat("http://127.0.0.1:9/v1", other).estimate(texts(1))


# What it costs.


def test_the_cost_is_reckoned_before(kept: Path) -> None:
    with scripted(lambda *_: HQ) as server:
        sent = chat(server, kept, price=PRICE, limit=1e6)
        before = sent.estimate(texts(6))
        assert not server.bodies
        sent.predict(texts(4))
        after = sent.estimate(texts(6))
        assert estimate(QUALITY, texts(6), sent.endpoint, kept) == after
        assert chat(server, kept).estimate(texts(6)).dollars is None
    characters = sum(len(one["content"]) for one in server.bodies[0]["messages"])
    assert before.requests == 6 and after.requests == 2
    assert before.input_tokens == pytest.approx(6 * characters / 3.5, rel=0.1)
    assert before.output_tokens == 6 * 96
    assert before.dollars == pytest.approx((before.input_tokens * 1000 + 6 * 96 * 10_000) / 1e6)
    assert after.dollars == pytest.approx(before.dollars / 3, rel=0.01)
    assert "3.5 characters a token" in before.basis
    assert sent.usage.dollars == pytest.approx(4 * 0.2)


def test_an_answer_that_still_has_to_be_repaired_is_reckoned(kept: Path) -> None:
    with scripted(once("What?", Reply("broken", 400))) as server:
        system = chat(server, kept, price=PRICE, limit=1e6)
        with pytest.raises(InputError, match="broken"):
            system.predict(texts(1))
        assert system.estimate(texts(1)).requests == 1
        server.script = lambda *_: HQ
        assert system.predict(texts(1))[0].answered and len(server.bodies) == 3
        assert system.estimate(texts(1)) == Estimate(0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"price": PRICE}, r"give --limit DOLLARS; these 5 requests would cost about \$\d+\.\d+"),
        ({"price": PRICE, "limit": 0.5}, r"5 requests with about .* more than the limit of \$0\.5; raise --limit"),
        ({"limit": 5.0}, r"a limit of \$5 can't be kept without a price; give --token-price a-model=IN,OUT"),
        ({"url": "https://api.example.com/v1"}, r"price that isn't known, and no limit was given; give --token-price"),
        ({"url": "https://api.example.com/v1", "price": PRICE}, r"give --limit DOLLARS; these 5 requests"),
    ],
)
def test_what_would_cost_too_much_is_refused_before_anything_is_sent(
    kept: Path, more: dict[str, Any], said: str
) -> None:
    with scripted(lambda *_: HQ) as server:
        url = more.pop("url", server.url)
        system = chat(url, kept, **more)
        with pytest.raises(InputError, match=said):
            system.predict(texts(5))
        assert not server.bodies
        # What is kept costs nothing, whatever the limit.
        assert system.predict([]) == []


def test_what_is_free_needs_no_limit(kept: Path) -> None:
    with scripted(lambda *_: HQ) as server:
        system = chat(server, kept, price=Price(0.0, 0.0))
        system.predict(texts(2))
    assert system.usage.dollars == 0.0


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_limit_is_never_passed_on_the_way(kept: Path, concurrency: int) -> None:
    # By the estimate the limit is enough: the server counts many times more tokens.
    with scripted(lambda *_: Reply(HQ, tokens=(10_000, 90), delay=0.01)) as server:
        system = chat(server, kept, price=Price(1000.0, 0.0), limit=50.0, concurrency=concurrency)
        assert 5 < (system.estimate(texts(20)).dollars or 0) < 50
        with pytest.raises(BuildError, match=r"of the limit of \$50 are spent, .*kept: raise --limit and run the same"):
            system.predict(texts(20))
        sent = len(server.bodies)
        # Each costs $10: five are within the limit, of which the last might have cost more.
        assert sent in (4, 5)
        assert system.usage.dollars == pytest.approx(10.0 * sent)
        # The same object has spent it; a new run goes on from what is kept.
        with pytest.raises(InputError, match="are spent"):
            system.predict(texts(20))
        more = chat(server, kept, price=Price(1000.0, 0.0), limit=1000.0)
        assert len(more.predict(texts(20))) == 20 and len(server.bodies) == 20
    assert more.usage.cached == sent


def test_the_purse_holds_what_is_on_its_way() -> None:
    purse = budget.Purse(10.0)
    order: list[str] = []

    def second() -> None:
        with purse.hold(6.0) as pay:
            order.append("second")
            pay(5.0)

    with purse.hold(6.0) as pay:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
        pay(3.0)
    thread.join(5)
    assert order == ["first", "second"], "the second waits, since both might cost 12"
    with (
        pytest.raises(BuildError, match=r"\$8 of the limit of \$10 are spent, and the next request could cost \$2\.5"),
        purse.hold(2.5),
    ):
        raise AssertionError
    with purse.hold(2.0):
        pass


def test_without_the_servers_count_tokens_are_reckoned(kept: Path) -> None:
    with scripted(lambda *_: Reply(HQ, tokens=None)) as server:
        system = chat(server, kept, price=PRICE, limit=100.0)
        before = system.estimate(texts(1))
        system.predict(texts(1))
    assert system.usage.input_tokens == before.input_tokens
    assert system.usage.output_tokens == int(len(HQ) / 3.5) + 1


# A real server.


def test_transformers_serve(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of random weights says noise: each text is asked for twice, and counted as unanswered."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = write_model(tmp_path / "model")
    with transformers_serve(model, tmp_path / "serve.log") as url:
        endpoint = Endpoint(str(model), url, concurrency=2, answer_tokens=12)
        system = Chat(QUALITY, endpoint, kept)
        predictions = system.predict(texts(3))
        assert [one.answered for one in predictions] == [False] * 3
        assert (system.usage.requests, system.usage.unanswered, system.usage.retries) == (6, 3, 0)
        # One token a byte, as this tokenizer counts: the server's number, not ours.
        assert system.usage.input_tokens > 2 * system.estimate(texts(4)).input_tokens
        assert 6 <= system.usage.output_tokens <= 6 * 12
        found = Chat(ENTITIES, endpoint, kept).predict(texts(1))
        assert found == [Prediction(answered=False)]
        with pytest.raises(InputError, match=r"answered 400 to another: Server is pinned to"):
            Chat(QUALITY, Endpoint("another", url), kept).predict(texts(1))
    assert Chat(QUALITY, endpoint, kept).predict(texts(3)) == predictions


def test_a_text_that_the_server_refuses_counts_as_not_answered(kept: Path) -> None:
    def script(_: int, body: dict[str, Any]) -> Reply | str:
        asked = body["messages"][-1]["content"]
        refused = "The response was filtered due to the prompt triggering the content management policy"
        return Reply(refused, 400) if "Question 3:" in asked else HQ

    with scripted(script) as server:
        system = chat(server, kept, concurrency=1)
        predictions = system.predict(texts(6))
    assert [each.answered for each in predictions] == [True, True, True, False, True, True]
    assert system.usage.unanswered == 1 and system.usage.requests == 5
    # Where nothing was answered yet, it is not known to be the text.
    with scripted(lambda *_: Reply("content_filter", 400)) as server, pytest.raises(InputError, match="content_filter"):
        chat(server, kept.with_name("other.sqlite"), concurrency=1).predict(texts(2))


@pytest.mark.parametrize("body", ["[" * 100_000 + "]" * 100_000, '{"choices": ' + "[" * 100_000])
@pytest.mark.parametrize("status", [200, 400])
def test_json_of_too_many_levels_is_no_answer(kept: Path, body: str, status: int) -> None:
    with scripted(lambda *_: Reply("", status, body=body)) as server, pytest.raises((InputError, BuildError)):
        chat(server, kept, retries=0).predict(texts(1))


@pytest.mark.parametrize("asked", ["nan", "inf", "-inf", "Fri, 31 Dec 99999999999 23:59:59 GMT", "Fri, 99"])
def test_a_wait_that_is_none_is_not_taken(kept: Path, asked: str) -> None:
    waits: list[float] = []
    with scripted(once(Reply("busy", 429, {"Retry-After": asked}))) as server:
        assert chat(server, kept, pause=waits.append).predict(texts(1))[0].answered
    assert len(waits) == 1 and 0 < waits[0] < 5


def test_tokens_below_none_cost_nothing_less(kept: Path) -> None:
    with scripted(lambda *_: Reply(HQ, tokens=(-1000, -5))) as server:
        system = chat(server, kept, price=PRICE, limit=1e6)
        system.predict(texts(1))
    assert system.usage.input_tokens > 0 and (system.usage.dollars or 0) > 0


def test_the_time_limit_is_of_the_whole_answer(kept: Path) -> None:
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(BuildError, match="no answer in 1 s"):
            chat(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", kept, timeout=1.0, retries=0).predict(texts(1))
    finally:
        ended.set()
        listening.close()
    assert time.monotonic() - began < 8
