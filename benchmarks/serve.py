"""A served model under load: 50 requests at once for a minute, from another process.

The server is a process of its own, as `socorpus labeling serve` runs it: a fine-tuned model's folder, or, where none is
named, a rule by keywords, which shows what the server itself costs. Each client sends its next request once it has the
answer to the last. Printed are requests a second, median and 99th percentile of the seconds until an answer, answers
that were none, and the server's memory (resident set) after 10 s, 30 s and at the end.

    python benchmarks/serve.py [MODEL] [--seconds N] [--clients N] [--texts N] [--chars N] [--workers N] [--batch N]
"""

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from socorpus.labeling.schema import TASKS
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.serve import app as serve_app
from socorpus.training.serve.settings import ServeSettings

SENTENCE = "My program stops with an error when I import numpy, what do I do wrong? "
MEMORY_AT = (10.0, 30.0)


class Begging:
    """A rule as a model: how often a text says please."""

    task, version = TASKS["quality"], "begging-1"

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Probabilities of each text."""
        found = (min(4, len(re.findall("please|plz", one.text))) for one in examples)
        return [Prediction(probabilities=(0.8 - 0.2 * n, 0.1 + 0.1 * n, 0.1 + 0.1 * n)) for n in found]


@dataclass
class Load:
    """What the clients saw.

    Attributes:
        seconds: until each good answer.
        errors: what went wrong -> how often.
        memory: seconds since the start -> bytes of the server.
    """

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    memory: dict[float, int] = field(default_factory=dict)


@contextmanager
def server(arguments: argparse.Namespace) -> Iterator[str]:
    """Address of a server in a process of its own."""
    sizes = ["--workers", str(arguments.workers), "--batch", str(arguments.batch)]
    command = [sys.executable, __file__, "--serve", *sizes]
    if arguments.model is not None:
        command.append(str(arguments.model))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"http://[\d.]+:\d+", line)
            if found is None:
                raise SystemExit(f"the server does not start: {line}{process.stdout.read()}")
            yield found[0]
        finally:
            process.terminate()
            process.wait(60)


def run_server(arguments: argparse.Namespace) -> None:
    """Be that process."""
    settings = ServeSettings(port=0, token=None, workers=arguments.workers, batch=arguments.batch)

    def say(line: str) -> None:
        print(line, flush=True)

    if arguments.model is None:
        serve_app.serve(Begging, settings, say)
        return
    from socorpus.training.finetuning import predictor

    serve_app.serve(lambda: predictor.load(arguments.model), settings, say)


async def load(url: str, arguments: argparse.Namespace) -> Load:
    """Ask for as long as is wanted."""
    seen, started = Load(), time.monotonic()
    end = started + arguments.seconds
    limits = httpx.Limits(max_connections=arguments.clients + 1, max_keepalive_connections=arguments.clients + 1)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as http:
        text = (SENTENCE * (arguments.chars // len(SENTENCE) + 1))[: arguments.chars]

        async def client(number: int) -> None:
            body = {
                "texts": [{"title": f"Question {number}", "text": f"{text}{one}"} for one in range(arguments.texts)]
            }
            while (now := time.monotonic()) < end:
                try:
                    answer = await http.post("/v1/predict", json=body)
                except httpx.TransportError as error:
                    seen.errors[type(error).__name__] += 1
                    continue
                if answer.status_code == 200 and len(answer.json()["results"]) == arguments.texts:
                    seen.seconds.append(time.monotonic() - now)
                else:
                    seen.errors[str(answer.status_code)] += 1

        async def memory() -> None:
            for at in (*(at for at in MEMORY_AT if at < arguments.seconds), arguments.seconds):
                await asyncio.sleep(max(0.0, started + at - time.monotonic()))
                health: dict[str, Any] = (await http.get("/health")).json()
                seen.memory[at] = health["memory"]

        await asyncio.gather(memory(), *map(client, range(arguments.clients)))
    return seen


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, help="folder of a fine-tuned model; none: a rule by keywords")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50, help="requests at once")
    parser.add_argument("--texts", type=int, default=1, help="texts of a request")
    parser.add_argument("--chars", type=int, default=1000, help="characters of a text")
    parser.add_argument("--workers", type=int, default=1, help="copies of the model")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_server(arguments)
        return
    with server(arguments) as url:
        seen = asyncio.run(load(url, arguments))
    took = sorted(seen.seconds) or [0.0]
    print(f"requests a second   {len(seen.seconds) / arguments.seconds:,.1f}")
    print(f"median              {statistics.median(took) * 1000:,.1f} ms")
    print(f"99th percentile     {took[min(len(took) - 1, int(len(took) * 0.99))] * 1000:,.1f} ms")
    wrong = seen.errors.total()
    print(f"errors              {wrong:,} of {len(seen.seconds) + wrong:,} {dict(seen.errors)}")
    for at, size in seen.memory.items():
        print(f"memory at {at:>4.0f} s     {size / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
