"""The tutorials and how-to pages do what they say: their commands and snippets run in order, and say what is shown."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ELSEWHERE = {
    "s3://": "a store; tests/corpus/storage has them",
    "dask ": "a cluster on other machines; tests/corpus/engine starts them here",
    "tcp://": "a cluster on other machines",
    "--push": "the hub",
    "answerdotai/": "the hub",
    "corpus/runs/continued": "what came from the hub",
    "labeling names": "a Label Studio; tests/labeling/label_studio has them",
}
"""Parts of commands that need what no test has, and where they are tried."""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Fenced blocks in their order: language and text."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Commands with the output that is shown below each."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, *output = part.rstrip("\n").split("\n")
        yield command, output


def holds(shown: list[str], output: str) -> None:
    """Lines that are shown come in this order; … stands for any lines, or for the rest of one."""
    left = iter(line.rstrip() for line in output.splitlines())
    for line in shown:
        start = line.rstrip("…").rstrip()
        if start:
            assert any(row == line or (line.endswith("…") and row.startswith(start)) for row in left), (
                f"{line!r} is not in, or not in this order in\n{output}"
            )


def said(command: str, folder: Path) -> str:
    """What a command says, run as a user does in this folder."""
    words = [sys.executable, "-m", "socorpus.cli.main", *shlex.split(command)[1:]]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def fill_in(sheet: Path) -> None:
    """What a person does with a sheet."""
    with sheet.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = "HQ" if len(row["text"]) > 400 else "LQ_EDIT"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def follow(page: Path, folder: Path) -> int:
    """Do what a page says, in a folder; the number of commands and snippets that ran."""
    ran = 0
    for language, text in blocks(page):
        if language == "toml":
            (folder / "socorpus.toml").write_text(text, "utf-8")
        elif language == "python" and "@votes" in text:
            (folder / "shouted.py").write_text(text, "utf-8")
        elif language == "python":
            done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{page.name}\n{text}\n{done.stderr}"
            ran += 1
        elif language == "console":
            for command, output in commands(text):
                if not any(part in command for part in ELSEWHERE):
                    holds(output, said(command, folder))
                    ran += 1
                    if "labeling sheet" in command and "how-to" in page.parts:
                        fill_in(folder / "sheet.csv")
    return ran


def test_a_line_that_is_not_said_is_noticed() -> None:
    holds(["a", "…", "c d…"], "a\nb\nc d e\n")
    with pytest.raises(AssertionError, match="'b'"):
        holds(["c", "b"], "b\nc\n")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the first tutorial was followed."""
    folder = tmp_path_factory.mktemp("tutorial")
    assert follow(DOCS / "tutorial" / "corpus.md", folder) >= 8
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dump_becomes_a_published_corpus(first: Path) -> None:
    assert (first / "published" / "README.md").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_labels_become_a_model(first: Path, tmp_path: Path) -> None:
    assert follow(DOCS / "tutorial" / "model.md", tmp_path) >= 12
    assert (tmp_path / "comparison" / "comparison.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["rule", "labelling-function", "judge", "publish"])
def test_a_task_is_done(name: str, first: Path, tmp_path: Path) -> None:
    shutil.copytree(first / "dump", tmp_path / "dump")
    shutil.copytree(first / "corpus", tmp_path / "corpus", symlinks=True)
    (tmp_path / "my-site").mkdir()
    assert follow(DOCS / "how-to" / f"{name}.md", tmp_path) >= 1


def test_commands_that_no_test_runs_are_few() -> None:
    left = [
        command
        for page in sorted((DOCS / "how-to").glob("*.md")) + sorted((DOCS / "tutorial").glob("*.md"))
        for language, text in blocks(page)
        if language == "console"
        for command, _ in commands(text)
        if any(part in command for part in ELSEWHERE)
    ]
    assert len(left) <= 12, left
