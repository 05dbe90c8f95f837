"""Public suites whose data lie beside the project, and the count of right cases of each, printed at the end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_COUNTS = pytest.StashKey[list[str]]()

Tally = Callable[[str, int, int], None]


@pytest.fixture(scope="session")
def suites() -> Path:
    """Folder of the suites; where it is absent, tests skip and say how to give it."""
    path = Path(os.environ.get("SOCORPUS_REAL_DATA", ROOT.parent / "shared")) / "suites"
    if not path.is_dir():
        pytest.skip(f"no public suites at {path}: set SOCORPUS_REAL_DATA to a folder with suites/")
    return path


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Records how many cases of a suite are right, of how many."""

    def record(suite: str, right: int, cases: int) -> None:
        assert cases > 0, suite
        request.config.stash.setdefault(_COUNTS, []).append(f"{suite}: {right:,} of {cases:,} right")

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_COUNTS, []):
        terminalreporter.section("conformance")
        terminalreporter.write("\n".join(lines) + "\n")
