"""Dumps and corpora that the tests of the command line share. Only to be read."""

import csv
import json
import random
import time
from pathlib import Path

import pytest

from tests.building import socorpus
from tests.conftest import Once
from tests.training import runs, tiny_models

FAST = ("--epochs", 5, "--seeds", 1, "--batch", 8, "--rate", 0.005)
"""Options of fine-tuning that takes a moment."""


@pytest.fixture(scope="session")
def small(once: Once) -> Path:
    """A dump of one small site."""
    from socorpus.corpus.sample import writer as sample_writer

    def write(folder: Path) -> None:
        sample_writer.write(folder / "dump", threads=60, sites=(sample_writer.MODERN,))

    return once("small", write) / "dump"


@pytest.fixture(scope="session")
def small_corpus(small: Path, once: Once) -> Path:
    """A corpus of it; beside it stands in `seconds.json` how long a build takes."""

    def build(folder: Path) -> None:
        # The second build has what the first compiled, as those have that are killed.
        for name in ("first", "corpus"):
            started = time.monotonic()
            socorpus("build", small, "-o", folder / name, "--workers", 0)
            (folder / "seconds.json").write_text(json.dumps(time.monotonic() - started))

    return once("small-corpus", build) / "corpus"


@pytest.fixture(scope="session")
def dump(once: Once) -> Path:
    """A dump of two small sites."""
    from socorpus.corpus.sample import writer as sample_writer

    def write(folder: Path) -> None:
        sample_writer.write(folder / "dump", threads=120, sites=(sample_writer.MODERN, sample_writer.AREA51))

    return once("two-sites", write) / "dump"


@pytest.fixture(scope="session")
def corpus(dump: Path, once: Once) -> Path:
    """A corpus of them, with labels, built as a user does it: by a process that starts from nothing."""

    def build(folder: Path) -> None:
        socorpus("build", dump, "-o", folder / "corpus", "--workers", 0, forked=False)

    return once("two-sites-corpus", build) / "corpus"


@pytest.fixture(scope="session")
def questions(once: Once) -> Path:
    """A file like "60k Stack Overflow Questions with Quality Rating": poor questions beg."""

    def write(folder: Path) -> None:
        draw = random.Random(1)
        with (folder / "questions.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["Id", "Title", "Body", "Tags", "CreationDate", "Y"])
            for at in range(200):
                words = draw.choices(tiny_models.WORDS, k=6)
                if at % 2:
                    words.insert(draw.randint(0, 6), draw.choice(("plz", "urgent")))
                day = f"2016-{at // 28 + 1:02d}-{at % 28 + 1:02d} 10:00:00"
                rows.writerow([at, "how do i", f"<p>{' '.join(words)}</p>", "<python>", day, "LQ" if at % 2 else "HQ"])

    return once("questions", write) / "questions.csv"


@pytest.fixture(scope="session")
def encoder(once: Once) -> Path:
    """A tiny model that knows nothing."""
    return once("encoder", lambda folder: tiny_models.model(folder / "small-bert")) / "small-bert"


@pytest.fixture(scope="session")
def taught(questions: Path, encoder: Path, once: Once) -> Path:
    """A model of the questions."""

    def teach(folder: Path) -> None:
        out = folder / "taught"
        shown = socorpus("finetune", encoder, "--task", "quality", "--data", questions, "-o", out, *FAST)
        assert f"model: {out} (seed 0" in shown.stdout and "the newest fifth" in shown.stdout
        assert "macro f1" in shown.stdout and "validation" in shown.stderr

    return once("taught", teach) / "taught"


@pytest.fixture(scope="session")
def run(corpus: Path, once: Once) -> Path:
    """A training run of two steps."""

    def train(folder: Path) -> None:
        runs.train(corpus, folder / "run", runs.configure(folder, 2, validation=0))

    return once("small-run", train) / "run"
