"""A chat model behind an OpenAI-compatible endpoint as a system: GPT-3.5, GPT-4, or a local vLLM or llama.cpp server.

Nothing is paid twice: every answer goes into a SQLite file on arrival, under a hash of the address, the model, the
messages and the parameters, so a run that was killed asks only for what is missing. Nothing is paid by surprise: the
cost of a run is estimated first, and no request is sent that could take the spending past the limit.
"""

import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling.schema import Task
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.llm import answers, prompts
from socorpus.training.llm.budget import Kept, Purse
from socorpus.training.llm.prompts import Message, Prompt

if TYPE_CHECKING:
    import httpx

CHARACTERS = 3.5
"""Characters of English per token, approximately: for estimates before a server has counted the tokens."""
_FRAME = 8
"""Maximum overhead of a message besides its content, in tokens."""
_FIRST, _LONGEST = 0.5, 60.0
_PATIENCE = 300.0
"""Longest accepted Retry-After of a server, in seconds."""
_OF_A_TEXT = (400, 413, 422)
_TEXT_REFUSED = re.compile(
    r"content.{0,3}(filter|policy|management)|moderation|safety|flagged|context.{0,3}(length|window)|"
    r"(maximum|max).{0,30}(length|tokens)|too (long|large)|too many tokens",
    re.IGNORECASE,
)
"""Refusals of one text, by what OpenAI, Azure, vLLM and llama.cpp say: a filter, or a prompt that is too long."""
_AGAIN = (408, 409, 429, 500, 502, 503, 504, 529)

Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """Cost of this many tokens, in dollars."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


@dataclass(frozen=True)
class Endpoint:
    """A model of a server, and the settings for querying it.

    Attributes:
        model: its name on the server.
        url: base address, such as `https://api.openai.com/v1`.
        shots: examples shown with each text; 0: none.
        form: of the prompt, one of `prompts.FORMS`.
        concurrency: maximum number of concurrent requests.
        timeout: seconds that an answer may take.
        retries: maximum number of retries after a transient failure.
        price: of the model; None: not known.
        limit: dollars that this process may spend on it; None: only free requests.
        seed: of the shots, and of the server's sampling where it takes one.
        variable: environment variable with the key.
        characters: maximum characters shown of a text; more are cut from its middle.
        answer_tokens: maximum tokens of an answer; None: `prompts.answer_tokens`.
    """

    model: str
    url: str
    shots: int = 0
    form: str = "system"
    concurrency: int = 8
    timeout: float = 60.0
    retries: int = 5
    price: Price | None = None
    limit: float | None = None
    seed: int = 0
    variable: str = "OPENAI_API_KEY"
    characters: int = prompts.TEXT
    answer_tokens: int | None = None

    @property
    def local(self) -> bool:
        """Whether the server runs on this machine."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Estimate:
    """The requests of a run that are not cached yet, and their cost.

    Attributes:
        requests: each may be followed by a second one, if its answer can't be read.
        input_tokens: estimated from characters.
        output_tokens: at most.
        dollars: at most, for these tokens; None: the price is not known.
        basis: method of estimating the tokens.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    basis: str = f"input: {CHARACTERS} characters a token; output: the most that is asked for"

    def __str__(self) -> str:
        """One line for a person."""
        costs = "at a price that isn't known" if self.dollars is None else f"about ${self.dollars:,.4g}"
        tokens = f"{self.input_tokens:,} tokens of input and at most {self.output_tokens:,} of output"
        return f"{self.requests:,} requests with about {tokens}: {costs}"


@dataclass
class Usage:
    """Requests, tokens and spending so far.

    Attributes:
        requests: answered requests, not counting retries.
        cached: answers from the cache.
        input_tokens: of `requests`, by the server's count; by `CHARACTERS` where it gives none.
        output_tokens: likewise.
        cached_input_tokens: of `cached`.
        cached_output_tokens: likewise.
        dollars: spent on `requests`; None: the price is not known. Requests answered too late, or not at all, are not
            counted, though a server may count them.
        repaired: answers that could be read only at the second request.
        unanswered: texts without a readable answer.
        cut: texts that were too long to be shown whole.
        unmatched: entities dropped because their quote isn't in the text or their type is unknown.
        retries: requests that were sent again.
        seconds: of all runs.
    """

    requests: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cached_output_tokens: int = 0
    dollars: float | None = None
    repaired: int = 0
    unanswered: int = 0
    cut: int = 0
    unmatched: int = 0
    retries: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Dialect:
    """The parts of a request that a server accepts; each refusal narrows it."""

    form: str = "json_schema"
    length: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def without(self, message: str) -> "Dialect | None":
        """The dialect after a 400 or 422 with this message; None if the message names nothing that can be left out."""
        if self.length == "max_tokens" and "max_completion_tokens" in message:
            return replace(self, length="max_completion_tokens")
        if self.temperature and "temperature" in message:
            return replace(self, temperature=False)
        if self.seed and re.search(r"\bseed\b", message):
            return replace(self, seed=False)
        lesser = {"json_schema": "json_object", "json_object": ""}
        if self.form and re.search(r"response.?format|json.?(schema|object)|grammar|guided|structured", message, re.I):
            return replace(self, form=lesser[self.form])
        return None

    def body(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The wanted request, reduced to what the server accepts."""
        left_out = {"response_format", "max_tokens"}
        left_out |= set() if self.temperature else {"temperature"}
        left_out |= set() if self.seed else {"seed"}
        body = {name: value for name, value in wanted.items() if name not in left_out}
        body[self.length] = wanted["max_tokens"]
        if self.form:
            body["response_format"] = (
                wanted["response_format"] if self.form == "json_schema" else {"type": "json_object"}
            )
        return body


class Chat:
    """A chat model as a `tasks.Predictor`.

    Args:
        kept: SQLite file of the answers; created if missing.
        train: examples that shots are drawn from.
        show: called with the number of finished texts and the total.
        pause: waits the given seconds before a retry; None: waits until then, or until the run has failed.

    Raises:
        InputError: the address is invalid, or shots are asked for without an example to draw from.
    """

    def __init__(
        self,
        task: Task,
        endpoint: Endpoint,
        kept: Path,
        train: Sequence[Example] = (),
        show: Show | None = None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        _check(endpoint)
        self.task, self.endpoint, self.kept = task, endpoint, kept
        self.shots = prompts.choose(task, train, endpoint.shots, endpoint.seed)
        if endpoint.shots and not self.shots:
            raise InputError(
                f"{endpoint.model}: {endpoint.shots} shots are asked for, but no training example is there"
            )
        self._frame = prompts.frame(task, self.shots, endpoint.characters, endpoint.form)
        # The request for an empty text: everything that does not depend on the text.
        asked = self.key(self.wanted(self._frame.prompt(Example("", "", "")).messages, 0))
        self.version = f"{endpoint.model}:{receipts.fingerprint([asked, endpoint.characters])[:12]}"
        self.usage = Usage(dollars=None if endpoint.price is None else 0.0)
        self._show, self._pause = show, pause
        self._purse = Purse(endpoint.limit)
        self._dialect = Dialect()
        self._lock = threading.Lock()

    def estimate(self, examples: Sequence[Example]) -> Estimate:
        """The requests that `predict` would send now, and their cost; nothing is sent.

        Raises:
            InputError: the file is no file of answers.
        """
        with Kept(self.kept) as kept:
            return self._estimate(self._prompts(examples), examples, kept)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The model's prediction for each text.

        Raises:
            InputError: it would cost more than the limit, or costs something without a limit; nothing was sent then. Or
                the server refuses the key, lacks the model, or doesn't answer at all.
            BuildError: the limit was reached meanwhile, or the server failed; answers received are kept.
        """
        began = time.monotonic()
        queries = self._prompts(examples)
        try:
            with Kept(self.kept) as kept:
                self._permit(self._estimate(queries, examples, kept))
                with _client(self.endpoint) as client:
                    read = _Run(self, kept, client).all(queries, examples)
        finally:
            self.usage.seconds += time.monotonic() - began
        self.usage.cut += sum(query.cut for query in queries)
        return read

    def _prompts(self, examples: Sequence[Example]) -> list[Prompt]:
        return [self._frame.prompt(example) for example in examples]

    def wanted(self, messages: Sequence[Message], shown: int) -> dict[str, Any]:
        """The request before it is reduced to what the server accepts; answers are cached under its hash."""
        most = self.endpoint.answer_tokens or prompts.answer_tokens(self.task, shown)
        return {
            "model": self.endpoint.model,
            "messages": [*messages],
            "temperature": 0,
            "seed": self.endpoint.seed,
            "max_tokens": most,
            "response_format": prompts.response_format(self.task),
        }

    def key(self, wanted: Mapping[str, Any]) -> str:
        """The cache key of a request's answer."""
        return receipts.fingerprint([self.endpoint.url.rstrip("/"), wanted])

    def _estimate(self, queries: Sequence[Prompt], examples: Sequence[Example], kept: Kept) -> Estimate:
        missing: dict[str, tuple[int, int]] = {}

        def look(wanted: Mapping[str, Any]) -> str:
            key = self.key(wanted)
            completion = kept.get(key)
            if completion is None:
                missing[key] = input_tokens(wanted), wanted["max_tokens"]
                raise _MissingError
            return _reply(completion)

        for prompt, example in zip(queries, examples, strict=True):
            try:
                self.converse(prompt, example, look)
            except _MissingError:
                continue
        tokens, most = (sum(each[column] for each in missing.values()) for column in (0, 1))
        price = self.endpoint.price
        return Estimate(len(missing), tokens, most, None if price is None else price.of(tokens, most))

    def converse(
        self, prompt: Prompt, example: Example, ask: Callable[[Mapping[str, Any]], str]
    ) -> tuple[answers.Read, int]:
        """Ask for a text, and a second time if the answer can't be read; returns the number of requests too."""
        reply = ask(self.wanted(prompt.messages, prompt.shown))
        try:
            return answers.read(self.task, example.text, reply, prompt.gap), 1
        except answers.UnreadableError as fault:
            more = prompts.repair(self.task, reply, str(fault))
        reply = ask(self.wanted((*prompt.messages, *more), prompt.shown))
        try:
            return answers.read(self.task, example.text, reply, prompt.gap), 2
        except answers.UnreadableError:
            return answers.Read(answers.unanswered(self.task)), 2

    def _permit(self, estimate: Estimate) -> None:
        """Refuse a run that would cost too much, before anything is sent."""
        endpoint = self.endpoint
        if not estimate.requests:
            return
        if endpoint.limit is None:
            if estimate.dollars is None and not endpoint.local:
                raise InputError(
                    f"{endpoint.model}: {estimate}, and no limit was given; give --token-price "
                    f"{endpoint.model}=IN,OUT (dollars per million tokens) and --limit DOLLARS"
                )
            if estimate.dollars:
                raise InputError(
                    f"{endpoint.model}: give --limit DOLLARS; these {estimate.requests:,} requests would cost about "
                    f"${estimate.dollars:,.4g}"
                )
        elif estimate.dollars is None:
            raise InputError(
                f"{endpoint.model}: a limit of ${endpoint.limit:,.4g} can't be kept without a price; give "
                f"--token-price {endpoint.model}=IN,OUT, dollars per million tokens"
            )
        elif (self.usage.dollars or 0.0) + estimate.dollars > endpoint.limit:
            spent = f", and ${self.usage.dollars:,.4g} are spent" if self.usage.dollars else ""
            raise InputError(
                f"{endpoint.model}: {estimate}, more than the limit of ${endpoint.limit:,.4g}{spent}; raise --limit or "
                "give fewer texts"
            )


def estimate(
    task: Task, examples: Sequence[Example], endpoint: Endpoint, kept: Path, train: Sequence[Example] = ()
) -> Estimate:
    """The cost of asking for these texts, except those answered in the file `kept`; nothing is sent.

    Raises:
        InputError: as for `Chat` and `Chat.estimate`.
    """
    return Chat(task, endpoint, kept, train).estimate(examples)


def input_tokens(wanted: Mapping[str, Any]) -> int:
    """Approximate number of tokens of a request's messages, from `CHARACTERS`."""
    return sum(int(len(message["content"]) / CHARACTERS) + 1 + _FRAME for message in wanted["messages"])


class _MissingError(Exception):
    """An answer isn't cached."""


class _StoppedError(Exception):
    """Another request failed permanently; this one isn't sent."""


class _RefusedTextError(Exception):
    """The server refuses this text (its filter, its length), though it answers others."""


@dataclass
class _Run:
    """A run over some texts: requests in threads; the first failure stops them all."""

    chat: Chat
    kept: Kept
    client: "httpx.Client"
    stop: threading.Event = field(default_factory=threading.Event)

    def all(self, queries: Sequence[Prompt], examples: Sequence[Example]) -> list[Prediction]:
        """Predictions in order; identical prompts are sent once."""
        first: dict[str, int] = {}
        for index, prompt in enumerate(queries):
            first.setdefault(self.chat.key(self.chat.wanted(prompt.messages, prompt.shown)), index)
        once = set(first.values())
        predictions: dict[int, Prediction] = {}
        # The second pass finds the answers of the first in the cache.
        for turn in (sorted(once), [index for index in range(len(queries)) if index not in once]):
            self._pass(turn, queries, examples, predictions)
        return [predictions[index] for index in range(len(queries))]

    def _pass(
        self,
        turn: Sequence[int],
        queries: Sequence[Prompt],
        examples: Sequence[Example],
        predictions: dict[int, Prediction],
    ) -> None:
        # Requests in flight at a failure are paid for: leaving the pool waits for them, and their answers are kept.
        with ThreadPoolExecutor(max(1, self.chat.endpoint.concurrency)) as pool:
            try:
                running = {pool.submit(self._predict_one, queries[index], examples[index]): index for index in turn}
                for future in as_completed(running):
                    # The failure that stopped the others comes too, and is the one to report.
                    if not isinstance(future.exception(), _StoppedError):
                        predictions[running[future]] = future.result()
                        if self.chat._show is not None:
                            self.chat._show(len(predictions), len(queries))
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _predict_one(self, prompt: Prompt, example: Example) -> Prediction:
        try:
            read, asked = self.chat.converse(prompt, example, self._ask)
        except _RefusedTextError:
            read, asked = answers.Read(answers.unanswered(self.chat.task)), 1
        with self.chat._lock:
            usage = self.chat.usage
            usage.unmatched += read.unmatched
            usage.unanswered += not read.prediction.answered
            usage.repaired += asked == 2 and read.prediction.answered
        return read.prediction

    def _ask(self, wanted: Mapping[str, Any]) -> str:
        key = self.chat.key(wanted)
        answer = self.kept.get(key)
        if answer is not None:
            used = _tokens(answer, wanted)
            with self.chat._lock:
                self.chat.usage.cached += 1
                self.chat.usage.cached_input_tokens += used[0]
                self.chat.usage.cached_output_tokens += used[1]
            return _reply(answer)
        price = self.chat.endpoint.price or Price(0.0, 0.0)
        with self.chat._purse.hold(price.of(input_tokens(wanted), wanted["max_tokens"])) as pay:
            try:
                answer = self._send_on(wanted)
                used = _tokens(answer, wanted)
                pay(price.of(*used))
                self.kept.put(key, wanted["model"], answer)
            except _RefusedTextError:
                pay(0.0)
                raise
            except BaseException:
                # Before the purse is released: requests that wait for it must not continue.
                self.stop.set()
                raise
        with self.chat._lock:
            usage = self.chat.usage
            usage.requests += 1
            usage.input_tokens += used[0]
            usage.output_tokens += used[1]
            if usage.dollars is not None:
                usage.dollars += price.of(*used)
        return _reply(answer)

    def _answers_others(self) -> bool:
        """Whether the server has answered requests of this model, so that it is the text that it refuses."""
        with self.chat._lock:
            return self.chat.usage.requests + self.chat.usage.cached > 0

    def _send_on(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered, up to the endpoint's number of retries."""
        endpoint, failed = self.chat.endpoint, 0
        while True:
            if self.stop.is_set():
                raise _StoppedError
            dialect = self.chat._dialect
            answer, fault = self._send(dialect.body(wanted))
            if answer is not None and answer.is_success:
                return _completion(endpoint, answer)
            if answer is not None and answer.status_code not in _AGAIN:
                if not self._narrowed(dialect, answer):
                    of_a_text = answer.status_code == 413 or _TEXT_REFUSED.search(answer.text)
                    if answer.status_code in _OF_A_TEXT and of_a_text and self._answers_others():
                        raise _RefusedTextError
                    raise _refusal(endpoint, answer)
                continue
            if answer is not None and "insufficient_quota" in answer.text:
                raise InputError(f"{endpoint.url}: {_server_message(answer)}; what was answered is kept")
            failed += 1
            if failed > endpoint.retries:
                raise _given_up(endpoint, fault, answer)
            with self.chat._lock:
                self.chat.usage.retries += 1
            self._wait(failed, None if answer is None else _asked_to_wait(answer))

    def _send(self, body: Mapping[str, Any]) -> "tuple[httpx.Response | None, str]":
        import httpx

        try:
            answer = self._post(body)
        except httpx.ConnectError as error:
            return None, f"no server answers ({error})"
        except httpx.TimeoutException:
            return None, f"no answer in {self.chat.endpoint.timeout:g} s"
        except httpx.RequestError as error:
            return None, f"the connection was lost ({error!r})"
        return answer, f"answered {answer.status_code}: {_server_message(answer)}"

    def _post(self, body: Mapping[str, Any]) -> "httpx.Response":
        """The whole answer; the time limit is of all of it, and not of each piece, as httpx's own is."""
        import httpx

        until = time.monotonic() + self.chat.endpoint.timeout
        # ASCII JSON: a text may hold characters that UTF-8 cannot encode.
        with self.client.stream("POST", "chat/completions", content=json.dumps(body).encode()) as answer:
            pieces = []
            for piece in answer.iter_bytes():
                pieces.append(piece)
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer has not ended", request=answer.request)
        coded = ("content-encoding", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in coded]
        return httpx.Response(answer.status_code, headers=headers, content=b"".join(pieces), request=answer.request)

    def _narrowed(self, dialect: Dialect, answer: "httpx.Response") -> bool:
        """Whether to send it again without the part that this answer refuses; later requests leave it out too."""
        if answer.status_code not in (400, 422):
            return False
        with self.chat._lock:
            if self.chat._dialect != dialect:
                return True  # another request has narrowed it meanwhile
            less = dialect.without(answer.text)
            self.chat._dialect = less or dialect
        return less is not None

    def _wait(self, failed: int, asked: float | None) -> None:
        # Jitter spreads the retries of requests that failed together.
        delay = min(_LONGEST, _FIRST * 2 ** (failed - 1)) * random.uniform(0.5, 1.0)
        if asked is not None and asked > _PATIENCE:
            raise BuildError(
                f"{self.chat.endpoint.url}: asks to wait {asked:,.0f} s; what was answered is kept: run the same "
                "command again then"
            )
        # Jitter on the server's delay too, never below it.
        delay = delay if asked is None else asked + random.uniform(0.0, 0.1)
        (self.chat._pause or self.stop.wait)(delay)


def _check(endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{endpoint.url}: not the address of a server; it looks like https://api.openai.com/v1")
    if parts.username or parts.password:
        raise InputError(
            f"{parts.hostname}: put the key in the environment variable {endpoint.variable}, not the address"
        )


def _client(endpoint: Endpoint) -> "httpx.Client":
    try:
        import httpx
    except ImportError:
        raise InputError("asking an endpoint needs httpx; install it with pip install httpx") from None
    key = os.environ.get(endpoint.variable, "").strip()
    # Otherwise httpx would show the key in its own error.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(f"{endpoint.variable}: not a key, it has invalid characters; copy it again")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    most = max(1, endpoint.concurrency)
    return httpx.Client(
        base_url=endpoint.url.rstrip("/") + "/",
        headers=headers,
        timeout=httpx.Timeout(endpoint.timeout, connect=min(20.0, endpoint.timeout)),
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
        # The environment's proxy is not used for this machine.
        trust_env=not endpoint.local,
        # Without TLS no certificates are read, which takes a tenth of a second.
        verify=urlsplit(endpoint.url).scheme == "https",
    )


def _completion(endpoint: Endpoint, answer: "httpx.Response") -> dict[str, Any]:
    try:
        body = answer.json()
        _reply(body)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{endpoint.url}: answers, but not like a chat endpoint; the address usually ends in /v1"
        ) from None
    return dict(body)


def _reply(body: Mapping[str, Any]) -> str:
    """The text of a completion; empty if the model refused or gave none."""
    content = body["choices"][0]["message"].get("content")
    return content if isinstance(content, str) else ""


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _tokens(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens of input and output, by the server's count if it gives one."""
    used = body.get("usage")
    given, output = (used.get(f"{of}_tokens") if isinstance(used, dict) else None for of in ("prompt", "completion"))
    return (
        given if _count(given) else input_tokens(wanted),
        output if _count(output) else int(len(_reply(body)) / CHARACTERS) + 1,
    )


def _server_message(answer: "httpx.Response") -> str:
    """A server's message, in one line, without the key."""
    try:
        body = answer.json()
        body = body.get("error", body.get("detail", body)) if isinstance(body, dict) else body
        body = body.get("message", body) if isinstance(body, dict) else body
        text = body if isinstance(body, str) else json.dumps(body)
    except (ValueError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", answer.text)
    key = answer.request.headers.get("Authorization", "").removeprefix("Bearer ")
    text = text.replace(key, "[key]") if key else text
    return " ".join(text.split())[:300]


def _refusal(endpoint: Endpoint, answer: "httpx.Response") -> InputError | BuildError:
    message, code = _server_message(answer), answer.status_code
    if code in (401, 403):
        held = "is not accepted" if answer.request.headers.get("Authorization") else "is missing"
        return InputError(
            f"{endpoint.url}: the key {held} ({message}); set the environment variable {endpoint.variable}"
        )
    if code == 404 and "model" in message.lower():
        return InputError(f"{endpoint.url}: has no model {endpoint.model} ({message}); check its name")
    if code == 404:
        return InputError(f"{endpoint.url}: has no chat/completions there; the address usually ends in /v1")
    if 300 <= code < 400:
        return InputError(f"{endpoint.url}: redirects to {answer.headers.get('location')}; give that address")
    error = InputError if code < 500 else BuildError
    return error(f"{endpoint.url}: answered {code} to {endpoint.model}: {message}; what was answered is kept")


def _given_up(endpoint: Endpoint, fault: str, answer: "httpx.Response | None") -> InputError | BuildError:
    if answer is None and fault.startswith("no server"):
        return InputError(f"{endpoint.url}: {fault}; check the address, or start the server")
    return BuildError(
        f"{endpoint.url}: {fault}, {endpoint.retries + 1} times; what was answered is kept: run the same command again"
    )


def _asked_to_wait(answer: "httpx.Response") -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None if it is missing or can't be read."""
    header = answer.headers.get("retry-after")
    if header is None:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError, TypeError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
