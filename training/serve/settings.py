"""Settings of a served model."""

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from socorpus.corpus.errors import InputError
from socorpus.labeling.label_studio import validation

TOKEN = "SOCORPUS_SERVE_TOKEN"


Say = Callable[[str], None]


def given_token() -> str | None:
    """The token of the environment variable `TOKEN`; None if it is not set."""
    return os.environ.get(TOKEN, "").strip() or None


@dataclass(frozen=True)
class ServeSettings:
    """Settings of a served model.

    Attributes:
        host: address to listen on.
        port: 0 takes a free one.
        token: required of each request, by default from the variable `SOCORPUS_SERVE_TOKEN`; None: none is required.
        queue: maximum number of waiting texts; beyond that requests are answered by 503.
        batch: texts per batch.
        linger: milliseconds that a batch waits to be filled.
        max_chars: code points of a text or a title; texts of the sync are never longer than the default.
        max_texts: texts per request.
        max_body: bytes of a request.
        workers: copies of the model, each in a thread of its own; used if a function loads the predictor.

    Raises:
        InputError: a number is out of range, or the host is not loopback and there is no token.
    """

    host: str = "127.0.0.1"
    port: int = 9090
    token: str | None = field(default_factory=given_token, repr=False)
    queue: int = 2000
    batch: int = 16
    linger: float = 5.0
    max_chars: int = validation.LONGEST
    max_texts: int = 1000
    max_body: int = 32_000_000
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("queue", "batch", "max_chars", "max_texts", "max_body", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: must be at least 1")
        if not 0 <= self.linger <= 10_000:
            raise InputError(f"linger {self.linger}: must be 0 to 10,000 milliseconds")
        if not 0 <= self.port <= 65_535:
            raise InputError(f"port {self.port}: must be 0 to 65535")
        if self.max_texts > self.queue:
            raise InputError(f"max_texts {self.max_texts}: this many would never fit a queue of {self.queue}")
        if self.token is None and not is_loopback(self.host):
            raise InputError(
                f"host {self.host}: other machines could use the model; put a token into the environment "
                f"variable {TOKEN}, or serve on 127.0.0.1"
            )

    @property
    def limits(self) -> dict[str, int]:
        """Limits for clients."""
        return {"texts": self.max_texts, "chars": self.max_chars, "bytes": self.max_body}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
