"""Clients that never finish: raw connections that are opened, fed slowly, or not read from."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from socorpus.training.serve import connections, requests
from tests.training.serve.test_app import Keywords, ask, served, until

HEADERS, BODY = 0.6, 1.2
POST = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr(connections, "SECONDS_OF_HEADERS", HEADERS)
    monkeypatch.setattr(connections, "SECONDS_OF_BODY", BODY)
    monkeypatch.setattr(requests, "SECONDS_TO_SEND", BODY - 0.4)
    with served(Keywords(), max_body=1_000_000) as client:
        yield client


def _trickled(client: httpx.Client, start: bytes, more: bytes = b"a") -> tuple[float, bytes]:
    """Send the start, then a piece ten times a second: when the server closes the connection, and what it sent."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        began, answer = time.monotonic(), b""
        connection.settimeout(0.1)
        connection.sendall(start)
        while time.monotonic() - began < 20:
            try:
                piece = connection.recv(4096)
                if not piece:
                    break
                answer += piece
            except TimeoutError:
                try:
                    connection.sendall(more)
                except OSError:
                    break
            except OSError:
                break
        return time.monotonic() - began, answer


@pytest.mark.parametrize("start", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: ", POST + b"X-B: "])
def test_headers_that_never_end_are_not_waited_for(client: httpx.Client, start: bytes) -> None:
    seconds, answer = _trickled(client, start)
    assert HEADERS - 0.1 < seconds < 10
    assert answer.startswith(b"HTTP/1.1 408 ") and b"headers did not come within" in answer


def test_a_connection_without_a_byte_is_closed(client: httpx.Client) -> None:
    seconds, answer = _trickled(client, b"", b"")
    assert seconds < 10 and b" 408 " in answer


@pytest.mark.parametrize("path", [b"/v1/predict", b"/nothing", b"/health"])
def test_bodies_that_never_end_are_not_waited_for(client: httpx.Client, path: bytes) -> None:
    start = POST.replace(b"/v1/predict", path) + b'Content-Length: 100000\r\n\r\n{"texts": ['
    seconds, answer = _trickled(client, start)
    assert seconds < 10
    assert answer.startswith(b"HTTP/1.1 408 " if path == b"/v1/predict" else b"HTTP/1.1 40")


def test_the_second_request_of_a_connection_has_its_time_too(client: httpx.Client) -> None:
    whole = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    seconds, answer = _trickled(client, whole, b"GET /h")
    assert seconds < 10 and answer.startswith(b"HTTP/1.1 200 ") and (b" 408 " in answer or b" 400 " in answer)


def test_an_answer_that_nobody_takes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS_TO_TAKE", 0.5)
    with served(Keywords(), max_body=9_000_000, max_texts=2000) as client:
        title = "t" * 200
        body = json.dumps({"texts": [{"text": "plz", "title": title}] * 2000}).encode()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((client.base_url.host, client.base_url.port))
            sent = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
            connection.sendall(sent + b"".join([sent] * 20))
            until(lambda: _reset(connection))


def _reset(connection: socket.socket) -> bool:
    """Whether the server has given the connection up: nothing more can be sent."""
    connection.settimeout(0.1)
    try:
        connection.sendall(b" " * 1000)
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def test_many_slow_clients_leave_room_for_others(client: httpx.Client) -> None:
    address = (client.base_url.host, client.base_url.port)
    slow = [socket.create_connection(address) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"GET /health HTTP/1.1\r\n")
        assert ask(client, "plz").status_code == 200
        for connection in slow:
            connection.settimeout(10)
            assert b" 408 " in connection.recv(4096)
    finally:
        for connection in slow:
            connection.close()


def test_bodies_of_many_clients_together_are_bounded() -> None:
    model = Keywords()
    with served(model, max_body=100_000) as client:
        address = (client.base_url.host, client.base_url.port)
        held = [socket.create_connection(address) for _ in range(4)]
        try:
            for connection in held:
                connection.sendall(POST + b"Content-Length: 99999\r\n\r\n" + b" " * 99_000)

            def full() -> bool:
                answer = client.post("/v1/predict", json={"texts": [{"text": "a" * 20_000}]})
                return answer.status_code == 503 and answer.headers["retry-after"] == "5"

            until(full)
        finally:
            for connection in held:
                connection.close()
        until(lambda: ask(client, "a" * 20_000).status_code == 200)


def test_health_is_answered_while_much_is_asked() -> None:
    gate = threading.Event()
    model = Keywords(open_=gate)
    text = "how do I sort this list, plz? " * 500
    body = json.dumps({"texts": [{"text": text}] * 900}).encode()
    with served(model, batch=4, queue=100_000) as client, ThreadPoolExecutor(8) as pool:
        url = f"{client.base_url}/v1/predict"
        asked = [pool.submit(httpx.post, url, content=body, timeout=120, trust_env=False) for _ in range(8)]
        times = []
        while client.get("/health").json()["waiting"] < 4000 and len(times) < 3000:
            started = time.monotonic()
            assert client.get("/health").status_code == 200
            times.append(time.monotonic() - started)
        gate.set()
        assert {request.result().status_code for request in asked} <= {200, 503}
    # Label Studio waits one second.
    assert max(times) < 1.0, max(times)


def test_a_body_of_many_values_is_refused_at_once() -> None:
    with served(Keywords()) as client:
        for value in (b"[],", b"{},", b"1,", b'"",'):
            started = time.monotonic()
            answer = client.post("/v1/predict", content=b'{"texts": [' + value * (30_000_000 // len(value)) + b"1]}")
            assert answer.status_code == 413 and "commas and opening brackets" in answer.json()["error"]
            assert time.monotonic() - started < 5
