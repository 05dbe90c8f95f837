"""Fixtures shared by all tests."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.building import socorpus

# How long one example takes says nothing on a shared machine; and what passes today must pass tomorrow: new examples
# are looked for with HYPOTHESIS_SEARCH=1.
settings.register_profile("socorpus", deadline=None, derandomize="HYPOTHESIS_SEARCH" not in os.environ)
settings.load_profile("socorpus")

if TYPE_CHECKING:
    from socorpus.corpus.sample import Truth

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real dumps, archives and benchmarks; tests that need it skip, saying so, where it is absent."""
    path = Path(os.environ.get("SOCORPUS_REAL_DATA", ROOT.parent / "shared"))
    if not (path / "dumps").is_dir():
        pytest.skip(
            f"no real data at {path}: set SOCORPUS_REAL_DATA to a folder with dumps/, archives/ and benchmarks/"
        )
    return path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> "Truth":
    """A made-up dump of every form, with its truth."""
    from socorpus.corpus import sample as samples

    forms = (samples.MODERN, samples.SPRING2024, samples.AREA51, samples.DELETED, samples.PIPES)
    return samples.write(tmp_path_factory.mktemp("sample") / "dump", threads=2000, sites=forms)


@pytest.fixture(scope="session")
def built(sample: "Truth", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus built from the sample by the command, with two workers."""
    out = tmp_path_factory.mktemp("built") / "corpus"
    toml = out.parent / "socorpus.toml"
    toml.write_text(f"[contamination]\nbenchmarks = ['{sample.benchmark}']\n[shards]\nrow_group = 64\n", "utf-8")
    socorpus("build", sample.folder, "-o", out, "--workers", 2, "--config", toml)
    return out


@pytest.fixture(scope="session")
def real_corpus(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus built from all real dumps and archives by the command, with two workers."""
    out = tmp_path_factory.mktemp("real") / "corpus"
    socorpus("build", real_data / "dumps", real_data / "archives", "-o", out, "--workers", 2)
    return out
