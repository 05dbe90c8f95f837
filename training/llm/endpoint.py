"""A chat model behind an OpenAI-compatible endpoint as a system: GPT-3.5, GPT-4, or a local vLLM or llama.cpp server.

Nothing is paid twice: every answer is in a SQLite file as soon as it is here, under a hash of the address, the model,
the messages and the parameters, so that a run that was killed asks for what is missing alone. Nothing is paid by
surprise: what a run may cost is reckoned first, and no request is sent that could take the spending past the limit.
"""

import json
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
from typing import TYPE_CHECKING, Any
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
"""Characters of English that a token has, about: what tokens are reckoned by before a server has counted them."""
_FRAME = 8
"""Tokens that a message costs besides its content, at most."""
_FIRST, _LONGEST = 0.5, 60.0
_PATIENCE = 300.0
"""Seconds that a server's Retry-After may ask for."""
_AGAIN = (408, 409, 429, 500, 502, 503, 504, 529)

Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """Dollars that so many tokens cost."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


@dataclass(frozen=True)
class Endpoint:
    """A model of a server, and how it is asked.

    Attributes:
        model: its name there.
        url: base address, such as `https://api.openai.com/v1`.
        shots: examples that are shown with each text; 0: none.
        concurrency: requests at a time.
        timeout: seconds that an answer may take.
        retries: how often a request is sent again that failed for a reason that may pass.
        price: of the model; None: not known.
        limit: dollars that this process may spend on it; None: nothing that costs.
        seed: of the shots, and of the server's sampling where it takes one.
        variable: environment variable that holds the key.
        characters: of a text that are shown at most; more are cut from its middle.
        answer_tokens: most tokens of an answer; None: `prompts.answer_tokens`.
    """

    model: str
    url: str
    shots: int = 0
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
        """Whether it is of this machine."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Estimate:
    """What a run would ask for, that isn't kept yet.

    Attributes:
        requests: of which each may be followed by one more, where its answer can't be read.
        input_tokens: reckoned by characters.
        output_tokens: at most.
        dollars: at most, by these tokens; None: the price is not known.
        basis: how the tokens are reckoned.
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
    """What was asked so far.

    Attributes:
        requests: that were answered, not counting those that were sent again.
        cached: answers that were kept from earlier.
        input_tokens: of `requests`, by the server's count; by `CHARACTERS` where it gives none.
        output_tokens: likewise.
        cached_input_tokens: of `cached`.
        cached_output_tokens: likewise.
        dollars: spent on `requests`; None: the price is not known. A request that was answered too late, or not at all,
            isn't in it, though a server may count it.
        repaired: answers that had to be asked for once more, and could be read then.
        unanswered: texts without an answer that could be read.
        cut: texts that were too long to be shown whole.
        unmatched: entities that were dropped, since their quote isn't in the text or their type is none.
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
    """What a server takes of a request; each refusal narrows it."""

    form: str = "json_schema"
    length: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def without(self, said: str) -> "Dialect | None":
        """What is left after a 400 or 422 that said so; None where it speaks of nothing that can be left out."""
        if self.length == "max_tokens" and "max_completion_tokens" in said:
            return replace(self, length="max_completion_tokens")
        if self.temperature and "temperature" in said:
            return replace(self, temperature=False)
        if self.seed and re.search(r"\bseed\b", said):
            return replace(self, seed=False)
        lesser = {"json_schema": "json_object", "json_object": ""}
        if self.form and re.search(r"response.?format|json.?(schema|object)|grammar|guided|structured", said, re.I):
            return replace(self, form=lesser[self.form])
        return None

    def body(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The request that the server takes, of the one that is wanted."""
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
        kept: SQLite file of the answers; made where it isn't.
        train: examples that shots are drawn from.
        show: told how many texts are done, of how many.
        pause: waits so many seconds before a request is sent again; None: as long, or until the run has failed.

    Raises:
        InputError: the address is none; there are to be shots and no example is there to draw from.
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
        self._frame = prompts.frame(task, self.shots, endpoint.characters)
        # Of a text of nothing: all that isn't the text's.
        asked = self.key(self.wanted(self._frame.prompt(Example("", "", "")).messages, 0))
        self.version = f"{endpoint.model}:{receipts.fingerprint([asked, endpoint.characters])[:12]}"
        self.usage = Usage(dollars=None if endpoint.price is None else 0.0)
        self._show, self._pause = show, pause
        self._purse = Purse(endpoint.limit)
        self._dialect = Dialect()
        self._lock = threading.Lock()

    def estimate(self, examples: Sequence[Example]) -> Estimate:
        """What `predict` would ask for now, and cost; nothing is sent.

        Raises:
            InputError: the file of answers isn't one.
        """
        with Kept(self.kept) as kept:
            return self._estimate(self._prompts(examples), examples, kept)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What the model says of each text.

        Raises:
            InputError: it would cost more than the limit, or costs and there is no limit; nothing was sent then. Or the
                server refuses the key, lacks the model, or doesn't answer at all.
            BuildError: the limit was reached on the way, or the server failed; what was answered is kept.
        """
        began = time.monotonic()
        made = self._prompts(examples)
        try:
            with Kept(self.kept) as kept:
                self._permit(self._estimate(made, examples, kept))
                with _client(self.endpoint) as client:
                    read = _Run(self, kept, client).all(made, examples)
        finally:
            self.usage.seconds += time.monotonic() - began
        self.usage.cut += sum(one.cut for one in made)
        return read

    def _prompts(self, examples: Sequence[Example]) -> list[Prompt]:
        return [self._frame.prompt(one) for one in examples]

    def wanted(self, messages: Sequence[Message], shown: int) -> dict[str, Any]:
        """The request as it is wanted, whatever the server takes of it: answers are kept under its hash."""
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
        """What the answer to a request is kept under."""
        return receipts.fingerprint([self.endpoint.url.rstrip("/"), wanted])

    def _estimate(self, made: Sequence[Prompt], examples: Sequence[Example], kept: Kept) -> Estimate:
        missing: dict[str, tuple[int, int]] = {}

        def look(wanted: Mapping[str, Any]) -> str:
            key = self.key(wanted)
            found = kept.get(key)
            if found is None:
                missing[key] = input_tokens(wanted), wanted["max_tokens"]
                raise _MissingError
            return _reply(found)

        for prompt, example in zip(made, examples, strict=True):
            try:
                self.converse(prompt, example, look)
            except _MissingError:
                continue
        tokens, most = (sum(each[at] for each in missing.values()) for at in (0, 1))
        price = self.endpoint.price
        return Estimate(len(missing), tokens, most, None if price is None else price.of(tokens, most))

    def converse(
        self, prompt: Prompt, example: Example, ask: Callable[[Mapping[str, Any]], str]
    ) -> tuple[answers.Read, int]:
        """Ask for a text, and once more where the answer can't be read; also how many requests that took."""
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
        """Refuse what would cost too much, before anything is sent."""
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
    """What it would cost to ask for these texts, without what is kept in the file `kept`; nothing is sent.

    Raises:
        InputError: as `Chat` and `Chat.estimate` do.
    """
    return Chat(task, endpoint, kept, train).estimate(examples)


def input_tokens(wanted: Mapping[str, Any]) -> int:
    """Tokens of a request's messages, about: `CHARACTERS` to one."""
    return sum(int(len(one["content"]) / CHARACTERS) + 1 + _FRAME for one in wanted["messages"])


class _MissingError(Exception):
    """An answer isn't kept."""


class _StoppedError(Exception):
    """Another request failed for good, so that this one isn't sent."""


@dataclass
class _Run:
    """One run over some texts: requests in threads, the first failure stops them all."""

    chat: Chat
    kept: Kept
    client: "httpx.Client"
    stop: threading.Event = field(default_factory=threading.Event)

    def all(self, made: Sequence[Prompt], examples: Sequence[Example]) -> list[Prediction]:
        """Predictions in order; texts whose prompts are the same are asked for once."""
        first: dict[str, int] = {}
        for at, prompt in enumerate(made):
            first.setdefault(self.chat.key(self.chat.wanted(prompt.messages, prompt.shown)), at)
        once = set(first.values())
        found: dict[int, Prediction] = {}
        # The others find what the first was answered.
        for turn in (sorted(once), [at for at in range(len(made)) if at not in once]):
            self._pass(turn, made, examples, found)
        return [found[at] for at in range(len(made))]

    def _pass(
        self, turn: Sequence[int], made: Sequence[Prompt], examples: Sequence[Example], found: dict[int, Prediction]
    ) -> None:
        # What was on its way when one failed is paid for: leaving the pool waits for it, and it is kept.
        with ThreadPoolExecutor(max(1, self.chat.endpoint.concurrency)) as pool:
            try:
                running = {pool.submit(self._one, made[at], examples[at]): at for at in turn}
                for one in as_completed(running):
                    # The failure that stopped the others comes too, and is the one to tell of.
                    if not isinstance(one.exception(), _StoppedError):
                        found[running[one]] = one.result()
                        if self.chat._show is not None:
                            self.chat._show(len(found), len(made))
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, prompt: Prompt, example: Example) -> Prediction:
        read, asked = self.chat.converse(prompt, example, self._ask)
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
            except BaseException:
                # Before the purse is free: those that wait for it must not go on.
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

    def _send_on(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered, as often as the endpoint says."""
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
                    raise _refusal(endpoint, answer)
                continue
            if answer is not None and "insufficient_quota" in answer.text:
                raise InputError(f"{endpoint.url}: {_said(answer)}; what was answered is kept")
            failed += 1
            if failed > endpoint.retries:
                raise _given_up(endpoint, fault, answer)
            with self.chat._lock:
                self.chat.usage.retries += 1
            self._wait(failed, None if answer is None else _asked_to_wait(answer))

    def _send(self, body: Mapping[str, Any]) -> "tuple[httpx.Response | None, str]":
        import httpx

        try:
            # As ASCII: nothing of a text can be what UTF-8 has no bytes for.
            answer = self.client.post("chat/completions", content=json.dumps(body).encode())
        except httpx.ConnectError as error:
            return None, f"no server answers ({error})"
        except httpx.TimeoutException:
            return None, f"no answer in {self.chat.endpoint.timeout:g} s"
        except httpx.TransportError as error:
            return None, f"the connection was lost ({error!r})"
        return answer, f"answered {answer.status_code}: {_said(answer)}"

    def _narrowed(self, dialect: Dialect, answer: "httpx.Response") -> bool:
        """Whether to send it again without what this answer refuses; the server is asked without it from now on."""
        if answer.status_code not in (400, 422):
            return False
        with self.chat._lock:
            if self.chat._dialect != dialect:
                return True  # another request found it out meanwhile
            less = dialect.without(answer.text)
            self.chat._dialect = less or dialect
        return less is not None

    def _wait(self, failed: int, asked: float | None) -> None:
        # Jitter, so that requests that failed together don't come back together.
        delay = min(_LONGEST, _FIRST * 2 ** (failed - 1)) * random.uniform(0.5, 1.0)
        if asked is not None and asked > _PATIENCE:
            raise BuildError(
                f"{self.chat.endpoint.url}: asks to wait {asked:,.0f} s; what was answered is kept: run the same "
                "command again then"
            )
        # A little beside what the server asks for too, never less.
        delay = delay if asked is None else asked + random.uniform(0.0, 0.1)
        (self.chat._pause or self.stop.wait)(delay)


def _check(endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{endpoint.url}: not the address of a server; it looks like https://api.openai.com/v1")
    if parts.username or parts.password:
        raise InputError(f"{parts.hostname}: give no key in the address but in the environment, as {endpoint.variable}")


def _client(endpoint: Endpoint) -> "httpx.Client":
    try:
        import httpx
    except ImportError:
        raise InputError("asking an endpoint needs httpx; install it with pip install httpx") from None
    key = os.environ.get(endpoint.variable, "").strip()
    # httpx would show it in its own error.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(f"{endpoint.variable}: not a key, it has characters that none has; copy it again")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    most = max(1, endpoint.concurrency)
    return httpx.Client(
        base_url=endpoint.url.rstrip("/") + "/",
        headers=headers,
        timeout=httpx.Timeout(endpoint.timeout, connect=min(20.0, endpoint.timeout)),
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
        # A proxy of the environment is not asked about this machine.
        trust_env=not endpoint.local,
        # Without TLS no certificates are read, which takes a tenth of a second.
        verify=urlsplit(endpoint.url).scheme == "https",
    )


def _completion(endpoint: Endpoint, answer: "httpx.Response") -> dict[str, Any]:
    try:
        body = answer.json()
        _reply(body)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{endpoint.url}: answers, but not as a chat endpoint does; the address mostly ends in /v1"
        ) from None
    return dict(body)


def _reply(body: Mapping[str, Any]) -> str:
    """The text of a completion; empty where the model refused or has none."""
    content = body["choices"][0]["message"].get("content")
    return content if isinstance(content, str) else ""


def _tokens(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens of input and output, by the server's count where it gives one."""
    used = body.get("usage")
    given, made = (used.get(f"{of}_tokens") if isinstance(used, dict) else None for of in ("prompt", "completion"))
    return (
        given if isinstance(given, int) else input_tokens(wanted),
        made if isinstance(made, int) else int(len(_reply(body)) / CHARACTERS) + 1,
    )


def _said(answer: "httpx.Response") -> str:
    """A server's message, in one line, without the key."""
    try:
        body = answer.json()
        body = body.get("error", body.get("detail", body)) if isinstance(body, dict) else body
        body = body.get("message", body) if isinstance(body, dict) else body
        text = body if isinstance(body, str) else json.dumps(body)
    except ValueError:
        text = re.sub(r"<[^>]*>", " ", answer.text)
    key = answer.request.headers.get("Authorization", "").removeprefix("Bearer ")
    text = text.replace(key, "[key]") if key else text
    return " ".join(text.split())[:300]


def _refusal(endpoint: Endpoint, answer: "httpx.Response") -> InputError | BuildError:
    said, code = _said(answer), answer.status_code
    if code in (401, 403):
        held = "is not accepted" if answer.request.headers.get("Authorization") else "is missing"
        return InputError(f"{endpoint.url}: the key {held} ({said}); set the environment variable {endpoint.variable}")
    if code == 404 and "model" in said.lower():
        return InputError(f"{endpoint.url}: has no model {endpoint.model} ({said}); check its name")
    if code == 404:
        return InputError(f"{endpoint.url}: has no chat/completions there; the address mostly ends in /v1")
    if 300 <= code < 400:
        return InputError(f"{endpoint.url}: sends on to {answer.headers.get('location')}; give that address")
    error = InputError if code < 500 else BuildError
    return error(f"{endpoint.url}: answered {code} to {endpoint.model}: {said}; what was answered is kept")


def _given_up(endpoint: Endpoint, fault: str, answer: "httpx.Response | None") -> InputError | BuildError:
    if answer is None and fault.startswith("no server"):
        return InputError(f"{endpoint.url}: {fault}; check the address, or start the server")
    return BuildError(
        f"{endpoint.url}: {fault}, {endpoint.retries + 1} times; what was answered is kept: run the same command again"
    )


def _asked_to_wait(answer: "httpx.Response") -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where there is none that can be read."""
    said = answer.headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
