"""An S3 server on loopback, and a proxy before it that fails as networks and busy stores do."""

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("busy", "cut", "lost", "torn", "slow")
"""An answer of 503; a request that is cut off half way; an answer that is lost; one cut half way; one that is late."""


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Variables of the environment for a block, seen by fsspec's file systems that are made in it."""
    from socorpus.corpus.storage.objects import store_client

    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    store_client.forget()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        store_client.forget()


@contextmanager
def server() -> Iterator[str]:
    """The address of a new S3 server with the bucket `corpora`, for this process and those that it starts."""
    import boto3
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        with environment(
            AWS_ENDPOINT_URL=address,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
            AWS_DEFAULT_REGION="us-east-1",
            NO_PROXY="127.0.0.1",
        ):
            boto3.client("s3").create_bucket(Bucket="corpora")
            yield address
    finally:
        running.stop()


class Proxy(ThreadingHTTPServer):
    """Hands requests on to an address; `fault` gets their number from 0, and says what befalls each, if anything.

    Attributes:
        met: the faults that were given, by kind.
    """

    daemon_threads = True

    def __init__(self, to: str, fault: Callable[[int], str | None], late: float = 3.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to, self.fault, self.late = to.removeprefix("http://"), fault, late
        self.asked = 0
        self.met: dict[str, int] = {}
        self.turn = threading.Lock()

    def next_fault(self) -> str | None:
        """What befalls the next request."""
        with self.turn:
            fault = self.fault(self.asked)
            self.asked += 1
            if fault is not None:
                self.met[fault] = self.met.get(fault, 0) + 1
            return fault


@contextmanager
def proxy(to: str, fault: Callable[[int], str | None], late: float = 3.0) -> Iterator[Proxy]:
    """A proxy that this process and those that it starts take for the store."""
    running = Proxy(to, fault, late)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        with environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{running.server_address[1]}"):
            yield running
    finally:
        running.shutdown()
        running.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        fault = self.server.next_fault()
        if fault == "cut":
            self.rfile.read(length // 2)
            return self._hang_up()
        body = self.rfile.read(length)
        if fault == "busy":
            content = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            return self._send(503, [("Content-Type", "application/xml")], content, len(content))
        if fault == "slow":
            time.sleep(self.server.late)
        behind = http.client.HTTPConnection(self.server.to, timeout=60)
        behind.request(self.command, self.path, body, dict(self.headers.items()))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if fault == "lost":
            return self._hang_up()
        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length")
        ]
        size = int(answer.getheader("Content-Length") or 0) if self.command == "HEAD" else len(content)
        if fault == "torn":
            self._send(answer.status, headers, content[: len(content) // 2], size)
            return self._hang_up()
        return self._send(answer.status, headers, content, size)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes, size: int) -> None:
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            self.wfile.flush()
        except OSError:  # whoever asked has given up
            self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)
