"""What the site is built of: the pages, those made of the code, and what pages link to outside docs/.

    python docs/prepare_site.py FOLDER        then: mkdocs build (or make docs)

Pages in docs/ are read on a code host as they are. A site has no folder above its pages, so a file that a page links to
there (CHANGELOG.md, an example) becomes a page of the site, and the link leads to it. Two references are made here:
of the command line by Typer, of the Python API as directives that mkdocstrings follows.
"""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from socorpus.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("corpus", "labeling", "training")
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"(^```.*?^```$)", re.S | re.M)
LANGUAGES = {".py": "python", ".toml": "toml", ".csv": "text", ".json": "json"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the pages; what is in it goes")
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    outside: set[Path] = set()
    for path in sorted((ROOT / "docs").rglob("*")):
        place = folder / path.relative_to(ROOT / "docs")
        if path.suffix == ".md":
            _write(place, _moved(path, place, folder, outside))
        elif path.suffix in (".svg", ".png", ".css"):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    written: set[Path] = set()
    # A page from outside may link to more of them.
    while left := sorted(outside - written):
        for path in left:
            place = _place(path, folder)
            _write(place, _moved(path, place, folder, outside) if path.suffix == ".md" else _shown(path, outside))
            written.add(path)
    _write(folder / "command-line.md", _command_line())
    for package in PACKAGES:
        _write(folder / "api" / f"{package}.md", _api(package))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _place(path: Path, folder: Path) -> Path:
    """Where the site has a file from outside docs/."""
    name = path.relative_to(ROOT)
    if path.is_dir():
        return folder / "files" / name / "index.md"
    return folder / "files" / (name if path.suffix == ".md" else name.with_name(name.name + ".md"))


def _moved(page: Path, place: Path, folder: Path, outside: set[Path]) -> str:
    """A page's text with its links as the site needs them; what they lead to outside docs/ is noted."""
    pages = ROOT / "docs"

    def link(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = (page.parent / target).resolve()
        if path.is_relative_to(pages):
            there = folder / path.relative_to(pages)
        else:
            outside.add(path)
            there = _place(path, folder)
        return Path(os.path.relpath(there, place.parent)).as_posix() + anchor

    parts = FENCE.split(page.read_text("utf-8"))
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def _shown(path: Path, outside: set[Path]) -> str:
    """A page that shows a file, or lists a folder's."""
    name = path.relative_to(ROOT).as_posix()
    if not path.is_dir():
        return f"# {name}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text('utf-8')}````\n"
    files = sorted(file for file in path.rglob("*") if file.suffix in LANGUAGES)
    outside.update(files)
    links = (f"- [{file.relative_to(path)}]({file.relative_to(path)}.md)" for file in files)
    return f"# {name}\n\n" + "\n".join(links) + "\n"


def _command_line() -> str:
    """The reference of all commands, as Typer writes it."""
    command = [sys.executable, "-m", "typer", "socorpus.cli.main", "utils", "docs", "--name", "socorpus"]
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    text = done.stdout.replace("# `socorpus`", "# Command line", 1)
    # Typer cuts what a list of commands says.
    for name, command in _commands(typer.main.get_command(app)):
        text = re.sub(
            rf"^\* `{name}`: .*\.\.\.$", f"* `{name}`: {(command.help or '').partition(chr(10))[0]}", text, flags=re.M
        )
    # Brackets in help texts are no links.
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", text, flags=re.S | re.M)
    return "".join(part if part.startswith("`") else part.replace("[", "\\[") for part in parts)


def _commands(group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield name, command
        if hasattr(command, "commands"):
            yield from _commands(command)


def _api(package: str) -> str:
    """The reference of a package's names, in the order of the alphabet."""
    module = importlib.import_module(f"socorpus.{package}")
    lines = [f"# socorpus.{package}", "", (module.__doc__ or "").partition("\n")[0], ""]
    for name in sorted(module.__all__, key=str.lower):
        if not name.startswith("__"):
            lines += [f"::: socorpus.{package}.{name}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
