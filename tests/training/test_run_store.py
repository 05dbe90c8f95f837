"""Training on a corpus in an object store, with the run there: stopped, and gone on with on another machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus import BuildError, build
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.storage import files, generations
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.storage.objects import store_client
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.training import load_config, train
from tests import s3_server
from tests.conftest import Once

CONFIG = {
    "model": {"layers": 1, "max_length": 128},
    "schedule": {"tokens": 32_768},
    "checkpoint": {"steps": 1, "keep": 2},
}


@pytest.fixture(scope="module")
def on_disk(once: Once) -> Path:
    def fill(folder: Path) -> None:
        dump = sample_writer.write(folder / "dump", threads=30, sites=[sample_writer.MODERN]).folder
        build(dump, folder / "corpus", workers=0)

    return once("small-corpus-to-train-on", fill) / "corpus"


@pytest.fixture(scope="module")
def stored(on_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The corpus's files, put into a store."""
    root, source = ObjectPath("s3://corpora/corpus"), generations.finished(on_disk)
    with s3_server.server(), s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path_factory.mktemp("scratch"))):
        with lock(root), generations.writing(root) as tree:
            for path in files.every(source):
                store_client.upload(str(tree.joinpath(*path.relative_to(source).parts)), path)
            generations.switch(root, tree)
        yield str(root)


class Stop:
    """Ends the run by an exception at a step, once its checkpoint has begun."""

    def __init__(self, step: int):
        self.last = step

    def begin(self, facts: Any) -> None:
        pass

    def validated(self, step: int, scores: Any) -> None:
        pass

    def saved(self, step: int) -> None:
        pass

    def step(self, line: Any) -> None:
        if line.step == self.last:
            raise ZeroDivisionError


def test_a_run_in_a_store_goes_on_on_another_machine(stored: str, on_disk: Path, tmp_path: Path) -> None:
    config = load_config("tiny", overrides=CONFIG)
    place = ObjectPath("s3://corpora/corpus/runs/tiny")
    with pytest.raises(ZeroDivisionError):
        train(stored, config=config, show=Stop(3))
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["step-000000001", "step-000000002"]
    with s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "another")):
        facts = train(stored, config=config)
    assert facts["step"] == facts["steps"] == 4
    assert facts["corpus"] == stored
    local = train(on_disk, tmp_path / "run", config=config)
    names = [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert [path.name for path in (place / "checkpoints").iterdir()] == names
    assert local["tokens"] == facts["tokens"]
    last = tmp_path / "run" / "checkpoints" / names[-1]
    assert (place / "checkpoints" / names[-1] / "__0_0.distcp").read_bytes() == (last / "__0_0.distcp").read_bytes()


def test_one_process_trains_a_run(stored: str) -> None:
    with lock(ObjectPath("s3://corpora/run")), pytest.raises(BuildError, match="is at work there"):
        train(stored, "s3://corpora/run", config=load_config("tiny", overrides=CONFIG))
