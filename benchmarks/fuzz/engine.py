"""Makes inputs, runs a target on them, and keeps those that fail.

Two engines share seeds and tokens. `random_inputs` needs nothing but a seed: input N of a seed is always the same.
`coverage` is atheris (libFuzzer over instrumented Python), which keeps what reaches new code.
"""

import hashlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

CPU_SECONDS = 20.0
"""Processor time after which an input counts as one that hangs."""
SHRINK_SECONDS = 10.0
_ODD = tuple(
    part.encode("utf-8", "surrogatepass")
    for part in (
        "\0",
        "\x01",
        "\x85",
        "é",
        "\u0301",
        "\u200b",
        "\u2028",
        "\ufeff",
        "\uffff",
        "日本",
        "😀",
        "\ud800",
        " ",
    )
)


@dataclass(frozen=True)
class Target:
    """A property of some part over any bytes.

    Attributes:
        check: raises, whatever it is, where the property does not hold.
        seeds: inputs to begin with.
        tokens: pieces that inputs are made of.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    tokens: Sequence[bytes]


class HangError(Exception):
    """An input took more processor time than `CPU_SECONDS`."""


@dataclass
class Findings:
    """Failing inputs of a target, one for each place and kind of failure."""

    folder: Path
    check: Callable[[bytes], None]
    inputs: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def run(self, data: bytes) -> None:
        """Check an input; the first one of each kind of failure is made smaller and kept."""
        self.inputs += 1
        try:
            with limited():
                self.check(data)
        except Exception as error:
            kind = signature(error)
            if kind not in self.failures:
                small = shrunk(self.check, data, kind)
                name = hashlib.sha256(small).hexdigest()[:16]
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / f"{name}.input").write_bytes(small)
                (self.folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)), "utf-8", "replace")
                self.failures[kind] = name


def signature(error: BaseException) -> str:
    """Kind of an exception and the innermost line of the project that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if "site-packages" not in frame.filename and not frame.filename.endswith("engine.py")
    ]
    last = own[-1] if own else frames[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


@contextmanager
def limited() -> Iterator[None]:
    """Ends what takes too long, in Python code at least."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {CPU_SECONDS:.0f} s of processor time")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def shrunk(check: Callable[[bytes], None], data: bytes, kind: str) -> bytes:
    """A smaller input that fails in the same way: pieces are left out as long as it does, the largest first."""
    end = time.monotonic() + SHRINK_SECONDS

    def fails(candidate: bytes) -> bool:
        try:
            with limited():
                check(candidate)
        except Exception as error:
            return signature(error) == kind
        return False

    size = max(1, len(data) // 2)
    while time.monotonic() < end:
        place = 0
        while place < len(data) and time.monotonic() < end:
            candidate = data[:place] + data[place + size :]
            if fails(candidate):
                data = candidate
            else:
                place += size
        if size == 1:
            break
        size //= 2
    return data


def random_input(target: Target, seed: int, number: int) -> bytes:
    """Input `number` of a seed: tokens in a row, or a seed input with some mutations."""
    chance = random.Random(f"{target.name}:{seed}:{number}")
    if chance.random() < 0.4 or not target.seeds:
        return b"".join(_piece(target, chance) for _ in range(chance.choice((1, 2, 4, 8, 16, 32))))
    data = chance.choice(target.seeds)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        data = _mutated(target, data, chance)
    return data


def _piece(target: Target, chance: random.Random) -> bytes:
    if target.tokens and chance.random() < 0.85:
        return chance.choice(target.tokens)
    return chance.choice(_ODD) if chance.random() < 0.6 else chance.randbytes(chance.choice((1, 1, 2, 4)))


def _mutated(target: Target, data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice((1, 1, 2, 4, 16, 64)))
    way = chance.randrange(7)
    if way == 0:
        return data[:start] + _piece(target, chance) + data[start:]
    if way == 1:
        return data[:start] + data[end:]
    if way == 2:
        return data[:start] + _piece(target, chance) + data[end:]
    if way == 3:
        return data[:start] + data[start:end] * chance.choice((2, 3, 20)) + data[end:]
    if way == 4:
        other = chance.choice(target.seeds)
        cut = chance.randint(0, len(other))
        return data[:start] + other[cut:]
    if way == 5 and start < len(data):
        return data[:start] + bytes([data[start] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
    cut = chance.randint(0, len(data))
    return data[:cut] + data[start:end] + data[cut:]


def randomly(target: Target, findings: Findings, seconds: float, seed: int) -> None:
    """Run numbered inputs until the time is over; the seeds themselves come first."""
    end = time.monotonic() + seconds
    for data in target.seeds:
        findings.run(data)
    number = 0
    while time.monotonic() < end:
        findings.run(random_input(target, seed, number))
        number += 1


def by_coverage(
    target: Target, findings: Findings, seconds: float, seed: int, finished: Callable[[Findings], None]
) -> None:
    """Run inputs that atheris makes; `finished` is called at the end, as libFuzzer ends the process."""
    import atheris

    end = time.monotonic() + seconds

    def one(data: bytes) -> None:
        findings.run(data)
        if time.monotonic() > end:
            finished(findings)
            sys.stdout.flush()
            os._exit(0)

    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder, "seeds")
        seeds.mkdir()
        for number, data in enumerate(target.seeds):
            (seeds / str(number)).write_bytes(data)
        words = Path(folder, "words")
        words.write_text(
            "".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in target.tokens if token)
        )
        options = [f"-seed={seed + 1}", f"-dict={words}", "-rss_limit_mb=6000", "-timeout=120", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *options, "-max_len=4096", str(seeds)], one, internal_libfuzzer=True)
        atheris.Fuzz()


@contextmanager
def instrumented(interpreted: bool) -> Iterator[None]:
    """What is imported in the block is measured for coverage.

    Args:
        interpreted: whether kernels run as Python, so that they are measured too; compiled ones can't be.
    """
    import atheris

    if interpreted:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    with atheris.instrument_imports(include=["socorpus"], exclude=[] if interpreted else kernels()):
        yield


def kernels() -> list[str]:
    """Modules that hold compiled functions, which can't be instrumented."""
    root = Path(__file__).resolve().parents[2]
    files = [file for package in ("corpus", "labeling", "training") for file in sorted((root / package).rglob("*.py"))]
    return [
        ".".join(("socorpus", *file.relative_to(root).with_suffix("").parts))
        for file in files
        if "njit" in file.read_text()
    ]


def text(data: bytes) -> str:
    """The text of an input, lone surrogates among it where all else is UTF-8."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def same(left: Any, right: Any, what: str) -> None:
    """Raise where two results differ."""
    if left != right:
        raise AssertionError(f"{what}:\n  {left!r}\n  {right!r}")
