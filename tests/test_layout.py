"""The shape of the project: what is packaged, who imports whom, what a bare start costs."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [name for name in ("corpus", "labeling", "training", "cli") if (ROOT / name).is_dir()]
MAY_IMPORT = {
    "corpus": set(),
    "labeling": {"corpus"},
    "training": {"corpus", "labeling"},
    "cli": {"corpus", "labeling", "training"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_a_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("socorpus/")}
    tree = {
        f"socorpus/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == tree


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    for path in sources(package):
        for name in imported(path):
            first, _, rest = name.partition(".")
            assert first not in PACKAGES, f"{path}: import socorpus.{name}"
            other = rest.partition(".")[0]
            if first == "socorpus" and other in PACKAGES and other != package:
                assert other in MAY_IMPORT[package], f"{path}: {package} must not import {other}"


def test_help_answers_without_the_heavy_packages() -> None:
    code = (
        "import sys; sys.argv = ['socorpus', '--help']\n"
        "try:\n    from socorpus.cli.main import run; run()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'numpy', 'pyarrow', 'dask', 'distributed', 'lxml', 'numba', 'scipy', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "build" in shown.stdout


def test_every_command_is_documented() -> None:
    from socorpus.cli.main import app

    readme = (ROOT / "README.md").read_text("utf-8")
    groups = [
        ("", app),
        *((f"{group.typer_instance.info.name} ", group.typer_instance) for group in app.registered_groups),
    ]
    for prefix, group in groups:
        assert group is not None
        for command in group.registered_commands:
            assert command.callback is not None
            name = prefix + (command.name or command.callback.__name__.replace("_", "-"))
            assert f"socorpus {name}" in readme, f"README.md does not show socorpus {name}"


def test_pinned_versions_lie_in_the_ranges_of_the_project() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pins = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    for line in wanted:
        requirement = Requirement(line)
        if requirement.name == "socorpus":  # its own extras
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": "3.11", "extra": ""}):
            continue  # the constraints are Python 3.11's
        pin = pins[requirement.name.lower()]
        assert requirement.specifier.contains(pin), f"{line}: pinned to {pin}"


def test_no_file_says_where_it_was_made() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and path.suffix in {".py", ".md", ".toml", ".txt", ".html", ""}:
            text = path.read_text("utf-8", errors="replace")
            assert "/wo" + "rk/" not in text, f"{name} has a path of one machine"
