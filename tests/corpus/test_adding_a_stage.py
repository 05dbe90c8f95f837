"""The worked example of docs/stages.md, as it stands there: a new signal is built, reused, told of and tested."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from socorpus.corpus import schema, signals
from socorpus.corpus.report import story
from socorpus.corpus.signals.base import SIGNALS, Signal
from tests.corpus import small_site

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stages.md"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The example's pieces, put where the page says that they go."""
    text = PAGE.read_text("utf-8").partition("## Adding a stage")[2]
    blocks = dict(zip(("file", "line", "test"), re.findall(r"```python\n(.*?)```", text, re.S), strict=True))
    module = ModuleType("socorpus.corpus.signals.shouting")
    exec(compile(blocks["file"], "shouting.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "socorpus.corpus.signals.shouting", module)
    monkeypatch.setattr(signals, "shouting", module, raising=False)
    yield blocks


@contextmanager
def entered(example: dict[str, str]) -> Iterator[None]:
    """The example's signal among ours."""
    (signal,) = eval(f"({example['line']})", {"Signal": Signal, "shouting": vars(signals)["shouting"]})
    ours = SIGNALS.add(signal.name, signal)
    try:
        yield
    finally:
        SIGNALS.remove(ours.name)


def test_a_build_writes_reuses_and_shows_it(tmp_path: Path, example: dict[str, str]) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    small_site.build(root, dump)
    with entered(example):
        _check(root, dump)


def _check(root: Path, dump: Path) -> None:
    kept = json.loads((root / "MANIFEST.json").read_text("utf-8"))["totals"]
    facts = small_site.build(root, dump)
    (path,) = (root / "signals" / "shouting").rglob("*.parquet")
    marks = pq.read_table(path)
    schema.check(marks.schema, SIGNALS["shouting"].columns, str(path))
    documents = pq.read_table(str(path).replace("signals/shouting", "documents"))
    for column in ("site", "post_id"):
        assert marks[column].to_pylist() == documents[column].to_pylist()
    assert 0 < max(marks["capitals"].to_pylist()) < 1
    assert facts["files"][str(path.relative_to(root))]["rows"] == documents.num_rows
    # The other signals are those of the build before, and nothing is dropped because of the new one.
    assert facts["reused"]["language"] == documents.num_rows and facts["reused"]["shouting"] == 0
    assert facts["totals"] == kept
    told = story.lines(story.find(root, f"{small_site.SITE}:{small_site.ANSWER}"))
    assert any("shouting" in line and "capitals" in line for line in told)


def test_its_own_test_passes(example: dict[str, str]) -> None:
    names: dict[str, Callable[[], None]] = {}
    exec(compile(example["test"], "test_shouting.py", "exec"), names)
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 1
    names[tests[0]]()
