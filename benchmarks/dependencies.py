"""The distributions that the project needs, with their versions and licences: docs/dependencies.md.

    python benchmarks/dependencies.py            write docs/dependencies.md
    python benchmarks/dependencies.py --check    exit 1 if it, or constraints.txt, differs from what is installed

What is needed is followed from pyproject.toml through the metadata of the installed distributions, so it is the closure
for this system and this Python. A package that is installed but not needed is not in it.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "dependencies.md"
EXTRAS = ("", "labeling", "cleanlab", "training", "browse", "s3", "publish", "dev")
"""What can be installed: the base, and its extras."""

_TITLES = {"Apache License Version 2.0": "Apache-2.0", "MIT License": "MIT"}
_SHORT = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


_IN_A_FILE = {"label-studio-sdk": "Apache-2.0", "mlcroissant": "Apache-2.0"}
"""Licences that the metadata lack: a file of the distribution states them, or its repository."""


@dataclass
class Needed:
    """A distribution that is needed.

    Attributes:
        name: its normalised name.
        installed: its metadata; None if it is missing.
        by: the parts of the project that need it: `base`, or an extra.
    """

    name: str
    installed: Distribution | None
    by: set[str] = field(default_factory=set)

    def _licence_file(self) -> str:
        """The title of its licence file, for those that state nothing else."""
        assert self.installed is not None
        for file in self.installed.files or ():
            if file.name.upper().startswith("LICENSE"):
                lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
                title = " ".join(lines[:2])
                return next((short for start, short in _TITLES.items() if title.startswith(start)), title)
        return "not stated"

    @property
    def licence(self) -> str:
        """The licence that its metadata states: as an expression, by classifiers, or in a line of text."""
        assert self.installed is not None
        facts = self.installed.metadata
        if expression := facts.get("License-Expression"):
            return expression
        stated = [
            value.rpartition(" :: ")[2] for value in facts.get_all("Classifier", []) if value.startswith("License")
        ]
        stated = [_SHORT.get(value, value) for value in stated if value != "OSI Approved"]
        if stated:
            return ", ".join(dict.fromkeys(stated))
        lines = (facts.get("License") or "").strip().splitlines()
        stated_here = lines[0].strip() if lines else self._licence_file()
        return _IN_A_FILE.get(self.name) or _SHORT.get(stated_here, stated_here)

    @property
    def version(self) -> str:
        """Its version, without the build (`+cpu`) that PyTorch's own index adds."""
        return "missing" if self.installed is None else self.installed.version.partition("+")[0]


def _wanted(requirements: list[str], extras: frozenset[str]) -> Iterator[Requirement]:
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield requirement


def needed() -> dict[str, Needed]:
    """All distributions that the project needs here, by name; the project itself is not among them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    everything: dict[str, Needed] = {}
    for part in EXTRAS:
        seen: set[tuple[str, str]] = set()
        listed = project["optional-dependencies"][part] if part else project["dependencies"]
        waiting = [(requirement, part or "base") for requirement in _wanted(listed, frozenset())]
        while waiting:
            requirement, by = waiting.pop()
            name = canonicalize_name(requirement.name)
            if name == project["name"]:
                continue
            try:
                installed = distribution(name)
            except PackageNotFoundError:
                installed = None
            everything.setdefault(name, Needed(name, installed)).by.add(by)
            for extra in requirement.extras or {""}:
                if installed is not None and (name, extra) not in seen:
                    seen.add((name, extra))
                    extras = frozenset({extra} if extra else ())
                    waiting += [(more, by) for more in _wanted(installed.requires or [], extras | {""})]
    return dict(sorted(everything.items()))


def pins() -> dict[str, str]:
    """Version by name, as constraints.txt pins them."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = (re.fullmatch(r"([\w.-]+)==(\S+)", line) for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(match[1]): match[2] for match in pinned if match is not None}


def differences() -> list[str]:
    """What is needed and not installed as pinned, in a sentence each."""
    pinned = pins()
    return [
        f"{name}: {entry.version}, pinned in constraints.txt: {pinned.get(name, 'not')}"
        for name, entry in needed().items()
        if entry.version != pinned.get(name)
    ]


def page() -> str:
    """The text of docs/dependencies.md."""
    rows = []
    for entry in needed().values():
        if entry.installed is not None:
            # What the base needs, the extras need too.
            by = ["base"] if "base" in entry.by else [name for name in EXTRAS if name in entry.by]
            rows.append(f"| {entry.name} | {entry.version} | {entry.licence} | {', '.join(by)} |")
    return (
        "# Dependencies and their licences\n\n"
        "Written by `python benchmarks/dependencies.py`; a test holds it. It has every distribution that is installed\n"
        "with the project on Linux and Python 3.11, followed from `pyproject.toml`, in the versions that\n"
        "`constraints.txt` pins. The licence is what the distribution itself states. None is part of this repository.\n"
        "One is under the GPL, `krippendorff`: only tests compare with it, and no extra but `dev` installs it.\n\n"
        "`pip check` finds no contradiction among them. Known vulnerabilities are not looked up by the tests, which\n"
        "reach no other host; with a network, `pip-audit -r constraints.txt --no-deps --disable-pip` does that.\n\n"
        "| distribution | version | licence | needed by |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        PAGE.write_text(page(), "utf-8")
        return
    wrong = differences()
    if PAGE.read_text("utf-8") != page():
        wrong.append("docs/dependencies.md is not what this program writes: run it without --check")
    print("\n".join(wrong) or "as pinned, and as listed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
