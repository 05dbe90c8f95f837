"""Kernels are compiled once, with a word about it; from then on they come from the cache, whoever calls them."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from socorpus.corpus.engine import compile_stage, compiling
from socorpus.corpus.engine.work import Progress
from socorpus.labeling import kernels as labeling_kernels
from tests.building import socorpus
from tests.corpus import small_site

ROOT = Path(__file__).resolve().parents[3]
KERNEL = """
from socorpus.corpus.arrays import njit

@njit(cache=True)
def double(x):
    return 2 * x
"""
BUILD = """
import sys
from pathlib import Path
from socorpus.corpus.engine.compile_stage import KERNELS
from socorpus.corpus.engine.compiling import kernels
from socorpus.cli.main import run
sys.argv = ["socorpus", "build", sys.argv[1], "-o", sys.argv[2], "--workers", "0", "--no-labels"]
try:
    run()
except SystemExit as end:
    assert not end.code
stats = [kernel.stats for kernel in kernels(KERNELS)]
print("hits", sum(sum(one.cache_hits.values()) for one in stats))
print("misses", sum(sum(one.cache_misses.values()) for one in stats))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with one kernel, in a folder of its own."""
    (tmp_path / "kernel_of_a_test.py").write_text(KERNEL)
    monkeypatch.syspath_prepend(tmp_path)
    yield "kernel_of_a_test"
    sys.modules.pop("kernel_of_a_test", None)


def compile_once(module: str) -> list[Progress]:
    shown: list[Progress] = []

    def call() -> None:
        assert import_module(module).double(21) == 42

    compiling.compile_once("compile", [module], call, shown.append)
    return shown


def test_kernels_are_compiled_once_and_again_when_they_change(module: str, tmp_path: Path) -> None:
    before, after = compile_once(module)
    assert (before.done, before.items, after.done, after.items) == (0, 1, 1, 1)
    assert "once after an install" in before.note
    assert compile_once(module) == []
    for kept in (tmp_path / "__pycache__").glob("*.nbi"):
        kept.unlink()
    assert len(compile_once(module)) == 2
    del sys.modules[module]
    (tmp_path / f"{module}.py").write_text(KERNEL + "\n# changed\n")
    assert len(compile_once(module)) == 2
    assert compile_once(module) == []


def test_kernels_are_kept_for_the_user_where_the_package_can_not_be_written(module: str, tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("a file, so that not even root can make the folder")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import kernel_of_a_test as k; assert k.double(21) == 42;"
        "from socorpus.corpus.engine import compiling;"
        "compiling.compile_once('compile', ['kernel_of_a_test'], lambda: None, lambda now: print(now.note));"
        "print(k.double.stats.cache_path)"
    )

    def run(cache: Path) -> list[str]:
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("NUMBA_CACHE_DIR", None)
        command = [sys.executable, "-c", program, str(tmp_path)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()

    assert run(tmp_path / "home")[-1].startswith(str(tmp_path / "home/numba"))
    # Nor can the user's folder: it works, and says what to do.
    nowhere = run(tmp_path / "__pycache__" / "home")
    assert nowhere == [compiling.NO_CACHE, "None"]


def test_every_kernel_is_kept_and_those_of_a_build_are_warmed_up() -> None:
    with_kernels = set()
    for package in ("corpus", "labeling", "training"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            name = "socorpus." + str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
            if name == "socorpus.corpus.arrays":
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module == "numba":
                    assert "njit" not in {alias.name for alias in node.names}, f"{path}: take njit from corpus.arrays"
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "njit":
                    options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                    assert options.get("cache") == "True", f"{path}:{node.lineno}: cache=True"
                    with_kernels.add(name)
    assert with_kernels == {*compile_stage.KERNELS, *labeling_kernels.KERNELS}


@pytest.mark.slow
def test_the_second_build_after_an_install_compiles_nothing(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    source = small_site.dump(tmp_path / "dump")
    first = socorpus("build", source, "-o", tmp_path / "first", "--workers", 1, "--no-labels", environment=environment)
    assert first.stderr.count("compiles its kernels") == 1
    command = [sys.executable, "-c", BUILD, str(source), str(tmp_path / "second")]
    second = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert "compile" not in second.stderr
    hits, misses = (int(line.split()[1]) for line in second.stdout.splitlines()[-2:])
    assert (hits > 8, misses) == (True, 0)
