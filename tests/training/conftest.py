"""A small built corpus to train on, and a run of it."""

import warnings
from pathlib import Path

import pytest
import torch

with warnings.catch_warnings():
    # megatron-core and what it imports warn of one another; `parallel.joined` keeps that from users.
    warnings.simplefilter("ignore")
    import megatron.core.models.bert.bert_model  # noqa: F401

from socorpus.corpus.sample import writer as sample_writer
from tests.building import socorpus
from tests.conftest import Once
from tests.training import runs


@pytest.fixture
def one_thread() -> None:
    """Let torch use one thread: tests run side by side, and more in each would hinder one another."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus(once: Once) -> Path:
    """Two sites in shards of many row groups. Only to be read."""

    def build(root: Path) -> None:
        sample_writer.write(root / "dump", threads=260, sites=(sample_writer.MODERN, sample_writer.PIPES), seed=5)
        toml = root / "build.toml"
        toml.write_text("[shards]\nrow_group = 64\n[split]\nvalidation = 0.06\n", "utf-8")
        socorpus("build", root / "dump", "-o", root / "corpus", "--workers", 0, "--no-labels", "--config", toml)

    return once("training", build) / "corpus"


@pytest.fixture(scope="session")
def second(corpus: Path, once: Once) -> Path:
    """Another corpus with the same tokenizer, of fewer and smaller row groups. Only to be read."""

    def build(root: Path) -> None:
        sample_writer.write(root / "dump", threads=90, sites=(sample_writer.PIPES,), seed=8)
        toml = root / "build.toml"
        tokenizer = f'[tokenizer]\npath = "{corpus / "tokenizer/tokenizer.json"}"'
        toml.write_text(f"[shards]\nrow_group = 16\n[split]\nvalidation = 0.1\n{tokenizer}\n", "utf-8")
        socorpus("build", root / "dump", "-o", root / "corpus", "--workers", 0, "--no-labels", "--config", toml)

    return once("training-second", build) / "corpus"


@pytest.fixture(scope="session")
def whole(corpus: Path, once: Once) -> Path:
    """A run of one rank from start to end on that corpus. Only to be read."""
    return once("training-run", lambda folder: runs.train(corpus, folder / "run", runs.configure(folder))) / "run"
