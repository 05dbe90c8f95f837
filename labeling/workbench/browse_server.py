"""The workbench on this machine: opened, served on loopback until Ctrl-C, with an address that has its token."""

import secrets
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from socorpus.corpus.errors import InputError
from socorpus.labeling.workbench import opening, pages

HOST = "127.0.0.1"
_SECONDS_TO_END = 3


def serve(root: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve the workbench of a corpus until Ctrl-C or SIGTERM.

    Args:
        port: on this machine; 0 takes a free one.

    Raises:
        InputError: the port is taken; and as of `opening.opened`.
    """
    corpus = opening.opened(root)
    token = secrets.token_urlsafe(24)
    application = pages.app(corpus, token)
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise InputError(
            f"{HOST}, port {port}: can't listen there ({error.strerror or error}); name another one with --port"
        ) from None
    with listening:
        say(f"open http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        say("the address is for you alone: whoever has it sees the corpus; Ctrl-C ends it")
        running = uvicorn.Server(
            uvicorn.Config(
                application,
                lifespan="on",
                http="h11",
                ws="none",
                access_log=False,
                log_level="warning",
                use_colors=False,
                server_header=False,
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
        )
        # Once it has ended, uvicorn raises the signal again, which would end this process silently.
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
        hears = main and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        closed = signal.signal(signal.SIGHUP, lambda *_: setattr(running, "should_exit", True)) if hears else None
        try:
            running.run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            if main:
                signal.signal(signal.SIGTERM, before)
            if hears:
                signal.signal(signal.SIGHUP, closed)
        say("the workbench has stopped")
