"""Nothing is installed that is not pinned, and the licence of all that is needed is listed."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def dependencies() -> ModuleType:
    specification = importlib.util.spec_from_file_location("dependencies", ROOT / "benchmarks" / "dependencies.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["dependencies"] = module
    specification.loader.exec_module(module)
    return module


def test_what_the_project_needs_is_installed_as_pinned(dependencies: ModuleType) -> None:
    needed = dependencies.needed()
    assert {"pyarrow", "torch", "label-studio-sdk", "pytest", "uvicorn", "h11"} <= set(needed)
    assert dependencies.differences() == []


def test_nothing_is_pinned_that_is_not_needed(dependencies: ModuleType) -> None:
    # The pins are those of Linux and Python 3.11; a newer Python needs a few less (backports).
    if sys.version_info[:2] == (3, 11):
        assert sorted(set(dependencies.pins()) - set(dependencies.needed())) == []


def test_installed_distributions_do_not_contradict_each_other() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_page_has_all_of_them_with_their_licences(dependencies: ModuleType) -> None:
    text = dependencies.PAGE.read_text("utf-8")
    for line in dependencies.page().splitlines():
        assert line in text, f"docs/dependencies.md lacks {line!r}: run python benchmarks/dependencies.py"
    assert "not stated" not in text
    if sys.version_info[:2] == (3, 11):
        assert text == dependencies.page()


def test_a_version_that_is_not_pinned_is_named(dependencies: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "pins", lambda: {"pyarrow": "1.0"})
    differing = dependencies.differences()
    assert any(line.startswith("pyarrow: ") and line.endswith("constraints.txt: 1.0") for line in differing)
    assert any(line.endswith("constraints.txt: not") for line in differing)
