"""Fixtures shared by all tests."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import fork_server
from tests.building import socorpus

# How long one example takes says nothing on a shared machine; and what passes today must pass tomorrow: new examples
# are looked for with HYPOTHESIS_SEARCH=1.
settings.register_profile("socorpus", deadline=None, derandomize="HYPOTHESIS_SEARCH" not in os.environ)
settings.load_profile("socorpus")

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

    from socorpus.corpus.sample.writer import Truth

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Which plug-ins a corpus was labelled with is remembered here, and not in the home of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module", autouse=True)
def same_environment() -> Iterator[None]:
    """Where Python imports from is as it was: tests that come later start processes, too."""
    names = ("PYTHONPATH", "PYTHONSAFEPATH")
    before = [os.environ.get(name) for name in names]
    yield
    assert [os.environ.get(name) for name in names] == before


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that all processes of this test run share."""
    if not hasattr(config, "workerinput"):
        os.environ[fork_server.FOLDER] = tempfile.mkdtemp(prefix="socorpus-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[fork_server.FOLDER])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real dumps, archives and benchmarks; tests that need it skip, saying so, where it is absent."""
    path = Path(os.environ.get("SOCORPUS_REAL_DATA", ROOT.parent / "shared"))
    if not (path / "dumps").is_dir():
        pytest.skip(
            f"no real data at {path}: set SOCORPUS_REAL_DATA to a folder with dumps/, archives/ and benchmarks/"
        )
    return path


STUDIO = "tests/labeling/label_studio/"
LONGEST = (
    STUDIO,
    "tests/examples/test_examples.py",
    "tests/labeling/tasks/entities/test_entities.py",
    "tests/test_bounded.py",
    "tests/corpus/engine/test_compiling.py",
    "tests/cli/test_build.py",
    "tests/test_api.py",
    "tests/cli/test_labels.py",
    "tests/training/pretrain/test_runs.py",
    "tests/cli/test_evaluate.py",
    "tests/test_docs.py",
    "tests/corpus/test_truth.py",
    "tests/labeling/test_pipeline.py",
)
"""Groups of tests that take longest, in this order."""


def group_of(nodeid: str) -> str:
    """A file's tests are a group, and so are all that use Label Studio: it loses what is imported by two at a time."""
    return STUDIO if nodeid.startswith(STUDIO) else nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(group_of(item.nodeid), len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling":
    """Let processes of pytest-xdist take a group at a time, in the order of the tests."""
    from xdist.scheduler import LoadFileScheduling

    class Groups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(autouse=True)
def plugins_stay_as_they_were() -> Iterator[None]:
    """A plug-in that a test loads is not active in the next one."""
    from socorpus.corpus import plugins

    before = plugins.active()
    yield
    plugins.activate(before)


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder of a name that all workers of pytest-xdist share: the first that needs it does, others wait."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = shared / f"shared-{name}", shared / f"shared-{name}.done"
        with (shared / f"shared-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def sample(once: Once) -> "Truth":
    """A made-up dump of every form, with its truth. Only to be read."""
    from socorpus.corpus.sample import writer as sample_writer

    forms = (
        sample_writer.MODERN,
        sample_writer.SPRING2024,
        sample_writer.AREA51,
        sample_writer.DELETED,
        sample_writer.PIPES,
    )
    return sample_writer.load(
        once("sample", lambda folder: sample_writer.write(folder / "dump", threads=2000, sites=forms)) / "dump"
    )


@pytest.fixture(scope="session")
def built(sample: "Truth", once: Once) -> Path:
    """A corpus built from the sample by the command, with two workers. Only to be read."""

    def build(folder: Path) -> None:
        toml = folder / "socorpus.toml"
        toml.write_text(f"[contamination]\nbenchmarks = ['{sample.benchmark}']\n[shards]\nrow_group = 64\n", "utf-8")
        socorpus("build", sample.folder, "-o", folder / "corpus", "--workers", 2, "--config", toml)

    return once("built", build) / "corpus"


@pytest.fixture(scope="session")
def real_corpus(real_data: Path, once: Once) -> Path:
    """A corpus built from all real dumps and archives by the command, with two workers. Only to be read."""
    sources = (real_data / "dumps", real_data / "archives")
    return once("real", lambda folder: socorpus("build", *sources, "-o", folder / "corpus", "--workers", 2)) / "corpus"
