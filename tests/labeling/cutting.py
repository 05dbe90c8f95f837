"""A wire that can be cut: a proxy that passes requests on and, when told to, drops the answer to one of them."""

import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Wire:
    """Listens on a free port of this machine; `cut_at` is the beginning of a request line whose answer gets lost."""

    def __init__(self, url: str, cut_at: bytes) -> None:
        self._target = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
        self._cut_at = cut_at
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Wire":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(near,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            cut = threading.Event()
            back = threading.Thread(target=self._answer, args=(near, far, cut), daemon=True)
            back.start()
            try:
                while data := near.recv(1 << 16):
                    if data.startswith(self._cut_at):
                        cut.set()
                    far.sendall(data)
            except OSError:
                pass
            finally:
                # The server has all of the request, and goes on with it.
                back.join(60)

    def _answer(self, near: socket.socket, far: socket.socket, cut: threading.Event) -> None:
        try:
            while data := far.recv(1 << 16):
                if cut.is_set():
                    self.cuts += 1
                    break
                near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
