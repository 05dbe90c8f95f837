"""Dumps and corpora that the tests of the command line share. Only to be read."""

import json
import time
from pathlib import Path

import pytest

from tests.building import socorpus
from tests.conftest import Once


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
