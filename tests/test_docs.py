"""README and docs: their links lead somewhere, their commands parse, what they show is what is said."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from socorpus.cli.main import app
from socorpus.corpus.selection import own_rules
from tests.building import socorpus
from tests.corpus import small_site

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EVERY = [f"{name} {below}" for name, command in COMMANDS.items() for below in getattr(command, "commands", {})] + [
    name for name, command in COMMANDS.items() if not hasattr(command, "commands")
]
"""All commands, those of groups by both names."""


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the usual hosts make them."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Commands that a page shows after `$`, each with the lines of output below it."""
    for block in blocks(page, "console"):
        command, output = "", list[str]()
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, output
                command, output = line.removeprefix("$ "), []
            elif not line.startswith("#"):
                output.append(line)
        yield command, output


def shown_everywhere() -> list[tuple[str, list[str]]]:
    return [one for page in PAGES for one in shown(page)]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target} is not there"
        assert not anchor or anchor in anchors(found), f"{page.name}: {target}: there is no such heading"


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in PAGES[1:]:
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "index.md" or f"]({name})" in contents, f"docs/index.md lacks {name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_command_lines_parse(page: Path) -> None:
    lines = [command for command, _ in shown(page)]
    # In running text a bare `socorpus build` names the command and is no whole line.
    inline = re.findall(r"`(socorpus [a-z][^`\n]* [^`\n]+)`", page.read_text("utf-8"))
    inline = [line for line in inline if line.removeprefix("socorpus ") not in EVERY]
    for line in [*lines, *inline]:
        program, *words = shlex.split(line)
        if program in ("make", "dask"):
            continue
        assert program == "socorpus", f"{page.name}: {line}"
        parse(words, f"{page.name}: {line}")


def parse(words: list[str], where: str) -> None:
    """Parse a command line without running it."""
    if words == ["--help"]:
        return
    assert words[0] in COMMANDS, f"{where}: there is no such command"
    if words[1:] == ["--help"]:
        return
    command, *rest = COMMANDS[words[0]], *words[1:]
    if hasattr(command, "commands"):
        assert rest and rest[0] in command.commands, f"{where}: {words[0]} has no such command"
        command, *rest = command.commands[rest[0]], *rest[1:]
        if rest == ["--help"]:
            return
    try:
        command.make_context(words[0], rest)
    except Exception as error:
        pytest.fail(f"{where}: {error}")


def test_a_command_line_that_is_wrong_is_found() -> None:
    with pytest.raises(pytest.fail.Exception, match="--no-such"):
        parse(["build", "dump", "-o", "corpus", "--no-such"], "here")
    with pytest.raises(AssertionError, match="no such command"):
        parse(["bild", "dump"], "here")
    with pytest.raises(AssertionError, match="labeling has no such command"):
        parse(["labeling", "aply", "corpus"], "here")
    with pytest.raises(pytest.fail.Exception, match="--no-such"):
        parse(["labeling", "apply", "corpus", "--no-such"], "here")


def test_makefile_targets_that_are_shown_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = [command.split()[1] for command, _ in shown_everywhere() if command.startswith("make ")]
    assert set(targets) >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"


def test_help_texts_are_those_of_the_commands() -> None:
    helps = [(command, output) for command, output in shown_everywhere() if command.endswith("--help")]
    assert {command for command, _ in helps} >= {"socorpus --help", "socorpus build --help"}
    for command, output in helps:
        code = "from socorpus.cli.main import app; app(prog_name='socorpus')"
        environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
        done = subprocess.run(
            [sys.executable, "-c", code, *shlex.split(command)[1:]], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert "\n".join(output).split("\n") == done.stdout.rstrip().split("\n"), f"{command} says something else now"


@pytest.mark.parametrize("command", EVERY)
def test_every_command_is_shown(command: str) -> None:
    assert any(re.search(rf"\bsocorpus {command}\b", page.read_text("utf-8")) for page in PAGES)


def test_configurations_that_are_shown_are_accepted(tmp_path: Path) -> None:
    from socorpus.corpus import config, toml_config
    from socorpus.training import config as of_run

    def holds(loaded: Any, shown: Any) -> bool:
        if isinstance(shown, dict):
            return all(holds(loaded[key], value) for key, value in shown.items())
        if isinstance(shown, list):
            return len(loaded) == len(shown) and all(map(holds, loaded, shown))
        return bool(loaded == shown)

    (tmp_path / "rules.py").write_text("", "utf-8")  # the plug-in file that they name
    examples = [(page, block) for page in PAGES for block in blocks(page, "toml")]
    assert examples
    for number, (page, example) in enumerate(examples):
        path = tmp_path / f"{number}.toml"
        path.write_text(example, "utf-8")
        if page.name == "training.md":
            run, where = toml_config.load(of_run.Config, {"": {}}, "", path, None)
            of_run.check(run, where)
            assert holds(toml_config.as_dict(run), tomllib.loads(example)), example
            continue
        built = config.load(path)
        own_rules.check(built.selection)
        assert holds(toml_config.as_dict(built), tomllib.loads(example)), example


def test_python_that_is_shown_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_site.build(tmp_path / "corpus", small_site.dump(tmp_path))
    monkeypatch.chdir(tmp_path)
    # Those of docs/corpus.md, docs/stages.md and the tutorials are run by the tests of these pages.
    examples = blocks(ROOT / "docs" / "build.md", "python")
    assert examples
    for example in examples:
        exec(compile(example, "docs/build.md", "exec"), {})
        assert capsys.readouterr().out.strip(), "docs/build.md: an example shows nothing"


def test_the_demo_says_what_the_readme_shows(tmp_path: Path) -> None:
    expected = {command: output for command, output in shown(ROOT / "README.md") if any(output)}
    del expected["socorpus --help"]
    assert list(expected) == [
        "socorpus sample demo/dump",
        "socorpus build demo/dump -o demo/corpus",
        "socorpus explain demo/corpus area51.example.com:28",
    ]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command, output in expected.items():
        assert "explain" in command or f"$(BIN)/{command}\n" in makefile
        # The demo's own folder may hold what somebody built.
        words = [word.replace("demo/", f"{tmp_path}/") for word in shlex.split(command)[1:]]
        said = socorpus(*words, environment={"COLUMNS": "200"}).stdout.replace(f"{tmp_path}/", "demo/")
        said_lines = [line.rstrip() for line in said.splitlines()]
        for line in output:
            if line not in ("", "…"):
                assert line in said_lines, f"{command}: {line!r} is not in\n{said}"
