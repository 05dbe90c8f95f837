"""Every command under every fault that can meet it: a sentence and the right exit code, never a traceback.

A command that is not in the table fails the first test. What is read is damaged in six ways; what is written lies on a
disk that is read-only or full, or at an address; servers do not answer; signals come. By default each command meets
each fault at one file, and with `make test-all` at every file.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from socorpus.cli.main import app
from tests import fork_server
from tests.building import small_disk
from tests.cli.conftest import FAST
from tests.test_api import commands

SITE = "modern.example.com"
TRAIN = ("--config", "train.toml")
OFFLINE = {"HF_ENDPOINT": "http://127.0.0.1:1", "OPENAI_API_KEY": "none", "LABEL_STUDIO_API_KEY": "none"}


def missing(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swapped(path: Path) -> None:
    path.write_bytes(b"\x00\xff\xfe something else altogether \x1b[31m" * 50)


def unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (missing, truncated, emptied, flipped, swapped, unreadable)


@dataclass(frozen=True)
class Command:
    """How a command is called and what may befall it.

    Attributes:
        words: the call, in a folder that holds copies of all that commands read; OUT stands for what it writes, also
            as the beginning of a word.
        reads: exit codes by the file that is damaged (a pattern below the folder; its first match).
        heals: damages that a command does not notice or mends, with exit code 0.
        writes: whether OUT is in `words`.
        unreached: calls that need a server which does not answer, with their exit codes.
        ends: a call that does not end by itself soon, for signals; the plug-in of `waits.py` waits in it.
    """

    words: tuple[object, ...]
    reads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unreached: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    ends: tuple[object, ...] = ()
    stopped: tuple[int, ...] = ()

    @property
    def writes(self) -> bool:
        return any("OUT" in str(word) for word in self.words)


WAITS = ("--plugin", "waits.py")
VARIES = ("--vary", "selection.min_words=12", "--config", "train.toml")
SHARD, LABELS = "corpus/shards/train/*.parquet", "corpus/labels/closure/labels/**/*.parquet"
DOCUMENTS, MANIFEST, TOKENIZER = (
    "corpus/documents/**/*.parquet",
    "corpus/MANIFEST.json",
    "corpus/tokenizer/tokenizer.json",
)
INPUT, ANY = (2,), (0, 2)
TABLE: dict[str, Command] = {
    "build": Command(
        ("build", "dump.7z", "-o", "OUT", "--config", "build.toml", "--plugin", "plugin.py", "--workers", 0),
        # A comment's letter may flip in a plug-in or a configuration; what it then says is the user's.
        {"dump.7z": INPUT, "build.toml": ANY, "plugin.py": ANY},
        {
            ("build", "s3://nowhere/dump.7z", "-o", "OUT"): 2,
            ("build", "http://127.0.0.1:1/dump.7z", "-o", "OUT"): 2,
            ("build", "dump", "-o", "OUT", "--scheduler", "tcp://127.0.0.1:1"): 1,
        },
        ("build", "dump", "-o", "OUT", "--workers", 0, *WAITS),
    ),
    "inspect": Command(
        ("inspect", "dump.7z", "--config", "build.toml", "--plugin", "plugin.py"),
        # What is damaged within a table is shown, and is no reason to stop.
        {"dump.7z": ANY, "build.toml": ANY, "plugin.py": ANY},
        {
            ("inspect", "s3://nowhere/dump.7z"): 2,
            ("inspect", "http://127.0.0.1:1/dump.7z"): 2,
        },
        ("inspect", "dump", *WAITS),
    ),
    "status": Command(
        ("status", "corpus"),
        {"corpus/receipts/documents/**/*.json": (0,), MANIFEST: (0,), "corpus/receipts/read.json": (0,)},
    ),
    "verify": Command(
        ("verify", "corpus"),
        {DOCUMENTS: (1,), SHARD: (1,), MANIFEST: INPUT, "corpus/receipts/documents/**/*.json": (0, 1)},
    ),
    "tokenize": Command(
        ("tokenize", "corpus", "--tokenizer", "encoder", "--workers", 0),
        # A bit of a tokenizer may flip: another one, whose tokens are made.
        {SHARD: INPUT, MANIFEST: INPUT, "encoder/tokenizer.json": ANY},
        {("tokenize", "corpus", "--tokenizer", "encoder", "--scheduler", "tcp://127.0.0.1:1"): 1},
    ),
    "report": Command(
        ("report", "corpus"), {DOCUMENTS: INPUT, LABELS: INPUT, MANIFEST: INPUT}, ends=("report", "corpus", *WAITS)
    ),
    "explain": Command(
        ("explain", "corpus", f"{SITE}:1"),
        # Without a manifest that can be read it is an unfinished corpus, of which it shows what there is.
        {f"corpus/documents/{SITE}/*.parquet": INPUT, MANIFEST: ANY},
        ends=("explain", "corpus", f"{SITE}:1", *WAITS),
    ),
    "publish": Command(
        ("publish", "corpus", "-o", "OUT", "--workers", 0),
        {SHARD: INPUT, LABELS: INPUT, DOCUMENTS: INPUT, MANIFEST: INPUT},
        ends=("publish", "corpus", "-o", "OUT", "--workers", 0, *WAITS),
    ),
    "forget": Command(
        ("forget", "corpus", "--list", "asked.txt", "--workers", 0),
        {"asked.txt": ANY, DOCUMENTS: INPUT, SHARD: INPUT, LABELS: INPUT, MANIFEST: INPUT},
        ends=("forget", "corpus", "--list", "asked.txt", *WAITS),
    ),
    "diff": Command(
        ("diff", "corpus", "corpus", "-o", "OUT"),
        {SHARD: INPUT, LABELS: INPUT, DOCUMENTS: INPUT, MANIFEST: INPUT},
        ends=("diff", "corpus", "corpus", *WAITS),
    ),
    "browse": Command(
        ("browse", "corpus", "--port", 0),
        {DOCUMENTS: INPUT, LABELS: INPUT, "corpus/decisions/**/*.parquet": INPUT, MANIFEST: INPUT},
        ends=("browse", "corpus", "--port", 0),
        stopped=(0,),
    ),
    "sample": Command(("sample", "OUT", "--threads", 40), ends=("sample", "OUT", "--size-mb", 2000)),
    "labeling apply": Command(
        ("labeling", "apply", "corpus", "--workers", 0),
        {DOCUMENTS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "apply", "corpus", *WAITS),
    ),
    "labeling analyze": Command(
        ("labeling", "analyze", "corpus", "--task", "closure", "--workers", 0),
        {DOCUMENTS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "analyze", "corpus", *WAITS),
    ),
    "labeling export": Command(
        ("labeling", "export", "corpus", "--task", "closure", "-o", "OUT"),
        {LABELS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "export", "corpus", "--task", "closure", "-o", "OUT", *WAITS),
    ),
    "labeling slices": Command(
        ("labeling", "slices", "corpus", "--task", "closure"),
        {LABELS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "slices", "corpus", "--task", "closure", *WAITS),
    ),
    "labeling accuracy": Command(
        ("labeling", "accuracy", "corpus", "--task", "closure"),
        {LABELS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "accuracy", "corpus", "--task", "closure", *WAITS),
    ),
    "labeling diff": Command(
        ("labeling", "diff", "corpus", "corpus", "--task", "closure"),
        {LABELS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "diff", "corpus", "corpus", *WAITS),
    ),
    "labeling try": Command(
        ("labeling", "try", "plugin.py", "corpus"), {"plugin.py": ANY}, ends=("labeling", "try", "waits.py", "corpus")
    ),
    "labeling score": Command(("labeling", "score", "corpus", "--remove"), {MANIFEST: INPUT}),
    "labeling train-score": Command(
        ("labeling", "train-score", "questions.csv", "-o", "OUT"),
        {"questions.csv": ANY},
        ends=("labeling", "train-score", "questions.csv", "-o", "OUT"),
    ),
    "labeling sync": Command(
        ("labeling", "sync", "corpus", "--project", "P", "--task", "closure", "--url", "http://127.0.0.1:1"),
        {LABELS: INPUT, MANIFEST: INPUT},
        {("labeling", "sync", "corpus", "--project", "P", "--task", "closure", "--url", "http://127.0.0.1:1"): 2},
        ("labeling", "sync", "corpus", "--project", "P", "--task", "closure", *WAITS),
    ),
    "labeling names": Command(
        ("labeling", "names", "corpus", "--task", "entities", "--url", "http://127.0.0.1:1"),
        {"corpus/labels/entities/labels/**/*.parquet": INPUT, MANIFEST: INPUT},
        {("labeling", "names", "corpus", "--task", "entities", "--url", "http://127.0.0.1:1"): 2},
        ("labeling", "names", "corpus", "--task", "entities", *WAITS),
    ),
    "labeling sheet": Command(
        ("labeling", "sheet", "corpus", "--task", "closure", "-o", "OUT.csv"),
        {LABELS: INPUT, MANIFEST: INPUT},
        ends=("labeling", "sheet", "corpus", "--task", "closure", "-o", "OUT.csv", *WAITS),
    ),
    "labeling judgements": Command(
        ("labeling", "judgements", "corpus", "judged.csv", "--task", "closure"),
        {"judged.csv": ANY, MANIFEST: INPUT, "corpus/labels/closure/examples/**/*.parquet": INPUT},
        ends=("labeling", "judgements", "corpus", "judged.csv", "--task", "closure", *WAITS),
    ),
    # It needs an installed server for more: tests/labeling/label_studio.
    "labeling studio": Command(("labeling", "studio", "--data", "OUT")),
    "labeling serve": Command(
        ("labeling", "serve", "taught", "--port", 0),
        {"taught/finetune.json": INPUT, "taught/config.json": INPUT, "taught/tokenizer.json": INPUT},
        ends=("labeling", "serve", "taught", "--port", 0),
        stopped=(0,),
    ),
    "train": Command(
        ("train", "corpus", "-o", "OUT", *TRAIN),
        {SHARD: INPUT, TOKENIZER: INPUT, MANIFEST: INPUT, "train.toml": ANY},
        ends=("train", "corpus", "-o", "OUT", *WAITS),
    ),
    "plan": Command(("plan", "corpus", *TRAIN), {MANIFEST: INPUT}, ends=("plan", "corpus", *WAITS)),
    "curves": Command(("curves", "run", "-o", "OUT"), {"run/run.json": INPUT, "run/log.jsonl": INPUT}),
    "export": Command(
        ("export", "run", "-o", "OUT"),
        {
            "run/run.json": INPUT,
            "run/checkpoints/*/*.distcp": INPUT,
            "run/checkpoints/*/.metadata": INPUT,
            "run/run.toml": ANY,
        },
    ),
    "finetune": Command(
        ("finetune", "encoder", "--task", "quality", "--data", "questions.csv", "-o", "OUT", *FAST),
        {
            "questions.csv": INPUT,
            "encoder/config.json": INPUT,
            "encoder/model.safetensors": INPUT,
            "encoder/tokenizer.json": INPUT,
        },
        {("finetune", "nobody/nothing", "--task", "quality", "--data", "questions.csv", "-o", "OUT", "--download"): 2},
        ("finetune", "encoder", "--task", "closure", "--data", "corpus", "-o", "OUT", *WAITS),
    ),
    "evaluate": Command(
        ("evaluate", "--on", "quality=questions.csv", "--system", "Small=encoder", "-o", "OUT", *FAST),
        # A system that can't be loaded is missing in the table, and the command fails in the end.
        {"questions.csv": INPUT, "encoder/config.json": (1, 2), "encoder/model.safetensors": (1, 2)},
        {
            (
                "evaluate",
                "--on",
                "quality=questions.csv",
                "--system",
                "chat:m@http://127.0.0.1:1",
                "--limit",
                "1",
                "-o",
                "OUT",
            ): 1
        },
        ("evaluate", "--on", "quality=questions.csv", "-o", "OUT", *WAITS),
    ),
    "ablate": Command(
        ("ablate", "corpus", *VARIES, "--tokens", "2k", "--seeds", 1, "--workers", 0, "-o", "OUT"),
        # What is varied is held against its manifest as a whole, but for receipts, which are made again.
        {DOCUMENTS: INPUT, SHARD: INPUT, TOKENIZER: INPUT, MANIFEST: INPUT, "train.toml": ANY},
        ends=("ablate", "corpus", *VARIES, "-o", "OUT", *WAITS),
    ),
    "doctor": Command(("doctor", "--plugin", "plugin.py"), {"plugin.py": ANY}, ends=("doctor", *WAITS)),
}
UNNOTICED = {
    # A bit of a text or a number: still a file of its kind, and no manifest holds it.
    *(
        (name, file, flipped)
        for name in ("finetune", "evaluate")
        for file in ("questions.csv", "encoder/model.safetensors")
    ),
    *(
        (name, file, flipped)
        for name in ("finetune", "evaluate", "labeling serve")
        for file in ("encoder/config.json",)
    ),
    ("labeling serve", "taught/config.json", flipped),
    ("labeling serve", "taught/finetune.json", flipped),
    ("labeling serve", "taught/tokenizer.json", flipped),
    ("finetune", "encoder/tokenizer.json", flipped),
    ("export", "run/run.json", flipped),
    # A figure that is another one; a last line that is being written.
    ("curves", "run/run.json", flipped),
    *(("curves", "run/log.jsonl", damage) for damage in (flipped, truncated)),
    # Of the optimizer's state, or of a number: torch keeps no hash of them.
    *(("export", "run/checkpoints/*/*.distcp", damage) for damage in (flipped, truncated)),
    # Then it is the preset as it is, which takes minutes.
    ("train", "train.toml", emptied),
    # Rows that are left are enough.
    *((name, "questions.csv", truncated) for name in ("finetune", "evaluate")),
}
"""Damages that these commands can't know of."""

NAMES = [" ".join(words) for words in commands(typer.main.get_command(app))]


@pytest.fixture(scope="session")
def inputs(
    dump: Path,
    corpus: Path,
    questions: Path,
    encoder: Path,
    taught: Path,
    run: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with all that commands read. Only to be read."""
    from socorpus.corpus.sample import writer
    from tests.training.runs import configure

    folder = tmp_path_factory.mktemp("inputs")
    for source, name in ((corpus, "corpus"), (encoder, "encoder"), (taught, "taught"), (run, "run"), (dump, "dump")):
        shutil.copytree(source, folder / name, symlinks=True)
    shutil.copy(questions, folder)
    writer.pack(dump / SITE, folder / "dump.7z")
    configure(folder, 1, validation=0)
    (folder / "build.toml").write_text("# of a test\n[selection]\nmin_words = 6\n")
    judged = pq.read_table(next((corpus / "labels/closure/labels").rglob("*.parquet")), columns=["site", "post_id"])
    lines = (f"{row['site']},{row['post_id']},open,ann\n" for row in judged.slice(0, 3).to_pylist())
    (folder / "judged.csv").write_text("site,post_id,label,annotator\n" + "".join(lines))
    (folder / "asked.txt").write_text(f"{SITE}:1\n")
    (folder / "plugin.py").write_text("# defines nothing\nANSWER = [42]\n")
    (folder / "waits.py").write_text("import time\ntime.sleep(120)\n")
    return folder


@pytest.fixture
def place(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the inputs, as the current folder."""
    folder = tmp_path / "place"
    # Hard links: damages replace a file, or are undone by that.
    shutil.copytree(inputs, folder, symlinks=True, copy_function=os.link)
    monkeypatch.chdir(folder)
    return folder


def call(words: tuple[object, ...], out: object = "out", timeout: float = 100) -> subprocess.CompletedProcess[str]:
    """Run a command; it ends in time, without a traceback, and a failure has one sentence at its end."""
    done = fork_server.run([str(word).replace("OUT", str(out)) for word in words], {**os.environ, **OFFLINE}, timeout)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode not in (0, 130):
        assert "socorpus: " in done.stderr or "Error: " in done.stderr, done
        assert "\x1b" not in done.stderr
    return done


def own(path: Path) -> None:
    """Make a hard link a file of its own."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def chosen(name: str) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Each damage at one of the files that a command reads; the others are for `make test-all`."""
    files = list(TABLE[name].reads)
    for number, damage in enumerate(DAMAGES if files else ()):
        yield files[number % len(files)], damage


def cases() -> list[object]:
    every = [(name, file, damage) for name, command in TABLE.items() for file in command.reads for damage in DAMAGES]
    quick = {(name, *case) for name in TABLE for case in chosen(name)}
    return [
        pytest.param(
            *case, id="-".join((case[0], case[1], case[2].__name__)), marks=() if case in quick else pytest.mark.slow
        )
        for case in every
        if case not in UNNOTICED
    ]


def test_every_command_is_in_the_table() -> None:
    assert sorted(TABLE) == sorted(NAMES)


@pytest.mark.parametrize(("name", "file", "damage"), cases())
def test_a_damaged_file(name: str, file: str, damage: Callable[[Path], None], place: Path) -> None:
    path = sorted(place.glob(file))[0].resolve()  # not the link that tools see
    own(path)
    damage(path)
    done = call(TABLE[name].words)
    assert done.returncode in TABLE[name].reads[file], (done.returncode, done.stdout, done.stderr)
    if done.returncode == 2:
        named = " ".join(done.stderr.split()).replace(" ", "")
        assert any(part in named for part in (path.name, path.parent.name)), done.stderr


WRITERS = [name for name in TABLE if TABLE[name].writes]


@pytest.mark.parametrize("name", WRITERS)
def test_an_address_is_no_folder_to_write_to(name: str, place: Path) -> None:
    before = sorted(place.iterdir())
    # Corpora, runs, models and comparisons may be in an object store, but at no other address.
    stored = ("build", "train", "export", "finetune", "evaluate")
    for address in ("https://bucket/out" if name in stored else "s3://bucket/out", "file:///tmp/out"):
        done = call(TABLE[name].words, address)
        assert done.returncode == 2 and "an address, where a folder" in " ".join(done.stderr.split()), done.stderr
    assert sorted(place.iterdir()) == before


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with small_disk(folder, "4m"):
        (folder / "corpus").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "labeling studio"])
def test_a_disk_that_is_read_only_and_paths_that_can_not_be(name: str, place: Path) -> None:
    (place / "file").write_text("mine")
    with read_only(place / "disk"):
        for out in ("disk/out", "a" * 300, "file/out", "/proc/out"):
            done = call(TABLE[name].words, out)
            assert done.returncode in (1, 2) and out[:20] in done.stderr, (out, done.stdout, done.stderr)
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "build",
        "sample",
        "labeling export",
        "publish",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("train", "export", "finetune")),
    ],
)
def test_a_full_disk(name: str, place: Path) -> None:
    with small_disk(place / "disk", "48k"):
        done = call(TABLE[name].words, "disk/out")
        assert done.returncode == 1 and "no space left" in " ".join(done.stderr.split()), done.stderr
        assert not list((place / "disk").rglob("*.partial"))


@pytest.mark.parametrize("name", ["report", "labeling apply", "labeling analyze"])
def test_a_corpus_on_a_disk_that_is_read_only(name: str, place: Path) -> None:
    with small_disk(place / "disk", "60m"):
        shutil.copytree(place / "corpus", place / "disk/corpus", symlinks=True)
        subprocess.run(["mount", "-o", "remount,ro", "disk"], check=True, cwd=place)
        words = tuple("disk/corpus" if word == "corpus" else word for word in TABLE[name].words)
        done = call(words)
        assert done.returncode == 2 and "read-only" in done.stderr, (done.stdout, done.stderr)
        for reader in (("status", "disk/corpus"), ("verify", "disk/corpus"), ("explain", "disk/corpus", f"{SITE}:1")):
            assert call(reader).returncode == 0


SLOW_CALLS = ("--scheduler", "chat:m@http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(
            words, code, id=" ".join(words)[:60], marks=pytest.mark.slow if set(SLOW_CALLS) & set(words) else ()
        )
        for command in TABLE.values()
        for words, code in command.unreached.items()
    ],
)
def test_servers_that_do_not_answer(words: tuple[str, ...], code: int, place: Path) -> None:
    done = call(words)
    assert done.returncode == code, (done.stdout, done.stderr)


ENDING = [name for name in TABLE if TABLE[name].ends]


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize(
    "sign",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_signals(name: str, sign: signal.Signals, place: Path) -> None:
    words = [str(word).replace("OUT", "out") for word in TABLE[name].ends]
    process = fork_server.start(words)
    until = time.monotonic() + 60
    while not heard(process.pid, signal.SIGTERM):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (128 + sign, *TABLE[name].stopped), (process.returncode, said)
    assert "Traceback" not in said and "stopped" in said, said
    assert not list(place.rglob("*.partial"))


def heard(process: int, sign: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (sign - 1) & 1)


def test_a_post_that_is_not_there(place: Path) -> None:
    done = fork_server.run(("explain", "corpus", f"{SITE}:999999"))
    assert done.returncode == 1 and "the dump has no post of this number" in done.stdout
