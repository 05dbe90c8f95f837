"""A fine-tuned model over HTTP: for programs, and as the ML backend of a Label Studio project.

`app` is the application, `serve` runs it until it is stopped. An admitted client may use every route; the server itself
calls no other. A refused request is answered by JSON with a sentence: `{"error": "..."}`.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import signal
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from socorpus.corpus.errors import InputError
from socorpus.training.examples.example import Example, Prediction, Predictor
from socorpus.training.serve import label_studio, openapi
from socorpus.training.serve.batching import LOG, Batching, ClosedError, FullError, PredictionError
from socorpus.training.serve.requests import Bodies, read_body, read_tasks, read_texts, shown, string

if TYPE_CHECKING:
    import uvicorn
from socorpus.training.serve.settings import TOKEN, Say, ServeSettings

SECONDS_TO_END = 30
"""Time for requests in progress to finish at the end."""

Predictors = Sequence[Predictor] | Callable[[], Predictor]


_T = TypeVar("_T")
_GONE = 499
"""Status of the response to a client that went away; nobody reads it."""


def app(predictors: Predictors, settings: ServeSettings) -> Starlette:
    """The application.

    Args:
        predictors: copies of one model, or a function that loads one, which is called `settings.workers` times.

    Raises:
        InputError: the copies are of different models, or the version looks like that of the sync's predictions.
    """
    copies = list(predictors) if isinstance(predictors, Sequence) else [predictors() for _ in range(settings.workers)]
    if not copies or len({(copy.task, copy.version) for copy in copies}) > 1:
        raise InputError(f"{len(copies)} models to serve: give at least one, all copies of the same model")
    label_studio.checked_version(copies[0].version)
    served = _Served(copies, settings)
    application = Starlette(
        routes=served.routes(),
        middleware=[Middleware(_Admission, settings.token)],
        exception_handlers={HTTPException: _refused, Exception: _broken},
        lifespan=served.lifespan,
    )
    application.router.redirect_slashes = False
    return application


class _Served:
    """A model with its queue, and the handlers of requests."""

    def __init__(self, copies: Sequence[Predictor], settings: ServeSettings) -> None:
        self.task, self.version, self.settings = copies[0].task, copies[0].version, settings
        self.events: Counter[str] = Counter()
        linger = settings.linger / 1000
        self.queue = Batching(copies, batch=settings.batch, linger=linger, limit=settings.queue)
        self.bodies = Bodies(settings.max_body)
        self.document = openapi.document(self.task, self.version, settings.limits, token=settings.token is not None)

    def routes(self) -> list[Route]:
        """All routes; `openapi` describes each."""
        get: dict[str, Callable[[Request], Coroutine[Any, Any, Response]]] = {
            "/": self.health,
            "/health": self.health,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
            "/docs": self.docs,
            "/v1/model": self.model,
            "/versions": self.versions,
        }
        post: dict[str, Callable[[Request], Coroutine[Any, Any, Response]]] = {
            "/v1/predict": self.predict,
            "/setup": self.setup,
            "/predict": self.suggest,
            "/webhook": self.webhook,
        }
        return [
            *(Route(path, answer, methods=["GET"]) for path, answer in get.items()),
            *(Route(path, answer, methods=["POST"]) for path, answer in post.items()),
        ]

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Run the copies from start to end of the application."""
        self.queue.start()
        try:
            yield
        finally:
            await self.queue.close()

    async def health(self, _: Request) -> Response:
        """Health, without waiting for the model: Label Studio waits one second for the answer."""
        counts = self.queue.counts
        about = {"status": "UP", "model_class": f"socorpus {self.task.name}", "model_version": self.version}
        numbers = {"waiting": self.queue.waiting, "texts": counts.texts, "failed": counts.failed}
        return JSONResponse({**about, **numbers, "refused": counts.refused, "memory": _memory()})

    async def metrics(self, _: Request) -> Response:
        """Counters in the text form of Prometheus."""
        counts = self.queue.counts
        numbers = {
            "waiting": ("gauge", self.queue.waiting),
            "texts_total": ("counter", counts.texts),
            "batches_total": ("counter", counts.batches),
            "failed_total": ("counter", counts.failed),
            "refused_total": ("counter", counts.refused),
            "dropped_total": ("counter", counts.dropped),
            "events_total": ("counter", self.events.total()),
            "resident_memory_bytes": ("gauge", _memory()),
        }
        lines = [f"# TYPE socorpus_{name} {kind}\nsocorpus_{name} {value}" for name, (kind, value) in numbers.items()]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(self.document)

    async def docs(self, _: Request) -> Response:
        """The OpenAPI document as a page."""
        return HTMLResponse(openapi.page(self.document), headers=openapi.PAGE_HEADERS)

    async def model(self, _: Request) -> Response:
        """Task, labels, version and limits of the served model."""
        about = {"task": self.task.name, "spans": self.task.spans, "labels": list(self.task.labels)}
        return JSONResponse({**about, "version": self.version, "limits": self.settings.limits})

    async def predict(self, request: Request) -> Response:
        """Labels with probabilities, or spans, for texts."""
        examples = read_texts(await read_body(request, self.bodies), self.settings)
        predictions = await self._ask(request, examples)
        results = [self._result(example, prediction) for example, prediction in zip(examples, predictions, strict=True)]
        return JSONResponse({"model_version": self.version, "task": self.task.name, "results": results})

    def _result(self, example: Example, prediction: Prediction) -> dict[str, Any]:
        if self.task.spans:
            spans = [
                {
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    "text": example.text[span.start : span.end],
                    "probability": float(probability),
                }
                for span, probability in prediction.spans
            ]
            return {"spans": spans, "answered": prediction.answered}
        if not prediction.probabilities:
            return {"label": None, "probability": None, "probabilities": {}, "answered": prediction.answered}
        named = zip(self.task.labels, map(float, prediction.probabilities), strict=True)
        return {
            "label": self.task.labels[prediction.label],
            "probability": float(prediction.probabilities[prediction.label]),
            "probabilities": dict(named),
            "answered": prediction.answered,
        }

    async def setup(self, request: Request) -> Response:
        """Check a project's interface, which Label Studio sends with its owner's token; the token is ignored."""
        body = await read_body(request, self.bodies)
        self._fits(string(body, "schema"))
        return JSONResponse({"model_version": self.version})

    async def suggest(self, request: Request) -> Response:
        """Suggestions for tasks of Label Studio."""
        body = await read_body(request, self.bodies)
        if body.get("label_config") is not None:
            self._fits(string(body, "label_config"))
        examples, blind = read_tasks(body, self.settings)
        predictions = await self._ask(request, examples)
        results = [
            label_studio.suggestion(prediction, self.task, example.text, self.version, blind=hidden)
            for example, prediction, hidden in zip(examples, predictions, blind, strict=True)
        ]
        return JSONResponse({"results": results})

    def _fits(self, config: str) -> None:
        if why := label_studio.misfit(config, self.task):
            raise HTTPException(422, why)

    async def webhook(self, request: Request) -> Response:
        """Count events; training is started by a command, not by them."""
        action = string(await read_body(request, self.bodies), "action")
        self.events[action[:100]] += 1
        LOG.info("event %r, %d in all", action[:100], self.events.total())
        return JSONResponse({"status": "ok"}, 201)

    async def versions(self, _: Request) -> Response:
        """The version that is served."""
        return JSONResponse({"versions": [self.version]})

    async def _ask(self, request: Request, examples: Sequence[Example]) -> list[Prediction]:
        # An empty text says nothing: it gets no answer, and the others theirs.
        asked = [example for example in examples if example.text.strip()]
        try:
            answers = iter(await _unless_gone(request, self.queue.predict(asked)) if asked else ())
            return [next(answers) if example.text.strip() else Prediction(answered=False) for example in examples]
        except FullError as full:
            after = {"Retry-After": str(full.seconds)}
            raise HTTPException(503, f"{full}; ask again in {full.seconds} s", after) from None
        except ClosedError as closed:
            raise HTTPException(503, str(closed), {"Retry-After": "5"}) from None
        except PredictionError as failed:
            raise HTTPException(500, f"{failed}; the server's log says how, the next text is predicted") from None


async def _unless_gone(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`, which is cancelled if the client goes away first."""
    asked, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise HTTPException(_GONE, "the client went away")
        return asked.result()
    finally:
        asked.cancel()
        gone.cancel()
        await asyncio.gather(asked, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Admission:
    """Middleware that admits only requests with the token."""

    def __init__(self, inner: ASGIApp, token: str | None) -> None:
        self.inner, self.token = inner, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.token is not None:
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if not _admitted(given[0] if len(given) == 1 else b"", self.token):
                await _unadmitted(bool(given))(scope, receive, send)
                return
        await self.inner(scope, receive, send)


def _admitted(header: bytes, token: str) -> bool:
    """Whether an `Authorization` has the token: as bearer token, or as basic-auth password of any user."""
    kind, _, value = header.strip().partition(b" ")
    given = value.strip()
    if kind.lower() == b"basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return False
    elif kind.lower() not in (b"bearer", b"token"):
        return False
    return hmac.compare_digest(given, token.encode())


def _unadmitted(wrong: bool) -> Response:
    sentence = (
        f"the token is {'wrong' if wrong else 'missing'}; send the server's {TOKEN} as Authorization: Bearer TOKEN, or "
        f"as the password of basic auth"
    )
    return _error(401, sentence, {"WWW-Authenticate": 'Basic realm="socorpus", charset="UTF-8"'})


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = shown(request.url.path)
    if error.status_code == 404:
        return _error(404, f"there is no {path}; GET /docs shows what there is")
    if error.status_code == 405:
        allowed = sorted({method.strip() for method in (error.headers or {}).get("Allow", "").split(",")} - {"HEAD"})
        return _error(405, f"{path} takes no {request.method}; it takes {', '.join(allowed)}", error.headers)
    return _error(error.status_code, error.detail, error.headers)


async def _broken(_: Request, error: Exception) -> Response:
    return _error(500, f"the server failed: {type(error).__name__}; its log says how")


def _memory() -> int:
    """Resident memory of this process, in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def listening(settings: ServeSettings) -> socket.socket:
    """A listening socket on the configured address.

    Raises:
        InputError: the port is taken, or this machine does not have the address.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise InputError(
            f"{settings.host}, port {settings.port}: can't listen there ({error.strerror or error}); name another "
            "one with --port"
        ) from None


def server(application: Starlette) -> "uvicorn.Server":
    """A server for an application: `run(sockets=[listening(...)])`; it ends by itself once `should_exit` is set."""
    import uvicorn

    from socorpus.training.serve.connections import TimedConnection

    return uvicorn.Server(
        uvicorn.Config(
            application,
            lifespan="on",
            http=TimedConnection,
            ws="none",
            # A server of one user need not log requests; the queue logs failures.
            access_log=False,
            log_level="warning",
            use_colors=False,
            server_header=False,
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
    )


def serve(predictors: Predictors, settings: ServeSettings, say: Say = lambda _: None) -> None:
    """Serve a model until Ctrl-C or SIGTERM; requests in progress are answered before the end.

    Raises:
        InputError: the port is taken; and as for `app`.
    """
    application = app(predictors, settings)
    with listening(settings) as open_socket, _logged_to(say):
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        say(f"serving at http://{host}:{open_socket.getsockname()[1]} (its routes: /docs); Ctrl-C ends it")
        # Once all requests are answered, uvicorn raises the signal again, which would end this process silently.
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
        running = server(application)
        # uvicorn hears of Ctrl-C and SIGTERM only; a terminal that is closed must not break off what is under way.
        hears = main and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        closed = signal.signal(signal.SIGHUP, lambda *_: setattr(running, "should_exit", True)) if hears else None
        try:
            running.run(sockets=[open_socket])
        except KeyboardInterrupt:
            pass
        finally:
            if main:
                signal.signal(signal.SIGTERM, before)
            if hears:
                signal.signal(signal.SIGHUP, closed)
        say("the server has stopped")


class _Telling(logging.Handler):
    def __init__(self, say: Say) -> None:
        super().__init__(logging.INFO)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line of the log, with its traceback if there is one."""
        self.say(self.format(record))


@contextmanager
def _logged_to(say: Say) -> Iterator[None]:
    """Pass log records to `say` for the duration of the block."""
    handler, level = _Telling(say), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
