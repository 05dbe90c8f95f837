"""Two OpenAI-compatible servers on this machine: one whose answers a test writes, and `transformers serve`."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class Reply:
    """What a server answers: a completion with this text, or with another status an error with this message."""

    text: str | None = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    tokens: tuple[int, int] | None = (100, 10)
    body: str | None = None
    finish: str = "stop"


Script = Callable[[int, dict[str, Any]], Reply | str]
"""Number of the request, from 0, and its body, to what is answered."""


class Scripted:
    """A server in a thread that answers as a script says, and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.at: list[float] = []
        self.running = self.most = 0
        self.url = ""

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        # Nothing is awaited between here and `append`: no two requests have one number.
        number = len(self.bodies)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.paths.append(request.url.path)
        self.at.append(time.monotonic())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            reply = self.script(number, body)
            reply = Reply(reply) if isinstance(reply, str) else reply
            await asyncio.sleep(reply.delay)
        finally:
            self.running -= 1
        return _response(reply, body)

    def texts(self) -> list[str]:
        """The last message of each request."""
        return [body["messages"][-1]["content"] for body in self.bodies]


def _response(reply: Reply, body: Mapping[str, Any]) -> Response:
    headers = dict(reply.headers)
    if reply.body is not None:
        return Response(reply.body, reply.status, headers)
    if reply.status != 200:
        error = {"message": reply.text, "type": "invalid_request_error", "code": None}
        return JSONResponse({"error": error}, reply.status, headers)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": reply.text},
        "finish_reason": reply.finish,
    }
    made: dict[str, Any] = {"id": "1", "object": "chat.completion", "model": body["model"], "choices": [choice]}
    if reply.tokens is not None:
        made["usage"] = {"prompt_tokens": reply.tokens[0], "completion_tokens": reply.tokens[1]}
    return JSONResponse(made, headers=headers)


_scripted: dict[str, Scripted] = {}


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """A server of an address of its own, as long as the block runs; all are one, since starting it takes time."""
    made = Scripted(script)
    name = str(len(_scripted))
    _scripted[name] = made
    made.url = f"{_address()}/{name}/v1"
    yield made
    made.script = lambda *_: Reply("this server is closed", 400)


async def _dispatch(request: Request) -> Response:
    return await _scripted[request.path_params["name"]].answer(request)


@cache
def _address() -> str:
    app = Starlette(routes=[Route("/{name}/v1/chat/completions", _dispatch, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    # The port is taken before the thread runs, so that nothing is waited for.
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_model(folder: Path) -> Path:
    """A Llama of random weights with a byte-level tokenizer and a chat template: what it says is noise."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: at for at, letter in enumerate([*letters, "<|end|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = _TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=vocabulary["<|end|>"],
        pad_token_id=vocabulary["<|end|>"],
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@contextmanager
def transformers_serve(model: Path, log: Path, patience: float = 90.0) -> Iterator[str]:
    """`transformers serve` with a model of this disk; gives its base address."""
    port = closed_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--log-level", "warning"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        # A session of its own, so that what it starts ends with it.
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + patience
        with httpx.Client(trust_env=False) as client:
            while not _answers(client, f"{address}/health"):
                if process.poll() is not None or time.monotonic() > ends:
                    raise AssertionError(f"transformers serve did not start:\n{log.read_text('utf-8', 'replace')}")
                time.sleep(0.1)
        yield f"{address}/v1"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
