"""Connections that may not stay open without end.

uvicorn waits without limit for the rest of a request: a client that opens connections and sends a byte now and then
("slow loris") would keep each of them, until the server has no descriptors left. Here a connection has a time for its
headers, one for its body, and one for taking an answer, counted from their first byte and not from their last.
"""

import asyncio
import json
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from socorpus.training.serve.requests import SECONDS_TO_SEND

SECONDS_OF_HEADERS = 10.0
"""Time for all headers of a request, from the opening of the connection or their first byte."""
SECONDS_OF_BODY = SECONDS_TO_SEND + 10
"""Time for a body, whether it is read or not; those that read it answer 408 before."""
SECONDS_TO_TAKE = 60.0
"""Time for a client to take the answer that waits for it."""


class TimedConnection(H11Protocol):
    """A connection of uvicorn, over HTTP/1.1, that is closed when its client takes too long."""

    _waits_for: Any = None
    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; its headers must follow."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._follow()

    def data_received(self, data: bytes) -> None:
        """A part of a request has come."""
        super().data_received(data)
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes no more of the answer for now."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(SECONDS_TO_TAKE, self.transport.abort)

    def resume_writing(self) -> None:
        """The client goes on taking it."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _follow(self) -> None:
        """Start the time of what the client must send next, unless it has begun; end it when all is there."""
        state = self.conn.their_state
        if state is self._waits_for and self._timer is not None:
            return
        self._stop()
        seconds = {h11.IDLE: SECONDS_OF_HEADERS, h11.SEND_BODY: SECONDS_OF_BODY}.get(state)
        if seconds is not None and not self.transport.is_closing():
            self._waits_for = state
            self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        # A second answer would be taken for that of another request.
        if self._waits_for is h11.IDLE and self.conn.our_state is h11.IDLE and not self.transport.is_closing():
            sentence = f"the request's headers did not come within {SECONDS_OF_HEADERS:.0f} s"
            body = json.dumps({"error": sentence}).encode()
            head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        self.transport.close()
